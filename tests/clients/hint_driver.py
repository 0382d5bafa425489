"""The hint of a session without a task, taken from the error itself: each of its forms works as it
stands, in the client that it names."""

import asyncio
import os
import re
import subprocess

import asyncpg
import psycopg
import psycopg2
from common import CA, PASSWORD, PORT, USER, check, done
from sqlalchemy import create_engine, text

ROUTED = os.environ["ROUTED"]
SHOW = "SELECT current_setting('authority.task') || ' on ' || current_setting('authority.upstream')"
WANTED = "unit_tests on local"
PLACE = f"localhost:{PORT}/{ROUTED}"
TLS = f"sslmode=verify-full&sslrootcert={CA}"
CONNINFO = f"host=localhost port={PORT} dbname={ROUTED} user={USER} sslmode=verify-full sslrootcert={CA}"


def run(command, **variables):
    """The output of a command, and its errors."""
    environment = os.environ | {"PGPASSWORD": PASSWORD} | variables
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    return ran.stdout.strip(), ran.stderr.strip()


def forms():
    """The parts of the hint: clients, and what to write for them."""
    shown, error = run(["psql", "-X", "-At", "-c", SHOW, CONNINFO])
    check(shown == "", "no session without a task", shown)
    hint = re.search(r"HINT: +declare one: (.*); the tasks are (.*) \(docs", error)
    check(hint is not None, "a hint", error)
    check("unit_tests" in hint[2].split(", "), "the tasks", hint[2])
    parts = re.findall(r"(\S.*?)(?: in the URL)? \(([^)]*)\)(?:, |$)", hint[1])
    return {client: form for form, clients in parts for client in clients.split(", ")}


async def asyncpg_shows(url):
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(SHOW)
    finally:
        await connection.close()


def libpq(url):
    with psycopg.connect(url) as connection:
        shown = connection.execute(SHOW).fetchone()[0]
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute(SHOW)
        check(cursor.fetchone()[0] == shown, "psycopg 2 as psycopg 3")
    connection.close()
    return shown


def sqlalchemy(url):
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        shown = connection.execute(text(SHOW)).scalar()
    engine.dispose()
    return shown


def main():
    hint = forms()
    named = {"psql", "libpq", "psycopg", "SQLAlchemy", "node-postgres", "JDBC", "asyncpg"}
    check(set(hint) == named, "the clients that the hint names", hint)
    for client in ["psql", "libpq"]:
        variable = hint[client]
        shell = f"{variable} psql -X -At -c \"$SHOW\" '{CONNINFO}'"
        check(run(["sh", "-c", shell], SHOW=SHOW) == (WANTED, ""), client, variable)

    def url(client):
        return f"postgresql://{USER}:{PASSWORD}@{PLACE}{hint[client]}&{TLS}"

    check(libpq(url("psycopg")) == WANTED, "psycopg")
    check(sqlalchemy(url("SQLAlchemy")) == WANTED, "SQLAlchemy")
    check(asyncio.run(asyncpg_shows(url("asyncpg"))) == WANTED, "asyncpg")
    script = (
        "const { Client } = require('pg'); const client = new Client(process.env.URL);"
        "client.connect().then(() => client.query(process.env.SHOW))"
        ".then(({ rows }) => { console.log(Object.values(rows[0])[0]); return client.end(); });"
    )
    shown = run(["node", "-e", script], URL=url("node-postgres"), SHOW=SHOW)
    check(shown[0] == WANTED, "node-postgres", shown)
    address = f"jdbc:postgresql://{PLACE}{hint['JDBC']}&user={USER}&password={PASSWORD}&{TLS}"
    java = ["java", "-cp", "/usr/share/java/postgresql.jar", "UrlJdbc.java"]
    shown = run(java, URL=address, SHOW=SHOW)
    check(shown[0] == WANTED, "JDBC", shown)
    done("the hint of a session without a task")


main()

"""PostgreSQL's own tools: psql and its backslash commands, pg_dump, pg_restore, pgbench."""

import os
import subprocess
import tempfile
from pathlib import Path

from common import CONFIRM, PROD, REPLICA, STAGING, check, done, url

BIN = Path("/usr/lib/postgresql/15/bin")


def tool(name, *arguments, entry=None, fails=False, **parameters):
    command = [str(BIN / name), *map(str, arguments)]
    if entry:
        command += ["-d", url(entry, **parameters)]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, "PGOPTIONS": ""},
    )  # fmt: skip
    right = (ran.returncode != 0) == fails
    check(right, " ".join(command[:1] + command[1:-2]), ran.stdout[-1500:] + ran.stderr[-1500:])
    return ran.stdout + ran.stderr


def psql(entry, *commands, fails=False, **parameters):
    words = [word for command in commands for word in ("-c", command)]
    options = ("-X", "-v", "ON_ERROR_STOP=1")
    return tool("psql", *options, *words, entry=entry, fails=fails, **parameters)


DESCRIBE = r"""\l
\l+
\d
\d+
\dt+
\dt *.*
\di+
\dv+
\dm+
\ds+
\df+
\dn+
\du+
\dp
\dT+
\dx+
\dy+
\dRp
\dRs
\db
\dc+
\dC+
\dD+
\ddp
\des+
\det+
\deu+
\dew+
\dF+
\dL+
\do+
\dAc+
\drds
\dconfig
\d items
\d+ items
\d lines
\sf+ tell
\conninfo
\encoding"""
psql(PROD, *DESCRIBE.splitlines())
psql(REPLICA, *DESCRIBE.splitlines())
shown = psql(PROD, r"\copy items to /dev/null", "SELECT * FROM items", "BEGIN", "INSERT INTO lines (item) VALUES (1)", "ROLLBACK")  # fmt: skip
check("anvil" in shown, "a row", shown)
shown = psql(PROD, "CREATE TABLE blocked (n int)", fails=True)
for part in ("ERROR:  CREATE TABLE blocked", "DETAIL:", "HINT:", "LINE 1: CREATE TABLE blocked", "^"):
    check(part in shown, f"psql shows {part}", shown)
psql(PROD, "SET authority.confirm_prod_migrations = on", "CREATE TABLE by_psql (n int)")
psql(PROD, "DROP TABLE by_psql", options=CONFIRM)
psql(REPLICA, r"\dt+", "SELECT * FROM items")
shown = psql(REPLICA, "CREATE TABLE blocked (n int)", fails=True, options=CONFIRM)
check("role replica" in shown, "the replica's refusal", shown)
done("psql")

with tempfile.TemporaryDirectory() as folder:
    plain, folders = Path(folder, "plain.sql"), Path(folder, "dump")
    tool("pg_dump", "-f", plain, entry=PROD)
    check("CREATE TABLE public.items" in plain.read_text(), "a dump")
    tool("pg_dump", "-Fd", "-j2", "-f", folders, entry=PROD)
    tool("pg_dump", "-Fd", "-j2", "-f", f"{folders}-replica", entry=REPLICA)
    done("pg_dump")
    shown = tool("pg_restore", "--clean", "--if-exists", "--no-owner", "-e", folders, entry=PROD, fails=True)
    check("42501" in shown or "blocked" in shown, "a restore on prod is blocked", shown)
    tool("pg_restore", "--clean", "--if-exists", "--no-owner", "-j2", folders, entry=STAGING)
    done("pg_restore")

tool("pgbench", "-i", "-q", "-s", "1", entry=None, *[url(STAGING)])
tool("pgbench", "-i", "-q", "-s", "1", url(PROD), fails=True)
tool("pgbench", "-i", "-q", "-s", "1", url(PROD, options=CONFIRM))
for mode in ("simple", "extended", "prepared"):
    tool("pgbench", "-n", "-M", mode, "-c", "4", "-t", "50", url(PROD))
    tool("pgbench", "-n", "-S", "-M", mode, "-c", "4", "-t", "50", url(REPLICA))
tool("pgbench", "-t", "10", "-c", "2", url(PROD))  # it begins with VACUUM
done("pgbench")

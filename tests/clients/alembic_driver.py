"""Alembic, as the demo's project uses it: upgrade, current, history, downgrade."""

import os
import subprocess
import sys
from pathlib import Path

from common import CONFIRM, PROD, REPLICA, STAGING, check, done, url

DEMO = Path(__file__).resolve().parent.parent.parent / "demo"


def alembic(entry, *arguments, **parameters):
    address = url(entry, scheme="postgresql+psycopg", **parameters)
    return python("-m", "alembic", *arguments, address=address)


def python(*arguments, address):
    return subprocess.run(
        [sys.executable, *arguments], cwd=DEMO, env={**os.environ, "DATABASE_URL": address},
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def init_db(entry, **parameters):
    address = url(entry, scheme="postgresql+psycopg", **parameters)
    return python("-c", "from app.db import init_db; init_db()", address=address)


ran = init_db(STAGING)
check(ran.returncode == 0, "init_db() on staging", ran.stderr)
ran = alembic(STAGING, "upgrade", "head")
check(ran.returncode == 0, "upgrade on staging", ran.stderr)
ran = alembic(STAGING, "current")
check("(head)" in ran.stdout, "current on staging", ran.stdout + ran.stderr)
done("staging")

ran = init_db(PROD)
check("InsufficientPrivilege" in ran.stderr, "init_db() on prod is blocked", ran.stderr[-2000:])
ran = init_db(PROD, options=CONFIRM)
check(ran.returncode == 0, "init_db() on prod, confirmed", ran.stderr)
ran = init_db(PROD)
check(ran.returncode == 0, "init_db() where everything exists sends no DDL", ran.stderr)
ran = alembic(PROD, "current")
check(ran.returncode == 0 and not ran.stdout.strip(), "current on an unstamped prod", ran.stderr)
ran = alembic(PROD, "upgrade", "head")
check(ran.returncode != 0, "upgrade on prod is blocked", ran.stdout)
check("CREATE TABLE blocked" in ran.stderr, "the error says what", ran.stderr[-2000:])
check("HINT" in ran.stderr and "DETAIL" in ran.stderr, "and how", ran.stderr[-2000:])
ran = alembic(PROD, "upgrade", "+6", options=CONFIRM)
check(ran.returncode == 0, "half of the upgrade, confirmed", ran.stderr[-2000:])
ran = alembic(PROD, "upgrade", "head")
check(ran.returncode != 0, "the other half is blocked")
ran = alembic(PROD, "stamp", "head")
check(ran.returncode != 0, "the version table is no ordinary table", ran.stdout)
ran = alembic(PROD, "upgrade", "head", options=CONFIRM)
check(ran.returncode == 0, "the other half, confirmed", ran.stderr[-2000:])
ran = alembic(PROD, "current")
check("(head)" in ran.stdout, "current on prod", ran.stdout + ran.stderr)
done("prod")

address = url(PROD, scheme="postgresql+psycopg")
ran = python("-m", "app.work", address=address)
check(ran.returncode == 0, "the application works", ran.stderr[-2000:])
done("the application")

ran = alembic(PROD, "downgrade", "-1", options=CONFIRM)
check(ran.returncode == 0, "downgrade, confirmed", ran.stderr[-2000:])
ran = alembic(REPLICA, "upgrade", "head", options=CONFIRM)
check(ran.returncode != 0 and "replica" in ran.stderr, "the replica", ran.stderr[-2000:])
done("the replica")

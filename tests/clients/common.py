"""What the Python drivers share: where to go, and how a check that fails says so."""

import os
import sys
from urllib.parse import quote

HOST, PORT = os.environ["HOST"], int(os.environ["PORT"])
USER, PASSWORD = os.environ["DBUSER"], os.environ["PASSWORD"]
CA = os.environ["CA"]
PROD, STAGING, REPLICA = os.environ["PROD"], os.environ["STAGING"], os.environ["REPLICA"]
CONFIRM = os.environ["CONFIRM"]
PARAMETER = "authority.confirm_prod_migrations"
TAGS = {"authority.authority": "neon", "authority.role": "prod", "authority.env": "prod-like"}


def url(entry, *, scheme="postgresql", **parameters):
    """A libpq URL, fully verified, with further parameters."""
    query = {"sslmode": "verify-full", "sslrootcert": CA, **parameters}
    pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return f"{scheme}://{USER}:{PASSWORD}@{HOST}:{PORT}/{entry}?{pairs}"


def check(condition, what, seen=None):
    """Ends the driver unless `condition` holds."""
    if not condition:
        print(f"FAILED: {what}" + (f"\n  seen: {seen!r}" if seen is not None else ""))
        sys.exit(1)


def blocked(error, code="42501"):
    """An error that a person can act on."""
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    check(state == code, f"SQLSTATE {code}", (state, str(error)))
    diagnostics = getattr(error, "diag", None)
    if diagnostics is not None:
        check(diagnostics.message_detail, "a DETAIL", str(error))
        check(diagnostics.message_hint, "a HINT", str(error))


def done(what):
    """Says that a part of the driver went through."""
    print(f"ok: {what}")

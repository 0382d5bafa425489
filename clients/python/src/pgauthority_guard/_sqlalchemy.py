"""Session parameters for the connections of a SQLAlchemy engine, in the words of its driver.

They go into the startup packet, not into a SET behind it: that is where an entry with
``confirm = "startup"`` takes them from, and a rollback cannot take them back.
"""

from __future__ import annotations

import os
from typing import Any

LIBPQ = ("psycopg", "psycopg_async", "psycopg2", "psycopg2cffi")
# the keyword of each driver that takes parameters by name
BY_NAME = {"asyncpg": "server_settings", "pg8000": "startup_params"}


def declare_on(engine: Any, parameters: dict[str, str]) -> None:
    """``Declared.declare_on``, with the parameters."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    engine = getattr(engine, "sync_engine", engine)
    if not isinstance(engine, Engine):
        raise TypeError(f"declare_on() takes an engine, not {type(engine).__name__}")
    driver = engine.dialect.driver
    if driver not in LIBPQ and driver not in BY_NAME:
        raise TypeError(
            f"how the driver {driver} takes session parameters is not known: run the command "
            "under `pgauthority exec`, which needs no driver's help"
        )

    def declare(dialect: Any, record: Any, arguments: Any, keywords: dict[str, Any]) -> None:
        if driver in BY_NAME:
            keyword = BY_NAME[driver]
            keywords[keyword] = {**(keywords.get(keyword) or {}), **parameters}
            return
        # libpq reads PGOPTIONS only where no options are given
        given = keywords.get("options") or os.environ.get("PGOPTIONS", "")
        ours = [f"-c {name}={value}" for name, value in parameters.items()]
        keywords["options"] = " ".join([given, *ours]).strip()

    event.listen(engine, "do_connect", declare)

"""Refuses to touch a PostgreSQL database whose authority is not declared.

Authority is declared (``DB_AUTHORITY``, ``DB_ENV``, ``DB_ROLE``), never inferred: the functions
read the environment and nothing else, and open no connection. They say what ``pgauthority guard``
says, word for word.

    from pgauthority_guard import require_neon

    require_neon()
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from ._gate import Check, Report, judge

__all__ = [
    "AuthorityError",
    "AuthorityWarning",
    "Check",
    "Declared",
    "NotDeclaredError",
    "RefusedError",
    "Report",
    "assert_db_authority",
    "get_declared_authority",
    "require_local",
    "require_migrations_allowed",
    "require_neon",
]

__version__ = "0.1.0"


class AuthorityError(Exception):
    """The gate did not say yes. Its text has every fault with a hint, and no secret."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.text())
        self.report = report


class NotDeclaredError(AuthorityError):
    """A declaration is missing, empty, misspelled, or contradicts another."""


class RefusedError(AuthorityError):
    """Everything is declared, and it says no."""


class AuthorityWarning(UserWarning):
    """What can be seen contradicts what is declared. The declaration stands."""


@dataclass(frozen=True)
class Declared:
    """What the environment declares, once it was asked for and found well."""

    authority: str
    """``neon`` or ``local``"""
    env: str
    """``prod-like``, ``dev`` or ``test``"""
    role: str | None
    """``staging``, ``prod`` or ``replica``; ``None`` where it is not declared"""
    via: str
    """``pgauthority`` where ``DATABASE_URL`` is declared to lead to one, else ``direct``"""
    confirmed: bool
    """migrations on role prod were asked for, and are confirmed"""

    def session_parameters(self) -> dict[str, str]:
        """What a session says to a pgauthority when it connects: the expectations, which the proxy
        refuses to contradict, and the confirmation. Nothing where there is none (``via``)."""
        if self.via != "pgauthority":
            return {}
        parameters = {
            "authority.expect_authority": self.authority,
            "authority.expect_env": self.env,
        }
        if self.role is not None:
            parameters["authority.expect_role"] = self.role
        if self.confirmed:
            parameters["authority.confirm_prod_migrations"] = "true"
        return parameters

    def declare_on(self, engine: Any) -> None:
        """Lets every connection that a SQLAlchemy engine makes from now on carry
        ``session_parameters()``, in the way of its driver (psycopg, psycopg2, asyncpg, pg8000).

        ``engine``: an ``Engine`` or ``AsyncEngine`` that has not connected yet.
        """
        parameters = self.session_parameters()
        if parameters:
            from ._sqlalchemy import declare_on

            declare_on(engine, parameters)


def get_declared_authority(environ: Mapping[str, str] | None = None) -> str:
    """``DB_AUTHORITY``: ``neon`` or ``local``. Raises unless it and ``DB_ENV`` are declared."""
    return _ask("show", environ).authority


def assert_db_authority(expected: str, environ: Mapping[str, str] | None = None) -> Declared:
    """Raises unless ``DB_AUTHORITY`` is ``expected``: ``neon`` or ``local``."""
    if expected not in ("neon", "local"):
        raise ValueError(f"expected is {expected!r}, which is not one of neon, local")
    return _ask(f"require {expected}", environ)


def require_neon(environ: Mapping[str, str] | None = None) -> Declared:
    """Raises unless the declared authority is neon: where production data lives."""
    return _ask("require neon", environ)


def require_local(environ: Mapping[str, str] | None = None) -> Declared:
    """Raises unless the declared authority is local: disposable data."""
    return _ask("require local", environ)


def require_migrations_allowed(environ: Mapping[str, str] | None = None) -> Declared:
    """Raises unless migrations may run: the role is staging, or prod and confirmed."""
    return _ask("migrations", environ)


def _ask(demand: str, environ: Mapping[str, str] | None) -> Declared:
    variables, report = judge(demand, environ)
    if report.verdict == "not_declared":
        raise NotDeclaredError(report)
    if report.verdict == "refused":
        raise RefusedError(report)
    for check in report.findings():
        # the caller of the function that was called
        warnings.warn(check.text(), AuthorityWarning, stacklevel=3)
    role = variables.get("DB_ROLE") or None
    return Declared(
        authority=variables["DB_AUTHORITY"],
        env=variables["DB_ENV"],
        role=role,
        via=variables.get("DB_VIA") or "direct",
        confirmed=demand == "migrations" and role == "prod",
    )

"""The rules of the gate: declared variables in, a report of every rule that was judged out.

They are those of ``pgauthority guard``; one table of cases holds both to the same words.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ._url import Url, UrlFault, is_local_host, is_neon_host

VARIABLES = (
    "DB_AUTHORITY",
    "DB_ENV",
    "DB_ROLE",
    "DATABASE_URL",
    "DB_VIA",
    "CONFIRM_PROD_MIGRATIONS",
)

AUTHORITIES = ("neon", "local")
ENVIRONMENTS = ("prod-like", "dev", "test")
ROLES = ("staging", "prod", "replica")

EXIT_CODES = {"allowed": 0, "refused": 1, "not_declared": 78}


@dataclass(frozen=True)
class Check:
    """One rule, judged. A rule that does not apply is not listed."""

    rule: str
    status: str
    """``ok``, ``warning``, ``refused`` or ``not_declared``"""
    message: str
    hint: str | None = None

    def text(self) -> str:
        """For people, on one line or two."""
        hint = f"\nhint: {self.hint}" if self.hint else ""
        return f"{self.message} ({self.rule}){hint}"


@dataclass(frozen=True)
class Report:
    """Everything that the gate found."""

    checks: tuple[Check, ...]

    @property
    def verdict(self) -> str:
        """``not_declared`` before ``refused`` before ``allowed``."""
        found = {check.status for check in self.checks}
        return next((word for word in ("not_declared", "refused") if word in found), "allowed")

    @property
    def exit_code(self) -> int:
        """That of ``pgauthority guard``: 0, 1, or 78."""
        return EXIT_CODES[self.verdict]

    def findings(self) -> Iterator[Check]:
        """The checks that are not met, warnings among them."""
        return (check for check in self.checks if check.status != "ok")

    def text(self) -> str:
        """The findings and the verdict, for people."""
        verdict = self.verdict.replace("_", " ")
        return "\n".join([*(check.text() for check in self.findings()), verdict])


def judge(demand: str, environ: Mapping[str, str] | None = None) -> tuple[dict[str, str], Report]:
    """Judges an environment for a demand: ``show``, ``require neon``, ``require local`` or
    ``migrations``. Gives the variables that were read, and all faults at once."""
    source = os.environ if environ is None else environ
    variables = {name: _readable(source[name]) for name in VARIABLES if name in source}
    gate = _Gate(variables)
    gate.judge(demand)
    return variables, Report(tuple(gate.checks))


def _readable(value: str) -> str:
    """Bytes that are not UTF-8 as U+FFFD: such a value is none of the words of any declaration."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class _Gate:
    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.checks: list[Check] = []

    def add(self, rule: str, status: str, message: str, hint: str | None = None) -> None:
        self.checks.append(Check(rule, status, message, hint))

    def judge(self, demand: str) -> None:
        migrations = demand == "migrations"
        authority = self.word("authority.declared", "DB_AUTHORITY", AUTHORITIES)
        env = self.word("env.declared", "DB_ENV", ENVIRONMENTS)
        role = self.word("role.declared", "DB_ROLE", ROLES, needed=migrations)
        if authority == "local" and role not in (None, "staging"):
            self.add(
                "role.authority",
                "not_declared",
                f"DB_AUTHORITY is local and DB_ROLE is {role}: the local database is for staging "
                "only",
                "DB_ROLE=staging, or DB_AUTHORITY=neon where production data lives",
            )
        if migrations:
            self.migrations(role)
        elif demand != "show" and authority is not None:
            self.required(authority, demand.split()[1])
        proxied = self.via()
        url = self.url(needed=migrations)
        if role == "prod" and env not in (None, "prod-like"):
            message = f"role prod is declared with env {env}, not env prod-like"
            self.add("mapping.env", "warning", message, "DB_ENV=prod-like")
        if url is not None and not proxied:
            self.hosts(url, authority, role)

    def word(self, rule: str, name: str, words: tuple[str, ...], needed: bool = True) -> str | None:
        """A declaration that must be one of a list of words; an optional one may be missing, never
        misspelled."""
        value = self.variables.get(name)
        if not value and not needed:
            return None
        if value in words:
            self.add(rule, "ok", f"{name} is {value}")
            return value
        if value is None:
            message = f"{name} is not set"
        elif value == "":
            message = f"{name} is empty"
        else:
            message = f"{name} is {shown(value)}, which is not one of {', '.join(words)}"
        self.add(rule, "not_declared", message, " or ".join(f"{name}={word}" for word in words))
        return None

    def required(self, authority: str, wanted: str) -> None:
        rule = "authority.required"
        if authority == wanted:
            self.add(rule, "ok", f"DB_AUTHORITY is {authority}, as required")
        else:
            message = f"DB_AUTHORITY is {authority}, and {wanted} is required"
            hint = f"run it where DB_AUTHORITY={wanted} is declared"
            self.add(rule, "refused", message, hint)

    def migrations(self, role: str | None) -> None:
        rule = "role.migrates"
        if role == "staging":
            self.add(rule, "ok", "role staging may run migrations")
        elif role == "prod":
            self.add(rule, "ok", "role prod may run migrations once they are confirmed")
            self.confirmed()
        elif role == "replica":
            self.add(
                "replica.blocked",
                "refused",
                "DB_ROLE is replica: migrations are always blocked on a replica, confirmed or not",
                "run them on its primary: DB_ROLE=prod and the primary's DATABASE_URL",
            )
        elif self.variables.get("DB_ROLE"):
            value = shown(self.variables["DB_ROLE"])
            message = f"only the roles staging and prod may run migrations, and {value} is neither"
            self.add(rule, "refused", message, "DB_ROLE=staging or DB_ROLE=prod")

    def confirmed(self) -> None:
        name = "CONFIRM_PROD_MIGRATIONS"
        value = self.variables.get(name)
        if value is not None and value.isascii() and value.lower() == "true":
            self.add("prod.confirmed", "ok", f"{name} is true")
            return
        message = f"DB_ROLE is prod and {name} is "
        if value is None:
            message += "not set"
        elif value == "":
            message += "empty"
        else:
            message += f"{shown(value)}: only true confirms"
        self.add("prod.confirmed", "refused", message, f"{name}=true")

    def via(self) -> bool:
        """Whether no host is to be judged: ``DATABASE_URL`` leads to a pgauthority, or nobody can
        tell what was meant."""
        rule = "via.declared"
        value = self.variables.get("DB_VIA")
        if not value:
            return False
        if value == "pgauthority":
            self.add(rule, "ok", "DATABASE_URL is declared to lead to a pgauthority")
            return True
        if value == "direct":
            self.add(rule, "ok", "DATABASE_URL is declared to lead to the database itself")
            return False
        message = f"DB_VIA is {shown(value)}, which is not one of direct, pgauthority"
        self.add(rule, "not_declared", message, "DB_VIA=direct or DB_VIA=pgauthority")
        return True

    def url(self, needed: bool) -> Url | None:
        rule = "url.declared"
        text = self.variables.get("DATABASE_URL")
        if not text:
            if needed:
                what = "not set" if text is None else "empty"
                hint = "DATABASE_URL=postgresql://USER@HOST:PORT/DATABASE"
                self.add(rule, "not_declared", f"DATABASE_URL is {what}", hint)
            return None
        try:
            url = Url.parse(text)
        except UrlFault as fault:
            self.add(rule, "ok", "DATABASE_URL is set")
            message = f"DATABASE_URL {fault}: its host is not compared with the declarations"
            self.add("url.readable", "warning", message)
            return None
        self.add(rule, "ok", f"DATABASE_URL is {url.redacted()}")
        return url

    def hosts(self, url: Url, authority: str | None, role: str | None) -> None:
        hint = "DB_VIA=pgauthority, if that is a pgauthority proxy"
        try:
            hosts = url.host_names()
        except UrlFault:
            return
        for host in hosts:
            if authority == "neon" and not is_neon_host(host):
                message = f"authority neon expects a host under neon.tech, not {shown(host)}"
                self.add("mapping.authority", "warning", message, hint)
            if authority == "local" and not is_local_host(host):
                message = (
                    "authority local expects localhost, a loopback address, a Unix socket or a "
                    f"one-label service name, not {shown(host)}"
                )
                self.add("mapping.authority", "warning", message, hint)
            if role == "prod" and is_local_host(host):
                message = f"role prod is declared for {shown(host)}, which looks local"
                self.add("mapping.role", "warning", message, hint)


def shown(value: str) -> str:
    """A variable's value for people. The variables hold short words: what looks like a URL, a
    connection string or a token was put there by mistake and may be a secret."""
    plain = not any(c in '@="' or unicodedata.category(c) == "Cc" for c in value)
    if plain and "://" not in value and len(value) <= 63:
        return f'"{value}"'
    return "a value that is not shown"


def declared(variables: Mapping[str, str]) -> list[tuple[str, str | None]]:
    """Every variable with its value for people, or ``None`` where it is not set."""

    def of(name: str) -> str | None:
        value = variables.get(name)
        if value is None or name != "DATABASE_URL":
            return None if value is None else shown(value).strip('"')
        try:
            return Url.parse(value).redacted()
        except UrlFault as fault:
            return f"not shown: it {fault}"

    return [(name, of(name)) for name in VARIABLES]

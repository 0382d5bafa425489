"""``DATABASE_URL`` in the spellings that drivers use: its hosts, and its text without its secrets.

A URL that could be read in two ways is a fault, so that no part of a password can pass for a host.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes


class UrlFault(Exception):
    """Why a text is no PostgreSQL URL; never any of the text, which may hold a password."""


SCHEME = "does not start with postgresql://, postgresql+driver:// or jdbc:postgresql://"
PORT = "has a port that is no number between 1 and 65535"
UNESCAPED = "has a character that must be percent-encoded (@ is %40, / is %2F, ? is %3F)"
ENCODING = "has a percent-encoding that is not UTF-8 text"
CONTROL = "has a line break or another control character"

# Parameters whose values may be shown; any other could be a secret of some driver.
SHOWN = {
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "port",
    "ssl",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "target_session_attrs",
    "user",
}

_SCHEMES = re.compile(r"jdbc:postgresql|(postgres|postgresql|postgis|pgsql|psql)(\+[A-Za-z0-9_]*)?")
_KEY = re.compile(r"[A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Url:
    """A PostgreSQL URL in parts; ``hosts`` are decoded, what else there is is not."""

    scheme: str
    userinfo: str | None
    hosts: tuple[tuple[str, int | None], ...]
    path: str | None
    query: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, text: str) -> Url:
        """Takes a URL apart. Raises ``UrlFault``."""
        if any(unicodedata.category(c) == "Cc" for c in text):
            raise UrlFault(CONTROL)
        scheme, found, rest = text.partition("://")
        if not found or not _SCHEMES.fullmatch(scheme):
            raise UrlFault(SCHEME)
        before, _, query = rest.partition("?")
        authority, slash, path = before.partition("/")
        if "@" in path or "/" in path:
            raise UrlFault(UNESCAPED)
        userinfo, at, hosts = authority.rpartition("@")
        url = cls(
            scheme=scheme,
            userinfo=userinfo if at else None,
            hosts=tuple(_host(host) for host in hosts.split(",")) if hosts else (),
            path=path if slash else None,
            query=tuple(_pair(pair) for pair in query.split("&") if pair),
        )
        url._decodable()
        return url

    def _decodable(self) -> None:
        """User, password and database can be read."""
        user, _, password = (self.userinfo or "").partition(":")
        for part, parameter in ((user, "user"), (password, "password"), (self.path, "dbname")):
            if part:
                _decode(part)
            else:
                self.parameter(parameter)

    def parameter(self, name: str) -> str | None:
        """The last parameter of that name, decoded. An empty value counts as none."""
        for key, value in reversed(self.query):
            if key == name:
                return self._value(value) if value else None
        return None

    def _value(self, value: str) -> str:
        # SQLAlchemy reads '+' as a space, as forms do; libpq and JDBC do not
        return _decode(value.replace("+", " ") if "+" in self.scheme else value)

    def host_names(self) -> list[str]:
        """Where it connects to, as libpq reads it: ``host`` among the parameters wins; or, as
        SQLAlchemy has it, each ``host``."""
        named = [self._value(value) for key, value in self.query if key == "host" and value]
        if named and "+" not in self.scheme:
            named = named[-1:]
        if named:
            hosts = [_host_parameter(host) for names in named for host in names.split(",")]
        else:
            hosts = [name for name, _ in self.hosts]
        ports = self.parameter("port")
        if ports is not None:
            each = ports.split(",")
            for index in range(len(hosts)):
                port = each[index] if index < len(each) else each[-1]
                if port:
                    _port(port)
        return [host for host in hosts if host]

    def redacted(self) -> str:
        """The URL for people: the password, and what could hold one, is ``***``."""
        text = f"{self.scheme}://"
        if self.userinfo is not None:
            user, colon, _ = self.userinfo.partition(":")
            text += f"{user}:***@" if colon else f"{user}@"
        text += ",".join(_host_text(name, port) for name, port in self.hosts)
        if self.path is not None:
            text += f"/{self.path}"
        pairs = []
        for key, value in self.query:
            shown = value if key in SHOWN else "***"
            pairs.append(key if value is None else f"{key}={shown}")
        return text + (f"?{'&'.join(pairs)}" if pairs else "")


def _decode(text: str) -> str:
    try:
        decoded = unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise UrlFault(ENCODING) from None
    if "\0" in decoded:
        raise UrlFault(ENCODING)
    return decoded


def _port(text: str) -> int:
    digits = text.lstrip("0")
    if not (text.isascii() and text.isdigit() and 0 < len(digits) <= 5 and int(digits) < 65536):
        raise UrlFault(PORT)
    return int(digits)


def _host(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        name, bracket, after = text[1:].partition("]")
        if not bracket or (after and not after.startswith(":")):
            raise UrlFault(UNESCAPED)
        port = after[1:]
    else:
        name, _, port = text.partition(":")
    number = _port(port) if port else None
    return _decode(name), number


def _host_parameter(text: str) -> str:
    """The name in a value of ``host=``: SQLAlchemy's may have a port, an IPv6 address has no
    brackets."""
    name, colon, port = text.partition(":")
    if not colon or text.startswith("/") or ":" in port:
        return text
    if port:
        _port(port)
    return name


def _pair(pair: str) -> tuple[str, str | None]:
    key, equals, value = pair.partition("=")
    if not _KEY.fullmatch(key):
        raise UrlFault(UNESCAPED)
    return key, value if equals else None


def _host_text(name: str, port: int | None) -> str:
    """A host as a URL spells it: what is not plain is escaped, an IPv6 address is bracketed."""
    bracketed = ":" in name
    text = quote(name, safe=":" if bracketed else "").replace("~", "%7E")
    text = f"[{text}]" if bracketed else text
    return text if port is None else f"{text}:{port}"


def is_neon_host(host: str) -> bool:
    """A host under neon.tech, by whole labels."""
    host = _lower(host[:-1] if host.endswith(".") else host)
    if host == "neon.tech":
        return True
    if not host.endswith(".neon.tech"):
        return False
    labels = host[: -len(".neon.tech")]
    return all(labels.split(".")) and not any(c in labels for c in "/:@%")


def is_local_host(host: str) -> bool:
    """``localhost``, a loopback address, a Unix socket's folder, or a name of one label (a service
    of a container network)."""
    if host.startswith("/"):
        return True
    address = _address(host)
    if address is not None:
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).is_loopback
    name = host[:-1] if host.endswith(".") else host
    return bool(name) and "." not in name and ":" not in name


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        # a zone (fe80::1%eth0) is for the machine that reads it, and makes no address
        return None if "%" in host else ipaddress.ip_address(host)
    except ValueError:
        return None


def _lower(text: str) -> str:
    """ASCII alone, as host names are compared."""
    return "".join(c.lower() if c.isascii() else c for c in text)

"""Addresses of sources: `postgresql://user@host/database`. A secret never stands in one."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import parse_qsl, unquote, urlsplit

_SECRET = re.compile(r"pass|secret|token|credential|sslkey", re.IGNORECASE)


def is_address(source: str) -> bool:
    """Return whether a source is an address and no file's name.

    Examples
    --------
    >>> is_address("gs://bucket/rows.csv"), is_address("data/rows.csv")
    (True, False)
    """
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", source) is not None


def without_secret(source: str) -> str:
    """Return an address with what may be a secret in it replaced by ``***``: the same text where there is none.

    Examples
    --------
    >>> without_secret("postgresql://ana:pa55@db/school?sslmode=require&password=x")
    'postgresql://ana:***@db/school?sslmode=require&password=***'
    >>> without_secret("postgresql://ana@db/school")
    'postgresql://ana@db/school'
    """
    scheme, separator, rest = source.partition("://")
    if not separator:
        return source
    head, question, query = rest.partition("?")
    # The last @ ends the user's part: a password may hold one, and a slash, although it ought not.
    user, at, host = head.rpartition("@")
    name, colon, secret = user.partition(":")
    if colon and secret:
        head = f"{name}:***{at}{host}"
    pairs = [re.sub(r"=.*", "=***", pair) if _SECRET.search(unquote(pair.partition("=")[0])) else pair
             for pair in query.split("&")]  # fmt: skip
    return f"{scheme}://{head}{question}{'&'.join(pairs)}"


def query_of(address: str) -> dict[str, str]:
    """Return the options that stand after the `?` of an address."""
    return dict(parse_qsl(urlsplit(address).query, keep_blank_values=True))


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine: ``localhost``, or an address of the loopback.

    Examples
    --------
    >>> is_loopback("localhost"), is_loopback("127.0.0.2"), is_loopback("::1"), is_loopback("localhost.evil.example")
    (True, True, True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

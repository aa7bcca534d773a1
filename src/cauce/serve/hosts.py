"""The names under which the service answers, and which sites may ask it.

A browser on the same machine reaches loopback too: by a name of the attacker's (DNS rebinding), or from their page.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MOST = 64


class Hosts:
    """The names under which the service may be asked for.

    Parameters
    ----------
    host
        The address that it listens on.
    tls
        Whether it speaks HTTPS: then a page that came by HTTP is another site. Without, a proxy may speak it.

    Examples
    --------
    >>> Hosts("127.0.0.1").allows("localhost:8321"), Hosts("127.0.0.1").allows("evil.example")
    (True, False)
    """

    def __init__(self, host: str, *, tls: bool = False) -> None:
        self._any_address = host in {"0.0.0.0", "::", ""}  # noqa: S104 - compared, not bound
        own = (socket.gethostname().lower(),) if self._any_address else ()
        self._names = frozenset({*LOOPBACK, host.lower().strip("[]"), *own})
        self._schemes = {"https"} if tls else {"http", "https"}
        self._allowed: set[bytes] = set()

    def allows_bytes(self, header: bytes | None) -> bool:
        """Return whether a Host header, as it came, names this service; None is a request without one."""
        if header in self._allowed:
            return True
        if header is None or not self.allows(header.decode("latin-1")):
            return False
        if len(self._allowed) >= MOST:
            self._allowed.clear()
        self._allowed.add(header)
        return True

    def allows(self, header: str) -> bool:
        """Return whether a Host header names this service; its port does not matter.

        Bound to all addresses, any numeric address is ours: rebinding needs a name.
        """
        name = _split(header)[0]
        return name in self._names or (self._any_address and _is_address(name))

    def same(self, origin: str, host: str) -> bool:
        """Return whether an Origin header is that of the Host header."""
        scheme, found, netloc = origin.partition("://")
        if not found or scheme not in self._schemes:
            return False
        default = 443 if scheme == "https" else 80
        ours, theirs = _split(host), _split(netloc)
        return bool(theirs[0]) and (ours[0], ours[1] or default) == (theirs[0], theirs[1] or default)


def _split(netloc: str) -> tuple[str, int | None]:
    if not netloc.isascii() or any(character in netloc for character in "/@?#\\ \t"):
        return "", None
    try:
        parts = urlsplit(f"//{netloc}")
        return parts.hostname or "", parts.port
    except ValueError:
        return "", None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True

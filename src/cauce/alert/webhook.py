"""A message sent by HTTP with the standard library: TLS verified, no redirect followed, little read, done in time.

Whoever knows a webhook's address may write there, so the address is a secret: it stands in no error.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import SplitResult, urlsplit

from cauce.alert.undelivered import Undelivered
from cauce.core.addresses import is_loopback

MOST_READ = 4096
"""Bytes of an answer that are read, and only to name a fault."""
WORD = re.compile(rb"[a-z_]{1,40}")


def post(url: str, payload: dict[str, Any], *, timeout_s: float) -> None:
    """Post a payload as JSON.

    Raises
    ------
    Undelivered
        The address is none, the server cannot be reached or verified in `timeout_s`, or does not take the message.
    """
    parts = _checked(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    body = json.dumps(payload, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "cauce", "Connection": "close"}
    connection = _connection(parts, timeout_s)
    try:
        with ending(connection, timeout_s) as keep:
            connection.request("POST", target, body, headers)
            keep(connection.sock)  # a connection that is to be closed forgets it, and its answer is still to be read
            with connection.getresponse() as answer:
                said = answer.read(MOST_READ)
    except ssl.SSLCertVerificationError as error:
        raise Undelivered(f"its certificate is not trusted ({error.verify_message})", lasting=True) from None
    except TimeoutError:
        raise Undelivered(f"no answer in {timeout_s:g} s") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Undelivered(f"not reached ({type(error).__name__})") from None
    finally:
        connection.close()
    _judge(answer, said)


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise Undelivered("its variable holds no address", lasting=True) from None
    printable = all("!" <= letter <= "~" for letter in url.strip())
    if not host or parts.scheme not in {"http", "https"} or not printable:
        raise Undelivered("its variable holds no web address", lasting=True)
    if "@" in parts.netloc:
        raise Undelivered("its address holds a user, which is not sent", lasting=True)
    if parts.scheme == "http" and not is_loopback(host):
        raise Undelivered("its address is not encrypted; write https", lasting=True)
    return parts


def _connection(parts: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port, timeout=timeout_s)
    return http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=ssl.create_default_context())


@contextmanager
def ending(connection: Any, timeout_s: float) -> Iterator[Callable[[socket.socket], None]]:
    """Cut a connection's socket after `timeout_s` whatever it is doing: a server may give a byte now and then for ever.

    Parameters
    ----------
    connection
        Anything with a socket in `sock`.

    Yields
    ------
    Callable
        Takes a socket to be cut as well, once `connection` no longer knows it.
    """
    cut, kept = threading.Event(), list[socket.socket]()

    def end() -> None:
        cut.set()
        for each in (connection.sock, *kept):
            if each is not None:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(timeout_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield kept.append
    except Exception:
        if cut.is_set():
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()


def _judge(answer: http.client.HTTPResponse, said: bytes) -> None:
    status = answer.status
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise Undelivered(f"answers {status}: it redirects, which is not followed", lasting=True)
    word = said.strip()
    named = f" ({word.decode()})" if WORD.fullmatch(word) else ""
    lasting = 400 <= status < 500 and status not in {408, 425, 429}
    raise Undelivered(
        f"answers {status}{named}", lasting=lasting, retry_after_s=_seconds(answer.getheader("Retry-After"))
    )


def _seconds(header: str | None) -> float:
    """Return how long a server asks to be left alone, at most an hour; 0 where it says nothing that is a number."""
    return min(float(header), 3600.0) if header is not None and re.fullmatch(r"[0-9]{1,6}", header.strip()) else 0.0

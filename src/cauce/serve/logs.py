"""The service's log on stderr: a JSON object a line, or a line for people; and the id that a request goes by.

No body, token, cookie, header or query string is handed to the log. What a library writes into an exception's message
is out of our hands: while a request is answered, whatever stands in quotes there is masked, since libraries quote
values so; bearer tokens and query strings are masked everywhere. No text from outside can begin a line of its own.
"""

from __future__ import annotations

import logging
import random
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import orjson

REQUEST_ID: ContextVar[str] = ContextVar("cauce_request_id", default="")
HEADER = b"x-request-id"
SENT_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
FIELDS = ("model", "version", "variant", "method", "route", "status", "ms", "client", "left_out")
"""What a line may say beside its message: keys of `extra`. Others are not written."""
LONGEST = 16_000
SECRETS = re.compile(
    r"""(?i)\b(bearer\s+)[^\s'",]+|(\?)[\w.~%+-]+=[^\s'"#]*|\b((?:set-)?cookie|authorization)(\s*[:=]\s*)[^\r\n]*"""
)
QUOTED = re.compile(r"""(?<!\w)(["'])(?:(?!\1)[^\\]|\\.)*\1""", re.DOTALL)
CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff]")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
logger = logging.getLogger("cauce.serve")


def request_id() -> str:
    """Return the id of the request that this task answers; empty outside of one."""
    return REQUEST_ID.get()


def begin(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Give this task's request its id: the client's where it is one, else a new UUIDv7."""
    found = ""
    for name, value in headers:
        if name == HEADER:
            found = value.decode("ascii") if SENT_ID.fullmatch(value) else ""
            break
    made = found or _new_id()
    REQUEST_ID.set(made)
    return made


def known_method(method: str) -> str:
    """Return a method under its name, or OpenTelemetry's word for any other: what was sent is not repeated."""
    return method if method in METHODS else "_OTHER"


def _new_id() -> str:
    """Return a UUIDv7. Nothing rests on its secrecy, so it takes the quick generator, which a fork seeds anew."""
    bits = random.getrandbits(74)
    ms = time.time_ns() // 1_000_000
    fields = ms >> 16, ms & 0xFFFF, bits >> 62, bits & 0x3FFF | 0x8000, bits >> 14 & 0xFFFFFFFFFFFF
    return "%08x-%04x-7%03x-%04x-%012x" % fields  # noqa: UP031 - a third quicker than an f-string, for every request


@contextmanager
def written(kind: Literal["text", "json"], stream: TextIO | None = None) -> Iterator[None]:
    """Write the log of the block to `stream`, stderr where None: Cauce from INFO on, its libraries from WARNING on."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(Json() if kind == "json" else Text())
    root, own = logging.getLogger(), logging.getLogger("cauce")
    before = own.level
    root.addHandler(handler)
    own.setLevel(logging.INFO)
    try:
        yield
    finally:
        own.setLevel(before)
        root.removeHandler(handler)


class Json(logging.Formatter):
    """A JSON object a line: ts, level, logger, message, request_id, pid, the fields that are known, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "ts": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": clean(record.getMessage()),
        }
        if found := request_id():
            line["request_id"] = found
        line.update(_fields(record))
        line["pid"] = record.process
        if trace := _traceback(record):
            line["traceback"] = trace
        # JSON escapes what ends a line in ASCII; some readers know other ends, and terminals other commands.
        return CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", orjson.dumps(line).decode())


class Text(logging.Formatter):
    """Lines for people; a traceback's lines stand under its message, each behind a bar."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or lines."""
        about = [f"request_id={found}"] if (found := request_id()) else []
        about += [f"{name}={_escaped(str(value))}" for name, value in _fields(record).items()]
        message = _escaped(clean(record.getMessage()))
        first = f"{_moment(record)} {record.levelname:<7} [{record.process}] {' '.join([message, *about])}"
        lines = _traceback(record).split("\n") if record.exc_info else []
        return "\n".join([first, *(f"    | {_escaped(line)}" for line in lines)])


def clean(text: str) -> str:
    """Return a text without the secrets that can be told by their form, cut to a length.

    Examples
    --------
    >>> clean("GET /console?code=abc with Bearer x.y")
    'GET /console?*** with Bearer ***'
    """
    cut = text if len(text) <= LONGEST else text[:LONGEST] + "…"
    hidden = SECRETS.sub(_masked, cut.strip())
    return hidden.encode("utf-8", "replace").decode()


def _masked(found: re.Match[str]) -> str:
    return "".join(part for part in found.groups() if part) + "***"


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    given = record.__dict__
    found = {name: given[name] for name in FIELDS if given.get(name) is not None}
    return {name: value if isinstance(value, int | float) else clean(str(value)[:200]) for name, value in found.items()}


def _escaped(text: str) -> str:
    """Return a text in which no character moves the cursor, ends the line or turns its direction."""
    return CONTROL.sub(lambda found: found.group().encode("unicode_escape", "backslashreplace").decode(), text)


def _traceback(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    return clean("".join(_told(error, masked=bool(request_id()), seen=set()))) if error is not None else ""


def _told(error: BaseException, *, masked: bool, seen: set[int]) -> list[str]:
    """Return an error's frames and message, after those of the error that it came from."""
    seen.add(id(error))
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    before = [*_told(cause, masked=masked, seen=seen), "\nThen:\n"] if cause and id(cause) not in seen else []
    try:
        message = str(error)
    except Exception:  # a foreign class' own text may fail, and the log must not
        message = "its message cannot be shown"
    shown = QUOTED.sub("'…'", message) if masked else message
    own = [*traceback.format_tb(error.__traceback__), f"{type(error).__qualname__}: {shown}\n"]
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    within = [line for one in inner if id(one) not in seen for line in _told(one, masked=masked, seen=seen)]
    return [*before, *own, *within]


class Access:
    """Lines about requests that were not answered as asked. A line a success would cost throughput: metrics count them.

    Parameters
    ----------
    per_second
        Lines a second at most, in each worker: an attack or an overload must not fill the disk. What is left out is
        counted in the next line.
    """

    def __init__(self, per_second: int = 20, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = per_second, clock
        self._begun, self._written, self._left_out = 0.0, 0, 0

    def refused(self, *, method: str, route: str, status: int, seconds: float, client: str | None = None) -> None:
        """Write a line, at INFO for the client's faults, at WARNING for ours, unless there were too many."""
        moment = self._clock()
        if moment - self._begun >= 1.0:
            self._begun, self._written = moment, 0
        if self._written >= self._most:
            self._left_out += 1
            return
        self._written += 1
        about = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 3)}
        extra = {**about, "client": client, "left_out": self._left_out or None}
        self._left_out = 0
        logger.log(logging.WARNING if status >= 500 else logging.INFO, "answered %d", status, extra=extra)

"""From the bytes of a request to JSON: size, media type and syntax judged, nothing of the meaning."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from starlette.types import Receive

from cauce.serve.problem import Problem


class NotFinite:
    """NaN or an infinity, which JSON does not know but many clients write; refused later, with its row and field."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        """Return it as it came."""
        return self.text


class Asked(NamedTuple):
    """What the headers of a request with a body say."""

    key: str | None
    """Idempotency-Key."""
    deadline_s: float | None
    """Cauce-Deadline-Ms: how long the client will wait, in seconds."""


def headers(found: Mapping[bytes, bytes], *, limit: int) -> Asked:
    """Read a request's headers, named in lower case as ASGI has them.

    Raises
    ------
    Problem
        413 too large, 415 not JSON by its own word or compressed, 400 a deadline that is none.
    """
    kind = found.get(b"content-type")
    if kind is not None and kind != b"application/json":
        _check_media_type(kind.decode("latin-1"))
    if found.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Problem(415, "Compressed bodies are not read. Send the body without Content-Encoding.")
    length = found.get(b"content-length", b"")
    if length.isdigit() and int(length[:20]) > limit:
        raise _too_large(limit)
    key, deadline = found.get(b"idempotency-key"), found.get(b"cauce-deadline-ms")
    return Asked(
        key.decode("latin-1") if key is not None else None, _deadline(deadline) if deadline is not None else None
    )


async def read(receive: Receive, *, limit: int) -> bytes:
    """Return the body, at most `limit` bytes, measured while it arrives; `connection.py` limits the time it may take.

    Raises
    ------
    Problem
        413 too large, 400 broken off.
    """
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "The body broke off.")
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        if not message.get("more_body"):
            return b"".join(chunks) + chunk if chunks else chunk
        chunks.append(chunk)


def _check_media_type(value: str) -> None:
    kind = value.partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise Problem(415, f"The body must be JSON. Received {kind[:80]!r}. Send `Content-Type: application/json`.")


def _deadline(value: bytes) -> float:
    if not value.isdigit() or not 0 < len(value) <= 9 or int(value) == 0:
        raise Problem(400, "Cauce-Deadline-Ms must be a whole number of milliseconds above 0.")
    return int(value) / 1000


def _too_large(limit: int) -> Problem:
    shown = f"{limit / 1e6:g} MB"
    return Problem(413, f"The body is larger than {shown}. Send fewer rows, or raise max_body_mb under [serve].")


def parse(body: bytes) -> Any:
    """Return the JSON value; `NotFinite` stands where NaN or an infinity was written.

    Raises
    ------
    Problem
        400, with line and column.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        found = _with_not_finite(body)
        if found is not None:
            return found
        message = str(error)[:200]
        raise Problem(400, f"The body is not JSON: {message}.") from error


def _with_not_finite(body: bytes) -> Any:
    """Return the value where NaN, infinities and numbers beyond float64 are all that is wrong, else None."""
    seen: list[NotFinite] = []

    def note(text: str) -> NotFinite:
        seen.append(NotFinite(text[:40]))
        return seen[-1]

    def number(text: str) -> float | NotFinite:
        value = float(text)
        return note(text) if value in {float("inf"), float("-inf")} else value

    def integer(text: str) -> int | NotFinite:
        return note(text) if len(text) > 300 else int(text)

    try:
        value = json.loads(body, parse_constant=note, parse_float=number, parse_int=integer)
    except (ValueError, RecursionError):
        return None
    return value if seen else None

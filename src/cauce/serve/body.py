"""From the bytes of a request to JSON: size, media type and syntax judged, nothing of the meaning."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request

from cauce.serve.problem import Problem

READ_S = 60.0


class NotFinite:
    """NaN or an infinity, which JSON does not know but many clients write; refused later, with its row and field."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        """Return it as it came."""
        return self.text


async def read(request: Request, *, limit: int) -> bytes:
    """Return the body, at most `limit` bytes, measured while it arrives.

    Raises
    ------
    Problem
        413 too large, 415 not JSON by its own word or compressed, 408 too slow, 400 broken off.
    """
    _check_headers(request, limit)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(READ_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                chunks.append(chunk)
    except TimeoutError as error:
        raise Problem(408, f"The body did not arrive within {READ_S:g} seconds.") from error
    except ClientDisconnect as error:
        raise Problem(400, "The body broke off.") from error
    return b"".join(chunks)


def _check_headers(request: Request, limit: int) -> None:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise Problem(415, f"The body must be JSON. Received {kind[:80]!r}. Send `Content-Type: application/json`.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "Compressed bodies are not read. Send the body without Content-Encoding.")
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > limit:
        raise _too_large(limit)


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

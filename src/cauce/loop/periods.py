"""Stretches of time, as people write them: a year, a month, a day, an hour, or two with dots between. UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from cauce.core.errors import UserError

PERIOD = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}))?)?)?")


@dataclass(frozen=True)
class Period:
    """A stretch of time, UTC: from `start` (inclusive) to `end` (exclusive)."""

    name: str
    start: datetime
    end: datetime


def period(text: str) -> Period:
    """Read a year, a month, a day, an hour, or two with ``..`` between: from the first one's begin to the second's end.

    Raises
    ------
    UserError
        It is none of these.

    Examples
    --------
    >>> found = period("2026-02")
    >>> str(found.start), str(found.end)
    ('2026-02-01 00:00:00+00:00', '2026-03-01 00:00:00+00:00')
    """
    first, dots, last = text.partition("..")
    try:
        start, end = _bounds(first)[0], _bounds(last if dots else first)[1]
    except ValueError as error:
        hint = "Write 2026, 2026-09, 2026-09-14, 2026-09-14T08, or 2026-09-01..2026-09-14."
        raise UserError("not a stretch of time", where="--from, --to", received=text, hint=hint) from error
    if start >= end:
        raise UserError("ends before it begins", where="--from, --to", received=text, hint="Turn it round.")
    return Period(text, start, end)


def _bounds(text: str) -> tuple[datetime, datetime]:
    found = PERIOD.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    year, month, day, hour = (int(part) if part else None for part in found.groups())
    start = datetime(cast("int", year), month or 1, day or 1, hour or 0, tzinfo=UTC)
    if hour is not None:
        return start, start + timedelta(hours=1)
    if day:
        return start, start + timedelta(days=1)
    if month:
        return start, (start + timedelta(days=32)).replace(day=1)
    return start, start.replace(year=start.year + 1)


def hour(at: datetime) -> str:
    """Write the hour of a time as `period` reads it."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H}"

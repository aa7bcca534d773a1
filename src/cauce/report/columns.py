"""A snapshot's columns as people read them: kind, gaps, values, and how they are spread."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from markupsafe import Markup

from cauce.profile import ColumnProfile, Profile
from cauce.report.drawings import columns_of_counts
from cauce.report.language import DASH, Language

MOST = 200
"""Columns that a page shows."""
_BINS = 24
_COMMON = 3


class Row(NamedTuple):
    """One column, written out."""

    name: str
    kind: str
    missing: str
    distinct: str
    values: str
    drawing: Markup | None


def rows(profile: Profile, private: Collection[str], words: Language) -> Iterator[Row]:
    """Write the first 200 columns; of those in `private` no value is shown."""
    for name, column in list(profile.columns.items())[:MOST]:
        hidden = name in private
        yield Row(
            name=name,
            kind=words.say(f"kind_{column.kind}"),
            missing=words.percent(column.n_missing / column.n_rows) if column.n_missing else DASH,
            distinct=words.count(column.n_distinct),
            values=words.say("audit_hidden") if hidden else _values(column, words),
            drawing=None if hidden else _drawing(column, words),
        )


def _values(column: ColumnProfile, words: Language) -> str:
    """Say which values a column holds: its commonest, or from where to where they reach."""
    if not column.n_present:
        return words.say("audit_empty")
    if column.kind == "text":
        middle = column.quantiles([0.5])[0]
        return words.say("audit_lengths", words.count(round(middle)), words.count(round(column.maximum or 0)))
    if column.family in {"string", "boolean"}:
        common = list(column.counts.items())[:_COMMON]
        parts = [f"{_cut(value)} ({words.percent(n / column.n_present, 0)})" for value, n in common]
        return ", ".join([*parts, "…"] if column.n_distinct > len(common) else parts)
    if column.minimum is None or column.maximum is None:
        return DASH
    low, middle, high = column.minimum, column.quantiles([0.5])[0], column.maximum
    written = [_day(one) if column.family == "datetime" else words.number(one, digits=4) for one in (low, high, middle)]
    return words.say("audit_numbers", *written)


def _day(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):  # a year that Python's calendar has not
        return DASH


def _cut(text: str) -> str:
    """Return a value on one line, at most 24 characters."""
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return shown if len(shown) <= 24 else f"{shown[:23]}…"


def _drawing(column: ColumnProfile, words: Language) -> Markup | None:
    heights = _heights(column)
    if len(heights) < 2 or not any(heights):
        return None
    return columns_of_counts(heights, words.say("audit_shape_hint", column.name, _values(column, words)))


def _heights(column: ColumnProfile) -> list[float]:
    """Return the shares of equal stretches between the 1 % and 99 % quantiles, or of the commonest values."""
    if column.family in {"string", "boolean"}:
        return [n / column.n_present for n in list(column.counts.values())[:_BINS]] if column.kind != "text" else []
    ranks = [place / 200 for place in range(2, 199)]
    found = column.quantiles(ranks)
    low, high = found[0], found[-1]
    if not low < high:
        return []
    ends = [low + (high - low) * (place + 1) / _BINS for place in range(_BINS)]
    below = [bisect_right(found, end) / len(found) for end in ends]
    return [max(after - before, 0.0) for before, after in zip([0.0, *below], below, strict=False)]

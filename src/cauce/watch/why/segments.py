"""Rows of two samples cut into segments: by levels of a category, quantiles of a number, lengths of a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Kind, Words
from cauce.core.figures import number

if TYPE_CHECKING:
    import pyarrow as pa

MOST_LEVELS = 12
"""Levels of a category that are segments of their own; the others are one."""
N_BINS = 6
"""Of a number, by quantiles of both samples together."""
FEWEST = 20
"""Rows of both samples together below which a level is no segment of its own."""
Codes = npt.NDArray[np.int64]
MISSING: Words = {"en": "{0} is missing", "es": "falta {0}"}
OTHERS: Words = {"en": "{0} is another", "es": "{0} es otro"}


@dataclass(frozen=True, eq=False)
class Segments:
    """One column's segments."""

    columns: tuple[str, ...]
    """One, or two for pairs."""
    labels: tuple[Words, ...]
    before: Codes
    """Segment of every row, shape (n_before,)."""
    after: Codes
    """Shape (n_after,)."""

    @property
    def name(self) -> str:
        """The column, or both."""
        return " × ".join(self.columns)


def segments_of(name: str, kind: Kind, before: pa.ChunkedArray, after: pa.ChunkedArray) -> Segments | None:
    """Cut by one column; None where it does not tell rows apart, or its values cannot be read as its kind."""
    if kind == "datetime":
        return None
    values = _values(before, kind), _values(after, kind)
    both = np.concatenate(values)
    if kind in {"category", "boolean"}:
        codes, labels = _levels(name, both)
    else:
        codes, labels = _bins(name, both, kind)
    if len(labels) < 2:
        return None
    return Segments((name,), labels, codes[: len(values[0])], codes[len(values[0]) :])


def pair(one: Segments, other: Segments) -> Segments:
    """Cut by two columns at once."""
    width = len(other.labels)
    labels = tuple(
        {language: f"{a[language]} {word} {b[language]}" for language, word in (("en", "and"), ("es", "y"))}
        for a in one.labels
        for b in other.labels
    )
    return Segments(
        (*one.columns, *other.columns),
        labels,
        one.before * width + other.before,
        one.after * width + other.after,
    )


def _values(column: pa.ChunkedArray, kind: Kind) -> npt.NDArray[Any]:
    """Return values as text (None where missing), or as numbers (NaN where missing)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if kind in {"category", "boolean"}:
        return np.asarray(column.cast(pa.string()).to_pylist(), dtype=object)
    if kind == "text":
        column = pc.utf8_length(column.cast(pa.string()))
    numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64)
    return np.where(np.isinf(numbers), np.nan, numbers)


def _levels(name: str, values: npt.NDArray[Any]) -> tuple[Codes, tuple[Words, ...]]:
    there = [value for value in values if value is not None]
    levels, counts = np.unique(np.asarray(there, dtype=np.str_), return_counts=True)
    order = np.lexsort((levels, -counts))
    own = [str(levels[at]) for at in order if counts[at] >= FEWEST][:MOST_LEVELS]
    place = {level: at for at, level in enumerate(own)}
    codes = np.array([-1 if value is None else place.get(value, -2) for value in values], np.int64)
    return _packed(name, codes, [{"en": f"{name} = {level}", "es": f"{name} = {level}"} for level in own])


def _bins(name: str, values: npt.NDArray[np.float64], kind: Kind) -> tuple[Codes, tuple[Words, ...]]:
    known = values[~np.isnan(values)]
    distinct = np.unique(known)
    if len(distinct) <= N_BINS:
        codes = np.where(np.isnan(values), -1, np.searchsorted(distinct, values))
        return _packed(name, codes.astype(np.int64), [_equal(name, value, kind) for value in distinct])
    # in the middle between two neighbours, so that a value on an edge lies in one bin whichever way it was rounded
    edges = np.unique(np.quantile(known, np.linspace(0, 1, N_BINS + 1)[1:-1], method="higher"))
    edges = edges[edges > distinct[0]]
    codes = np.where(np.isnan(values), -1, np.searchsorted(edges, values, side="right"))
    bounds = [None, *edges.tolist(), None]
    labels = [_between(name, bounds[at], bounds[at + 1], kind) for at in range(len(edges) + 1)]
    return _packed(name, codes.astype(np.int64), labels)


def _packed(name: str, codes: Codes, labels: list[Words]) -> tuple[Codes, tuple[Words, ...]]:
    """Give the others and the missing a segment behind the labelled ones, where there are any."""
    found, codes = list(labels), codes.copy()
    for code, words in ((-2, OTHERS), (-1, MISSING)):
        where = codes == code
        if where.any():
            codes[where] = len(found)
            found.append({language: text.format(name) for language, text in words.items()})
    return codes, tuple(found)


def _named(name: str, kind: Kind) -> Words:
    return {"en": f"length of {name}", "es": f"longitud de {name}"} if kind == "text" else {"en": name, "es": name}


def _written(value: float) -> Words:
    return {"en": number(float(value), "en", digits=4), "es": number(float(value), "es", digits=4)}


def _equal(name: str, value: float, kind: Kind) -> Words:
    named, said = _named(name, kind), _written(value)
    return {language: f"{named[language]} = {said[language]}" for language in ("en", "es")}


def _between(name: str, low: float | None, high: float | None, kind: Kind) -> Words:
    named = _named(name, kind)
    lower, upper = _written(low or 0.0), _written(high or 0.0)
    found = {}
    for language, to in (("en", "to"), ("es", "a")):
        if low is None:
            found[language] = f"{named[language]} < {upper[language]}"
        elif high is None:
            found[language] = f"{named[language]} ≥ {lower[language]}"
        else:
            found[language] = f"{named[language]} {lower[language]} {to} {upper[language]}"
    return found

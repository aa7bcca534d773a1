"""A snapshot cut into slices, oldest first: by its partitions, or by stretches of its time column. Heavy.

What checks of slices look at is a sample: up to 2,000 rows of each slice, 10,000 of the newest, drawn by a hash of the
row number, so that the same snapshot always gives the same rows. How many rows a slice has is counted, not estimated.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.audit.check import MOST_ROWS, AuditContext, NotApplicable
from cauce.audit.names import tokens

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

MOST_SLICES = 60
"""Of more partitions, the newest 60 are looked at."""
LEAST_IN_SLICE = 50
PER_SLICE, PER_NEWEST = 2_000, 10_000
MOST_CELLS = 20_000_000
NONE = NotApplicable(
    "the data set names neither `time` nor `partition_by`, or has one slice",
    "el conjunto de datos no indica `time` ni `partition_by`, o tiene un solo tramo",
)
UNORDERED = NotApplicable(
    "the partitions have no order in time, and the data set names no `time`",
    "las particiones no siguen un orden en el tiempo y el conjunto de datos no indica `time`",
)
_DATED = re.compile(r"[0-9]{4}([-_/. ]?[QqTtWwSsHh]?[0-9]{1,2}){0,2}([T ].*)?")
_TIMES = (
    "year month week day date quarter hour period wave cohort batch version ano anio mes semana dia fecha trimestre "
    "hora periodo lote curso campana edition edicion yyyymm yyyymmdd ym ymd snapshot load"
)
_WHEN = frozenset(_TIMES.split())


@dataclass(frozen=True, eq=False)
class Slices:
    """The slices of a snapshot and a sample of their rows."""

    by: str
    """The column, or columns, it is cut by: for people."""
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    """Oldest first, where `ordered`."""
    counts: Ints
    """Rows of each, shape (n_slices,)."""
    covered: Floats
    """Share of its length in time that a slice covers: below 1 for the first and last of a calendar."""
    ordered: bool
    first_rows: tuple[tuple[int, ...], ...]
    """First row numbers of each, at most 20."""
    table: pa.Table
    """The sampled rows."""
    of: Ints
    """Slice of each sampled row, shape (n_sampled,)."""

    @property
    def n(self) -> int:
        """Number of slices."""
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class _Cut:
    by: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    ids: Ints
    """Slice of every row, -1 for none, shape (n_rows,)."""
    covered: Floats
    ordered: bool


def slices_of(context: AuditContext) -> Slices | None:
    """Return the slices, made once an audit; None where there are fewer than two."""
    return context.once("slices", _make)


def _make(context: AuditContext) -> Slices | None:
    cut = _by_partition(context)
    if cut is None or not cut.ordered:
        cut = _by_time(context) or cut
    if cut is None or len(cut.labels) < 2:
        return None
    counts = np.bincount(cut.ids[cut.ids >= 0], minlength=len(cut.labels))
    firsts = tuple(tuple(np.flatnonzero(cut.ids == s)[:MOST_ROWS].tolist()) for s in range(len(cut.labels)))
    table, of = _sampled(context, cut, counts)
    return Slices(cut.by, cut.columns, cut.labels, counts, cut.covered, cut.ordered, firsts, table, of)


def _sampled(context: AuditContext, cut: _Cut, counts: Ints) -> tuple[pa.Table, Ints]:
    import pyarrow as pa

    from cauce.profile.hashing import mix

    names = [n for n, c in context.profile.columns.items() if c.family != "other" and n not in cut.columns]
    most = max(MOST_CELLS // max(len(names), 1), 2_000)
    wanted = np.full(len(counts), float(PER_SLICE))
    wanted[-1] = PER_NEWEST
    wanted *= min(1.0, most / float(np.minimum(wanted, counts).sum()))
    shares = wanted / np.maximum(counts, 1)
    parts, kept_of, start = [], [], 0
    for batch in context.batches(names):
        ids = cut.ids[start : start + batch.num_rows]
        luck = mix(np.arange(start, start + batch.num_rows, dtype=np.uint64)).astype(np.float64) / 2.0**64
        kept = np.flatnonzero((ids >= 0) & (luck < shares[ids]))
        parts.append(batch.take(pa.array(kept)))
        kept_of.append(ids[kept])
        start += batch.num_rows
    return pa.Table.from_batches(parts), np.concatenate(kept_of)


def _by_partition(context: AuditContext) -> _Cut | None:
    columns = tuple(name for name in context.data.partition_by if name in context.profile.columns)
    if not columns:
        return None
    known: dict[tuple[str, ...], int] = {}
    parts = [_numbered(batch, columns, known) for batch in context.batches(columns)]
    ids = np.concatenate(parts) if parts else np.empty(0, np.int64)
    ordered = all(_is_dated(context, name) for name in columns)
    keys = sorted(known, key=lambda key: [_sortable(text) for text in key])[-MOST_SLICES if ordered else None :]
    if not ordered and len(keys) > MOST_SLICES:
        return None
    place = np.full(len(known) + 1, -1, np.int64)
    for number, key in enumerate(keys):
        place[known[key]] = number
    labels = tuple(" / ".join(key) for key in keys)
    return _Cut(", ".join(columns), columns, labels, place[ids], np.ones(len(keys)), ordered)


def _numbered(batch: pa.RecordBatch, columns: Sequence[str], known: dict[tuple[str, ...], int]) -> Ints:
    """Number each row's combination of values; -1, the last place, where one is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from cauce.profile.arrays import to_strings

    texts = [pc.cast(to_strings(batch.column(name)), pa.string()) for name in columns]
    coded = pc.binary_join_element_wise(*texts, "\x1f").dictionary_encode()
    numbers = [known.setdefault(tuple(text.split("\x1f")), len(known)) for text in coded.dictionary.to_pylist()]
    codes = np.asarray(pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False), dtype=np.int64)
    return np.array([*numbers, -1], dtype=np.int64)[codes]


def _is_dated(context: AuditContext, name: str) -> bool:
    """Say whether a partition column's values follow one another in time."""
    column = context.profile.column(name)
    if column.family == "datetime" or name == context.data.time:
        return True
    if column.family in {"integer", "number"}:
        return any(token in _WHEN for token in tokens(name))
    return column.family == "string" and bool(column.counts) and all(_DATED.fullmatch(v) for v in column.counts)


def _sortable(text: str) -> tuple[float, str]:
    try:
        return float(text), ""
    except ValueError:
        return float("inf"), text


def _by_time(context: AuditContext) -> _Cut | None:
    name = context.data.time
    if name is None or name not in context.profile.columns:
        return None
    moments = _moments(context, name)
    good = np.isfinite(moments)
    if good.sum() < 2 * LEAST_IN_SLICE:
        return None
    if context.profile.column(name).family in {"integer", "number"}:
        return _by_number(name, moments, good)
    for trimmed in (0.0, 0.001):  # a date of 1900 must not make every slice a year
        for unit in ("h", "D", "W", "M", "Q", "Y"):
            cut = _by_calendar(name, moments, good, unit, trimmed=trimmed)
            if cut is not None:
                return cut
    return _by_number(name, moments, good)


def _moments(context: AuditContext, name: str) -> Floats:
    from cauce.profile.arrays import to_floats, to_seconds, to_strings
    from cauce.profile.dates import ORDERS, parse_dates

    column = context.profile.column(name)
    order = ORDERS[int(np.argmax(column.dates))]
    parts = []
    for batch in context.batches([name]):
        array = batch.column(name)
        if column.family == "datetime":
            parts.append(to_seconds(array))
        elif column.family in {"integer", "number"}:
            parts.append(to_floats(array))
        else:
            parts.append(parse_dates(to_strings(array), order) if column.family == "string" else np.zeros(len(array)))
    return np.concatenate(parts) if parts else np.empty(0)


def _by_calendar(name: str, moments: Floats, good: Mask, unit: str, *, trimmed: float) -> _Cut | None:
    """Cut by hours, days, weeks, months, quarters or years; None where that makes too many or too small slices."""
    low, high = np.quantile(moments[good], [trimmed, 1 - trimmed])
    inside = good & (moments >= low) & (moments <= high)
    step = {"Q": 3}.get(unit, 1)
    kind = "M" if unit == "Q" else unit
    places = moments[inside].astype("datetime64[s]").astype(f"datetime64[{kind}]").astype(np.int64) // step
    first, last = int(places.min()), int(places.max())
    n = last - first + 1
    if n > MOST_SLICES or n < 3 or inside.sum() < LEAST_IN_SLICE * n:
        return None
    ids = np.full(len(moments), -1, np.int64)
    ids[inside] = places - first
    starts = (np.arange(first, last + 2) * step).astype(f"datetime64[{kind}]").astype("datetime64[s]").astype(np.int64)
    covered = np.ones(n)
    lengths = np.diff(starts).astype(np.float64)
    covered[0] = min((starts[1] - low) / lengths[0], 1.0)
    covered[-1] = min((high - starts[-2] + 1) / lengths[-1], 1.0)
    digits = {"h": 13, "D": 10, "W": 10, "M": 7, "Q": 7, "Y": 4}[unit]
    labels = tuple(str(start.astype("datetime64[s]"))[:digits] for start in starts[:-1].astype("datetime64[s]"))
    return _Cut(name, (name,), labels, ids, covered, True)


def _by_number(name: str, moments: Floats, good: Mask) -> _Cut | None:
    """Cut a time that is a number: by its values where they are few, else into stretches of as many rows each."""
    distinct = np.unique(moments[good])
    ids = np.full(len(moments), -1, np.int64)
    if 2 <= len(distinct) <= MOST_SLICES and good.sum() >= LEAST_IN_SLICE * len(distinct):
        ids[good] = np.searchsorted(distinct, moments[good])
        return _Cut(name, (name,), tuple(f"{v:g}" for v in distinct), ids, np.ones(len(distinct)), True)
    n = int(min(20, good.sum() // LEAST_IN_SLICE))
    edges = np.unique(np.quantile(moments[good], np.arange(1, n) / n)) if n > 1 else np.empty(0)
    if not len(edges):
        return None
    ids[good] = np.searchsorted(edges, moments[good], "left")
    used, ids[good] = np.unique(ids[good], return_inverse=True)
    bounds = [float(distinct[0]), *edges.tolist()]
    labels = tuple(f"{bounds[int(place)]:g}" for place in used)
    return _Cut(name, (name,), labels, ids, np.full(len(used), np.nan), True)

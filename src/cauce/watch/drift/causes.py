"""Where a drift comes from: a part of the window, or a unit that changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Source
from cauce.watch.drift.counts import Counts, Floats, psi, rank_tests
from cauce.watch.window import OUTPUT

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.profile import Bins, ColumnBins

LEAST_EXPLAINED = 0.7
"""Share of a column's index that a part must explain to be named."""
MOST_OF_WINDOW = 0.5
"""A part with more of the window's rows than this is no part."""
FEWEST_ROWS = 20
NUMBERS = frozenset({"number", "integer"})
KEPT_INDEX = 0.1
"""Share of a column's index that may be left once a change of unit is undone, and the most that may be left."""
NEAR = 4.0
"""Factor up to which, up and down, a population may move too."""
FITS = 0.1
"""p-value of a shift from which on there is none."""
LEAST_VALUES = 5.0
"""Values, or bins, that a column needs on either side to have a shape by which a unit can be told: a window that holds
one season, or two months, is a multiple of another one by chance. Of unequal shares fewer count (`_values`)."""
LEAST_LEFT = 0.02
"""An index that is no more than this is none, whatever it was before."""


class Unit(NamedTuple):
    """A change of unit: values now are ``factor * before + offset``."""

    factor: float
    offset: float
    name: str
    """For people, in every language: ``"× 100"``, ``"°C → °F"``."""


def _units() -> tuple[Unit, ...]:
    scales = (10.0, 100.0, 1e3, 1e6, 2.54, 0.45359237, 0.3048, 1.609344, 60.0, 3600.0, 86400.0, 24.0, 12.0)
    found = []
    for scale in scales:
        found += [Unit(scale, 0.0, f"× {scale:g}"), Unit(1 / scale, 0.0, f"÷ {scale:g}")]
    found += [Unit(1.8, 32.0, "°C → °F"), Unit(1 / 1.8, -32 / 1.8, "°F → °C")]
    found += [Unit(1.0, 273.15, "°C → K"), Unit(1.0, -273.15, "K → °C"), Unit(-1.0, 0.0, "× −1")]
    return tuple(found)


UNITS = _units()
"""What units change by: powers of ten (1,024 cannot be told from 1,000); inches, pounds, feet, miles; seconds, minutes,
hours, days, dozens; temperatures; a turned sign."""


def unit_change(bins: ColumnBins, reference: Counts, values: Floats) -> Unit | None:
    """Return the change of unit after whose undoing a column is as it was, or None.

    Each known change is undone in turn, on all values and on those alone that lie outside training's range (one of
    several feeds changed), and what comes out is counted in training's bins. It is a change of unit where next to
    nothing of the index is left. Factors that a population may move by as well (`NEAR`) must fit to the point where a
    test for a shift finds nothing: hours that halved are not hours in kilograms.

    Parameters
    ----------
    bins
        Of a column of numbers.
    reference
        Counts of training in the bins that hold a value, shape (n_bins - 1,).
    values
        The window's numbers, without missing ones, shape (n_values,).
    """
    if bins.kind not in NUMBERS or not len(values) or bins.low is None or bins.high is None or bins.low == bins.high:
        return None
    if _values(reference) < LEAST_VALUES or _values(np.unique(values, return_counts=True)[1]) < LEAST_VALUES:
        return None
    before = psi(reference, _counted(bins, values))
    outside = (values < bins.low) | (values > bins.high)
    if before <= 2 * LEAST_LEFT:
        return None

    def left(unit: Unit) -> float:
        undone = (values - unit.offset) / unit.factor
        tries = [undone] if outside.all() or not outside.any() else [undone, np.where(outside, undone, values)]
        return min(psi(reference, _counted(bins, each)) for each in tries)

    remains, best = min((left(unit), place) for place, unit in enumerate(UNITS))
    if remains > max(LEAST_LEFT, KEPT_INDEX * min(1.0, before)):
        return None
    unit = UNITS[best]
    if unit.offset == 0 and 1 / NEAR < unit.factor < NEAR:
        undone = rank_tests(reference[:-1], _counted(bins, values / unit.factor)[:-1])
        return unit if undone.location >= FITS else None
    return unit


def _values(counts: Counts) -> float:
    """Return how many equally frequent values have the same entropy: the Hill number of order 1 (Hill 1973)."""
    shares = counts[counts > 0] / max(1, counts.sum())
    return float(np.exp(-np.sum(shares * np.log(shares))))


def _counted(bins: ColumnBins, values: Floats) -> Counts:
    import pyarrow as pa

    from cauce.profile import Bins

    rounded = np.round(values) if bins.values or bins.kind == "integer" else values
    return Bins({bins.name: bins}).count(pa.table({bins.name: rounded}))[bins.name][:-1]


def numbers_of(rows: pa.Table, column: str) -> Floats:
    """Return a column's numbers without missing ones; none where it holds no numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = rows.schema.field(column).type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return np.empty(0)
    values = np.asarray(pc.drop_null(rows[column]).cast(pa.float64()).to_numpy(), dtype=np.float64)
    return values[np.isfinite(values)]


def source(rows: pa.Table, column: str, bins: Bins, reference: Counts) -> Source | None:
    """Return the part of a window that a column's drift comes from, or None where none stands out.

    Parts are the values of every column of categories, the hours of the day and the days (UTC) of the predictions. A
    part is named where it holds at most half of the rows and, once they are left out, at least 70 % of the index is
    gone; of several, the one that explains most, then the smallest.

    Parameters
    ----------
    rows
        The window, with ``at``.
    column
        That drifted: of a small index, much may go by chance.
    reference
        Its counts at training, `missing` left out.
    """
    one = type(bins)({column: bins.columns[column]})
    total = one.count(rows)[column][:-1]
    whole = psi(reference, total)
    if whole <= 0:
        return None
    best: Source | None = None
    for title, inside in _parts(rows, column, bins):
        n = int(inside.sum())
        if n < FEWEST_ROWS or n > MOST_OF_WINDOW * rows.num_rows:
            continue
        left = psi(reference, total - one.count(_only(rows, column, inside))[column][:-1])
        found = Source(title, n / rows.num_rows, max(0.0, 1 - left / whole))
        if found.explained >= LEAST_EXPLAINED and (best is None or _rank(found) > _rank(best)):
            best = found
    return best


def _rank(found: Source) -> tuple[float, float]:
    return round(found.explained, 2), -found.share


def _only(rows: pa.Table, column: str, inside: npt.NDArray[np.bool_]) -> pa.Table:
    import pyarrow as pa

    return rows.select([column]).filter(pa.array(inside))


def _parts(rows: pa.Table, column: str, bins: Bins) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    import pyarrow.compute as pc

    keys: Mapping[str, tuple[object, ...]] = {
        name: each.values
        for name, each in bins.columns.items()
        if each.kind in {"category", "boolean"} and name not in {column, OUTPUT} and name in rows.column_names
    }
    for name, values in keys.items():
        texts = np.asarray(rows[name].cast("string").to_numpy(zero_copy_only=False), dtype=object)
        yield from ((f"{name} = {value}", texts == value) for value in values)
    if "at" in rows.column_names:
        days = np.asarray(pc.strftime(rows["at"], "%Y-%m-%d").to_numpy(zero_copy_only=False), dtype=object)
        hours = np.asarray(pc.hour(rows["at"]).to_numpy())
        yield from ((f"day = {day}", days == day) for day in np.unique(days))
        yield from ((f"hour = {hour}", hours == hour) for hour in np.unique(hours))

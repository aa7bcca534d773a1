"""Bins of a table in a fraction of the time that a profile of it takes: for a report that nobody keeps.

A profile answers more (distinct counts, sketches that merge, text), at some microseconds a value. A drift is seen as
well in bins cut from a sample: both tables are counted whole, in the same bins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.profile import Bins, ColumnBins

SAMPLE = 50_000
"""Rows that edges are cut from."""
KINDS = 2_000
"""Rows that show what kind a column is."""


def quick_bins(table: pa.Table) -> Bins:
    """Return bins as `cauce.profile.make_bins` would, cut from an even sample of the rows.

    Exact, as those of a profile, where the table has no more rows than the sample; the smallest and largest number
    are always the table's own.

    Examples
    --------
    >>> import pyarrow as pa
    >>> quick_bins(pa.table({"level": ["a", "b", "a", None]})).labels("level")
    ('a', 'b', 'other', 'missing')
    """
    from dataclasses import replace

    import pyarrow as pa

    from cauce.profile import Bins, ColumnBins, make_bins, summarise
    from cauce.profile.bins import MOST_INTEGERS, N_QUANTILES

    if table.num_rows <= KINDS:
        profile = summarise(table.to_batches())
        return make_bins(profile, profile.schema(table.column_names))
    few = summarise(_evenly(table, KINDS).to_batches())
    kinds = {column.name: column.kind for column in few.schema(table.column_names)}
    sample, found = _evenly(table, SAMPLE), {}
    for name, kind in kinds.items():
        numbers = _numbers(sample, name) if kind in {"number", "integer"} else None
        if numbers is None:
            continue
        low, high = _range(table, name)
        distinct = np.unique(numbers) if kind == "integer" else np.empty(0)
        if 0 < len(distinct) <= MOST_INTEGERS:
            values = tuple(str(int(value)) for value in distinct)
            found[name] = ColumnBins(name, kind, values=values, low=low, high=high)
            continue
        ranks = np.arange(1, N_QUANTILES) / N_QUANTILES
        edges = np.unique(np.quantile(numbers, ranks, method="inverted_cdf")) if len(numbers) else np.empty(0)
        cuts = tuple(float(edge) for edge in edges if high is not None and edge < high)
        found[name] = ColumnBins(name, kind, edges=cuts, low=low, high=high)
    rest = [name for name in table.column_names if name not in found]
    if rest:
        # Strings, dates and booleans: the rules of a profile, and their own kinds. A column's number of distinct
        # values is a sample's, so the sample is as large as is quick.
        profile = summarise(_evenly(table.select(rest), 10 * KINDS).to_batches())
        bins = make_bins(profile, profile.schema(rest))
        found |= {name: replace(each) for name, each in bins.columns.items()}
    assert isinstance(table, pa.Table)
    return Bins({name: found[name] for name in table.column_names})


FINE = (0.001, 0.004, 0.01, 0.025, *(step / 20 for step in range(1, 20)), 0.975, 0.99, 0.996, 0.999)
"""Ranks of finer edges: twentieths, and the tails. Outside the range there is a bin on either side."""


def finer_bins(table: pa.Table, bins: Bins) -> Bins:
    """Return the columns of numbers that are cut at edges, cut at more of them: tests by rank lose less that way."""
    from dataclasses import replace

    from cauce.profile import Bins

    names = [name for name, each in bins.columns.items() if each.kind in {"number", "integer"} and each.edges]
    sample, found = _evenly(table.select(names), SAMPLE), {}
    for name in names:
        numbers, each = _numbers(sample, name), bins.columns[name]
        if numbers is None or not len(numbers):
            continue
        cuts = [*each.edges, *np.quantile(numbers, FINE, method="inverted_cdf")]
        if each.low is not None and each.high is not None:
            cuts += [np.nextafter(each.low, -np.inf), each.high]
        edges = np.unique(cuts)
        found[name] = replace(each, edges=tuple(float(edge) for edge in edges))
    return Bins(found)


def coarser(counts: np.ndarray, fine: ColumnBins, coarse: ColumnBins) -> np.ndarray:
    """Return counts in finer bins as counts in those that they were made of; `other` and `missing` stay the last two.

    Examples
    --------
    >>> from cauce.profile import ColumnBins
    >>> fine, coarse = (ColumnBins("x", "number", edges=edges) for edges in ((1.0, 2.0, 3.0), (2.0,)))
    >>> coarser(np.array([1, 2, 4, 8, 16, 32]), fine, coarse).tolist()
    [3, 12, 16, 32]
    """
    place = np.append(np.searchsorted(coarse.edges, fine.edges), len(coarse.edges))
    own = np.bincount(place, weights=counts[:-2], minlength=len(coarse.edges) + 1).astype(np.int64)
    return np.append(own, counts[-2:])


def _evenly(table: pa.Table, n: int) -> pa.Table:
    """Return `n` rows at even distances, all where there are no more."""
    if table.num_rows <= n:
        return table
    return table.take(np.linspace(0, table.num_rows - 1, n).astype(np.int64))


def _numbers(table: pa.Table, name: str) -> np.ndarray | None:
    """Return a column's numbers without missing ones; None where it does not hold numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = table.schema.field(name).type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    values = np.asarray(pc.drop_null(table[name]).cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    return values[~np.isnan(values)]


def _range(table: pa.Table, name: str) -> tuple[float | None, float | None]:
    """Return the smallest and largest number, NaN left out."""
    lows, highs = [], []
    for chunk in table[name].chunks:
        values = np.asarray(chunk.to_numpy(zero_copy_only=False))
        if len(values) and not (values.dtype.kind == "f" and np.isnan(values).all()):
            lows.append(float(np.nanmin(values)))
            highs.append(float(np.nanmax(values)))
    return (min(lows), max(highs)) if lows else (None, None)

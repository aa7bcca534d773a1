"""Numbers of a column in order, without reading it again: its sample, with the extremes of its profile. Heavy.

Two ways of asking whether a value lies apart from the others: how far it is from the median against the farthest of
the others, on the scale of the numbers and on that of their logarithms. A tail that falls off like an exponential's is
quiet on the first, one like a power's on the second; what is apart on both is no tail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.audit.check import MOST_ROWS, AuditContext

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Magnitudes:
    """A numeric column's distinct numbers, rising, with how often each was seen."""

    values: Floats
    """Shape (n_distinct,)."""
    counts: Floats
    """Shape (n_distinct,); of the sample, where the profile does not hold them all."""

    @property
    def n(self) -> float:
        """Numbers in all."""
        return float(self.counts.sum())

    def quantile(self, rank: float) -> float:
        """Return the number at `rank`, 0 to 1."""
        ends = np.cumsum(self.counts)
        return float(self.values[min(int(np.searchsorted(ends, rank * ends[-1] - 1e-9)), len(self.values) - 1)])

    def share(self, mask: Mask) -> float:
        """Return the share of the numbers that `mask`, over the distinct ones, marks."""
        return float(self.counts[mask].sum() / self.n)

    def without(self, mask: Mask) -> Magnitudes:
        """Return the others."""
        return Magnitudes(self.values[~mask], self.counts[~mask])


def magnitudes_of(context: AuditContext, name: str) -> Magnitudes:
    """Return a numeric column's numbers, made once an audit; empty where it has none."""
    return context.once(f"magnitudes {name}", lambda given: _gather(given, name))


def _gather(context: AuditContext, name: str) -> Magnitudes:
    from cauce.profile.arrays import to_floats, to_seconds

    column = context.profile.column(name)
    if column.exact and column.counts and column.family in {"integer", "number"}:
        values = np.array([float(text) for text in column.counts])
        counts = np.array(list(column.counts.values()), dtype=np.float64)
    else:
        read = to_seconds if column.family == "datetime" else to_floats
        chunks = [read(chunk) for chunk in context.sample.column(name).chunks]
        sampled = np.concatenate(chunks) if chunks else np.zeros(0)
        ends = [end for end in (column.minimum, column.maximum) if end is not None]
        values, found = np.unique(np.concatenate([sampled[np.isfinite(sampled)], ends]), return_counts=True)
        counts = found.astype(np.float64)
        for end in ends:  # they were added: one less each, unless they were not in the sample
            at = int(np.searchsorted(values, end))
            counts[at] = max(counts[at] - 1, 1)
    finite = np.isfinite(values)
    order = np.argsort(values[finite])
    return Magnitudes(values[finite][order], counts[finite][order])


def count_where(context: AuditContext, name: str, test: Callable[[Floats], Mask]) -> tuple[int, tuple[int, ...]]:
    """Return how many rows a test marks, and the first 20 of them: one pass over the column."""
    from cauce.profile.arrays import family_of, to_floats, to_seconds

    n, start, rows = 0, 0, list[int]()
    for batch in context.batches([name]):
        array: pa.Array = batch.column(name)
        numbers = to_seconds(array) if family_of(array.type) == "datetime" else to_floats(array)
        places = np.flatnonzero(test(numbers))
        n += len(places)
        rows += (places[: MOST_ROWS - len(rows)] + start).tolist()
        start += batch.num_rows
    return n, tuple(rows)

"""What is known of one column: counts, moments, sketches. Frozen; `gather` makes and merges them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from cauce.core.artefacts import Column, Kind
from cauce.profile.text import TextFacts

if TYPE_CHECKING:
    from cauce.profile.arrays import Family

COUNTED = 5_000
"""Distinct values of a column that are counted exactly; above, sketches take over."""
COUNTED_IN_ALL = 2_000_000
"""Distinct values that are counted exactly in all columns together: tables of over 400 columns count fewer in each."""
CLOSED = 50
"""Most categories of a closed list."""
PER_CATEGORY = 10
"""Fewest rows per category, on average, of a closed list."""


@dataclass(frozen=True)
class ColumnProfile:
    """Summary of one column.

    `minimum`, `maximum`, `mean`, `sum_squares` and the quantile sketch describe the column's *numbers*: the finite
    values of a number, 0 and 1 of a boolean, seconds since 1970 (UTC) of a datetime, characters of a string.
    """

    name: str
    type: str
    """Arrow type, as text."""
    family: Family
    n_rows: int
    n_missing: int
    """Null or NaN."""
    n_infinite: int
    n_numbers: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    sum_squares: float
    """Sum of squared deviations from the mean."""
    kll: bytes = field(repr=False)
    """KLL sketch of the numbers, as Apache DataSketches serialises it."""
    hll: bytes | None = field(repr=False)
    """HyperLogLog sketch of the values; None while `exact`."""
    frequent: bytes | None = field(repr=False)
    """Frequent-items sketch of a string column; None while `exact`, and for other columns."""
    counts: Mapping[str, int] = field(repr=False)
    """Value as text → count, most frequent first. All values while `exact`; else a string column's heaviest, and
    nothing for other columns."""
    exact: bool
    count_error: int = 0
    """How far a count of `counts` may lie above the truth."""
    dates: tuple[int, int, int] = (0, 0, 0)
    """Strings that parse as dates: year first, day first, month first."""
    text: TextFacts | None = None
    """What is known of a string column's values; None for other columns, and where an older Cauce made the profile."""

    @property
    def n_present(self) -> int:
        """Values that are not missing."""
        return self.n_rows - self.n_missing

    @property
    def variance(self) -> float | None:
        """Sample variance of the numbers; None for fewer than two."""
        return self.sum_squares / (self.n_numbers - 1) if self.n_numbers > 1 else None

    @property
    def n_distinct(self) -> int:
        """Distinct values without the missing: exact up to 5,000, then by HyperLogLog (3.8 % at three sigmas)."""
        if self.hll is None:
            return len(self.counts)
        from datasketches import hll_sketch

        estimate: float = hll_sketch.deserialize(self.hll).get_estimate()
        return min(round(estimate), self.n_present)

    @property
    def share_distinct(self) -> float:
        """Distinct values per value present; 0 where there is none."""
        return self.n_distinct / self.n_present if self.n_present else 0.0

    @property
    def looks_like(self) -> Literal["datetime"] | None:
        """``"datetime"`` for a string column of which at least 99 % parse as dates of one order."""
        if self.family != "string" or not self.n_present:
            return None
        return "datetime" if max(self.dates) >= 0.99 * self.n_present else None

    @property
    def rank_error(self) -> float:
        """How far a quantile's rank may lie from the one asked, at 99 % confidence; 0 where all is counted."""
        if self.exact and self.family != "string":
            return 0.0
        from datasketches import kll_doubles_sketch

        sketch = kll_doubles_sketch.deserialize(self.kll)
        return float(sketch.normalized_rank_error(False)) if sketch.is_estimation_mode() else 0.0

    def quantiles(self, ranks: Sequence[float]) -> tuple[float, ...]:
        """Return the numbers' quantiles at `ranks` (0 to 1); all NaN where there are no numbers."""
        if not self.n_numbers:
            return (float("nan"),) * len(ranks)
        if self.exact and self.family in {"integer", "number", "boolean"}:
            values = np.array([_as_number(text) for text in self.counts])
            order = np.argsort(values)
            ends = np.cumsum(np.array(list(self.counts.values()))[order])
            places = np.searchsorted(ends, np.asarray(ranks) * ends[-1] - 1e-9)
            return tuple(float(values[order][min(place, len(ends) - 1)]) for place in places)
        from datasketches import kll_doubles_sketch

        sketch = kll_doubles_sketch.deserialize(self.kll)
        found = [float(value) for value in sketch.get_quantiles(list(ranks), True)]
        known = {0.0: self.minimum or 0.0, 1.0: self.maximum or 0.0}  # the sketch gives the ends of what it kept
        return tuple(known.get(rank, value) for rank, value in zip(ranks, found, strict=True))

    @property
    def kind(self) -> Kind:
        """What Cauce sees the column as."""
        kinds: dict[str, Kind] = {"boolean": "boolean", "integer": "integer", "number": "number"}
        if self.family in kinds:
            return kinds[self.family]
        if self.family == "datetime":
            return "datetime"
        mean = self.mean or 0.0
        is_text = self.family == "other" or mean > 60 or (mean > 25 and self.share_distinct > 0.5)
        return "text" if is_text else "category"

    def as_column(self) -> Column:
        """Return the column as a model's schema names it, with its closed list of categories where it has one."""
        kind = self.kind
        closed = kind == "category" and self.exact and 0 < len(self.counts) <= CLOSED
        closed = closed and self.n_present >= PER_CATEGORY * len(self.counts)
        categories = tuple(sorted(self.counts)) if closed else None
        return Column(self.name, kind, nullable=self.n_missing > 0, categories=categories)


def _as_number(text: str) -> float:
    return {"true": 1.0, "false": 0.0}[text] if text in {"true", "false"} else float(text)

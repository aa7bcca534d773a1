"""Drift: how far each column's values have moved from training, and whether chance could have done it.

A column drifted when its population stability index reaches the threshold *and* chance is ruled out, over all columns
together: by the test of this one window here, by the running evidence of `alarms.py` where a model is watched. Either
alone misleads: with many rows every trifle is significant, with few rows every index is large. Missing values are left
out here and watched by themselves in `quality.py`: a broken feed is no drift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cauce.core.artefacts import ColumnDrift, Mover
from cauce.core.errors import UserError
from cauce.watch.drift.counts import Counts, Floats, chi_square, holm, jensen_shannon, moved, psi, wasserstein

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.profile import Bins, ColumnBins

MOST_MOVED = 3
"""Bins that a sentence names."""


@dataclass(frozen=True)
class DriftReport:
    """All columns of two tables, the strongest drift first."""

    n_reference: int
    n_current: int
    threshold: float
    confidence: float
    columns: tuple[ColumnDrift, ...]

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of the columns that drifted."""
        return tuple(column.column for column in self.columns if column.drifted)

    def __getitem__(self, column: str) -> ColumnDrift:
        """Return one column by name. KeyError for an unknown one."""
        return {each.column: each for each in self.columns}[column]


def measure(
    reference: Mapping[str, Counts],
    current: Mapping[str, Counts],
    labels: Mapping[str, tuple[str, ...]],
    *,
    threshold: float,
    confidence: float,
    bins: Mapping[str, ColumnBins] | None = None,
    fine: Mapping[str, tuple[Counts, Counts]] | None = None,
) -> tuple[ColumnDrift, ...]:
    """Compare bin counts column by column.

    Parameters
    ----------
    reference, current
        Column → counts of the same bins, shape (n_bins,); the last bin counts missing values. Columns that only one
        of both has are left out.
    labels
        Column → a name for each bin.
    threshold
        Population stability index from which a column counts as drifted.
    confidence
        That no column is called drifted by chance, all together.
    bins
        Column → its bins: which have an order, and where they stand. Without them no column has either.
    fine
        Column → reference and current in finer bins, of columns that have some: only tests use them.
    """
    names = [name for name in reference if name in current]
    pairs = {name: (reference[name][:-1], current[name][:-1]) for name in names}
    places = {name: bin_positions(bins[name]) if bins and name in bins else None for name in names}
    fine = {name: (before[:-1], now[:-1]) for name, (before, now) in (fine or {}).items()}
    p_values = np.array([moved(*pairs[name], ordered=places[name] is not None, fine=fine.get(name)) for name in names])
    corrected = holm(p_values)
    found = []
    for name, p, p_all in zip(names, p_values, corrected, strict=True):
        index = psi(*pairs[name])
        found.append(
            ColumnDrift(
                column=name,
                psi=index,
                jensen_shannon=jensen_shannon(*pairs[name]),
                p_value=float(p),
                p_corrected=float(p_all),
                drifted=bool(index >= threshold and p_all <= 1 - confidence),
                missing_before=last_share(reference[name]),
                missing_now=last_share(current[name]),
                movers=_movers(*pairs[name], labels[name]),
                wasserstein=_distance(pairs[name], places[name]),
                chi_square=chi_square(*pairs[name]),
            )
        )
    return tuple(found)


def _distance(pair: tuple[Counts, Counts], positions: Floats | None) -> float | None:
    # `other` stands nowhere: values that could not be read, or whole numbers that training never had.
    return wasserstein(pair[0][:-1], pair[1][:-1], positions) if positions is not None else None


def bin_positions(bins: ColumnBins) -> Floats | None:
    """Return where a column's own bins stand, rising, without `other` and `missing`; None where they have no order.

    Whole numbers with a bin each stand at their value. Between two edges a bin stands in the middle; the first and
    the last stand between the edge and the smallest and largest value of training, and at the edge where those are
    not known.

    Examples
    --------
    >>> from cauce.profile import ColumnBins
    >>> bin_positions(ColumnBins("x", "number", edges=(1.0, 3.0), low=0.0, high=9.0)).tolist()
    [0.5, 2.0, 6.0]
    """
    if bins.kind in {"category", "boolean"}:
        return None
    if bins.values:
        return np.array([float(value) for value in bins.values])
    if not bins.edges:
        return np.zeros(1)
    low = bins.edges[0] if bins.low is None else bins.low
    high = bins.edges[-1] if bins.high is None else bins.high
    ends = np.array([min(low, bins.edges[0]), *bins.edges, max(high, bins.edges[-1])])
    return np.asarray((ends[1:] + ends[:-1]) / 2, dtype=np.float64)


def last_share(counts: Counts) -> float:
    """Return the share of the last bin; 0 where nothing was counted."""
    total = int(counts.sum())
    return float(counts[-1] / total) if total else 0.0


def _movers(reference: Counts, current: Counts, labels: tuple[str, ...]) -> tuple[Mover, ...]:
    n, m = int(reference.sum()), int(current.sum())
    if n == 0 or m == 0:
        return ()
    p, q = reference / n, current / m
    order = np.argsort(-np.abs(q - p), kind="stable")[:MOST_MOVED]
    return tuple(Mover(labels[i], float(p[i]), float(q[i])) for i in order if p[i] != q[i])


def drift_report(
    reference: pa.Table, current: pa.Table, *, threshold: float = 0.2, confidence: float = 0.99
) -> DriftReport:
    """Compare two tables column by column.

    The reference fixes the bins (quantiles of numbers, the commonest categories), from a sample of 50,000 rows where
    it has more; both tables are then counted in them whole. Columns that only one table has are left out.

    Parameters
    ----------
    reference
        What is normal: the rows of a training.
    current
        What is looked at.
    threshold
        Population stability index from which a column counts as drifted.
    confidence
        That no column is called drifted by chance, all together.

    Raises
    ------
    UserError
        A table has no rows, or the tables have no column in common.

    Examples
    --------
    >>> import pyarrow as pa
    >>> before = pa.table({"hours": [float(i % 50) for i in range(5000)], "plan": ["free", "paid"] * 2500})
    >>> now = pa.table({"hours": [float(i % 50) for i in range(1000)], "plan": ["paid"] * 900 + ["free"] * 100})
    >>> report = drift_report(before, now)
    >>> report.drifted
    ('plan',)
    >>> report["plan"].movers[0]
    Mover(label='free', before=0.5, now=0.1)
    """
    from cauce.watch.drift.quick import quick_bins

    names = [name for name in reference.column_names if name in current.column_names]
    _check_comparable(reference, current, names)
    bins = quick_bins(reference.select(names))
    before, now, fine = _counted(reference.select(names), current.select(names), bins)
    labels = {name: bins.labels(name) for name in before}
    columns = measure(before, now, labels, threshold=threshold, confidence=confidence, bins=bins.columns, fine=fine)
    return DriftReport(
        n_reference=reference.num_rows,
        n_current=current.num_rows,
        threshold=threshold,
        confidence=confidence,
        columns=tuple(sorted(columns, key=lambda column: (not column.drifted, -column.psi))),
    )


def _counted(
    reference: pa.Table, current: pa.Table, bins: Bins
) -> tuple[dict[str, Counts], dict[str, Counts], dict[str, tuple[Counts, Counts]]]:
    """Count both tables, once: in finer bins where there are some, which add up to the others."""
    from cauce.profile import Bins
    from cauce.watch.drift.quick import coarser, finer_bins

    finer = finer_bins(reference, bins).columns
    used = Bins({**bins.columns, **finer})
    sides = used.count(reference), used.count(current)
    fine = {name: (sides[0][name], sides[1][name]) for name in finer}
    before, now = (
        {n: coarser(each, finer[n], bins.columns[n]) if n in finer else each for n, each in side.items()}
        for side in sides
    )
    return before, now, fine


def _check_comparable(reference: pa.Table, current: pa.Table, names: list[str]) -> None:
    for title, table in (("reference", reference), ("current", current)):
        if table.num_rows == 0:
            raise UserError("has no rows", where=f"drift_report, {title}", hint="Hand in a table with rows.")
    if not names:
        raise UserError(
            "the tables have no column in common",
            where="drift_report",
            received=current.column_names,
            hint=f"The reference has {', '.join(reference.column_names)}.",
        )

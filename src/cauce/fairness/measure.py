"""What a fitted classifier says of rows, and two of them compared: gap, loss and errors on the same units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Comparison, GroupFigure, Mitigation, TaskSpec
from cauce.core.protocols import Fitted
from cauce.evidence import independent, paired
from cauce.evidence.gaps import Gap, measured_on, of_metric
from cauce.fairness.plan import Plan
from cauce.profile.groups import crossed

if TYPE_CHECKING:
    import pyarrow as pa

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Said(NamedTuple):
    """What a model said of labelled rows; rows whose class it does not know are left out."""

    rows: Codes
    truth: Floats
    """The target's number, or its place among the model's classes."""
    predictions: Floats
    probabilities: Floats | None


class Measured(NamedTuple):
    """A model's gap between groups on labelled rows."""

    gap: Gap
    names: tuple[str, ...]
    n_rows: int

    @property
    def figure(self) -> GroupFigure | None:
        """The gap with its interval, named by its two groups; None where it cannot be told."""
        if self.gap.high < 0:
            return None
        groups = f"{self.names[self.gap.high]} ↔ {self.names[self.gap.low]}"
        return GroupFigure(groups, self.n_rows, self.gap.value, self.gap.lower, min(1.0, self.gap.upper))


def say(fitted: Fitted, table: pa.Table, target: str) -> Said:
    """Predict labelled rows, and put truth and prediction beside each other."""
    from cauce.profile.arrays import to_floats, to_strings

    predicted = fitted.predict(table)
    array = table[target].combine_chunks()
    if not fitted.classes:
        values = to_floats(array)
        rows = np.flatnonzero(np.isfinite(values))
        return Said(rows, values[rows], np.asarray(predicted["prediction"].to_numpy(), np.float64)[rows], None)
    places = {label: place for place, label in enumerate(fitted.classes)}
    truth = np.array([places.get(label, -1) for label in to_strings(array).to_pylist()], np.float64)
    rows = np.flatnonzero(truth >= 0)
    shares = np.column_stack([predicted[f"prob_{label}"].to_numpy() for label in fitted.classes])
    said = np.array([places[label] for label in predicted["prediction"].to_pylist()], np.float64)
    return Said(rows, truth[rows], said[rows], shares[rows])


def measure(
    plan: Plan,
    fitted: Fitted,
    table: pa.Table,
    target: str,
    *,
    clusters: npt.NDArray[Any] | None = None,
    comparisons: int = 1,
) -> Measured:
    """Return the gap between the groups of the plan's crossing, by its metric."""
    truth, said, wrong = outcomes(plan, fitted, table, target)
    codes, names = crossed(plan.groupings, table)
    compared = of_metric(
        plan.metric, truth, said, codes, len(names), wrong=wrong, clusters=clusters, comparisons=comparisons
    )
    return Measured(compared.gap, names, int(compared.n_rows.sum()))


def outcomes(plan: Plan, fitted: Fitted, table: pa.Table, target: str) -> tuple[Bools, Bools, Bools]:
    """Return, for every row: the favoured class is true, it was said, the prediction is wrong."""
    from cauce.profile.arrays import to_strings

    labels = np.asarray(to_strings(table[target].combine_chunks()).to_pylist(), dtype=np.str_)
    said = np.asarray(fitted.predict(table)["prediction"].to_pylist(), dtype=np.str_)
    return labels == plan.favoured, said == plan.favoured, np.asarray(labels != said)


def compare(
    plan: Plan,
    fitted: Fitted,
    plain: Fitted,
    table: pa.Table,
    spec: TaskSpec,
    *,
    losses: tuple[Floats, ...],
    clusters: npt.NDArray[Any] | None = None,
) -> Mitigation:
    """Return what a mitigation did on rows that neither model learnt from.

    Parameters
    ----------
    losses
        Of `fitted` and of `plain`, per row, shape (n_rows,) each.
    """
    before = measure(plan, plain, table, spec.target, clusters=clusters)
    after = measure(plan, fitted, table, spec.target, clusters=clusters)
    wrong = [outcomes(plan, one, table, spec.target)[2].astype(np.float64) for one in (fitted, plain)]
    return Mitigation(
        settings={
            "method": plan.method,
            "strength": plan.strength,
            "metric": plan.metric,
            "favoured": plan.favoured,
            "columns": ", ".join(plan.columns),
        },
        before=before.figure,
        after=after.figure,
        reduction=reduction(plan, fitted, plain, table, spec.target, before.gap),
        loss=paired(losses[0], losses[1], margin=0.0, groups=clusters),
        errors=paired(wrong[0], wrong[1], margin=0.0, groups=clusters),
    )


def reduction(
    plan: Plan, fitted: Fitted, plain: Fitted, table: pa.Table, target: str, before: Gap
) -> Comparison | None:
    """Compare how far the two groups that stood furthest apart are apart now; None where that cannot be told.

    Each row's answer with the mitigation less its answer without is one number: the gap's change is the mean of those
    in the group that stood higher less the mean in the other, two samples of paired differences.
    """
    if before.high < 0:
        return None
    truth, now, wrong_now = outcomes(plan, fitted, table, target)
    _, then, wrong_then = outcomes(plan, plain, table, target)
    if plan.metric == "error_rate":
        now, then = wrong_now, wrong_then
    codes = plan.codes(table)
    apart = []
    for mask in measured_on(plan.metric, truth):
        high, low = mask & (codes == before.high), mask & (codes == before.low)
        if not high.any() or not low.any():
            continue
        gap = float(then[high].mean() - then[low].mean())
        change = [now[rows].astype(np.float64) - then[rows] for rows in (high, low)]
        apart.append((abs(gap), change if gap >= 0 else change[::-1]))
    if not apart:
        return None
    high_change, low_change = max(apart, key=lambda pair: pair[0])[1]
    return independent(high_change, low_change, margin=0.0)

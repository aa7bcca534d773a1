"""What closing a gap costs: the mitigations at several strengths, fitted on the same rows, measured on others."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Candidate, GroupFigure, TaskSpec, Words
from cauce.core.errors import MissingExtra
from cauce.core.figures import figures, percents
from cauce.core.progress import Progress, silent
from cauce.core.protocols import Fitted, Task
from cauce.core.specs import Mitigation
from cauce.core.views import FairnessCurve, FairnessPoint
from cauce.evidence import paired
from cauce.evidence.gaps import Gap
from cauce.evidence.shares import wilson
from cauce.fairness.measure import Measured, measure, outcomes
from cauce.fairness.plan import Plan
from cauce.fairness.task import Mitigated

if TYPE_CHECKING:
    import pyarrow as pa

Step = Mitigation | Literal["majority"]
STEPS: tuple[tuple[Mitigation, float], ...] = (
    ("balance", 1.0),
    ("reweigh", 0.5),
    ("reweigh", 1.0),
    ("thresholds", 0.5),
    ("thresholds", 0.75),
    ("thresholds", 1.0),
    ("reductions", 0.5),
    ("reductions", 1.0),
)
"""Methods and strengths that are tried."""
MOST_ROWS = 20_000
"""Rows that a curve's models learn from, at most."""
LEAST_SHRUNK = 0.001
"""A gap that shrank by less has no price per hundredth."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rows:
    """What a curve is made from."""

    teach: pa.Table
    judge: pa.Table
    """Both with the plan's sensitive columns."""
    spec: TaskSpec
    """Without the columns that the model must not see."""
    asking: TaskSpec
    """With the sensitive columns as well: what thresholds ask of a request."""
    clusters: npt.NDArray[Any] | None = None
    """What makes rows of `judge` resemble each other, shape (n_rows,)."""


@dataclass(frozen=True, eq=False)
class _Reached:
    """One fitted model on the rows that judge."""

    found: Measured
    losses: Floats
    wrong: Floats
    seconds: float


def at_most(table: pa.Table, seed: int, most: int = MOST_ROWS) -> pa.Table:
    """Return the table, or `most` of its rows taken evenly at random."""
    import pyarrow as pa

    if table.num_rows <= most:
        return table
    rows = np.sort(np.random.default_rng(seed).permutation(table.num_rows)[:most])
    return table.take(pa.array(rows))


def curve(
    task: Task,
    plan: Plan,
    candidate: Candidate,
    rows: Rows,
    *,
    max_gap: float | None,
    at_prediction: bool,
    progress: Progress = silent,
    clock: Callable[[], float] = time.monotonic,
) -> FairnessCurve:
    """Fit and measure every step of `STEPS`, beside no mitigation and beside always saying the most frequent class.

    Steps whose library is not installed are left out, and reductions where there are more classes than two.

    Parameters
    ----------
    plan
        Whose metric, favoured class and groups are taken; its method and strength are not.
    candidate
        The rung that every step mitigates.
    at_prediction
        Whether the file allows the sensitive columns at prediction; thresholds are measured all the same.
    """
    # Fairlearn's reductions know two classes; the other methods any number.
    two = len(rows.teach.column(rows.spec.target).unique().drop_null()) == 2
    steps = [step for step in STEPS if two or step[0] != "reductions"]
    work: list[tuple[Step, float]] = [("off", 1.0), ("majority", 1.0), *steps]
    reached: dict[tuple[str, float], _Reached] = {}
    for done, (method, strength) in enumerate(work):
        progress("fairness", done, len(work), f"{method} {strength:g}")
        begun = clock()
        try:
            fitted, asked = _fit(task, plan, candidate, rows, method, strength)
        except MissingExtra:
            continue
        reached[method, strength] = _reach(task, plan, fitted, rows, asked, clock() - begun)
    progress("fairness", len(work), len(work))
    base = reached["off", 1.0]
    points = tuple(
        _point(step, one, base, rows, max_gap=max_gap, allowed=step[0] != "thresholds" or at_prediction)
        for step, one in reached.items()
    )
    chosen = _recommended(points, max_gap)
    return FairnessCurve(
        model=rows.spec.model,
        rung=candidate.name,
        metric=plan.metric,
        favoured=plan.favoured,
        columns=plan.columns,
        max_gap=max_gap,
        n_train=rows.teach.num_rows,
        n_held_out=rows.judge.num_rows,
        points=points,
        recommended=chosen,
        reason=_reason(rows.spec.model, points, chosen, max_gap),
    )


def _fit(
    task: Task, plan: Plan, candidate: Candidate, rows: Rows, method: Step, strength: float
) -> tuple[Fitted, TaskSpec]:
    if method == "majority":
        return task.fit(Candidate("prior", {}), {}, rows.teach, spec=rows.spec), rows.spec
    asks = method == "thresholds"
    hidden = tuple(name for name in rows.asking.schema.names if name not in rows.spec.schema.names) if asks else ()
    own = replace(plan, method=method, strength=strength, hidden=hidden)
    spec = rows.asking if asks else rows.spec
    return Mitigated(task, own).fit(candidate, candidate.params, rows.teach, spec=spec), spec


def _reach(task: Task, plan: Plan, fitted: Fitted, rows: Rows, spec: TaskSpec, seconds: float) -> _Reached:
    found = measure(plan, fitted, rows.judge, spec.target, clusters=rows.clusters)
    losses = np.asarray(task.losses(fitted, rows.judge, spec).values)
    wrong = outcomes(plan, fitted, rows.judge, spec.target)[2].astype(np.float64)
    return _Reached(found, losses, wrong, seconds)


def _point(
    step: tuple[str, float], one: _Reached, base: _Reached, rows: Rows, *, max_gap: float | None, allowed: bool
) -> FairnessPoint:
    errors = paired(one.wrong, base.wrong, margin=0.0, groups=rows.clusters)
    shrunk = base.found.gap.value - one.found.gap.value
    right = wilson(len(one.wrong) - float(one.wrong.sum()), len(one.wrong))
    price = 100 * errors.difference / (shrunk / 0.01) if shrunk > LEAST_SHRUNK and step[0] != "off" else None
    return FairnessPoint(
        method=step[0],
        strength=step[1],
        gap=one.found.figure,
        accuracy=GroupFigure("all", len(one.wrong), *right),
        mean_loss=float(one.losses.mean()),
        loss=paired(one.losses, base.losses, margin=0.0, groups=rows.clusters),
        errors=errors,
        points_per_hundredth=price,
        allowed=allowed,
        within=None if max_gap is None else _told(one.found.gap) and one.found.gap.value <= max_gap,
        seconds=one.seconds,
    )


def _told(gap: Gap) -> bool:
    return gap.high >= 0


def _recommended(points: tuple[FairnessPoint, ...], max_gap: float | None) -> int | None:
    """Return the step with the fewest errors whose gap is within `max_gap`, of those that prove it where any does."""
    if max_gap is None:
        return None
    usable = [i for i, point in enumerate(points) if point.allowed and point.within and point.method != "majority"]
    proven = [i for i in usable if (gap := points[i].gap) is not None and gap.upper <= max_gap]
    # Of two that are right equally often, the one that costs less loss.
    costs = [(points[i].errors.difference, points[i].loss.difference, i) for i in proven or usable]
    return min(costs)[2] if costs else None


def _reason(model: str, points: tuple[FairnessPoint, ...], chosen: int | None, max_gap: float | None) -> Words:
    if max_gap is None:
        return {
            "en": f"No max_gap in [models.{model}.fairness] says how large a gap may be, so nothing is recommended.",
            "es": f"Sin max_gap en [models.{model}.fairness] no se sabe cuánto puede diferir: no se recomienda nada.",
        }
    limit = f"max_gap = {max_gap:g}"
    if chosen is None:
        return {
            "en": f"Nothing that the file allows brings the gap within {limit} on the rows set aside.",
            "es": f"Nada de lo que el fichero permite lleva la diferencia a {limit} en las filas apartadas.",
        }
    point = points[chosen]
    assert point.gap is not None
    gap, least, most = (percents(value) for value in (point.gap.value, point.gap.lower, point.gap.upper))
    if point.method == "off":
        return {
            "en": f"Nothing has to be done: the gap is {gap[0]} ({least[0]} to {most[0]}), within {limit}.",
            "es": f"No hay que hacer nada: la diferencia es {gap[1]} (de {least[1]} a {most[1]}), dentro de {limit}.",
        }
    proven = point.gap.upper <= max_gap
    cost = [f"{100 * value:.2f}" for value in (point.errors.difference, point.errors.lower, point.errors.upper)]
    spanish = [figures(value, "es") for value in cost]
    return {
        "en": f'mitigate = "{point.method}" with strength = {point.strength:g} brings the gap to {gap[0]} '
        f"({least[0]} to {most[0]}), {'proven' if proven else 'measured, not proven'} within {limit}. "
        f"It costs {cost[0]} points of accuracy (95% interval {cost[1]} to {cost[2]}).",
        "es": f'mitigate = "{point.method}" con strength = {point.strength:g} deja la diferencia en {gap[1]} (de '
        f"{least[1]} a {most[1]}), {'probado que cumple' if proven else 'cumple según lo medido, sin quedar probado,'} "
        f"{limit}. Cuesta {spanish[0]} puntos de exactitud (intervalo del 95\u00a0%: de {spanish[1]} a {spanish[2]}).",
    }

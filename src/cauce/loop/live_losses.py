"""The losses of champion and challenger on live requests: in the shadow, in a split, and on probation.

Only rows whose truths came are compared, in the order in which those came. Truths that come selectively hurt a paired
comparison on both sides alike; it then speaks of the rows that have truths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from cauce.core.artefacts import LEAST_PROBABILITY, Comparison, Experiment, Losses, TaskSpec
from cauce.core.protocols import Fitted
from cauce.core.registry import task as task_named
from cauce.loop.answered import Answered
from cauce.loop.context import Loop
from cauce.loop.guards import groups_in, latency
from cauce.loop.watch import ledger_of, with_truth, withheld
from cauce.renew import Evidence

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.track import Package

LEAST = 20
"""Rows with truths from which anything is compared; and those with times, five times as many."""
NEWEST = 100_000
"""Predictions at which a split's deal is looked at."""


class _Pair(NamedTuple):
    """Both releases, and how losses are counted: by the challenger's keys, for both."""

    ours: Package
    theirs: Package
    spec: TaskSpec
    margin: float
    confidence: float


def measured(loop: Loop, experiment: Experiment) -> Evidence:
    """Return the evidence of an experiment's stage, all so far."""
    if experiment.stage == "gate":
        return Evidence()
    model, settings = experiment.model, loop.renew_spec(experiment.model)
    (_, ours), (_, theirs) = (loop.tracker.open(model, v) for v in (experiment.challenger, experiment.champion))
    margin = loop.model(model).margin if settings.margin is None else settings.margin
    pair = _Pair(ours, theirs, ours.training.spec, margin, settings.confidence)
    stages: Mapping[str, Callable[[Loop, Experiment, _Pair], Evidence]] = {
        "shadow": _shadow,
        "split": _split,
        "probation": _probation,
    }
    return stages[experiment.stage](loop, experiment, pair).counted_by(pair.spec.loss)


def _shadow(loop: Loop, experiment: Experiment, pair: _Pair) -> Evidence:
    """Both on the same requests."""
    rows = ledger_of(loop, experiment.model).paired(experiment.stage_at)
    if not rows.num_rows:
        return Evidence()
    rows = _where(rows, {"version": experiment.champion, "shadow.version": experiment.challenger})
    known = _in_order(with_truth(rows, pair.spec.target))
    guards = _times(rows["shadow.ms"], rows[_own(rows, "ms")])
    ours = _losses(Answered(pair.ours.fitted, prefix="shadow."), known, pair.spec)
    theirs = _losses(Answered(pair.theirs.fitted), known, pair.spec)
    said = _shares(rows, "shadow."), _shares(rows)
    judged = _Judged(known, ours, theirs, _apart(said, pair.spec), uncertainty(rows))
    return _paired(pair, judged, n_requests=rows.num_rows, guards=guards)


def _probation(loop: Loop, experiment: Experiment, pair: _Pair) -> Evidence:
    """Return the new champion's losses against what the one before would have said of the same rows.

    Where the ledger does not hold what that one predicts from, against its own losses before the switch.
    """
    ledger = ledger_of(loop, experiment.model)
    rows = _where(ledger.labelled(experiment.stage_at), {"version": experiment.challenger})
    known = _in_order(with_truth(rows, pair.spec.target))
    n = known.num_rows
    if n < LEAST:
        return Evidence(n_requests=n, n_scores=n)
    guards = _before_and_after(ledger.window(4 * 500), experiment)
    ours = _losses(Answered(pair.ours.fitted), known, pair.spec)
    names = pair.theirs.training.spec.schema.names
    if withheld(known) or any(name not in known.column_names for name in names):
        return Evidence(_against_past(loop, experiment, pair, ours), n, n, guards)
    theirs = _losses(pair.theirs.fitted, known, pair.spec)
    # No bound here: it would keep a champion that is worse for the sake of rows of a kind not seen yet. A false alarm
    # gives the alias back to a tried release; a late one does harm.
    return _paired(pair, _Judged(known, ours, theirs, None), n_requests=n, guards=guards)


def _against_past(loop: Loop, experiment: Experiment, pair: _Pair, ours: Losses) -> Comparison | None:
    from cauce.evidence import split

    past = _where(ledger_of(loop, experiment.model).labelled(), {"version": experiment.champion})
    past = _until(past, experiment.stage_at)
    known = _in_order(with_truth(past.slice(max(0, past.num_rows - 5_000)), pair.spec.target))
    if known.num_rows < LEAST:
        return None
    theirs = _losses(Answered(pair.theirs.fitted), known, pair.spec)
    return split(ours.values, theirs.values, margin=pair.margin, confidence=pair.confidence)


def _split(loop: Loop, experiment: Experiment, pair: _Pair) -> Evidence:
    """Each on its own units: of a unit that asks again, its first row with a truth counts."""
    from cauce.evidence import sample_ratio, split

    ledger = ledger_of(loop, experiment.model)
    dealt = _arms(_after(ledger.window(NEWEST), experiment.stage_at), experiment)
    n_ours, n_theirs = (_n_units(dealt, variant) for variant in ("challenger", "champion"))
    guards = _times(*(_arm(dealt, variant)[_own(dealt, "ms")] for variant in ("challenger", "champion")))
    share = loop.model(experiment.model).challenger.share
    if n_ours + n_theirs and 0 < share < 1:
        guards["sample_ratio_p"] = float(sample_ratio(n_ours, n_theirs, share))
    known = _firsts(_in_order(with_truth(_arms(ledger.labelled(experiment.stage_at), experiment), pair.spec.target)))
    arms = {variant: _arm(known, variant) for variant in ("challenger", "champion")}
    if min(arm.num_rows for arm in arms.values()) < LEAST:
        return Evidence(None, dealt.num_rows, dealt.num_rows, guards)
    ours = _losses(Answered(pair.ours.fitted), arms["challenger"], pair.spec)
    theirs = _losses(Answered(pair.theirs.fitted), arms["champion"], pair.spec)
    bound = _largest([_shares(arm) for arm in arms.values()], pair.spec)
    found = split(ours.values, theirs.values, margin=pair.margin, confidence=pair.confidence, bound=bound)
    groups = {}
    both = list(groups_in(arms["challenger"], pair.spec.sensitive))
    others = dict(groups_in(arms["champion"], pair.spec.sensitive))
    for name, where in both:
        if name in others:
            sure = 1 - (1 - pair.confidence) / len(both)
            arm_losses = ours.values[where], theirs.values[others[name]]
            groups[name] = split(*arm_losses, margin=pair.margin, confidence=sure, bound=bound)
    return Evidence(found, dealt.num_rows, dealt.num_rows, guards, groups)


class _Judged(NamedTuple):
    """Rows whose truths came, in the order of these, and both releases' losses on them."""

    rows: pa.Table
    ours: Losses
    theirs: Losses
    bound: float | None
    """The largest difference that one row can show, whatever its truth; None where nobody knows."""
    everyone: np.ndarray | None = None
    """The champion's uncertainty on all requests, those without a truth included: where rows with truths are surer or
    less sure than all, the comparison is set right for it (CUPED)."""


def _paired(pair: _Pair, judged: _Judged, *, n_requests: int, guards: Mapping[str, float]) -> Evidence:
    """Compare both on the same rows, in the order of their truths, and within each sensitive group."""
    from cauce.evidence import sequential

    rows, ours, theirs = judged.rows, judged.ours, judged.theirs
    if rows.num_rows < LEAST:
        return Evidence(None, n_requests, 2 * n_requests, guards)
    unsure = uncertainty(rows) if judged.everyone is not None else None

    def compare(where: Any, confidence: float, covariate: np.ndarray | None = None) -> Comparison:
        return sequential(
            ours.values[where],
            theirs.values[where],
            margin=pair.margin,
            confidence=confidence,
            covariate=covariate,
            everyone=None if covariate is None else judged.everyone,
            groups=None if ours.groups is None else ours.groups[where],
            bound=judged.bound,
        )

    found = list(groups_in(rows, pair.spec.sensitive))
    groups = {name: compare(where, 1 - (1 - pair.confidence) / len(found)) for name, where in found}
    whole = compare(slice(None), pair.confidence, unsure)
    return Evidence(whole, n_requests, 2 * n_requests, guards, groups)


def _shares(rows: pa.Table, prefix: str = "") -> Mapping[str, np.ndarray]:
    """Return what a release said of each class: class → probabilities, shape (n_rows,)."""
    begin = f"{prefix}prob_"
    found = {name.removeprefix(begin): _numbers(rows[name]) for name in rows.column_names if name.startswith(begin)}
    return {name: np.clip(values, LEAST_PROBABILITY, 1.0) for name, values in found.items()}


def _apart(said: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]], spec: TaskSpec) -> float | None:
    """Return the largest difference of two releases' losses that any truth could have shown on rows both answered."""
    if spec.loss != "log":
        return _largest((), spec)
    ours, theirs = said
    found = [np.nanmax(np.abs(np.log(ours[name] / theirs[name])), initial=0.0) for name in ours if name in theirs]
    return float(max(found)) if found and spec.weight is None else None


def _largest(said: Sequence[Mapping[str, np.ndarray]], spec: TaskSpec) -> float | None:
    """Return the largest loss that any truth could have given a row; None where there is no largest one."""
    if spec.loss == "zero_one" and spec.weight is None:
        return 1.0
    found = [np.nanmax(-np.log(values), initial=0.0) for shares in said for values in shares.values()]
    return float(max(found)) if found and spec.loss == "log" and spec.weight is None else None


def uncertainty(rows: pa.Table) -> np.ndarray | None:
    """Return how unsure the release that answered was of each row, shape (n_rows,): known before the truth.

    Classes: one minus the probability of the likeliest; numbers: the width of the interval. None where it said neither.
    """
    shares = [rows[name] for name in rows.column_names if name.startswith("prob_")]
    if shares:
        found = 1.0 - np.nanmax(np.column_stack([_numbers(one) for one in shares]), axis=1)
    elif "lower" in rows.column_names and "upper" in rows.column_names:
        found = _numbers(rows["upper"]) - _numbers(rows["lower"])
    else:
        return None
    return found if np.isfinite(found).all() else None


def _losses(fitted: Fitted | Answered, rows: pa.Table, spec: TaskSpec) -> Losses:
    if not rows.num_rows:
        return Losses(np.empty(0), np.empty(0, dtype=np.str_))
    return task_named(spec.task).losses(cast("Fitted", fitted), rows, spec)


def _where(rows: pa.Table, wanted: Mapping[str, int]) -> pa.Table:
    import pyarrow.compute as pc

    for name, value in wanted.items():
        rows = rows.filter(pc.equal(rows[name], value))
    return rows


def _after(rows: pa.Table, moment: datetime) -> pa.Table:
    import pyarrow.compute as pc

    return rows.filter(pc.greater(rows["at"], moment))


def _until(rows: pa.Table, moment: datetime) -> pa.Table:
    import pyarrow.compute as pc

    return rows.filter(pc.less_equal(rows["at"], moment))


def _in_order(rows: pa.Table) -> pa.Table:
    """Sort rows as their truths came: the order in which a test that is looked at all along has seen them."""
    return rows.sort_by([("truth_at", "ascending"), ("id", "ascending")]) if rows.num_rows else rows


def _own(rows: pa.Table, name: str) -> str:
    """Return how the ledger's own column is named, which gives way to an input of its name."""
    return f"ledger.{name}" if f"ledger.{name}" in rows.column_names else name


def _arms(rows: pa.Table, experiment: Experiment) -> pa.Table:
    """Return the rows of units that one of the two answered, and only that one."""
    import pyarrow.compute as pc

    variant, unit = _own(rows, "variant"), _own(rows, "unit")
    ours = pc.and_(pc.equal(rows[variant], "challenger"), pc.equal(rows["version"], experiment.challenger))
    theirs = pc.and_(pc.equal(rows[variant], "champion"), pc.equal(rows["version"], experiment.champion))
    rows = rows.filter(pc.and_(pc.or_(ours, theirs), pc.is_valid(rows[unit])))
    if not rows.num_rows:
        return rows
    met = rows.group_by(unit).aggregate([(variant, "count_distinct")])
    both = met.filter(pc.greater(met[f"{variant}_count_distinct"], 1))[unit].combine_chunks()
    return rows.filter(pc.invert(pc.is_in(rows[unit], value_set=both)))


def _arm(rows: pa.Table, variant: str) -> pa.Table:
    import pyarrow.compute as pc

    return rows.filter(pc.equal(rows[_own(rows, "variant")], variant))


def _n_units(rows: pa.Table, variant: str) -> int:
    import pyarrow.compute as pc

    return int(pc.count_distinct(_arm(rows, variant)[_own(rows, "unit")]).as_py())


def _firsts(rows: pa.Table) -> pa.Table:
    """Return the first row of each unit, in the order given."""
    import pyarrow as pa

    if not rows.num_rows:
        return rows
    numbered = rows.select([_own(rows, "unit")]).append_column("row", pa.array(np.arange(rows.num_rows)))
    first = numbered.group_by(_own(rows, "unit")).aggregate([("row", "min")])["row_min"]
    return rows.take(first.combine_chunks().sort())


def _before_and_after(rows: pa.Table, experiment: Experiment) -> dict[str, float]:
    """Compare times of the two champions' newest answers."""
    own = _own(rows, "ms")
    return _times(*(_where(rows, {"version": v})[own] for v in (experiment.challenger, experiment.champion)))


def _times(ours: pa.ChunkedArray, theirs: pa.ChunkedArray) -> dict[str, float]:
    new, old = (one.drop_null().to_numpy() for one in (ours, theirs))
    return latency(new, old) if min(len(new), len(old)) >= 5 * LEAST else {}


def _numbers(values: pa.ChunkedArray) -> np.ndarray:
    import pyarrow as pa

    return np.asarray(values.cast(pa.float64()).to_numpy(), dtype=np.float64)

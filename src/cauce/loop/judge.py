"""The last step of a training: who holds the alias `champion`, decided on units that neither model was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Decision, Losses, Release, TaskSpec, Watched
from cauce.core.registry import task as task_named
from cauce.loop.carry import Overtaken, carry_out, experiment_of, mark, plan_of
from cauce.loop.context import Loop
from cauce.loop.guards import by_group, one_row_times
from cauce.loop.material import as_units, source_rows, stack, unit_names, unit_names_of
from cauce.loop.watch import ledger_of, with_truth

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.track import Package


def settle(loop: Loop, challenger: Release, watched: Watched | None = None) -> Decision:
    """Bring a new release to the gate: compared with the champion on rows that neither has learnt from.

    Returns
    -------
    Decision
        `promote`, or `wait` where it is refused, goes on to live requests or waits for a person, or `fix data` where
        the two cannot be compared; already carried out and recorded.
    """
    while True:
        after = mark(loop, challenger.training.model)
        try:
            return carry_out(loop, _gate(loop, challenger, watched), after=after)
        except Overtaken:  # somebody decided by hand in the meantime
            continue


def _gate(loop: Loop, challenger: Release, watched: Watched | None) -> Decision:
    from cauce import renew

    name = challenger.training.model
    champion = loop.tracker.alias(name, "champion")
    if champion is None:
        return renew.first(name, challenger.version, now=loop.now())
    if champion == challenger.version:
        return renew.nothing_new(name, champion=champion, now=loop.now())
    plan, under_way = plan_of(loop, name), experiment_of(loop, name)
    if not plan.live and not (under_way is not None and under_way.running):
        loop.tracker.set_alias(name, "challenger", challenger.version)  # for `cauce promote`, whatever comes out
    (_, ours), (_, theirs) = loop.tracker.open(name, challenger.version), loop.tracker.open(name, champion)
    versions = {"champion": champion, "challenger": challenger.version}
    mitigated, known = ours.training.mitigation, theirs.training.mitigation
    if mitigated is not None and (known is None or known.settings != mitigated.settings):
        decision = renew.fairer(name, **versions, method=str(mitigated.settings["method"]), now=loop.now())
        return renew.enter(decision, renew.Evidence(), plan)
    rows = unseen(loop, ours, theirs)
    gone = [column for column in theirs.training.spec.schema.names if column not in rows.column_names]
    if gone:
        return renew.incomparable(name, **versions, gone=gone, now=loop.now())
    if not rows.num_rows:
        return renew.enter(renew.unjudged(name, **versions, now=loop.now()), renew.Evidence(), plan, unjudged=True)
    spec, settings = loop.model(name), loop.renew_spec(name)
    asked = ours.training.spec  # the newest file's loss, for both
    our_losses, their_losses = _losses(ours, rows, asked), _losses(theirs, rows, asked)
    margin = spec.margin if settings.margin is None else settings.margin
    decision = renew.judge(
        their_losses.values,
        our_losses.values,
        groups=our_losses.groups,
        model=name,
        **versions,
        margin=margin,
        confidence=settings.confidence,
        watched=watched,
        now=loop.now(),
        squared=asked.loss == "squared",
    )
    evidence = renew.Evidence(
        decision.comparison,
        guards=one_row_times(ours.fitted, theirs.fitted, rows),
        groups=by_group(our_losses, their_losses, rows, asked.sensitive, margin=margin, confidence=settings.confidence),
    )
    return renew.enter(decision, evidence.counted_by(asked.loss), plan)


def settled(loop: Loop, challenger: Release) -> bool:
    """Whether a release has been compared, or promoted as the first one; a crash may have come before that."""
    from cauce import renew

    decided = renew.read(loop.record(challenger.training.model))
    return any(decision.challenger == challenger.version for decision in decided)


def _losses(package: Package, rows: pa.Table, spec: TaskSpec) -> Losses:
    return task_named(spec.task).losses(package.fitted, rows, spec)


def unseen(loop: Loop, ours: Package, theirs: Package) -> pa.Table:
    """Return the labelled rows, of source and ledger, that neither release was fitted on."""
    return unseen_units(loop, ours, theirs)[0]


def unseen_units(loop: Loop, ours: Package, theirs: Package) -> tuple[pa.Table, npt.NDArray[np.str_]]:
    """Return what `unseen` does, and each row's unit, shape (n_rows,). `ours` is the newer one: its columns count."""
    import pyarrow as pa

    spec = ours.training.spec
    source = source_rows(loop, ours.training.snapshot, spec)
    ledger = as_units(with_truth(ledger_of(loop, spec.model).labelled(whole=True), spec.target))
    named = unit_names_of(loop, ours.training.snapshot.data, source, spec)
    units = np.concatenate([named, unit_names(ledger)])
    learnt = np.isin(units, _taught(ours)) | np.isin(units, _taught(theirs))
    return stack(source, ledger, spec).filter(pa.array(~learnt)), units[~learnt]


def _taught(package: Package) -> np.ndarray:
    import pyarrow.compute as pc

    chosen = package.units.filter(pc.equal(package.units["role"], "train"))
    return np.asarray(chosen["unit"].to_pylist(), dtype=np.str_)

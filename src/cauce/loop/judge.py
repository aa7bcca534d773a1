"""The last step of a training: who holds the alias `champion`, decided on units that neither model was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cauce.core.artefacts import Decision, Losses, Release, Watched
from cauce.core.registry import task as task_named
from cauce.loop.context import Loop
from cauce.loop.material import as_units, source_rows, stack, unit_names, unit_names_of
from cauce.loop.watch import ledger_of, with_truth

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.track import Package


def settle(loop: Loop, challenger: Release, watched: Watched | None = None) -> Decision:
    """Compare a new release with the champion on rows that neither has learnt from; move the alias where it is better.

    Returns
    -------
    Decision
        `promote`, `wait`, or `fix data` where the two cannot be compared; already carried out and recorded.
    """
    from cauce import renew

    name = challenger.training.model
    champion = loop.tracker.alias(name, "champion")
    if champion is None:
        return carry_out(loop, renew.first(name, challenger.version, now=loop.now()))
    if champion == challenger.version:
        return carry_out(loop, renew.nothing_new(name, champion=champion, now=loop.now()))
    loop.tracker.set_alias(name, "challenger", challenger.version)
    spec = loop.model(name)
    settings = loop.project.file.renew
    (_, ours), (_, theirs) = loop.tracker.open(name, challenger.version), loop.tracker.open(name, champion)
    mitigated = ours.training.mitigation
    known = theirs.training.mitigation
    if mitigated is not None and (known is None or known.settings != mitigated.settings):
        method, versions = str(mitigated.settings["method"]), {"champion": champion, "challenger": challenger.version}
        return carry_out(loop, renew.fairer(name, **versions, method=method, now=loop.now()))
    rows = unseen(loop, ours, theirs)
    gone = [column for column in theirs.training.spec.schema.names if column not in rows.column_names]
    versions = {"champion": champion, "challenger": challenger.version}
    if gone:
        return carry_out(loop, renew.incomparable(name, **versions, gone=gone, now=loop.now()))
    if not rows.num_rows:
        return carry_out(loop, renew.unjudged(name, **versions, now=loop.now()))
    our_losses, their_losses = _losses(ours, rows), _losses(theirs, rows)
    decision = renew.judge(
        their_losses.values,
        our_losses.values,
        groups=our_losses.groups,
        model=name,
        **versions,
        margin=spec.margin if settings.margin is None else settings.margin,
        confidence=settings.confidence,
        watched=watched,
        now=loop.now(),
    )
    if loop.tracker.alias(name, "champion") != champion:  # somebody decided by hand in the meantime
        return settle(loop, challenger, watched)
    return carry_out(loop, decision)


def settled(loop: Loop, challenger: Release) -> bool:
    """Whether a release has been compared, or promoted as the first one; a crash may have come before that."""
    from cauce import renew

    decided = renew.read(loop.record(challenger.training.model))
    return any(decision.challenger == challenger.version for decision in decided)


def carry_out(loop: Loop, decision: Decision) -> Decision:
    """Record a decision, then move the aliases as it says: after a crash in between, `reconcile` finishes it."""
    from cauce import renew

    renew.append(loop.record(decision.model), decision)
    _move(loop, decision)
    return decision


def reconcile(loop: Loop, model: str) -> None:
    """Finish a promotion or roll-back that was recorded when the process died before the alias moved."""
    from cauce import renew

    for decision in renew.read(loop.record(model)):
        if decision.action in {"promote", "roll back"}:
            if loop.tracker.alias(model, "champion") != decision.challenger:
                _move(loop, decision)
            return


def _move(loop: Loop, decision: Decision) -> None:
    if decision.action in {"promote", "roll back"} and decision.challenger is not None:
        loop.tracker.set_alias(decision.model, "champion", decision.challenger)
        if loop.tracker.alias(decision.model, "challenger") == decision.challenger:
            loop.tracker.drop_alias(decision.model, "challenger")


def _losses(package: Package, rows: pa.Table) -> Losses:
    spec = package.training.spec
    return task_named(spec.task).losses(package.fitted, rows, spec)


def unseen(loop: Loop, ours: Package, theirs: Package) -> pa.Table:
    """Return the labelled rows, of source and ledger, that neither release was fitted on."""
    import pyarrow as pa

    spec = ours.training.spec
    source = source_rows(loop, ours.training.snapshot, spec)
    ledger = as_units(with_truth(ledger_of(loop, spec.model).labelled(whole=True), spec.target))
    named = unit_names_of(loop, ours.training.snapshot.data, source, spec)
    units = np.concatenate([named, unit_names(ledger)])
    learnt = np.isin(units, _taught(ours)) | np.isin(units, _taught(theirs))
    return stack(source, ledger, spec).filter(pa.array(~learnt))


def _taught(package: Package) -> np.ndarray:
    import pyarrow.compute as pc

    chosen = package.units.filter(pc.equal(package.units["role"], "train"))
    return np.asarray(chosen["unit"].to_pylist(), dtype=np.str_)

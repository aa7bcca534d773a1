"""The last step of a training: who holds the alias `champion`, decided on units that neither model was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cauce.core.artefacts import Decision, Losses, Release, Watched
from cauce.core.registry import task as task_named
from cauce.loop.context import Loop

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.track import Package


def settle(loop: Loop, challenger: Release, judges: pa.Table | None = None, watched: Watched | None = None) -> Decision:
    """Compare a new release with the champion and move the alias where it is better.

    Parameters
    ----------
    challenger
        The release just trained.
    judges
        Labelled rows that neither model has seen, with a column ``unit``; None takes the challenger's own units set
        aside, less those the champion was trained on.

    Returns
    -------
    Decision
        `promote` or `wait`; already carried out and recorded.
    """
    from cauce import renew

    name = challenger.training.model
    champion = loop.tracker.alias(name, "champion")
    if champion is None or champion == challenger.version:
        decision = renew.first(name, challenger.version, now=loop.now())
        return carry_out(loop, decision)
    loop.tracker.set_alias(name, "challenger", challenger.version)
    spec = loop.model(name)
    settings = loop.project.file.renew
    (_, ours), (_, theirs) = loop.tracker.open(name, challenger.version), loop.tracker.open(name, champion)
    rows = judges if judges is not None else _common(loop, ours, theirs)
    gone = [column for column in theirs.training.spec.schema.names if column not in rows.column_names]
    if gone:
        decision = renew.incomparable(name, champion=champion, challenger=challenger.version, gone=gone, now=loop.now())
        return carry_out(loop, decision)
    our_losses, their_losses = _losses(ours, rows), _losses(theirs, rows)
    decision = renew.judge(
        their_losses.values,
        our_losses.values,
        groups=our_losses.groups,
        model=name,
        champion=champion,
        challenger=challenger.version,
        margin=spec.margin if settings.margin is None else settings.margin,
        confidence=settings.confidence,
        watched=watched,
        now=loop.now(),
    )
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


def _common(loop: Loop, ours: Package, theirs: Package) -> pa.Table:
    """Return the rows that the challenger set aside and the champion was not trained on."""
    import pyarrow as pa

    from cauce import data
    from cauce.loop.material import labelled

    spec, snapshot = ours.training.spec, ours.training.snapshot
    table = labelled(data.read(loop.state.lake, snapshot.data, version=snapshot.version), spec.target)
    units = data.unit_ids(table, spec.key)
    aside = np.isin(units, _role(ours, "held_out")) & ~np.isin(units, _role(theirs, "train"))
    return table.filter(pa.array(aside))


def _role(package: Package, role: str) -> np.ndarray:
    import pyarrow.compute as pc

    chosen = package.units.filter(pc.equal(package.units["role"], role))
    return np.asarray(chosen["unit"].to_pylist(), dtype=np.str_)

"""The last step of a training: who holds the alias `champion`, decided on units that neither model was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cauce.core.artefacts import Decision, Losses, Release, TaskSpec, Watched
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
    ours, theirs = _paired_losses(loop, challenger, champion, judges)
    decision = renew.judge(
        theirs.values,
        ours.values,
        groups=ours.groups,
        model=name,
        champion=champion,
        challenger=challenger.version,
        margin=spec.margin if settings.margin is None else settings.margin,
        confidence=settings.confidence,
        watched=watched,
        now=loop.now(),
    )
    return carry_out(loop, decision)


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


def _paired_losses(loop: Loop, challenger: Release, champion: int, judges: pa.Table | None) -> tuple[Losses, Losses]:
    """Return the losses of challenger and champion on the same units."""
    name = challenger.training.model
    release, ours = loop.tracker.open(name, challenger.version)
    other, theirs = loop.tracker.open(name, champion)
    rows = judges if judges is not None else _common(loop, release.training.spec, ours, theirs)
    task = task_named(release.training.task)
    return (
        task.losses(ours.fitted, rows, release.training.spec),
        task.losses(theirs.fitted, rows, other.training.spec),
    )


def _common(loop: Loop, spec: TaskSpec, ours: Package, theirs: Package) -> pa.Table:
    """Return the rows that the challenger set aside and the champion was not trained on."""
    import pyarrow as pa

    from cauce import data
    from cauce.loop.material import labelled

    snapshot = ours.training.snapshot
    table = labelled(data.read(loop.state.lake, snapshot.data, version=snapshot.version), spec.target)
    units = data.unit_ids(table, spec.key)
    aside = np.isin(units, _role(ours, "held_out")) & ~np.isin(units, _role(theirs, "train"))
    return table.filter(pa.array(aside))


def _role(package: Package, role: str) -> np.ndarray:
    import pyarrow.compute as pc

    chosen = package.units.filter(pc.equal(package.units["role"], role))
    return np.asarray(chosen["unit"].to_pylist(), dtype=np.str_)

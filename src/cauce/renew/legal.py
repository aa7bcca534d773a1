"""What must hold between record, aliases and experiment at every moment at which nothing is being decided.

The record comes first: a decision is one synced line, and aliases and `experiment.json` follow it. After a crash they
may lag behind by that one decision until the next command or the watcher's next turn, whose `reconcile` lets them
follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from cauce.core.artefacts import Decision, Experiment, Stage

ORDER: tuple[Stage, ...] = ("gate", "shadow", "split", "probation", "ended")


def faults(
    decisions: Sequence[Decision],
    experiment: Experiment | None,
    *,
    champion: int | None,
    challenger: int | None,
    versions: Sequence[int],
) -> list[str]:
    """Return what is not as it must be; nothing in a legal state.

    Parameters
    ----------
    decisions
        The record, oldest first.
    experiment
        `experiment.json`.
    champion, challenger
        The versions that hold the aliases.
    versions
        Those that are registered.
    """
    found = [f"alias names version {v}, which is none" for v in (champion, challenger) if v and v not in versions]
    ids = [one.id for one in decisions]
    found += [f"decision {one} is recorded twice" for one in sorted({i for i in ids if ids.count(i) > 1})]
    moved = [one for one in decisions if one.action in {"promote", "roll back"}]
    said = moved[-1].challenger if moved else None
    if champion != said:
        found.append(f"champion is {champion}, the last decision that moved it says {said}")
    found += [
        f"{later.action} of version {later.challenger} takes over from {later.champion}, not from {earlier.challenger}"
        for earlier, later in pairwise(moved)
        if later.champion != earlier.challenger
    ]
    placed = [one for one in decisions if one.experiment is not None]
    found += _stages(placed)
    last = placed[-1].experiment if placed else None
    if (experiment is None) != (last is None):
        found.append("experiment.json and the record do not agree whether there is an experiment")
    if experiment is not None and last is not None:
        found += _agree(experiment, last, champion, challenger)
    return found


def _agree(experiment: Experiment, last: Experiment, champion: int | None, challenger: int | None) -> list[str]:
    """Hold an experiment against the record and the aliases."""
    found = []
    if (experiment.decision, experiment.stage) != (last.decision, last.stage):
        found.append(f"experiment.json stands in {experiment.stage}, the record says {last.stage}")
    if experiment.running and (champion, challenger) != (experiment.champion, experiment.challenger):
        found.append(f"aliases are {champion}, {challenger} in {experiment.stage}")
    if experiment.stage == "probation" and champion != experiment.challenger:
        found.append(f"version {experiment.challenger} is on probation and {champion} holds the alias")
    if not experiment.running and challenger == experiment.challenger:
        found.append(f"the alias of a challenger stays on version {challenger} after its experiment")
    return found


def _stages(placed: Sequence[Decision]) -> list[str]:
    """Find an experiment that goes back, stays where it was, or is entered after its end."""
    found, stood = [], dict[tuple[int, str], int]()
    for one in placed:
        assert one.experiment is not None
        key = (one.experiment.challenger, one.experiment.begun_at.isoformat())
        place = ORDER.index(one.experiment.stage)
        asked_again = one.experiment.asks is not None and place == stood.get(key)
        if key in stood and place <= stood[key] and not asked_again:
            found.append(f"the experiment with version {key[0]} goes from {ORDER[stood[key]]} to {ORDER[place]}")
        stood[key] = place
    return found

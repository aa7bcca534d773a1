"""Decisions carried out: recorded first, as one synced line; then aliases and `experiment.json` follow.

The line is the commit. After a crash, `reconcile` lets follow what had not followed yet, as often as it takes. One
process or thread at a time decides about a model, for milliseconds, under `record/<model>/decide.lock`: so a person,
the watcher and who looks after a probation may decide at any time, also while a training holds `loop.lock`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from cauce.core.artefacts import Decision, Experiment
from cauce.core.files import read_artefact, write_artefact
from cauce.core.locks import hold
from cauce.loop.context import Loop
from cauce.renew import Plan

WAIT_S = 10.0


class Overtaken(Exception):
    """Somebody else decided about the model in the meantime; what was about to be carried out is not."""


def experiment_of(loop: Loop, model: str) -> Experiment | None:
    """Return the newest experiment with a challenger of a model, ended or not; None where there was none."""
    return read_artefact(loop.record(model) / "experiment.json", Experiment)


def plan_of(loop: Loop, model: str) -> Plan:
    """Return what the file asks of a model's experiments."""
    return Plan.of(loop.model(model).challenger, loop.renew_spec(model))


@contextmanager
def deciding(loop: Loop, model: str) -> Iterator[None]:
    """Be the only one who decides about a model, for the block."""
    with hold(loop.record(model) / "decide.lock", wait_s=WAIT_S):
        yield


def mark(loop: Loop, model: str) -> str:
    """Return the id of the newest decision that moved an alias or placed an experiment; empty where there is none.

    Take it before looking at aliases and experiment: these have followed it by then, and where they have moved on since
    `carry_out` says so.
    """
    if not (loop.record(model) / "decisions.jsonl").exists():
        return ""
    with deciding(loop, model):
        _catch_up(loop, model)
        return _mark(loop, model)


def _mark(loop: Loop, model: str) -> str:
    from cauce import renew

    newest = renew.newest(loop.record(model), lambda line: renew.moves(line) or renew.places(line))
    return newest.id if newest is not None else ""


def carry_out(loop: Loop, decision: Decision, *, after: str | None = None) -> Decision:
    """Record a decision, then let the aliases and the experiment follow it.

    Parameters
    ----------
    after
        The `mark` on which the decision rests.

    Returns
    -------
    Decision
        As recorded: one that moves the alias beside an experiment says what becomes of that.

    Raises
    ------
    Overtaken
        Another decision that binds came after `after`; nothing was recorded.
    """
    from cauce import renew

    with deciding(loop, decision.model):
        _catch_up(loop, decision.model)
        if after is not None and _mark(loop, decision.model) != after:
            raise Overtaken
        decision = _beside(loop, decision)
        renew.append(loop.record(decision.model), decision)
        _follow(loop, decision.model, decision, decision)
    return decision


def note(loop: Loop, decision: Decision) -> None:
    """Record a decision that moves nothing."""
    from cauce import renew

    with deciding(loop, decision.model):
        renew.append(loop.record(decision.model), decision)


def progress(loop: Loop, experiment: Experiment) -> None:
    """Keep how far a stage has come, unless another decision has ended it."""
    with deciding(loop, experiment.model):
        kept = experiment_of(loop, experiment.model)
        if kept is not None and kept.decision == experiment.decision and kept != experiment:
            write_artefact(loop.record(experiment.model) / "experiment.json", experiment)


def reconcile(loop: Loop, model: str) -> None:
    """Let aliases and experiment follow what was recorded when a process died before they did."""
    if (loop.record(model) / "decisions.jsonl").exists():
        with deciding(loop, model):
            _catch_up(loop, model)


def _catch_up(loop: Loop, model: str) -> None:
    from cauce import renew

    folder = loop.record(model)
    _follow(loop, model, renew.newest(folder, renew.moves), renew.newest(folder, renew.places))


def _follow(loop: Loop, model: str, moved: Decision | None, placed: Decision | None) -> None:
    """Make aliases and `experiment.json` what the newest decisions say; nothing is written where they are."""
    tracker = loop.tracker
    done = {moved.challenger} if moved is not None and moved.action in {"promote", "roll back"} else set()
    for version in done - {None}:
        if tracker.alias(model, "champion") != version:
            tracker.set_alias(model, "champion", int(str(version)))
    experiment = placed.experiment if placed is not None else None
    held = tracker.alias(model, "challenger")
    if experiment is not None and experiment.running:
        if held != experiment.challenger:
            tracker.set_alias(model, "challenger", experiment.challenger)
    elif held is not None and held in done | ({experiment.challenger} if experiment is not None else set()):
        tracker.drop_alias(model, "challenger")
    if experiment is not None:
        kept = experiment_of(loop, model)
        if kept is None or kept.decision != experiment.decision:
            write_artefact(loop.record(model) / "experiment.json", experiment)


def _beside(loop: Loop, decision: Decision) -> Decision:
    """Add what becomes of an experiment under way to a decision that moves the alias without speaking of it."""
    from cauce import renew

    if decision.experiment is not None or decision.action not in {"promote", "roll back"}:
        return decision
    kept = experiment_of(loop, decision.model)
    if kept is None or kept.stage == "ended":
        return decision
    after = renew.by_person(kept, decision, plan_of(loop, decision.model))
    return replace(decision, experiment=replace(after, decision=decision.id))

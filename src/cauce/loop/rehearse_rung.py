"""The rung that a rehearsal refits: that of the release in service, or one chosen on the first rows by the real ladder.

The ladder is climbed once. Climbing it at every retraining would take a hundred times as long and change little: what
drifts is what a rung has learnt, seldom which rung is best.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from cauce.core.artefacts import Candidate
from cauce.core.registry import task as task_named
from cauce.loop.context import Loop
from cauce.loop.rehearse_history import History


@dataclass(frozen=True)
class FoundRung:
    """A rung with its parameters, and where it comes from."""

    candidate: Candidate
    found_by: Literal["champion", "ladder"]


def rung_of(loop: Loop, apart: Loop, history: History, first: int) -> FoundRung:
    """Return the champion's rung and parameters, or climb the ladder on the first rows.

    Parameters
    ----------
    loop
        The project, read only.
    apart
        The same with a state that may be written to.
    first
        Rows that the first model is made from.
    """
    spec = history.spec
    ladder = task_named(spec.task).candidates(spec, history.profile)
    known = _of_champion(loop, spec.model, ladder)
    if known is not None:
        return FoundRung(known, "champion")
    return FoundRung(_climbed(apart, history, ladder, first), "ladder")


def _of_champion(loop: Loop, model: str, ladder: tuple[Candidate, ...]) -> Candidate | None:
    if not loop.state.mlflow.exists():
        return None
    champion = loop.tracker.alias(model, "champion")
    if champion is None:
        return None
    training = loop.tracker.release(model, champion).training
    rung = next((one for one in ladder if one.name == training.rung), None)
    if rung is None:
        return None
    chosen = next((one for one in training.choice.rungs if one.name == training.rung), None)
    tuned = dict(chosen.params) if chosen is not None else {}
    remedied = dict(training.diagnosis.params) if training.diagnosis is not None else {}
    return replace(rung, params={**rung.params, **tuned, **remedied}, space={}, starts=(), remedies={})


def _climbed(loop: Loop, history: History, ladder: tuple[Candidate, ...], first: int) -> Candidate:
    from cauce import data, select

    spec, settings = history.spec, loop.model(history.spec.model)
    rows = history.table.slice(0, first)
    folds = data.fold_all(
        rows, settings.split, task=spec.task, target=spec.target, key=None, time=spec.time, group=spec.group
    ).folds
    task = task_named(spec.task)
    effort = select.Effort(trials=0)
    limits = select.Limits(
        settings.must_use, settings.never_use, settings.interpretable, settings.max_latency_ms, settings.max_size_mb
    )
    with select.runner_for(task, spec, first, effort) as runner:
        climb = select.climb(
            task, spec, ladder, rows, folds, effort=effort, limits=limits, runner=runner, progress=loop.progress
        )
    choice = select.choose(climb, margin=settings.margin, budget_s=None)
    chosen = next(one.candidate for one in climb.attempts if one.candidate.name == choice.chosen)
    return replace(chosen, space={}, starts=(), remedies={})

"""Every trial of tuning as an MLflow run below its training's run: parameters, mean loss, folds, seconds, outcome.

A child carries its training's fingerprint, so that what an interrupted `register` left is thrown away whole.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from cauce.core.artefacts import Training, Trial

PARENT, NAME = "mlflow.parentRunId", "mlflow.runName"  # where MLflow's own pages look
STATUS = {"complete": "FINISHED", "pruned": "KILLED", "budget": "KILLED", "failed": "FAILED"}


@dataclass(frozen=True)
class ChildRun:
    """What is written of one child."""

    run_id: str
    name: str
    status: str
    start: int
    """Milliseconds since 1970, UTC, as all of MLflow's times."""
    end: int
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]


def child_runs(training: Training, parent: str, tags: Mapping[str, str]) -> tuple[ChildRun, ...]:
    """Give a child for each trial of each rung.

    When a trial began is not recorded, how long it took is: each starts with its training, a millisecond after the
    trial before it, so that a list by time is in the order of the trials.

    Parameters
    ----------
    parent
        Run id of the training.
    tags
        Of every child.
    """
    begun = round(1000 * (training.created_at.timestamp() - training.seconds))
    named = [(rung, trial) for rung, trials in training.choice.trials.items() for trial in trials]
    return tuple(_child(rung, trial, parent, begun + place, tags) for place, (rung, trial) in enumerate(named, start=1))


def _child(rung: str, trial: Trial, parent: str, start: int, tags: Mapping[str, str]) -> ChildRun:
    name = f"{rung}-trial-{trial.number}"
    return ChildRun(
        run_id=uuid.uuid4().hex,
        name=name,
        status=STATUS[trial.outcome],
        start=start,
        end=start + round(1000 * trial.seconds),
        tags={**tags, PARENT: parent, NAME: name, "cauce.rung": rung, "cauce.outcome": trial.outcome},
        params={key: str(value) for key, value in trial.params.items()},
        metrics=_metrics(trial),
    )


def _metrics(trial: Trial) -> dict[str, float]:
    found = {"trial": trial.number, "mean_loss": trial.mean_loss, "n_folds": trial.n_folds, "seconds": trial.seconds}
    return {name: float(value) for name, value in found.items() if value is not None and math.isfinite(value)}

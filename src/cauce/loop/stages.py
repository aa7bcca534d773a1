"""The stages in order: what `cauce train`, `cauce up --once` and each turn of the watcher begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cauce.core.artefacts import Decision
from cauce.core.errors import UserError
from cauce.core.files import write_artefact
from cauce.loop.carry import experiment_of, reconcile
from cauce.loop.context import Loop
from cauce.loop.judge import settle, settled
from cauce.loop.train import Trained, train


@dataclass(frozen=True)
class Outcome:
    """What bringing a model up to date came to."""

    model: str
    trained: Trained | None
    decision: Decision | None
    error: UserError | None
    champion: int | None = None
    """Version that holds the alias afterwards."""

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the climb, and the release is the best so far."""
        return self.trained is not None and self.trained.release.training.choice.interrupted


@dataclass(frozen=True)
class Failure:
    """Why the newest attempt to train a model failed; thrown away by the next one that does not."""

    text: str
    at: datetime


def run_stages(loop: Loop, models: Sequence[str] | None = None) -> tuple[Outcome, ...]:
    """Bring every model up to date with its file and source; one that is blocked does not stop the others."""
    with loop.locked(wait_s=5.0):
        loop.tracker.relocate()  # the project may have been moved, or restored from a backup
        outcomes: list[Outcome] = []
        for name in models or loop.project.file.models:
            outcomes.append(refresh(loop, name))
            if outcomes[-1].interrupted:
                break  # Ctrl-C means the models after this one too
        return tuple(outcomes)


def refresh(loop: Loop, name: str) -> Outcome:
    """Bring one model up to date: nothing to do, at the cost of a glance, where file and source are as they were."""
    failure = loop.record(name) / "error.json"
    try:
        reconcile(loop, name)
        trained = train(loop, name)
        under_way = experiment_of(loop, name)
        wait = under_way is not None and under_way.running  # the newest release has its turn after it
        decision = None if wait or settled(loop, trained.release) else settle(loop, trained.release)
    except UserError as error:
        write_artefact(failure, Failure(str(error), loop.now()))
        return Outcome(name, None, None, error, loop.tracker.alias(name, "champion"))
    failure.unlink(missing_ok=True)
    return Outcome(name, trained, decision, None, loop.tracker.alias(name, "champion"))

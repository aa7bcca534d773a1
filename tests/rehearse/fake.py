"""A stage without models: a model's loss is how old what it learnt is, and every question it is asked is kept."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from cauce.core.artefacts import Action, Decision, Signal, Watched
from cauce.core.rehearsing import Course, Job, Replayed, Scenario, Settings, Strategy
from cauce.rehearse import Model, serve_jobs
from cauce.rehearse.replay import Past
from cauce.rehearse.stage import Floats, Rows, Seen

SETTINGS = Settings(window=100, drift=0.2, min_truths=50, cool_down="1h")


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


@dataclass
class FakeStage:
    """Losses are given by `world`; a model that learnt a row of the second regime has the second regime's losses."""

    past: Past
    world: Floats
    """What each row is like: 0 or 1."""
    alarm_from: float = np.inf
    promotes: bool = True
    asked: list[tuple[str, float, Rows]] = field(default_factory=list)
    judged: list[tuple[Model, Model, Rows, float]] = field(default_factory=list)

    def fit(self, teach: Rows, judge: Rows, *, version: int, at: float) -> Model:
        self.asked.append(("fit", at, np.concatenate([teach, judge])))
        knows = float(self.world[teach].max(initial=0.0))
        return Model(version, at, knows, teach, self.losses_of(knows, judge), None, 0.5)

    def losses_of(self, knows: float, rows: Rows) -> Floats:
        return np.abs(self.world[rows] - knows) + 0.1

    def losses(self, model: Model, rows: Rows) -> Floats:
        return self.losses_of(model.fitted, rows)

    def look(self, seen: Seen) -> Watched:
        self.asked.append(("look", seen.now, seen.answered))
        self.asked.append(("truth", seen.now, seen.answered[seen.labelled]))
        assert np.array_equal(self.past.known_at[seen.answered[seen.labelled]], seen.received[seen.labelled])
        alarming = seen.now >= self.alarm_from and not seen.model.fitted
        signal = Signal("performance", None, 1.0, 0.5, alarming, {"en": "worse", "es": "peor"})
        return Watched("m", seen.model.version, moment(seen.now), len(seen.answered), int(seen.labelled.sum()),
                       seen.n_labelled, None, None, 0.1, None, None, (signal,))  # fmt: skip

    def decide(self, watched: Watched, seen: Seen) -> Decision:
        enough = seen.n_new >= 50
        action: Action = "retrain" if watched.signals[0].alarming and enough else "wait"
        return Decision("1", "m", moment(seen.now), action, {"en": action, "es": action}, "policy")

    def n_judging(self, n_new: int) -> int:
        return n_new // 2

    def judge(self, champion: Model, challenger: Model, rows: Rows, watched: Watched | None, now: float) -> bool:
        self.judged.append((champion, challenger, rows, now))
        self.asked.append(("truth", now, rows))
        return self.promotes


def past(n: int = 1000, *, first: int = 300, delay: float = 20.0, change: int | None = 600) -> Past:
    times = np.arange(n, dtype=np.float64)
    changed = np.arange(n) >= (n if change is None else change)
    return Past(times, times + delay, changed, first, 25.0, injected=change is not None)


def job(scenario: Scenario | None = None, seed: int = 0) -> Job:
    everyone: tuple[Strategy, ...] = ("loop", "never", "always", "scheduled", "oracle")
    return Job(scenario or Scenario("mean", "sudden"), seed, SETTINGS, 300, 1000, everyone)


def replayed(asked: Job) -> Replayed:
    """A result that depends on the job alone."""
    values = np.random.default_rng([asked.seed, *asked.scenario.name.encode()]).random(24)
    course = Course("loop", float(values.mean()), tuple(values.tolist()), (), 1, 1, 10, 0.0)
    return Replayed(asked, 100, 100, None, None, 1.0, 0.0, (), (course,))


def work() -> None:
    """What a process of the crew's test runs."""
    serve_jobs(replayed, Path(sys.argv[1]))


def die() -> None:
    """What a process that fails runs."""
    sys.stdin.readline()
    raise SystemExit(3)

"""What a replay needs done, and asks of whoever binds it: fitting, judging, looking, deciding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Decision, Watched

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Model:
    """One fitted model of a replay."""

    version: int
    at: float
    """When it was trained, in the history's clock."""
    fitted: Any
    taught: Rows
    """Rows that it learnt from."""
    held_out: Floats
    """Its losses on rows set aside then, shape (n_held_out,)."""
    reference: Any
    """What a look compares with."""
    cpu_seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Seen:
    """What a look may know: rows by their number, all of them before `now`."""

    model: Model
    answered: Rows
    """All rows that this model answered, oldest first."""
    at: Floats
    """When each of them came, shape (n_answered,)."""
    received: Floats
    """When its truth came, NaN where it has not come yet, shape (n_answered,)."""
    n_came: int
    """How many of them came since the last look."""
    n_labelled: int
    """Rows since the model was trained whose truth has come."""
    last_retrain: float | None
    n_new: int
    """Rows since the last retraining whose truth has come."""
    now: float
    retrained: tuple[tuple[float, float], ...] = ()
    """When each retraining was asked for, and the processor seconds that it took, oldest first."""

    @property
    def labelled(self) -> npt.NDArray[np.bool_]:
        """Which of the rows have their truth, shape (n_answered,)."""
        return ~np.isnan(self.received)


class Stage(Protocol):
    """Does what a replay asks for, on one table of rows; the real rooms of the loop in earnest, a fake in tests."""

    def fit(self, teach: Rows, judge: Rows, *, version: int, at: float) -> Model:
        """Fit the rung on rows whose truth is known, and hold it against others."""

    def losses(self, model: Model, rows: Rows) -> Floats:
        """Return the loss of each row."""

    def look(self, seen: Seen) -> Watched:
        """Look at what came since the last look. Called in order of time, by the loop alone."""

    def decide(self, watched: Watched, seen: Seen) -> Decision:
        """Ask the policy."""

    def n_judging(self, n_new: int) -> int:
        """Return how many of the newest labelled rows since the champion's training judge and are not learnt from."""

    def judge(self, champion: Model, challenger: Model, rows: Rows, watched: Watched | None, now: float) -> bool:
        """Compare two models on rows that neither has learnt from; whether the challenger takes over."""

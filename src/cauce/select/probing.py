"""The fits that a diagnosis is made from: one rung with some settings, on some of a fold's rows, within a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import LEAST_PROBABILITY, Candidate, TaskSpec
from cauce.core.errors import MissingExtra
from cauce.core.progress import Progress, silent
from cauce.core.protocols import Fitted, Task
from cauce.core.spaces import Value
from cauce.select.folds import OURS, Folds

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


class OutOfTime(Exception):
    """The next fit would probably end after the deadline."""


class NotFitted(Exception):
    """A model could not be fitted to these rows, or its losses are not finite."""


@dataclass(frozen=True, eq=False)
class Measured:
    """One fit, judged on a fold's test rows and on rows that it learnt from."""

    losses: Floats
    """On the test rows, shape (n_units,)."""
    groups: npt.NDArray[np.str_] | None
    seen: Floats
    """On rows that it learnt from, as many as there are test rows where there are so many."""
    expected: Floats | None
    """The loss that each test row's own probabilities expect; None where there are none, or where not asked."""
    n_rows: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Probe:
    """What does not change from fit to fit."""

    task: Task
    spec: TaskSpec
    candidate: Candidate
    table: pa.Table
    folds: Folds
    deadline: float | None = None
    clock: Callable[[], float] = time.monotonic
    progress: Progress = silent

    def fit(
        self, params: Mapping[str, Value], fold: int, rows: Rows | None = None, *, expected_s: float = 0.0
    ) -> Measured:
        """Fit on `rows`, all of the fold's training rows by default, and judge on its test rows.

        Raises
        ------
        OutOfTime
            `expected_s` seconds are not left.
        NotFitted
            The rung does not learn from these rows.
        """
        if self.deadline is not None and self.clock() + expected_s >= self.deadline:
            raise OutOfTime
        train, test = self.folds[fold]
        rows = train if rows is None else rows
        begun = self.clock()
        teach, judge = self.table.take(rows), self.table.take(test)
        try:
            fitted = self.task.fit(self.candidate, params, teach, spec=self.spec)
            losses = self.task.losses(fitted, judge, self.spec)
            rng = np.random.default_rng([self.spec.seed, fold])
            some = np.sort(rng.permutation(teach.num_rows)[: max(judge.num_rows, 1)])
            seen = self.task.losses(fitted, teach.take(some), self.spec).values
        except (*OURS, MissingExtra):
            raise
        except Exception as error:  # as in `folds`: a model library raises what it likes, and a diagnosis ends nothing
            raise NotFitted(f"{type(error).__name__}: {error}") from error
        if not (len(losses.values) and np.isfinite(losses.values).all() and np.isfinite(seen).all()):
            raise NotFitted("losses are not finite")
        expected = self_expected(fitted, judge, self.spec.loss)
        return Measured(losses.values, losses.groups, seen, expected, len(rows), self.clock() - begun)


def self_expected(fitted: Fitted, table: pa.Table, loss: str) -> Floats | None:
    """Return the loss that each row's own probabilities expect: entropy, or the chance that the likeliest is wrong."""
    if not fitted.classes or loss not in {"log", "zero_one"}:
        return None
    said = fitted.predict(table)
    shares = np.column_stack([said[f"prob_{label}"].to_numpy() for label in fitted.classes])
    if loss == "zero_one":
        wrong: Floats = 1.0 - shares.max(axis=1)
        return wrong
    entropy: Floats = -(shares * np.log(np.clip(shares, LEAST_PROBABILITY, 1.0))).sum(axis=1)
    return entropy


def pooled(parts: Sequence[Measured], folds: Sequence[int]) -> tuple[Floats, npt.NDArray[np.int64], Any]:
    """Return the losses of several folds as one vector, the fold of each unit, and its group."""
    losses = np.concatenate([part.losses for part in parts])
    fold = np.repeat(np.asarray(folds, np.int64), [len(part.losses) for part in parts])
    groups = [part.groups for part in parts if part.groups is not None]
    return losses, fold, np.concatenate(groups) if len(groups) == len(parts) else None

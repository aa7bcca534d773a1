"""Rows as the reducer sees them: one matrix of numbers, targets as codes or numbers, a weight each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Kept(NamedTuple):
    """Which rows stay, and what each then stands for."""

    indices: Ints
    """Row numbers, shape (n_kept,), ascending, each once."""
    weights: Floats
    """Shape (n_kept,), above zero; together they weigh as much as all rows did."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows to choose from."""

    inputs: npt.NDArray[np.float32]
    """Shape (n_rows, n_columns); NaN where a value is missing; codes 0, 1, … in categorical columns."""
    target: Ints | Floats
    """Shape (n_rows,): class codes 0 … n_classes − 1, or numbers."""
    weights: Floats
    """Shape (n_rows,), above zero."""
    n_classes: int = 0
    """0 where the target is a number."""
    categorical: tuple[int, ...] = ()
    """Numbers of the columns whose values have no order."""
    groups: Ints | None = None
    """Number of each row's group, shape (n_rows,), where no group may lose by the reduction; below 0 for none."""

    def __len__(self) -> int:
        return len(self.target)

    def kept(self, indices: Ints, weights: Floats) -> Kept:
        """Return some rows as kept ones, their weights scaled to weigh what all rows do."""
        return Kept(indices, weights * (self.weights.sum() / weights.sum()))

    def take(self, numbers: npt.NDArray[np.int64]) -> Rows:
        """Return some of the rows, in the order of `numbers`."""
        return replace(
            self,
            inputs=self.inputs[numbers],
            target=self.target[numbers],
            weights=self.weights[numbers],
            groups=None if self.groups is None else self.groups[numbers],
        )


class Learner(Protocol):
    """A model family as the reducer knows it: fitted on kept rows, judged on others."""

    def __call__(self, rows: Rows, kept: Kept, judge: Rows, seed: int) -> Floats:
        """Fit on the weighted rows that `kept` names and return the loss per row of `judge`, shape (n_judge,).

        Losses are finite, lower is better; the same seed gives the same losses.
        """

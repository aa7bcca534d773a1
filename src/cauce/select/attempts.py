"""What a climb is asked for and what it gives: effort, attempts, and all of them on the same units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Candidate, RungWhy, TaskSpec, Trial, Words
from cauce.core.specs import SearchKind
from cauce.select.cache import Cost, FoldResult
from cauce.select.folds import Folds

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Effort:
    """How much work a choice is worth."""

    budget_s: float | None = None
    """Seconds from the moment when the first rung is complete; what is under way then is finished or given up."""
    reserve: float = 0.0
    """Times that one fold took the dearest rung, kept back from the budget for the final fit; above 0, a tenth of the
    budget is kept for a diagnosis too."""
    trials: int | None = None
    """Settings tried for each rung that can be tuned; 0 tunes nothing."""
    search: SearchKind = "bayes"


@dataclass(frozen=True, eq=False)
class Attempt:
    """What one rung came to."""

    candidate: Candidate
    """With the parameters that it would ship with."""
    losses: npt.NDArray[np.float64] | None = None
    """Out-of-fold loss per unit, shape (n_units,), in the order of `Climb.units`; None when the rung was skipped."""
    cost: Cost | None = None
    """Fit seconds over all folds, the others medians over them."""
    expected_s: float | None = None
    """Seconds that all folds were expected to take, told before they began; None where nothing was foreseen."""
    results: tuple[FoldResult, ...] = ()
    """Fold by fold."""
    trials: tuple[Trial, ...] = ()
    why: RungWhy | None = None
    """Why the rung was skipped, or may not be chosen though it was fitted; or None."""
    note: Words | None = None
    """What is to be said of that."""


@dataclass(frozen=True, eq=False)
class Climb:
    """Every rung's losses on the same units, simplest first."""

    spec: TaskSpec
    attempts: tuple[Attempt, ...]
    units: npt.NDArray[np.str_]
    """Unit ids, shape (n_units,), fold after fold."""
    rows: npt.NDArray[np.int64] | None
    """Row number of each unit in the table, shape (n_units,); None where a unit is not a row."""
    folds: npt.NDArray[np.int64]
    """Fold that each unit was tested in, from 0, shape (n_units,)."""
    groups: npt.NDArray[np.str_] | npt.NDArray[np.int64] | None
    """Group of each unit, shape (n_units,)."""
    test_per_train: float
    """Test rows per training row, mean over folds."""
    expanding: bool = False
    """Whether each fold trains on all that the folds before it trained on: windows in time."""
    interrupted: bool = False
    seconds: float = 0.0
    deadline: float | None = None
    """By the clock, when the budget is used up but for what `Effort.reserve` keeps for the final fit."""
    parts: Folds = ()
    """(train, test) row numbers of the folds that were used."""

    @property
    def complete(self) -> tuple[Attempt, ...]:
        """The rungs that were fitted on all folds, simplest first, those that may not be chosen too."""
        return tuple(attempt for attempt in self.attempts if attempt.losses is not None)

    def with_group_numbers(self) -> Climb:
        """Return it with numbers for groups: as text they would be sorted at every comparison."""
        if self.groups is None:
            return self
        return replace(self, groups=np.unique(self.groups, return_inverse=True)[1])

    def predicted(self, name: str) -> pa.Table | None:
        """Return what a rung said of every unit, in the order of `rows`; None where it was too much to keep.

        A class that some fold did not see has probability 0 there.
        """
        import pyarrow as pa

        results = next(attempt.results for attempt in self.attempts if attempt.candidate.name == name)
        tables = [result.predicted for result in results]
        if self.rows is None or not tables or any(table is None for table in tables):
            return None
        whole = pa.concat_tables([table for table in tables if table is not None], promote_options="default")
        return pa.table({column: whole[column].fill_null(0.0) for column in whole.column_names})

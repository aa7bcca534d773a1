"""The contracts between rooms: what a task gives, what a fitted model can do, how long work speaks.

`cauce.testing` holds the conformance suites; a class that passes them needs no base class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, runtime_checkable

from cauce.core.artefacts import Candidate, Finding, Finish, Losses, Metrics, Schema, TaskSpec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa


class ProfileView(Protocol):
    """What a task may ask of a profile."""

    @property
    def n_rows(self) -> int:
        """Rows in the snapshot."""

    def n_missing(self, column: str) -> int:
        """Missing values of `column`."""

    def n_distinct(self, column: str) -> int:
        """Distinct values of `column`, estimated."""


class Finished(NamedTuple):
    """A finished model, and the record of what was learnt."""

    fitted: Fitted
    finish: Finish


@runtime_checkable
class Fitted(Protocol):
    """A fitted model: takes raw rows, holds its own encoders, is saved without any pickle."""

    @property
    def schema(self) -> Schema:
        """Input columns."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class labels as text, in the order of the probabilities; empty for regress."""

    @property
    def importance(self) -> Mapping[str, float]:
        """Input column → share of the model's use of it, summing to 1, or empty."""

    def predict(self, table: pa.Table) -> pa.Table:
        """Predict raw rows.

        Parameters
        ----------
        table
            Has at least the columns of `schema`; more are ignored. Values of an unknown category and nulls are fine.

        Returns
        -------
        pa.Table
            n_rows rows. classify: ``prediction`` (text) and ``prob_<class>`` (float64, rows sum to 1);
            regress: ``prediction``, ``lower``, ``upper`` (float64).
        """

    def finish(self, rows: pa.Table, predicted: pa.Table, spec: TaskSpec) -> Finished:
        """Return this model with what out-of-fold predictions teach, or as it is where there is nothing to learn.

        Parameters
        ----------
        rows
            Rows with a target that models of the same kind had not seen.
        predicted
            The numbers that they said of them, in columns as `predict` names them; a class that none of them knew is
            missing.
        """

    def save(self, folder: Path) -> None:
        """Write everything into the existing, empty `folder`: JSON, Arrow and booster text only."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""


class Online(Protocol):
    """A fitted model for few rows at once: plain values in and out, no Arrow table in between.

    Several threads may call it at once, and processes forked after it was made. It is made where a model is loaded, and
    never saved.
    """

    def __call__(self, rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
        """Predict rows of plain values.

        Parameters
        ----------
        rows
            Values in the order of `schema`, as the service checked them: int, finite float, bool, str, a datetime as
            int microseconds since the epoch (UTC), None.

        Returns
        -------
        dict
            The columns of `Fitted.predict`, same names and order, as lists: numbers as Python floats, labels as str.
        """


@runtime_checkable
class SupportsOnline(Protocol):
    """A `Fitted` that may have a quicker way for few rows."""

    def online(self) -> Online | None:
        """Return that way, compiled now; None where there is none, and `Fitted.predict` must do."""


def online_of(fitted: Fitted) -> Online | None:
    """Return a model's quicker way for few rows, compiled now, or None."""
    return fitted.online() if isinstance(fitted, SupportsOnline) else None


class Example(NamedTuple):
    """A tiny data set and what to do with it."""

    table: pa.Table
    spec: TaskSpec


class Task(Protocol):
    """A kind of problem. Stateless; one instance serves all threads."""

    name: str
    fitted: type[Fitted]
    """The class whose `load` reads this task's packages."""
    losses_known: tuple[str, ...]
    """Loss names, the default first."""

    def example(self) -> Example:
        """Give a tiny, seeded data set on which the whole ladder fits within seconds."""

    def validate(self, table: pa.Table, spec: TaskSpec) -> tuple[Finding, ...]:
        """Give findings of this task's own kind, such as a target with one class."""

    def candidates(self, spec: TaskSpec, profile: ProfileView) -> tuple[Candidate, ...]:
        """Give the ladder, simplest first; the first one always applies."""

    def fit(
        self,
        candidate: Candidate,
        params: Mapping[str, int | float | str | bool],
        table: pa.Table,
        weights: npt.NDArray[np.float64] | None = None,
        *,
        spec: TaskSpec,
    ) -> Fitted:
        """Fit on all rows of `table`, whose target has no nulls. Deterministic by `spec.seed`."""

    def losses(self, fitted: Fitted, table: pa.Table, spec: TaskSpec) -> Losses:
        """Give the loss per unit on rows whose target has no nulls."""

    def metrics(self, fitted: Fitted, table: pa.Table, spec: TaskSpec) -> Metrics:
        """Give the named figures on the same rows."""

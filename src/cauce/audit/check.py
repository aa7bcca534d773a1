"""What a check is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Finding, Words
from cauce.core.specs import DataSpec, ModelSpec, Severity

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.profile import Profile


def _nothing() -> None:
    """Give what a context has not."""


T = TypeVar("T")

MOST_ROWS = 20
"""Row numbers that a finding names at most."""


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """A model's predictions for rows that it was not fitted on: what label and bias checks look at."""

    rows: npt.NDArray[np.int64]
    """Row numbers of the snapshot, rising, shape (n,); all have a target."""
    truth: npt.NDArray[np.float64]
    """Shape (n,): the target's number, or its place in `classes`."""
    predictions: npt.NDArray[np.float64]
    """Shape (n,): the predicted number, or the predicted class's place in `classes`."""
    probabilities: npt.NDArray[np.float64] | None
    """Shape (n, n_classes), rows sum to 1; None for regress."""
    classes: tuple[str, ...]
    rung: str
    """Name of the candidate that was fitted: ``"boosting"``."""


@dataclass(frozen=True, eq=False)
class Sides:
    """Which rows will judge and which will teach, as the training will split them."""

    kind: str
    """Kind of split: random, stratified, group, time."""
    held_out: npt.NDArray[np.bool_]
    """Shape (n_rows,): set aside for the final judgement."""
    fold: npt.NDArray[np.int64]
    """Shape (n_rows,): the fold in which a row that teaches is tested; -1 for others."""


@dataclass(frozen=True)
class AuditContext:
    """A snapshot, and the model whose target is judged with it."""

    data_name: str
    data: DataSpec
    model_name: str | None
    model: ModelSpec | None
    """None where the data set is judged alone."""
    profile: Profile
    """Of the whole snapshot."""
    batches: Callable[[Sequence[str] | None], Iterator[pa.RecordBatch]]
    """Streams the named columns, or all, in a stable row order; may be called many times."""
    sample: pa.Table
    """Some of the rows, at most 50,000, with all columns: what checks that fit something look at."""
    changes: tuple[str, ...] = ()
    """Columns against the version before, as `Snapshot.changes` words them."""
    out_of_fold: Callable[[], OutOfFold | None] = _nothing
    """Fits a model on at most 20,000 rows, once however often it is called; None where none can be fitted."""
    mitigated: Callable[[], OutOfFold | None] = _nothing
    """As `out_of_fold`, of the model with the mitigation that its file asks for; None where it asks for none."""
    sides: Callable[[], Sides | None] = _nothing
    """How the training will split the snapshot; None without a model or where it cannot be split."""
    reference: Callable[[], Profile | None] = _nothing
    """The profile of the data set that `[data.NAME.population] reference` names."""
    memory: dict[str, object] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What several checks of one audit need, made by the first of them: see `once`."""

    def once(self, name: str, make: Callable[[AuditContext], T]) -> T:
        """Return what `make` gives for this context, made once however many checks ask."""
        if name not in self.memory:
            self.memory[name] = make(self)
        return self.memory[name]  # type: ignore[return-value]  # each name has one maker

    @property
    def target(self) -> str | None:
        """The column to predict; None without a model."""
        return self.model.target if self.model else None

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that the model predicts from, in the data's order; without a model, all that are left."""
        roles = {self.data.key, self.data.time, self.data.group, self.data.watermark}
        if self.model is None:
            return tuple(name for name in self.profile.columns if name not in roles)
        wanted = self.model.features or tuple(name for name in self.profile.columns if name not in roles)
        left_out = {*self.model.ignore, self.model.target}
        return tuple(name for name in wanted if name not in left_out and name in self.profile.columns)


@dataclass(frozen=True)
class NotApplicable:
    """A check that cannot say anything here, and why, in a few words of each language."""

    en: str
    es: str = ""
    """As `en` where a project writes one language."""

    @property
    def reason(self) -> Words:
        """Both languages."""
        return {"en": self.en, "es": self.es or self.en}


Outcome = Sequence[Finding] | NotApplicable


@dataclass(frozen=True)
class Check:
    """One check: `function` gets the context and the threshold in force, and returns findings, none if all is well."""

    code: str
    severity: Severity
    """The severity of its usual finding."""
    threshold: float | None
    """The threshold in force where cauce.toml names none; None where the check has none."""
    title: Words
    function: Callable[[AuditContext, float], Outcome]

    @property
    def docs(self) -> str:
        """Where the check is described."""
        return f"docs/checks.md#{self.code}"

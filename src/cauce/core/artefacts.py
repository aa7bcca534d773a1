"""What the stages hand on: frozen dataclasses, saved as JSON by `core.files.write_artefact`.

A stage is a function from earlier artefacts to one later artefact. Times are UTC, ISO 8601 on disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
import numpy.typing as npt

from cauce.core.choice import Choice as Choice  # artefacts like the others, in files of their own
from cauce.core.choice import Comparison as Comparison
from cauce.core.choice import Rung as Rung
from cauce.core.choice import RungWhy as RungWhy
from cauce.core.choice import Trial as Trial
from cauce.core.choice import Verdict as Verdict
from cauce.core.diagnosis import Condition as Condition
from cauce.core.diagnosis import CurvePoint as CurvePoint
from cauce.core.diagnosis import Diagnosis as Diagnosis
from cauce.core.diagnosis import Fault as Fault
from cauce.core.diagnosis import Gain as Gain
from cauce.core.diagnosis import Remedy as Remedy
from cauce.core.diagnosis import SelfExpected as SelfExpected
from cauce.core.findings import Audit as Audit
from cauce.core.findings import Finding as Finding
from cauce.core.findings import GroupFigure as GroupFigure
from cauce.core.findings import Words as Words
from cauce.core.finishing import Finish as Finish
from cauce.core.reduction import Reduction as Reduction
from cauce.core.spaces import Range, Value
from cauce.core.watching import Action as Action
from cauce.core.watching import ColumnDrift as ColumnDrift
from cauce.core.watching import Decision as Decision
from cauce.core.watching import Estimate as Estimate
from cauce.core.watching import ExpectedFigure as ExpectedFigure
from cauce.core.watching import Experiment as Experiment
from cauce.core.watching import JointDrift as JointDrift
from cauce.core.watching import Known as Known
from cauce.core.watching import LabelsSeen as LabelsSeen
from cauce.core.watching import LookPoint as LookPoint
from cauce.core.watching import Mover as Mover
from cauce.core.watching import SegmentFigure as SegmentFigure
from cauce.core.watching import Signal as Signal
from cauce.core.watching import SignalCode as SignalCode
from cauce.core.watching import Source as Source
from cauce.core.watching import Stage as Stage
from cauce.core.watching import Watched as Watched

Kind = Literal["integer", "number", "boolean", "category", "text", "datetime"]
Alias = Literal["champion", "challenger"]


@dataclass(frozen=True)
class Column:
    """One column as Cauce sees it."""

    name: str
    kind: Kind
    nullable: bool = True
    """Whether training saw it missing; a request may then send null."""
    categories: tuple[str, ...] | None = None
    """All values, sorted, of a category column with a closed list; None where the list is open."""


@dataclass(frozen=True)
class Schema:
    """Columns in order."""

    columns: tuple[Column, ...]

    def __iter__(self) -> Iterator[Column]:
        """Columns in order."""
        return iter(self.columns)

    def __len__(self) -> int:
        """Count the columns."""
        return len(self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    def select(self, names: tuple[str, ...]) -> Schema:
        """Return the named columns, in the order of `names`. KeyError for an unknown one."""
        by_name = {column.name: column for column in self.columns}
        return Schema(tuple(by_name[name] for name in names))


@dataclass(frozen=True)
class Snapshot:
    """One immutable version of a data set in the lake."""

    data: str
    version: int
    """Delta table version."""
    fingerprint: str
    """SHA-256 of the content, hexadecimal."""
    n_rows: int
    types: Mapping[str, str]
    """Arrow type of each column, as text, in order."""
    loaded_at: datetime
    changes: tuple[str, ...] = ()
    """Columns against the version before: ``"added: x"``, ``"gone: y"``, ``"retyped: z int64 → string"``."""


def changed_column(change: str) -> str:
    """Return the column that an entry of `Snapshot.changes` names, spaces and all."""
    kind, _, rest = change.partition(": ")
    return re.sub(r"(?<=[^,]) \S+(, \S+)* → .+", "", rest) if kind == "retyped" else rest


@dataclass(frozen=True)
class TaskSpec:
    """What a task needs to know of one model: the file's keys, resolved against a snapshot."""

    model: str
    task: str
    target: str
    schema: Schema
    """Input columns, in order: what a request must bring."""
    loss: str
    key: str | None = None
    time: str | None = None
    group: str | None = None
    seed: int = 0
    sensitive: tuple[str, ...] = ()
    """Columns across which gaps are measured: kept beside the inputs wherever the data set has them."""
    weight: str | None = None
    """Column with the weight of each row, where the data set has one: it weighs in fits and losses."""
    monotone: Mapping[str, Literal["increasing", "decreasing"]] = field(default_factory=dict)
    """Input column → how the prediction may move with it."""
    metric: str | None = None
    """What the decision between classes aims at; None: the data choose."""
    costs: Mapping[str, float] = field(default_factory=dict)
    """Class → what missing a row of it costs, 1 where absent."""


@dataclass(frozen=True)
class Candidate:
    """A model family: one rung of a ladder."""

    name: str
    """Stable, in file names: ``"linear"``."""
    title: Words
    """For people: ``{"en": "regularised linear model", "es": "modelo lineal regularizado"}``."""
    params: Mapping[str, Value] = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    """Extras that must be installed."""
    skip: Words | None = None
    """Why this rung does not apply here, or None."""
    space: Mapping[str, Range] = field(default_factory=dict)
    """What tuning may vary: parameter → its range. Empty: the rung is fitted once, with `params`."""
    starts: tuple[Mapping[str, Value], ...] = ()
    """Settings that a search tries after `params`, before it goes its own way."""
    growth: float = 1.0
    """How fit seconds grow with the rows: as rows ** growth. The estimate before a rung starts rests on it."""
    favourite: bool = False
    """Whether it usually comes out best: where time is short, rungs that take long wait for it."""
    interpretable: bool = False
    """Whether every prediction can be read from a table or a curve per column."""
    remedies: Mapping[Fault, Mapping[str, Value]] = field(default_factory=dict)
    """What a diagnosis may try: settings that bind the rung more, or give it more freedom."""


LEAST_PROBABILITY = 1e-15
"""Probabilities are raised to this before a logarithm. A class that training never saw has probability 0, so that such
a row costs −log(1e-15) ≈ 34.5."""


@dataclass(frozen=True, eq=False)
class Losses:
    """The loss per unit: the currency of every decision."""

    values: npt.NDArray[np.float64]
    """Shape (n_units,), finite."""
    units: npt.NDArray[np.str_]
    """Unit ids, shape (n_units,)."""
    groups: npt.NDArray[np.str_] | None = None
    """Group of each unit, shape (n_units,), or None."""


@dataclass(frozen=True)
class Metrics:
    """The figures that people expect, and which of them leads."""

    values: Mapping[str, float]
    """Metric name → value: ``accuracy``, ``f1``, ``roc_auc``, ``pr_auc``, ``log_loss``, ``mae``, ``rmse``, ``r2`` …"""
    headline: str
    """The metric chosen by the data, a key of `values`."""
    reason: Words
    """Why that one."""
    classes: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    """Rows are true classes, columns predicted ones, both in the order of `classes`."""
    calibration: tuple[tuple[float, float, int], ...] = ()
    """(mean predicted probability, share that was true, count) per bin; positive or top class."""
    n_units: int = 0


@dataclass(frozen=True)
class Mitigation:
    """What was done about the gap between groups, measured on the units set aside against the same rung without it."""

    settings: Mapping[str, str | float]
    """``method``, ``strength``, ``metric``, ``favoured``, ``columns``."""
    before: GroupFigure | None
    """The largest gap without the mitigation, and its interval; None where it cannot be told."""
    after: GroupFigure | None
    reduction: Comparison | None
    """Of the two groups that stood furthest apart before: below zero they have come closer; paired by unit."""
    loss: Comparison
    """With the mitigation (candidate) against without (reference)."""
    errors: Comparison
    """The same of wrong predictions."""


@dataclass(frozen=True)
class Training:
    """What one training made and from what: `training.json` in the package."""

    model: str
    task: str
    rung: str
    spec: TaskSpec
    snapshot: Snapshot
    choice: Choice
    metrics: Metrics
    """On the units set aside."""
    held_out_loss: float
    """Mean loss on the units set aside."""
    n_train: int
    n_held_out: int
    n_ledger: int
    """Rows of `n_train` that came from the ledger, with truths that arrived late."""
    split: str
    """Kind of split: random, stratified, group, time."""
    fingerprint: str
    """Of everything that went in; the same inputs give the same one."""
    created_at: datetime
    seconds: float
    libraries: Mapping[str, str]
    """Library → version that fitted it."""
    importance: Mapping[str, float] = field(default_factory=dict)
    """Input column → share of the model's use of it, summing to 1; empty where the rung has none."""
    mitigation: Mitigation | None = None
    finish: Finish | None = None
    """What out-of-fold predictions taught: calibration, decision, intervals."""
    diagnosis: Diagnosis | None = None
    """What the chosen rung lacks, and the remedies that were tried; None where it was chosen on kept rows."""
    reduction: Reduction | None = None
    """Fewer rows to choose on, and to ship, with the proof or the refusal; None where none were asked for."""


@dataclass(frozen=True)
class Release:
    """A registered model version."""

    model: str
    version: int
    run_id: str
    digest: str
    """SHA-256 of the package's manifest, as the registry's tag says."""
    training: Training

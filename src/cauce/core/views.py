"""What people see of a project at one moment: `cauce status`, `cauce report` and the console show these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cauce.core.artefacts import (
    Audit,
    Comparison,
    Decision,
    Experiment,
    GroupFigure,
    LookPoint,
    Release,
    Snapshot,
    Watched,
    Words,
)
from cauce.core.specs import ModelSpec


@dataclass(frozen=True)
class Traffic:
    """What the service answered, over the whole ledger."""

    n_predictions: int
    n_truths: int
    first: datetime | None = None
    last: datetime | None = None
    per_minute: tuple[int, ...] = ()
    """Predictions in each of the last 60 minutes, oldest first."""
    n_unknown_truths: int = 0
    """Ids that truths came for and no prediction has: kept aside, never learnt from."""


@dataclass(frozen=True)
class ModelView:
    """All that people see of one model: `cauce status`, `cauce report` and the console show this."""

    name: str
    spec: ModelSpec
    stage: Literal["new", "blocked", "trained", "serving", "paused"]
    champion: Release | None
    challenger: Release | None
    versions: tuple[int, ...]
    audit: Audit | None
    traffic: Traffic
    watched: Watched | None
    decisions: tuple[Decision, ...]
    """Newest first, at most 50."""
    error: str | None = None
    """Why the newest attempt to train failed; None where it did not."""
    experiment: Experiment | None = None
    """The challenger on its way, or the champion on probation."""
    looks: tuple[LookPoint, ...] = ()
    """What the watch saw, newest first, at most 500."""


@dataclass(frozen=True)
class ProjectView:
    """A project at one moment."""

    name: str
    language: Literal["en", "es"]
    at: datetime
    models: tuple[ModelView, ...]
    snapshots: tuple[Snapshot, ...]


@dataclass(frozen=True)
class ShownRows:
    """Some rows that a finding names, as texts: the key, where there is one, and the columns concerned."""

    columns: tuple[str, ...]
    numbers: tuple[int, ...]
    """Row numbers of the snapshot, from 0."""
    values: tuple[tuple[str, ...], ...]
    """A tuple a row, in the order of `columns`; personal data masked, missing values empty."""


@dataclass(frozen=True)
class AuditView:
    """All that people see of one audit: the page of `cauce audit --output` and of the console."""

    name: str
    """Of the model, or of the data set where it was judged alone."""
    audit: Audit
    snapshot: Snapshot
    titles: Mapping[str, Words]
    """Check code → its title."""
    shown: tuple[ShownRows | None, ...]
    """For each finding of the audit its first rows, None where it names none."""
    private: tuple[str, ...] = ()
    """Columns whose values must not be shown: a check found personal data in them."""


@dataclass(frozen=True)
class FairnessPoint:
    """One mitigation at one strength, measured on the units set aside."""

    method: str
    """``"off"`` and ``"majority"`` are the controls."""
    strength: float
    gap: GroupFigure | None
    """None where it cannot be told."""
    accuracy: GroupFigure
    """Share of right predictions, over all units."""
    mean_loss: float
    loss: Comparison
    """Against no mitigation, on the same units."""
    errors: Comparison
    """The same of wrong predictions: what the mitigation costs in accuracy."""
    points_per_hundredth: float | None
    """Percentage points of accuracy that each 0.01 of gap costs; None where the gap did not shrink."""
    allowed: bool
    """Whether the file allows it: thresholds take the sensitive columns at prediction."""
    within: bool | None
    """Whether the measured gap is at most `max_gap`; None without one."""
    seconds: float


@dataclass(frozen=True)
class FairnessCurve:
    """What closing a model's gap between groups costs."""

    model: str
    rung: str
    metric: str
    favoured: str
    columns: tuple[str, ...]
    max_gap: float | None
    n_train: int
    n_held_out: int
    points: tuple[FairnessPoint, ...]
    recommended: int | None
    """Place in `points`; None where nothing suffices, or no `max_gap` says what is enough."""
    reason: Words

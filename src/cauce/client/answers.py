"""What the service says, as frozen objects, and what it is told of truths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Status = Literal["accepted", "duplicate", "corrected", "unknown"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model said of one row."""

    id: str
    """Keep it: the truth comes by it."""
    prediction: str | float
    """The class as text; a number where the task is `regress`."""
    probabilities: Mapping[str, float] | None = None
    """Class → probability; None where the task is `regress`."""
    lower: float | None = None
    """The interval's lower end, where the task is `regress`."""
    upper: float | None = None
    """Its upper end."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The predictions of one request, all of one version, in the order of its rows."""

    model: str
    version: int
    predictions: tuple[Prediction, ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """What turned out to be true of one prediction."""

    id: str
    value: str | float | bool
    """The class, or the number where the task is `regress`."""
    at: datetime | None = None
    """When it was true; UTC where it has no zone."""


@dataclass(frozen=True, slots=True)
class TruthStatus:
    """What a truth was to the service."""

    id: str
    status: Status


@dataclass(frozen=True, slots=True)
class Model:
    """A model that answers now."""

    id: str
    version: int
    task: str

"""What a diagnosis says of a chosen model: its learning curve, its gap, and the remedies that were tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cauce.core.choice import Comparison
from cauce.core.findings import Words
from cauce.core.spaces import Value

Condition = Literal["overfit", "underfit", "more_data", "noise_ceiling", "well_fitted", "unknown"]
"""unknown: too few rows, too little time, or a curve too uncertain to say anything."""
Fault = Literal["overfit", "underfit"]


@dataclass(frozen=True)
class CurvePoint:
    """One point of the learning curve."""

    n_rows: int
    """Rows that each fold's model learnt from, mean over folds."""
    loss: float
    """Mean loss on the folds' test rows."""
    loss_seen: float
    """Mean loss on rows that the model learnt from."""


@dataclass(frozen=True)
class Gain:
    """What twice the rows would bring."""

    n_rows: int
    """Rows that each fold's model learnt from; the gain is that of twice as many."""
    value: float
    """Fall of the mean loss."""
    lower: float
    upper: float
    share: float
    """The same, of the loss now."""
    share_lower: float
    share_upper: float
    confidence: float
    exponent: float
    """c of the power law ``a + b n^-c``."""
    floor: float
    """What the loss tends to with endless rows, not below 0."""
    floor_lower: float
    floor_upper: float


@dataclass(frozen=True)
class SelfExpected:
    """What the model's own probabilities say its loss will be, against what it was."""

    loss: float
    """Mean over the units of the loss that each row's probabilities expect."""
    difference: float
    """Mean measured loss minus that."""
    lower: float
    upper: float


@dataclass(frozen=True)
class Remedy:
    """One thing tried against a fault: other settings of the rung, or another rung that the choice had fitted."""

    against: Fault
    comparison: Comparison | None
    """The remedy as candidate, the diagnosed model as reference; None where it could not be fitted."""
    adopted: bool
    """Whether `Diagnosis.params` has it: settings proven better by more than matters."""
    changes: Mapping[str, Value] = field(default_factory=dict)
    """Settings that differ from the diagnosed ones."""
    rung: str | None = None
    """The other rung; never adopted: what may be chosen is decided by the choice."""
    title: Words = field(default_factory=dict)
    """Of that rung."""

    @property
    def proven(self) -> bool:
        """Whether it is better, by more than matters."""
        found = self.comparison
        return found is not None and found.upper < 0 and -found.difference > found.margin


@dataclass(frozen=True)
class Diagnosis:
    """What a model lacks, told from fits on parts of its rows, and what was done about it."""

    model: str
    rung: str
    conditions: tuple[Condition, ...]
    """At least one; `well_fitted` and `unknown` stand alone."""
    words: Mapping[Condition, Words]
    """What is to be said of each, with the numbers."""
    reason: Words
    """All of it as one paragraph, with the remedies that did not help."""
    params: Mapping[str, Value]
    """The settings to use: those diagnosed, or those of a remedy that is proven better."""
    n_rows: int
    n_folds: int = 0
    n_units: int = 0
    """Units of those folds."""
    loss: float | None = None
    loss_seen: float | None = None
    """On rows that the model learnt from."""
    gap: Comparison | None = None
    """Loss on new rows (candidate) against that on rows learnt from (reference): two samples."""
    loss_of_prior: float | None = None
    """Of the ladder's first rung, on the same units."""
    curve: tuple[CurvePoint, ...] = ()
    """Fewest rows first."""
    gain: Gain | None = None
    expected: SelfExpected | None = None
    """None where the model gives no probabilities."""
    remedies: tuple[Remedy, ...] = ()
    seconds: float = 0.0
    stopped: Literal["time", "interrupted"] | None = None
    """Why it ended before everything was tried."""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """The settings it used, copied."""

    @property
    def changed(self) -> bool:
        """Whether a remedy was adopted."""
        return any(remedy.adopted for remedy in self.remedies)

"""The record of a choice: two models compared, every rung of the ladder, and every trial of tuning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cauce.core.findings import Words
from cauce.core.spaces import Value

Verdict = Literal["better", "worse", "equivalent", "undecided"]
RungWhy = Literal[
    "simplest_not_worse",
    "worse_than_best",
    "more_complex",
    "budget",
    "interrupted",
    "missing_extra",
    "not_applicable",
    "failed",
    "not_allowed",
    "not_interpretable",
    "too_slow",
    "too_large",
]


@dataclass(frozen=True)
class Comparison:
    """Two models' losses on the same units: candidate minus reference, so below zero the candidate is better."""

    n_units: int
    n_clusters: int
    mean_candidate: float
    mean_reference: float
    difference: float
    lower: float
    upper: float
    confidence: float
    margin: float
    """Absolute margin, in units of the loss."""
    provable: float
    """The smallest margin that these units could prove: half the interval's width."""
    verdict: Verdict
    squared: bool = False
    """Whether the losses are squared errors: the root of a mean is then in the target's unit, and sentences say it."""

    @property
    def not_worse(self) -> bool:
        """Whether non-inferiority is proven: the interval's upper end lies under the margin."""
        return self.upper < self.margin


@dataclass(frozen=True)
class Trial:
    """One try of tuning: parameters, and what they came to on the folds."""

    number: int
    params: Mapping[str, Value]
    mean_loss: float | None
    """Over the folds that were done; None where none was."""
    n_folds: int
    seconds: float
    """Of its fits."""
    outcome: Literal["complete", "pruned", "failed", "budget"]
    """pruned: proven worse than the best one before its last fold."""


@dataclass(frozen=True)
class Rung:
    """One candidate on the ladder: what it reached and what became of it."""

    name: str
    title: Words
    outcome: Literal["chosen", "refused", "skipped"]
    why: RungWhy
    detail: str = ""
    mean_loss: float | None = None
    fit_seconds: float | None = None
    """Seconds over all folds."""
    predict_us_per_row: float | None = None
    against_best: Comparison | None = None
    """This rung as candidate, the best rung as reference; None for the best itself."""
    note: Words = field(default_factory=dict)
    """`detail` in each language."""
    params: Mapping[str, Value] = field(default_factory=dict)
    """What it was fitted with, where that differs from its defaults or was tuned."""
    predict_ms_one_row: float | None = None
    """Milliseconds for one row alone."""
    size_bytes: int | None = None
    """Of its saved files."""
    expected_seconds: float | None = None
    """What its folds were expected to take, told before they began."""
    n_trials: int = 0
    """Settings that tuning tried; the loss is then that of cross-fitted selection, which tuning cannot flatter."""
    tuning_seconds: float = 0.0
    """Fit seconds of all trials."""


@dataclass(frozen=True)
class Choice:
    """Which rung was taken, and why the others were not."""

    model: str
    loss: str
    chosen: str
    best: str
    """The rung with the lowest mean loss."""
    rungs: tuple[Rung, ...]
    """Simplest first."""
    margin: float
    """Relative."""
    n_units: int
    n_folds: int
    seed: int
    reason: Words
    """One paragraph with the numbers."""
    interrupted: bool = False
    seconds: float = 0.0
    """Of the whole choice."""
    budget_s: float | None = None
    """The budget that it was given."""
    trials: Mapping[str, tuple[Trial, ...]] = field(default_factory=dict)
    """Rung → its trials, in order."""
    units_for_twice_margin: int | None = None
    """Units that find a gap of twice the margin between the chosen rung and its nearest rival in nine of ten tries,
    two digits. The rival is the best rung, or else the lowest of the more complex ones that are not proven worse; None
    where there is none, or where it cannot be told."""

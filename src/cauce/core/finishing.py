"""What a fitted model's own out-of-fold predictions taught: the record of calibration, decision and intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cauce.core.choice import Comparison
from cauce.core.findings import Words

Bins = tuple[tuple[float, float, int], ...]
"""(mean predicted probability, share that was true, rows) per bin."""


@dataclass(frozen=True)
class Figure:
    """A measured figure with its interval."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Calibration:
    """Whether probabilities come true, and what was done about it."""

    method: Literal["none", "temperature", "sigmoid", "isotonic"]
    before: Figure
    """Expected calibration error out of fold: mean distance between probability and share that was true."""
    after: Figure
    """The same with the repair, fitted on other rows."""
    gain: Comparison | None
    """Log loss repaired (candidate) against not (reference), of the repair adopted or of the best one refused."""
    bins_before: Bins = ()
    """Out of fold, as many rows in each: of the second of two classes, or of the class said among more."""
    bins_after: Bins = ()


@dataclass(frozen=True)
class ClassDecision:
    """How a class is decided on from the probabilities: the largest of probability × weight."""

    aim: str
    """``costs``, or the metric's name."""
    why: Literal["asked", "data"]
    weights: Mapping[str, float]
    """Class → weight; all 1 where the likeliest class is said."""
    before: float
    """The aim's figure out of fold, saying the likeliest class."""
    after: float
    """The same with weights chosen on other rows."""
    difference: Figure
    adopted: bool


@dataclass(frozen=True)
class Intervals:
    """A regression's intervals, measured on rows that taught neither the model nor the width."""

    method: Literal["constant", "adaptive"]
    """Of one width, or as wide as errors are for rows alike."""
    nominal: float
    coverage: float
    thirds: tuple[float, float, float]
    """Coverage among low, middle and high predictions."""
    mean_width: float
    gain: Comparison | None
    """Interval score adaptive (candidate) against constant (reference); None where adaptive was not tried."""


@dataclass(frozen=True)
class Finish:
    """What finishing a model came to."""

    calibration: Calibration | None = None
    decision: ClassDecision | None = None
    intervals: Intervals | None = None
    words: tuple[Words, ...] = field(default_factory=tuple)
    """A sentence each, in English and Spanish."""

"""Metrics as people read them: their names, what they mean, and their values."""

from __future__ import annotations

import math
from typing import Literal

from cauce.core import figures
from cauce.core.artefacts import Training
from cauce.report.language import Language

SHARES = frozenset(
    {"accuracy", "balanced_accuracy", "error_rate", "zero_one", "precision", "recall", "coverage", "mape", "ece"}
)
_CHANCE = 0.52
"""ROC-AUC up to which the order of the cases is as good as drawn."""
_LOW_COVERAGE = 0.8
"""Share of truths inside the intervals of 90 % below which they are not to be relied on."""


def name(metric: str, words: Language) -> str:
    """Return a metric's name, or its key where a plugin brought one of its own."""
    return words.say(f"metric_{metric}") if words.knows(f"metric_{metric}") else metric


def meaning(metric: str, words: Language) -> str:
    """Say what a metric means; empty where there are no words for it."""
    return words.say(f"meaning_{metric}") if words.knows(f"meaning_{metric}") else ""


def value(metric: str, number: float, words: Language) -> str:
    """Write a metric: shares as a percentage, the rest as a number."""
    return words.percent(number) if metric in SHARES else words.number(number)


def loss(kind: str, number: float | None, words: Language) -> str:
    """Write a mean loss, with its root where it is one of squares: that one is in the target's unit."""
    if number is None or not math.isfinite(number):
        return words.number(number)
    return figures.loss(number, words.code, squared=kind == "squared")


def guesses(training: Training) -> Literal["prior", "guess"] | None:
    """Say whether a release predicts no better than somebody who looks at nothing, or None where it does."""
    if training.rung == "prior":
        return "prior"
    return "guess" if evidence_of_guessing(training) else None


def evidence_of_guessing(training: Training) -> str | None:
    """Return the metric that shows it, on the rows set aside."""
    values = training.metrics.values
    limits = (("r2", 0.0), ("roc_auc", _CHANCE))
    return next((metric for metric, limit in limits if values.get(metric, 1.0) <= limit), None)


def low_coverage(training: Training) -> float | None:
    """Return the share of truths inside the intervals, where it is far below what they promise."""
    coverage = training.metrics.values.get("coverage", 1.0)
    return coverage if coverage < _LOW_COVERAGE else None

"""Realised performance: the losses of the window's rows whose truths came, against the held-out losses of training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Comparison, Estimate, LabelsSeen, SegmentFigure, Signal
from cauce.core.specs import WatchSpec
from cauce.watch import words
from cauce.watch.window import Window


@dataclass(frozen=True)
class Performance:
    """How good the model was on a window, as far as it can be told."""

    signals: tuple[Signal, ...]
    expected_loss: float
    realised_loss: float | None
    realised: Comparison | None = None
    estimate: Estimate | None = None
    labels: LabelsSeen | None = None
    segments: tuple[SegmentFigure, ...] = ()


def judge(window: Window, spec: WatchSpec, risk: float) -> Performance:
    """Hold the losses of the window's rows against those at training, or say that their truths are too few.

    Parameters
    ----------
    risk
        What may go wrong in the whole look: a quarter of it to performance.
    """
    n_truths = len(window.realised_losses)
    expected, realised = _mean(window.held_out_losses) or 0.0, _mean(window.realised_losses)
    if n_truths < spec.min_rows or len(window.held_out_losses) < 2:
        detail = words.too_few_truths(n_truths, spec.min_rows)
        few = Signal("performance", None, float(n_truths), float(spec.min_rows), False, detail)
        return Performance((few,), expected, realised)
    comparison = compare_losses(
        window.realised_losses, window.held_out_losses, margin=window.margin, confidence=1 - risk / 4
    )
    return Performance((performance_signal(comparison, n_truths),), expected, realised, comparison)


def _mean(losses: npt.NDArray[np.float64]) -> float | None:
    return float(np.mean(losses)) if len(losses) else None


def compare_losses(
    realised: npt.NDArray[np.float64], held_out: npt.NDArray[np.float64], *, margin: float, confidence: float
) -> Comparison:
    """Compare two samples of losses on different units.

    Parameters
    ----------
    realised
        Losses in the window, shape (n_truths,).
    held_out
        Losses of the same model on the units set aside at training, shape (n_held_out,).
    margin
        Smallest difference that matters, relative to the mean of `held_out`.
    confidence
        Of the interval.
    """
    from cauce.evidence import independent

    return independent(realised, held_out, margin=margin, confidence=confidence)


def performance_signal(comparison: Comparison, n_truths: int) -> Signal:
    """Return the signal: alarming where the window is worse, and by more than the margin.

    `value` is the relative rise of the mean loss, `threshold` the relative margin.
    """
    reference = abs(comparison.mean_reference) or 1.0
    alarming = comparison.verdict == "worse" and comparison.difference > comparison.margin
    return Signal(
        code="performance",
        column=None,
        value=comparison.difference / reference,
        threshold=comparison.margin / reference,
        alarming=alarming,
        detail=words.performance(comparison, n_truths, alarming=alarming),
    )

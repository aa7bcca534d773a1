"""Realised performance: the losses of the window's rows whose truths came, against the held-out losses of training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Comparison, Signal
from cauce.watch import words


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

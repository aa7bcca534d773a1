"""Direct loss estimation: a second model that expects the champion's loss on each row, from inputs and prediction.

NannyML's documentation describes it ("Direct Loss Estimation"). The second model is fitted at training on the rows held
out, which the champion had not seen; here it is five, each without a fifth of those rows. Their mean is the estimate,
their scatter its uncertainty, and each row's loss is expected out of fold by the one that had not seen it: so the
estimates' level and spread are measured, not hoped for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cauce.watch.truths.cbpe import Expected

Floats = npt.NDArray[np.float64]

FLOOR = 0.02
"""Share of the mean held-out loss below which no row's loss is expected to lie."""


@dataclass(frozen=True)
class Scale:
    """What one loss's expectations become."""

    factor: float
    """Mean held-out loss over the mean of what was expected out of fold."""
    spread: float
    """Variance of a row's loss about its expectation, over the square of the expectation."""
    lean: float
    """Third moment of the same, over the cube of the expectation."""
    floor: float
    constant: float | None
    """The mean held-out loss, where the second model was not proven better than it; None where it was."""
    n_held_out: int


def fit_scale(losses: Floats, out_of_fold: Floats) -> Scale:
    """Measure, on the rows held out, how losses lie about what was expected of them.

    Parameters
    ----------
    losses
        Loss per row, shape (n_rows,).
    out_of_fold
        What a model that had not seen the row expected, shape (n_rows,).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> size = rng.uniform(1, 3, 4000)
    >>> found = fit_scale(size * rng.exponential(size=4000), size * 0.9)
    >>> round(found.factor, 1), round(found.spread, 1), found.constant
    (1.1, 1.0, None)
    """
    from cauce.evidence import paired

    mean = float(losses.mean())
    floor = max(FLOOR * mean, 1e-300)
    said = np.maximum(out_of_fold, floor)
    factor = mean / float(said.mean())
    better = paired((losses - factor * said) ** 2, (losses - mean) ** 2, margin=0.0).verdict == "better"
    level = factor * said if better else np.full_like(losses, max(mean, floor))
    spread, lean = (float(((losses - level) ** power).sum() / (level**power).sum()) for power in (2, 3))
    return Scale(factor, spread, lean, floor, None if better else mean, len(losses))


def row_losses(scale: Scale, said: Floats) -> Floats:
    """Return the loss that each model expects of each row, shape (n_models, n_rows)."""
    if scale.constant is not None:
        return np.full(said.shape, max(scale.constant, scale.floor))
    level: Floats = scale.factor * np.maximum(said, scale.floor)
    return level


def expect(scale: Scale, said: Floats) -> Expected:
    """Return the mean loss that is to be expected of rows without truths.

    Parameters
    ----------
    said
        What each of the models expects of each row, shape (n_models, n_rows).

    Notes
    -----
    The scatter of the models is that of a jackknife over the parts that each had not seen (Tukey 1958), and never less
    than that of a mean over as many held-out rows.
    """
    level = row_losses(scale, said)
    centre = level.mean(axis=0)
    square, n_models = float(np.mean(centre**2)), len(level)
    means = level.mean(axis=1)
    jackknife = ((n_models - 1) / n_models) ** 0.5 * (means - means.mean())
    level_unknown = scale.spread * square / max(1, scale.n_held_out) - float((jackknife**2).sum())
    moves = (*jackknife.tolist(), max(0.0, level_unknown) ** 0.5)
    n_rows = max(1, len(centre))
    sampling = scale.spread * square / n_rows
    third = scale.lean * float(np.mean(centre**3)) / n_rows**2
    return Expected(float(centre.mean()), sampling, moves, third / sampling**1.5 if sampling > 0 else 0.0)

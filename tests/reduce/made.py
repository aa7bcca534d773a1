"""Made rows that the tests of reduction share."""

from __future__ import annotations

import numpy as np

from cauce.reduce.rows import Rows


def classes(n_rows: int, seed: int = 0, *, n_classes: int = 2, noise: float = 0.3) -> Rows:
    """Rows of four columns, the last one categorical, whose class hangs on the first two and the category."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n_rows, 4)).astype(np.float32)
    inputs[:, 3] = rng.integers(0, 4, n_rows)
    score = np.sin(2 * inputs[:, 0]) + inputs[:, 1] + (inputs[:, 3] == 2) + noise * rng.normal(size=n_rows)
    inputs[rng.random(n_rows) < 0.05, 1] = np.nan
    cuts = np.quantile(score, np.linspace(0, 1, n_classes + 1)[1:-1])
    return Rows(inputs, np.digitize(score, cuts).astype(np.int64), np.ones(n_rows), n_classes, (3,))


def numbers(n_rows: int, seed: int = 0) -> Rows:
    """Rows whose number to predict scatters more where the first column is high."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n_rows, 3)).astype(np.float32)
    target = inputs[:, 0] * inputs[:, 1] + np.exp(inputs[:, 0] / 2) * 0.3 * rng.normal(size=n_rows)
    return Rows(inputs, target.astype(np.float64), np.ones(n_rows))

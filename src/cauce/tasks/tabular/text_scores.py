"""Text columns → a few scores each, for rungs that take numbers: out of fold on the rows that are fitted.

A small linear model on a column's TF-IDF says how much each outcome looks like this text. A score that had seen its own
row would tell the rung the answer (target leakage), so each training row gets the scores of a model without its fold,
as in Wolpert, "Stacked Generalization", Neural Networks 5:2 (1992); rows to come get those of a model on all rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cauce.tasks.tabular.encode import Encoded, Encoder, scored
from cauce.tasks.tabular.target_means import FOLDS

PENALTY = 1.0
"""λ of the ridge regressions, for rows of length 1."""

Array = npt.NDArray[np.float64]


def learn(
    encoder: Encoder, rows: Encoded, outcome: Array, weights: Array, rng: np.random.Generator
) -> tuple[Encoder, Encoded]:
    """Return an encoder that gives scores in place of TF-IDF, and the training rows with scores out of fold.

    Parameters
    ----------
    encoder, rows
        The encoder, and the training rows as it gives them.
    outcome
        What scores predict, shape (n_rows, n_outcomes), see `target_means.outcomes`.
    weights
        Shape (n_rows,).
    rng
        Draws the folds.
    """
    if not rows.texts:
        return encoder, rows
    fold, centre = rng.permutation(len(weights)) % FOLDS, weights @ outcome / weights.sum()
    found = [_out_of_fold(text, outcome - centre, weights, fold) + centre for text in rows.texts]
    tables = [np.vstack([fit_scores(text, outcome - centre, weights), centre]) for text in rows.texts]
    return replace(encoder, scores=dict(zip(encoder.texts, tables, strict=True))), scored(rows, found)


def _out_of_fold(text: Any, outcome: Array, weights: Array, fold: npt.NDArray[np.int64]) -> Array:
    found = np.empty(outcome.shape)
    for k in range(FOLDS):
        inside, outside = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        found[inside] = text[inside] @ fit_scores(text[outside], outcome[outside], weights[outside])
    return found


def fit_scores(text: Any, outcome: Array, weights: Array) -> Array:
    """Return coefficients of each gram, shape (n_grams, n_outcomes), without an intercept.

    A row without text then has the overall mean for its score, whatever its fold: intercepts of their own would tell
    the folds apart, and with them how many of each outcome they hold.
    """
    from sklearn.linear_model import Ridge

    if not text.nnz:
        return np.zeros((text.shape[1], outcome.shape[1]))
    model = Ridge(alpha=PENALTY, solver="sparse_cg", tol=1e-3, fit_intercept=False)
    model.fit(text, outcome, sample_weight=weights)
    return np.ascontiguousarray(np.asarray(model.coef_, np.float64).reshape(outcome.shape[1], -1).T)

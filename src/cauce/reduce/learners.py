"""Model families that a reduction is judged by: LightGBM as it comes, or any scikit-learn estimator."""

from __future__ import annotations

from typing import Any

import numpy as np

from cauce.core.artefacts import LEAST_PROBABILITY
from cauce.reduce import trees
from cauce.reduce.rows import Floats, Kept, Learner, Rows

ROUNDS = 100
SETTINGS = {"learning_rate": 0.1, "num_leaves": 31}


def boosting(rows: Rows, kept: Kept, judge: Rows, seed: int) -> Floats:
    """Fit 100 trees of LightGBM, as it comes but for bagging that makes the seed count: log loss, or squared error."""
    taught = rows.take(kept.indices)
    taught = Rows(taught.inputs, taught.target, kept.weights, rows.n_classes, rows.categorical)
    settings = {**SETTINGS, "bagging_fraction": 0.9, "bagging_freq": 1}
    booster = trees.grow(taught, np.arange(len(taught)), settings, rounds=ROUNDS, seed=seed)
    return losses(trees.told(booster, judge.inputs, rows.n_classes), judge)


def from_estimator(estimator: Any) -> Learner:
    """Return a scikit-learn estimator or pipeline as a learner.

    Its clone gets `Rows.inputs`, codes and missing values included, so a pipeline has to encode what its model cannot
    take; the weights go to ``fit`` where it, or a pipeline's last step, has ``sample_weight``; the seed becomes
    ``random_state`` where there is one. Log loss by ``predict_proba``, or squared error.
    """
    from sklearn.base import clone
    from sklearn.utils.validation import has_fit_parameter

    def learn(rows: Rows, kept: Kept, judge: Rows, seed: int) -> Floats:
        model = clone(estimator)
        seeds = {name: seed for name in model.get_params() if name.rpartition("__")[2] == "random_state"}
        model.set_params(**seeds)
        name, last = model.steps[-1] if hasattr(model, "steps") else ("", model)
        weighing = {f"{name}__sample_weight" if name else "sample_weight": kept.weights}
        if not has_fit_parameter(last, "sample_weight"):
            weighing = {}
        model.fit(rows.inputs[kept.indices], rows.target[kept.indices], **weighing)
        if not rows.n_classes:
            return losses(np.asarray(model.predict(judge.inputs), dtype=np.float64).reshape(-1, 1), judge)
        said = np.zeros((len(judge), rows.n_classes))
        said[:, model.classes_.astype(np.int64)] = model.predict_proba(judge.inputs)
        return losses(said, judge)

    return learn


def losses(predicted: Floats, judge: Rows) -> Floats:
    """Return log loss of probabilities, shape (n_rows, n_classes), or squared error of numbers, shape (n_rows, 1)."""
    if not judge.n_classes:
        squared: Floats = (predicted[:, 0] - judge.target) ** 2
        return squared
    own = predicted[np.arange(len(judge)), judge.target.astype(np.int64)]
    loss: Floats = -np.log(np.clip(own, LEAST_PROBABILITY, 1.0))
    return loss

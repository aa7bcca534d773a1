"""The four families that reductions are measured with: boosting, a line, neighbours and a network, each as it comes.

Networks get as many steps from few rows as from many: trained for as many passes, few rows would be blamed for the
steps that they save.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from cauce.reduce.learners import boosting, losses
from cauce.reduce.rows import Floats, Kept, Learner, Rows

N_NEIGHBOURS = 5
N_STEPS, BATCH = 2_000, 64
MOST_CODES = 30


def prepared(rows: Rows, kept: Kept, judge: Rows) -> tuple[Floats, Floats]:
    """Return inputs of kept rows and of judges as standardised numbers, categories as columns of 0 and 1."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    codes = list(rows.categorical)
    numbers = [column for column in range(rows.inputs.shape[1]) if column not in codes]
    encoder = make_column_transformer(
        (make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False, max_categories=MOST_CODES), codes),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # codes that the kept rows do not have
        taught = encoder.fit_transform(rows.inputs[kept.indices].astype(np.float64))
        return taught, encoder.transform(judge.inputs.astype(np.float64))


def _spread(model: Any, said: Floats, n_classes: int) -> Floats:
    whole = np.full((len(said), n_classes), 1e-6)
    whole[:, model.classes_.astype(np.int64)] = said
    return whole


def linear(rows: Rows, kept: Kept, judge: Rows, seed: int) -> Floats:
    """Fit logistic or ridge regression with a penalty of 1."""
    from sklearn.linear_model import LogisticRegression, Ridge

    taught, asked = prepared(rows, kept, judge)
    target = rows.target[kept.indices]
    if not rows.n_classes:
        said = Ridge(1.0).fit(taught, target, sample_weight=kept.weights).predict(asked)
        return losses(said.reshape(-1, 1), judge)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the limit of passes
        model = LogisticRegression(C=1.0, max_iter=300).fit(taught, target, sample_weight=kept.weights)
    return losses(_spread(model, model.predict_proba(asked), rows.n_classes), judge)


def neighbours(rows: Rows, kept: Kept, judge: Rows, seed: int) -> Floats:
    """Let the five nearest kept rows vote by their weights, with half a vote of the prior's."""
    from sklearn.neighbors import NearestNeighbors

    taught, asked = prepared(rows, kept, judge)
    target = rows.target[kept.indices]
    nearest = NearestNeighbors(n_neighbors=min(N_NEIGHBOURS, len(taught))).fit(taught)
    votes = nearest.kneighbors(asked, return_distance=False)
    weights = kept.weights[votes]
    if not rows.n_classes:
        return losses(((weights * target[votes]).sum(axis=1) / weights.sum(axis=1)).reshape(-1, 1), judge)
    said = np.stack([(weights * (target[votes] == c)).sum(axis=1) for c in range(rows.n_classes)], axis=1)
    prior = np.bincount(target.astype(np.int64), kept.weights, rows.n_classes) / kept.weights.sum()
    half = 0.5 * kept.weights.mean()
    return losses((said + half * prior) / (said.sum(axis=1, keepdims=True) + half), judge)


def network(rows: Rows, kept: Kept, judge: Rows, seed: int) -> Floats:
    """Fit one layer of 64 units for 2,000 steps of Adam at least, 10 passes at least."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    taught, asked = prepared(rows, kept, judge)
    target, weights = rows.target[kept.indices], kept.weights / kept.weights.mean()
    passes = max(10, round(N_STEPS * BATCH / len(taught)))
    model = MLPClassifier if rows.n_classes else MLPRegressor
    made = model(
        hidden_layer_sizes=(64,), alpha=1e-3, max_iter=passes, batch_size=min(BATCH, len(taught)), random_state=seed,
        tol=0.0, n_iter_no_change=passes,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the limit of passes is meant
        if rows.n_classes:
            made.fit(taught, target, sample_weight=weights)
            return losses(_spread(made, made.predict_proba(asked), rows.n_classes), judge)
        middle, spread = float(target.mean()), float(target.std()) or 1.0
        made.fit(taught, (target - middle) / spread, sample_weight=weights)
    return losses((made.predict(asked) * spread + middle).reshape(-1, 1), judge)


FAMILIES: dict[str, Learner] = {
    "boosting": boosting, "linear": linear, "neighbours": neighbours, "network": network,
}  # fmt: skip

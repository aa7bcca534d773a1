"""The random forest: deep trees on random rows and columns, averaged (Breiman, "Random Forests", 2001).

LightGBM grows them, so that categories and missing values are native and the forest is text. Shares of a class are
means of its indicator: one forest per class on the squared error, which measures as scikit-learn's forest does (log
loss 0.1 % apart over eight sets) where LightGBM's own forest on log-odds is far from calibrated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cauce.core.extras import need
from cauce.tasks.tabular import booster_text, grow
from cauce.tasks.tabular.boosting import Boosting, Learning
from cauce.tasks.tabular.encode import Encoded, Encoder

MOST_LEAVES = 512
SHARE_OF_ROWS = 0.632
"""Of the rows each tree sees: what a bootstrap sample holds."""
FEWEST_TO_DRAW = 8
"""Fewer rows are repeated: LightGBM draws a share of the rows, and refuses to draw none."""
MOST_CLASSES = 30
"""Every tree is grown once for each class."""


def defaults(n_rows: int) -> dict[str, int | float | str | bool]:
    """Return the settings for so many rows.

    Examples
    --------
    >>> defaults(1_000)["num_leaves"]
    200
    """
    return {
        "rounds": 100,
        "num_leaves": max(31, min(MOST_LEAVES, n_rows // 5)),
        "min_data_in_leaf": 2,
        "feature_fraction_bynode": 0.5,
    }


def fit_forest(encoder: Encoder, rows: Encoded, learning: Learning, plan: grow.Plan) -> Boosting:
    """Grow a forest on all of the rows."""
    lightgbm = need("lightgbm", extra="tabular", what="the random forest")
    n_rows = len(learning.label)
    if n_rows < FEWEST_TO_DRAW:
        again = np.arange(FEWEST_TO_DRAW) % n_rows
        rows, learning = rows.rows(again), learning.rows(again)
    params: grow.Settings = {
        "boosting": "rf",
        "bagging_fraction": SHARE_OF_ROWS,
        "feature_fraction": 1.0,
        "lambda_l2": 0.0,
    }
    objective = "regression" if learning.classify else learning.objective
    given, tables = grow.prepare(
        encoder, rows, learning._replace(objective=objective), plan._replace(params={**params, **plan.params})
    )
    data: Any = lightgbm.Dataset(
        given.matrix,
        learning.label,
        weight=learning.weights,
        categorical_feature=given.native,
        params=given.settings,
    )
    data.construct()
    texts, centres = [], []
    for label in _labels(learning):
        # a tree that finds nothing to split says 0 in LightGBM's forests: let 0 be the mean
        centres.append(float(np.average(label, weights=learning.weights)))
        data.set_label(label - centres[-1])
        texts.append(lightgbm.train(given.settings, data, int(plan.params["rounds"])).model_to_string())
    text = booster_text.averaged(texts, centres)
    return Boosting(text, tables, learning.classify, family="forest")


def _labels(learning: Learning) -> list[Any]:
    """Return what each forest learns: the number, the second of two classes, or each class's indicator."""
    if learning.n_outputs == 1:
        return [learning.label]
    return [(learning.label == k).astype(np.float64) for k in range(learning.n_outputs)]

"""CatBoost as it comes: 1,000 rounds at most, stopped on a fifth set aside, then refitted on all rows.

`seconds` is not looked at: the time it took is recorded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from benchmarks.select.contestants.contest import Entry, Fitted, megabytes, run
from catboost import CatBoostClassifier, CatBoostRegressor
from sklearn.model_selection import train_test_split

MOST_ROUNDS = 1_000
PATIENCE = 50


def fit(asked: Entry, train: Any) -> Fitted:
    """Stop on rows set aside, then fit on all of them."""
    inputs, target = _plain(train.drop(columns=asked.target)), train[asked.target]
    names = [name for name in inputs if not pd.api.types.is_numeric_dtype(inputs[name])]
    make = CatBoostClassifier if asked.classify else CatBoostRegressor
    fixed = {
        "random_seed": asked.seed,
        "thread_count": 1,
        "cat_features": names,
        "verbose": False,
        "train_dir": str(asked.out),
    }
    parts = train_test_split(
        np.arange(len(inputs)), test_size=0.2, random_state=asked.seed, stratify=target if asked.classify else None
    )
    first = make(iterations=MOST_ROUNDS, **fixed)
    first.fit(
        inputs.iloc[parts[0]], target.iloc[parts[0]], eval_set=(inputs.iloc[parts[1]], target.iloc[parts[1]]),
        early_stopping_rounds=PATIENCE,
    )  # fmt: skip
    rounds = max(1, int(first.get_best_iteration() or 0) + 1)
    model = make(iterations=rounds, learning_rate=first.learning_rate_, **fixed)
    model.fit(inputs, target)
    kept = asked.out / "model"
    kept.mkdir()
    model.save_model(str(kept / "model.cbm"))
    said = model.predict_proba if asked.classify else model.predict
    return Fitted(
        predict=lambda rows: said(_plain(rows), thread_count=1),
        classes=[str(label) for label in model.classes_] if asked.classify else [],
        chosen=f"{rounds} rounds, rate {first.learning_rate_:.3f}",
        size_mb=megabytes(kept),
        libraries=("catboost",),
    )


def _plain(frame: Any) -> Any:
    """Return categories as text, a missing one as a text of its own."""
    names = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    return frame.assign(**{name: frame[name].astype(object).fillna("").astype(str) for name in names})


if __name__ == "__main__":
    run(fit)

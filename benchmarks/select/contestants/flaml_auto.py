"""FLAML with its default learners for the whole budget."""

from __future__ import annotations

import importlib
from typing import Any

from benchmarks.select.contestants.contest import Entry, Fitted, run
from flaml import AutoML


def fit(asked: Entry, train: Any) -> Fitted:
    """Search for as long as it may; one core."""
    automl = AutoML()
    automl.fit(
        X_train=train.drop(columns=asked.target),
        y_train=train[asked.target],
        task="classification" if asked.classify else "regression",
        metric="log_loss" if asked.classify else "mse",
        time_budget=asked.seconds,
        n_jobs=1,
        seed=asked.seed,
        verbose=0,
    )
    if automl.model is None:
        raise SystemExit("FLAML found no model within its budget")
    kept = importlib.import_module("pickle").dumps(automl)  # its own way to keep a model; never read back
    return Fitted(
        predict=automl.predict_proba if asked.classify else automl.predict,
        classes=[str(label) for label in automl.classes_] if asked.classify else [],
        chosen=str(automl.best_estimator),
        size_mb=len(kept) / 1e6,
        libraries=("flaml", "lightgbm", "xgboost", "scikit-learn"),
    )


if __name__ == "__main__":
    run(fit)

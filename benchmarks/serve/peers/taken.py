"""The model that all contenders answer with, made again from what was taken out of Cauce's package.

Runs in each peer's own environment. `MODELS` names the folder with `boosting.txt` and `linear.json`, `MODEL` the kind.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

COLUMNS = [f"x{i:02d}" for i in range(30)]
FOLDER = Path(os.environ.get("MODELS", "."))
KIND = os.environ.get("MODEL", "boosting")


def pipeline(kind: str = KIND, *, named: bool = False) -> Any:
    """Return a scikit-learn pipeline as a person would have trained it, with `predict_proba`.

    Parameters
    ----------
    named
        It was fitted on a DataFrame, and asks for one.
    """
    from sklearn.pipeline import Pipeline

    if kind == "linear":
        return _linear(named=named)
    from lightgbm import LGBMClassifier

    rows, labels = _few(named=named)
    model = LGBMClassifier(n_estimators=1, verbose=-1, n_jobs=1).fit(rows, labels)
    model._Booster = booster()  # noqa: SLF001 - trained elsewhere, the same for all
    return Pipeline([("model", model)])


def booster() -> Any:
    """Return LightGBM's own booster."""
    from lightgbm import Booster

    return Booster(model_str=(FOLDER / "boosting.txt").read_text())


def lean(kind: str = KIND) -> Any:
    """Return the leanest function from a matrix to the probabilities of the second class."""
    if kind == "linear":
        given = json.loads((FOLDER / "linear.json").read_text())
        weights = np.array(given["coefficients"]) / np.array(given["scale"])
        constant = given["intercept"] - float(np.array(given["mean"]) @ weights)
        return lambda rows: 1.0 / (1.0 + np.exp(-(rows @ weights + constant)))
    model = booster()
    return lambda rows: model.predict(rows, num_threads=1)


def _linear(*, named: bool) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    given = json.loads((FOLDER / "linear.json").read_text())
    rows, labels = _few(named=named)
    made = Pipeline([("scale", StandardScaler()), ("model", LogisticRegression())]).fit(rows, labels)
    scaler, model = made.named_steps["scale"], made.named_steps["model"]
    scaler.mean_, scaler.scale_ = np.array(given["mean"]), np.array(given["scale"])
    scaler.var_ = scaler.scale_**2
    model.coef_, model.intercept_ = np.array([given["coefficients"]]), np.array([given["intercept"]])
    return made


def _few(*, named: bool) -> tuple[Any, Any]:
    """Return a few rows that say how many columns there are, and their names."""
    rows = np.random.default_rng(0).normal(size=(60, len(COLUMNS)))
    labels = np.arange(60) % 2
    if not named:
        return rows, labels
    import pandas as pd

    return pd.DataFrame(rows, columns=COLUMNS), labels

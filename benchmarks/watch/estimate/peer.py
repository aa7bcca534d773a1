"""NannyML's estimates of the same windows; run by its own interpreter: `python peer.py FOLDER`.

The folder holds, a case each, `<case>.npz`: `held` and `window` arrays. What was estimated goes to `<case>.json`.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import nannyml
import numpy as np
import numpy.typing as npt
import pandas as pd

Given = dict[str, npt.NDArray[Any]]

warnings.filterwarnings("ignore")


def frame(
    shares: npt.NDArray[np.float64], said: npt.NDArray[Any], truth: npt.NDArray[Any] | None = None
) -> pd.DataFrame:
    """Return rows as NannyML takes them."""
    table = pd.DataFrame({f"p{k}": shares[:, k] for k in range(shares.shape[1])})
    table["said"] = said
    if truth is not None:
        table["truth"] = truth
    return table


def classify(content: Given) -> list[float]:
    """Return the expected ROC-AUC of each window."""
    n_classes, size = content["held_shares"].shape[1], int(content["size"])
    kind = "classification_binary" if n_classes == 2 else "classification_multiclass"
    names = "p1" if n_classes == 2 else {k: f"p{k}" for k in range(n_classes)}
    estimator = nannyml.CBPE(
        y_pred_proba=names, y_pred="said", y_true="truth", problem_type=kind, metrics=["roc_auc"], chunk_size=size
    )
    estimator.fit(frame(content["held_shares"], content["held_said"], content["held_truth"]))
    found = estimator.estimate(frame(content["window_shares"], content["window_said"]))
    return list(found.filter(period="analysis").to_df()[("roc_auc", "value")])


def regress(content: Given) -> list[float]:
    """Return the expected loss of each window."""
    names = [f"x{k}" for k in range(content["held_inputs"].shape[1])]
    held, window = (
        pd.DataFrame(content["held_inputs"], columns=names),
        pd.DataFrame(content["window_inputs"], columns=names),
    )
    held["said"], held["truth"] = content["held_said"], content["held_truth"]
    window["said"] = content["window_said"]
    metric = str(content["metric"])
    estimator = nannyml.DLE(
        feature_column_names=names, y_pred="said", y_true="truth", metrics=[metric], chunk_size=int(content["size"])
    )
    estimator.fit(held)
    return list(estimator.estimate(window).filter(period="analysis").to_df()[(metric, "value")])


for path in sorted(Path(sys.argv[1]).glob("*.npz")):
    answer = path.with_suffix(".json")
    if answer.exists() and answer.stat().st_mtime > path.stat().st_mtime:
        continue
    given: Given = dict(np.load(path, allow_pickle=False))
    told: dict[str, Any]
    try:
        told = {"values": (regress if "held_inputs" in given else classify)(given), "version": nannyml.__version__}
    except Exception as error:
        told = {"failed": f"{type(error).__name__}: {error}"[:300], "version": nannyml.__version__}
    answer.write_text(json.dumps(told))

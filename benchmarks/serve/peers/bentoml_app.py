"""BentoML: one API that takes and gives arrays, as its documentation shows for scikit-learn and LightGBM."""

from __future__ import annotations

import os

import bentoml  # type: ignore[import-not-found]
import numpy as np
from benchmarks.serve.peers.taken import KIND, booster, pipeline

BATCHED = os.environ.get("BATCHED") == "1"


@bentoml.service(workers=int(os.environ.get("WORKERS", "1")), logging={"access": {"enabled": False}})
class Model:
    """The model behind BentoML."""

    def __init__(self) -> None:
        self.model = booster() if KIND == "boosting" else pipeline()

    @bentoml.api(batchable=BATCHED)  # type: ignore[untyped-decorator]
    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Give the probabilities of the second class."""
        found: np.ndarray = self.model.predict(rows) if KIND == "boosting" else self.model.predict_proba(rows)[:, 1]
        return found

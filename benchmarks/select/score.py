"""The one place where predictions become losses, whoever made them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

Array = npt.NDArray[np.float64]
LOWEST = 1e-15
"""Probabilities are raised to this before the logarithm; a class that a contestant never names has none."""


def losses(predictions: Path, test: Path, target: str, task: str) -> Array:
    """Return −log of each test row's own probability, rows made to sum to 1, or the squared error."""
    kept = np.load(predictions)
    predicted, truth = kept["predicted"], pq.read_table(test, columns=[target])[target]
    if len(predicted) != len(truth) or not np.isfinite(predicted).all():
        raise ValueError(f"{predictions}: {len(predicted)} predictions of {len(truth)} rows, or some not finite")
    if task == "regress":
        errors: Array = (predicted.reshape(-1) - truth.to_numpy()) ** 2
        return errors
    place = {str(label): i for i, label in enumerate(kept["classes"])}
    codes = np.array([place.get(label, -1) for label in truth.to_pylist()])
    shares = predicted / predicted.sum(axis=1, keepdims=True)
    own = np.where(codes >= 0, shares[np.arange(len(codes)), np.maximum(codes, 0)], 0.0)
    logs: Array = -np.log(np.clip(own, LOWEST, 1.0))
    return logs

"""What every contestant does alike: read the same files, time its predictions, leave them for the scorer.

It runs in each contestant's own environment and needs pandas and pyarrow alone. A contestant never computes its score.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

Array = npt.NDArray[np.float64]
BATCHES = 5
SINGLES = 30


@dataclass(frozen=True)
class Entry:
    """What a contestant is asked: fit `train`, predict `test`."""

    train: Path
    test: Path
    target: str
    task: str
    seconds: float
    seed: int
    out: Path
    """Folder for scratch, predictions and costs."""

    @property
    def classify(self) -> bool:
        """Whether classes are asked for, else a number."""
        return self.task == "classify"


@dataclass(frozen=True)
class Fitted:
    """What a contestant came to."""

    predict: Callable[[Any], Any]
    """Rows → probabilities, shape (n_rows, n_classes), or numbers, shape (n_rows,)."""
    classes: list[str]
    """In the order of the probabilities; empty for numbers."""
    chosen: str
    size_mb: float
    """On disk, of what is needed to predict."""
    libraries: tuple[str, ...]
    notes: dict[str, Any] = field(default_factory=dict)
    """What else is to be kept."""


def entry() -> Entry:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    for name in ("train", "test", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("target", "task"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    return Entry(**vars(parser.parse_args()))


def frames(asked: Entry) -> tuple[Any, Any]:
    """Return training and test rows for pandas: text as categories of the training rows, whole and decimal numbers."""
    train, test = (pq.read_table(path).to_pandas() for path in (asked.train, asked.test))
    for name in train.columns:
        if not pd.api.types.is_numeric_dtype(train[name]) and name != asked.target:
            known = sorted(train[name].dropna().unique())
            for frame in (train, test):
                frame[name] = pd.Categorical(frame[name].astype(object), categories=known)
    if asked.classify:
        for frame in (train, test):
            frame[asked.target] = frame[asked.target].astype(object)
    return train, test


def megabytes(folder: Path) -> float:
    """Return the size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def run(fit: Callable[[Entry, Any], Fitted], read: Callable[[Entry], tuple[Any, Any]] = frames) -> None:
    """Fit within the clock, predict, and write `predictions.npz` and `costs.json` into the folder."""
    from importlib.metadata import version

    asked = entry()
    train, test = read(asked)
    begun, worked = time.perf_counter(), sum(os.times()[:4])
    fitted = fit(asked, train)
    fit_seconds, worked = time.perf_counter() - begun, sum(os.times()[:4]) - worked
    rows = test.drop_columns(asked.target) if hasattr(test, "num_rows") else test.drop(columns=asked.target)
    predicted = np.asarray(fitted.predict(rows), np.float64)
    one = rows.slice(0, 1) if hasattr(rows, "num_rows") else rows.iloc[:1]
    np.savez(asked.out / "predictions.npz", predicted=predicted, classes=np.asarray(fitted.classes, np.str_))
    costs = {
        "chosen": fitted.chosen,
        "fit_seconds": fit_seconds,
        "core_share": worked / fit_seconds,
        "predict_us_per_row": _timed(fitted.predict, rows, BATCHES) * 1e6 / len(rows),
        "one_row_ms": _timed(fitted.predict, one, SINGLES) * 1e3,
        "size_mb": fitted.size_mb,
        "notes": fitted.notes,
        "versions": {name: version(name) for name in fitted.libraries},
    }
    (asked.out / "costs.json").write_text(json.dumps(costs), encoding="utf-8")


def _timed(predict: Callable[[Any], Any], rows: Any, times: int) -> float:
    seconds = []
    for _ in range(times):
        begun = time.perf_counter()
        predict(rows)
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)

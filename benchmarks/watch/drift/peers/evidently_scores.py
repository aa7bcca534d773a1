"""Evidently's default drift score of every column: in an environment with evidently < 0.8. Also times its preset.

python evidently_scores.py scores FOLDER | python evidently_scores.py speed REFERENCE.parquet CURRENT.parquet
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset


def report(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, Any]:
    """Run the preset."""
    numbers = [name for name in reference if pd.api.types.is_numeric_dtype(reference[name])]
    others = [name for name in reference if name not in numbers]
    kinds = DataDefinition(numerical_columns=numbers, categorical_columns=others)
    sides = [Dataset.from_pandas(frame, data_definition=kinds) for frame in (current, reference)]
    found: dict[str, Any] = json.loads(Report([DataDriftPreset()]).run(*sides).json())
    return found


def scores(path: Path) -> list[float]:
    """Return a score for each column, by the test that the preset takes for it; a p-value is turned round.

    The test is called without the preset's pictures, which take nearly all of its time; `check` holds both together.
    """
    from evidently.legacy.calculations.stattests.registry import get_stattest

    arrays, found = dict(np.load(path)), []
    kind = "cat" if arrays["reference"].dtype.kind in "US" else "num"
    for column in range(arrays["reference"].shape[1]):
        reference, current = (pd.Series(arrays[side][:, column]) for side in ("reference", "current"))
        test = get_stattest(reference, current, kind, None)
        score = float(test(reference, current, kind, None).drift_score)
        found.append(-score if "p_value" in test.display_name else score)
    return found


def check(path: Path) -> None:
    """Hold our way of asking for scores against the preset's own figures."""
    arrays = dict(np.load(path))
    frames = [pd.DataFrame(arrays[s][:, :2], columns=["c0", "c1"]) for s in ("reference", "current")]
    metrics = [m["value"] for m in report(*frames)["metrics"] if isinstance(m["value"], int | float)]
    assert np.allclose(sorted(map(abs, metrics))[-2:], sorted(map(abs, scores(path)[:2]))), (metrics, scores(path)[:2])


if __name__ == "__main__":
    if sys.argv[1] == "scores":
        folder = Path(sys.argv[2])
        for title in ("normal_calm_0.0", "category_calm_0.0"):
            check(folder / f"{title}.npz")
        print(json.dumps({path.stem: scores(path) for path in sorted(folder.glob("*.npz"))}))
    else:
        frames = [pd.read_parquet(path) for path in sys.argv[2:]]
        begun, used = time.perf_counter(), sum(os.times()[:4])
        report(*frames)
        print(json.dumps({"wall": time.perf_counter() - begun, "cpu": sum(os.times()[:4]) - used}))

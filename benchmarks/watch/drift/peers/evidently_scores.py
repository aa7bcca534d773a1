"""Evidently's default drift score of every column: in an environment with evidently < 0.8. Also times its preset.

python evidently_scores.py scores FOLDER | python evidently_scores.py speed REFERENCE.parquet CURRENT.parquet
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset


def report(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, object]:
    """Run the preset."""
    numbers = [name for name in reference if pd.api.types.is_numeric_dtype(reference[name])]
    others = [name for name in reference if name not in numbers]
    kinds = DataDefinition(numerical_columns=numbers, categorical_columns=others)
    sides = [Dataset.from_pandas(frame, data_definition=kinds) for frame in (current, reference)]
    return json.loads(Report([DataDriftPreset()]).run(*sides).json())


def scores(path: Path) -> list[float]:
    """Return a score for each column: a p-value turned round where its method gives one."""
    arrays = np.load(path)
    frames = [pd.DataFrame(arrays[side], columns=[f"c{i}" for i in range(arrays[side].shape[1])]) for side in arrays]
    found = []
    for metric in report(*frames)["metrics"]:
        config = metric.get("config", {})
        if "column" in config and isinstance(metric["value"], int | float):
            is_p = "p_value" in str(config.get("method", ""))
            found.append(-float(metric["value"]) if is_p else float(metric["value"]))
    return found


if __name__ == "__main__":
    if sys.argv[1] == "scores":
        folder = Path(sys.argv[2])
        print(json.dumps({path.stem: scores(path) for path in sorted(folder.glob("*.npz"))}))
    else:
        frames = [pd.read_parquet(path) for path in sys.argv[2:]]
        begun = time.perf_counter()
        report(*frames)
        print(json.dumps({"seconds": time.perf_counter() - begun}))

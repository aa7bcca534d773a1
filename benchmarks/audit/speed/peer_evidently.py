"""Evidently's data summary preset, in an environment and a process of its own; reading the file is timed apart."""

from __future__ import annotations

import json
import resource
import sys
import time

import pandas as pd
from evidently import DataDefinition, Dataset, Report  # in its own environment
from evidently.presets import DataSummaryPreset


def main() -> None:
    begun = time.perf_counter()
    frame = pd.read_parquet(sys.argv[1])
    read = time.perf_counter()
    texts = [name for name in ("title", "review") if name in frame]
    numbers = [name for name in frame.columns if frame[name].dtype.kind in "if"]
    times = [name for name in ("day", "at") if name in frame]
    frame["day"] = pd.to_datetime(frame["day"])
    categories = [name for name in frame.columns if name not in {*texts, *numbers, *times}]
    definition = DataDefinition(
        numerical_columns=numbers, categorical_columns=categories, text_columns=texts, datetime_columns=times
    )
    data = Dataset.from_pandas(frame, data_definition=definition)
    made = Report([DataSummaryPreset()]).run(data, None)
    made.dict()
    ended = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"read_s": read - begun, "own_s": ended - read, "all_s": ended - begun, "peak_mb": peak}))


if __name__ == "__main__":
    main()

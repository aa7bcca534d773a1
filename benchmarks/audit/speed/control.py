"""The naive control: what pandas says of every column, in a process of its own."""

from __future__ import annotations

import json
import resource
import sys
import time

import pandas as pd


def main() -> None:
    begun = time.perf_counter()
    frame = pd.read_parquet(sys.argv[1])
    read = time.perf_counter()
    frame.describe(include="all")
    ended = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"read_s": read - begun, "own_s": ended - read, "all_s": ended - begun, "peak_mb": peak}))


if __name__ == "__main__":
    main()

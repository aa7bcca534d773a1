"""fg-data-profiling (once ydata-profiling), minimal or default (--full), in an environment of its own."""

from __future__ import annotations

import json
import resource
import sys
import time

import pandas as pd


def main() -> None:
    from data_profiling import ProfileReport  # type: ignore[import-not-found]  # in its own environment alone

    begun = time.perf_counter()
    frame = pd.read_parquet(sys.argv[1])
    read = time.perf_counter()
    minimal = "--full" not in sys.argv
    ProfileReport(frame, minimal=minimal, progress_bar=False).get_description()
    ended = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"read_s": read - begun, "own_s": ended - read, "all_s": ended - begun, "peak_mb": peak}))


if __name__ == "__main__":
    main()

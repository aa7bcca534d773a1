"""Makes `river_traces.json`: what river's detectors say of seeded streams. Run in an environment that has river.

python tests/watch/river_traces.py
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

PATH = Path(__file__).with_name("river_traces.json")
STREAMS = ("calm", "sudden", "gradual", "coin", "many", "falling")
PAGE_HINKLEY: tuple[Mapping[str, object], ...] = (
    {},
    {"threshold": 10.0, "delta": 0.05},
    {"threshold": 20.0, "mode": "up"},
    {"threshold": 20.0, "mode": "down", "alpha": 0.999, "min_instances": 5},
)
ADWIN: tuple[Mapping[str, object], ...] = (
    {},
    {"delta": 0.2},
    {"delta": 0.01, "clock": 1, "min_window_length": 3},
    {"delta": 0.05, "max_buckets": 3, "grace_period": 50},
)


def stream(name: str) -> npt.NDArray[np.float64]:
    """Return a seeded stream of 3,000 values."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    noise, time = rng.normal(0, 1, 3000), np.arange(3000)
    if name == "coin":
        return (rng.random(3000) < np.where(time < 1200, 0.2, 0.45)).astype(np.float64)
    means = {
        "calm": np.zeros(3000),
        "sudden": np.where(time < 1500, 0.0, 1.0),
        "gradual": np.clip((time - 1000) / 1000, 0, 1) * 2,
        "many": (time // 500 % 3) * 1.5,
        "falling": np.where(time < 700, 3.0, 1.0),
    }
    return np.asarray(noise + means[name], dtype=np.float64)


def main() -> None:
    """Run river over all streams and write what it found."""
    import river
    from river import drift

    found = []
    for kind, settings in (("PageHinkley", PAGE_HINKLEY), ("ADWIN", ADWIN)):
        for chosen in settings:
            for name in STREAMS:
                detector, places = getattr(drift, kind)(**chosen), []
                for place, value in enumerate(stream(name)):
                    detector.update(float(value))
                    if detector.drift_detected:
                        places.append(place)
                row = {"kind": kind, "settings": dict(chosen), "stream": name, "places": places}
                if kind == "ADWIN":
                    row |= {"width": detector.width, "mean": detector.estimation, "variance": detector.variance}
                found.append(row)
    PATH.write_text(json.dumps({"river": river.__version__, "found": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

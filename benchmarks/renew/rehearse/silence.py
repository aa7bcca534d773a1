"""A value of traffic whose weeks are alike stops: how often is that called a fault, where its rows moved or are lost?

`python benchmarks/renew/rehearse/silence.py` writes silence.json beside this file. The control is traffic that moved.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from cauce.watch.drift.flow import Flow
from cauce.watch.drift.silence import silences

SERIES = 150
DAYS, STOP, RATE, SHARE, OTHERS = 360, 240, 200, 0.2, 5
"""Days; the one on which the value stops; rows a day; the value's share; other values, as frequent."""


def claimed(alike: float, spread: float, moved: float, seed: int) -> bool:
    """Whether any of the 14 weekly looks after it calls it a fault; the traffic's weeks follow an AR(1) process."""
    rng = np.random.default_rng(seed)
    week = np.zeros(DAYS // 7 + 2)
    for at in range(1, len(week)):
        week[at] = alike * week[at - 1] + spread * np.sqrt(1 - alike**2) * rng.normal()
    day = np.arange(DAYS)
    total = rng.poisson(RATE * np.exp(week[day // 7]) * np.where(day % 7 < 5, 1.2, 0.5))
    value = rng.binomial(total, SHARE)
    others = total - value + np.where(day >= STOP, rng.binomial(value, moved), 0)
    value = np.where(day >= STOP, 0, value)
    for end in range(STOP + 3, STOP + 100, 7):
        rest = {("region", str(at)): others[:end] // OTHERS for at in range(OTHERS)}
        flow = Flow("", 86_400, 20_000, (others + value)[:end], {("region", "north"): value[:end], **rest})
        if any(each.verdict == "fault" for each in silences(flow, tuple(flow.values), risk=0.01)):
            return True
    return False


def main() -> None:
    """Write the share of series in which a fault was claimed."""
    found = [
        {"alike": alike, "spread": spread, "moved": moved}
        | {"claimed": sum(claimed(alike, spread, moved, seed) for seed in range(SERIES)) / SERIES}
        for alike in (0.0, 0.8)
        for spread in (0.05, 0.15, 0.3)
        for moved in (1.0, 0.6, 0.0)
    ]
    for each in found:
        print(each, flush=True)
    told = {"series": SERIES, "rows_a_day": RATE, "share": SHARE, "claimed": found}
    (Path(__file__).parent / "silence.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Public sets as `Rows`, divided at random into rows to choose from and rows that judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from benchmarks.select.sets import SETS, read

from cauce.reduce.encode import encode
from cauce.reduce.rows import Rows

TEST_SHARE = 0.3
MOST_ROWS = 6_000


def divided(name: str, seed: int, data: Path, most: int = MOST_ROWS) -> tuple[Rows, Rows]:
    """Return rows to choose from and rows that judge; of larger sets `most` rows are drawn."""
    chosen = next(one for one in SETS if one.name == name)
    frame = read(chosen, data)
    target = frame.pop(chosen.target)
    labels = pd.factorize(target, sort=True)[0] if chosen.task == "classify" else target.to_numpy(float)
    rows = encode(frame, labels, n_classes=None if chosen.task == "classify" else 0).rows
    order = np.random.default_rng([seed, 3]).permutation(len(rows))[:most]
    n_test = round(TEST_SHARE * len(order))
    return rows.take(np.sort(order[n_test:])), rows.take(np.sort(order[:n_test]))

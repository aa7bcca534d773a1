"""The control of the test of estimates: the test that Cauce made before, on the very same batches.

Batch k spends α/(k(k+1)) of the error. What training did not know of calibration moves all batches alike, fully, and
nothing is learnt of it from batches that held.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cauce.watch.truths.judged import ERROR, TOGETHER, JudgedBatch, critical_values, straightened


def given_up(batches: Sequence[JudgedBatch]) -> list[bool]:
    """Return, after each batch, whether the estimate had been called unreliable by then."""
    said, failed = [], False
    for k in range(1, len(batches) + 1):
        scores = [
            abs(_distance(batches[k - n : k], name)) for n in TOGETHER if n <= k for name in batches[k - 1].figures
        ]
        failed = failed or max(scores) > critical_values(ERROR / (k * (k + 1)), len(scores), 0.5)[1]
        said.append(failed)
    return said


def _distance(batches: Sequence[JudgedBatch], name: str) -> float:
    held = [batch.figures[name] for batch in batches if name in batch.figures]
    n = len(held)
    apart = sum(one.realised - one.expected for one in held) / n
    luck = sum(one.sampling for one in held) / n**2
    common = sum(math.sqrt(float(np.square(one.moves).sum())) for one in held) / n
    spread = math.sqrt(luck + common**2)
    third = sum(one.skewness * one.sampling**1.5 for one in held) / n**3
    return straightened(apart / spread, third / spread**3)

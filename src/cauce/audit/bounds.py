"""What one column can explain at most, from the target's order along it: what spares a tree that could find nothing.

A tree with L leaves cuts the sorted rows into L runs. In a run with e rows that are not of its commonest class, the
class changes at most 2e times from one row to the next, so all runs together hold at least (changes - L + 1) / 2
such rows, each of which costs at least 2 ln 2 of log loss however the shares are chosen. For numbers, the squared
steps within a run sum to at most four times its squared deviations. Neither asks which tree it is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def most_of_classes(order: Codes, classes: Codes, base: float, *, n_leaves: int) -> float:
    """Return the most of the log loss `base` (mean, of the prior) that any tree can explain in these rows.

    `order` sorts the rows by the column; rows with one value may stand in any order. Probabilities that are kept
    from falling under a floor may explain a trifle more: leave a margin.
    """
    along = classes[order]
    changes = int((along[1:] != along[:-1]).sum())
    strangers = max(changes - n_leaves + 1, 0) / 2
    return 1.0 - 2.0 * np.log(2.0) * strangers / len(along) / base if base > 0 else 0.0


def most_of_variance(order: Codes, deviations: Floats, *, n_leaves: int) -> float:
    """Return the most of the squared deviations from the prior's mean that any tree can explain in these rows."""
    steps = np.square(np.diff(deviations[order]))
    n_within = len(steps) - (n_leaves - 1)
    least = float(np.partition(steps, n_within - 1)[:n_within].sum()) / 4 if n_within > 0 else 0.0
    total = float(np.square(deviations).sum())
    return 1.0 - least / total if total > 0 else 0.0

"""How far a column's being filled in tells the target. Heavy: imported inside functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cauce.profile.arrays import to_floats, to_strings

FEWEST = 20


class Told(NamedTuple):
    """What being filled in tells."""

    distance: float
    """classify: of the class told best, the share filled in among its rows less that among the others, absolute.
    regress: the largest distance between the target's distributions with and without a value (Kolmogorov-Smirnov)."""
    pure: float
    """classify: share of one class among rows with a value, or without one, where that class is no commonplace; else
    0."""


def told_by_gaps(sample: pa.Table, columns: Sequence[str], target: str, task: str) -> dict[str, Told]:
    """Return for each column what its gaps tell; columns with fewer than 20 rows on either side are left out."""
    known = sample.filter(pc.invert(pc.is_null(sample.column(target), nan_is_null=True))).combine_chunks()
    array = known.column(target).combine_chunks()
    codes: npt.NDArray[np.int64] | None = None
    if task == "classify":
        coded = to_strings(array).dictionary_encode()
        codes = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    elif pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return {}
    found = {}
    for name in columns:
        empty = pc.is_null(known.column(name).combine_chunks(), nan_is_null=True)
        filled = ~empty.to_numpy(zero_copy_only=False).astype(np.bool_)
        if min(filled.sum(), (~filled).sum()) < FEWEST:
            continue
        found[name] = _of_classes(codes, filled) if codes is not None else _of_numbers(to_floats(array), filled)
    return found


def _of_classes(codes: npt.NDArray[np.int64], filled: npt.NDArray[np.bool_]) -> Told:
    counts = np.bincount(codes)
    inside = np.bincount(codes[filled], minlength=len(counts))
    others = len(codes) - counts
    usable = (counts > 0) & (others > 0)
    share = inside[usable] / counts[usable] - (filled.sum() - inside[usable]) / others[usable]
    pure = 0.0
    for side in (inside, counts - inside):
        top = int(side.argmax())
        if counts[top] <= 0.9 * len(codes):  # of a class that nearly all rows have, any column's rows have most
            pure = max(pure, float(side[top] / side.sum()))
    return Told(float(np.abs(share).max()) if len(share) else 0.0, pure)


def _of_numbers(values: npt.NDArray[np.float64], filled: npt.NDArray[np.bool_]) -> Told:
    good = np.isfinite(values)
    ordered = np.sort(values[good])
    with_value, without = np.sort(values[good & filled]), np.sort(values[good & ~filled])
    if not len(with_value) or not len(without):
        return Told(0.0, 0.0)
    one = np.searchsorted(with_value, ordered, "right") / len(with_value)
    other = np.searchsorted(without, ordered, "right") / len(without)
    return Told(float(np.abs(one - other).max()), 0.0)

"""How much of the target the other rows of the same person or place tell. Heavy: imported inside functions."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cauce.profile.arrays import to_floats, to_strings


def told_by_group(sample: pa.Table, name: str, target: str, task: str) -> float:
    """Return the share of the target's variance that lies between groups and not within, at least 0.

    It is the intraclass correlation of a one-way analysis of variance (Fisher; unequal sizes by Donner 1986), for
    classes the mean over their indicators, weighed by variance. Unlike the share that group means explain it is 0 for
    groups drawn by chance, however small they are.

    Examples
    --------
    >>> rows = pa.table({"g": ["a", "b", "c", "d"] * 8, "y": [1.0, 5.0, 9.0, 2.0] * 8})
    >>> told_by_group(rows, "g", "y", "regress")
    1.0
    """
    table = sample.select([name, target]).combine_chunks()
    known = pc.and_(pc.is_valid(table[name]), pc.invert(pc.is_null(table[target], nan_is_null=True)))
    table = table.filter(known).combine_chunks()
    if table.num_rows < 20:
        return 0.0
    groups = to_strings(_one(table, name)).dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
    array = _one(table, target)
    if task == "classify":
        coded = to_strings(array).dictionary_encode()
        if len(coded.dictionary) > 50:
            return 0.0
        values = np.eye(len(coded.dictionary))[coded.indices.to_numpy(zero_copy_only=False)]
    elif pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return 0.0
    else:
        values = to_floats(array)[:, None]
        good = np.isfinite(values[:, 0])
        values, groups = values[good], groups[good]
    sizes = np.bincount(groups)
    present = sizes > 0
    n, k = len(values), int(present.sum())
    if k < 2 or n - k < 10:
        return 0.0
    values = values - values.mean(axis=0)
    sums = np.column_stack([np.bincount(groups, values[:, j]) for j in range(values.shape[1])])
    between = float((np.square(sums[present]) / sizes[present, None]).sum())
    total = float(np.square(values).sum())
    if total <= 0:
        return 0.0
    mean_between, mean_within = between / (k - 1), (total - between) / (n - k)
    typical = (n - float(np.square(sizes).sum()) / n) / (k - 1)
    return max((mean_between - mean_within) / (mean_between + (typical - 1) * mean_within), 0.0)


def _one(table: pa.Table, name: str) -> pa.Array:
    array = table.column(name)
    return pa.concat_arrays(array.chunks) if array.num_chunks != 1 else array.chunk(0)

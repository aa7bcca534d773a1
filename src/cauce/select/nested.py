"""Nested parts of the rows that teach: each smaller one lies within the larger, so that a learning curve is smooth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import TaskSpec

if TYPE_CHECKING:
    import pyarrow as pa

Rows = npt.NDArray[np.int64]
FEW_VALUES = 1_000
"""Distinct targets up to which each keeps its share in every part."""


def nested_parts(
    table: pa.Table, spec: TaskSpec, train: Rows, shares: Sequence[float], rng: np.random.Generator, *, newest: bool
) -> list[Rows]:
    """Return, for each share, row numbers of that many of the rows `train`, ascending.

    Parameters
    ----------
    shares
        Each above 0 and at most 1.
    newest
        Whether the newest rows are kept, as where folds are windows in time. Else whole groups are kept where the spec
        names a group column, and else targets of few values (classes) keep their shares, each value with a row at
        least.

    Returns
    -------
    list
        In the order of `shares`. With groups, the first part that has at least as many rows as wanted.
    """
    if newest and spec.time is not None:
        order = _codes(table[spec.time].take(train), ranked=True)
        key = np.empty(len(train))
        key[np.argsort(-order, kind="stable")] = np.arange(len(train))
    elif spec.group is not None and spec.group in table.column_names:
        codes = _codes(table[spec.group].take(train))
        codes = np.where(codes < 0, codes.max() + 1 + np.arange(len(codes)), codes)
        _, codes = np.unique(codes, return_inverse=True)
        key = rng.permutation(int(codes.max()) + 1)[codes].astype(np.float64)
    else:
        key = _within_values(_codes(table[spec.target].take(train)), rng)
    order = np.argsort(key, kind="stable")
    parts = []
    for share in shares:
        n = max(1, min(len(train), round(share * len(train))))
        last = key[order[n - 1]]
        parts.append(np.sort(train[key <= last]))
    return parts


def _within_values(codes: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return distinct keys by whose order every beginning has each value by its share, and all values early."""
    n = len(codes)
    shuffled = rng.permutation(n)
    if len(np.unique(codes)) > min(FEW_VALUES, n // 2):
        return shuffled.astype(np.float64)
    order = np.lexsort((shuffled, codes))
    sizes = np.bincount(codes - codes.min())
    sizes = sizes[sizes > 0]
    place = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    share = np.empty(n)
    share[order] = place / np.repeat(sizes, sizes)
    key = np.empty(n)
    key[np.lexsort((shuffled, share))] = np.arange(n)
    return key


def _codes(column: Any, *, ranked: bool = False) -> npt.NDArray[np.int64]:
    """Return a number for each value, −1 for a missing one; `ranked`: in the order of the values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    encoded = column.combine_chunks().dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    if not ranked:
        return np.asarray(codes)
    rank = np.empty(len(encoded.dictionary) + 1, np.int64)
    rank[pc.array_sort_indices(encoded.dictionary).to_numpy()] = np.arange(len(encoded.dictionary))
    rank[-1] = len(encoded.dictionary)  # a missing time counts as newest, as where folds are cut
    return np.asarray(rank[codes])

"""Rows as 64-bit hashes, vectorised: eight bytes a row find exact repeats. Heavy: imported inside functions.

Two different rows share a hash with a chance of about 3 in a million over 10 million rows; nothing is decided by
one row, so no second look is taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cauce.audit.check import MOST_ROWS, AuditContext
from cauce.profile.hashing import Hashes, hash_quickly, mix

_MISSING = np.uint64(0x632BE59BD9B4E019)


def hash_column(array: pa.Array) -> Hashes:
    """Return a hash for each value, shape (n,): equal values have equal ones, all missing values the same."""
    from cauce.profile.arrays import family_of, plain, to_seconds

    family = family_of(array.type)
    missing = pc.is_null(array, nan_is_null=True).to_numpy(zero_copy_only=False)
    array = plain(array)
    if family == "datetime":
        bits = np.ascontiguousarray(to_seconds(array)).view(np.uint64)
    elif family in {"integer", "boolean"}:
        whole = array.cast(pa.uint64() if pa.types.is_uint64(array.type) else pa.int64())
        bits = pc.fill_null(whole, 0).to_numpy(zero_copy_only=False).view(np.uint64)
    elif pa.types.is_floating(array.type):
        floats = np.asarray(array.cast(pa.float64()).to_numpy(zero_copy_only=False)) + 0.0  # -0.0 becomes 0.0
        bits = floats.view(np.uint64)
    else:
        bits = _hash_coded(array)
    hashes: Hashes = np.where(missing, _MISSING, mix(bits))
    return hashes


def _hash_coded(array: pa.Array) -> Hashes:
    """Hash the distinct values of strings, bytes, decimals and times once each."""
    if not (pa.types.is_string(array.type) or pa.types.is_binary(array.type)):
        array = _as_text(array)
    coded = array.dictionary_encode()
    if not len(coded.dictionary):
        return np.zeros(len(array), dtype=np.uint64)
    codes: npt.NDArray[np.int64] = pc.fill_null(coded.indices, 0).to_numpy(zero_copy_only=False)
    return hash_quickly(coded.dictionary)[codes]


def _as_text(array: pa.Array) -> pa.Array:
    """Write values of any type as text; nested ones, which Arrow cannot cast, one by one."""
    if pa.types.is_nested(array.type):
        return pa.array([None if value is None else repr(value) for value in array.to_pylist()], pa.string())
    return array.cast(pa.string())


def hash_rows(batch: pa.RecordBatch) -> Hashes:
    """Return a hash for each row over all the batch's columns, shape (n_rows,)."""
    total = np.zeros(batch.num_rows, dtype=np.uint64)
    for column in batch.columns:
        total = mix(total ^ hash_column(column))
    return total


def repeats(context: AuditContext, columns: Sequence[str]) -> tuple[int, tuple[int, ...]]:
    """Return how many rows equal an earlier one in `columns`, and the first row numbers of those, at most 20."""
    parts = [hash_rows(batch.select(list(columns))) for batch in context.batches(columns)]
    hashes = np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    later = order[1:][ordered[1:] == ordered[:-1]]
    return len(later), tuple(np.sort(later)[:MOST_ROWS].tolist())

"""Unit ids, and the hash that puts a unit on one side of a split for good.

The hash is that of `profile/hashing.py`, so that no library's update moves a unit; ids of content carry two, 128 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.errors import UserError
from cauce.profile.hashing import Hashes, hash_texts, mix

if TYPE_CHECKING:
    import pyarrow as pa


def shares(hashes: Hashes) -> npt.NDArray[np.float64]:
    """Return hashes as numbers in [0, 1)."""
    return (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53


def unit_ids(table: pa.Table, key: str | None) -> npt.NDArray[np.str_]:
    """Give every row an id that is unique in the table and the same for the same row of another table.

    Parameters
    ----------
    table
        Rows of a snapshot or of the ledger.
    key
        Column whose value names the row, as text; None: the row's content names it, identical rows are counted
        (the second one ends in ``.1``). Content means all columns of `table`, in any order.

    Returns
    -------
    NDArray[str_]
        Shape (n_rows,).

    Raises
    ------
    UserError
        The key column is missing, or has nulls.

    Examples
    --------
    >>> import pyarrow as pa
    >>> unit_ids(pa.table({"id": [7, 8]}), "id").tolist()
    ['7', '8']
    """
    if key is None:
        return _content_ids(table)
    if key not in table.column_names:
        raise UserError("no such column", where="key", received=key)
    column = table[key]
    if column.null_count:
        hint = "Every row needs a key, or leave `key` out."
        raise UserError(f"{column.null_count} rows have no value", where=f"key column {key!r}", hint=hint)
    ids: npt.NDArray[np.str_] = texts_of(column).to_numpy(zero_copy_only=False).astype(np.str_)
    return ids


def texts_of(column: pa.ChunkedArray) -> pa.Array:
    """Return a column's values as one array of texts, nulls kept."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.large_string()).combine_chunks()


def hash_rows(table: pa.Table, *, seed: int = 0) -> Hashes:
    """Hash each row by its columns' names and values; the columns' order does not matter."""
    import pyarrow as pa

    total = np.zeros(table.num_rows, np.uint64)
    for name in table.column_names:
        title = hash_texts(pa.array([name], pa.large_string()), seed=seed)[0]
        total += mix(_hash_column(table[name], seed=seed) ^ title)
    return mix(total)


def _hash_column(column: pa.ChunkedArray, *, seed: int) -> Hashes:
    import pyarrow as pa
    import pyarrow.compute as pc

    missing = column.is_null().combine_chunks().to_numpy(zero_copy_only=False)
    kind = column.type
    if pa.types.is_floating(kind):
        values = pc.fill_null(column.cast(pa.float64()), 0.0).to_numpy()
        hashes = mix((values + 0.0).view(np.uint64))  # + 0.0: minus zero equals zero
    elif pa.types.is_integer(kind) and kind != pa.uint64():
        hashes = mix(pc.fill_null(column.cast(pa.int64()), 0).to_numpy().view(np.uint64))
    else:
        codes = column.combine_chunks()
        codes = codes if pa.types.is_dictionary(kind) else codes.dictionary_encode()
        texts = texts_of(pa.chunked_array([codes.dictionary]))
        index = pc.fill_null(codes.indices, 0).to_numpy(zero_copy_only=False)
        known = hash_texts(texts, seed=seed)
        hashes = known[index] if len(known) else np.zeros(len(column), np.uint64)
    hashes[missing] = np.uint64(0)
    return hashes


def _content_ids(table: pa.Table) -> npt.NDArray[np.str_]:
    n = table.num_rows
    high, low = hash_rows(table, seed=1), hash_rows(table, seed=2)
    raw = np.stack([high, low], axis=1).astype(">u8").view(np.uint8).reshape(n, 16)
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    letters = np.stack([digits[raw >> 4], digits[raw & 15]], axis=2).reshape(n, 32)
    ids: npt.NDArray[np.str_] = np.ascontiguousarray(letters).view("S32").reshape(n).astype(np.str_)
    counts = _occurrence(high, low)
    if counts.any():
        ids = np.array([f"{one}.{count}" if count else one for one, count in zip(ids, counts, strict=True)])
    return ids


def _occurrence(high: Hashes, low: Hashes) -> npt.NDArray[np.int64]:
    """Count, for each row, the identical rows before it."""
    order = np.lexsort((np.arange(len(high)), low, high))
    fresh = np.ones(len(high), bool)
    fresh[1:] = (high[order][1:] != high[order][:-1]) | (low[order][1:] != low[order][:-1])
    place = np.arange(len(high))
    start = np.maximum.accumulate(np.where(fresh, place, 0))
    counts = np.empty(len(high), np.int64)
    counts[order] = place - start
    return counts

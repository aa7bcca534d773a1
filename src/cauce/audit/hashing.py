"""Rows as 64-bit hashes, vectorised: eight bytes a row find exact repeats. Heavy: imported inside functions.

Two different rows share a hash with a chance of about 3 in a million over 10 million rows; nothing is decided by
one row, so no second look is taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cauce.audit.check import MOST_ROWS, AuditContext

Hashes = npt.NDArray[np.uint64]

LONG = 128
"""Bytes above which a string is hashed by itself."""

_BYTES = np.random.default_rng(20_240_229).integers(0, 2**64, size=256, dtype=np.uint64)
_BASE = np.uint64(0x9E3779B97F4A7C15)
_MISSING = np.uint64(0x632BE59BD9B4E019)


def mix(values: Hashes) -> Hashes:
    """Scatter 64-bit values (splitmix64's last step, Steele, Lea and Flood 2014)."""
    values = values + _BASE
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


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
    return hash_bytes(coded.dictionary.cast(pa.large_binary()))[codes]


def _as_text(array: pa.Array) -> pa.Array:
    """Write values of any type as text; nested ones, which Arrow cannot cast, one by one."""
    if pa.types.is_nested(array.type):
        return pa.array([None if value is None else repr(value) for value in array.to_pylist()], pa.string())
    return array.cast(pa.string())


def hash_bytes(values: pa.Array) -> Hashes:
    """Hash byte strings (large_binary), shape (n,); no value is null.

    Short ones by a polynomial over a table of random words; long ones, for which that takes 30 bytes of memory a byte,
    one by one by BLAKE2.
    """
    lengths = np.diff(_offsets(values))
    long = lengths > LONG
    if not long.any():
        return _hash_short(values)
    hashes = np.empty(len(values), dtype=np.uint64)
    hashes[~long] = _hash_short(values.filter(pa.array(~long)))
    offsets, data = _offsets(values), memoryview(values.buffers()[2])
    for place in np.flatnonzero(long).tolist():
        digest = hashlib.blake2b(data[offsets[place] : offsets[place + 1]], digest_size=8).digest()
        hashes[place] = int.from_bytes(digest, "little")
    return hashes


def _offsets(values: pa.Array) -> npt.NDArray[np.int64]:
    buffer = values.buffers()[1]
    if not len(values):  # an empty array may lack its buffer
        return np.zeros(1, dtype=np.int64)
    return np.frombuffer(buffer, dtype=np.int64)[values.offset : values.offset + len(values) + 1]


def _hash_short(values: pa.Array) -> Hashes:
    offsets, data_buffer = _offsets(values), values.buffers()[2]
    lengths = np.diff(offsets)
    total = mix(lengths.astype(np.uint64))
    filled = lengths > 0
    if not filled.any():
        return total
    data = np.frombuffer(data_buffer, dtype=np.uint8)[offsets[0] : offsets[-1]]
    starts = offsets[:-1] - offsets[0]
    powers = np.cumprod(np.full(int(lengths.max()), _BASE | np.uint64(1), dtype=np.uint64))
    place = np.arange(len(data)) - np.repeat(starts, lengths)
    total[filled] += mix(np.add.reduceat(_BYTES[data] * powers[place], starts[filled]))
    return total


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

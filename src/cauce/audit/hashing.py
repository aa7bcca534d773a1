"""Rows as 64-bit hashes, vectorised: eight bytes a row find exact repeats. Heavy: imported inside functions.

Two different rows share a hash with a chance of about 3 in a million over 10 million rows; nothing is decided by
one row, so no second look is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cauce.audit.check import MOST_ROWS, AuditContext
from cauce.profile.hashing import Hashes, hash_quickly, mix

Rows = npt.NDArray[np.int64]

_PIECE = 1 << 20
"""Rows that are looked up at once."""
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


@dataclass(frozen=True, eq=False)
class RowHashes:
    """Every row as hashes, shape (n_rows,) each: 24 bytes a row, which all checks of one audit share."""

    whole: Hashes
    """Of all columns but the key."""
    features: Hashes
    """Of what the model predicts from."""
    target: Hashes
    """Of the target alone; zeros without one."""

    @property
    def has_target(self) -> npt.NDArray[np.bool_]:
        """Whether the target is known, shape (n_rows,)."""
        known: npt.NDArray[np.bool_] = self.target != _MISSING
        return known


def row_hashes(context: AuditContext) -> RowHashes:
    """Return the rows' hashes; made in one pass, once an audit."""
    return context.once("row hashes", _hash_all)


def _hash_all(context: AuditContext) -> RowHashes:
    """Hash each column once and add it to every sum that it belongs to."""
    names = tuple(context.profile.columns)
    salts = dict(zip(names, mix(np.arange(1, len(names) + 1, dtype=np.uint64)), strict=True))
    whole, features, target = (np.zeros(context.profile.n_rows, np.uint64) for _ in range(3))
    learnt = frozenset(context.features)
    start = 0
    for batch in context.batches(names):
        here = slice(start, start + batch.num_rows)
        for name in names:
            hashes = hash_column(batch.column(name))
            if name == context.target:
                target[here] = hashes
            hashes = mix(hashes ^ salts[name])
            if name != context.data.key:
                whole[here] += hashes
            if name in learnt:
                features[here] += hashes
        start += batch.num_rows
    return RowHashes(whole, features, target)


def hashes_of(context: AuditContext, name: str) -> Hashes:
    """Return the hash of one column's value in each row, shape (n_rows,)."""
    return np.concatenate([np.empty(0, np.uint64), *(hash_column(b.column(name)) for b in context.batches([name]))])


def shared(hashes: Hashes) -> Rows:
    """Return the places whose hash another place has too, rising."""
    ordered = np.sort(hashes)
    several = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered
    if not len(several):
        return np.empty(0, np.int64)
    found = []
    for start in range(0, len(hashes), _PIECE):
        piece = hashes[start : start + _PIECE]
        at = np.minimum(np.searchsorted(several, piece), len(several) - 1)
        found.append(np.flatnonzero(several[at] == piece) + start)
    return np.concatenate(found)


def repeats(hashes: Hashes) -> tuple[int, tuple[int, ...]]:
    """Return how many places repeat the hash of an earlier one, and the first of those, at most 20."""
    places = shared(hashes)
    _, first = np.unique(hashes[places], return_index=True)
    later = np.delete(places, first)
    return len(later), tuple(later[:MOST_ROWS].tolist())

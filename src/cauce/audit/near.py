"""Texts that are nearly the same: MinHash and LSH propose pairs, exact Jaccard similarity decides.

A text is the set of its 5-byte sequences, in lower case, with spaces put together. One hash of each sequence falls
into one of 126 bins and the smallest of a bin stays: one permutation hashing (Li, Owen and Zhang, "One Permutation
Hashing", NIPS 2012); empty bins borrow from the next (Shrivastava and Li, "Densifying One Permutation Hashing via
Rotation", ICML 2014). Bins are cut into 21 bands of 6; texts that share a
band are compared exactly (Broder 1997; Leskovec, Rajaraman and Ullman, ch. 3). Two texts of similarity s share a band
with chance 1 − (1 − s⁶)²¹: 0.998 at 0.8, 0.92 at 0.7, 0.28 at 0.5 (from some 100 letters on; in shorter texts
bins borrow from each other, and bands are no longer independent). A text is compared with the first and the one
before it in its band, so that a thousand copies cost no million comparisons. Heavy: imported inside functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cauce.profile.hashing import Hashes, mix, text_bytes, words_of

Rows = npt.NDArray[np.int64]
WIDTH = 5
"""Bytes in a shingle."""
BANDS, BAND = 21, 6
BINS = BANDS * BAND
MOST_BYTES = 10_000
"""Characters of a text that are looked at."""
_PIECE = 4_000_000
"""Bytes that are hashed at once."""
_ROWS = 16_384
"""Signatures that are densified at once."""
_FIVE = np.uint64((1 << 8 * WIDTH) - 1)
"""The bytes of a shingle among the eight of a word."""
_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
_SALT = np.uint64(0x51A7C0DE)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Texts that resemble an earlier one, shape (n_pairs,) each."""

    later: Rows
    earlier: Rows
    similarity: npt.NDArray[np.float64]
    """Jaccard similarity of their shingles, exact."""


def similar_pairs(texts: pa.Array, threshold: float, *, seed: int = 0) -> Pairs:
    """Return pairs of texts whose shingles have at least this Jaccard similarity; equal texts are among them.

    Parameters
    ----------
    texts
        Strings, shape (n,); nulls and texts under 5 bytes resemble nothing.
    threshold
        Least similarity, above 0.6: below, banding misses many.

    Returns
    -------
    Pairs
        Of every group of similar texts, each member with at least one other, not all pairs.

    Examples
    --------
    >>> texts = pa.array(["El curso empieza el lunes por la tarde.", "el  curso empieza el lunes por la tarde!", "No."])
    >>> found = similar_pairs(texts, 0.8)
    >>> found.later.tolist(), found.earlier.tolist(), found.similarity.round(2).tolist()
    ([1], [0], [0.94])
    """
    clean = normalised(texts)
    signatures = sign(clean, seed=seed)
    filled = np.flatnonzero(signatures[:, 0] != _EMPTY)
    pairs = _candidates(signatures, filled)
    if not len(pairs):
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    agree = np.concatenate([_agreement(signatures, pairs[i : i + 100_000]) for i in range(0, len(pairs), 100_000)])
    pairs = pairs[agree >= threshold - 0.25]  # five standard errors of an estimate from 126 bins
    similarity = jaccard(clean, pairs)
    good = similarity >= threshold
    return Pairs(pairs[good, 1], pairs[good, 0], similarity[good])


def normalised(texts: pa.Array) -> pa.Array:
    """Return the texts in lower case, at most 10,000 characters, with runs of white space as one space."""
    cut = pc.utf8_slice_codeunits(texts.cast(pa.large_string()), 0, MOST_BYTES)
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(pc.utf8_lower(cut), r"\s+", " "))


def sign(texts: pa.Array, *, seed: int = 0) -> Hashes:
    """Return the texts' signatures, shape (n, 126); a text without shingles is all ones."""
    signatures = np.full((len(texts), BINS), _EMPTY)
    flat = signatures.reshape(-1)
    salt = mix(np.array([seed], np.uint64) ^ _SALT)[0]
    for start, part in _pieces(texts):
        shingles, owner = _shingles(part)
        hashes = mix(shingles ^ salt)
        bins = ((hashes >> np.uint64(32)) * np.uint64(BINS) >> np.uint64(32)).astype(np.int64)
        np.minimum.at(flat, (owner + start) * BINS + bins, hashes)
    return _densified(signatures)


def _pieces(texts: pa.Array) -> Iterator[tuple[int, pa.Array]]:
    """Give runs of texts of some 4 MB, with where each starts."""
    lengths = pc.fill_null(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False)
    piece = np.cumsum(lengths) // _PIECE
    starts = [0, *(np.flatnonzero(np.diff(piece)) + 1).tolist(), len(texts)]
    for begin, end in pairwise(starts):
        if end > begin:
            yield begin, texts.slice(begin, end - begin)


def _shingles(texts: pa.Array) -> tuple[Hashes, Rows]:
    """Return every 5-byte sequence as a number, and the text that each is of."""
    data, lengths = text_bytes(texts)
    ends = np.cumsum(lengths)
    inside = np.ones(len(data), np.bool_)  # all places but the last four of each text begin a shingle
    for i in range(1, WIDTH):
        inside[(ends - i)[lengths >= i]] = False
    packed = words_of(data)[inside] & _FIVE
    return packed, np.repeat(np.arange(len(lengths)), np.maximum(lengths - (WIDTH - 1), 0))


def _densified(signatures: Hashes) -> Hashes:
    """Fill each empty bin with the next one to its right that is not, mixed with the distance, in place."""
    place = np.arange(BINS)
    for begin in range(0, len(signatures), _ROWS):
        part = signatures[begin : begin + _ROWS]
        filled = part != _EMPTY
        rows = np.flatnonzero(filled.any(axis=1) & ~filled.all(axis=1))
        here = np.where(filled[rows], place, 2 * BINS)
        round_again = np.concatenate([here, here + BINS], axis=1)
        following = np.minimum.accumulate(round_again[:, ::-1], axis=1)[:, ::-1][:, :BINS]
        borrowed = np.take_along_axis(part[rows], following % BINS, axis=1)
        # Mixed with the distance: a borrowed value must not equal one that was there.
        fresh = mix(borrowed + (following - place).astype(np.uint64))
        part[rows] = np.where(filled[rows], part[rows], fresh)
    return signatures


def _candidates(signatures: Hashes, filled: Rows) -> Rows:
    """Return pairs (earlier, later) that share a band, shape (n_pairs, 2), each once."""
    found = []
    for band in range(BANDS):
        key = np.zeros(len(filled), np.uint64)
        for i in range(band * BAND, (band + 1) * BAND):
            key = mix(key ^ signatures[filled, i])
        order = np.argsort(key, kind="stable")
        same = key[order][1:] == key[order][:-1]
        if not same.any():
            continue
        fresh = np.concatenate([[True], ~same])
        first = np.maximum.accumulate(np.where(fresh, np.arange(len(order)), 0))
        later = np.flatnonzero(~fresh)
        rows = filled[order]
        found += [np.stack([rows[later - 1], rows[later]], 1), np.stack([rows[first[later]], rows[later]], 1)]
    if not found:
        return np.empty((0, 2), np.int64)
    codes = np.unique(np.concatenate([pair[:, 0] * len(signatures) + pair[:, 1] for pair in found]))
    return np.stack([codes // len(signatures), codes % len(signatures)], 1)


def _agreement(signatures: Hashes, pairs: Rows) -> npt.NDArray[np.float64]:
    share: npt.NDArray[np.float64] = (signatures[pairs[:, 0]] == signatures[pairs[:, 1]]).mean(axis=1)
    return share


def jaccard(texts: pa.Array, pairs: Rows) -> npt.NDArray[np.float64]:
    """Return the exact Jaccard similarity of each pair's shingles, shape (n_pairs,)."""
    lengths = pc.fill_null(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False)
    cost = np.cumsum(lengths[pairs].sum(axis=1)) // _PIECE
    bounds = [0, *(np.flatnonzero(np.diff(cost)) + 1).tolist(), len(pairs)]
    parts = [_jaccard(texts, pairs[i:j]) for i, j in pairwise(bounds) if j > i]
    return np.concatenate(parts) if parts else np.empty(0)


def _jaccard(texts: pa.Array, pairs: Rows) -> npt.NDArray[np.float64]:
    n = len(pairs)
    sides = []
    for side in (0, 1):
        packed, owner = _shingles(texts.take(pa.array(pairs[:, side])))
        sides.append(_distinct(packed, owner))
    packed = np.concatenate([side[0] for side in sides])
    owner = np.concatenate([side[1] for side in sides])
    order = np.lexsort((packed, owner))
    packed, owner = packed[order], owner[order]
    shared = (packed[1:] == packed[:-1]) & (owner[1:] == owner[:-1])
    common = np.bincount(owner[1:][shared], minlength=n)
    union = np.bincount(owner, minlength=n) - common
    share: npt.NDArray[np.float64] = common / np.maximum(union, 1)
    return share


def _distinct(packed: Hashes, owner: Rows) -> tuple[Hashes, Rows]:
    """Keep each owner's distinct numbers."""
    order = np.lexsort((packed, owner))
    packed, owner = packed[order], owner[order]
    fresh = np.ones(len(packed), np.bool_)
    fresh[1:] = (packed[1:] != packed[:-1]) | (owner[1:] != owner[:-1])
    return packed[fresh], owner[fresh]

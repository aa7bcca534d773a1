"""Texts as 64-bit hashes that no library's update changes, in little memory.

A hash is a sum over the text's bytes of a mixing of (byte, position), mixed once more with the length. The mixing is
SplitMix64's finaliser (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014). It is no
cryptographic hash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

Hashes = npt.NDArray[np.uint64]
_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_ALL = np.uint64(_MASK)
_QUICK = 512
"""Bytes of a text that are hashed eight at a time; what is longer goes through `hash_texts` as well."""
_PIECE = 1 << 20
"""Bytes that are mixed at once: each takes some 40 bytes of memory."""


def mix(values: Hashes) -> Hashes:
    """Return SplitMix64's finaliser of `values`, shape kept."""
    z = values + np.uint64(_GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def hash_texts(texts: pa.Array, *, seed: int = 0) -> Hashes:
    """Hash each text, or byte string, of an array without nulls, shape (n,).

    Examples
    --------
    >>> import pyarrow as pa
    >>> [hex(h) for h in hash_texts(pa.array(["a", "ab", ""]))]
    ['0x50830ce9b9157a73', '0x7696a6ae4de5ca38', '0x238275bc38fcbe91']
    """
    import pyarrow as pa

    chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    parts = [_hash_bytes(*text_bytes(chunk), seed=seed) for chunk in chunks]
    return np.concatenate([np.zeros(0, np.uint64), *parts])


def _hash_bytes(data: npt.NDArray[np.uint8], lengths: npt.NDArray[np.int64], *, seed: int) -> Hashes:
    salt = mix(np.array([seed & _MASK], np.uint64))[0]
    ends = np.cumsum(lengths)
    starts = ends - lengths
    sums = np.zeros(len(lengths), np.uint64)
    for begin in range(0, len(data), _PIECE):
        piece = data[begin : begin + _PIECE].astype(np.uint64)
        inside = slice(np.searchsorted(ends, begin, "right"), np.searchsorted(starts, begin + len(piece), "left"))
        low, high = (np.clip(side[inside] - begin, 0, len(piece)) for side in (starts, ends))
        position = np.arange(begin, begin + len(piece)) - np.repeat(starts[inside], high - low)
        mixed = mix((position.astype(np.uint64) << np.uint64(8) | piece) ^ salt)
        total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed, dtype=np.uint64)])
        sums[inside] += total[high] - total[low]
    return mix(sums ^ mix(lengths.astype(np.uint64) ^ salt))


def hash_quickly(texts: pa.Array) -> Hashes:
    """Hash each text, or byte string, of an array without nulls, shape (n,), some ten times as fast as `hash_texts`.

    Eight bytes at a time. For comparisons within one pass: the figures may change with the next version.

    Examples
    --------
    >>> import pyarrow as pa
    >>> found = hash_quickly(pa.array(["a", "ab", "a" * 9, "a" * 10, "a", ""]))
    >>> len(set(found.tolist())), found[0] == found[4]
    (5, np.True_)
    """
    import pyarrow as pa

    data, lengths = text_bytes(texts)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    words = words_of(data)
    hashes = mix(lengths.astype(np.uint64))
    left = np.flatnonzero(lengths)
    for at in range(0, _QUICK, 8):
        n_bytes = np.minimum(lengths[left] - at, 8).astype(np.uint64)
        word = words[starts[left] + at] & (_ALL >> (np.uint64(64) - np.uint64(8) * n_bytes))
        hashes[left] = mix(hashes[left] ^ word)
        left = left[lengths[left] > at + 8]
        if not len(left):
            return hashes
    hashes[left] ^= hash_texts(texts.take(pa.array(left)))
    return hashes


def words_of(data: npt.NDArray[np.uint8]) -> Hashes:
    """Return the eight bytes that begin at each place as one number, shape (len(data),); past the end they are 0."""
    padded = np.concatenate([data, np.zeros(8, np.uint8)])
    return np.ndarray((len(data),), "<u8", buffer=padded.data, strides=(1,))


def text_bytes(array: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return the UTF-8 bytes of all texts, end to end, and the length in bytes of each; a missing text has length 0."""
    import pyarrow as pa
    import pyarrow.compute as pc

    filled = pc.fill_null(array.cast(pa.large_binary()), b"")
    _, offsets_buffer, data = filled.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype="<i8")[filled.offset : filled.offset + len(filled) + 1]
    if len(filled) == 0 or data is None:
        return np.zeros(0, np.uint8), np.zeros(len(filled), np.int64)
    return np.frombuffer(data, dtype=np.uint8)[offsets[0] : offsets[-1]], np.diff(offsets)

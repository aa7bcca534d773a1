"""Text facts of one batch, from the bytes of its distinct values. Heavy: imported inside functions.

Most questions are settled by a look at all bytes at once, or at each value's first and last; only the values left
over are asked one by one, by Arrow's regular expressions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cauce.profile.hashing import Hashes, mix, text_bytes, words_of
from cauce.profile.language import language_of
from cauce.profile.text import (
    CONTROL,
    LANGUAGES,
    LEAST_TEXT,
    LONGEST_WORD,
    MOJIBAKE,
    MOST_WORDS,
    NUMBER,
    SAMPLED,
    TextFacts,
    pack_sample,
)

Bools = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]

_SPACE = np.zeros(256, dtype=np.bool_)
_SPACE[[9, 10, 11, 12, 13, 28, 29, 30, 31, 32]] = True
_SPACE[128:] = True  # may be part of a wide space; the values concerned are trimmed to see
_NUMERIC = np.zeros(256, dtype=np.bool_)
_NUMERIC[[*b"0123456789+-.,", 9, 10, 12, 13, 32]] = True
_CONTROL = np.zeros(256, dtype=np.bool_)
_CONTROL[[*range(9), 11, 12, *range(14, 32), 127]] = True
_PIECE = 16
_ODD = np.uint64(0x9FB21C651E98DF25)


def measure(values: pa.Array, weights: Counts, lengths: Counts, *, below: int) -> TextFacts:
    """Return the facts of strings without nulls that are all distinct, each counted `weights` times.

    `lengths` are in characters; texts with a hash under `below` are asked for their language.
    """
    data, sizes = text_bytes(values)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    filled = sizes > 0
    first, last = np.zeros(len(sizes), np.uint8), np.zeros(len(sizes), np.uint8)
    first[filled], last[filled] = data[starts[filled]], data[ends[filled] - 1]
    blank, padded = _padding(values, ~filled, (_SPACE[first] | _SPACE[last]) & filled)
    numeric = _matching(values, _NUMERIC[first] & filled, NUMBER)
    foreign = _foreign(values, data)
    controlled = _matching(values, filled & _any_control(data), CONTROL)
    sample = _languages(values, lengths, data, starts, ends, below=below)
    return TextFacts(
        n_blank=int(weights[blank].sum()),
        n_padded=int(weights[padded].sum()),
        n_numeric=int(weights[numeric].sum()),
        n_non_ascii=int(weights[foreign].sum()),
        n_replaced=int(weights[_matching(values, foreign, "\ufffd")].sum()),
        n_mojibake=int(weights[_matching(values, foreign, MOJIBAKE)].sum()),
        n_control=int(weights[controlled].sum()),
        words=_words(values, weights, ~numeric & ~blank & (lengths <= LONGEST_WORD)),
        language_sample=sample,
    )


def _any_control(data: npt.NDArray[np.uint8]) -> bool:
    """Say whether any byte is a control character; a look at the smallest byte mostly settles it."""
    return bool(len(data) and (data.min() < 32 or data.max() >= 127) and _CONTROL[data].any())


def _matching(values: pa.Array, asked: Bools, pattern: str) -> Bools:
    """Mark the values that match, of those asked."""
    found = np.zeros(len(values), dtype=np.bool_)
    if asked.any():
        few = values if asked.all() else values.filter(pa.array(asked))
        found[asked] = pc.match_substring_regex(few, pattern).to_numpy(zero_copy_only=False)
    return found


def _padding(values: pa.Array, empty: Bools, asked: Bools) -> tuple[Bools, Bools]:
    """Mark the blank and the padded."""
    blank, padded = empty.copy(), np.zeros(len(values), dtype=np.bool_)
    if asked.any():
        few = values.filter(pa.array(asked))
        trimmed = pc.utf8_trim_whitespace(few)
        blank[asked] = pc.equal(trimmed, "").to_numpy(zero_copy_only=False)
        padded[asked] = pc.not_equal(trimmed, few).to_numpy(zero_copy_only=False)
    return blank, padded & ~blank


def _foreign(values: pa.Array, data: npt.NDArray[np.uint8]) -> Bools:
    """Mark the values that hold a character beyond ASCII."""
    if not len(data) or data.max() < 128:
        return np.zeros(len(values), dtype=np.bool_)
    return ~np.asarray(pc.string_is_ascii(values).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _words(values: pa.Array, weights: Counts, asked: Bools) -> dict[str, int]:
    places = np.flatnonzero(asked)
    if not len(places):
        return {}
    few = values.filter(pa.array(asked))
    options = pc.SelectKOptions(MOST_WORDS, [("value", "ascending")])
    chosen = pc.select_k_unstable(pa.table({"value": few}), options=options).to_numpy()
    texts = few.take(pa.array(chosen)).to_pylist()
    return dict(zip(texts, weights[places[chosen]].tolist(), strict=True))


def _languages(
    values: pa.Array, lengths: Counts, data: npt.NDArray[np.uint8], starts: Counts, ends: Counts, *, below: int
) -> bytes:
    """Return hash and language of the texts whose hash is small enough."""
    places = np.flatnonzero(lengths >= LEAST_TEXT)
    if not len(places):
        return b""
    hashes = _hash_parts(data, starts[places], ends[places])
    if below < 1 << 64:
        small = hashes < np.uint64(below)
        places, hashes = places[small], hashes[small]
    distinct, at = np.unique(hashes, return_index=True)
    chosen = slice(0, SAMPLED)
    texts = values.take(pa.array(places[at[chosen]])).to_pylist()
    codes = np.array([LANGUAGES.index(language_of(text)) for text in texts], dtype=np.uint8)
    return pack_sample(distinct[chosen], codes)


def _hash_parts(data: npt.NDArray[np.uint8], starts: Counts, ends: Counts) -> Hashes:
    """Hash texts of at least 16 bytes by their length and five pieces of 16 bytes, from the first to the last.

    Up to 80 bytes that is all of the text; longer ones that agree in all pieces count as one.
    """
    words = words_of(data)
    total = mix((ends - starts).astype(np.uint64))
    for quarter in range(5):
        begin = starts + (ends - starts - _PIECE) * quarter // 4
        total = mix(total ^ words[begin] ^ words[begin + 8] * _ODD)
    return total

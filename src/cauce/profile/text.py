"""What is known of a string column's values beside their counts: numbers in disguise, white space, damage, language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

DIGITS = (
    r"[+-]?(?:"
    r"(?:0|[1-9][0-9]*)(?:[.,][0-9]*)?(?:[eE][+-]?[0-9]+)?|[.,][0-9]+"  # 12, 12.5, 12,5, 1e3; 007 is a code
    r"|[1-9][0-9]{0,2}(?:\.[0-9]{3})+(?:,[0-9]+)?|[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?"  # 1.272,24 and 1,272.24
    r")"
)
NUMBER = rf"^\s*{DIGITS}\s*$"
"""A number as English or Spanish readers write it, alone in its text."""
CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
MOJIBAKE = (
    "Ã[\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"
    "|Â[\u0080-\u00bf]|â€[\u0080-\u00bf\u0152\u0153\u0161\u017e\u02c6\u02dc\u2013-\u203a\u20ac\u2122]|â‚¬|ðŸ"
    "|â[\u0080-\u009f][\u0080-\u00bf]|[ÐÑ][\u0080-\u00bf][ÐÑ][\u0080-\u00bf]|ï»¿|ï¿½"
)
"""UTF-8 that was read as Windows-1252 or Latin-1; capitals of Spanish and Portuguese before quotes are none."""

LANGUAGES = ("en", "es", "other", "unknown")
MOST_WORDS = 20
"""Values that are no numbers which are kept."""
LONGEST_WORD = 60
"""Characters of the longest of them."""
SAMPLED = 400
"""Distinct texts whose language is asked."""
LEAST_TEXT = 20
"""Characters from which a value is a text that has a language."""
_ENTRY = np.dtype([("hash", "<u8"), ("language", "u1")])


@dataclass(frozen=True)
class TextFacts:
    """Facts of a string column; every count is of values, present ones.

    All are exact, and the same however the rows were cut into parts and in whatever order these were merged.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from cauce.profile import summarise
    >>> profile = summarise(pa.table({"price": ["1,5", " 20", "on request", "on request", "2€"]}).to_batches())
    >>> facts = profile.column("price").text
    >>> facts.n_numeric, facts.n_padded, facts.n_non_ascii, dict(facts.words)
    (2, 1, 1, {'2€': 1, 'on request': 2})
    """

    n_blank: int = 0
    """Empty, or nothing but white space."""
    n_padded: int = 0
    """Not blank, and beginning or ending with white space."""
    n_numeric: int = 0
    """Read as a number, in English or Spanish writing: 12, 1e3, 12,5, 1.272,24; 007 is a code."""
    n_non_ascii: int = 0
    """Holding a character beyond ASCII."""
    n_replaced: int = 0
    """Holding U+FFFD, which a decoder leaves in place of what it could not read."""
    n_mojibake: int = 0
    """Holding UTF-8 that was read as Windows-1252 or Latin-1: Ã±, â€œ."""
    n_control: int = 0
    """Holding a control character other than tabulators and line breaks."""
    words: Mapping[str, int] = field(default_factory=dict)
    """Value that is neither a number nor blank → count: the first 20 in the order of their bytes, of at most 60
    characters."""
    language_sample: bytes = field(default=b"", repr=False)
    """Hash and language of 400 distinct texts of at least 20 characters, those with the smallest hashes: an even
    sample of distinct texts. No text is kept."""

    @property
    def languages(self) -> dict[str, int]:
        """Sampled texts by language: ``en``, ``es``, ``other`` and ``unknown``; all 0 where no value is a text."""
        codes = np.frombuffer(self.language_sample, _ENTRY)["language"]
        return dict(zip(LANGUAGES, np.bincount(codes, minlength=len(LANGUAGES)).tolist(), strict=True))

    @property
    def language(self) -> str | None:
        """The language of most sampled texts; None where there are no texts."""
        counts = self.languages
        return max(counts, key=lambda name: counts[name]) if any(counts.values()) else None

    @property
    def largest_hash(self) -> int:
        """The hash that a further text must lie under to enter the sample; 2**64 while it is not full."""
        sample = np.frombuffer(self.language_sample, _ENTRY)
        return int(sample["hash"][-1]) if len(sample) >= SAMPLED else 1 << 64

    def merge(self, other: TextFacts) -> TextFacts:
        """Return the facts of both parts together."""
        counts = {
            name: getattr(self, name) + getattr(other, name)
            for name in (
                "n_blank", "n_padded", "n_numeric", "n_non_ascii", "n_replaced", "n_mojibake", "n_control",
            )
        }  # fmt: skip
        words = dict(self.words)
        for word, n in other.words.items():
            words[word] = words.get(word, 0) + n
        return TextFacts(**counts, words=first_words(words), language_sample=_smallest(self, other))


def first_words(words: Mapping[str, int]) -> dict[str, int]:
    """Return the first 20 by their bytes: such a word was among the first of every part, so its count is whole."""
    return {word: words[word] for word in sorted(words, key=str.encode)[:MOST_WORDS]}


def _smallest(one: TextFacts, other: TextFacts) -> bytes:
    if not other.language_sample:
        return one.language_sample
    both = np.concatenate([np.frombuffer(part.language_sample, _ENTRY) for part in (one, other)])
    return pack_sample(both["hash"], both["language"])


def pack_sample(hashes: npt.NDArray[np.uint64], languages: npt.NDArray[np.uint8]) -> bytes:
    """Return the sample of these texts: the smallest hashes, each once."""
    order = np.lexsort((languages, hashes))
    kept = order[np.concatenate([[True], hashes[order][1:] != hashes[order][:-1]])][:SAMPLED] if len(order) else order
    sample = np.empty(len(kept), _ENTRY)
    sample["hash"], sample["language"] = hashes[kept], languages[kept]
    return sample.tobytes()

"""Text columns → TF-IDF of character n-grams inside words: bounded, sparse, the same in English and in Spanish.

The grams are those of scikit-learn's ``char_wb`` analyser. A text is counted by words first and every different word is
cut into grams once, so that a large table takes seconds and one row microseconds. What a label has to do with a text is
no matter here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa
    import scipy.sparse

SIZES = (3, 4, 5)
"""Letters of a gram; a word has a blank before and after it."""
FEWEST_TEXTS = 2
"""Texts that hold a gram, at least: others teach nothing about a text to come."""
MOST_GRAMS = 300_000
"""The most frequent ones are kept."""
MOST_WORDS = 200_000
"""Different words whose grams are counted, the most frequent ones: bounds the memory of a fit on random letters."""
LONGEST_WORD = 200
"""Letters of a word that are read: what is longer is no word."""
BLOCK = 10_000
"""Texts whose grams are counted at once."""
MARKS = re.compile("(?<!n)[\u0300-\u036f]|(?<=n)[\u0300-\u0302\u0304-\u036f]")
"""Combining marks, but the tilde of an ñ."""


class _Counted(NamedTuple):
    words: Sequence[str]
    counts: Any
    """CSR, shape (n_texts, n_words)."""


@dataclass(frozen=True, eq=False)
class Tfidf:
    """Grams and their weights, learnt from training rows; immutable, so that threads may share it."""

    grams: pa.StringArray
    idf: npt.NDArray[np.float64]
    """ln((1 + texts) / (1 + texts with the gram)) + 1, shape (n_grams,)."""

    @cached_property
    def _known(self) -> dict[str, int]:
        return {gram: i for i, gram in enumerate(self.grams.to_pylist())}

    def transform(self, texts: pa.StringArray) -> scipy.sparse.csr_matrix:
        """Return 1 + ln(count) of every gram times its idf, each row of length 1, shape (n_rows, n_grams).

        A missing or empty text, or one without a known gram, is a row of zeros.
        """
        from scipy import sparse

        if not len(self.grams) or not len(texts):
            return sparse.csr_matrix((len(texts), len(self.grams)), dtype=np.float32)
        words, counts = _count(texts)
        found = counts @ _spell(words, self._known, len(self._known))
        found.sort_indices()  # one row alone gives the very numbers that it gives among others
        return self._weighed(found)

    def transform_few(self, texts: Sequence[str | None]) -> scipy.sparse.csr_matrix:
        """Return the same numbers for plain texts: for one, a tenth of the time."""
        from scipy import sparse

        columns: list[int] = []
        counts: list[int] = []
        ends = [0]
        for text in texts:
            found: dict[int, int] = {}
            for word in (text or "").split():
                for gram in grams_of(folded(word[:LONGEST_WORD])):
                    if (at := self._known.get(gram)) is not None:
                        found[at] = found.get(at, 0) + 1
            columns += sorted(found)
            counts += [found[at] for at in columns[ends[-1] :]]
            ends.append(len(columns))
        given = np.array(counts, np.float32), np.array(columns, np.int32), np.array(ends, np.int32)
        return self._weighed(sparse.csr_matrix(given, (len(texts), len(self.grams))))

    def _weighed(self, found: Any) -> scipy.sparse.csr_matrix:
        """Put weights in place of counts."""
        values = (1.0 + np.log(found.data.astype(np.float64))) * self.idf[found.indices]
        row = np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))
        length = np.sqrt(np.bincount(row, values**2, found.shape[0]))
        found.data = (values / length[row]).astype(np.float32)
        return found


def fit_tfidf(texts: pa.StringArray, *, most: int = MOST_GRAMS) -> Tfidf:
    """Learn grams and weights from training rows.

    Examples
    --------
    >>> import pyarrow as pa
    >>> fit_tfidf(pa.array(["Él", "el", None])).grams.to_pylist()
    [' el', ' el ', 'el ']
    """
    import pyarrow as pa

    texts = texts.drop_null()
    if not len(texts):
        return Tfidf(pa.array([], pa.string()), np.empty(0))
    words, counts = _count(texts)
    words, counts = _frequent(words, counts)
    known: dict[str, int] = {}
    spelt = _spell(words, known, None)
    n_with = np.zeros(len(known), np.int64)
    for start in range(0, len(texts), BLOCK):
        n_with += np.bincount((counts[start : start + BLOCK] @ spelt).indices, minlength=len(known))
    kept = np.flatnonzero(n_with >= FEWEST_TEXTS)
    kept = kept[np.argsort(-n_with[kept], kind="stable")[:most]]
    grams = list(known)
    order = sorted(kept.tolist(), key=grams.__getitem__)
    idf = np.log((1.0 + len(texts)) / (1.0 + n_with[order])) + 1.0
    return Tfidf(pa.array([grams[i] for i in order], pa.string()), idf)


def folded(word: str) -> str:
    """Return a word in lower case and without accents; ñ is a letter of its own.

    Examples
    --------
    >>> folded("Canción"), folded("ESPAÑA"), folded("pingüino")
    ('cancion', 'españa', 'pinguino')
    """
    if word.isascii():
        return word.lower()
    return unicodedata.normalize("NFC", MARKS.sub("", unicodedata.normalize("NFD", word.lower())))


def grams_of(word: str) -> Iterator[str]:
    """Give every run of 3 to 5 letters of a word between blanks; a word that is shorter is one gram.

    Examples
    --------
    >>> list(grams_of("sol"))
    [' so', 'sol', 'ol ', ' sol', 'sol ', ' sol ']
    """
    if not word:
        return
    padded = f" {word} "
    for size in SIZES:
        for at in range(max(len(padded) - size, 0) + 1):
            yield padded[at : at + size]
        if size >= len(padded):
            return


def _count(texts: pa.StringArray) -> _Counted:
    import pyarrow.compute as pc
    from scipy import sparse

    lists = pc.utf8_split_whitespace(texts.fill_null(""))
    found = lists.flatten().dictionary_encode()
    words = [folded(word[:LONGEST_WORD]) for word in found.dictionary.to_pylist()]
    at = (pc.list_parent_indices(lists).to_numpy(), found.indices.to_numpy())
    counts = sparse.csr_matrix((np.ones(len(found), np.float32), at), (len(texts), len(words)))
    return _Counted(words, counts)


def _frequent(words: Sequence[str], counts: Any) -> _Counted:
    if len(words) <= MOST_WORDS:
        return _Counted(words, counts)
    often = np.argsort(-np.bincount(counts.indices, minlength=len(words)), kind="stable")[:MOST_WORDS]
    return _Counted([words[i] for i in often], counts[:, often])


def _spell(words: Sequence[str], known: dict[str, int], n_grams: int | None) -> Any:
    """Return how often each word holds each gram, shape (n_words, n_grams); without `n_grams`, all become known."""
    from array import array

    from scipy import sparse

    columns, ends = array("i"), np.zeros(len(words) + 1, np.int64)
    for i, word in enumerate(words):
        if n_grams is None:
            columns.extend(known.setdefault(gram, len(known)) for gram in grams_of(word))
        else:
            columns.extend(at for gram in grams_of(word) if (at := known.get(gram)) is not None)
        ends[i + 1] = len(columns)
    values = (np.ones(len(columns), np.float32), np.frombuffer(columns, np.int32) if columns else np.empty(0, np.int32))
    return sparse.csr_matrix((*values, ends), (len(words), len(known)))

"""The encoder: raw rows → a matrix of numbers, a matrix of category codes and sparse TF-IDF of the text columns.

Every learning rung starts from these; what a rung does beyond that (scaling, one-hot, target means) is its own. Dates
become year, month, weekday, hour and days since 1970. A text gives its length too, and where there are scores
(`text_scores.py`), those in place of its TF-IDF.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Schema
from cauce.tasks.tabular import columns
from cauce.tasks.tabular.text import MOST_GRAMS, Tfidf, fit_tfidf

if TYPE_CHECKING:
    import pyarrow as pa

MISSING, UNSEEN = -1, -2
"""Codes that are no level: as negative indices they reach the last two rows of every table over levels."""
DATE_PARTS = ("year", "month", "weekday", "hour", "days")
MANY_LEVELS = 1000
"""From this many levels on, those seen once are forgotten: they carry nothing and cost memory."""
SMALL = 256
"""Up to this many rows a Python dict is faster than building Arrow's hash table."""


class Feature(NamedTuple):
    """One column of the matrix of numbers."""

    column: str
    part: str
    """``value``, one of `DATE_PARTS`, ``length`` (of a text, as a logarithm) or ``score``."""


class Encoded(NamedTuple):
    """Rows as the rungs take them."""

    numbers: npt.NDArray[np.float64]
    """Shape (n_rows, n_numbers), NaN where missing."""
    codes: npt.NDArray[np.int32]
    """Shape (n_rows, n_categories): level, `MISSING` or `UNSEEN`."""
    texts: tuple[Any, ...] = ()
    """For each text column without scores a CSR matrix, shape (n_rows, n_grams)."""

    def rows(self, index: npt.NDArray[np.int64]) -> Encoded:
        """Take some rows."""
        return Encoded(self.numbers[index], self.codes[index], tuple(text[index] for text in self.texts))


@dataclass(frozen=True, eq=False)
class Encoder:
    """Fitted on training rows; immutable, so that threads may share it."""

    schema: Schema
    levels: Mapping[str, pa.StringArray]
    """Category column → its levels, sorted."""
    texts: Mapping[str, Tfidf] = field(default_factory=dict)
    """Text column → its grams."""
    scores: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    """Text column → coefficients of its grams, the last row the intercept, shape (n_grams + 1, n_scores)."""

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """Columns of the matrix of numbers, in order."""
        found: list[Feature] = []
        for column in self.schema:
            if column.kind == "datetime":
                found += [Feature(column.name, part) for part in DATE_PARTS]
            else:
                parts = {"text": ["length"], "category": []}.get(column.kind, ["value"])
                found += [Feature(column.name, part) for part in parts]
        for name, table in self.scores.items():
            found += [Feature(name, "score")] * table.shape[1]
        return tuple(found)

    @property
    def categories(self) -> tuple[str, ...]:
        """Columns of the matrix of codes, in order."""
        return tuple(self.levels)

    @property
    def text_widths(self) -> tuple[int, ...]:
        """Grams of each text column that comes as TF-IDF."""
        return () if self.scores else tuple(len(text.idf) for text in self.texts.values())

    @cached_property
    def known(self) -> Mapping[str, Mapping[str | None, int]]:
        """Category column → level → its code."""
        pairs = ((name, levels.to_pylist()) for name, levels in self.levels.items())
        return {name: {None: MISSING} | {level: i for i, level in enumerate(levels)} for name, levels in pairs}

    def transform(self, table: pa.Table) -> Encoded:
        """Encode raw rows; unknown categories and unreadable values are fine.

        Raises
        ------
        UserError
            A column of the schema is not there.
        """
        codes = np.empty((table.num_rows, len(self.levels)), np.int32)
        blocks, texts = [np.empty((table.num_rows, 0))], []
        for column in self.schema:
            values = columns.column(table, column.name)
            if column.kind == "category":
                codes[:, self.categories.index(column.name)] = self._codes(column.name, columns.texts(values))
                continue
            if column.kind == "text":
                values = columns.texts(values)
                texts.append(self.texts[column.name].transform(values))
            blocks.append(_block(column.kind, values))
        rows = Encoded(np.hstack(blocks), codes, tuple(texts))
        if not self.scores:
            return rows
        return scored(rows, [score(text, table) for text, table in zip(texts, self.scores.values(), strict=True)])

    def _codes(self, name: str, values: pa.StringArray) -> npt.NDArray[np.int32]:
        import pyarrow.compute as pc

        if len(values) <= SMALL:
            known = self.known[name]
            return np.array([known.get(value, UNSEEN) for value in values.to_pylist()], np.int32)
        found = pc.index_in(values, self.levels[name], skip_nulls=True)
        filled = pc.if_else(pc.is_null(values), MISSING, pc.fill_null(found, UNSEEN))
        codes: npt.NDArray[np.int32] = filled.to_numpy(zero_copy_only=False).astype(np.int32)
        return codes


def fit_encoder(table: pa.Table, schema: Schema, *, most_grams: int = MOST_GRAMS) -> Encoder:
    """Learn the levels of the category columns and the grams of the text columns, so many for each at most."""
    found: dict[str, list[tuple[str, pa.StringArray]]] = {"category": [], "text": []}
    for column in schema:
        if column.kind in found:
            found[column.kind].append((column.name, columns.texts(columns.column(table, column.name))))
    levels = {name: _levels(values) for name, values in found["category"]}
    return Encoder(schema, levels, {name: fit_tfidf(values, most=most_grams) for name, values in found["text"]})


def score(text: Any, table: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the scores of texts, shape (n_rows, n_scores), from their TF-IDF and its coefficients."""
    return np.asarray(text @ table[:-1] + table[-1])


def scored(rows: Encoded, scores: Sequence[npt.NDArray[np.float64]]) -> Encoded:
    """Put scores of the text columns in place of their TF-IDF."""
    return Encoded(np.hstack([rows.numbers, *scores]), rows.codes)


def _levels(values: pa.StringArray) -> pa.StringArray:
    import pyarrow.compute as pc

    counted = pc.value_counts(values.drop_null())
    levels, counts = counted.field("values"), counted.field("counts")
    if len(levels) > MANY_LEVELS:
        levels = levels.filter(pc.greater(counts, 1))
    return levels.take(pc.sort_indices(levels))


def _block(kind: str, values: pa.Array) -> npt.NDArray[np.float64]:
    if kind == "datetime":
        return date_parts(columns.moments(values))
    if kind == "text":
        import pyarrow as pa
        import pyarrow.compute as pc

        return np.log1p(columns.numbers(pc.utf8_length(values).cast(pa.int64())))[:, None]
    read = columns.booleans if kind == "boolean" else columns.numbers
    return read(values)[:, None]


def date_parts(moments: npt.NDArray[np.datetime64]) -> npt.NDArray[np.float64]:
    """Return year, month 1–12, weekday (0 is Monday), hour and days since 1970, shape (n_rows, 5).

    Examples
    --------
    >>> date_parts(np.array(["2024-02-29T18:00", "NaT"], "datetime64[us]")).tolist()
    [[2024.0, 2.0, 3.0, 18.0, 19782.75], [nan, nan, nan, nan, nan]]
    """
    days = moments.astype("datetime64[D]")
    years, months = moments.astype("datetime64[Y]"), moments.astype("datetime64[M]")
    number = days.astype(np.int64)
    parts = np.column_stack(
        [
            years.astype(np.int64) + 1970.0,
            months.astype(np.int64) % 12 + 1.0,
            (number + 3.0) % 7,
            (moments - days).astype(np.int64) // 3_600_000_000,
            moments.astype(np.int64) / 86_400e6,
        ]
    )
    parts[np.isnat(moments)] = np.nan
    return parts

"""The encoder: raw rows → a matrix of numbers and a matrix of category codes.

Both learning rungs start from these two matrices; what a rung does beyond that (scaling, one-hot, target means) is its
own. Dates become year, month, weekday, hour and days since 1970. Columns of kind `text` are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Schema
from cauce.tasks.tabular import columns

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
    """``value``, or one of `DATE_PARTS`."""


class Encoded(NamedTuple):
    """Rows as the rungs take them."""

    numbers: npt.NDArray[np.float64]
    """Shape (n_rows, n_numbers), NaN where missing."""
    codes: npt.NDArray[np.int32]
    """Shape (n_rows, n_categories): level, `MISSING` or `UNSEEN`."""

    def rows(self, index: npt.NDArray[np.int64]) -> Encoded:
        """Take some rows."""
        return Encoded(self.numbers[index], self.codes[index])


@dataclass(frozen=True, eq=False)
class Encoder:
    """Fitted on training rows; immutable, so that threads may share it."""

    schema: Schema
    levels: Mapping[str, pa.StringArray]
    """Category column → its levels, sorted."""

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """Columns of the matrix of numbers, in order."""
        found: list[Feature] = []
        for column in self.schema:
            if column.kind == "datetime":
                found += [Feature(column.name, part) for part in DATE_PARTS]
            elif column.kind in {"integer", "number", "boolean"}:
                found.append(Feature(column.name, "value"))
        return tuple(found)

    @property
    def categories(self) -> tuple[str, ...]:
        """Columns of the matrix of codes, in order."""
        return tuple(self.levels)

    @cached_property
    def _known(self) -> Mapping[str, Mapping[str | None, int]]:
        pairs = ((name, levels.to_pylist()) for name, levels in self.levels.items())
        return {name: {None: MISSING} | {level: i for i, level in enumerate(levels)} for name, levels in pairs}

    def transform(self, table: pa.Table) -> Encoded:
        """Encode raw rows; unknown categories and unreadable values are fine.

        Raises
        ------
        UserError
            A column of the schema is not there.
        """
        numbers = np.empty((table.num_rows, len(self.features)), np.float64)
        codes = np.empty((table.num_rows, len(self.levels)), np.int32)
        at = 0
        for column in self.schema:
            if column.kind == "text":
                continue
            values = columns.column(table, column.name)
            if column.kind == "category":
                codes[:, self.categories.index(column.name)] = self._codes(column.name, columns.texts(values))
                continue
            block = _block(column.kind, values)
            numbers[:, at : at + block.shape[1]] = block
            at += block.shape[1]
        return Encoded(numbers, codes)

    def _codes(self, name: str, values: pa.StringArray) -> npt.NDArray[np.int32]:
        import pyarrow.compute as pc

        if len(values) <= SMALL:
            known = self._known[name]
            return np.array([known.get(value, UNSEEN) for value in values.to_pylist()], np.int32)
        found = pc.index_in(values, self.levels[name], skip_nulls=True)
        filled = pc.if_else(pc.is_null(values), MISSING, pc.fill_null(found, UNSEEN))
        codes: npt.NDArray[np.int32] = filled.to_numpy(zero_copy_only=False).astype(np.int32)
        return codes


def fit_encoder(table: pa.Table, schema: Schema) -> Encoder:
    """Learn the levels of the category columns."""
    names = [column.name for column in schema if column.kind == "category"]
    return Encoder(schema, {name: _levels(columns.texts(columns.column(table, name))) for name in names})


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

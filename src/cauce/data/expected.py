"""A file's columns held against those that a model was trained on: a value of another kind is told, never guessed at.

The fitted object reads tolerantly: what it cannot read is missing to it. For a batch that would turn a column of
words, sent where numbers were, into a file of plausible predictions; so the border says no, as the service does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Column, Schema
from cauce.core.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*$"
BOOLEAN = r"^\s*(?i:true|false|t|f|yes|no|y|n|sí|si|1|0|1\.0|0\.0)\s*$"
WANTED = {
    "integer": "numbers",
    "number": "numbers",
    "boolean": "true or false",
    "datetime": "dates as 2026-01-31 or 2026-01-31T09:30:00Z",
    "category": "text",
    "text": "text",
}


@dataclass
class _Seen:
    row: int
    value: str
    n_rows: int


class KindCheck:
    """Looks, batch by batch, for columns that hold another kind of value than the model was trained on.

    Parameters
    ----------
    schema
        What it was trained on.
    where
        Place of the rows, for errors.

    Examples
    --------
    >>> import pyarrow as pa
    >>> check = KindCheck(Schema((Column("hours", "number"),)), where="rows.csv")
    >>> check.take(pa.table({"hours": ["5", "many"]}))
    >>> check.finish()
    Traceback (most recent call last):
    cauce.core.errors.UserError: rows.csv, column 'hours', row 2: not what the model was trained on, ...
    """

    def __init__(self, schema: Schema, *, where: str) -> None:
        self._schema, self._where = schema, where
        self._n_rows = 0
        self._seen: dict[str, _Seen] = {}

    def doubtful(self, types: pa.Schema) -> list[str]:
        """Return the columns whose values must be looked at: those of the others fit by their type."""
        return [one.name for one in self._schema if not _fits(types.field(one.name).type, one)]

    def take(self, rows: pa.Table) -> None:
        """Look at the next rows; columns of the schema that they lack are passed over."""
        for column in self._schema:
            if column.name not in rows.column_names:
                continue
            values = rows[column.name].combine_chunks()
            bad = np.flatnonzero(_misfits(values, column))
            if len(bad):
                first = _Seen(self._n_rows + int(bad[0]), str(values[int(bad[0])].as_py()), 0)
                self._seen.setdefault(column.name, first).n_rows += len(bad)
        self._n_rows += rows.num_rows

    def finish(self) -> None:
        """Refuse the rows where a value is of another kind.

        Raises
        ------
        UserError
            Names the first such column, its first such value, its row (from 1) and how many there are.
        """
        for column in self._schema:
            if column.name not in self._seen:
                continue
            seen = self._seen[column.name]
            more = f" {seen.n_rows:,} rows are like this." if seen.n_rows > 1 else ""
            raise UserError(
                f"not what the model was trained on, {WANTED[column.kind]}",
                where=f"{self._where}, column {column.name!r}, row {seen.row + 1}",
                received=seen.value,
                hint=f"Mend the values, and leave the field empty where one is missing.{more}",
            )


def count_unseen(table: pa.Table, schema: Schema) -> dict[str, int]:
    """Return, by column, how many rows hold a category that training never saw; columns without such rows are left out.

    Examples
    --------
    >>> import pyarrow as pa
    >>> schema = Schema((Column("plan", "category", categories=("free", "paid")),))
    >>> count_unseen(pa.table({"plan": ["free", "gold", None]}), schema)
    {'plan': 1}
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    found = {}
    for column in schema:
        values = table[column.name]
        if pa.types.is_integer(values.type):
            values = values.cast(pa.string())
        if column.categories is None or not _is_text(values.type):
            continue
        known = pc.is_in(values, value_set=pa.array(column.categories, values.type))
        unseen = int(pc.sum(pc.and_(pc.invert(known), pc.is_valid(values))).as_py() or 0)
        if unseen:
            found[column.name] = unseen
    return found


def _fits(kind: pa.DataType, column: Column) -> bool:
    """Say whether all values of a type are of the column's kind."""
    import pyarrow as pa

    if pa.types.is_null(kind):
        return True
    if column.kind in {"category", "text"}:
        return not (pa.types.is_nested(kind) or pa.types.is_binary(kind))
    if column.kind == "datetime":
        return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))
    if column.kind == "boolean":
        return bool(pa.types.is_boolean(kind))
    return _is_number(kind)


def _misfits(values: pa.Array, column: Column) -> npt.NDArray[np.bool_]:
    """Return which rows hold a value of another kind, shape (n_rows,)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if _fits(values.type, column):
        return np.zeros(len(values), dtype=np.bool_)
    present = values.is_valid().to_numpy(zero_copy_only=False)
    if _is_text(values.type):
        return np.asarray(present & _unreadable(values, column))
    if column.kind == "boolean" and _is_number(values.type):
        number = pc.fill_null(values.cast(pa.float64(), safe=False), 0.0).to_numpy(zero_copy_only=False)
        return np.asarray(~np.isin(number, [0.0, 1.0]) & ~np.isnan(number))
    return np.asarray(present)


def _unreadable(values: pa.Array, column: Column) -> npt.NDArray[np.bool_]:
    import pyarrow as pa
    import pyarrow.compute as pc

    from cauce.profile.dates import parse_dates

    if column.kind == "datetime":
        return np.isnan(parse_dates(values.cast(pa.string())))
    fits = pc.match_substring_regex(values, BOOLEAN if column.kind == "boolean" else NUMBER)
    return np.asarray(~pc.fill_null(fits, True).to_numpy(zero_copy_only=False))


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    whole = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    return bool(whole or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))

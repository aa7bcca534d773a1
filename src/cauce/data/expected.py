"""A file's columns held against those that a model was trained on: a value of another kind is told, never guessed at.

The fitted object reads tolerantly: what it cannot read is missing to it. For a batch that would turn a column of
words, sent where numbers were, into a file of plausible predictions; so the border says no, as the service does.
"""

from __future__ import annotations

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


def check_kinds(table: pa.Table, schema: Schema, *, where: str) -> None:
    """Refuse a table in which a column holds another kind of value than the model was trained on.

    Parameters
    ----------
    table
        Has every column of `schema`.
    where
        Place of the table, for errors.

    Raises
    ------
    UserError
        Names the column, the first such value, its row (from 1) and how many there are.

    Examples
    --------
    >>> import pyarrow as pa
    >>> check_kinds(pa.table({"hours": ["5", "many"]}), Schema((Column("hours", "number"),)), where="rows.csv")
    Traceback (most recent call last):
    cauce.core.errors.UserError: rows.csv, column 'hours', row 2: not what the model was trained on, ...
    """
    for column in schema:
        values = table[column.name].combine_chunks()
        bad = np.flatnonzero(_misfits(values, column))
        if not len(bad):
            continue
        first, more = int(bad[0]), f" {len(bad):,} rows are like this." if len(bad) > 1 else ""
        raise UserError(
            f"not what the model was trained on, {WANTED[column.kind]}",
            where=f"{where}, column {column.name!r}, row {first + 1}",
            received=str(values[first].as_py()),
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


def _misfits(values: pa.Array, column: Column) -> npt.NDArray[np.bool_]:
    """Return which rows hold a value of another kind, shape (n_rows,)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    present = values.is_valid().to_numpy(zero_copy_only=False)
    kind = values.type
    if pa.types.is_null(kind):
        return np.zeros(len(values), dtype=np.bool_)
    if _is_text(kind):
        return np.asarray(present & _unreadable(values, column))
    nested = pa.types.is_nested(kind) or pa.types.is_binary(kind)
    if column.kind in {"category", "text"}:
        fits = not nested
    elif column.kind == "datetime":
        fits = pa.types.is_timestamp(kind) or pa.types.is_date(kind)
    else:
        fits = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        fits = fits or pa.types.is_boolean(kind)
    if not fits:
        return np.asarray(present)
    if column.kind == "boolean" and not pa.types.is_boolean(kind):
        number = pc.fill_null(values.cast(pa.float64(), safe=False), 0.0).to_numpy(zero_copy_only=False)
        return np.asarray(~np.isin(number, [0.0, 1.0]) & ~np.isnan(number))
    return np.zeros(len(values), dtype=np.bool_)


def _unreadable(values: pa.Array, column: Column) -> npt.NDArray[np.bool_]:
    import pyarrow as pa
    import pyarrow.compute as pc

    from cauce.profile.dates import parse_dates

    if column.kind in {"category", "text"}:
        return np.zeros(len(values), dtype=np.bool_)
    if column.kind == "datetime":
        return np.isnan(parse_dates(values.cast(pa.string())))
    fits = pc.match_substring_regex(values, BOOLEAN if column.kind == "boolean" else NUMBER)
    return np.asarray(~pc.fill_null(fits, True).to_numpy(zero_copy_only=False))


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))

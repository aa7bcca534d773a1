"""Rows of the ledger whose truths came, kept in the lake beside their data set: ``lake/<name>.<model>/``.

The table grows by appending; a corrected truth is a later row with the same unit, and reading keeps the latest. So an
append costs what it adds, and a training can name the version that it read.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cauce.core.errors import UserError
from cauce.core.files import write_bytes
from cauce.core.names import check_name
from cauce.data.columns import ROW
from cauce.data.compaction import settle_rows
from cauce.data.lake import read_table, write
from cauce.data.log import last_version
from cauce.data.recovery import recover
from cauce.data.retention import keep_newest_only

if TYPE_CHECKING:
    import pyarrow as pa

UNIT, AT = "unit", "at"
PURGING = "_purging"
"""Beside a table's files from before an erasure until no older version is left."""


def append_labelled(lake: Path, name: str, model: str, rows: pa.Table) -> int:
    """Add rows whose truths came, and return the version that holds them.

    Rows that are there already are left out; when nothing is left, no version is made. Where a unit comes again with
    other values, the later row counts. Callers hold the project's lock.

    Parameters
    ----------
    lake
        `.cauce/lake`.
    name
        The data set.
    model
        The model whose ledger the rows come from.
    rows
        Columns `unit` (text), `at` (timestamp), features and target. A column that is new, or gone, or of another type
        is taken as it comes: missing values fill it, and types meet in the wider one, or in text.

    Raises
    ------
    UserError
        `unit` or `at` is missing or has nulls, no row was ever given, or the disk is full.
    """
    folder = lake / f"{check_name(name)}.{check_name(model)}"
    _check(rows, folder)
    recover(folder)
    version = last_version(folder)
    before = read_table(folder, version, None, order=ROW) if version >= 0 else None
    rows = _latest_of_each(_plain(rows))
    if before is not None:
        rows = _news(rows, before)
    if rows.num_rows == 0 and before is not None:
        return version
    start = before.num_rows if before is not None else 0
    numbered = _numbered(rows, start)
    if before is None:
        return write(folder, numbered.to_reader(), mode="overwrite")
    types = {field.name: field.type for field in before.schema}
    known = [name for name in numbered.column_names if name in _present(numbered) or name not in types]
    numbered = numbered.select(known)
    if all(types.get(field.name, field.type) == field.type for field in numbered.schema):
        return settle_rows(folder, write(folder, numbered.to_reader(), mode="append"))
    return write(folder, _joined(before, numbered).to_reader(), mode="overwrite")


def read_labelled(lake: Path, name: str, model: str, *, version: int | None = None) -> pa.Table | None:
    """Read a model's labelled rows, one a unit, ordered by `at` (then by `unit`); None when there are none yet."""
    folder = lake / f"{check_name(name)}.{check_name(model)}"
    newest = last_version(folder)
    if newest < 0:
        return None
    table = _latest_of_each(read_table(folder, newest if version is None else version, None, order=ROW))
    return table.drop_columns([ROW]).sort_by([(AT, "ascending"), (UNIT, "ascending")])


def forget_labelled(lake: Path, model: str, *, units: Collection[str] = (), before: datetime | None = None) -> int:
    """Erase rows of some units, or older ones, in every version, whatever data set they lie beside; return how many.

    Callers hold the project's lock. After a kill the same call goes on. Nothing is rewritten where nothing is to go;
    but with `units`, older versions are deleted in any case.

    Raises
    ------
    Locked
        Somebody reads an older version.
    """
    n_rows = 0
    for folder in sorted(lake.glob(f"*.{check_name(model)}")):
        recover(folder)
        version = last_version(folder)
        if version < 0:
            continue
        rows = read_table(folder, version, None, order=ROW)
        left = _without(rows, units, before)
        mark = folder / PURGING
        if units or left.num_rows < rows.num_rows:
            write_bytes(mark, b"")
        if left.num_rows < rows.num_rows:
            write(folder, _numbered(left.drop_columns([ROW]), 0).to_reader(), mode="overwrite")
        if mark.exists():
            keep_newest_only(folder)
            mark.unlink()
        n_rows += rows.num_rows - left.num_rows
    return n_rows


def _without(rows: pa.Table, units: Collection[str], before: datetime | None) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    if units:
        rows = rows.filter(pc.invert(pc.is_in(rows[UNIT], value_set=pa.array(sorted(units), rows[UNIT].type))))
    return rows.filter(pc.greater_equal(rows[AT], before)) if before is not None else rows


def _numbered(rows: pa.Table, start: int) -> pa.Table:
    import pyarrow as pa

    return rows.append_column(ROW, pa.array(np.arange(start, start + rows.num_rows, dtype=np.int64)))


def _check(rows: pa.Table, folder: Path) -> None:
    import pyarrow as pa

    for name in (UNIT, AT):
        if name not in rows.column_names or rows[name].null_count:
            raise UserError(
                f"labelled rows need a column {name!r} without nulls",
                where=str(folder),
                received=rows.column_names,
                hint="Fold the ledger again.",
            )
    if not pa.types.is_timestamp(rows.schema.field(AT).type):
        raise UserError(
            "the column 'at' of labelled rows is no timestamp",
            where=str(folder),
            received=str(rows.schema.field(AT).type),
            hint="Fold the ledger again.",
        )


def _plain(rows: pa.Table) -> pa.Table:
    """Return the rows in types that Delta keeps: no dictionaries, no unsigned or all-null types, moments in UTC µs."""
    import pyarrow as pa

    return rows.cast(pa.schema([pa.field(field.name, _plain_type(field.type)) for field in rows.schema]), safe=False)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_integer(kind):
        return pa.int64()
    if pa.types.is_floating(kind):
        return pa.float64()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", tz="UTC")
    if pa.types.is_boolean(kind) or pa.types.is_date32(kind) or pa.types.is_decimal(kind):
        return kind
    return pa.string()


def _latest_of_each(rows: pa.Table) -> pa.Table:
    """Keep the last row of each unit, in the order of the rows kept."""
    units = rows[UNIT].to_numpy(zero_copy_only=False).astype(np.str_)
    _, from_end = np.unique(units[::-1], return_index=True)
    return rows.take(np.sort(len(units) - 1 - from_end))


def _news(rows: pa.Table, before: pa.Table) -> pa.Table:
    """Leave out rows that are the table's latest of their unit already."""
    from cauce.data.units import hash_rows

    names = [name for name in before.column_names if name != ROW]
    if set(names) != set(rows.column_names):
        return rows
    old, new = _latest_of_each(before).select(names), rows.select(names)
    known = np.isin(hash_rows(new, seed=1), hash_rows(old, seed=1))
    return rows.filter(~known)


def _joined(before: pa.Table, rows: pa.Table) -> pa.Table:
    """Put tables of different types together: numbers meet in float64, all else in text."""
    import pyarrow as pa

    types = {field.name: field.type for field in before.schema if field.name in _present(before)}
    for field in rows.schema:
        if field.name not in _present(rows) and field.name in types:
            continue
        known = types.setdefault(field.name, field.type)
        if known != field.type:
            numbers = all(pa.types.is_integer(k) or pa.types.is_floating(k) for k in (known, field.type))
            types[field.name] = pa.float64() if numbers else pa.string()
    schema = pa.schema(list(types.items()))
    return pa.concat_tables([_under(table, schema) for table in (before, rows)])


def _present(table: pa.Table) -> set[str]:
    """Return the columns that hold any value: what is all missing has no type of its own."""
    return {name for name in table.column_names if table[name].null_count < table.num_rows}


def _under(table: pa.Table, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    arrays = [
        table[field.name].cast(field.type) if field.name in _present(table) else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)

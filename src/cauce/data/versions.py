"""One version of a table, opened: its columns' types, its files, and what Delta knows of each.

A version that retention has forgotten is refused even where its files are still there: a reader must not begin what a
deletion may end.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from cauce.core.errors import UserError
from cauce.data.filters import Bounds, comparable
from cauce.data.log import last_version

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable


@dataclass(frozen=True)
class DataFile:
    """A Parquet file of a version."""

    path: Path
    values: Mapping[str, Any]
    """Partition column → its value in this file."""
    n_bytes: int
    n_rows: int | None


@dataclass(frozen=True, eq=False)
class Stored:
    """One version's files."""

    schema: pa.Schema
    """All columns, the row number included."""
    files: tuple[DataFile, ...]
    actions: pa.Table
    """Delta's add actions, flattened: a row for each of `files`."""

    @cached_property
    def _known(self) -> dict[str, list[Bounds]]:
        return {}

    def bounds(self, column: str) -> list[Bounds]:
        """Return what is known of a column in each file."""
        if column not in self._known:
            kind = self.schema.field(column).type
            self._known[column] = _partition(self, column) or _statistics(self.actions, column, kind)
        return self._known[column]

    def only(self, rows: list[int]) -> Stored:
        """Return the version with these of its files alone, in this order."""
        import pyarrow as pa

        return Stored(
            self.schema, tuple(self.files[row] for row in rows), self.actions.take(pa.array(rows, pa.int64()))
        )


def _partition(stored: Stored, column: str) -> list[Bounds]:
    if f"partition.{column}" not in stored.actions.column_names:
        return []
    import pyarrow as pa

    kind = stored.schema.field(column).type
    values = comparable(pa.array([file.values[column] for file in stored.files], kind))
    return [Bounds(v, v, int(v is None), 1, exact=True) for v in values]


def _statistics(actions: pa.Table, column: str, kind: pa.DataType) -> list[Bounds]:
    """Return Delta's statistics, widened by what their form in the log loses."""
    n_files = actions.num_rows

    def of(name: str) -> list[Any]:
        return comparable(actions[name]) if name in actions.column_names else [None] * n_files

    lower, upper = of(f"min.{column}"), of(f"max.{column}")
    return [
        Bounds(widened(low, kind, -1), widened(high, kind, 1), n_missing, n_rows)
        for low, high, n_missing, n_rows in zip(
            lower, upper, of(f"null_count.{column}"), of("num_records"), strict=True
        )
    ]


def widened(bound: Any, kind: pa.DataType, side: int) -> Any:
    """Return a bound, moved outwards by what JSON loses: moments are cut at milliseconds, decimals pass as floats."""
    import pyarrow as pa

    if bound is None:
        return None
    if pa.types.is_timestamp(kind):
        return bound + side * 1000
    if pa.types.is_floating(kind):
        return math.nextafter(bound, side * math.inf)
    if pa.types.is_decimal(kind) and kind.precision > 15:
        return None
    return bound


def open_version(folder: Path, version: int) -> Stored:
    """Look up a version's schema and files.

    Raises
    ------
    UserError
        No such version, or one that retention removed.
    """
    if version in forgotten(folder):
        raise removed(folder, version)
    return look_up(folder, version)


def look_up(folder: Path, version: int) -> Stored:
    """Do the same, also for a forgotten version, whose files may be gone."""
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        table = DeltaTable(str(folder), version=version)
    except (DeltaError, OSError, OverflowError) as error:
        if 0 <= version < last_version(folder):
            raise removed(folder, version) from error
        hint = f"The newest version is {last_version(folder)}."
        raise UserError(
            f"no such version of the data set: {error}", where=str(folder), received=version, hint=hint
        ) from error
    actions = pa.table(table.get_add_actions(flatten=True))
    if any(actions.column(name).null_count < actions.num_rows for name in _vectors(actions)):
        raise UserError(
            "the table has deletion vectors, which Cauce does not read",
            where=str(folder),
            hint="Rewrite it with the tool that deleted rows from it.",
        )
    keys = table.metadata().partition_columns
    columns = {key: actions[f"partition.{key}"].to_pylist() for key in keys}
    files = tuple(
        DataFile(folder / unquote(path), {key: columns[key][row] for key in keys}, n_bytes, n_rows)
        for row, (path, n_bytes, n_rows) in enumerate(
            zip(*(actions[name].to_pylist() for name in ("path", "size_bytes", "num_records")), strict=True)
        )
    )
    return Stored(_schema(table), files, actions)


def _vectors(actions: pa.Table) -> list[str]:
    return [name for name in actions.column_names if name == "deletion_vector.storage_type"]


def forgotten(folder: Path) -> frozenset[int]:
    """Return the versions that retention removed and whose commits are still there."""
    try:
        return frozenset(json.loads((folder / FORGOTTEN).read_bytes()))
    except FileNotFoundError:
        return frozenset()
    except (ValueError, TypeError) as error:
        hint = "Bring the file back from a backup: it says which versions `keep` removed."
        raise UserError("not a readable list of versions", where=str(folder / FORGOTTEN), hint=hint) from error


FORGOTTEN = "_forgotten.json"


def removed(folder: Path, version: int) -> UserError:
    """Return the error for a version that retention removed."""
    hint = f"`cauce data log {folder.name}` lists the versions that can be read."
    return UserError("this version was removed by `keep`", where=str(folder), received=version, hint=hint)


_ARROW = {
    "string": "large_string",
    "long": "int64",
    "integer": "int32",
    "short": "int16",
    "byte": "int8",
    "double": "double",
    "float": "float",
    "boolean": "bool",
    "date": "date32",
    "binary": "binary",
}


def _schema(table: DeltaTable) -> pa.Schema:
    import pyarrow as pa

    def arrow(kind: str) -> pa.DataType:
        if kind == "string":
            return pa.string()
        if kind in {"timestamp", "timestamp_ntz"}:
            return pa.timestamp("us", tz="UTC" if kind == "timestamp" else None)
        if digits := re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", kind):
            return pa.decimal128(int(digits[1]), int(digits[2]))
        return pa.type_for_alias(_ARROW[kind])

    return pa.schema([pa.field(field.name, arrow(str(field.type.type))) for field in table.schema().fields])

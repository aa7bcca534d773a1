"""Excel: one sheet of an .xlsx file, its first row the column names, the types decided by all the cells of a column."""

from __future__ import annotations

import datetime as dt
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cauce.core.extras import need
from cauce.data.duck import memory_bytes
from cauce.data.faults import find_file
from cauce.data.sources.delimited import MISSING
from cauce.data.sources.landing import BATCH, land, landed, plain
from cauce.data.sources.local import stat_mark
from cauce.data.sources.source import Asked, Raw
from cauce.data.sources.tables import no_such_table
from cauce.data.sources.zipped import Oversized, measured

if TYPE_CHECKING:
    import pyarrow as pa

CELL_BYTES = 32
"""What the reader takes for a cell, an empty one too."""
MEMORY_SHARE = 0.4
"""Share of the memory that the cells may take."""
_MISSING = frozenset(MISSING)
_EXACT = 2.0**53
Row = Sequence[Any]


class Excel:
    """A sheet of an Excel workbook; `table` names it, the first one otherwise."""

    keys = frozenset({"table"})

    def mark(self, asked: Asked) -> str:
        """Say size, time of change and inode."""
        return stat_mark(asked.folder / asked.spec.source)

    @contextmanager
    def opened(self, asked: Asked) -> Iterator[Raw]:
        """Read the sheet into the spill folder; see `Source`."""
        need("python_calamine", extra="excel", what="an Excel source")
        path = find_file(asked.folder, asked.spec.source, where=asked.at("source"))
        _check_size(asked, path)
        with _workbook_errors(asked):
            sheet = _sheet(asked, path)
            names, kinds = _columns(sheet, asked)
            schema = _schema(kinds)
            file = land(asked, schema, _batches(sheet, kinds, schema))
        with landed(asked, file, names=names) as rows:
            yield rows


def _check_size(asked: Asked, path: Path) -> None:
    hint = "Save it anew in Excel or LibreOffice, or export the sheet as CSV."
    try:
        cells = measured(path)
    except Oversized as error:
        raise asked.fault(f"a workbook that no office program writes: {error}", hint=hint) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError) as error:
        hint = "Save it as .xlsx (not .xls) without a password, and set `format` if the ending says another one."
        raise asked.fault(f"not a readable .xlsx file: {error}", hint=hint) from error
    most = int(memory_bytes() * MEMORY_SHARE / CELL_BYTES)
    if cells > most:
        what = f"the sheet's cells span {cells:,} places, more than the {most:,} that fit into memory"
        raise asked.fault(what, hint="Delete stray cells far below or right of the table, or export the sheet as CSV.")


@contextmanager
def _workbook_errors(asked: Asked) -> Iterator[None]:
    import python_calamine

    try:
        yield
    except python_calamine.CalamineError as error:
        hint = "Save it anew in Excel or LibreOffice, without a password."
        raise asked.fault(f"the workbook cannot be read: {str(error)[:200]}", hint=hint) from error


def _sheet(asked: Asked, path: Path) -> Any:
    import python_calamine

    workbook = python_calamine.CalamineWorkbook.from_path(path)
    names = [sheet.name for sheet in workbook.sheets_metadata if sheet.typ == python_calamine.SheetTypeEnum.WorkSheet]
    if not names or (asked.spec.table is not None and asked.spec.table not in names):
        raise no_such_table(asked, names, what="sheet")
    return workbook.get_sheet_by_name(asked.spec.table or names[0])


def _rows(sheet: Any) -> Iterator[Row]:
    """Give the rows that hold anything."""
    return (row for row in sheet.iter_rows() if any(cell != "" for cell in row))


def _columns(sheet: Any, asked: Asked) -> tuple[list[str], list[str]]:
    """Return the columns' names and kinds, by a pass over all cells."""
    rows = _rows(sheet)
    header = next(rows, None)
    if header is None:
        raise asked.fault("the sheet is empty", key="table" if asked.spec.table else "source", hint="Name another one.")
    seen: list[set[str]] = [set() for _ in header]
    while some := list(islice(rows, BATCH)):
        for kinds, cells in zip(seen, zip(*some, strict=True), strict=True):
            kinds.update(_kinds_of(cells))
    width = max((i + 1 for i, cell in enumerate(header) if cell != "" or seen[i]), default=0)
    names = [_text(cell) if cell != "" else f"column{i}" for i, cell in enumerate(header[:width])]
    return names, [_settled(kinds) for kinds in seen[:width]]


def _kinds_of(cells: Row) -> set[str]:
    kinds = {type(cell) for cell in cells}
    found = {_KINDS[kind] for kind in kinds if kind in _KINDS}
    if float in kinds and not all(cell.is_integer() and abs(cell) <= _EXACT for cell in cells if type(cell) is float):
        found.add("number")
    if str in kinds and any(type(cell) is str and cell not in _MISSING for cell in cells):
        found.add("text")
    return found


_KINDS = {
    bool: "boolean",
    int: "integer",
    float: "integer",
    dt.date: "date",
    dt.datetime: "moment",
    dt.time: "time",
    dt.timedelta: "duration",
}


def _settled(kinds: set[str]) -> str:
    """Return the one kind that holds all of a column's cells."""
    if len(kinds) == 1:
        return next(iter(kinds))
    if not kinds:
        return "empty"
    if kinds <= {"integer", "number"}:
        return "number"
    return "moment" if kinds <= {"date", "moment"} else "text"


def _schema(kinds: Sequence[str]) -> pa.Schema:
    import pyarrow as pa

    types = {
        "boolean": pa.bool_(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "date": pa.date32(),
        "moment": pa.timestamp("us"),
        "duration": pa.float64(),
    }
    return pa.schema(
        [(name, types.get(kind, pa.string())) for name, kind in zip(plain(len(kinds)), kinds, strict=True)]
    )


def _batches(sheet: Any, kinds: Sequence[str], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    rows = _rows(sheet)
    next(rows)
    while some := list(islice(rows, BATCH)):
        columns = zip(*some, strict=True)
        arrays = [
            pa.array(_values(cells, kind), field.type)
            for cells, kind, field in zip(columns, kinds, schema, strict=False)
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _values(cells: Row, kind: str) -> list[Any]:
    form: Callable[[Any], Any] = _FORMS.get(kind, _text)
    return [None if type(cell) is str and cell in _MISSING else form(cell) for cell in cells]


def _seconds(cell: dt.timedelta) -> float:
    return cell.total_seconds()


def _same(cell: Any) -> Any:
    return cell


def _moment(cell: Any) -> dt.datetime:
    return cell if isinstance(cell, dt.datetime) else dt.datetime(cell.year, cell.month, cell.day)  # noqa: DTZ001


def _text(cell: Any) -> str:
    """Return a cell as text: what stands beside texts in one column."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) <= _EXACT:
        return str(int(cell))
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    return str(cell)


_FORMS: dict[str, Callable[[Any], Any]] = {
    "boolean": bool,
    "integer": int,
    "number": float,
    "date": _same,
    "moment": _moment,
    "duration": _seconds,
}

"""Rows on their way out: a file that appears whole or not at all, or one commit of a Delta table."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from cauce.core.errors import UserError
from cauce.core.files import disk_errors, replaced, sync_folder

if TYPE_CHECKING:
    import pyarrow as pa

Write = Callable[["pa.Table"], None]
"""Takes the next rows; all of one schema, and at least one table, which may be empty."""
FILES = (".csv", ".parquet", ".jsonl")
TABLE = ".delta"
SUFFIXES = (*FILES, TABLE)


def check_output(path: Path) -> None:
    """Refuse a name that says no format, before any work.

    Raises
    ------
    UserError
        Neither a file of a known ending nor a Delta table's folder.
    """
    if _is_table(path):
        if path.exists() and not (path / "_delta_log").is_dir() and not _is_empty(path):
            hint = "Name a folder that is not there yet, or one that holds a Delta table: it gets a new version."
            raise UserError("no Delta table, and not empty", where=str(path), hint=hint)
    elif path.suffix not in FILES or path.is_dir():
        hint = (
            f"End it in {', '.join(SUFFIXES)}; {TABLE} is a Delta table's folder, and any folder of one may be named."
        )
        raise UserError("not a format for predictions", received=str(path), hint=hint)


def _is_table(path: Path) -> bool:
    return path.suffix == TABLE or (path / "_delta_log").is_dir()


def _is_empty(path: Path) -> bool:
    return path.is_dir() and next(path.iterdir(), None) is None


@contextmanager
def outgoing(path: Path) -> Iterator[Write]:
    """Give what takes the rows of a file or a Delta table; they are there at the end of the block, all of them.

    On any error within it, what was there before still is. A Delta table that is there gets one new version, which
    takes the place of its rows.

    Raises
    ------
    UserError
        The name says no format, the disk is full, or the folder may not be written.
    """
    check_output(path)
    with disk_errors(path):
        if _is_table(path):
            with _table(path) as write:
                yield write
        else:
            with replaced(path) as file, _writer(path.suffix, file) as write:
                yield write


@contextmanager
def _writer(suffix: str, file: IO[bytes]) -> Iterator[Write]:
    """Give what writes one format into an open file."""
    opened: list[Any] = []

    def write(rows: pa.Table) -> None:
        if suffix == ".jsonl":
            file.writelines(_lines(rows))
            return
        if not opened:
            opened.append(_opened(suffix, file, rows.schema))
        opened[0].write_table(rows)

    try:
        yield write
        for one in opened:
            one.close()
    except BaseException:
        for one in opened:
            if hasattr(one, "is_open"):  # else pyarrow ends the Parquet file when it is collected, and it is gone then
                one.is_open = False
        raise


def _opened(suffix: str, file: IO[bytes], schema: pa.Schema) -> Any:
    import pyarrow.csv
    import pyarrow.parquet

    return pyarrow.csv.CSVWriter(file, schema) if suffix == ".csv" else pyarrow.parquet.ParquetWriter(file, schema)


def _lines(rows: pa.Table) -> Iterator[bytes]:
    """Give a JSON object a row; decimals, which JSON's numbers would round, as text."""
    import orjson

    return (orjson.dumps(row, default=str, option=orjson.OPT_APPEND_NEWLINE) for row in rows.to_pylist())


@contextmanager
def _table(path: Path) -> Iterator[Write]:
    """Stage the rows beside the table, and commit them at once: an error among them reaches no table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shop = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    staged = shop / "staged.parquet"
    try:
        with staged.open("wb") as file, _writer(".parquet", file) as write:

            def take(rows: pa.Table) -> None:
                _check_names(rows.column_names, path)
                write(rows)

            yield take
        if (path / "_delta_log").is_dir():
            _commit(staged, path)
        else:
            _commit(staged, shop / "table")
            (shop / "table").replace(path)
            sync_folder(path.parent)
    finally:
        shutil.rmtree(shop, ignore_errors=True)


def _commit(staged: Path, folder: Path) -> None:
    """Make the rows the table's newest version, on the disk: Delta commits without syncing."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from deltalake import DeltaTable, write_deltalake

    from cauce.data.lake import lake_errors, synced, writer

    with lake_errors(folder), pq.ParquetFile(staged, pre_buffer=False) as file:
        rows = pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches())
        settings = {"schema_mode": "overwrite", "partition_by": [], "writer_properties": writer()}
        write_deltalake(str(folder), rows, mode="overwrite", **settings)
        table = DeltaTable(str(folder))
        synced([*map(Path, table.file_uris()), folder / "_delta_log" / f"{table.version():020}.json"])


def _check_names(names: list[str], path: Path) -> None:
    """Refuse what Delta would refuse at the end, after all the work."""
    seen: dict[str, str] = {}
    for name in names:
        first = seen.setdefault(name.lower(), name)
        if first != name:
            hint = "Delta does not tell them apart: write .parquet, .csv or .jsonl."
            raise UserError("two columns differ only in case", where=str(path), received=f"{first}, {name}", hint=hint)

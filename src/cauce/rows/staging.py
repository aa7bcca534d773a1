"""Row functions while a data set is loaded: batches pass through and come out with the new columns behind their own.

Functions written with Arrow's kernels cost less than reading the rows, and run where the rows are read. Slow ones are
found out by their time on the first rows: their batches are cut into pieces, computed by processes side by side, in
order, and every finished piece is kept on disk under its content. After a kill the same command finds the pieces again,
and where a source has grown, only the pieces with new rows are computed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from cauce.core.files import disk_errors, fingerprint
from cauce.core.progress import Progress, silent
from cauce.rows.compute import Computation
from cauce.rows.forms import form_of
from cauce.rows.functions import RowFunctions, check
from cauce.rows.pool import Pool, from_bytes, to_bytes
from cauce.rows.promise import check_promise, sample_of

if TYPE_CHECKING:
    import pyarrow as pa

SLOW_S = 0.5
"""Seconds that the first batch must take for functions to be computed by processes. Starting two costs about one."""
PIECE = 4096
"""Rows of a piece at most."""
FEWEST = 256
"""Rows of a piece at least."""


def look(functions: RowFunctions, batch: pa.RecordBatch) -> Computation:
    """Return the functions with the forms of their columns, after they kept their promise on rows of `batch`.

    Raises
    ------
    UserError
        A parameter is no column, a function raises, or a row's answer depends on other rows.
    """
    check(functions, batch.schema.names)
    rows, numbers = sample_of(batch)
    inputs = {name: form_of(str(batch.schema.field(name).type)) for name in functions.inputs}
    first = Computation(functions, inputs).columns(rows, numbers=numbers)
    found = Computation(functions, inputs, {name: form_of(str(values.type)) for name, values in first.items()})
    check_promise(found, rows, numbers=numbers)
    return found


def computing(
    reader: pa.RecordBatchReader,
    functions: RowFunctions,
    *,
    kept: Path | None = None,
    workers: int | None = None,
    progress: Progress = silent,
    stage: str = "rows",
) -> pa.RecordBatchReader:
    """Return a reader of the same batches with the new columns.

    Parameters
    ----------
    reader
        The data set's rows.
    functions
        What is computed.
    kept
        Folder for finished pieces of slow functions; None keeps none.
    workers
        Processes for slow functions; as many as there are cores when absent. 1 computes in this one.
    progress
        Told how many rows slow functions have done.
    stage
        Its name in what `progress` is told.

    Raises
    ------
    UserError
        While it is read: what `look` raises, and a function that fails on a row, with file, line, row and values.
    """
    import pyarrow as pa

    batches = iter(reader)
    first = next((batch for batch in batches if batch.num_rows), None)
    if first is None or not functions:
        rest = [] if first is None else [first]
        return pa.RecordBatchReader.from_batches(reader.schema, chain(rest, batches))
    found = look(functions, first)
    schema = _with(first.slice(0, 1), found.batch(first.slice(0, 1))).schema
    n_workers = (os.cpu_count() or 1) if workers is None else workers
    slow = seconds_for(found, first) >= SLOW_S
    made = (
        _slow(found, chain([first], batches), _Kept(kept, found), n_workers, (progress, stage))
        if slow
        else _quick(found, chain([first], batches))
    )
    return pa.RecordBatchReader.from_batches(schema, made)


def seconds_for(found: Computation, batch: pa.RecordBatch) -> float:
    """Return how long the functions take for a batch, estimated on a sample of it."""
    rows, numbers = sample_of(batch)
    begun = time.perf_counter()
    found.columns(rows)
    seconds = time.perf_counter() - begun
    return seconds * int(batch.num_rows) / len(numbers)


def _quick(found: Computation, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    start = 0
    for batch in batches:
        yield _with(batch, found.batch(batch, numbers=range(start, start + batch.num_rows)))
        start += batch.num_rows


def _slow(
    found: Computation,
    batches: Iterator[pa.RecordBatch],
    kept: _Kept,
    n_workers: int,
    told: tuple[Progress, str],
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    progress, stage = told
    start = 0
    with closing(Pool(found, n_workers)) as pool:
        for batch in batches:
            pieces = _pieces(batch.select(list(found.inputs)))
            done = []
            for piece, made in zip(
                pieces, _computed(found, pieces, kept, pool if n_workers > 1 else None), strict=True
            ):
                numbers = range(start, start + piece.num_rows)
                done.append(made if made is not None else found.batch(piece, numbers=numbers))
                kept.keep(piece, done[-1])
                start += piece.num_rows
                progress(stage, 0, 1, f"row functions: {start:,} rows")
            whole = pa.Table.from_batches(done).combine_chunks().to_batches()
            yield _with(batch, whole[0] if whole else done[0])
    kept.forget_others()


def _computed(
    found: Computation, pieces: list[pa.RecordBatch], kept: _Kept, pool: Pool | None
) -> Iterator[pa.RecordBatch | None]:
    """Give each piece's columns: kept ones, those of the pool, or None for what is to be computed here."""
    known = [kept.find(piece) for piece in pieces]
    missing = [piece for piece, made in zip(pieces, known, strict=True) if made is None]
    fresh = pool.map(missing) if pool is not None else iter([None] * len(missing))
    for made in known:
        yield made if made is not None else next(fresh)


def _pieces(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    """Cut a batch by its own size alone, so that a later load finds the same pieces."""
    n_rows = min(PIECE, max(FEWEST, -(-batch.num_rows // 16)))
    return [batch.slice(start, n_rows) for start in range(0, max(batch.num_rows, 1), n_rows)]


def _with(batch: pa.RecordBatch, made: pa.RecordBatch) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([*batch.columns, *made.columns], schema=pa.schema([*batch.schema, *made.schema]))


@dataclass
class _Kept:
    """Finished pieces of slow functions, each in a file that is named by what went in."""

    folder: Path | None
    found: Computation
    used: set[str] = field(default_factory=set)

    def find(self, piece: pa.RecordBatch) -> pa.RecordBatch | None:
        """Return the columns of a piece that was computed before."""
        if self.folder is None:
            return None
        path = self.folder / self._name(piece)
        try:
            made = from_bytes(path.read_bytes())
        except OSError:
            return None
        except ValueError:  # torn by a power cut; Arrow's errors are ValueErrors
            path.unlink(missing_ok=True)
            return None
        fits = made.num_rows == piece.num_rows and made.schema.names == list(self.found.functions.names)
        return made if fits else None

    def keep(self, piece: pa.RecordBatch, made: pa.RecordBatch) -> None:
        """Write a finished piece; a torn file after a crash is not found again."""
        if self.folder is None:
            return
        path = self.folder / self._name(piece)
        self.used.add(path.name)
        if path.exists():
            return
        with disk_errors(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(f".{os.getpid()}")
            draft.write_bytes(to_bytes(made))
            draft.replace(path)

    def forget_others(self) -> None:
        """Remove what this load did not use."""
        if self.folder is not None and self.folder.is_dir():
            for path in self.folder.iterdir():
                if path.name not in self.used:
                    path.unlink(missing_ok=True)

    def _name(self, piece: pa.RecordBatch) -> str:
        digest = self.found.functions.digest
        return fingerprint(digest, tuple(self.found.outputs.items()), to_bytes(piece))[:40] + ".arrow"

"""Which rows a finding concerns: one more pass over the columns concerned alone. Heavy: imported inside functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cauce.audit.check import MOST_ROWS, AuditContext
from cauce.core.errors import UserError

Mask = npt.NDArray[np.bool_]


def first_rows(
    context: AuditContext, columns: Sequence[str], test: Callable[[pa.RecordBatch], Mask]
) -> tuple[int, ...]:
    """Return the first row numbers that `test` marks, at most 20; the pass ends when they are found."""
    found: list[int] = []
    start = 0
    for batch in context.batches(columns):
        found += (np.flatnonzero(test(batch)) + start).tolist()
        start += batch.num_rows
        if len(found) >= MOST_ROWS:
            break
    return tuple(found[:MOST_ROWS])


def is_missing(array: pa.Array) -> Mask:
    """Mark nulls and NaN, shape (n,)."""
    return np.asarray(pc.is_null(array, nan_is_null=True).to_numpy(zero_copy_only=False), dtype=np.bool_)


def missing_rows(context: AuditContext, columns: Sequence[str]) -> tuple[int, ...]:
    """Return the first rows in which any of `columns` is missing."""

    def test(batch: pa.RecordBatch) -> Mask:
        marks: Mask = np.logical_or.reduce([is_missing(batch.column(name)) for name in columns])
        return marks

    return first_rows(context, columns, test)


def infinite_rows(context: AuditContext, columns: Sequence[str]) -> tuple[int, ...]:
    """Return the first rows in which any of `columns` is infinite."""
    from cauce.profile.arrays import to_floats

    def test(batch: pa.RecordBatch) -> Mask:
        marks: Mask = np.logical_or.reduce([np.isinf(to_floats(batch.column(name))) for name in columns])
        return marks

    return first_rows(context, columns, test)


def marked_rows(
    context: AuditContext, columns: Sequence[str], test: Callable[[Mapping[str, Any]], Any]
) -> tuple[int, tuple[int, ...]]:
    """Return how many rows `test` marks and the first 20; it gets numpy arrays by column, batch by batch.

    Raises
    ------
    UserError
        The test gave another number of booleans than there are rows.
    """
    n, start, rows = 0, 0, list[int]()
    for batch in context.batches(list(columns)):
        marks = np.asarray(test({name: as_numpy(batch.column(name)) for name in columns}))
        if marks.shape != (batch.num_rows,):
            hint = "Return one boolean a row, as a comparison of columns does."
            raise UserError("a test of rows gave another shape", received=marks.shape, hint=hint)
        places = np.flatnonzero(marks.astype(np.bool_))
        n += len(places)
        rows += (places[: MOST_ROWS - len(rows)] + start).tolist()
        start += batch.num_rows
    return n, tuple(rows)


def as_numpy(array: pa.Array) -> npt.NDArray[Any]:
    """Return values as numpy has them: numbers as float64 (missing NaN), dates as datetime64, the rest as objects."""
    from cauce.profile.arrays import family_of, plain, to_floats

    family = family_of(array.type)
    if family in {"integer", "number", "boolean"}:
        return to_floats(array)
    values = plain(array)
    if family == "datetime":
        return np.asarray(pc.cast(values, pa.timestamp("us"), safe=False).to_numpy(zero_copy_only=False))
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=object)

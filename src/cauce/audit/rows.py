"""Which rows a finding concerns: one more pass over the columns concerned alone. Heavy: imported inside functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cauce.audit.check import MOST_ROWS, AuditContext

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

"""The promise of a row function, held on a sample: a row's answer does not depend on the rows beside it.

At loading a function sees thousands of rows at once, in the service often one. A function that takes a batch's mean,
the value of the row before, or a figure that it remembers from its first call would give a model one thing to learn
from and another to answer with. So each is asked about the same rows in four ways: many at once, the same once more,
in another order, and one by one in a module that has seen nothing before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.errors import UserError
from cauce.rows.compute import Computation, values_at
from cauce.rows.forms import seen
from cauce.rows.functions import RowFunction

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE = 1000
"""Rows of the sample, spread evenly."""
ALONE = 64
"""Rows that are also asked about one by one; those with missing values first."""
CLOSE = 1e-9
"""Relative difference up to which numbers are the same: processors sum and round vectors and single values alike to
the last bit or two only."""


def sample_of(batch: pa.RecordBatch) -> tuple[pa.Table, list[int]]:
    """Return at most 1,000 rows of a batch, spread evenly, and their numbers in it."""
    import pyarrow as pa

    chosen = np.unique(np.linspace(0, batch.num_rows - 1, min(SAMPLE, batch.num_rows)).astype(np.int64))
    return pa.Table.from_batches([batch]).take(pa.array(chosen)).combine_chunks(), chosen.tolist()


def check_promise(computing: Computation, rows: pa.Table, *, numbers: Sequence[int] | None = None) -> None:
    """Refuse a function whose answer for a row depends on the rows beside it, or changes from call to call.

    Parameters
    ----------
    computing
        The functions, with the forms of all their columns.
    rows
        A sample, at least one row.
    numbers
        The rows' numbers from 0, for errors; their places when absent.

    Raises
    ------
    UserError
        Names the first such function, a row, what it was given and both answers.
    """
    import pyarrow as pa

    together = computing.columns(rows)
    alone = _rows_alone(computing, rows)
    order = np.random.default_rng(0).permutation(rows.num_rows)
    again = Computation(computing.functions.fresh(), computing.inputs, computing.outputs)
    numbers = range(rows.num_rows) if numbers is None else numbers
    one_by_one = [again.columns(rows.slice(row, 1), numbers=[numbers[row]]) for row in alone]
    ways = {
        "asked once more": (np.arange(rows.num_rows), computing.columns(rows)),
        "in another order": (order, computing.columns(rows.take(pa.array(order)))),
        "alone": (alone, {name: pa.concat_arrays([row[name] for row in one_by_one]) for name in together}),
    }
    for function in computing.functions.functions:
        for way, (places, answers) in ways.items():
            expected = together[function.name].take(pa.array(places))
            wrong = np.flatnonzero(~same(expected, answers[function.name]))
            if len(wrong):
                pair = (expected[wrong[0]].as_py(), answers[function.name][wrong[0]].as_py())
                row = int(places[wrong[0]])
                raise _broken(computing, function, rows.slice(row, 1), f"row {numbers[row] + 1}", (way, *pair))


def check_unchanged(computing: Computation, table: pa.Table) -> None:
    """Refuse functions that give the rows of a snapshot other values than those it holds.

    The snapshot was made by the functions as they were then. A file that was edited since, or a function that looks at
    the time or at other files, would have a model learn from one thing and answer with another.

    Raises
    ------
    UserError
        Names the function.
    """
    import pyarrow as pa

    chosen = np.unique(np.linspace(0, table.num_rows - 1, min(SAMPLE, table.num_rows)).astype(np.int64))
    rows = table.take(pa.array(chosen)).combine_chunks()
    now = computing.columns(rows, numbers=chosen.tolist())
    for function in computing.functions.functions:
        before = seen(rows.column(function.name), computing.outputs[function.name])
        if not same(before, now[function.name]).all():
            hint = (
                "Run the command again if the file was edited meanwhile; no function may look at the time or at files."
            )
            raise UserError("gives other values than when the data was loaded", where=function.where, hint=hint)


def same(left: pa.Array, right: pa.Array) -> npt.NDArray[np.bool_]:
    """Return which values of two arrays of one type are the same, shape (n_rows,); nulls are alike.

    Examples
    --------
    >>> import pyarrow as pa
    >>> same(pa.array([1.0, None, 2.0]), pa.array([1.0 + 1e-12, None, 2.1])).tolist()
    [True, True, False]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    missing = [array.is_null().to_numpy(zero_copy_only=False) for array in (left, right)]
    if pa.types.is_floating(left.type):
        first, second = (array.to_numpy(zero_copy_only=False) for array in (left, right))
        with np.errstate(invalid="ignore"):
            alike = np.isclose(first, second, rtol=CLOSE, atol=0.0)
    else:
        alike = pc.fill_null(pc.equal(left, right), False).to_numpy(zero_copy_only=False)
    return np.asarray(np.where(missing[0] | missing[1], missing[0] & missing[1], alike), dtype=np.bool_)


def _rows_alone(computing: Computation, rows: pa.Table) -> npt.NDArray[np.int64]:
    """Return the rows that are asked about one by one: some with a missing value, the others spread evenly."""
    holes = np.zeros(rows.num_rows, dtype=np.bool_)
    for name in computing.inputs:
        holes |= rows.column(name).is_null().to_numpy(zero_copy_only=False)
    with_holes = np.flatnonzero(holes)[: ALONE // 4]
    even = np.linspace(0, rows.num_rows - 1, min(ALONE, rows.num_rows)).astype(np.int64)
    return np.unique(np.concatenate([with_holes, even]))


def _broken(
    computing: Computation, function: RowFunction, row: pa.Table, place: str, answers: tuple[str, object, object]
) -> UserError:
    way, together, other = answers
    known = {name: seen(row.column(name), form) for name, form in computing.inputs.items()} | computing.columns(row)
    given = values_at(function, [known[name] for name in function.columns], 0)
    what = f"gives another answer {way}: {other!r}, and {together!r} among other rows"
    hint = (
        "A row function looks at its own row alone and gives the same answer every time. "
        "Figures over many rows (means, ranks, the row before) belong in `prepare`."
    )
    return UserError(what, where=f"{function.where}, {place}", received=given, hint=hint)

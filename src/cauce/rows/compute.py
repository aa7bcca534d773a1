"""Functions applied to rows: the one code path of loading, training, service, `cauce predict`, MLflow and the watch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cauce.core.errors import UserError
from cauce.core.scripts import RAISED, line_in
from cauce.rows.forms import Form, arrow_type, form_of, plain, seen, without_nan
from cauce.rows.functions import RowFunction, RowFunctions

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 40
"""Characters of a value that an error shows."""


class RowFailed(UserError):
    """A row function raised, or gave something else than one value of its form for each row.

    Parameters
    ----------
    function
        The new column's name.
    row
        The place of the row among those given, from 0; None where it is no single row's fault.
    """

    def __init__(
        self, what: str, *, where: str, received: object, hint: str, function: str, row: int | None = None
    ) -> None:
        super().__init__(what, where=where, received=received, hint=hint)
        self.function, self.row = function, row

    def moved(self, n_rows: int) -> RowFailed:
        """Return it with the row counted from `n_rows` rows earlier: its place in a file instead of a batch."""
        if self.row is None:
            return self
        row = self.row + n_rows
        where = f"{self.where.removesuffix(f', row {self.row + 1}')}, row {row + 1}"
        return RowFailed(
            self.what, where=where, received=self.received, hint=self.hint, function=self.function, row=row
        )


@dataclass(frozen=True, eq=False)
class Computation:
    """Row functions with the forms of the columns they take and make.

    Parameters
    ----------
    functions
        In the order in which they are computed.
    inputs
        Column → the form in which functions see it.
    outputs
        New column → its form. One that is not there takes the form of its first result.
    """

    functions: RowFunctions
    inputs: Mapping[str, Form]
    outputs: Mapping[str, Form] = field(default_factory=dict)

    def columns(self, rows: pa.RecordBatch | pa.Table, *, numbers: Sequence[int] | None = None) -> dict[str, pa.Array]:
        """Return the new columns of `rows`, shape (n_rows,) each.

        Parameters
        ----------
        rows
            Has at least the columns of `inputs`; new columns that are there already are not looked at.
        numbers
            The rows' numbers from 0, for errors; their places when absent.

        Raises
        ------
        RowFailed
            A function raised (it names line, row and values), or gave something else than one value for each row, or
            values of another form than before.
        """
        import pyarrow as pa

        if not rows.num_rows and len(self.outputs) == len(self.functions.names):
            return {name: pa.array([], arrow_type(form)) for name, form in self.outputs.items()}
        known = {name: seen(rows.column(name), form) for name, form in self.inputs.items()}
        made: dict[str, pa.Array] = {}
        for function in self.functions.functions:
            arrays = [known[name] for name in function.columns]
            found = _called(function, arrays, numbers)
            made[function.name] = known[function.name] = _formed(function, found, self.outputs.get(function.name))
        return made

    def batch(self, rows: pa.RecordBatch, *, numbers: Sequence[int] | None = None) -> pa.RecordBatch:
        """Return the new columns of a batch as a batch."""
        import pyarrow as pa

        return pa.RecordBatch.from_pydict(self.columns(rows, numbers=numbers))

    def apply(self, table: pa.Table) -> pa.Table:
        """Return the table with the new columns behind its own; a column of that name is replaced where it stands."""
        for name, values in self.columns(table).items():
            place = table.schema.get_field_index(name)
            table = table.append_column(name, values) if place < 0 else table.set_column(place, name, values)
        return table


def computation(functions: RowFunctions, types: Mapping[str, str]) -> Computation:
    """Return the functions with the forms that follow from the columns' Arrow types, as text: those of a snapshot."""
    inputs = {name: form_of(types[name]) for name in functions.inputs}
    return Computation(functions, inputs, {name: form_of(types[name]) for name in functions.names if name in types})


def with_empty(table: pa.Table, functions: RowFunctions) -> pa.Table:
    """Return the table with a column of nulls for each new column that it does not have."""
    import pyarrow as pa

    for name in functions.names:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows))
    return table


def _called(function: RowFunction, arrays: list[pa.Array], numbers: Sequence[int] | None) -> pa.Array:
    try:
        found = function.call(*arrays)
    except RAISED as error:  # it is the user's code: whatever it raises is told with line, row and values
        raise _failure(function, arrays, error, numbers) from error
    return _array(function, found, len(arrays[0]))


def _array(function: RowFunction, found: object, n_rows: int) -> pa.Array:
    """Return what a function gave as one Arrow array of `n_rows` values."""
    import numpy as np
    import pyarrow as pa

    if isinstance(found, np.ndarray) and found.ndim == 1 and found.dtype != object:
        found = pa.array(found, from_pandas=True)
    if not isinstance(found, pa.Array | pa.ChunkedArray):
        hint = "Return an Arrow array with one value for each row: pa.array(values, pa.float64())."
        raise _wrong(function, "gave no array", type(found).__name__, hint)
    if len(found) != n_rows:
        hint = "One value for each row, in the rows' order; null where there is none."
        raise _wrong(function, f"gave {len(found):,} values for {n_rows:,} rows", None, hint)
    return plain(found)


def _formed(function: RowFunction, found: pa.Array, form: Form | None) -> pa.Array:
    """Return a result in its form; the first result, where `form` is None, says which that is."""
    import pyarrow as pa

    kind = found.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_duration(kind) or pa.types.is_time(kind):
        hint = "Give numbers, true or false, text, or moments."
        raise _wrong(function, "gave values of a type that no model takes", str(kind), hint)
    if pa.types.is_null(kind):
        if form is None:
            hint = "Give the type: pa.array(values, pa.float64())."
            raise _wrong(function, "gave only nulls, of no type", None, hint)
        return pa.nulls(len(found), arrow_type(form))
    own = form_of(str(kind))
    form = own if form is None else form
    if own != form and not (own == "int64" and form == "float64"):
        hint = f"Say which type it gives, whatever the rows: pa.array(values, {_spelt(form)})."
        raise _wrong(function, f"gave {own} where it gave {form} before", str(kind), hint)
    made = without_nan(found) if found.type == pa.float64() else seen(found, form)
    if made.type != arrow_type(form):
        raise _wrong(function, "gave whole numbers that 64 bits do not hold", str(kind), "Give them as pa.float64().")
    return made


def _wrong(function: RowFunction, what: str, received: object, hint: str) -> RowFailed:
    return RowFailed(what, where=function.where, received=received, hint=hint, function=function.name)


def _spelt(form: Form) -> str:
    spelt = {"timestamp": 'pa.timestamp("us", "UTC")', "bool": "pa.bool_()"}
    return spelt.get(form, f"pa.{form}()")


def _failure(
    function: RowFunction, arrays: list[pa.Array], error: BaseException, numbers: Sequence[int] | None
) -> RowFailed:
    """Say what a function raised, on which row, with which values."""
    row, error = _first_failing(function, arrays, error)
    where = f"{function.path}:{line_in(error, function.path)}, {function.name}"
    hint = (
        "A row function is given whole arrays, with nulls where values are missing; give null where there is no answer."
    )
    what = f"{type(error).__name__}: {error}".rstrip(".: ").splitlines()[0]
    received = None
    if row is not None:
        where += f", row {(row if numbers is None else int(numbers[row])) + 1}"
        received = values_at(function, arrays, row)
    return RowFailed(what, where=where, received=received, hint=hint, function=function.name, row=row)


class _Shown(dict[str, Any]):
    """Values by column, cut one by one instead of all together."""

    def __repr__(self) -> str:
        return ", ".join(f"{name} = {_cut(value)}" for name, value in self.items())


def values_at(function: RowFunction, arrays: list[pa.Array], row: int) -> Mapping[str, Any]:
    """Return what a function was given for one row, by column; shown as ``price = 3.0, area = None``."""
    return _Shown({name: array[row].as_py() for name, array in zip(function.columns, arrays, strict=True)})


def _cut(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _first_failing(
    function: RowFunction, arrays: list[pa.Array], error: BaseException
) -> tuple[int | None, BaseException]:
    """Return a row on which the function fails alone, found by halving, and what it raised there."""
    low, high = 0, len(arrays[0])
    while high - low > 1:
        middle = (low + high) // 2
        for first, last in ((low, middle), (middle, high)):
            raised = _raised(function, [array.slice(first, last - first) for array in arrays])
            if raised is not None:
                low, high, error = first, last, raised
                break
        else:
            return None, error
    return (low if high - low == 1 else None), error


def _raised(function: RowFunction, arrays: list[pa.Array]) -> BaseException | None:
    try:
        function.call(*arrays)
    except RAISED as error:  # the user's code, looked at again
        return error
    return None

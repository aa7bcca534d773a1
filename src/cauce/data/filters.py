"""Which rows of a version are wanted, and which files and row groups cannot hold any of them.

A filter is a column, an operator and a value; several are a conjunction. Comparisons are those of SQL: a missing value
fulfils none of them but ``is null``, and NaN equals nothing. Files are ruled out by what Delta and Parquet say of them,
which may be wider than the truth (texts are cut at 64 bytes, moments at milliseconds) and never narrower.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, get_args

from cauce.core.errors import UserError, did_you_mean
from cauce.data.columns import quoted

if TYPE_CHECKING:
    import pyarrow as pa

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "in", "is null", "is not null"]
Scalar = bool | int | float | str | Decimal | date | datetime


@dataclass(frozen=True)
class Filter:
    """A condition on one column.

    Parameters
    ----------
    column
        Of the snapshot.
    operator
        ``in`` takes a tuple of values, ``is null`` and ``is not null`` none, the others one.
    value
        Of the column's type; a moment without a zone is taken as UTC.

    Examples
    --------
    >>> Filter("city", "in", ("Madrid", "Vigo"))
    Filter(column='city', operator='in', value=('Madrid', 'Vigo'))
    """

    column: str
    operator: Operator
    value: Scalar | tuple[Scalar, ...] | None = None


@dataclass(frozen=True)
class Bounds:
    """What is known of a column within a file or row group; None where nothing is."""

    lower: Any = None
    """No value lies under it, in the form of `comparable`."""
    upper: Any = None
    n_missing: int | None = None
    n_rows: int | None = None
    exact: bool = False
    """Whether `lower` and `upper` are values of the column and no other lies outside: needed to rule out by ``!=``."""


def checked(filters: Sequence[Filter], schema: pa.Schema, *, where: str) -> tuple[Filter, ...]:
    """Return the filters with their values in the columns' types.

    Raises
    ------
    UserError
        No such column or operator, or a value of another type.
    """
    known = [name for name in schema.names if not name.startswith("__cauce")]
    for one in filters:
        if one.column not in known:
            hint = did_you_mean(one.column, known)
            raise UserError("no such column in the snapshot", where=where, received=one.column, hint=hint)
        if one.operator not in get_args(Operator):
            hint = did_you_mean(one.operator, get_args(Operator))
            raise UserError("not an operator of a filter", where=where, received=one.operator, hint=hint)
    return tuple(Filter(one.column, one.operator, _value(one, schema.field(one.column).type, where)) for one in filters)


def _value(one: Filter, kind: pa.DataType, where: str) -> Any:
    if one.operator in {"is null", "is not null"}:
        if one.value is not None:
            raise UserError(f"{one.operator!r} takes no value", where=where, received=one.value, hint="Leave it out.")
        return None
    if one.operator == "in":
        if not isinstance(one.value, tuple | list | set | frozenset):
            raise UserError("'in' takes a tuple of values", where=where, received=one.value, hint="Write (value,).")
        return tuple(_typed(value, one.column, kind, where) for value in one.value)
    return _typed(one.value, one.column, kind, where)


def _typed(value: Any, column: str, kind: pa.DataType, where: str) -> Any:
    """Return the value as the column holds it."""
    import pyarrow as pa

    if isinstance(value, datetime) and value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    hint = f"Column {column!r} holds values of type {kind}."
    fault = UserError("a filter's value is not of the column's type", where=where, received=value, hint=hint)
    plain = pa.types.is_boolean(kind) == isinstance(value, bool)
    plain &= pa.types.is_timestamp(kind) == isinstance(value, datetime)
    if not plain or value is None or (isinstance(value, float) and math.isnan(value)):
        raise fault
    try:
        typed = pa.scalar(value, kind).as_py()
    except (pa.ArrowException, OverflowError, ValueError, TypeError) as error:
        raise fault from error
    if typed != value:
        raise fault
    return typed


def comparable(values: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Return values in a form that Python orders as SQL does: moments as microseconds, days as numbers.

    Moments beyond the year 9999 have no Python datetime.
    """
    import pyarrow as pa

    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us", tz=values.type.tz)).cast(pa.int64())
    elif pa.types.is_date32(values.type):
        values = values.cast(pa.int32())
    listed: list[Any] = values.to_pylist()
    return listed


def may_hold(filters: Sequence[Filter], bounds: Callable[[str], Bounds], schema: pa.Schema) -> bool:
    """Say whether rows within `bounds` may fulfil all filters; False is certain."""
    return all(_may(one, bounds(one.column), schema.field(one.column).type) for one in filters)


def _may(one: Filter, known: Bounds, kind: pa.DataType) -> bool:
    import pyarrow as pa

    if one.operator == "is null":
        return known.n_missing != 0
    if known.n_missing is not None and known.n_missing == known.n_rows:
        return False
    if one.operator == "is not null":
        return True
    values = one.value if isinstance(one.value, tuple) else (one.value,)
    return any(_reaches(one.operator, value, known) for value in comparable(pa.array(values, kind)))


def _reaches(operator: str, value: Any, known: Bounds) -> bool:
    lower, upper = known.lower, known.upper
    if operator in {"=", "in"}:
        return (lower is None or lower <= value) and (upper is None or upper >= value)
    if operator == "!=":
        return not (known.exact and lower is not None and lower == upper == value)
    if operator in {"<", "<="}:
        return lower is None or bool(lower < value if operator == "<" else lower <= value)
    return upper is None or bool(upper > value if operator == ">" else upper >= value)


def mask(table: pa.Table, filters: Sequence[Filter]) -> pa.ChunkedArray | None:
    """Return which rows fulfil all filters, without nulls; None where there is no filter."""
    import pyarrow.compute as pc

    whole = None
    for one in filters:
        fulfilled = pc.fill_null(_fulfilled(table[one.column], one), False)
        whole = fulfilled if whole is None else pc.and_(whole, fulfilled)
    return whole


def _fulfilled(column: pa.ChunkedArray, one: Filter) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if one.operator == "is null":
        return pc.is_null(column)
    if one.operator == "is not null":
        return pc.is_valid(column)
    if one.operator == "in":
        values = pa.array(one.value, column.type)
        if pa.types.is_floating(column.type):
            column, values = pc.add(column, 0.0), pc.add(values, 0.0)  # is_in tells -0.0 from 0.0; equality does not
        return pc.is_in(column, value_set=values)
    compare = {
        "=": pc.equal,
        "!=": pc.not_equal,
        "<": pc.less,
        "<=": pc.less_equal,
        ">": pc.greater,
        ">=": pc.greater_equal,
    }[one.operator]
    return compare(column, pa.scalar(one.value, column.type))


def sql(filters: Sequence[Filter], schema: pa.Schema, alias: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """Return the filters as a SQL condition for DuckDB, and its parameters.

    Parameters
    ----------
    schema
        The snapshot's.
    alias
        Column → the table of the query that has it.
    """
    import pyarrow as pa

    parts, params = ["true"], dict[str, Any]()
    for number, one in enumerate(filters):
        kind = schema.field(one.column).type
        column = f"{alias[one.column]}.{quoted(one.column)}"
        if one.operator in {"is null", "is not null"}:
            parts.append(f"{column} {one.operator}")
            continue
        values = one.value if isinstance(one.value, tuple) else (one.value,)
        names = [f"f{number}_{place}" for place in range(len(values))]
        params |= dict(zip(names, values, strict=True))
        listed = ", ".join(f"${name}" for name in names)
        parts.append(f"{column} in ({listed})" if one.operator == "in" else f"{column} {one.operator} {listed}")
        if not values:
            parts[-1] = "false"
        elif pa.types.is_floating(kind) and one.operator != "!=":
            parts.append(f"not isnan({column})")  # DuckDB holds NaN to be larger than every number
    return " AND ".join(parts), params

"""The five forms in which a row function sees columns: those in which a request brings them.

A snapshot holds dates, decimals and integers; JSON has none of the first two, a CSV may show a column of whole numbers
that was none at training. A function that saw one type at loading and another at serving could answer differently, so
both places bring a column to the same form first. Reading is tolerant, as a fitted model's is: what cannot be read is
missing, and the border judges values.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

Form = Literal["int64", "float64", "bool", "timestamp", "string"]
FORMS: tuple[Form, ...] = get_args(Form)
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"
TRUE = ("true", "t", "yes", "y", "1", "1.0", "sí", "si")
FALSE = ("false", "f", "no", "n", "0", "0.0")


def form_of(kind: str) -> Form:
    """Return the form of a column whose Arrow type is called `kind`.

    Examples
    --------
    >>> form_of("decimal128(12, 2)"), form_of("date32[day]"), form_of("uint8"), form_of("large_string")
    ('float64', 'timestamp', 'int64', 'string')
    """
    if kind == "bool":
        return "bool"
    if kind.startswith(("int", "uint")):
        return "int64"
    if kind.startswith(("double", "float", "halffloat", "decimal")):
        return "float64"
    return "timestamp" if kind.startswith(("timestamp", "date")) else "string"


def arrow_type(form: Form) -> pa.DataType:
    """Return the Arrow type of a form."""
    import pyarrow as pa

    kinds = {"int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_(), "string": pa.string()}
    return kinds.get(form, pa.timestamp("us", "UTC"))


def plain(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return one array without dictionary encoding."""
    import pyarrow as pa

    if isinstance(values, pa.ChunkedArray):
        values = (
            values.chunk(0) if values.num_chunks == 1 else pa.concat_arrays(values.chunks or [values.combine_chunks()])
        )
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def seen(values: pa.Array | pa.ChunkedArray, form: Form) -> pa.Array:
    """Return a column in its form; NaN, and what cannot be read, is null. Whole numbers keep fractions they never had.

    Examples
    --------
    >>> import pyarrow as pa
    >>> seen(pa.array(["1.5", "x", None]), "float64").to_pylist()
    [1.5, None, None]
    >>> seen(pa.array([3.0, float("nan")]), "int64").to_pylist()
    [3, None]
    >>> seen(pa.array([3.5]), "int64").to_pylist()  # no whole number: the function sees what came
    [3.5]
    """
    import pyarrow as pa

    array = plain(values)
    wanted = arrow_type(form)
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), wanted)
    if form == "float64":
        return _numbers(array)
    if array.type == wanted:
        return array
    if form == "int64":
        return _whole(array if pa.types.is_integer(array.type) else _numbers(array))
    if form == "bool":
        return _booleans(array)
    return _moments(array) if form == "timestamp" else _texts(array)


def _numbers(array: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_decimal(kind):
        array = array.cast(pa.string())  # a direct cast may miss the nearest number, which JSON's reader finds
    elif _is_text(kind):
        trimmed = pc.utf8_trim_whitespace(array)
        array = pc.if_else(pc.match_substring_regex(trimmed, NUMBER), trimmed, pa.scalar(None, trimmed.type))
    elif not pa.types.is_primitive(kind) or pa.types.is_temporal(kind):
        return pa.nulls(len(array), pa.float64())
    return without_nan(array if kind == pa.float64() else array.cast(pa.float64(), safe=False))


def without_nan(array: pa.Array) -> pa.Array:
    """Return float64 values with null for NaN, as a snapshot holds them."""
    if not np.isnan(array.to_numpy(zero_copy_only=False)).any():  # for one row four times as fast as Arrow's kernels
        return array
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)


def _whole(numbers: pa.Array) -> pa.Array:
    import pyarrow as pa

    try:
        return numbers.cast(pa.int64())
    except pa.ArrowInvalid:
        return numbers.cast(pa.float64(), safe=False)


def _booleans(array: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not _is_text(array.type):
        return pc.not_equal(_numbers(array), 0.0)
    words = pc.utf8_lower(pc.utf8_trim_whitespace(array))
    place = pc.index_in(words, pa.array(TRUE + FALSE, words.type))
    return pc.less(place, pa.scalar(len(TRUE), place.type))


def _moments(array: pa.Array) -> pa.Array:
    import pyarrow as pa

    utc = arrow_type("timestamp")
    if _is_text(array.type):
        return pa.array([_moment(value) for value in array.to_pylist()], utc)
    if not (pa.types.is_timestamp(array.type) or pa.types.is_date(array.type)):
        return pa.nulls(len(array), utc)
    zone = getattr(array.type, "tz", None)
    return array.cast(pa.timestamp("us", zone), safe=False).cast(utc)  # a naive time is UTC


def _moment(value: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat((value or "").strip())
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _texts(array: pa.Array) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_nested(array.type) or pa.types.is_binary(array.type):
        return pa.nulls(len(array), pa.string())
    if pa.types.is_floating(array.type):
        array = _whole(without_nan(array.cast(pa.float64())))  # codes that pandas shows as 3.0
    return array.cast(pa.string())


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))

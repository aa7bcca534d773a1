"""Arrow arrays as what is summarised and binned: numbers, seconds, strings. Heavy: imported inside functions.

Nothing here loops over rows in Python.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Family = Literal["boolean", "integer", "number", "datetime", "string", "other"]

_NUMBER = r"^[ \t]*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?[ \t]*$"
_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


def family_of(kind: pa.DataType) -> Family:
    """Return what a column of this Arrow type is summarised as.

    Examples
    --------
    >>> import pyarrow as pa
    >>> family_of(pa.date32()), family_of(pa.dictionary(pa.int8(), pa.string())), family_of(pa.binary())
    ('datetime', 'string', 'other')
    """
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return family_of(kind.value_type)
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_duration(kind):
        return "number"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "datetime"
    is_string = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return "string" if is_string or pa.types.is_time(kind) or pa.types.is_null(kind) else "other"


def plain(array: pa.Array) -> pa.Array:
    """Return the array without dictionary or run-end encoding."""
    while pa.types.is_dictionary(array.type) or pa.types.is_run_end_encoded(array.type):
        encoded = pa.types.is_dictionary(array.type)
        array = array.dictionary_decode() if encoded else pc.run_end_decode(array)
    return array


def to_strings(array: pa.Array) -> pa.Array:
    """Return every value as Arrow writes it: 3.0 as ``3``, True as ``true``; nulls stay, NaN becomes null.

    A type without a text form (a list, a structure) becomes all null.
    """
    array = plain(array)
    if pa.types.is_string(array.type):
        return array
    if family_of(array.type) == "other" and not pa.types.is_binary(array.type):
        return pa.nulls(len(array), pa.string())
    if pa.types.is_floating(array.type):
        array = pc.cast(array, pa.float64())
        array = pc.if_else(pc.is_nan(array), pa.scalar(None, pa.float64()), array)
    try:
        return pc.cast(array, pa.string())
    except pa.ArrowInvalid:  # bytes that are not UTF-8
        return pa.nulls(len(array), pa.string())


def to_floats(array: pa.Array) -> Floats:
    """Return booleans, numbers and durations (seconds) as float64, null as NaN."""
    array = plain(array)
    scale = 1.0
    if pa.types.is_duration(array.type):
        scale, array = _PER_SECOND[array.type.unit], pc.cast(array, pa.int64())
    if pa.types.is_boolean(array.type):
        array = pc.cast(array, pa.int8())
    values: Floats = pc.cast(array, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return values / scale if scale != 1.0 else values


def to_seconds(array: pa.Array) -> Floats:
    """Return dates and timestamps as seconds since 1970 in UTC, null as NaN; a time without zone counts as UTC."""
    array = plain(array)
    if pa.types.is_date32(array.type):
        days: Floats = pc.cast(pc.cast(array, pa.int32()), pa.float64()).to_numpy(zero_copy_only=False)
        return days * 86_400.0
    per_second = 1e3 if pa.types.is_date64(array.type) else _PER_SECOND[array.type.unit]
    ticks = pc.cast(pc.cast(array, pa.int64()), pa.float64(), safe=False)
    seconds: Floats = ticks.to_numpy(zero_copy_only=False) / per_second
    return seconds


def parse_floats(strings: pa.Array) -> Floats:
    """Return numbers written as text as float64; NaN where a value is null or no number.

    Examples
    --------
    >>> import pyarrow as pa
    >>> parse_floats(pa.array(["1.5", " 2e3 ", "three", None])).tolist()
    [1.5, 2000.0, nan, nan]
    """
    good = pc.match_substring_regex(strings, _NUMBER)
    kept = pc.utf8_trim_whitespace(pc.if_else(good, strings, pa.scalar(None, pa.string())))
    kept = pc.replace_substring_regex(kept, r"^\+", "")
    values: Floats = pc.cast(kept, pa.float64()).to_numpy(zero_copy_only=False)
    return values

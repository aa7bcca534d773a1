"""Raw Arrow columns → plain arrays, tolerant of the types that serving brings.

A request's JSON becomes integers where training saw floats, and ISO strings where it saw timestamps. Everything
that cannot be read as the wanted kind becomes missing: the border (`serve/`, `audit/`) judges values, this does not.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.errors import UserError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST = 1e100
"""Finite numbers are cut here, so that squares and sums of them stay finite."""
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"
TRUE = ("true", "t", "yes", "y", "1", "1.0", "sí", "si")
FALSE = ("false", "f", "no", "n", "0", "0.0")


def column(table: pa.Table, name: str) -> pa.Array:
    """Return one column as a single array, dictionaries decoded.

    Raises
    ------
    UserError
        The table has no such column.
    """
    import pyarrow as pa

    place = table.schema.get_field_index(name)  # a list of the names for each of 2,000 columns would take seconds
    if place < 0:
        raise UserError("column is missing", where=name, hint=did_you_mean(name, table.column_names))
    found = table.column(place).combine_chunks()
    if isinstance(found, pa.ChunkedArray):
        found = pa.concat_arrays(found.chunks) if found.num_chunks else pa.array([], found.type)
    return found.dictionary_decode() if pa.types.is_dictionary(found.type) else found


def numbers(values: pa.Array) -> npt.NDArray[np.float64]:
    """Return shape (n_rows,); missing, infinite and unreadable values are NaN.

    Examples
    --------
    >>> import pyarrow as pa
    >>> numbers(pa.array(["1.5", "x", None, "inf"])).tolist()
    [1.5, nan, nan, nan]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if _is_string(kind):
        trimmed = pc.utf8_trim_whitespace(values)
        values = pc.if_else(pc.match_substring_regex(trimmed, NUMBER), trimmed, pa.scalar(None, trimmed.type))
    elif not _is_numeric(kind):
        return np.full(len(values), np.nan)
    found = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(found), np.clip(found, -LARGEST, LARGEST), np.nan)


def booleans(values: pa.Array) -> npt.NDArray[np.float64]:
    """Return 1.0, 0.0 or NaN, shape (n_rows,); words such as yes and no are read, and numbers other than 0 are true.

    Examples
    --------
    >>> import pyarrow as pa
    >>> booleans(pa.array(["Yes", "false", "?"])).tolist()
    [1.0, 0.0, nan]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not _is_string(values.type):
        found = numbers(values)
        return np.where(np.isnan(found), np.nan, (found != 0).astype(np.float64))
    words = pc.utf8_lower(pc.utf8_trim_whitespace(values))
    known = pa.array(TRUE + FALSE, words.type)
    index = pc.index_in(words, known).to_numpy(zero_copy_only=False).astype(np.float64)
    return np.where(np.isnan(index), np.nan, (index < len(TRUE)).astype(np.float64))


def moments(values: pa.Array) -> npt.NDArray[np.datetime64]:
    """Return UTC microseconds as datetime64, shape (n_rows,), NaT where missing or unreadable.

    Times without a zone are taken as UTC.

    Examples
    --------
    >>> import pyarrow as pa
    >>> moments(pa.array(["2024-05-01", "2024-05-01T12:00:00+02:00", "soon"])).astype(str).tolist()
    ['2024-05-01T00:00:00.000000', '2024-05-01T10:00:00.000000', 'NaT']
    """
    import pyarrow as pa

    kind = values.type
    if _is_string(kind):
        values = _parsed(values)
    elif not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        return np.full(len(values), np.datetime64("NaT", "us"))
    plain = values.cast(pa.timestamp("us", tz=getattr(values.type, "tz", None)), safe=False)
    ticks = plain.cast(pa.int64()).fill_null(np.iinfo(np.int64).min).to_numpy(zero_copy_only=False)
    found: npt.NDArray[np.datetime64] = ticks.astype("datetime64[us]")  # the smallest integer is NaT
    return found


def texts(values: pa.Array) -> pa.StringArray:
    """Return values as text, null where missing; numbers without idle zeros, so ``3.0`` and a decimal 3.00 equal ``3``.

    Examples
    --------
    >>> import pyarrow as pa
    >>> texts(pa.array([3.0, 2.5, float("nan")])).to_pylist()
    ['3', '2.5', None]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(values.type):
        return values
    if pa.types.is_decimal(values.type):
        shown = pc.replace_substring_regex(values.cast(pa.string()), r"\.0+$", "")
        return pc.replace_substring_regex(shown, r"(\.\d*[1-9])0+$", r"\1")
    if not pa.types.is_floating(values.type):
        return values.cast(pa.string())
    values = values.cast(pa.float64())
    finite = pc.if_else(pc.is_finite(values), values, None)
    whole = pc.and_(pc.equal(finite, pc.floor(finite)), pc.less(pc.abs(finite), 2.0**53))
    integers = pc.if_else(whole, finite, None).cast(pa.int64())
    return pc.coalesce(integers.cast(pa.string()), finite.cast(pa.string()))


def _is_numeric(kind: pa.DataType) -> bool:
    import pyarrow as pa

    known = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
    return any(is_kind(kind) for is_kind in known)


def _is_string(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _parsed(values: pa.Array) -> pa.Array:
    """Parse ISO strings: all at once where they are alike, else one by one."""
    import pyarrow as pa

    for zone in (None, "UTC"):
        try:
            return values.cast(pa.timestamp("us", tz=zone))
        except pa.ArrowInvalid:
            continue
    return pa.array([_moment(value) for value in values.to_pylist()], pa.timestamp("us", tz="UTC"))


def _moment(value: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat((value or "").strip())
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)

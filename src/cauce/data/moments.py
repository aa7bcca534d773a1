"""A time column as numbers that sort as time does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

_YEAR_FIRST = re.compile(r"\d{4}(\D.*)?")


def moments(table: pa.Table, time: str, *, missing_last: bool = False) -> npt.NDArray[np.int64]:
    """Return the rank of each row's moment, shape (n_rows,); equal moments have equal ranks.

    Timestamps, dates and numbers (a year, an epoch) sort by value. Texts must all be of one shape with the year first
    (``2021-03-04``, ``2021-Q3``, ``2020/21``): such texts sort as time does, once offsets from UTC are taken off.

    Parameters
    ----------
    missing_last
        Rows without a time count as newer than all others, in place of an error.

    Raises
    ------
    UserError
        Values are missing, or are texts of another shape.
    """
    import pyarrow as pa

    column = table[time]
    where = f"time column {time!r}"
    if column.null_count and not missing_last:
        raise UserError(
            f"{column.null_count:,} rows have no time",
            where=where,
            hint="Drop those rows with `where`, or choose another kind of split.",
        )
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        _check_shape(column.drop_null().unique().to_pylist(), where)
        column = _in_utc(column)
    elif pa.types.is_boolean(column.type):
        raise UserError("true and false are no times", where=where, hint="Name another time column.")
    encoded = column.combine_chunks().dictionary_encode()
    rank = np.empty(len(encoded.dictionary), np.int64)
    rank[_sorted(encoded.dictionary)] = np.arange(len(rank))
    codes = encoded.indices.fill_null(len(rank)).to_numpy()
    ranks: npt.NDArray[np.int64] = np.append(rank, len(rank))[codes]
    return ranks


def _in_utc(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts that end in an offset from UTC (``+02:00``) as seconds since 1970; other texts as they are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from cauce.profile.dates import parse_dates

    if not pc.all(pc.match_substring_regex(texts, r":\d\d(\.\d+)? ?[+-]\d\d:?\d\d$")).as_py():
        return texts
    seconds = parse_dates(texts.cast(pa.string()).combine_chunks())
    return (
        texts if np.isnan(seconds).sum() > texts.null_count else pa.chunked_array([pa.array(seconds, from_pandas=True)])
    )


def _sorted(values: pa.Array) -> npt.NDArray[np.int64]:
    import pyarrow.compute as pc

    return np.asarray(pc.sort_indices(values).to_numpy(), np.int64)


def _check_shape(values: list[str], where: str) -> None:
    shapes = {re.sub(r"\d", "0", value) for value in values}
    if values and (len(shapes) > 1 or not _YEAR_FIRST.fullmatch(values[0])):
        odd = next((v for v in values if not _YEAR_FIRST.fullmatch(v)), values[-1])
        raise UserError(
            "texts that do not sort as time does",
            where=where,
            received=odd,
            hint="Write times as 2021-03-04 or 2021-03-04 10:00:00, all in the same way.",
        )

"""The types that a snapshot holds, and the SQL that brings every other type to one of them.

One form per value, so that a content fingerprint does not depend on the file's format: whole numbers are int64, other
numbers float64 or decimal, moments are UTC microseconds (naive ones are taken as UTC), NaN is missing. Infinity stays
what it is. Time of day, UUID and enums become text; lists and structs become JSON text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from cauce.core.errors import Problems, UserError, did_you_mean

ROW = "__cauce_row"
"""Column of the lake that holds the row's number in its source, from 0; never shown."""
RESERVED = "__cauce"
PATH_SAFE = re.compile(r"[^\W\d][\w -]{0,62}")
"""Names that may become a folder's name and a clustering column."""

_AS_IT_IS = re.compile(r"BOOLEAN|BIGINT|DATE|DECIMAL\(\d+,\s*\d+\)")
_WHOLE = {"TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER"}
HUGE = {"UBIGINT", "HUGEINT", "UHUGEINT"}
_MOMENTS = {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"}
_TEXTS = {"VARCHAR", "UUID", "TIME", "TIME_NS", "TIME WITH TIME ZONE", "BIT", '"NULL"', "NULL"}

At = Callable[[str], str]
"""Key of the data set's table → where it stands in cauce.toml."""


def quoted(name: str) -> str:
    """Return `name` as a SQL identifier.

    Examples
    --------
    >>> quoted('a"b; DROP TABLE c')
    '"a""b; DROP TABLE c"'
    """
    return '"' + name.replace('"', '""') + '"'


def normal_form(name: str, kind: str, *, where: str) -> str:
    """Return the SQL that brings column `name` of DuckDB type `kind` to a type that a snapshot holds.

    Raises
    ------
    UserError
        The type has no such form: bytes, intervals, geometries.
    """
    column = quoted(name)
    if _AS_IT_IS.fullmatch(kind):
        return column
    if kind in _WHOLE:
        return f"CAST({column} AS BIGINT)"
    if kind in HUGE:
        return f"CAST({column} AS DECIMAL(38, 0))"
    if kind in {"FLOAT", "DOUBLE"}:
        return f"CASE WHEN isnan({column}) THEN NULL ELSE CAST({column} AS DOUBLE) END"
    if kind in _MOMENTS:
        return f"CAST({column} AS TIMESTAMPTZ)"
    if kind in _TEXTS or kind.startswith("ENUM"):
        return f"CAST({column} AS VARCHAR)"
    if kind == "JSON":
        return f"json_extract_string({column}, '$')"
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP")):
        return f"CAST(to_json({column}) AS VARCHAR)"
    hint = "Leave the column out of the file, or write it as text or numbers."
    raise UserError(f"column {name!r} has a type that cannot be stored", where=where, received=kind, hint=hint)


def check_names(names: Sequence[str], *, where: str) -> None:
    """Refuse names that appear twice, differ only in case, or are kept for Cauce.

    Raises
    ------
    UserError
        With the names concerned.
    """
    seen: dict[str, str] = {}
    for name in names:
        if name.lower().startswith(RESERVED):
            hint = "Rename the column."
            raise UserError(
                f"column names that start with {RESERVED} are kept for Cauce", where=where, received=name, hint=hint
            )
        if name.lower() in seen:
            first = seen[name.lower()]
            what = "two columns have the same name" if first == name else "two column names differ only in case"
            raise UserError(what, where=where, received=[first, name], hint="Rename one of them in the file.")
        seen[name.lower()] = name


def check_spec_columns(spec_columns: Sequence[tuple[str, str]], names: Sequence[str], at: At) -> None:
    """Refuse a key, time, group, partition or cluster column that the source does not have.

    Parameters
    ----------
    spec_columns
        Pairs (key of the table in cauce.toml, column).
    names
        The source's columns.

    Raises
    ------
    UserError
        One column is wrong; Problems where several are.
    """
    problems = []
    for key, column in spec_columns:
        if column not in names:
            hint = did_you_mean(column, names)
            problems.append(UserError("no such column in the source", where=at(key), received=column, hint=hint))
        elif key in {"partition_by", "cluster_by"} and not PATH_SAFE.fullmatch(column):
            hint = "Such a column needs a name of letters, digits, _, - and spaces. Rename it in the source."
            what = "the column's name cannot be used for this"
            problems.append(UserError(what, where=at(key), received=column, hint=hint))
    if problems:
        raise problems[0] if len(problems) == 1 else Problems(problems)

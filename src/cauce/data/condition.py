"""`where` of cauce.toml: one SQL condition on the source's columns, checked before DuckDB sees it.

Allowed are columns, literals, operators, CASE and the scalar functions of `FUNCTIONS`. Subqueries, table functions
(`read_csv`), settings, clocks and random numbers are not: a condition can read nothing but its row, and gives the same
rows each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cauce.core.errors import UserError, did_you_mean

_TEXTS = """lower upper length trim ltrim rtrim left right substring substr replace strpos str_position contains
starts_with prefix suffix ends_with regexp_matches regexp_like regexp_extract concat concat_ws lpad rpad pad reverse
split_part"""
_NUMBERS = """abs round floor ceil ceiling trunc sign sqrt ln log log2 log10 exp pow power mod greatest least isnan
is_nan isinf is_inf isfinite coalesce ifnull nullif if cast try_cast case"""
_DATES = """year month day hour minute second quarter week dayofweek day_of_week dayofyear day_of_year date_trunc
timestamp_trunc date_part datepart extract date_diff datediff date_add date_sub make_date date_from_parts strftime
time_to_str strptime str_to_time try_strptime last_day date timestamp"""
FUNCTIONS = frozenset(f"{_TEXTS} {_NUMBERS} {_DATES}".split())
"""Scalar functions that a condition may call, by DuckDB's names and by those that sqlglot gives them."""
_HINT = "Write one condition on the columns, such as age >= 18 AND country = 'ES'."


def check_condition(condition: str, names: Sequence[str], *, where: str, dialect: str = "duckdb") -> str:
    """Return `condition` as SQL of DuckDB, or of another dialect, written anew from its syntax tree.

    Parameters
    ----------
    condition
        As in cauce.toml.
    names
        The source's columns.
    where
        Place in cauce.toml, for errors.
    dialect
        Of the SQL that is given back, by sqlglot's name; the condition itself is DuckDB's.

    Raises
    ------
    UserError
        Not one condition, or one that asks for more than its row.

    Examples
    --------
    >>> check_condition("age >= 18 and country is not null", ["age", "country"], where="cauce.toml:3")
    '"age" >= 18 AND NOT "country" IS NULL'
    """
    return str(checked_tree(condition, names, where=where).sql(dialect=dialect, comments=False))


def checked_tree(condition: str, names: Sequence[str], *, where: str) -> Any:
    """Return the syntax tree of a condition, its columns under the names that the source gives them; as above."""
    from sqlglot import exp

    tree = _parse(condition, where)
    known = {name.lower(): name for name in names}
    for node in tree.walk():
        if isinstance(node, exp.Column):
            _check_column(node, known, condition, where)
        elif not _allowed(node):
            what = f"a condition may not contain {_shown(node)}"
            raise UserError(what, where=where, received=condition, hint=_HINT)
    return tree


def _parse(condition: str, where: str) -> Any:
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        trees: list[Any] = sqlglot.parse(condition, dialect="duckdb")
    except (SqlglotError, RecursionError) as error:
        first = str(error).splitlines()[0] if str(error) else "too deep"
        raise UserError(f"not a SQL condition: {first}", where=where, received=condition, hint=_HINT) from error
    if len(trees) != 1 or trees[0] is None:
        raise UserError("not one SQL condition", where=where, received=condition, hint=_HINT)
    return trees[0]


def _check_column(node: Any, known: dict[str, str], condition: str, where: str) -> None:
    from sqlglot import exp

    if node.table or isinstance(node.this, exp.Star):
        raise UserError("a condition names columns alone", where=where, received=condition, hint=_HINT)
    if node.name.lower() not in known:
        hint = did_you_mean(node.name, known.values())
        what = f"the condition names a column {node.name!r} that the source does not have"
        raise UserError(what, where=where, received=condition, hint=hint)
    node.set("this", exp.to_identifier(known[node.name.lower()], quoted=True))


def _allowed(node: Any) -> bool:
    from sqlglot import exp

    if isinstance(node, exp.Func) and not isinstance(node, (exp.And, exp.Or, exp.Xor)):
        name = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
        return name.lower() in FUNCTIONS or isinstance(node, (exp.Case, exp.If, exp.Cast, exp.RegexpLike))
    plain = (exp.Binary, exp.Unary, exp.Literal, exp.Boolean, exp.Null, exp.Identifier, exp.In, exp.Between)
    return isinstance(node, (*plain, exp.DataType, exp.DataTypeParam, exp.Interval, exp.Var, exp.Tuple))


def _shown(node: Any) -> str:
    text = node.sql(dialect="duckdb")
    return f"{text if len(text) <= 40 else text[:37] + '...'}"

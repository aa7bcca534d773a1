"""The SQL of a preparation's step: one SELECT over `source`, checked before DuckDB sees it, translated for BigQuery.

Refused are other statements, tables and files beside `source`, and functions that give other rows each time or look
outside: clocks, random numbers, settings, the environment.
"""

from __future__ import annotations

import re
from typing import Any

from cauce.core.errors import UserError

SOURCE = "source"
"""Name under which a step sees the rows of the step before."""
_HINT = "Write one SELECT from the table `source`."
_TABLE_FUNCTIONS = {"unnest", "range", "generate_series", "explode"}
_REFUSED = re.compile(
    r"(read|write|sniff|parquet|duckdb|pragma|pg|glob|query|current|getenv|getvariable|random|rand|randn|setseed|uuid|"
    r"gen_random|now|today|nextval|currval|txid|which_secret|transaction|external|session|get_current|scan|ml|http|"
    r"add_parquet|force_checkpoint|checkpoint|in_search_path|version|localtime|localtimestamp|generate_uuid|"
    r"sleep|setval|stats|vector_type|json_execute)"
    r"(_.*|v[0-9].*|csv|parquet|[0-9].*|date|time|timestamp|datetime|user|schemas?|database|\..*)?"
)


def check_statement(text: str, path: str) -> Any:
    """Return the syntax tree of a step's SQL.

    Parameters
    ----------
    text
        In DuckDB's dialect.
    path
        Of the file, for errors.

    Raises
    ------
    UserError
        Not one SELECT, or one that reaches beyond `source`; with the line where it is known.

    Examples
    --------
    >>> type(check_statement("SELECT city, count(*) AS n FROM source GROUP BY city", "cities.sql")).__name__
    'Select'
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import ParseError, SqlglotError

    try:
        trees: list[Any] = [
            tree for tree in sqlglot.parse(text, dialect="duckdb") if not isinstance(tree, exp.Semicolon | None)
        ]
    except (SqlglotError, RecursionError) as error:
        found = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
        what = found.get("description") or (str(error).splitlines() or ["too deep"])[0]
        at = f"{path}:{found.get('line', 1)}"
        raise UserError(
            f"not SQL: {what.rstrip('.')}", where=at, received=found.get("highlight"), hint=_HINT
        ) from error
    if len(trees) != 1:
        what = "no statement" if not trees else f"{len(trees)} statements"
        raise UserError(f"{what} where one SELECT is meant", where=path, received=text[:60].strip(), hint=_HINT)
    tree = trees[0]
    if not isinstance(tree, (exp.Select, exp.SetOperation, exp.Subquery)):
        kind = type(tree).__name__.upper()
        raise UserError("not a SELECT", where=path, received=kind, hint=_HINT)
    for node in tree.walk():
        _check_node(node, path)
    return tree


def _names_seen(table: Any) -> set[str]:
    """Return the names of WITH that a table's place sees: a name made elsewhere hides no real table."""
    from sqlglot import exp

    found: set[str] = set()
    inner, outer = table, table.parent
    while outer is not None:
        if isinstance(outer, exp.With):
            before = outer.expressions[: [one is inner for one in outer.expressions].index(True)]
            found |= {cte.alias_or_name.lower() for cte in (before, [*before, inner])[bool(outer.recursive)]}
        elif not isinstance(inner, exp.With):
            around = outer.args.get("with_") or outer.args.get("with")
            found |= {cte.alias_or_name.lower() for cte in around.expressions} if around is not None else set()
        inner, outer = outer, outer.parent
    return found


def _check_node(node: Any, path: str) -> None:
    from sqlglot import exp

    if isinstance(node, exp.CTE) and node.alias_or_name.lower() == SOURCE:
        what = "a WITH of the name `source` hides the rows of the step before"
        raise UserError(what, where=_at(node, path), received=SOURCE, hint="Give it another name.")
    if isinstance(node, exp.Table):
        _check_table(node, path)
    elif isinstance(node, (exp.DDL, exp.DML, exp.Command, exp.Into, exp.TableSample)):
        raise UserError(f"may not contain {_shown(node)}", where=_at(node, path), received=None, hint=_HINT)
    elif isinstance(node, exp.Func) and not isinstance(node, (exp.And, exp.Or, exp.Xor)):
        name = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
        alone = name.lower() == "age" and len(node.args.get("expressions") or [1]) == 1  # counts up to today
        if alone or _REFUSED.fullmatch(name.lower()):
            hint = "The same source must always give the same rows, and a step reads nothing but `source`."
            raise UserError(f"may not call {_shown(node)}", where=_at(node, path), received=name, hint=hint)


def _check_table(node: Any, path: str) -> None:
    from sqlglot import exp

    if isinstance(node.this, exp.Func):
        name = node.this.name if isinstance(node.this, exp.Anonymous) else node.this.sql_name()
        if name.lower() in _TABLE_FUNCTIONS or isinstance(node.this, exp.GenerateSeries):
            return
        raise UserError(f"may not read {_shown(node.this)}", where=_at(node, path), received=name, hint=_HINT)
    if node.db or node.catalog or node.name.lower() not in {SOURCE, *_names_seen(node)}:
        hint = f"{_HINT} Other data sets are joined by [data.NAME.join.OTHER]."
        raise UserError("reads a table other than `source`", where=_at(node, path), received=_shown(node), hint=hint)


def _at(node: Any, path: str) -> str:
    """Say path and line, from the first part of the node that knows its place."""
    lines = (inner.meta.get("line") for inner in node.walk())
    return f"{path}:{next((line for line in lines if line), 1)}"


def _shown(node: Any) -> str:
    text = str(node.sql(dialect="duckdb"))
    return text if len(text) <= 40 else text[:37] + "..."


def has_order(text: str) -> bool:
    """Say whether a checked SELECT gives its rows an order."""
    import sqlglot

    tree: Any = sqlglot.parse_one(text, dialect="duckdb")
    return tree.args.get("order") is not None


def without_end(text: str) -> str:
    """Return a checked statement without the semicolons at its end and what comments follow them.

    Examples
    --------
    >>> without_end("SELECT ';' AS a FROM source ; -- done")
    "SELECT ';' AS a FROM source "
    """
    import sqlglot

    ends = [token.start for token in sqlglot.tokenize(text, dialect="duckdb") if token.token_type.name == "SEMICOLON"]
    return text[: ends[0]] if ends else text


def translated(text: str, before: str, dialect: str, *, path: str = "") -> str:
    """Return a step's SQL in another dialect, `source` being the query `before` of that dialect.

    Parameters
    ----------
    path
        Of the file, for errors.

    Raises
    ------
    UserError
        An aggregate with a FILTER that cannot be written without one.

    Examples
    --------
    >>> translated("SELECT CAST(a AS DOUBLE) AS a FROM source", "SELECT a FROM t", "bigquery")
    'WITH source AS (SELECT a FROM t) SELECT CAST(a AS FLOAT64) AS a FROM source'
    """
    import sqlglot
    from sqlglot import exp

    tree: Any = _without_filters(sqlglot.parse_one(text, dialect="duckdb"), path)
    query = tree.sql(dialect=dialect, comments=False)
    again: Any = sqlglot.parse_one(query, dialect=dialect)
    inner: Any = sqlglot.parse_one(before, dialect=dialect)
    cte = exp.CTE(this=inner, alias=exp.TableAlias(this=exp.to_identifier(SOURCE)))
    key = "with_" if "with_" in again.arg_types else "with"
    found = again.args.get(key)
    if found is None:
        again.set(key, exp.With(expressions=[cte]))
    else:
        found.set("expressions", [cte, *found.expressions])
    return str(again.sql(dialect=dialect))


_PASS_OVER_MISSING = {"SUM", "AVG", "MIN", "MAX", "COUNT", "STDDEV", "STDDEV_SAMP", "STDDEV_POP", "VARIANCE",
                      "VARIANCE_POP", "VAR_SAMP", "VAR_POP", "LOGICAL_AND", "LOGICAL_OR", "BOOL_AND", "BOOL_OR",
                      "APPROX_DISTINCT", "GROUP_CONCAT", "STRING_AGG"}  # fmt: skip
"""Aggregates for which a missing value is as good as no row, in both dialects."""


def _without_filters(tree: Any, path: str) -> Any:
    """Write `f(x) FILTER (WHERE c)` as `f(IF(c, x, NULL))`, and that of `count(*)` as COUNTIF: BigQuery has none."""
    from sqlglot import exp

    for node in list(tree.find_all(exp.Filter)):
        call, condition = node.this, node.expression.this
        inner = call.this
        if isinstance(call, exp.Count) and isinstance(inner, exp.Star | None):
            node.replace(exp.CountIf(this=condition.copy()))
            continue
        ordered = isinstance(call, exp.AggFunc) and isinstance(inner, exp.Order)
        distinct = isinstance(inner, exp.Distinct)
        value = inner.expressions[0] if distinct and len(inner.expressions) == 1 else inner
        known = isinstance(call, exp.AggFunc) and call.sql_name() in _PASS_OVER_MISSING
        if not known or ordered or (distinct and value is inner) or call.args.get("expressions"):
            hint = "Write CASE WHEN condition THEN value END within the aggregate, or filter in a step of its own."
            what = "BigQuery has no FILTER, and this one cannot be written without it"
            raise UserError(what, where=_at(node, path), received=_shown(node), hint=hint)
        value.replace(exp.If(this=condition.copy(), true=value.copy(), false=exp.Null()))
        node.replace(call.copy())
    return tree

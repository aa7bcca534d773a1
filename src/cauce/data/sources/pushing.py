"""What of a condition a PostgreSQL server may decide itself: only what means there what it means in DuckDB.

What is sent lets through every row that fulfils the condition, and perhaps more: the condition is applied again to what
arrives. So pushing spares rows on the wire and never changes which rows there are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from cauce.data.columns import quoted

_WHOLE = {"int2", "int4", "int8"}
_TEXTS = {"text", "varchar"}
_MOMENTS = {"date", "timestamp", "timestamptz"}
_OPERATORS = {"EQ": "=", "NEQ": "<>", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?")
_NUMBER = re.compile(r"\d{1,15}|(?=[\d.]{2,16}$)\d+\.\d+")
"""At most 15 digits: a double and a decimal say the same of them."""


def wider(tree: Any, kinds: Mapping[str, str]) -> str | None:
    r"""Return a condition of PostgreSQL that every row fulfils which fulfils `tree`; None where nothing is known.

    Parameters
    ----------
    tree
        A checked condition's syntax tree (sqlglot, DuckDB's dialect).
    kinds
        Column → type in the server: `decimal` for a numeric that a decimal of 18 digits holds; others by their names.

    Examples
    --------
    >>> from cauce.data.condition import checked_tree
    >>> tree = checked_tree("id > 7 and upper(city) = 'A' and city <> 'B'", ["id", "city"], where="")
    >>> wider(tree, {"id": "int8", "city": "text"})
    '"id" > 7 AND "city" <> \'B\' COLLATE "C"'
    """
    from sqlglot import exp

    if isinstance(tree, exp.Paren):
        return wider(tree.this, kinds)
    if isinstance(tree, exp.And):
        sides = [side for side in (wider(tree.left, kinds), wider(tree.right, kinds)) if side is not None]
        return " AND ".join(sides) or None
    if isinstance(tree, exp.Or):
        left, right = wider(tree.left, kinds), wider(tree.right, kinds)
        return None if left is None or right is None else f"({left} OR {right})"
    return _simple(tree, kinds)


def _simple(node: Any, kinds: Mapping[str, str]) -> str | None:
    """Write a condition on one column."""
    from sqlglot import exp

    negated = isinstance(node, exp.Not)
    inner = node.this if negated else node
    column = inner if isinstance(inner, exp.Column) else inner.this
    kind = kinds.get(column.name, "") if isinstance(column, exp.Column) else ""
    if not kind:
        return None
    name = quoted(column.name)
    if isinstance(inner, exp.Column):
        return f"{'NOT ' if negated else ''}{name}" if kind == "bool" else None
    if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null):
        return f"{name} IS NOT NULL" if negated else _missing(name, kind)
    if negated:
        return None
    if type(inner).__name__ in _OPERATORS:
        value = _value(inner.expression, kind)
        operator = _OPERATORS[type(inner).__name__]
        # Texts that a collation calls equal may differ: the rows that are unequal to the byte are wanted.
        exact = ' COLLATE "C"' if kind in _TEXTS and operator == "<>" else ""
        ordered = operator in {"=", "<>"} or kind not in {*_TEXTS, "bool"}  # each server sorts texts in its own way
        return f"{name} {operator} {value}{exact}" if value is not None and ordered else None
    return _among(inner, name, kind)


def _among(node: Any, name: str, kind: str) -> str | None:
    from sqlglot import exp

    if isinstance(node, exp.In) and node.expressions:
        values = [_value(value, kind) for value in node.expressions]
        told = [value for value in values if value is not None]
        return f"{name} IN ({', '.join(told)})" if len(told) == len(values) else None
    if isinstance(node, exp.Between) and kind not in {*_TEXTS, "bool"} and not node.args.get("symmetric"):
        low, high = _value(node.args["low"], kind), _value(node.args["high"], kind)
        return None if low is None or high is None else f"({name} >= {low} AND {name} <= {high})"
    return None


def _missing(name: str, kind: str) -> str:
    """Write which values are missing once they are here: those without an end, and NaN of a numeric, too."""
    if kind in _MOMENTS:
        return f"({name} IS NULL OR NOT isfinite({name}))"
    return f"({name} IS NULL OR {name} = 'NaN')" if kind == "decimal" else f"{name} IS NULL"


def _value(node: Any, kind: str) -> str | None:
    """Write a value of the condition as one of the column's type; None where the two servers might differ over it."""
    from sqlglot import exp

    if kind == "bool":
        return str(node.this).upper() if isinstance(node, exp.Boolean) else None
    sign = "-" if isinstance(node, exp.Neg) else ""
    node = node.this if sign else node
    if isinstance(node, exp.Literal) and not node.is_string:
        fits = re.fullmatch(r"\d{1,18}", node.name) if kind in _WHOLE else _NUMBER.fullmatch(node.name)
        return f"{sign}{node.name}" if fits and kind in {*_WHOLE, "float8", "decimal"} else None
    if sign:
        return None
    if kind in _MOMENTS:
        return _moment(node, kind)
    if kind in _TEXTS and isinstance(node, exp.Literal) and not {"\\", "\0"} & set(node.name):
        return "'" + node.name.replace("'", "''") + "'"
    return None


def _moment(node: Any, kind: str) -> str | None:
    """Write a date or moment that the condition says without a zone: DuckDB takes it as UTC here."""
    from sqlglot import exp

    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal):
        known = {"date": ("DATE",)}.get(kind, ("DATE", "TIMESTAMP", "TIMESTAMPNTZ"))
        if str(node.to.this.value) not in known or (
            str(node.to.this.value) == "DATE" and not _DAY.fullmatch(node.this.name)
        ):
            return None
        node = node.this
    if not isinstance(node, exp.Literal) or not node.is_string:
        return None
    if not (_DAY if kind == "date" else _MOMENT).fullmatch(node.name):
        return None
    try:
        return written(date.fromisoformat(node.name) if kind == "date" else datetime.fromisoformat(node.name), kind)
    except ValueError:
        return None


def since(column: str, bound: object, kind: str) -> str | None:
    r"""Return the rows from a watermark on, and those without one, which are refused here; None: not known.

    Examples
    --------
    >>> since("day", date(2026, 1, 2), "date")
    '("day" >= DATE \'2026-01-02\' OR "day" IS NULL OR "day" = \'-infinity\')'
    """
    value = written(bound, kind)
    if value is None:
        return None
    name = quoted(column)
    # Written as alternatives, each of which an index on the column answers.
    endless = f" OR {name} = '-infinity'" if kind in _MOMENTS else ""
    return f"({name} >= {value} OR {name} IS NULL{endless})"


def written(value: object, kind: str) -> str | None:
    """Return a value as SQL of a column's type; None where it is none of that type."""
    if kind == "date":
        return f"DATE '{value.isoformat()}'" if isinstance(value, date) and not isinstance(value, datetime) else None
    if kind in {"timestamp", "timestamptz"}:
        if not isinstance(value, datetime):
            return None
        moment = (value.astimezone(UTC) if value.tzinfo else value).replace(tzinfo=None)
        zone = "+00" if kind == "timestamptz" else ""
        return f"{kind.upper()} '{moment.isoformat(sep=' ')}{zone}'"
    if kind in _WHOLE:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else None
    if kind == "float8" and isinstance(value, float):
        return f"'{value!r}'::float8"
    return f"{value:f}" if kind == "decimal" and isinstance(value, Decimal) and value.is_finite() else None

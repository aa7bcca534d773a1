"""Numbers as Spain and much of Europe write them in a CSV file: `1.272,24`, points for thousands, a decimal comma.

DuckDB takes them for text. A column becomes numbers when every value fits this grammar and at least one cannot be
English: `1,234` alone may mean 1234, so a column of such values stays text and the audit names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cauce.data.columns import quoted

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

NUMBER = r"[+-]?([0-9]{1,3}(\.[0-9]{3}){1,9}|[0-9]{1,30})(,[0-9]{1,30})?"
ENGLISH = r"[+-]?[1-9][0-9]{0,2},[0-9]{3}"
"""What has a comma and may be a thousand and more."""
GLANCE = 1_000
"""First rows that say which columns are worth a pass over all of them."""


def decimal_commas(backend: Backend, relation: str, texts: Sequence[str]) -> frozenset[str]:
    """Return the text columns of a relation (quoted SQL) that hold numbers alone, one at least with a decimal comma."""
    promising = [
        name for name, (fits, _) in _asked(backend, relation, texts, f"LIMIT {GLANCE}").items() if fits is not False
    ]
    asked = _asked(backend, relation, promising)
    return frozenset(name for name, (fits, is_decimal) in asked.items() if fits and is_decimal)


def number(name: str) -> str:
    """Return the SQL of such a column's numbers, each the double nearest to what is written."""
    return f"CAST(replace(replace(trim({quoted(name)}), '.', ''), ',', '.') AS DOUBLE)"


def _asked(
    backend: Backend, relation: str, names: Sequence[str], limit: str = ""
) -> dict[str, tuple[bool | None, bool | None]]:
    """Return for each column whether all its values are numbers, and whether one has a comma that is a decimal's."""
    if not names:
        return {}
    texts = [f"trim({quoted(name)})" for name in names]
    answers = ", ".join(
        f"bool_and(regexp_full_match({text}, '{NUMBER}')), "
        f"bool_or(contains({text}, ',') AND NOT regexp_full_match({text}, '{ENGLISH}'))"
        for text in texts
    )
    columns = ", ".join(map(quoted, names))
    query = f"SELECT {answers} FROM (SELECT {columns} FROM {relation} {limit})"  # noqa: S608 - names are quoted
    row = backend.con.sql(query).fetchall()[0]
    return {name: (row[2 * i], row[2 * i + 1]) for i, name in enumerate(names)}

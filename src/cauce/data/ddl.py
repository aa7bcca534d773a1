"""A snapshot's table in BigQuery: the same columns and types, partitioned and clustered as near as BigQuery can.

BigQuery partitions by one column, a date, a moment or a whole number, into at most 10,000 parts, and clusters by at
most four. What it cannot do is said as a comment above the statement.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cauce.core.errors import UserError
from cauce.core.specs import DataSpec
from cauce.data.history import snapshot_of
from cauce.data.versions import Stored, open_version

PARTS = 10_000
"""Most partitions of a table."""
CLUSTERS = 4
_FORBIDDEN = re.compile(r"[!\"$()*,./;?@\[\\\]^`{}~\x00-\x1f]")
_PREFIXES = ("_table_", "_file_", "_partition", "_row_timestamp", "__root__", "_colidentifier", "_change_")
_KINDS = {
    "string": "STRING", "int64": "INT64", "double": "FLOAT64", "bool": "BOOL", "date32[day]": "DATE",
    "timestamp[us, tz=UTC]": "TIMESTAMP",
}  # fmt: skip
_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class _Plan:
    partition: str
    clusters: tuple[str, ...]
    said: tuple[str, ...]


def bigquery_ddl(lake: Path, name: str, spec: DataSpec, *, table: str | None = None) -> str:
    """Return the statement that makes a data set's table in BigQuery.

    Parameters
    ----------
    lake
        `.cauce/lake`.
    name
        Of the data set; its newest snapshot says columns and ranges.
    spec
        Its keys: partitions, clusters, time.
    table
        The table's name there, as ``project.dataset.table``; the data set's when absent.

    Raises
    ------
    UserError
        Never loaded, or `table` is no name.
    """
    snapshot = snapshot_of(lake, name, None)
    stored = open_version(lake / name, snapshot.version)
    kinds = {column: bigquery_type(kind) for column, kind in snapshot.types.items()}
    names, renamed = bigquery_names(list(kinds))
    plan = _plan(spec, kinds, names, stored)
    lines = [
        f"  {_quoted(names[column])} {kind}"
        + (f" OPTIONS(description={_text(f'{column} in {name}')})" if column in renamed else "")
        for column, kind in kinds.items()
    ]
    said = [f"-- Column {_comment(c)} is called {names[c]}: BigQuery takes no such name." for c in renamed]
    said += [f"-- {one}" for one in plan.said]
    statement = [f"CREATE TABLE IF NOT EXISTS {_quoted(_table(table or name))} (", ",\n".join(lines), ")"]
    if plan.partition:
        statement.append(f"PARTITION BY {plan.partition}")
    if plan.clusters:
        statement.append(f"CLUSTER BY {', '.join(_quoted(names[column]) for column in plan.clusters)}")
    return "\n".join([*said, *statement]) + ";\n"


def bigquery_type(kind: str) -> str:
    """Return BigQuery's type for an Arrow type of a snapshot.

    Examples
    --------
    >>> bigquery_type("decimal128(12, 2)"), bigquery_type("decimal128(38, 20)"), bigquery_type("double")
    ('NUMERIC(12, 2)', 'BIGNUMERIC(38, 20)', 'FLOAT64')
    """
    if digits := re.fullmatch(r"decimal128\((\d+), (\d+)\)", kind):
        precision, scale = int(digits[1]), int(digits[2])
        fits = scale <= 9 and precision - scale <= 29
        return f"{'NUMERIC' if fits else 'BIGNUMERIC'}({precision}, {scale})"
    return _KINDS[kind]


def bigquery_names(columns: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return BigQuery's name of each column, and the columns that had to be renamed.

    Examples
    --------
    >>> bigquery_names(["año", "a.b", "a_b"])
    ({'año': 'año', 'a.b': 'a_b_2', 'a_b': 'a_b'}, ('a.b',))
    """
    fine = {column: column for column in columns if _is_name(column)}
    taken = {column.lower() for column in fine}
    for column in columns:
        if column in fine:
            continue
        plain = _FORBIDDEN.sub("_", column)[:290] or "_"
        plain = f"c{plain}" if plain.lower().startswith(_PREFIXES) else plain
        number, free = 1, plain
        while free.lower() in taken:
            number += 1
            free = f"{plain}_{number}"
        fine[column] = free
        taken.add(free.lower())
    return {column: fine[column] for column in columns}, tuple(c for c in columns if fine[c] != c)


def _is_name(column: str) -> bool:
    return 0 < len(column) <= 300 and not _FORBIDDEN.search(column) and not column.lower().startswith(_PREFIXES)


def _plan(spec: DataSpec, kinds: Mapping[str, str], names: Mapping[str, str], stored: Stored) -> _Plan:
    """Choose the one partition column: the first that fits of `partition_by`, then `time`; the others cluster."""
    said: list[str] = []
    partition, by = "", ""
    wanted = list(dict.fromkeys([*spec.partition_by, *((spec.time,) if spec.time in kinds else ())]))
    for column in wanted:
        made = _partition(_quoted(names[column]), kinds[column], stored, column)
        if not partition and made:
            partition, by = made, column
        elif column in spec.partition_by:
            why = "a table has one partition column" if made else f"a {kinds[column]} cannot partition"
            said.append(f"{_comment(column)} partitions the table in Cauce; in BigQuery it clusters: {why}.")
    others = [column for column in (*spec.partition_by, *spec.cluster_by) if column != by]
    fit = [column for column in others if kinds[column] != "FLOAT64"]
    said += [
        f"{_comment(column)} cannot cluster in BigQuery: it is a FLOAT64." for column in others if column not in fit
    ]
    said += [f"{_comment(column)} does not cluster: BigQuery takes {CLUSTERS} columns." for column in fit[CLUSTERS:]]
    return _Plan(partition, tuple(fit[:CLUSTERS]), tuple(said))


def _partition(column: str, kind: str, stored: Stored, name: str) -> str:
    """Return what stands after PARTITION BY, empty where BigQuery cannot."""
    if kind not in {"DATE", "TIMESTAMP", "INT64"}:
        return ""
    known = stored.bounds(name)
    lower = [bound.lower for bound in known if bound.lower is not None]
    upper = [bound.upper for bound in known if bound.upper is not None]
    if not lower or not upper:
        return "" if kind == "INT64" else _by_time(column, kind, 0)
    low, high = min(lower), max(upper)
    if kind == "INT64":
        return _by_range(column, low, high)
    return _by_time(column, kind, (high - low) // (1 if kind == "DATE" else _DAY_US))


def _by_time(column: str, kind: str, n_days: int) -> str:
    """Partition by day, or by month or year where there would be half of the partitions that a table may have."""
    unit = "DAY" if n_days < PARTS // 2 else "MONTH" if n_days / 30 < PARTS // 2 else "YEAR"
    if kind == "DATE" and unit == "DAY":
        return column
    return f"{kind}_TRUNC({column}, {unit})"


def _by_range(column: str, low: int, high: int) -> str:
    """Partition by ranges of equal length: one a value where they fit; the last partition's room doubles the range."""
    step = max(1, math.ceil((high - low + 1) / (PARTS // 2)))
    end = min(high + (high - low + 1), 2**63 - 1)
    return f"RANGE_BUCKET({column}, GENERATE_ARRAY({low}, {end}, {step}))"


def _table(name: str) -> str:
    parts = name.split(".")
    if len(parts) > 3 or not all(re.fullmatch(r"[^\W][\w-]{0,300}", part) for part in parts):
        hint = "Write project.dataset.table, dataset.table or table: letters, digits, - and _."
        raise UserError("not the name of a table in BigQuery", received=name, hint=hint)
    return name


def _quoted(name: str) -> str:
    return f"`{name}`"


def _text(value: Any) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", _comment(value)) + '"'


def _comment(value: Any) -> str:
    """Return a name on one line: a line end would end the comment."""
    return re.sub(r"[\x00-\x1f]", " ", str(value))

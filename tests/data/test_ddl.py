"""The table in BigQuery: held against golden files, and parsed back by sqlglot's BigQuery dialect."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlglot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from cauce import data
from cauce.core.errors import UserError
from cauce.core.specs import DataSpec
from cauce.data.ddl import bigquery_names

GOLDEN = Path(__file__).parent / "golden"
MOMENT = datetime(2020, 1, 1, tzinfo=UTC)
N = 40
TABLE = pa.table(
    {
        "id": range(N),
        "city": ["Madrid", "Vigo"] * (N // 2),
        "year": [2019 + i % 4 for i in range(N)],
        "day": pa.array([date(2020, 1, 1) + timedelta(days=i) for i in range(N)]),
        "at": pa.array([MOMENT + timedelta(hours=i) for i in range(N)]),
        "price": pa.array([Decimal("1.25")] * N, pa.decimal128(12, 2)),
        "exact": pa.array([Decimal("1.25")] * N, pa.decimal128(38, 20)),
        "score": [i / 7 for i in range(N)],
        "yes": [True, False] * (N // 2),
        "año nuevo": ["x"] * N,
        "a.b `c`": ["x"] * N,
        "select": ["x"] * N,
    }
)
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "by_time": {"time": "at", "cluster_by": ("city", "score", "id", "yes", "year", "select")},
    "by_day": {"partition_by": ("day", "city"), "time": "at"},
    "by_range": {"partition_by": ("year",), "time": "at", "cluster_by": ("id",)},
    "by_text": {"partition_by": ("city", "yes")},
}


def statement(place: Any, table: pa.Table, *, name: str | None = None, **keys: Any) -> str:
    place.put_table(table)
    place.load("rows.parquet", **keys)
    return data.bigquery_ddl(place.lake, "rows", DataSpec(source="rows.parquet", **keys), table=name)


@pytest.mark.parametrize("case", CASES)
def test_the_statement_is_the_golden_one(place: Any, case: str) -> None:
    made = statement(place, TABLE, name="school.raw.rows" if case == "by_time" else None, **CASES[case])
    assert made == (GOLDEN / f"ddl_{case}.sql").read_text(encoding="utf-8")
    read_back(made, TABLE.column_names)


def read_back(made: str, columns: list[str]) -> exp.Create:
    """Parse the statement; its columns are those of the table, in order."""
    (parsed,) = sqlglot.parse(made, dialect="bigquery")
    assert isinstance(parsed, exp.Create)
    names, _ = bigquery_names(columns)
    found = [(one.name, one.kind) for one in parsed.find_all(exp.ColumnDef)]
    assert [name for name, _ in found] == [names[column] for column in columns]
    assert all(isinstance(kind, exp.DataType) for _, kind in found)
    return parsed


def test_partitions_and_clusters_are_read_back(place: Any) -> None:
    parsed = read_back(statement(place, TABLE, **CASES["by_time"]), TABLE.column_names)
    partition = parsed.find(exp.PartitionedByProperty)
    assert partition is not None
    assert partition.this.sql("bigquery") == "TIMESTAMP_TRUNC(`at`, DAY)"
    assert parsed.sql("bigquery").endswith("CLUSTER BY `city`, `id`, `yes`, `year`")


@pytest.mark.parametrize(
    ("last", "unit"), [(date(2025, 1, 1), ""), (date(2050, 1, 1), "MONTH"), (date(9000, 1, 1), "YEAR")]
)
def test_a_long_time_is_partitioned_more_coarsely(place: Any, last: date, unit: str) -> None:
    made = statement(place, pa.table({"day": pa.array([date(2020, 1, 1), last])}), time="day")
    assert f"PARTITION BY {f'DATE_TRUNC(`day`, {unit})' if unit else '`day`'};" in made


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9), min_size=1, max_size=5))
def test_ranges_of_whole_numbers_hold_every_value_in_at_most_ten_thousand_parts(
    places: Callable[[], Any], values: list[int]
) -> None:
    made = statement(places(), pa.table({"n": values}), time="n")
    ends = made.split("GENERATE_ARRAY(")[1].split(")")[0].split(", ")
    start, end, step = map(int, ends)
    assert start <= min(values)
    assert max(values) < end or end == 2**63 - 1
    assert 2 <= (end - start) // step + 1 <= 10_000


NAMES = st.lists(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
        lambda name: not name.lower().startswith("__cauce")
    ),
    min_size=1, max_size=6, unique_by=str.lower,
)  # fmt: skip


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NAMES)
def test_any_names_give_a_statement_that_parses(places: Callable[[], Any], names: list[str]) -> None:
    table = pa.table({name: [1] for name in names})
    read_back(statement(places(), table), names)


def test_a_table_name_that_is_none_is_refused(place: Any) -> None:
    for name in ("a.b.c.d", "a b", "x`; DROP TABLE y", ""):
        if name:
            with pytest.raises(UserError, match="not the name of a table"):
                statement(place, TABLE, name=name)
    with pytest.raises(UserError, match="never loaded"):
        data.bigquery_ddl(place.lake, "other", DataSpec(source="x.csv"))

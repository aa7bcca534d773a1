"""A filtered read gives what an unfiltered read and a filter give, and reads no more than it must."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cauce import data
from cauce.core.errors import UserError
from cauce.data import Filter
from cauce.data.columns import ROW
from cauce.data.lake import write
from cauce.data.pieces import pruned
from cauce.data.versions import open_version

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WORDS = st.sampled_from(
    ["", "a", "b", "z", "ñ", "\U0010ffff", "a" * 63, "a" * 64, "a" * 65, "a" * 64 + "b", "a" * 64 + "\U0010ffff",
     "\U0010ffff" * 20, "\U0010ffff" * 20 + "a", "é" * 40, "é" * 40 + "x", "it's", 'q"']
)  # fmt: skip
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "text": WORDS,
    "whole": st.sampled_from([-(2**63), -(2**53) - 1, -1, 0, 1, 2**53 + 1, 2**63 - 1]) | st.integers(-5, 5),
    "number": st.sampled_from([math.inf, -math.inf, 0.0, -0.0, 0.1, 0.1 + 2**-54, 1e308, 5e-324, math.pi])
    | st.floats(allow_nan=False),
    "yes": st.booleans(),
    "day": st.dates(date(2020, 1, 1), date(2020, 1, 9)) | st.dates(),
    "moment": st.integers(0, 4000).map(lambda us: EPOCH + timedelta(microseconds=us)),
    "exact": st.decimals(-9, 9, places=3, allow_nan=False),
    "wide": st.sampled_from([Decimal("12345678901234567890.123"), Decimal("12345678901234567890.124"), Decimal("1.5")]),
}
SCHEMA = pa.schema(
    {
        "text": pa.string(),
        "whole": pa.int64(),
        "number": pa.float64(),
        "yes": pa.bool_(),
        "day": pa.date32(),
        "moment": pa.timestamp("us", "UTC"),
        "exact": pa.decimal128(8, 3),
        "wide": pa.decimal128(30, 3),
    }
)
ROWS = st.lists(st.fixed_dictionaries({n: st.none() | cell for n, cell in CELLS.items()}), min_size=1, max_size=12)


@st.composite
def conditions(draw: st.DrawFn) -> Filter:
    column = draw(st.sampled_from(list(CELLS)))
    operator = draw(st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "in", "is null", "is not null"]))
    if operator in {"is null", "is not null"}:
        return Filter(column, operator)  # type: ignore[arg-type]
    if operator == "in":
        return Filter(column, "in", tuple(draw(st.lists(CELLS[column], max_size=3))))
    return Filter(column, operator, draw(CELLS[column]))  # type: ignore[arg-type]


def fulfils(row: dict[str, Any], one: Filter) -> bool:
    """What a filter means, row by row."""
    value = row[one.column]
    if one.operator in {"is null", "is not null"}:
        return (value is None) == (one.operator == "is null")
    if value is None:
        return False
    if one.operator == "in":
        assert isinstance(one.value, tuple)
        return value in one.value
    compare: dict[str, Callable[[Any, Any], bool]] = {
        "=": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
    }
    return compare[one.operator](value, one.value)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(ROWS, min_size=1, max_size=4),
    st.lists(conditions(), min_size=1, max_size=2),
    st.sampled_from([(), ("yes",), ("day",), ("whole",)]),
)
def test_a_filtered_read_is_the_unfiltered_read_filtered(
    places: Callable[[], Any], pieces: list[list[dict[str, Any]]], filters: list[Filter], partitions: tuple[str, ...]
) -> None:
    place = places()
    folder, start = place.lake / "rows", 0
    for number, rows in enumerate(pieces):
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        table = table.append_column(ROW, pa.array(range(start, start + len(rows)), pa.int64()))
        mode: Any = "append" if number else "overwrite"
        version = write(folder, table.to_reader(), mode=mode, partition_by=partitions)
        start += len(rows)
    everything = [row for rows in pieces for row in rows]
    wanted = [row for row in everything if all(fulfils(row, one) for one in filters)]
    expected = pa.Table.from_pylist(wanted, schema=SCHEMA)
    assert data.read(place.lake, "rows", version=version, filters=filters).equals(expected)
    streamed = list(data.batches(place.lake, "rows", version=version, filters=filters, size=3))
    assert pa.Table.from_batches(streamed, schema=SCHEMA).equals(expected)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("moment", [EPOCH + timedelta(microseconds=us) for us in (1, 1999)]),
        ("wide", [Decimal("12345678901234567890.123"), Decimal("12345678901234567890.987")]),
        ("text", ["a" * 70, "\U0010ffff" * 20 + "z"]),
        ("number", [-math.inf, math.inf]),
        ("whole", [-(2**63), 2**63 - 1]),
    ],
)
def test_statistics_that_the_log_cuts_lose_no_row(place: Any, column: str, values: list[Any]) -> None:
    table = pa.table({column: pa.array(values, SCHEMA.field(column).type), ROW: pa.array([0, 1], pa.int64())})
    write(place.lake / "rows", table.to_reader(), mode="overwrite")
    for value in values:
        for operator in ("=", "<=", ">="):
            wanted: Any = Filter(column, operator, value)
            expected = [one for one in values if fulfils({column: one}, wanted)]
            got = data.read(place.lake, "rows", version=0, filters=[wanted])[column].to_pylist()
            assert got == expected, wanted


def test_nan_fulfils_no_comparison_but_unequal(place: Any) -> None:
    """A data set's NaN is loaded as missing; the ledger's tables may hold them."""
    numbers = [math.nan, 1.0, None, math.nan, 5.0]
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0]):  # the second is out of order: DuckDB sorts it
        table = pa.table({"x": [numbers[i] for i in order], ROW: pa.array(order, pa.int64())})
        version = write(place.lake / "rows", table.to_reader(), mode="overwrite")
        tried: Any = ((">", [5.0]), (">=", [5.0]), ("<", []), ("!=", [math.nan, 1.0, math.nan]))
        for operator, rows in tried:
            wanted = Filter("x", operator, 1.0 if operator == "<" else 5.0 if operator != ">" else 1.0)
            got = data.read(place.lake, "rows", version=version, filters=[wanted])["x"].to_pylist()
            streamed = [
                v
                for b in data.batches(place.lake, "rows", version=version, filters=[wanted])
                for v in b["x"].to_pylist()
            ]
            assert str(got) == str(streamed) == str(rows), operator


def test_only_the_files_of_the_partition_are_left(place: Any) -> None:
    place.load(place.put("id,city\n" + "".join(f"{i},{'abc'[i % 3]}\n" for i in range(90))), partition_by=("city",))
    stored = open_version(place.lake / "rows", 0)
    left = pruned(stored, [Filter("city", "in", ("a", "c"))])
    assert sorted(file.values["city"] for file in left.files) == ["a", "c"]
    assert pruned(stored, [Filter("id", ">", 89)]).files == ()
    assert place.read(filters=[Filter("city", "=", "b"), Filter("id", "<", 5)]).to_pylist() == [
        {"id": 1, "city": "b"},
        {"id": 4, "city": "b"},
    ]
    assert place.read(columns=["id"], filters=[Filter("city", "=", "nowhere")]).num_rows == 0


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (Filter("citi", "=", "a"), "no such column.*Did you mean 'city'"),
        (Filter("__cauce_row", "=", 1), "no such column"),
        (Filter("city", "==", "a"), "not an operator"),  # type: ignore[arg-type]
        (Filter("city", "=", 1), "not of the column's type"),
        (Filter("city", "=", None), "not of the column's type"),
        (Filter("id", "=", 1.5), "not of the column's type"),
        (Filter("id", "=", True), "not of the column's type"),
        (Filter("id", "=", 2**63), "not of the column's type"),
        (Filter("id", "in", 3), "takes a tuple"),
        (Filter("id", "is null", 3), "takes no value"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(place: Any, one: Filter, said: str) -> None:
    place.load(place.put("id,city\n1,a\n"))
    with pytest.raises(UserError, match=said):
        place.read(filters=[one])
    with pytest.raises(UserError, match=said):
        data.batches(place.lake, "rows", filters=[one])


MEASURE = """
import sys
from pathlib import Path
from cauce import data
def so_far():
    return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])
import duckdb, deltalake, pyarrow.parquet, pyarrow.compute, zoneinfo
data.read(Path(sys.argv[1]), "warm", filters=[data.Filter("n", "=", 1)])
before = so_far()
n = data.read(Path(sys.argv[1]), "rows", filters={filters}).num_rows
print(so_far() - before, n)
"""


def bytes_read(lake: Path, filters: str) -> tuple[int, int]:
    """Bytes that a fresh process reads for a filtered read, and the rows that it gets."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE.replace("{filters}", filters), str(lake)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    n_bytes, n_rows = map(int, done.stdout.split())
    return n_bytes, n_rows


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="bytes read are counted by Linux")
def test_a_query_that_touches_one_partition_reads_only_that_partition(place: Any) -> None:
    rng = np.random.default_rng(1)
    n_rows, n_parts = 160_000, 8
    table = pa.table(
        {"part": np.arange(n_rows) % n_parts, "noise": rng.normal(size=n_rows), "n": np.arange(n_rows)}
    )  # noise does not compress: 8 bytes a row
    place.put_table(table)
    place.load("rows.parquet", partition_by=("part",))
    place.put_table(table.slice(0, 10))
    data.load("warm", data_spec("rows.parquet"), place.folder, place.lake, now=EPOCH, where=lambda *_: "")
    sizes = {file.values["part"]: file.n_bytes for file in open_version(place.lake / "rows", 0).files}
    log = sum(path.stat().st_size for path in (place.lake / "rows" / "_delta_log").iterdir())
    everything, n_all = bytes_read(place.lake, "[]")
    one, n_one = bytes_read(place.lake, '[data.Filter("part", "=", 3)]')
    assert (n_all, n_one) == (n_rows, n_rows // n_parts)
    assert everything > sum(sizes.values())
    footer = 65_536  # pyarrow reads this much of a file's end at once
    assert one < sizes[3] + footer + 3 * log + 10_000, (one, sizes[3], log)
    assert one < everything / 3


def data_spec(source: str) -> Any:
    from cauce.core.specs import DataSpec

    return DataSpec(source=source)


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="bytes read are counted by Linux")
@pytest.mark.slow
def test_clustering_reads_less_for_a_filter_on_the_clustered_column(place: Any) -> None:
    rng = np.random.default_rng(2)
    n_rows = 300_000
    table = pa.table({"user": rng.integers(0, 1000, n_rows), "noise": rng.normal(size=n_rows), "n": np.arange(n_rows)})
    place.put_table(table)
    data.load("warm", data_spec("rows.parquet"), place.folder, place.lake, now=EPOCH, where=lambda *_: "")
    wanted = '[data.Filter("user", "in", (17, 18))]'
    place.load("rows.parquet")
    plain, n_plain = bytes_read(place.lake, wanted)
    place.load("rows.parquet", cluster_by=("user",))
    clustered, n_clustered = bytes_read(place.lake, wanted)
    assert n_plain == n_clustered > 0
    assert clustered < plain / 4, (clustered, plain)

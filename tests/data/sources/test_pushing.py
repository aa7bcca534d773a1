"""What a database decides itself: fewer rows come over the wire, and never another answer."""

from __future__ import annotations

import random
import sqlite3
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cauce.core.specs import DataSpec
from cauce.data.sources import opened
from cauce.data.sources import postgres as postgres_source
from cauce.data.sources import sqlite as sqlite_source
from data.conftest import where
from data.sources.bigquery_stand_in import DATASET, PROJECT
from data.sources.postgres_server import Server

GOLDEN = Path(__file__).parent / "golden"


def counted(monkeypatch: pytest.MonkeyPatch, module: Any) -> list[int]:
    """Rows that came over the wire, load by load."""
    found: list[int] = []
    real = module.land

    def land(*args: Any) -> Path:
        path: Path = real(*args)
        found.append(pq.read_metadata(path).num_rows)
        return path

    monkeypatch.setattr(module, "land", land)
    return found


CONDITIONS = (
    "id > 3",
    "id between -2 and 5 and city <> 'Roma'",
    "city = 'Roma' or city = 'roma'",
    "city in ('Roma', 'Ávila', 'it''s') or id is null",
    "city <> 'Roma'",
    "city > 'P'",
    "upper(city) = 'ROMA' and id < 9",
    "upper(city) = 'ROMA' or id < 9",
    "open",
    "not open and city is not null",
    "open = false or day is null",
    "day >= date '2024-01-02'",
    "day <= '2024-01-02'",
    "day is null",
    "day is not null and day <> date '2024-01-02'",
    "zoned >= timestamp '2024-01-01 12:00:00'",
    "zoned < '2024-01-02' or naive >= date '2024-01-02'",
    "naive is null or zoned is null",
    "exact >= 1.5",
    "exact is null or exact = 1.5",
    "loose <= 0.1",
    "loose is null",
    "wide <= 0.5 and wide > -1",
    "wide is not null and id <> 2",
    "not (id > 3)",
    "id + 1 > 4 and ID > 1",
    "code = 'a' or padded = 'b'",
    "city = 'back\\slash'",
)


VALUES = (
    [str(number) for number in range(-3, 10)],
    ["'Roma'", "'roma'", "'Ávila'", "'it''s'", "'back\\slash'"],
    ["true", "false"],
    ["'2024-01-01'", "'2024-01-02'", "'infinity'", "'-infinity'"],
    ["'2024-01-01 12:00+00'", "'2024-01-01 13:00+02'", "'infinity'"],
    ["'2024-01-01 23:59:59.999999'", "'2024-01-02'", "'-infinity'"],
    ["1.50", "1.49", "'NaN'"],
    ["0.1", "0.1000000000000000000001", "'NaN'"],
    ["0.5", "-1", "'NaN'", "'infinity'"],
    ["'a'", "'a '"],
    ["'b'", "'c'"],
)


@pytest.fixture(scope="module")
def kinds(postgres: Server) -> Server:
    """A table of every compared kind, with what each server sees differently: NaN, infinity, collations, blanks."""
    chosen = random.Random(7)
    rows = [f"({', '.join(chosen.choice(['NULL', *values]) for values in VALUES)})" for _ in range(300)]
    postgres.run(
        "DROP TABLE IF EXISTS pushed",
        "CREATE COLLATION IF NOT EXISTS blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "CREATE TABLE pushed (id int4, city text COLLATE blind, open bool, day date, zoned timestamptz, "
        "naive timestamp, exact numeric(8, 2), loose numeric, wide float8, code varchar(5), padded char(3))",
        f"INSERT INTO pushed VALUES {', '.join(rows)}",
    )
    return postgres


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_pushed_condition_leaves_the_rows_that_it_leaves_here(
    condition: str, kinds: Server, postgres_env: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = DataSpec(source=kinds.address, table="pushed", where=condition)

    def rows() -> list[str]:
        with opened("rows", spec, tmp_path, where=where, spill=tmp_path) as source:
            return sorted(map(repr, pa.Table.from_batches(source.batches(1000)).to_pylist()))

    found = rows()
    monkeypatch.setattr(postgres_source, "wider", lambda *_: None)
    assert found == rows()
    assert found, "a condition that no row fulfils tests nothing"


@pytest.mark.parametrize(
    ("condition", "most"), [("id > 3", 200), ("city = 'Ávila'", 90), ("upper(city) = 'X' or id > 3 and open", 300)]
)
def test_fewer_rows_come_where_the_server_knows(
    condition: str, most: int, kinds: Server, postgres_env: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    came = counted(monkeypatch, postgres_source)
    spec = DataSpec(source=kinds.address, table="pushed", where=condition)
    with opened("rows", spec, tmp_path, where=where, spill=tmp_path):
        pass
    assert 0 < came[0] <= most
    assert (came[0] == 300) == (most == 300)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("timestamptz", "timestamptz '2026-01-01 00:00+00' + i * interval '1 second'"),
        ("timestamp", "timestamp '2026-01-01' + i * interval '1 second'"),
        ("date", "date '2020-01-01' + i"),
        ("int4", "i"),
        ("bigint", "i"),
        ("float8", "i / 8.0"),
        ("numeric(12, 3)", "i / 8.0"),
    ],
)
def test_an_increment_fetches_what_is_new_and_nothing_else(
    place: Any, postgres_env: Server, monkeypatch: pytest.MonkeyPatch, kind: str, value: str
) -> None:
    fill = "INSERT INTO grows SELECT i, ({})::{}, md5(i::text) FROM generate_series({}, {}) AS i"
    postgres_env.run(
        "DROP TABLE IF EXISTS grows",
        f"CREATE TABLE grows (id bigint PRIMARY KEY, at {kind}, name text)",
        "CREATE INDEX ON grows (at)",
        fill.format(value, kind, 1, 2000),
    )
    keys = {"table": "grows", "key": "id", "watermark": "at"}
    place.load(postgres_env.address, **keys)
    postgres_env.run(fill.format(value, kind, 2001, 2030))
    came = counted(monkeypatch, postgres_source)
    snapshot = place.load(postgres_env.address, **keys)
    assert came == [31]  # the newest of before, and those that are new
    assert snapshot.n_rows == 2030
    postgres_env.run("INSERT INTO grows VALUES (9999, NULL, 'no watermark')")
    with pytest.raises(Exception, match="no value in 1 rows"):
        place.load(postgres_env.address, **keys)


def test_beneath_a_step_the_watermark_is_not_pushed(
    place: Any, postgres_env: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres_env.run(
        "DROP TABLE IF EXISTS sold",
        "CREATE TABLE sold AS SELECT i % 3 AS shop, i AS seen, 1 AS n FROM generate_series(1, 9) AS i",
    )
    place.put("SELECT shop, max(seen) AS seen, sum(n) AS n FROM source GROUP BY shop", "by_shop.sql")
    keys = {"table": "sold", "key": "shop", "watermark": "seen", "prepare": ("by_shop.sql",)}
    place.load(postgres_env.address, **keys)
    postgres_env.run("INSERT INTO sold VALUES (0, 10, 1)")
    came = counted(monkeypatch, postgres_source)
    place.load(postgres_env.address, **keys)
    assert came == [10]
    assert dict(zip(*(place.read()[name].to_pylist() for name in ("shop", "n")), strict=True)) == {0: 4, 1: 3, 2: 3}


def test_a_first_look_reads_few_rows(place: Any, postgres_env: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    postgres_env.run(
        "DROP TABLE IF EXISTS long", "CREATE TABLE long AS SELECT i AS id FROM generate_series(1, 50000) AS i"
    )
    came = counted(monkeypatch, postgres_source)
    assert place.inspect(postgres_env.address, table="long", key="id").head.num_rows == 1000
    assert place.inspect(postgres_env.address, table="long", where="id > 49990").head.num_rows == 10
    assert place.inspect(postgres_env.address, table="long", where="id % 50000 = 0").head.num_rows == 1
    assert came == [1000, 10, 1000, 50000]  # the last finds none among the first rows, and looks at all


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("INTEGER", lambda i: i),
        ("REAL", lambda i: i / 8),
        ("DATE", lambda i: date.fromordinal(730_000 + i).isoformat()),
        ("DATETIME", lambda i: f"{date.fromordinal(730_000 + i).isoformat()} 12:00:00+02:00"),
    ],
)
def test_sqlite_gives_what_is_new(place: Any, monkeypatch: pytest.MonkeyPatch, declared: str, value: Any) -> None:
    def put(first: int, last: int) -> None:
        with sqlite3.connect(place.folder / "rows.db") as connection:
            connection.execute(f"CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, at {declared})")
            connection.executemany("INSERT INTO t VALUES (?, ?)", [(i, value(i)) for i in range(first, last)])
        connection.close()

    keys = {"table": "t", "key": "id", "watermark": "at"}
    put(1, 500)
    place.load("rows.db", **keys)
    put(500, 510)
    came = counted(monkeypatch, sqlite_source)
    assert place.load("rows.db", **keys).n_rows == 509
    assert came[0] <= 12
    assert place.inspect("rows.db", table="t", key="id").head.num_rows == 509


def test_bigquery_is_asked_for_what_is_new_and_for_a_first_look(place: Any, bigquery_env: Any) -> None:
    def rows(n: int) -> pa.Table:
        return pa.table({"id": list(range(n)), "at": pa.array(range(n), pa.timestamp("s", "UTC"))})

    keys = {"table": "grows", "key": "id", "watermark": "at"}
    address = f"bigquery://{PROJECT}/{DATASET}"
    bigquery_env.put("grows", rows(5))
    place.load(address, **keys)
    bigquery_env.put("grows", rows(8))
    bigquery_env.queries.clear()
    assert place.load(address, **keys).n_rows == 8
    place.inspect(address, **keys)
    for query, golden in zip(bigquery_env.queries, ("increment", "look"), strict=True):
        assert query == (GOLDEN / f"{golden}.sql").read_text(encoding="utf-8").rstrip("\n")

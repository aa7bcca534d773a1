"""PostgreSQL alone: its types, its secrets, its errors. The contract suite asks it what it asks all kinds."""

from __future__ import annotations

import traceback
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from cauce import data
from cauce.core.errors import UserError
from cauce.core.specs import DataSpec
from cauce.data.sources import mark
from data.conftest import where
from data.sources.postgres_server import PASSWORD, Server

WRONG = "tr0tz-alledem%2F"


def test_every_common_type_comes_as_numbers_texts_or_json(place: Any, postgres_env: Server) -> None:
    postgres_env.run(
        "DROP TABLE IF EXISTS kinds",
        "DROP DOMAIN IF EXISTS euros",
        "DROP TYPE IF EXISTS mood",
        "CREATE TYPE mood AS ENUM ('sí', 'no')",
        "CREATE DOMAIN euros AS numeric(8, 2)",
        """CREATE TABLE kinds (small int2, exact numeric(10, 2), huge numeric(50, 1), any_number numeric, price euros,
           zoned timestamptz, naive timestamp, day date, id uuid, doc jsonb, list int[], feeling mood, hour time,
           fixed char(4), cash money, span interval)""",
        """INSERT INTO kinds VALUES (1, 1234.50, 1e40, 0.1, 9.99, '2024-01-02 03:04:05+02', '2024-01-02 03:04:05',
           '2024-01-02', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": [1, "ñ"]}', '{1,2}', 'sí', '01:02', 'ab',
           12.5, '1 day')""",
        """INSERT INTO kinds (exact, any_number, zoned, day) VALUES ('NaN', 'NaN', 'infinity', '-infinity')""",
    )
    place.load(postgres_env.address, table="kinds")
    found = place.read()
    types = dict(zip(found.schema.names, map(str, found.schema.types), strict=True))
    assert types["exact"] == "decimal128(10, 2)"
    assert types["price"] == "decimal128(8, 2)"
    assert (types["huge"], types["any_number"], types["cash"]) == ("double", "double", "double")
    assert types["zoned"] == types["naive"] == "timestamp[us, tz=UTC]"
    row, missing = found.to_pylist()
    assert row["exact"] == Decimal("1234.50")
    assert row["zoned"].isoformat() == "2024-01-02T01:04:05+00:00"
    assert row["id"] == "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    assert (row["doc"], row["list"], row["feeling"]) == ('{"a":[1,"ñ"]}', "[1,2]", "sí")
    assert all(missing[name] is None for name in ("exact", "any_number", "zoned", "day"))


def test_bytes_are_refused_by_name(place: Any, postgres_env: Server) -> None:
    postgres_env.run(
        "DROP TABLE IF EXISTS raw", "CREATE TABLE raw (a int, photo bytea)", "INSERT INTO raw VALUES (1, 'x')"
    )
    with pytest.raises(UserError, match=r"column 'photo' has a type that cannot be stored"):
        place.load(postgres_env.address, table="raw")


def test_a_view_and_its_schema_are_found(place: Any, postgres_env: Server) -> None:
    postgres_env.run("CREATE SCHEMA IF NOT EXISTS other", "CREATE OR REPLACE VIEW other.v AS SELECT 7::bigint AS a")
    place.load(postgres_env.address, table="other.v")
    assert place.read()["a"].to_pylist() == [7]
    with pytest.raises(UserError, match=r"no such table"):
        place.load(postgres_env.address, table="v")


def test_a_view_that_writes_is_refused(place: Any, postgres_env: Server) -> None:
    postgres_env.run(
        "CREATE TABLE IF NOT EXISTS victim (a int)",
        "CREATE OR REPLACE FUNCTION evil() RETURNS int LANGUAGE sql AS 'INSERT INTO victim VALUES (1) RETURNING a'",
        "CREATE OR REPLACE VIEW harmless AS SELECT evil() AS a",
    )
    with pytest.raises(UserError, match="read-only transaction"):
        place.load(postgres_env.address, table="harmless")


@pytest.mark.parametrize("address", ["postgresql://ana:{}@127.0.0.1/x", "postgresql://127.0.0.1/x?user=a&password={}"])
def test_a_password_in_the_address_is_refused_and_not_shown(place: Any, address: str) -> None:
    for call in (
        lambda: place.load(address.format(WRONG), table="t"),
        lambda: mark("rows", DataSpec(source=address.format(WRONG)), place.folder, where=where),
    ):
        with pytest.raises(UserError, match=r"a password may not stand in cauce\.toml") as caught:
            call()
        assert WRONG not in "".join(traceback.format_exception(caught.value))
        assert "CAUCE_PASSWORD_ROWS" in caught.value.hint


def test_a_wrong_password_is_not_shown(place: Any, postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAUCE_PASSWORD_ROWS", WRONG)
    with pytest.raises(UserError, match="password authentication failed") as caught:
        place.load(postgres.address, table="t")
    told = "".join(traceback.format_exception(caught.value))
    assert WRONG not in told
    assert "tr0tz" not in told


def test_libpq_finds_its_own_password(place: Any, postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    postgres.run("DROP TABLE IF EXISTS one", "CREATE TABLE one (a bigint)", "INSERT INTO one VALUES (1)")
    place.load(postgres.address, table="one")
    assert place.read()["a"].to_pylist() == [1]


def test_nothing_secret_lies_in_the_lake(place: Any, postgres_env: Server) -> None:
    postgres_env.run("DROP TABLE IF EXISTS one", "CREATE TABLE one (a bigint)", "INSERT INTO one VALUES (1)")
    place.load(postgres_env.address, table="one")
    files = [path for path in place.folder.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if PASSWORD.encode() in path.read_bytes()]


def test_a_server_that_is_not_there(place: Any) -> None:
    with pytest.raises(UserError, match=r"PostgreSQL says: .*refused") as caught:
        place.load("postgresql://ana@127.0.0.1:9/x", table="t")
    assert caught.value.where == where("data", "rows", "source")


def test_many_rows_stream_in_the_order_of_the_key(place: Any, postgres_env: Server) -> None:
    postgres_env.run(
        "DROP TABLE IF EXISTS many",
        "CREATE TABLE many AS SELECT i AS id, md5(i::text) AS name FROM generate_series(200000, 1, -1) AS i",
    )
    place.load(postgres_env.address, table="many", key="id")
    ids = place.read(columns=["id"])["id"]
    assert ids.to_pylist() == list(range(1, 200_001))


def test_the_first_look_has_the_server_s_types(place: Any, postgres_env: Server) -> None:
    postgres_env.run(
        "DROP TABLE IF EXISTS few", "CREATE TABLE few AS SELECT i::bigint AS id FROM generate_series(1, 3) AS i"
    )
    found = data.inspect("rows", DataSpec(source=postgres_env.address, table="few"), Path(place.folder), where=where)
    assert found.schema == pa.schema([("id", pa.int64())])

"""Steps between the source and the snapshot: SQL files and functions on Ibis tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from cauce import data
from cauce.core.errors import UserError
from cauce.core.specs import DataSpec
from cauce.data.statements import translated

ROWS = "id,city,price,day\n" + "".join(f"{i},{'abc'[i % 3]},{i}.5,2026-01-{1 + i % 9:02d}\n" for i in range(30))
GOLDEN = Path(__file__).parent / "golden"
CITIES = """\
-- One row a city.
WITH dear AS (
    SELECT * FROM source WHERE price > 3
)
SELECT city, count(*) AS n, sum(id) AS ids, max(day) AS newest, avg(price) AS mean
FROM dear
GROUP BY ALL;  -- done
"""


def put(place: Any, name: str, text: str) -> str:
    path = place.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return name


def test_steps_follow_each_other(place: Any) -> None:
    put(place, "prepare/cities.sql", CITIES)
    put(place, "steps.py", "def double(source):\n    return source.mutate(twice=source.n * 2)\n")
    snapshot = place.load(place.put(ROWS), prepare=("prepare/cities.sql", "steps.py:double"))
    assert place.read().select(["city", "n", "ids", "twice"]).to_pylist() == [
        {"city": "a", "n": 9, "ids": 135, "twice": 18},
        {"city": "b", "n": 9, "ids": 144, "twice": 18},
        {"city": "c", "n": 9, "ids": 153, "twice": 18},
    ]
    assert dict(snapshot.types)["ids"] == "int64"


def test_where_comes_before_and_key_and_time_name_prepared_columns(place: Any) -> None:
    put(place, "few.sql", "SELECT id AS number, day AS moment FROM source")
    place.load(place.put(ROWS), prepare="few.sql", where="id < 4", key="number", time="moment")
    assert place.read()["number"].to_pylist() == [0, 1, 2, 3]
    with pytest.raises(UserError, match=r"key: no such column.*Received 'id'"):
        place.load("rows.csv", prepare="few.sql", key="id")


def test_rows_without_an_order_get_one_and_a_said_order_stays(place: Any) -> None:
    put(place, "all.sql", "SELECT id, day FROM source")
    place.load(place.put(ROWS), prepare="all.sql", time="day", key="id")
    found = place.read()
    assert found.to_pylist() == sorted(found.to_pylist(), key=lambda row: (row["day"], row["id"]))
    put(place, "all.sql", "SELECT id, day FROM source ORDER BY id DESC")
    place.load("rows.csv", prepare="all.sql", time="day", key="id")
    assert place.read()["id"].to_pylist() == list(range(29, -1, -1))


@pytest.mark.slow
def test_the_same_source_gives_the_same_content_on_many_cores(place: Any) -> None:
    n = 400_000
    table = pa.table({"g": [i % 1009 for i in range(n)], "x": [1 / (i + 1) for i in range(n)]})
    put(place, "sums.sql", "SELECT g, sum(x) AS s, avg(x) AS m, stddev(x) AS d FROM source GROUP BY g")
    source = place.put_table(table)
    assert len({place.load(source, prepare="sums.sql").fingerprint for _ in range(4)}) == 1


def test_a_changed_file_makes_a_version(place: Any) -> None:
    put(place, "a.sql", "SELECT id FROM source")
    first = place.load(place.put(ROWS), prepare="a.sql")
    assert place.load("rows.csv", prepare="a.sql") == first
    put(place, "a.sql", "SELECT id FROM source -- with a remark")
    second = place.load("rows.csv", prepare="a.sql")
    assert (second.version, second.fingerprint) == (first.version + 1, first.fingerprint)
    spec = DataSpec(source="rows.csv", prepare="a.sql")
    before = data.shape(spec, place.folder, place.lake)
    put(place, "a.sql", "SELECT id FROM source WHERE id > 3")
    assert data.shape(spec, place.folder, place.lake) != before


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "SELECT id,\n  pric\nFROM source",
            r"step.sql:2: DuckDB refuses.*\"pric\" not found.*has the columns id, city",
        ),
        ("SELECT id\nFROM source\nWHERE AND", r"step.sql:3: not SQL"),
        ("SELECT 1; SELECT 2", "2 statements where one SELECT is meant"),
        ("-- nothing", "no statement"),
        ("DROP TABLE source", "not a SELECT"),
        ("COPY source TO 'out.csv'", "not a SELECT"),
        ("ATTACH 'x.db'", "not a SELECT"),
        ("INSTALL httpfs", "not a SELECT"),
        ("SET threads = 4", "not a SELECT"),
        ("PRAGMA database_list", "not a SELECT"),
        ("SELECT * FROM 'rows.csv'", "reads a table other than"),
        ("SELECT * FROM other", r"join\.OTHER"),
        ("SELECT * FROM information_schema.tables", "reads a table other than"),
        ("SELECT *\nFROM read_csv('rows.csv')", "may not read READ_CSV"),
        ("SELECT * FROM read_text('/etc/passwd')", "may not read READ_TEXT"),
        ("SELECT * FROM glob('*')", "may not read GLOB"),
        ("SELECT * FROM duckdb_settings()", "may not read"),
        ("SELECT * FROM source WHERE id IN (SELECT 1 FROM read_parquet('x'))", "may not read READ_PARQUET"),
        ("SELECT getenv('HOME') AS h FROM source", "may not call GETENV"),
        ("SELECT id,\n random() AS r FROM source", "step.sql:2: may not call RANDOM"),
        ("SELECT now() AS n FROM source", "may not call NOW"),
        ("SELECT current_date AS n FROM source", "may not call CURRENT_DATE"),
        ("SELECT uuid() AS n FROM source", "may not call"),
        ("SELECT * FROM source USING SAMPLE 3", "may not contain"),
        ("WITH source AS (SELECT 1 AS a) SELECT * FROM source", "hides the rows"),
    ],
)
def test_sql_that_is_no_single_select_from_source_is_refused(place: Any, sql: str, message: str) -> None:
    put(place, "step.sql", sql)
    with pytest.raises(UserError, match=message):
        place.inspect(place.put(ROWS), prepare="step.sql")
    with pytest.raises(UserError, match=message):
        place.load("rows.csv", prepare="step.sql")


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("steps.py:bad", r"steps.py:5: AttributeError.*nothing.*has the columns id"),
        ("steps.py:gone", "no such function in steps.py.*Did you mean 'good'|no such function in steps.py"),
        ("steps.py:number", "the function returns no Ibis table. Received 'int'"),
        ("steps.py", "not a step"),
        ("rows.csv", "not a step"),
        ("missing.sql", "no such file"),
        ("../other.sql", "not a file of the project"),
        ("/etc/passwd.sql", "not a file of the project"),
        ("link.sql", "not a file of the project"),
    ],
)
def test_a_step_that_cannot_be_run_says_where(place: Any, tmp_path_factory: Any, step: str, message: str) -> None:
    put(
        place,
        "steps.py",
        "def good(t):\n    return t\n\ndef bad(t):\n    return t.nothing\n\ndef number(t):\n    return 3\n",
    )
    outside = tmp_path_factory.mktemp("outside") / "link.sql"
    outside.write_text("SELECT * FROM source")
    (place.folder / "link.sql").symlink_to(outside)
    with pytest.raises(UserError, match=message):
        place.inspect(place.put(ROWS), prepare=(step,))


def test_a_value_that_a_step_cannot_take_is_laid_at_the_step(place: Any) -> None:
    put(place, "cast.sql", "SELECT CAST(city AS INTEGER) AS c FROM source")
    with pytest.raises(UserError, match=r"prepare: a row cannot be prepared.*TRY_CAST"):
        place.load(place.put(ROWS), prepare="cast.sql")


def test_inspection_shows_prepared_columns(place: Any) -> None:
    put(place, "cities.sql", CITIES)
    seen = place.inspect(place.put(ROWS), prepare="cities.sql")
    place.load("rows.csv", prepare="cities.sql")
    assert seen.schema == place.read().schema


def test_bigquery_is_asked_what_duckdb_would_be() -> None:
    query = translated(CITIES, "SELECT * FROM `school.shop.sales`", "bigquery")
    assert query + "\n" == (GOLDEN / "prepare.sql").read_text(encoding="utf-8")


FILTERED = """\
SELECT city, count(*) FILTER (WHERE price > 3) AS n, sum(id) FILTER (WHERE city = 'b' OR id < 2) AS ids,
  count(DISTINCT day) FILTER (price < 9) AS days, bool_and(id > 1) FILTER (price > 1) AS late,
  avg(price + 1) FILTER (WHERE id IS NOT NULL) OVER (PARTITION BY city) AS mean,
  stddev_pop(price) FILTER (id > 0) AS sd, string_agg(city, ',') FILTER (id > 0) AS cities, min(price) AS least
FROM source
"""


def test_bigquery_knows_no_filter_and_gets_none() -> None:
    query = translated(FILTERED, "SELECT * FROM `school.shop.sales`", "bigquery")
    assert query + "\n" == (GOLDEN / "filtered.sql").read_text(encoding="utf-8")


def test_aggregates_without_their_filter_give_what_they_gave_with_it() -> None:
    import duckdb
    import sqlglot

    grouped = FILTERED.replace(" OVER (PARTITION BY city)", "") + "GROUP BY city ORDER BY city"
    query = translated(grouped, "SELECT * FROM sales", "bigquery")
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE sales AS SELECT nullif(i, 4) AS id, 'abc'[i % 3 + 1] AS city, i / 2.0 AS price, "
            "DATE '2026-01-01' + (i % 7)::INTEGER AS day FROM range(30) r(i)"
        )
        connection.execute("CREATE VIEW source AS FROM sales")
        again = sqlglot.transpile(query, read="bigquery", write="duckdb")[0]
        assert connection.sql(again).fetchall() == connection.sql(grouped).fetchall()


@pytest.mark.parametrize(
    "call", ["list(id)", "median(id)", "any_value(id)", "max(id, 2)", "string_agg(city ORDER BY id)"]
)
def test_a_filter_that_bigquery_cannot_do_without_is_refused(call: str) -> None:
    text = f"SELECT\n  {call} FILTER (WHERE id > 1) AS a\nFROM source"
    with pytest.raises(UserError, match=r"cities.sql:2: BigQuery has no FILTER"):
        translated(text, "SELECT * FROM t", "bigquery", path="cities.sql")


def test_a_watermark_is_asked_for_outside_of_the_steps(place: Any) -> None:
    put(place, "last.sql", "SELECT id % 3 AS id, max(day) AS day, count(*) AS n FROM source GROUP BY 1")
    keys = {"prepare": "last.sql", "key": "id", "watermark": "day"}
    place.load(place.put(ROWS), **keys)
    place.put(ROWS + "30,a,1.5,2026-02-01\n")
    place.load("rows.csv", **keys)
    assert sorted(place.read()["n"].to_pylist()) == [10, 10, 11]

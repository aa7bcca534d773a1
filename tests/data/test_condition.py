"""`where` is one condition on a row's columns, and nothing more."""

from __future__ import annotations

from typing import Any

import pytest

from cauce.core.errors import UserError
from cauce.data.condition import check_condition

NAMES = ["age", "country", "Day", "sco re"]


@pytest.mark.parametrize(
    "condition",
    [
        "age > 1; DROP TABLE x",
        "age IN (SELECT 1)",
        "(SELECT count(*) FROM read_csv('/etc/passwd')) > 0",
        "EXISTS (SELECT 1)",
        "read_csv('/etc/passwd') IS NULL",
        "age > 0 UNION SELECT 1",
        "COPY x TO 'y'",
        "PRAGMA version",
        "SET memory_limit='1GB'",
        "getenv('HOME') = 'x'",
        "current_setting('threads') = '1'",
        "random() < 0.5",
        "age > now()",
        "current_date > Day",
        "age = (FROM glob('*'))",
        "row_number() OVER () = 1",
        "count(*) > 1",
        "sum(age) > 1",
        "*",
        "t.age > 1",
        "ages > 1",
        "age >",
        "",
        ";",
        "age > ?",
        "age > $x",
        "list_transform([1], x -> x) = [2]",
        "age > 1 ORDER BY 1",
        "1 = 1) OR (SELECT 1",
        "read_text('/etc/passwd')",
        "query('select 1') = 1",
        "(" * 3000 + "age" + ")" * 3000 + " > 1",
    ],
)
def test_more_than_a_condition_is_refused(condition: str) -> None:
    with pytest.raises(UserError) as caught:
        check_condition(condition, NAMES, where="cauce.toml:9")
    assert caught.value.where == "cauce.toml:9"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("condition", "n_rows"),
    [
        ("age >= 18", 3),
        ("AGE >= 18 and country = 'ES'", 2),
        ("country IN ('ES', 'PT')", 3),
        ("country NOT IN ('ES')", 1),
        ("country LIKE 'E%'", 2),
        ("country ILIKE 'e%' OR age IS NULL", 3),
        ("age BETWEEN 17 AND 31", 3),
        ('"sco re" > 0.4', 2),
        ("Day >= DATE '2021-01-01'", 3),
        ("year(Day) = 2021", 1),
        ("extract(year FROM Day) = 2022", 2),
        ("date_trunc('year', Day) = DATE '2022-01-01'", 2),
        ("coalesce(age, 0) = 0", 1),
        ("CASE WHEN age IS NULL THEN TRUE ELSE FALSE END", 1),
        ("lower(country) = 'es' AND length(country) = 2", 2),
        ("regexp_matches(country, '^P')", 1),
        ("CAST(age AS VARCHAR) = '31'", 1),
        ("age % 2 = 0 AND abs(age) > 1", 2),
        ("NOT (age > 18)", 1),
        ("Day + INTERVAL 1 YEAR > DATE '2022-06-01'", 2),
        ("country = 'it''s; DROP TABLE x --'", 0),
    ],
)
def test_conditions_that_work(place: Any, condition: str, n_rows: int) -> None:
    content = (
        "age,country,Day,sco re\n18,ES,2020-01-01,0.1\n20,PT,2021-05-05,0.5\n31,ES,2022-02-02,0.9\n,,2022-03-03,\n"
    )
    source = place.put(content)
    if n_rows == 0:
        with pytest.raises(UserError, match="no row fulfils"):
            place.load(source, where=condition)
    else:
        assert place.load(source, where=condition).n_rows == n_rows


def test_unknown_column_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"a column 'ag' that the source does not have.*Did you mean 'age'\?"):
        check_condition("ag > 1", NAMES, where="cauce.toml:9")


@pytest.mark.parametrize("condition", ["country > 5", "CAST(country AS INTEGER) > 1", "lower(age, age) = 'x'"])
def test_condition_that_duckdb_refuses_points_at_the_condition(place: Any, condition: str) -> None:
    source = place.put("age,country\n18,ES\n")
    with pytest.raises(UserError) as caught:
        place.load(source, where=condition)
    assert caught.value.where == "cauce.toml:7, [data.rows] where"

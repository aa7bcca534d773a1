"""What only Excel and SQLite have: values without a column's type; missing extras; formats that do not fit."""

from __future__ import annotations

import datetime as dt
import sqlite3
import sys
from typing import Any

import pytest

from cauce.core.errors import MissingExtra, UserError


def book(place: Any, *rows: list[Any], title: str = "Hoja") -> str:
    import openpyxl

    workbook = openpyxl.Workbook()
    workbook.active.title = title
    for row in rows:
        workbook.active.append(row)
    workbook.create_sheet("Vacía")
    workbook.save(place.folder / "rows.xlsx")
    return "rows.xlsx"


def test_cells_of_a_column_settle_on_one_type(place: Any) -> None:
    day, moment = dt.date(2024, 1, 2), dt.datetime(2024, 1, 2, 3, 4)  # noqa: DTZ001 - Excel has no zones
    place.load(
        book(
            place,
            ["whole", "number", "mixed", "when", "none", "NA numbers", "long", 7],
            [1, 1, "a", day, None, "NA", dt.timedelta(hours=30), 1],
            [2, 2.5, 5, moment, None, 3, None, 2],
            [],
            [None, None, day, None, None, None, dt.timedelta(seconds=1), 3],
        )
    )
    found = place.read()
    assert found["whole"].to_pylist() == [1, 2, None]
    assert found["number"].to_pylist() == [1.0, 2.5, None]
    assert found["mixed"].to_pylist() == ["a", "5", "2024-01-02"]
    assert [when and when.isoformat() for when in found["when"].to_pylist()] == [
        "2024-01-02T00:00:00+00:00",
        "2024-01-02T03:04:00+00:00",
        None,
    ]
    assert found["none"].to_pylist() == [None] * 3
    assert found["NA numbers"].to_pylist() == [None, 3, None]
    assert found["long"].to_pylist() == [108_000.0, None, 1.0]
    assert found["7"].to_pylist() == [1, 2, 3]


def test_the_first_sheet_is_read_and_others_are_named(place: Any) -> None:
    source = book(place, ["a"], [1])
    place.load(source)
    assert place.read()["a"].to_pylist() == [1]
    with pytest.raises(UserError, match=r"no such sheet.*Did you mean 'Hoja'"):
        place.load(source, table="hoja1")
    with pytest.raises(UserError, match="the sheet is empty"):
        place.load(source, table="Vacía")


def database(place: Any, *statements: str) -> str:
    connection = sqlite3.connect(place.folder / "rows.db")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return "rows.db"


def test_values_of_an_sqlite_column_settle_on_one_type(place: Any) -> None:
    source = database(
        place,
        "CREATE TABLE t (a, b, c INTEGER, d DATE, e BOOLEAN, f DATETIME)",
        "INSERT INTO t VALUES (1, 1, 'x', '2024-01-02', 1, '2024-01-02 03:04:05')",
        "INSERT INTO t VALUES (2.5, NULL, 7, 'soon', 0, NULL), (NULL, 3, 9007199254740993, NULL, NULL, NULL)",
    )
    place.load(source, table="T")
    found = place.read()
    assert found["a"].to_pylist() == [1.0, 2.5, None]
    assert found["b"].to_pylist() == [1, None, 3]
    assert found["c"].to_pylist() == ["x", "7", "9007199254740993"]
    assert found["d"].to_pylist() == ["2024-01-02", "soon", None]
    assert found["e"].to_pylist() == [True, False, None]
    assert found["f"].to_pylist()[0].isoformat() == "2024-01-02T03:04:05+00:00"


def test_an_sqlite_file_is_left_as_it_was(place: Any) -> None:
    source = database(place, "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
    before = (place.folder / source).read_bytes()
    place.load(source, table="t")
    assert (place.folder / source).read_bytes() == before
    assert [path.name for path in place.folder.iterdir() if path.name.startswith("rows")] == ["rows.db"]


def test_what_is_no_database_is_refused(place: Any) -> None:
    with pytest.raises(UserError, match="SQLite database cannot be read: file is not a database"):
        place.load(place.put(b"no database at all" * 99, "rows.db"), table="t")
    with pytest.raises(UserError, match="DuckDB database cannot be read"):
        place.load(place.put(b"no database at all" * 999, "rows.duckdb"), table="t")


@pytest.mark.parametrize(
    ("module", "source", "line"),
    [
        ("python_calamine", "rows.xlsx", "pip install 'cauce[excel]'"),
        ("adbc_driver_postgresql", "postgresql://ana@h/x", "pip install 'cauce[postgres]'"),
        ("gcsfs", "gs://cubo/rows.csv", "pip install 'cauce[gcs]'"),
        ("google.cloud.bigquery", "bigquery://p/d", "pip install 'cauce[bigquery]'"),
    ],
)
def test_a_missing_extra_is_one_line_to_install(
    place: Any, monkeypatch: pytest.MonkeyPatch, module: str, source: str, line: str
) -> None:
    for name in [name for name in sys.modules if name == module or name.startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    place.put("x", "rows.xlsx")
    with pytest.raises(MissingExtra) as caught:
        place.load(source, **({} if source.startswith("gs") else {"table": "t"}))
    assert caught.value.hint == line


@pytest.mark.parametrize(
    ("source", "keys", "what"),
    [
        ("https://example.org/x.csv", {}, "not fetched from such an address"),
        ("gs://cubo/rows.xlsx", {}, "an Excel workbook is not read from Cloud Storage"),
        ("rows.csv", {"format": "postgres"}, "the format does not fit the source"),
        ("postgresql://ana@h/x", {"format": "csv"}, "the format does not fit the source"),
        ("rows.xls", {}, "ending says no known format"),
    ],
)
def test_what_does_not_fit_is_refused(place: Any, source: str, keys: dict[str, str], what: str) -> None:
    place.put("a\n1\n", "rows.csv")
    place.put("a\n1\n", "rows.xls")
    with pytest.raises(UserError, match=what) as caught:
        place.load(source, **keys)
    assert caught.value.hint

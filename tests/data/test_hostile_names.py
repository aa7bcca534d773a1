"""Column names are data: they work or are refused, and are never executed or followed as paths."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from cauce.core.errors import UserError

NAMES = [
    "a b",
    'say "hi"',
    "it's",
    "a.b",
    "../up",
    "/etc/passwd",
    "ñandú 😀",
    "x=y",
    "{a}",
    "a%20b",
    " ",
    "'); DROP TABLE staged; --",
    "\"; COPY x TO '/tmp/x",
    "_row",
    "row",
    "select",
    "a`b",
    "$1",
    "{0}",
    "%s",
    "column0",
    "__file",
    "filename",
    "a,b;c|d",
    "\\",
    "tab\there",
    "v",
    "f",
    "a" * 300,
]


def as_csv(names: list[str], rows: list[list[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([names, *rows])
    return text.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_hostile_column_name_comes_back_as_it_is(place: Any, name: str) -> None:
    table = place.load_csv(as_csv([name, "other"], [[1, "x"], [2, "y"]]), delimiter=",", key=name)
    assert table.column_names == [name, "other"]
    assert table[name].to_pylist() == [1, 2]
    assert place.read(columns=[name]).column_names == [name]


def test_hostile_names_all_together_in_csv_and_json_lines(place: Any) -> None:
    rows: list[list[object]] = [[i * 100 + j for j in range(len(NAMES))] for i in range(3)]
    from_csv = place.load_csv(as_csv(NAMES, rows), delimiter=",")
    lines = "".join(json.dumps(dict(zip(NAMES, row, strict=True))) + "\n" for row in rows)
    place.load(place.put(lines, "rows.jsonl"))
    assert from_csv.column_names == NAMES
    assert place.read().equals(from_csv)


def test_blank_names_are_numbered(place: Any) -> None:
    assert place.load_csv(",a\n0,5\n1,6\n").column_names == ["column0", "a"]


@pytest.mark.parametrize("name", ["a b", "ñandú", "x-y_z"])
def test_partition_and_cluster_names(place: Any, name: str) -> None:
    content = as_csv([name, "z"], [["p", 3], ["q", 1], ["p", 2]])
    assert place.load_csv(content, partition_by=(name,), cluster_by=("z",))["z"].to_pylist() == [3, 1, 2]
    assert place.load_csv(content, cluster_by=(name,))["z"].to_pylist() == [3, 1, 2]


@pytest.mark.parametrize("file", ["a[1].csv", "a*.csv", "it's.csv", "a?.csv", "ñ ü.csv", 'q"uote.csv', "{x}.csv"])
def test_hostile_file_names(place: Any, file: str) -> None:
    place.put("a\n99\n", "a1.csv")
    place.load(place.put("a\n1\n2\n", file))
    assert place.read()["a"].to_pylist() == [1, 2]


@pytest.mark.slow
def test_ten_thousand_columns(place: Any) -> None:
    names = [f"c{i}" for i in range(10_000)]
    assert place.inspect(place.put(as_csv(names, [list(range(10_000))]))).schema.names == names


def test_line_break_in_a_csv_column_name_is_refused(place: Any) -> None:
    with pytest.raises(UserError, match=r"a column name contains a line break. Received 'line\\nbreak'"):
        place.load_csv(as_csv(["line\nbreak", "b"], [[1, 2]]))


def test_line_break_in_a_json_column_name_comes_back(place: Any) -> None:
    place.load(place.put('{"line\\nbreak": 1}\n', "rows.jsonl"))
    assert place.read().column_names == ["line\nbreak"]

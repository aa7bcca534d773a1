"""A batch whose columns are of another kind than the model's is refused; what can be read is taken."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from cauce.core.artefacts import Column, Kind, Schema
from cauce.core.errors import UserError
from cauce.data import KindCheck, count_unseen

GOOD: list[tuple[Kind, list[Any]]] = [
    ("number", [1.5, None, float("nan")]),
    ("number", [1, 2]),
    ("number", ["1.5", " -2e3 ", None]),
    ("number", [True, False]),
    ("number", [None, None]),
    ("integer", ["7"]),
    ("boolean", [True, None]),
    ("boolean", [1.0, 0.0]),
    ("boolean", ["Yes", "no", "sí"]),
    ("datetime", ["2024-05-01", "2024-05-01T10:00:00Z", None]),
    ("datetime", [date(2024, 5, 1)]),
    ("datetime", [datetime(2024, 5, 1, tzinfo=UTC)]),
    ("category", [1, 2]),
    ("category", ["gold"]),
    ("text", ["anything"]),
]
BAD: list[tuple[Kind, list[Any], int, str]] = [
    ("number", ["1", "many"], 2, "many"),
    ("number", ["12abc"], 1, "12abc"),
    ("number", ["1", None, ""], 3, "''"),
    ("number", [date(2024, 5, 1)], 1, "2024-05-01"),
    ("boolean", ["maybe"], 1, "maybe"),
    ("boolean", [1.0, 2.0], 2, "2.0"),
    ("datetime", ["2024-02-30"], 1, "2024-02-30"),
    ("datetime", [20240501], 1, "20240501"),
    ("category", [[1, 2]], 1, "[1, 2]"),
]


def held(kind: Kind, values: list[Any]) -> None:
    table, check = pa.table({"x": values}), KindCheck(Schema((Column("x", kind),)), where="rows.csv")
    if check.doubtful(table.schema):
        for row in range(table.num_rows):  # a batch a row: rows are counted through
            check.take(table.slice(row, 1))
    check.finish()


@pytest.mark.parametrize(("kind", "values"), GOOD)
def test_what_can_be_read_is_taken(kind: Kind, values: list[Any]) -> None:
    held(kind, values)


@pytest.mark.parametrize(("kind", "values", "row", "value"), BAD)
def test_another_kind_is_refused_with_column_row_and_value(kind: Kind, values: list[Any], row: int, value: str) -> None:
    with pytest.raises(UserError) as caught:
        held(kind, values)
    assert f"rows.csv, column 'x', row {row}" in str(caught.value)
    assert value in str(caught.value)


def test_all_rows_of_another_kind_are_counted_and_the_first_is_shown() -> None:
    check = KindCheck(Schema((Column("a", "number"), Column("b", "number"))), where="rows.csv")
    for some in (["1", "x"], ["y", "2"], ["z", "w"]):
        check.take(pa.table({"b": some, "a": ["1", "2"]}))
    with pytest.raises(UserError) as caught:
        check.finish()
    assert "column 'b', row 2" in str(caught.value)
    assert "'x'" in str(caught.value)
    assert "4 rows are like this" in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "values", "doubtful"),
    [
        ("number", [1, 2], False),
        ("number", ["1", "2"], True),
        ("number", [True], False),
        ("boolean", [True], False),
        ("boolean", [1, 0], True),
        ("datetime", [date(2024, 5, 1)], False),
        ("datetime", ["2024-05-01"], True),
        ("category", ["gold"], False),
        ("text", [1.5], False),
        ("text", [None], False),
    ],
)
def test_only_what_a_type_leaves_open_is_read(kind: Kind, values: list[Any], doubtful: bool) -> None:
    check = KindCheck(Schema((Column("x", kind),)), where="rows.csv")
    assert check.doubtful(pa.table({"x": values}).schema) == (["x"] if doubtful else [])


def test_unseen_categories_are_counted_and_nulls_are_not() -> None:
    schema = Schema(
        (Column("plan", "category", categories=("1", "2")), Column("town", "category"), Column("n", "number"))
    )
    table = pa.table({"plan": [1, 3, None], "town": ["a", "b", "c"], "n": [1.0, 2.0, 3.0]})
    assert count_unseen(table, schema) == {"plan": 1}
    assert count_unseen(table.slice(0, 1), schema) == {}

"""Which kind a column is, and when its categories are a closed list."""

from __future__ import annotations

import pyarrow as pa
import pytest

from cauce.core.artefacts import Column
from cauce.profile import summarise


def column_of(values: object, kind: pa.DataType | None = None) -> Column:
    return summarise(pa.table({"x": pa.array(values, kind)}).to_batches()).schema(["x"]).columns[0]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([True, False], None, "boolean"),
        ([1, 2], pa.int8(), "integer"),
        ([1, 2], pa.decimal128(5, 2), "number"),
        ([1.5, None], None, "number"),
        ([1, 2], pa.timestamp("us"), "datetime"),
        ([1, 2], pa.date32(), "datetime"),
        (["a", "b"], None, "category"),
        ([f"user-{i}" for i in range(100)], None, "category"),
        (["x" * 61] * 50, None, "text"),
        ([f"a sentence of middling length {i}" for i in range(50)], None, "text"),
        (["a sentence of middling length"] * 50, None, "category"),
        ([None, None], pa.string(), "category"),
    ],
)
def test_kind_follows_type_and_length(values: object, kind: pa.DataType | None, expected: str) -> None:
    assert column_of(values, kind).kind == expected


def test_categories_close_with_ten_rows_each() -> None:
    assert column_of(["b", "a"] * 10) == Column("x", "category", nullable=False, categories=("a", "b"))
    assert column_of(["b", "a"] * 9).categories is None
    assert column_of(["b", "a", None] * 10).categories == ("a", "b")


def test_categories_close_at_fifty_at_most() -> None:
    assert len(column_of([f"c{i}" for i in range(50)] * 10).categories or ()) == 50
    assert column_of([f"c{i}" for i in range(51)] * 10).categories is None


def test_nullable_says_what_training_saw() -> None:
    assert column_of([1.0, float("nan")]).nullable
    assert not column_of([1.0, 2.0]).nullable


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["2024-01-01", "2024-12-31T10:00:00Z", None], "datetime"),
        (["31/12/2023", "01/02/2024"], "datetime"),
        (["2024-01-01"] * 98 + ["soon"] * 2, None),
        (["2024-01-01"] * 99 + ["soon"], "datetime"),
        (["a", "b"], None),
    ],
)
def test_dates_written_as_text_are_recognised(values: list[str | None], expected: str | None) -> None:
    column = summarise(pa.table({"x": values}).to_batches()).columns["x"]
    assert column.looks_like == expected
    assert column.kind == "category"

"""One code path: what a snapshot holds and what a request brings give the same columns."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.core.artefacts import Column, Schema
from cauce.core.plain import to_table
from cauce.rows import Computation, RowFailed, computation, look
from cauce.rows.forms import form_of, seen
from cauce.serve.payload import validate
from cauce.serve.plan import Plan
from rows.texts import AGAIN, RATIO, WORDS, YEAR, functions

SNAPSHOT = pa.schema(
    [("price", pa.int64()), ("area", pa.decimal128(12, 2)), ("sold on", pa.date32()), ("note", pa.string())]
)
REQUEST = Schema(
    (Column("price", "integer"), Column("area", "number"), Column("sold on", "datetime"), Column("note", "text"))
)
ALL = functions(RATIO + YEAR + WORDS + AGAIN)
TYPES = {field.name: str(field.type) for field in SNAPSHOT} | {
    "ratio": "double", "año": "int64", "words": "int64", "twice": "double"
}  # fmt: skip

rows = st.lists(
    st.fixed_dictionaries(
        {
            "price": st.none() | st.integers(-(2**52), 2**52),
            "area": st.none() | st.decimals("-999999999", "999999999", places=2, allow_nan=False),
            "sold on": st.none() | st.dates(date(1000, 1, 1), date(9000, 1, 1)),
            "note": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
        }
    ),
    min_size=1,
    max_size=8,
)


@settings(deadline=None)
@given(rows)
def test_loading_and_a_request_give_the_same_for_many_rows_and_for_one(given_rows: list[dict[str, object]]) -> None:
    made = computation(ALL, TYPES)
    loaded = made.columns(pa.Table.from_pylist(given_rows, SNAPSHOT))
    sent = [
        {
            **row,
            "area": None if row["area"] is None else float(str(row["area"])),
            "sold on": None if row["sold on"] is None else row["sold on"].isoformat(),  # type: ignore[attr-defined]
        }
        for row in given_rows
    ]
    inputs, problems = validate(sent, REQUEST, unseen="refuse")
    assert not problems
    plan = Plan(REQUEST, "refuse")
    asked = made.columns(to_table(inputs, REQUEST))
    assert {name: values.type for name, values in asked.items()} == {n: v.type for n, v in loaded.items()}
    assert _plain(asked) == _plain(loaded)
    for number, row in enumerate(sent):
        alone = made.columns(to_table(plan.read([row])[0], REQUEST))
        assert _plain(alone) == {name: values[number : number + 1] for name, values in _plain(loaded).items()}


def _plain(columns: dict[str, pa.Array]) -> dict[str, list[object]]:
    return {name: [repr(value) for value in values.to_pylist()] for name, values in columns.items()}


def test_columns_that_are_there_already_are_computed_anew() -> None:
    table = pa.table({"price": [10], "area": [2.0], "ratio": [99.0], "other": [1]})
    out = Computation(functions(RATIO), {"price": "int64", "area": "float64"}, {"ratio": "float64"}).apply(table)
    assert out.to_pylist() == [{"price": 10, "area": 2.0, "ratio": 5.0, "other": 1}]


def test_nan_is_missing_and_no_rows_give_no_rows() -> None:
    made = Computation(functions(RATIO), {"price": "int64", "area": "float64"}, {"ratio": "float64"})
    table = pa.table({"price": [0, 1, None], "area": [0.0, float("nan"), 1.0]})
    assert made.columns(table)["ratio"].to_pylist() == [None, None, None]
    assert made.columns(table.slice(0, 0))["ratio"].type == pa.float64()


def test_numpy_arrays_and_chunks_are_taken() -> None:
    text = "import numpy as np\ndef root(area):\n    return np.sqrt(area)\n"
    text += "def same(area):\n    return pa.chunked_array([area])\n"
    out = look(functions(text), pa.record_batch({"area": [4.0, None, 9.0]})).columns(pa.table({"area": [4.0, None]}))
    assert {name: values.to_pylist() for name, values in out.items()} == {"root": [2.0, None], "same": [4.0, None]}


def test_a_failing_row_is_named_with_line_and_values() -> None:
    text = "def inverse(price, note):\n    out = []\n    for one in price.to_pylist():\n        out.append(1 / one)\n"
    text += "    return pa.array(out, pa.float64())\n"
    made = Computation(functions(text), {"price": "int64", "note": "string"}, {"inverse": "float64"})
    table = pa.table({"price": [1] * 700 + [0] + [2] * 300, "note": ["x" * 200] * 1001})
    with pytest.raises(RowFailed) as failed:
        made.columns(table, numbers=range(5000, 6001))
    assert (failed.value.row, failed.value.function) == (700, "inverse")
    said = str(failed.value)
    assert said.startswith(
        "features.py:8, inverse, row 5701: ZeroDivisionError: division by zero. Received price = 0, "
    )
    assert "note = 'xxx" in said
    assert "x" * 50 not in said


def test_rows_that_fail_only_together_are_told_so() -> None:
    text = "def f(price):\n    if len(price) > 1:\n        raise ValueError('many')\n    return price\n"
    with pytest.raises(RowFailed, match="many") as failed:
        Computation(functions(text), {"price": "int64"}).columns(pa.table({"price": [1, 2, 3]}))
    assert failed.value.row is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[1, 2]", "gave no array"),
        ("None", "gave no array"),
        ("price[:1]", "gave 1 values for 2 rows"),
        ("pa.array([None, None])", "only nulls"),
        ("pa.array([[1], [2]])", "no model takes"),
        ("pa.array([2**63, 2**64 - 1], pa.uint64())", "64 bits do not hold"),
    ],
)
def test_what_is_no_column_is_refused(body: str, said: str) -> None:
    with pytest.raises(RowFailed, match=said):
        Computation(functions(f"def f(price):\n    return {body}\n"), {"price": "int64"}).columns(
            pa.table({"price": [1, 2]})
        )


def test_a_result_keeps_the_form_that_it_had_at_loading() -> None:
    text = "def f(price):\n    return pa.array(price.to_pylist())\n"
    made = Computation(functions(text), {"price": "float64"}, {"f": "int64"})
    with pytest.raises(RowFailed, match=r"gave float64 where it gave int64 before.*pa.array\(values, pa.int64\(\)\)"):
        made.columns(pa.table({"price": [1.5]}))
    wider = Computation(functions(text), {"price": "int64"}, {"f": "float64"})
    assert wider.columns(pa.table({"price": [1]}))["f"].type == pa.float64()
    assert wider.columns(pa.table({"price": pa.array([None], pa.int64())}))["f"].type == pa.float64()


@pytest.mark.parametrize(
    ("values", "form", "expected"),
    [
        (pa.array([Decimal("1.50"), None]), "float64", [1.5, None]),
        (pa.array([date(2020, 1, 2)]), "timestamp", [datetime(2020, 1, 2, tzinfo=UTC)]),
        (pa.array(["2020-01-02", "soon", None]), "timestamp", [datetime(2020, 1, 2, tzinfo=UTC), None, None]),
        (pa.array([datetime(2020, 1, 2)]), "timestamp", [datetime(2020, 1, 2, tzinfo=UTC)]),  # noqa: DTZ001
        (pa.array(["yes", "no", "?"]), "bool", [True, False, None]),
        (pa.array([1.0, 0.0, None]), "bool", [True, False, None]),
        (pa.array([1, 2**62]), "int64", [1, 2**62]),
        (pa.array(["7", "x"]), "int64", [7, None]),
        (pa.array([3.0, 4.5, None]), "string", ["3", "4.5", None]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), "string", ["a", "b", "a"]),
        (pa.nulls(2), "string", [None, None]),
        (pa.array([b"x"]), "float64", [None]),
    ],
)  # fmt: skip
def test_every_type_comes_to_its_form(values: pa.Array, form: str, expected: list[object]) -> None:
    assert seen(values, form).to_pylist() == expected  # type: ignore[arg-type]


def test_every_type_of_a_snapshot_has_a_form() -> None:
    kinds = [pa.int64(), pa.float64(), pa.bool_(), pa.timestamp("us", "UTC"), pa.string()]
    assert [form_of(str(kind)) for kind in kinds] == ["int64", "float64", "bool", "timestamp", "string"]

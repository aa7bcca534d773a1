"""A row's answer depends on the row alone: kept by ordinary functions, and refused where it is broken."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from cauce.core.errors import UserError
from cauce.rows import check_unchanged, look
from rows.texts import AGAIN, RATIO, WORDS, YEAR, functions


def batch(n_rows: int = 3000, seed: int = 0) -> pa.RecordBatch:
    rng = np.random.default_rng(seed)
    return pa.record_batch(
        {
            "price": rng.gamma(3.0, 100.0, n_rows),
            "area": pa.array(rng.gamma(3.0, 10.0, n_rows), mask=rng.random(n_rows) < 0.1),
            "note": pa.array([" ".join(["a"] * int(k)) if k else None for k in rng.integers(0, 9, n_rows)]),
            "sold on": pa.array(rng.integers(0, 20_000, n_rows).astype("datetime64[D]")),
        }
    )


def test_ordinary_functions_keep_it() -> None:
    found = look(functions(RATIO + YEAR + WORDS + AGAIN), batch())
    assert dict(found.outputs) == {"ratio": "float64", "año": "int64", "words": "int64", "twice": "float64"}


@pytest.mark.parametrize(
    "body",
    [
        "return pc.subtract(price, pc.mean(price))",
        "return pc.divide(price, pc.max(price))",
        "return pc.rank(price)",
        "return pc.cumulative_sum(price)",
        "return pa.array([0.0, *price.to_pylist()[:-1]])",
        "return pa.array(range(len(price)))",
        "return pa.array([len(price)] * len(price))",
        "return pc.fill_null(area, pc.mean(area))",
        "return price.take(pc.sort_indices(price))",
        "return pa.array([float(one > 300.0) * len(price) for one in price.to_pylist()])",
        "import random\n    return pa.array([random.random() for _ in price])",
        "global MEAN\n    MEAN = MEAN or pc.mean(price)\n    return pc.subtract(price, MEAN)",
        "CALLS.append(1)\n    return pa.array([float(len(CALLS))] * len(price))",
    ],
)
def test_a_function_that_looks_at_other_rows_is_refused_and_shown(body: str) -> None:
    text = f"MEAN = None\nCALLS = []\ndef honest(price):\n    return price\ndef bad(price, area):\n    {body}\n"
    with pytest.raises(UserError, match="gives another answer") as refused:
        look(functions(text), batch())
    said = str(refused.value)
    assert said.startswith("features.py:9, bad, row ")
    assert "Received price = " in said


def test_a_function_on_top_of_a_bad_one_is_not_blamed() -> None:
    text = "def bad(price):\n    return pc.subtract(price, pc.mean(price))\ndef good(bad):\n    return pc.negate(bad)\n"
    with pytest.raises(UserError, match=r"features\.py:5, bad"):
        look(functions(text), batch())


def test_rows_with_missing_values_are_among_those_asked_alone() -> None:
    values = pa.array([None if i == 1777 else 1.0 for i in range(3000)], pa.float64())
    rows = pa.record_batch({"price": values})
    text = "def f(price):\n    return pc.fill_null(price, len(price))\n"
    look(functions(text), rows.slice(0, 1000))  # nothing missing, nothing to see
    with pytest.raises(UserError, match="gives another answer"):
        look(functions(text), rows.slice(1700, 1000))


def test_rounding_of_vectors_is_no_broken_promise() -> None:
    text = "import numpy as np\ndef f(price):\n    return np.exp(np.log(price.to_numpy()) * 1.7)\n"
    look(functions(text), batch(8000))


def test_one_row_is_enough_of_a_source() -> None:
    look(functions(RATIO), batch(1))


def test_a_snapshot_made_by_other_functions_is_refused() -> None:
    rows = pa.Table.from_batches([batch()])
    before = look(functions(RATIO), batch()).apply(rows)
    check_unchanged(look(functions(RATIO), batch()), before)
    other = functions(RATIO.replace(", area)\n", ", pc.add(area, 1.0))\n"))
    with pytest.raises(UserError, match="gives other values than when the data was loaded"):
        check_unchanged(look(other, batch()), before)

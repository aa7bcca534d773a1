"""The page about row functions does what it says."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pyarrow as pa

from cauce.core.scripts import Script
from cauce.rows import look
from cauce.rows.functions import compile_functions

PAGE = Path(__file__).parents[2] / "docs" / "data.md"


def test_the_example_is_computed_as_the_page_says() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Row functions\n")[2]
    (code,) = re.findall(r"^```python\n(# features\.py\n.*?)^```", section, flags=re.DOTALL | re.MULTILINE)
    functions = compile_functions(["features.py"], [Script("features.py", code)])
    rows = pa.record_batch(
        {
            "price": [100_000, 500_000],
            "area": [50.0, 100.0],
            "sold on": pa.array([date(2020, 5, 1), None]),
            "note": ["near the sea", None],
        }
    )
    assert look(functions, rows).batch(rows).to_pydict() == {
        "price_per_m2": [2000.0, 5000.0],
        "dear": [False, True],
        "año de venta": [2020, None],
        "words": [3, None],
    }

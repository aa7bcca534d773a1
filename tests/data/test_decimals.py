"""Numbers with a decimal comma load as the numbers that are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce import data

WRITTEN = st.builds(
    lambda sign, whole, part, grouped: sign + (f"{whole:,}".replace(",", ".") if grouped else str(whole)) + part,
    st.sampled_from(["", "-", "+"]),
    st.integers(0, 10**15),
    st.one_of(st.just(""), st.from_regex(r"\A,[0-9]{1,12}\Z")),
    st.booleans(),
)


@given(written=st.lists(WRITTEN, max_size=20))
@settings(max_examples=40, deadline=None)
def test_every_number_is_the_one_python_reads(tmp_path_factory: pytest.TempPathFactory, written: list[str]) -> None:
    path: Path = tmp_path_factory.mktemp("d") / "rows.csv"
    rows = ["0,5", *written]
    path.write_text("price;name\n" + "".join(f"{value};a\n" for value in rows))
    with data.incoming(path) as found:
        column = pa.concat_tables(found.batches(["price"]))["price"]
    assert column.type == pa.float64()
    assert column.to_pylist() == [float(value.replace(".", "").replace(",", ".")) for value in rows]


def test_gaps_quotes_and_the_condition_see_numbers(place: Any) -> None:
    rows = 'id,price\n1,"1.272,24"\n2,NA\n3,"12,5"\n4," 1.000 "\n'
    assert place.load_csv(rows)["price"].to_pylist() == [1272.24, None, 12.5, 1000.0]
    assert place.load_csv(rows, where="price > 100")["id"].to_pylist() == [1, 4]


@pytest.mark.parametrize(
    "values",
    [
        ["12,5", "n/d"],
        ["12,5", "0.5"],
        ["12,5 %", "3,1 %"],
        ["1,234", "2,500"],
        ["1,234,567", "2,5"],
        ["a", "b"],
    ],
    ids=["a word", "both marks", "a unit", "thousands perhaps", "thousands surely", "words"],
)
def test_what_is_not_surely_a_decimal_comma_stays_text(place: Any, values: list[str]) -> None:
    assert place.load_csv("x;y\n" + "".join(f"{v};1\n" for v in values))["x"].to_pylist() == values


def test_points_without_a_comma_stay_as_they_were_read(place: Any) -> None:
    assert place.load_csv("x;y\n1.234;a\n2.500;b\n")["x"].to_pylist() == [1.234, 2.5]


def test_a_late_word_keeps_the_column_text(place: Any) -> None:
    table = place.load_csv("x;y\n" + "1,5;1\n" * 1500 + "n/d;1\n")
    assert table.schema.field("x").type == pa.string()

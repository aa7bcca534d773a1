"""A release's first prediction: what lets it answer, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.core.artefacts import Column, Kind, Schema
from cauce.core.plain import to_table
from cauce.core.specs import ServeSpec
from cauce.ledger import Ledger
from cauce.rows import RowFailed
from cauce.serve import Served, payload
from cauce.serve import probe as room
from cauce.serve.live import Live
from cauce.serve.probe import Unfit, examples


def probe(found: Served) -> float:
    return room.probe(Live(found, ServeSpec(), variant="champion", ledger=Ledger(Path("nowhere"), "dropout")))


def served(
    school: Any, predict: Callable[[pa.Table], pa.Table] | None = None, classes: tuple[str, ...] = ("no", "yes")
) -> Served:
    @dataclass(frozen=True)
    class Fitted(school.FakeFitted):  # type: ignore[misc]
        def predict(self, table: pa.Table) -> pa.Table:
            return predict(table) if predict is not None else super().predict(table)

    task = "classify" if classes else "regress"
    return Served("dropout", 7, task, "y", school.SCHEMA, Fitted(classes=classes))


def shares(no: float, yes: float, label: str = "yes") -> Callable[[pa.Table], pa.Table]:
    def predict(table: pa.Table) -> pa.Table:
        n = table.num_rows
        return pa.table({"prediction": [label] * n, "prob_no": [no] * n, "prob_yes": [yes] * n})

    return predict


def interval(value: float, lower: float) -> Callable[[pa.Table], pa.Table]:
    def predict(table: pa.Table) -> pa.Table:
        n = table.num_rows
        return pa.table({"prediction": [value] * n, "lower": [lower] * n, "upper": [value] * n})

    return predict


def test_a_release_that_answers_passes(school: Any) -> None:
    probe(served(school))
    probe(served(school, classes=()))


def test_a_release_that_raises_is_unfit_and_named(school: Any) -> None:
    def predict(table: pa.Table) -> pa.Table:
        raise ImportError("libgomp.so.1")

    with pytest.raises(Unfit, match=r"model dropout version 7 fails .* ImportError: libgomp.so.1"):
        probe(served(school, predict))


def test_a_release_that_fails_on_nulls_alone_is_unfit(school: Any) -> None:
    def predict(table: pa.Table) -> pa.Table:
        if table["income"].null_count:
            raise ValueError("NaN")
        return shares(0.5, 0.5)(table)

    with pytest.raises(Unfit, match="NaN"):
        probe(served(school, predict))


@pytest.mark.parametrize(
    ("predict", "fault"),
    [
        (shares(0.5, float("nan")), "outside 0 to 1"),
        (shares(-0.2, 1.2), "outside 0 to 1"),
        (shares(0.5, 0.1), "do not sum to 1"),
        (shares(0.5, 0.5, "perhaps"), "the class 'perhaps'"),
        (lambda table: shares(0.5, 0.5)(table.slice(1)), "gave 1 rows for 2"),
    ],
)
def test_what_is_no_answer_of_a_classifier_is_unfit(
    school: Any, predict: Callable[[pa.Table], pa.Table], fault: str
) -> None:
    with pytest.raises(Unfit, match=fault):
        probe(served(school, predict))


@pytest.mark.parametrize(
    ("predict", "fault"),
    [
        (interval(float("nan"), 0.0), "not finite"),
        (interval(float("inf"), 0.0), "not finite"),
        (interval(1.0, float("nan")), "an interval that is not finite"),
    ],
)
def test_what_is_no_answer_of_a_regression_is_unfit(
    school: Any, predict: Callable[[pa.Table], pa.Table], fault: str
) -> None:
    with pytest.raises(Unfit, match=fault):
        probe(served(school, predict, classes=()))


@pytest.mark.parametrize("row", [1, None])
def test_row_functions_may_refuse_rows_that_are_made_up(school: Any, row: int | None) -> None:
    def predict(table: pa.Table) -> pa.Table:
        raise RowFailed("too young", where="rows.py", received=1, hint="", function="age_group", row=row)

    probe(served(school, predict))


def test_a_quick_way_that_says_something_else_is_unfit(school: Any) -> None:
    class Quick(school.FakeFitted):  # type: ignore[misc]
        def online(self) -> Callable[[Any], dict[str, list[Any]]]:
            return lambda rows: {"prediction": ["no"] * len(rows), "prob_no": [0.4] * 2, "prob_yes": [0.6] * 2}

    with pytest.raises(Unfit, match="predicts one row otherwise than many"):
        probe(Served("dropout", 7, "classify", "y", school.SCHEMA, Quick()))


KINDS: tuple[Kind, ...] = ("integer", "number", "boolean", "category", "text", "datetime")
columns = st.builds(
    Column,
    st.uuids().map(str),
    st.sampled_from(KINDS),
    st.booleans(),
    st.none() | st.lists(st.text(min_size=1), min_size=1, unique=True).map(lambda found: tuple(sorted(found))),
).map(lambda column: column if column.kind == "category" else Column(column.name, column.kind, column.nullable))


@settings(deadline=None)
@given(st.lists(columns, min_size=1, max_size=6, unique_by=lambda column: column.name))
def test_a_schema_takes_its_own_examples(found: list[Column]) -> None:
    schema = Schema(tuple(found))
    rows = orjson.loads(orjson.dumps(examples(schema)))
    inputs, faults = payload.validate(rows, schema, unseen="refuse")
    assert not faults
    assert to_table(inputs, schema).num_rows == 2
    nulls = np.asarray([[value is None for value in row.values()] for row in rows])
    assert not nulls[0].any()
    assert nulls[1].tolist() == [column.nullable for column in schema]

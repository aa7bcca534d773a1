"""Quality on real data, against published figures; skipped where the shared data are absent."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from cauce.core.artefacts import Candidate, Column, Kind, Schema, TaskSpec
from cauce.tasks.tabular import Classify, Regress

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
BOOSTING = Candidate("boosting", {"en": "boosting", "es": "boosting"})
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are not here"),
]


def spec_of(table: pa.Table, task: str, target: str, loss: str) -> TaskSpec:
    def kind(field: pa.Field) -> Kind:
        if pa.types.is_floating(field.type):
            return "number"
        return "integer" if pa.types.is_integer(field.type) else "category"

    columns = tuple(Column(field.name, kind(field)) for field in table.schema if field.name != target)
    return TaskSpec("m", task, target, Schema(columns), loss)


def halves(name: str) -> tuple[pa.Table, pa.Table]:
    table = pq.read_table(DATA / name / f"{name}.parquet")
    order = np.random.default_rng(0).permutation(table.num_rows)
    return table.take(order[: int(0.8 * len(order))]), table.take(order[int(0.8 * len(order)) :])


def test_adult_reaches_the_published_area() -> None:
    table = pq.read_table(DATA / "adult" / "adult.parquet")
    train, test = (table.filter(pc.equal(table["split"], part)).drop_columns(["split"]) for part in ("train", "test"))
    spec = spec_of(train, "classify", "income", "log")
    found = Classify().metrics(Classify().fit(BOOSTING, {}, train, spec=spec), test, spec)
    assert found.values["roc_auc"] >= 0.92
    assert found.values["ece"] < 0.03


def test_california_reaches_the_published_error() -> None:
    train, test = halves("california_housing")
    spec = spec_of(train, "regress", "median_house_value", "squared")
    found = Regress().metrics(Regress().fit(BOOSTING, {}, train, spec=spec), test, spec)
    assert found.values["rmse"] <= 50_000
    assert 0.87 < found.values["coverage"] < 0.93


def test_student_dropout_reaches_the_published_accuracy() -> None:
    train, test = halves("student_dropout")
    spec = spec_of(train, "classify", "Status", "log")
    found = Classify().metrics(Classify().fit(BOOSTING, {}, train, spec=spec), test, spec)
    assert found.values["accuracy"] >= 0.75
    assert found.headline == "f1"

"""Incoming rows counted in the bins of training: right, bounded, added up over workers, and no hindrance."""

from __future__ import annotations

from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import pyarrow as pa
from prometheus_client.parser import text_string_to_metric_families

from cauce.core.artefacts import Column, Schema
from cauce.profile import Bins, ColumnBins
from cauce.serve.inputs import MOST_ROWS, InputCounts
from cauce.serve.metrics import Metrics

SCHEMA = Schema((Column("age", "number"), Column("plan", "category")))
BINS = Bins(
    {
        "age": ColumnBins("age", "number", edges=(10.0, 20.0), low=0.0, high=30.0),
        "plan": ColumnBins("plan", "category", values=("free", "other")),
        "prediction": ColumnBins("prediction", "category", values=("yes",)),
    }
)
ROWS: list[tuple[Any, ...]] = [(5.0, "free"), (15.0, "free"), (99.0, "new"), (None, "other"), (20.0, None)]


class Never(Executor):
    """Runs nothing, so that rows stay where they were left."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return Future()


def counted(metrics: Metrics, column: str) -> dict[str, float]:
    families = {family.name: family for family in text_string_to_metric_families(metrics.text().decode())}
    samples = families["cauce_input_rows"].samples
    return {s.labels["bin"]: s.value for s in samples if s.labels["column"] == column and s.labels["model"] == "m"}


def test_rows_fall_into_the_bins_of_training() -> None:
    metrics = Metrics(["m"])
    counts = InputCounts(metrics, "m", 3, SCHEMA, BINS)
    with ThreadPoolExecutor(1) as executor:
        counts.take(ROWS, executor)
    assert counted(metrics, "age") == {"≤ 10": 1, "10 – 20": 2, "> 20": 1, "other": 0, "missing": 1}
    expected = BINS.count(pa.table({"age": [r[0] for r in ROWS], "plan": [r[1] for r in ROWS]}))["plan"]
    assert list(counted(metrics, "plan").values()) == expected.tolist()
    # A category named like the bin of unknown ones stays apart from it.
    assert list(counted(metrics, "plan")) == ["free", "other", "other (2)", "missing"]
    assert counted(metrics, "prediction") == {}


def test_a_scrape_counts_what_waits_and_nothing_twice() -> None:
    metrics = Metrics(["m"])
    counts = InputCounts(metrics, "m", 3, SCHEMA, BINS)
    for _ in range(3):
        counts.take(ROWS, Never())
    assert sum(counted(metrics, "age").values()) == 15
    assert sum(counted(metrics, "age").values()) == 15


def test_a_flood_is_counted_in_part() -> None:
    metrics = Metrics(["m"])
    counts = InputCounts(metrics, "m", 3, SCHEMA, BINS)
    for _ in range(1000):
        counts.take(ROWS, Never())
    assert sum(counted(metrics, "age").values()) == MOST_ROWS


def test_workers_add_up_and_one_that_is_replaced_takes_its_counts_over() -> None:
    metrics = Metrics(["m"], workers=2)
    for worker in (1, 2, 1):
        metrics.attach(worker)
        counts = InputCounts(metrics, "m", 3, SCHEMA, BINS)
        counts.take(ROWS, Never())
        counts.count()
    assert sum(counted(metrics, "plan").values()) == 15


def test_rows_that_cannot_be_counted_hinder_nobody() -> None:
    metrics = Metrics(["m"])
    counts = InputCounts(metrics, "m", 3, SCHEMA, BINS)
    counts.take([("no number", "free")], Never())
    assert sum(counted(metrics, "age").values()) == 0

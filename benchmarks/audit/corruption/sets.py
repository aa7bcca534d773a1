"""Six clean real sets, cut to a few thousand rows: what is corrupted, and which of their columns can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
MOST_ROWS = 6_000


@dataclass(frozen=True)
class Case:
    """A table, the keys of its cauce.toml, and what was done to it."""

    table: pa.Table
    data: Mapping[str, Any]
    """Keys of `[data.rows]`, without the source."""
    model: Mapping[str, Any]
    """Keys of `[models.m]`."""
    numbers: tuple[str, ...] = ()
    """Features with numbers of many values."""
    positive: tuple[str, ...] = ()
    """Those of them that are above zero in every row."""
    categories: tuple[str, ...] = ()
    """Text features with few values."""
    text: str | None = None
    """A column of free text."""
    date: str | None = None
    """A column of dates that orders the rows."""
    columns: tuple[str, ...] = ()
    """Columns that were corrupted; a finding must name one of them. Empty: any columns."""
    before: pa.Table | None = None
    """An earlier version that is loaded first, where the corruption is a change."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further tables of cauce.toml."""

    @property
    def target(self) -> str:
        """The column to predict."""
        return str(self.model["target"])

    @property
    def classify(self) -> bool:
        """Whether the target has classes."""
        return bool(self.model["task"] == "classify")


def _read(path: str) -> pa.Table:
    return pq.read_table(SHARED / f"{path}.parquet")


def _some(table: pa.Table, seed: int) -> pa.Table:
    rows = np.sort(np.random.default_rng(seed).permutation(table.num_rows)[:MOST_ROWS])
    return table.take(pa.array(rows)).combine_chunks()


def _keyed(table: pa.Table) -> pa.Table:
    return table.add_column(0, "row_id", pa.array([f"r{i:06d}" for i in range(table.num_rows)]))


def adult(seed: int) -> Case:
    """Census incomes: categories, a sensitive column."""
    table = _keyed(_some(_read("adult/adult").drop_columns(["split"]), seed))
    return Case(
        table,
        {"key": "row_id"},
        {"task": "classify", "target": "income", "sensitive": ["sex"]},
        numbers=("age", "fnlwgt", "hours_per_week"),
        positive=("age", "fnlwgt", "hours_per_week"),
        categories=("workclass", "education", "marital_status", "occupation", "relationship", "sex"),
    )


def bike_sharing(seed: int) -> Case:
    """Hourly rentals: ordered in time, a target that is a number."""
    table = _read("bike_sharing/hour").drop_columns(["casual", "registered"])
    start = int(np.random.default_rng(seed).integers(0, table.num_rows - MOST_ROWS))
    table = _keyed(table.drop_columns(["instant"]).slice(start, MOST_ROWS))
    return Case(
        table,
        {"key": "row_id", "time": "dteday"},
        {"task": "regress", "target": "cnt"},
        numbers=("temp", "atemp", "hum", "windspeed"),
        positive=("temp", "atemp"),
        date="dteday",
    )


def california(seed: int) -> Case:
    """House prices by district: numbers alone."""
    return Case(
        _keyed(_some(_read("california_housing/california_housing"), seed)),
        {"key": "row_id"},
        {"task": "regress", "target": "median_house_value"},
        numbers=("median_income", "total_rooms", "population", "households"),
        positive=("median_income", "housing_median_age", "total_rooms", "population", "households"),
    )


def students(seed: int) -> Case:
    """Pupils' marks: few rows, many small categories."""
    table = _read("student_performance/student_performance")
    order = np.random.default_rng(seed).permutation(table.num_rows)
    table = _keyed(table.take(pa.array(order)).drop_columns(["G1", "G2"]))
    return Case(
        table,
        {"key": "row_id"},
        {"task": "classify", "target": "class", "sensitive": ["sex"]},
        numbers=("absences", "age"),
        positive=("age",),
        categories=("school", "sex", "Mjob", "Fjob", "reason", "guardian"),
    )


def courses(seed: int) -> Case:
    """Courses of an online school: titles, dates, heavy tails."""
    table = _read("udemy_courses/udemy_courses").drop_columns(["url"])
    stamps = pc.utf8_slice_codeunits(table["published_timestamp"], 0, 10)
    table = table.set_column(table.column_names.index("published_timestamp"), "published_on", stamps)
    keep = pc.and_(pc.is_valid(table["subject"]), pc.match_substring_regex(stamps, r"^\d{4}-\d\d-\d\d$"))
    table = table.filter(keep).sort_by("published_on")
    table = table.rename_columns(["row_id" if name == "course_id" else name for name in table.column_names])
    table = table.set_column(table.column_names.index("row_id"), "row_id", table["row_id"].cast(pa.string()))
    first = pc.index_in(table["row_id"], pc.unique(table["row_id"]))
    _, places = np.unique(first.to_numpy(), return_index=True)
    del seed  # the whole set is small: no sample to draw
    return Case(
        table.take(pa.array(np.sort(places))).combine_chunks(),
        {"key": "row_id", "time": "published_on"},
        {"task": "classify", "target": "subject", "split": {"kind": "stratified"}},
        numbers=("num_subscribers", "num_reviews", "num_lectures", "content_duration"),
        categories=("level",),
        text="course_title",
        date="published_on",
    )


def retail(seed: int) -> Case:
    """A shop's invoice lines of some days: ordered in time, product texts."""
    table = _read("online_retail_ii/online_retail_ii")
    table = table.filter(pc.and_(pc.greater(table["quantity"], 0), pc.greater(table["price"], 0)))
    start = int(np.random.default_rng(seed).integers(0, table.num_rows - 10 * MOST_ROWS))
    rows = start + np.arange(MOST_ROWS) * 10
    table = table.take(pa.array(rows))
    country = table.column_names.index("country")
    table = table.set_column(country, "country", table["country"].cast(pa.string()))
    table = _keyed(table.drop_columns(["invoice", "customer_id"]).combine_chunks())
    return Case(
        table,
        {"key": "row_id", "time": "invoice_date"},
        {"task": "regress", "target": "quantity"},
        numbers=("price",),
        positive=("price",),
        categories=("country",),
        text="description",
        date="invoice_date",
    )


SETS = {
    "adult": adult,
    "bike_sharing": bike_sharing,
    "california": california,
    "students": students,
    "courses": courses,
    "retail": retail,
}

"""What the checks of quality, personal data and drift say of clean real sets: what is true there, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cauce.audit import (
    AuditContext,
    NotApplicable,
    categories,
    drift,
    encodings,
    outliers,
    partitions,
    personal,
    ranges,
    sentinels,
    units,
)
from cauce.core.specs import DataSpec

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
FAMILIES = (categories, encodings, sentinels, ranges, outliers, partitions, units, drift, personal)
TRUE: dict[str, set[tuple[str, str]]] = {
    "adult/adult": {("sentinel_values", "capital_gain")},  # 99999: "more than can be told"
    "goodbooks_meta/books": {("invisible_characters", "original_title"), ("category_variants", "authors")},
    "stsb_en_es_dev/stsb_train_dev": {("broken_encoding", "sentence2")},  # donâ€™t
    "keel_dev/pima": {("outliers", "x6")},  # a body mass index of 0
    "keel_dev/vehicle": {("outliers", "x5"), ("outliers", "x6")},  # 138 where 99 % lie under 76
}
"""Set → the warnings that are true of it (code, column)."""
TIMES = {
    "bike_sharing/hour": "dteday",
    "bike_sharing/day": "dteday",
    "udemy_courses/udemy_courses": "published_timestamp",
}
LARGE = {"online_retail_ii", "ratings", "m3_long", "visits"}
PATHS = sorted(path for path in DATA.glob("*/*.parquet") if path.stem not in LARGE)
NAMES = [str(path.relative_to(DATA).with_suffix("")) for path in PATHS] or ["none"]


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_true_is_said(make_context: Callable[..., AuditContext], name: str) -> None:
    if name == "none":
        pytest.skip("the shared data sets are not here")
    assert warnings(make_context, name, DataSpec(source="x", time=TIMES.get(name))) == TRUE.get(name, set())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["online_retail_ii/online_retail_ii", "coursera_ratings_dev/ratings"])
def test_a_million_rows_with_seasons_are_quiet(make_context: Callable[..., AuditContext], name: str) -> None:
    if not (DATA / f"{name}.parquet").exists():
        pytest.skip("the shared data sets are not here")
    time = {"online_retail_ii/online_retail_ii": "invoice_date"}.get(name, "date")
    known = {
        ("category_variants", "stock_code"),
        ("category_variants", "description"),
        ("impossible_values", "quantity"),  # returns
        ("impossible_values", "price"),  # bad debt
        ("outliers", "quantity"),
        ("outliers", "price"),
    }
    assert warnings(make_context, name, DataSpec(source="x", time=time)) <= known


def warnings(make_context: Callable[..., AuditContext], name: str, data: DataSpec) -> set[tuple[str, str]]:
    """Warnings and worse of a set, as (code, first column)."""
    table = pq.read_table(DATA / f"{name}.parquet")
    rows = np.sort(np.random.default_rng(0).permutation(table.num_rows)[:50_000])
    context = replace(make_context(table, data=data, size=65_536), sample=table.take(pa.array(rows)))
    found = set()
    for family in FAMILIES:
        for check in family.CHECKS:
            outcome = check.function(context, check.threshold or 0.0)
            if not isinstance(outcome, NotApplicable):
                found |= {(f.code, f.columns[0]) for f in outcome if f.severity != "info"}
    return found

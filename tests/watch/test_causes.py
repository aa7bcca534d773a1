"""Causes of drift: the part of the window, the unit, and what a classifier sees in all columns together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from cauce.core.specs import WatchSpec
from cauce.profile import make_bins, summarise
from cauce.watch import count_outside, look
from cauce.watch.drift.causes import UNITS, source, unit_change
from cauce.watch.drift.joint import tell_apart
from cauce.watch.window import Evidence
from watch.test_look import BINS, NOW, TRAINING, alarms, only, rows, window

AGES = BINS.columns["age"]
REFERENCE = BINS.count(TRAINING)["age"][:-1]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_change_of_unit_is_named(unit: object) -> None:
    values = np.random.default_rng(1).normal(40, 10, 1000)
    found = unit_change(AGES, REFERENCE, values * unit.factor + unit.offset)  # type: ignore[attr-defined]
    assert found == unit


@pytest.mark.parametrize("shift", [(50.0, 10.0), (40.0, 20.0), (60.0, 5.0), (20.0, 3.0)])
def test_a_population_that_moved_is_no_change_of_unit(shift: tuple[float, float]) -> None:
    assert unit_change(AGES, REFERENCE, np.random.default_rng(2).normal(*shift, 1000)) is None
    assert unit_change(AGES, REFERENCE, np.random.default_rng(2).normal(40, 10, 1000)) is None


@pytest.mark.parametrize("scale", [0.5, 0.7, 2.0, 2.9, 1.5])
def test_a_population_of_the_same_shape_is_no_change_of_unit(scale: float) -> None:
    """Weekly hours that halve are not hours in pounds; where 7 % lie between, one window in five may look so."""
    rng = np.random.default_rng(3)
    table = pa.table({"hours": rng.gamma(2.0, 3.0, 5000)})
    profile = summarise(table.to_batches())
    bins = make_bins(profile, profile.schema(["hours"]))
    reference = bins.count(table)["hours"][:-1]
    draws = [np.random.default_rng(seed).gamma(2.0, 3.0, 1000) for seed in range(40)]
    wrong = [unit_change(bins.columns["hours"], reference, draw * scale) for draw in draws]
    assert sum(unit is not None for unit in wrong) <= 10
    named = [unit_change(bins.columns["hours"], reference, draw * 0.45359237) for draw in draws]
    assert sum(unit is not None and unit.factor == 0.45359237 for unit in named) >= 30


def test_few_values_have_no_shape_by_which_a_unit_could_be_told() -> None:
    """Seasons, months: training of one winter, and a summer, are multiples of each other and no change of unit."""
    training = pa.table({"season": np.repeat([1, 2], [900, 100]), "month": np.tile([1, 2, 3], 334)[:1000]})
    seen = summarise(training.to_batches())
    bins = make_bins(seen, seen.schema(["season", "month"]))
    counts = bins.count(training)
    for name, values in (("season", [3.0] * 500), ("season", [2.0, 4.0] * 250), ("month", [10.0, 20.0, 30.0] * 200)):
        assert unit_change(bins.columns[name], counts[name][:-1], np.asarray(values)) is None


def test_one_of_several_feeds_that_changed_its_unit_is_named() -> None:
    values = np.random.default_rng(3).normal(40, 10, 1000)
    values[::3] *= 100
    found = unit_change(AGES, REFERENCE, values)
    assert found is not None
    assert found.name == "× 100"


def test_a_change_of_unit_alarms_and_its_drift_does_not() -> None:
    table = rows(1000, 1, unit=60.0)
    seen = look(replace(window(table), rows=table), WatchSpec(), now=NOW)
    assert ("unit_change", "age") in alarms(seen)
    assert ("drift", "age") not in alarms(seen)
    assert "× 60" in only(seen, "unit_change").detail["es"]
    assert only(seen, "unit_change").value == 60


def test_the_part_that_a_drift_comes_from_is_named() -> None:
    table = rows(2000, 1)
    ages = table["age"].to_numpy().copy()
    inside = np.asarray(table["plan"].to_pylist()) == "pro"
    ages[inside] += 18
    table = table.set_column(0, "age", pa.array(ages))
    found = source(table, "age", BINS, REFERENCE)
    assert found is not None
    assert found.segment == "plan = pro"
    assert found.explained > 0.7
    seen = look(replace(window(table), rows=table), WatchSpec(), now=NOW)
    assert "comes from `plan = pro`" in only(seen, "drift", "age").detail["en"]
    assert source(rows(2000, 1, age=50), "age", BINS, REFERENCE) is None


def test_the_hour_that_a_drift_comes_from_is_named() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    minutes = [*range(0, 1440, 2), *(14 * 60 + i % 60 for i in range(400))]
    table = rows(1120, 1).append_column("at", pa.array([start + timedelta(minutes=i) for i in minutes]))
    ages = table["age"].to_numpy().copy()
    ages[720:] = 70.0
    found = source(table.set_column(0, "age", pa.array(ages)), "age", BINS, REFERENCE)
    assert found is not None
    assert found.segment == "hour = 14"
    assert found.share == pytest.approx(430 / 1120)


def test_running_evidence_takes_the_place_of_the_windows_test() -> None:
    table = rows(1000, 1, age=50)
    weak = {"drift:age": Evidence(1.0, 9.0)}
    calm = look(replace(window(table), evidence=weak), WatchSpec(), now=NOW)
    assert ("drift", "age") not in alarms(calm)
    strong = look(replace(window(table), evidence={"drift:age": Evidence(12.0, 9.0)}), WatchSpec(), now=NOW)
    assert ("drift", "age") in alarms(strong)
    (age,) = (each for each in strong.drifts if each.column == "age")
    assert age.evidence == pytest.approx(12 / np.log(10))
    assert age.limit == pytest.approx(9 / np.log(10))


def correlated(n: int, seed: int, r: float) -> pa.Table:
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(size=n), rng.normal(size=n)
    return pa.table({"x": x, "y": r * x + np.sqrt(1 - r * r) * noise, "plan": rng.choice(["a", "b"], n)})


def test_columns_that_no_longer_go_together_are_seen_by_the_classifier_alone() -> None:
    before, now = correlated(2000, 1, 0.8), correlated(1000, 2, -0.2)
    profile = summarise(before.to_batches())
    bins = make_bins(profile, profile.schema(before.column_names))
    told = tell_apart(before, now, bins, np.random.default_rng(0))
    assert told is not None
    assert told.p_value < 1e-6
    assert told.drift.auc > 0.6
    assert 0.5 < told.drift.lower < told.drift.auc < told.drift.upper
    assert set(list(told.drift.columns)[:2]) == {"x", "y"}
    assert tell_apart(before, now.slice(0, 50), bins, np.random.default_rng(0)) is None


def test_the_classifier_keeps_its_error() -> None:
    profile = summarise(correlated(2000, 1, 0.8).to_batches())
    bins = make_bins(profile, profile.schema(["x", "y", "plan"]))
    found = []
    for seed in range(60):
        told = tell_apart(
            correlated(400, 2 * seed, 0.5), correlated(400, 2 * seed + 1, 0.5), bins, np.random.default_rng(seed)
        )
        assert told is not None
        found.append(told.p_value)
    assert np.mean(np.array(found) <= 0.1) <= 0.1 + 3 * np.sqrt(0.09 / 60)
    assert count_outside(correlated(10, 1, 0.1), bins)

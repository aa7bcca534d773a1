"""Injected changes: only rows from the change on are touched, and they are changed as asked."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.core.rehearsing import Scenario, ScenarioKind, Shape
from cauce.rehearse import Columns, inject
from cauce.rehearse.inject import intensity
from cauce.rehearse.scenarios import scenarios

N, FIRST = 2000, 600
COLUMNS = Columns(("x", "k"), ("city", "on"), "y", ("a", "b"))
INJECTED = [one for one in scenarios(thorough=True) if one.injected]


def table(seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    x = rng.normal(5, 2, N)
    return pa.table(
        {
            "x": pa.array(x, mask=rng.random(N) < 0.05),
            "k": pa.array(rng.integers(0, 50, N)),
            "city": pa.array(rng.choice(["Lugo", "Cádiz", "Soria"], N, p=[0.6, 0.3, 0.1])),
            "on": pa.array(rng.random(N) < 0.5),
            "y": pa.array(np.where(x > 5, "a", "b")),
        }
    )


def number(rows: pa.Table, name: str) -> np.ndarray:
    return np.asarray(rows[name].cast("float64").to_numpy(zero_copy_only=False))


@pytest.mark.parametrize("scenario", INJECTED, ids=lambda one: one.name)
def test_only_rows_after_the_change_are_touched(scenario: Scenario) -> None:
    before = table()
    found = inject(before, scenario, COLUMNS, first=FIRST, rng=np.random.default_rng(1))
    assert found is not None
    begin = FIRST + round(scenario.begin * (N - FIRST))
    assert found.table.slice(0, begin).equals(before.slice(0, begin))
    assert not found.changed[:begin].any()
    assert found.changed[begin]
    assert found.table.schema == before.schema
    if scenario.end < 1:
        n_after = N - FIRST - round(scenario.end * (N - FIRST))
        assert found.table.slice(len(found.kept) - n_after).equals(before.slice(N - n_after))
    assert not found.table.equals(before)


@pytest.mark.parametrize("scenario", INJECTED, ids=lambda one: one.name)
def test_the_same_seed_makes_the_same_world(scenario: Scenario) -> None:
    first, again = (inject(table(), scenario, COLUMNS, first=FIRST, rng=np.random.default_rng(3)) for _ in range(2))
    assert first is not None
    assert again is not None
    assert first.table.equals(again.table)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_a_broken_correlation_keeps_the_margins(seed: int) -> None:
    before = table(seed)
    found = inject(before, Scenario("correlation", "sudden"), COLUMNS, first=FIRST, rng=np.random.default_rng(seed))
    assert found is not None
    begin = FIRST + round(0.4 * (N - FIRST))
    for at in range(begin, N, 500):  # also in time: within each stretch of 500 rows
        old, new = number(before, "x")[at : at + 500], number(found.table, "x")[at : at + 500]
        assert np.array_equal(np.sort(old), np.sort(new), equal_nan=True)
    y = np.asarray(found.table["y"].to_pylist()) == "a"
    x = number(found.table, "x")
    known = ~np.isnan(x)
    assert np.corrcoef(x[:begin][known[:begin]], y[:begin][known[:begin]])[0, 1] > 0.7
    assert abs(np.corrcoef(x[begin:][known[begin:]], y[begin:][known[begin:]])[0, 1]) < 0.15


def test_means_and_spreads_change_by_what_was_asked() -> None:
    before, begin = table(), FIRST + round(0.4 * (N - FIRST))
    x = number(before, "x")
    spread, middle = np.nanstd(x[:begin]), np.nanmean(x[:begin])
    moved = inject(before, Scenario("mean", "sudden", strength=1.5), COLUMNS, first=FIRST, rng=np.random.default_rng(0))
    wider = inject(before, Scenario("variance", "sudden"), COLUMNS, first=FIRST, rng=np.random.default_rng(0))
    assert moved is not None
    assert wider is not None
    assert np.allclose(number(moved.table, "x")[begin:], x[begin:] + 1.5 * spread, equal_nan=True)
    assert np.allclose(number(wider.table, "x")[begin:] - middle, 2 * (x[begin:] - middle), equal_nan=True)
    whole = number(moved.table, "k")
    assert np.array_equal(whole, np.rint(whole))


def test_a_category_that_grows_is_a_known_one() -> None:
    found = inject(table(), Scenario("category", "sudden", strength=0.5), COLUMNS, first=FIRST,
                   rng=np.random.default_rng(0))  # fmt: skip
    assert found is not None
    cities = np.asarray(found.table["city"].to_pylist())
    assert set(cities) == {"Lugo", "Cádiz", "Soria"}
    assert 0.5 < np.mean(cities[FIRST + round(0.4 * (N - FIRST)) :] == "Soria") < 0.6


def test_labels_change_in_one_region_only() -> None:
    before, begin = table(), FIRST + round(0.4 * (N - FIRST))
    found = inject(before, Scenario("label", "sudden"), COLUMNS, first=FIRST, rng=np.random.default_rng(0))
    assert found is not None
    x = number(before, "x")
    differs = np.asarray(before["y"].to_pylist()) != np.asarray(found.table["y"].to_pylist())
    region = x > np.nanmedian(x[:begin])
    assert np.array_equal(differs, region & (np.arange(N) >= begin))
    assert found.table.drop_columns(["y"]).equals(before.drop_columns(["y"]))


def test_a_number_to_predict_moves_by_its_own_spread() -> None:
    before = table().drop_columns(["y"]).append_column("y", pa.array(np.arange(N, dtype=np.float64)))
    columns = Columns(("x",), (), "y", ())
    found = inject(before, Scenario("label", "sudden"), columns, first=FIRST, rng=np.random.default_rng(0))
    assert found is not None
    apart = number(found.table, "y") - number(before, "y")
    assert set(np.round(np.unique(apart), 6)) == {0.0, round(float(np.std(np.arange(1160.0))), 6)}


def test_a_lost_partition_takes_its_rows_along() -> None:
    scenario = Scenario("partition", "sudden", end=0.6)
    found = inject(table(), scenario, COLUMNS, first=FIRST, rng=np.random.default_rng(0))
    assert found is not None
    begin, end = FIRST + round(0.4 * (N - FIRST)), FIRST + round(0.6 * (N - FIRST))
    during = found.table.filter(pa.array((found.kept >= begin) & (found.kept < end)))
    assert "Lugo" not in during["city"].to_pylist()
    assert found.table.equals(table().take(found.kept))


def test_gradual_changes_grow_and_recurring_ones_come_and_go() -> None:
    grows = intensity(Scenario("mean", "gradual"), N, FIRST)
    assert (np.diff(grows) >= 0).all()
    assert grows[-1] == 1
    assert 0 < grows[FIRST + 560 + 100] < 1
    returns = intensity(Scenario("mean", "recurring"), N, FIRST)
    assert np.count_nonzero(np.diff(returns)) >= 5


def test_what_cannot_happen_to_the_columns_is_no_scenario() -> None:
    texts = Columns((), ("city",), "y", ("a", "b"))
    kinds: dict[ScenarioKind, bool] = {"mean": False, "unit": False, "category": True, "label": True, "outage": True}
    for kind, possible in kinds.items():
        found = inject(table(), Scenario(kind, "sudden"), texts, first=FIRST, rng=np.random.default_rng(0))
        assert (found is not None) == possible


def test_every_kind_and_shape_of_the_issue_is_rehearsed() -> None:
    made = scenarios(thorough=True)
    assert {one.kind for one in made} == set(get_args(ScenarioKind))
    assert {one.shape for one in made} == set(get_args(Shape))
    assert len({one.name for one in made}) == len(made)


def test_a_short_rehearsal_plays_one_of_each_thing_that_a_loop_must_get_right() -> None:
    assert {one.name for one in scenarios()} == {"history", "still", "mean", "label", "unit", "outage"}
    assert [one.name for one in scenarios(only=("partition",))] == ["history", "partition"]


def test_a_withdrawn_value_stops_and_whole_rows_of_others_come_at_its_times() -> None:
    before, begin = table(), FIRST + round(0.4 * (N - FIRST))
    found = inject(before, Scenario("withdrawn", "sudden"), COLUMNS, first=FIRST, rng=np.random.default_rng(0))
    assert found is not None
    assert found.kept.tolist() == list(range(N))
    city, old = np.array(found.table["city"].to_pylist()), np.array(before["city"].to_pylist())
    assert "Lugo" not in city[begin:]  # the most frequent one
    stays = old != "Lugo"
    stays[:begin] = True
    assert found.table.filter(pa.array(stays)).equals(before.filter(pa.array(stays)))
    rows = {tuple(row.values()) for row in before.filter(pa.array(old != "Lugo")).to_pylist()}
    assert all(tuple(row.values()) in rows for row in found.table.filter(pa.array(~stays)).to_pylist())

"""Running evidence between looks: every row counts once, whatever crashes, and streams alarm by what they mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cauce.core.names import uuid7s
from cauce.profile import make_bins, summarise
from cauce.watch import Evidence
from cauce.watch.drift.alarms import Alarms
from cauce.watch.drift.running import Training, advance, begin, load, save, streams

START = datetime(2026, 3, 1, tzinfo=UTC)


def rows(n: int, seed: int, *, age: float = 40.0, day: int = 0, scale: float = 1.0) -> pa.Table:
    rng = np.random.default_rng(seed)
    moments = [START + timedelta(days=day, seconds=86_400 * i / n) for i in range(n)]
    ids = [uuid7s(1, int(moment.timestamp() * 1000))[0] for moment in moments]
    return pa.table(
        {
            "id": ids,
            "at": pa.array(moments, pa.timestamp("us", "UTC")),
            "age": rng.normal(age, 10, n) * scale,
            "plan": rng.choice(["free", "pro"], n, p=[0.7, 0.3]),
            "prediction": rng.choice(["yes", "no"], n),
        }
    ).sort_by("id")


def training(**changed: object) -> Training:
    table = rows(5000, 0).select(["age", "plan", "prediction"])
    profile = summarise(table.to_batches())
    bins = make_bins(profile, profile.schema(table.column_names))
    settings = {"importance": {"age": 0.9, "plan": 0.1}, "window": 500, "risk": 0.01} | changed
    return Training(bins=bins, reference=bins.count(table), **settings)  # type: ignore[arg-type]


TRAINING = training()


def alarming(found: dict[str, Evidence]) -> set[str]:
    return {name for name, each in found.items() if each.enough}


def test_stationary_rows_give_no_evidence_and_shifted_ones_do() -> None:
    state, found = advance(begin(TRAINING, version=1), rows(1000, 1), TRAINING)
    assert alarming(found) == set()
    assert set(found) == {
        "drift:age", "drift:plan", "drift:prediction", "missing:age", "missing:plan", "out_of_range:age",
        "new_category:plan",
    }  # fmt: skip
    _, found = advance(state, rows(1000, 2, age=50, day=1), TRAINING)
    assert alarming(found) == {"drift:age", "out_of_range:age"}


def test_looking_often_gives_the_same_stakes_as_looking_once() -> None:
    table = rows(2000, 3, age=42)
    once, found = advance(begin(TRAINING, version=1), table, TRAINING)
    often = begin(TRAINING, version=1)
    for start in range(0, 2000, 70):
        often, seen = advance(often, table.slice(start, 70), TRAINING)
    assert often.cursor == once.cursor
    assert seen["drift:age"].log == pytest.approx(found["drift:age"].log)
    assert seen["drift:plan"].log == pytest.approx(found["drift:plan"].log)


def test_a_look_that_crashed_before_it_was_kept_counts_nothing_twice(tmp_path: Path) -> None:
    path, table = tmp_path / "alarms.json", rows(900, 4, age=45)
    state, _ = advance(begin(TRAINING, version=1), table.slice(0, 300), TRAINING)
    save(state, path)
    advance(state, table.slice(300), TRAINING)  # and killed here
    kept = load(path, TRAINING)
    assert kept is not None
    assert kept.cursor == table["id"][299].as_py()
    after, found = advance(kept, table.slice(300), TRAINING)
    _, expected = advance(begin(TRAINING, version=1), table, TRAINING)
    assert found["drift:age"].log == pytest.approx(expected["drift:age"].log, abs=1e-4)
    assert after.cursor == table["id"][899].as_py()


def test_state_of_another_risk_or_of_other_bins_is_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "alarms.json"
    assert load(path, TRAINING) is None
    save(advance(begin(TRAINING, version=1), rows(600, 5), TRAINING)[0], path)
    assert isinstance(load(path, TRAINING), Alarms)
    assert load(path, training(risk=0.05)) is None
    path.write_bytes(path.read_bytes()[:100])
    assert load(path, TRAINING) is None


def test_what_the_model_uses_needs_less_evidence() -> None:
    found = streams(TRAINING)
    assert found["drift:age"].limit < found["drift:plan"].limit
    total = sum(np.exp(-each.limit) for each in found.values())
    assert total == pytest.approx(0.01 * (0.4 + 0.25))


def test_rows_that_waited_a_month_are_counted_in_few_stretches() -> None:
    _, found = advance(begin(TRAINING, version=1), rows(60_000, 6, age=43), TRAINING)
    assert found["drift:age"].enough


def test_missing_values_are_evidence_of_a_fault_and_not_of_drift() -> None:
    table = rows(1000, 7)
    ages = pa.array([None if i % 5 == 0 else age for i, age in enumerate(table["age"].to_pylist())])
    table = table.set_column(table.column_names.index("age"), "age", ages)
    _, found = advance(begin(TRAINING, version=1), table, TRAINING)
    assert alarming(found) == {"missing:age"}


def test_a_column_that_is_kept_out_is_not_bet_on() -> None:
    _, found = advance(begin(TRAINING, version=1), rows(1000, 8, age=70).drop_columns(["age"]), TRAINING)
    assert alarming(found) == set()
    assert found["missing:age"].log <= np.log(2)  # what was staked: a day to begin with, and the day that went by


@pytest.mark.parametrize(("n_categories", "n_training"), [(200, 1000), (300, 2000), (60, 500)])
def test_values_that_training_chose_for_being_frequent_prove_nothing(n_categories: int, n_training: int) -> None:
    """Own bins go to what was frequent by luck, so `other` grows as soon as luck is over: that is no drift."""
    for seed in range(5):
        rng = np.random.default_rng([n_categories, seed])
        shops = pa.table({"shop": rng.integers(0, n_categories, n_training).astype(str)})
        profile = summarise(shops.to_batches())
        bins = make_bins(profile, profile.schema(["shop"]))
        assert bins.columns["shop"].kind == "category"
        taught = Training(bins, bins.count(shops), importance={"shop": 1.0}, window=1000, risk=0.01)
        came = rows(4000, seed).append_column("shop", pa.array(rng.integers(0, n_categories, 4000).astype(str)))
        _, found = advance(begin(taught, version=1), came, taught)
        assert alarming(found) == set()


def test_new_categories_are_found_where_training_chose_its_own() -> None:
    rng = np.random.default_rng(5)
    shops = pa.table({"shop": rng.integers(0, 12, 3000).astype(str)})
    profile = summarise(shops.to_batches())
    bins = make_bins(profile, profile.schema(["shop"]))
    taught = Training(bins, bins.count(shops), importance={"shop": 1.0}, window=1000, risk=0.01)
    came = np.where(rng.random(1000) < 0.15, "new", rng.integers(0, 12, 1000).astype(str))
    _, found = advance(begin(taught, version=1), rows(1000, 5).append_column("shop", pa.array(came)), taught)
    assert alarming(found) == {"drift:shop", "new_category:shop"}

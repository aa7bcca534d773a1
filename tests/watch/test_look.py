"""A look at a window: which signals come, in which order, and what they say in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from cauce.core.artefacts import Signal, Watched
from cauce.core.figures import number
from cauce.core.files import from_json, to_json
from cauce.core.specs import WatchSpec
from cauce.profile import Bins, make_bins, summarise
from cauce.watch import Window, count_outside, look
from cauce.watch.drift.quality import schema_signals

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SPEC = WatchSpec()


def rows(n: int, seed: int, *, age: float = 40.0, unit: float = 1.0) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "age": rng.normal(age, 10, n) * unit,
            "plan": rng.choice(["free", "pro"], n, p=[0.7, 0.3]),
            "score": rng.exponential(1.0, n),
            "prediction": rng.choice(["yes", "no"], n),
        }
    )


TRAINING = rows(5000, 0)


def training_bins() -> Bins:
    profile = summarise(TRAINING.to_batches())
    return make_bins(profile, profile.schema(TRAINING.column_names))


BINS = training_bins()


def window(table: pa.Table, *, realised: float = 0.3, n_truths: int = 400, seed: int = 5) -> Window:
    rng = np.random.default_rng(seed)
    return Window(
        model="dropout",
        version=3,
        counts=BINS.count(table),
        reference=BINS.count(TRAINING),
        bins=BINS,
        n_predictions=table.num_rows,
        first=NOW,
        last=NOW,
        held_out_losses=rng.exponential(0.3, 1000),
        realised_losses=rng.exponential(realised, n_truths),
        n_labelled=n_truths,
        margin=0.01,
        outside=count_outside(table, BINS),
    )


def alarms(watched: Watched) -> list[tuple[str, str | None]]:
    return [(signal.code, signal.column) for signal in watched.signals if signal.alarming]


def only(watched: Watched, code: str, column: str | None = None) -> Signal:
    found = [s for s in watched.signals if s.code == code and (column is None or s.column == column)]
    assert len(found) == 1
    return found[0]


def test_a_stationary_window_raises_no_alarm_and_says_so_for_every_column() -> None:
    watched = look(window(rows(1000, 1)), SPEC, now=NOW)
    assert alarms(watched) == []
    assert {s.column for s in watched.signals if s.code == "drift"} == {"age", "plan", "score"}
    assert only(watched, "drift", "plan").detail["en"].startswith("Column `plan`: no drift (PSI 0.0")
    assert watched.at == NOW
    assert watched.realised is not None


def test_squared_errors_are_told_with_the_roots_of_their_means() -> None:
    seen = look(replace(window(rows(1000, 1)), squared=True), SPEC, now=NOW)
    plain = look(window(rows(1000, 1)), SPEC, now=NOW)
    assert seen.realised is not None
    root = number(seen.realised.mean_candidate**0.5, "en")
    assert f" (root: {root}); it was " in only(seen, "performance").detail["en"]
    assert only(seen, "performance").detail["es"].count("raíz: ") == 2
    assert "root" not in only(plain, "performance").detail["en"]


def test_a_moved_population_is_drift_with_the_bins_that_moved() -> None:
    watched = look(window(rows(1000, 1, age=50)), SPEC, now=NOW)
    assert alarms(watched) == [("drift", "age")]
    signal = only(watched, "drift", "age")
    assert signal.threshold == SPEC.drift
    assert signal.value >= SPEC.drift
    assert "Most moved: `> 52." in signal.detail["en"]
    assert "Lo que más cambió: `> 52," in signal.detail["es"]


def test_moved_predictions_are_output_drift() -> None:
    table = rows(1000, 1).set_column(3, "prediction", pa.array(["yes"] * 950 + ["no"] * 50))
    watched = look(window(table), SPEC, now=NOW)
    assert alarms(watched) == [("output_drift", "prediction")]
    assert only(watched, "output_drift").detail["es"].startswith("Las predicciones: los valores se han alejado")


def test_a_jump_of_missing_values_is_no_drift() -> None:
    ages = [None if i % 10 == 0 else age for i, age in enumerate(rows(1000, 1)["age"].to_pylist())]
    watched = look(window(rows(1000, 1).set_column(0, "age", pa.array(ages))), SPEC, now=NOW)
    assert alarms(watched) == [("missing", "age")]
    detail = only(watched, "missing").detail
    assert detail["en"] == "Column `age`: the share of rows without a value went from 0% in training to 10%."
    assert (
        detail["es"]
        == "Columna `age`: la proporción de filas sin valor pasó del 0\u00a0% en el entrenamiento al 10\u00a0%."
    )


def test_a_change_of_unit_is_out_of_range() -> None:
    watched = look(window(rows(1000, 1, unit=100.0)), SPEC, now=NOW)
    assert ("out_of_range", "age") in alarms(watched)
    assert "a change of unit looks like this" in only(watched, "out_of_range").detail["en"]


def test_a_moved_population_is_not_taken_for_a_change_of_unit() -> None:
    assert ("out_of_range", "age") not in alarms(look(window(rows(1000, 1, age=50)), SPEC, now=NOW))


def test_a_flood_of_unknown_categories_is_told() -> None:
    plans = pa.array(["student" if i % 5 == 0 else plan for i, plan in enumerate(rows(1000, 1)["plan"].to_pylist())])
    watched = look(window(rows(1000, 1).set_column(1, "plan", plans)), SPEC, now=NOW)
    assert ("new_category", "plan") in alarms(watched)
    assert only(watched, "new_category").value == pytest.approx(0.2)


def test_a_worse_loss_alarms_with_its_interval() -> None:
    watched = look(window(rows(1000, 1), realised=0.6), SPEC, now=NOW)
    assert alarms(watched) == [("performance", None)]
    assert "the model has become worse" in only(watched, "performance").detail["en"]
    assert "el modelo ha empeorado" in only(watched, "performance").detail["es"]
    assert watched.realised_loss == pytest.approx(0.6, rel=0.2)


def test_a_loss_that_is_worse_within_a_wide_margin_does_not_alarm() -> None:
    wide = replace(window(rows(1000, 1), realised=0.5), margin=2.0)
    assert alarms(look(wide, SPEC, now=NOW)) == []


def test_below_the_fewest_rows_nothing_is_concluded() -> None:
    watched = look(window(rows(150, 1, age=90), realised=5.0, n_truths=19), SPEC, now=NOW)
    assert alarms(watched) == []
    assert only(watched, "drift").detail["en"] == (
        "150 of at least 200 predictions so far: nothing is concluded about drift."
    )
    assert "19 de al menos 200 resultados reales" in only(watched, "performance").detail["es"]


def test_changed_columns_alarm_only_where_the_model_uses_them() -> None:
    changes = ("added: city", "gone: plan", "retyped: note int64 → string")
    strict = look(replace(window(rows(300, 1)), changes=changes), SPEC, now=NOW)
    assert alarms(strict) == [("schema", "note"), ("schema", "plan")]
    known = look(replace(window(rows(300, 1)), changes=changes, target="prediction"), SPEC, now=NOW)
    assert alarms(known) == [("schema", "plan")]
    details = {s.column: s.detail["en"] for s in known.signals if s.code == "schema"}
    assert details["note"] == "Column `note` has another type in the newest load of the data: int64 → string."


def test_a_retyped_column_with_a_space_in_its_name_alarms() -> None:
    changes = ("retyped: signed up timestamp[us, tz=UTC] → string",)
    (found,) = schema_signals(changes, frozenset({"signed up"}))
    assert (found.column, found.alarming) == ("signed up", True)
    assert "`signed up`" in found.detail["en"]
    assert "timestamp[us, tz=UTC] → string" in found.detail["es"]


def test_signals_are_ordered_by_alarm_then_importance() -> None:
    table = rows(1000, 1, age=60).set_column(2, "score", pa.array(np.full(1000, 9.0)))
    ordered = replace(window(table), importance={"age": 0.7, "score": 0.1})
    assert [column for _, column in alarms(look(ordered, SPEC, now=NOW))][:2] == ["age", "score"]
    turned = replace(window(table), importance={"age": 0.1, "score": 0.7})
    assert next(column for _, column in alarms(look(turned, SPEC, now=NOW))) == "score"


def test_every_signal_speaks_both_languages() -> None:
    busy = replace(window(rows(1000, 1, age=60, unit=50.0), realised=0.9), changes=("gone: plan", "added: z"))
    for signal in look(busy, SPEC, now=NOW).signals:
        said: Mapping[str, str] = signal.detail
        assert said["en"] != said["es"]
        assert all(text.endswith(".") and len(text) > 20 for text in said.values())


def test_what_was_seen_can_be_kept_as_json() -> None:
    watched = look(window(rows(1000, 1, age=60), n_truths=0), SPEC, now=NOW)
    assert from_json(to_json(watched), Watched) == watched


def test_looks_at_a_stationary_model_seldom_alarm() -> None:
    spec = WatchSpec(confidence=0.9, drift=1e-9)
    looks = [look(window(rows(250, seed), seed=seed), spec, now=NOW) for seed in range(1, 101)]
    assert np.mean([bool(alarms(each)) for each in looks]) <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 100)

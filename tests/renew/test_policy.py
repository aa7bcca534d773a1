"""The policy: every rule has a test, any situation gets one of the actions with a reason in both languages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.core.artefacts import Action, ColumnDrift, Comparison, Decision, Mover, Signal, SignalCode, Verdict, Watched
from cauce.core.files import from_json, to_json
from cauce.core.specs import RenewSpec
from cauce.renew import Situation, decide

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SPEC = RenewSpec()


def signal(code: SignalCode, column: str | None = None, *, value: float = 0.4, alarming: bool = True) -> Signal:
    return Signal(code, column, value, 0.2, alarming, {"en": f"{code} of {column}.", "es": f"{code} de {column}."})


def realised(verdict: Verdict = "equivalent", *, upper: float = 0.001) -> Comparison:
    return Comparison(1400, 1400, 0.31, 0.305, 0.005, -0.002, upper, 0.99, 0.003, 0.01, verdict)


def watched(*signals: Signal, n_predictions: int = 1000, comparison: Comparison | None = None) -> Watched:
    known = comparison is not None
    return Watched(
        "dropout", 3, NOW, n_predictions, 400 if known else 12, 500, NOW, NOW, 0.305, 0.31 if known else None,
        comparison, signals,
    )  # fmt: skip


def situation(*signals: Signal, comparison: Comparison | None = None, n_predictions: int = 1000) -> Situation:
    seen = watched(*signals, comparison=comparison, n_predictions=n_predictions)
    return Situation(watched=seen, last_retrain=None, paused=None, n_labelled=500, now=NOW, champion=3)


def test_a_paused_model_waits_whatever_is_seen() -> None:
    decision = decide(replace(situation(signal("performance")), paused="the school is closed in August (ana)"), SPEC)
    assert decision.action == "wait"
    assert decision.reason == {
        "en": "Renewal is paused: the school is closed in August (ana).",
        "es": "La renovación está en pausa: the school is closed in August (ana).",
    }


def test_a_column_that_is_gone_asks_for_the_data_even_before_any_traffic() -> None:
    decision = decide(situation(signal("schema", "age"), n_predictions=0), SPEC)
    assert decision.action == "fix data"
    assert decision.reason["en"] == "The data no longer fit the model. schema of age."


def test_too_few_predictions_wait() -> None:
    decision = decide(situation(signal("drift", "age"), n_predictions=57), SPEC)
    assert decision.action == "wait"
    assert decision.reason["en"] == (
        "57 predictions in the window so far; 200 are needed before anything is concluded."
    )
    assert decision.reason["es"] == ("57 predicciones en la ventana hasta ahora; hacen falta 200 para concluir algo.")


@pytest.mark.parametrize("code", ["missing", "new_category", "out_of_range"])
def test_faulty_data_are_to_be_fixed_and_not_learnt(code: SignalCode) -> None:
    decision = decide(situation(signal(code, "age"), signal("drift", "age")), SPEC)
    assert decision.action == "fix data"
    assert decision.reason["es"] == (
        "Los datos que llegan parecen defectuosos; un reentrenamiento aprendería el defecto. " + f"{code} de age."
    )


def test_faulty_data_with_a_proven_loss_of_performance_retrain_and_are_mentioned() -> None:
    decision = decide(situation(signal("performance", value=0.14), signal("missing", "age")), SPEC)
    assert decision.action == "retrain"
    assert decision.reason["en"].endswith("Check the data as well. missing of age.")


def test_missing_rows_are_a_fault_until_mend_within_has_passed() -> None:
    since = NOW - timedelta(days=9)
    gone = replace(signal("missing_partition", "region"), since=since)
    seen = situation(gone, signal("drift", "region"), signal("performance", value=0.2))
    decision = decide(seen, SPEC)
    assert (decision.action, decision.rule) == ("fix data", "partition_missing")
    assert decision.reason["en"].startswith("Rows are missing; a retraining would forget them.")
    assert "28 days after they stopped" in decision.reason["en"]
    assert decision.reason["en"].endswith("missing_partition of region.")
    assert "a los 28 días de su corte" in decision.reason["es"]
    assert decide(seen, SPEC.model_copy(update={"mend_within": "9d"})).action == "retrain"
    assert decide(seen, SPEC.model_copy(update={"mend_within": "10d"})).action == "fix data"
    told = replace(gone, alarming=False)
    assert decide(situation(told, signal("drift", "region")), SPEC).action == "retrain"


def uses(**shares: float) -> tuple[ColumnDrift, ...]:
    """Columns as a look has them, with the model's use of each."""
    return tuple(
        ColumnDrift(name, 0.0, 0.0, 1.0, 1.0, False, 0.0, 0.0, (), importance=share) for name, share in shares.items()
    )


@pytest.mark.parametrize("code", ["missing", "new_category", "out_of_range", "unit_change"])
def test_a_fault_of_a_column_that_matters_is_not_learnt_however_bad_the_losses(code: SignalCode) -> None:
    broken = situation(signal("performance", value=0.8), signal(code, "age", value=0.6), signal("drift", "age"))
    seen = replace(broken.watched, drifts=uses(age=0.5, plan=0.3, city=0.2))
    decision = decide(replace(broken, watched=seen), SPEC)
    assert decision.action == "fix data"
    assert f"{code} of age." in decision.reason["en"]
    if code != "unit_change":
        assert "The losses have risen too" in decision.reason["en"]
        assert "También han subido las pérdidas" in decision.reason["es"]


def test_some_numbers_out_of_range_do_not_hold_up_a_worse_model_for_ever() -> None:
    """A population that moved leaves the range too."""
    moved = situation(signal("performance", value=0.8), signal("out_of_range", "age", value=0.3))
    seen = replace(moved.watched, drifts=uses(age=0.5, plan=0.3, city=0.2))
    assert decide(replace(moved, watched=seen), SPEC).action == "retrain"
    before = replace(seen, signals=(signal("out_of_range", "age", value=0.3), signal("drift", "age")))
    assert decide(replace(moved, watched=before), SPEC).action == "fix data"


def test_a_fault_of_a_column_that_hardly_matters_does_not_hold_up_a_worse_model() -> None:
    small = situation(signal("performance", value=0.8), signal("missing", "city"))
    seen = replace(small.watched, drifts=uses(age=0.6, plan=0.35, city=0.05, prediction=0.0))
    decision = decide(replace(small, watched=seen), SPEC)
    assert decision.action == "retrain"
    assert decision.reason["en"].endswith("Check the data as well. missing of city.")
    drifted = replace(seen, signals=(signal("missing", "city"), signal("drift", "age")))
    assert decide(replace(small, watched=drifted), SPEC).action == "retrain"
    alone = replace(seen, signals=(signal("missing", "city"), signal("drift", "city")))
    assert decide(replace(small, watched=alone), SPEC).action == "fix data"


def test_a_model_that_tells_no_importance_takes_every_fault_seriously() -> None:
    told = situation(signal("performance", value=0.8), signal("missing", "city"))
    seen = replace(told.watched, drifts=uses(age=0.0, city=0.0))
    assert decide(replace(told, watched=seen), SPEC).action == "fix data"


def test_a_frequent_value_that_is_gone_is_named_since_only_a_person_can_tell_why() -> None:
    gone = ColumnDrift("plan", 0.5, 0.3, 0.0, 0.0, True, 0.0, 0.0, (Mover("pro", 0.3, 0.0),))
    found = situation(signal("drift", "plan"))
    reason = decide(replace(found, watched=replace(found.watched, drifts=(gone,))), SPEC).reason
    assert reason["en"].endswith("No row had pro in `plan`, as 30% had at training: if a feed stopped, mend that.")
    assert "Ninguna fila tuvo pro en `plan`" in reason["es"]


def test_a_worse_loss_retrains() -> None:
    decision = decide(situation(signal("performance", value=0.14)), SPEC)
    assert decision.action == "retrain"
    assert decision.reason == {
        "en": "The mean loss has risen by 14% against training. 500 rows with known truth have come since the last "
        "training, enough to learn from.",
        "es": "La pérdida media ha subido un 14\u00a0% respecto al entrenamiento. Desde el último entrenamiento hay "
        "500 filas con resultado conocido: bastan para aprender.",
    }


def test_a_loss_that_has_multiplied_is_told_as_times() -> None:
    reason = decide(situation(signal("performance", value=43.9)), SPEC).reason
    assert reason["en"].startswith("The mean loss is 44.9 times that of training.")
    assert reason["es"].startswith("La pérdida media es 44,9 veces la del entrenamiento.")


def test_drift_of_columns_retrains_and_names_them() -> None:
    drifted = [signal("drift", name) for name in ("age", "income", "plan", "city")]
    decision = decide(situation(*drifted, signal("drift", "fine", alarming=False)), SPEC)
    assert decision.action == "retrain"
    assert "The values of `age`, `income`, `plan` and 1 more have moved away" in decision.reason["en"]
    assert "Los valores de `age`, `income`, `plan` y 1 más se han alejado" in decision.reason["es"]


def test_drift_of_the_predictions_retrains() -> None:
    decision = decide(situation(signal("output_drift", "prediction")), SPEC)
    assert decision.action == "retrain"
    assert decision.reason["es"].startswith("Las predicciones se han alejado de las del entrenamiento.")


def test_drift_without_enough_truths_waits_and_says_how_many_are_lacking() -> None:
    decision = decide(replace(situation(signal("drift", "age")), n_labelled=120), SPEC)
    assert decision.action == "wait"
    assert decision.reason["en"].endswith(
        "A retraining needs 300 new rows with known truth; 120 have come, 180 more are needed."
    )
    assert decision.reason["es"].endswith(
        "Un reentrenamiento necesita 300 filas nuevas con resultado conocido; hay 120, faltan 180."
    )


def test_the_cool_down_waits_and_says_how_long() -> None:
    recent = replace(situation(signal("drift", "age")), last_retrain=NOW - timedelta(minutes=40))
    decision = decide(recent, SPEC)
    assert decision.action == "wait"
    assert decision.reason["en"].endswith(
        "The last retraining was 40 minutes ago and the cool-down is 1 hour: the next may start in 20 minutes."
    )
    assert decide(replace(recent, last_retrain=NOW - timedelta(hours=1)), SPEC).action == "retrain"


def test_a_quiet_model_waits_with_figures() -> None:
    decision = decide(situation(signal("drift", "age", alarming=False), comparison=realised()), SPEC)
    assert decision.action == "wait"
    assert decision.reason["en"] == (
        "Nothing to do: over 1,000 predictions no column has drifted. The mean loss over 400 truths is 0.31 and was "
        "0.305 at training: as good as it was."
    )
    assert decision.reason["es"] == (
        "Nada que hacer: en 1000 predicciones ninguna columna se ha desviado. La pérdida media sobre 400 resultados "
        "reales es 0,31; en el entrenamiento, 0,305: el modelo es tan bueno como era."
    )


def test_a_quiet_model_without_proof_says_that_there_is_none() -> None:
    unsure = decide(situation(comparison=realised("undecided", upper=0.02)), SPEC)
    assert unsure.reason["en"].endswith("no proof that it became worse.")
    unknown = decide(situation(), SPEC)
    assert unknown.reason["en"].endswith("12 truths have come, too few for a verdict on performance.")


def test_a_decision_copies_its_settings_and_carries_the_look() -> None:
    seen = replace(situation(), thresholds={"drift": 0.2})
    decision = decide(seen, SPEC)
    assert decision.thresholds == {"min_rows": 200.0, "min_truths": 300.0, "cool_down": "1h", "drift": 0.2}
    assert (decision.by, decision.champion, decision.at) == ("policy", 3, NOW)
    assert decision.watched == seen.watched


def test_ids_sort_by_the_moment_that_was_handed_in() -> None:
    later = [decide(replace(situation(), now=NOW + timedelta(seconds=i)), SPEC).id for i in range(5)]
    assert later == sorted(later)


codes = st.sampled_from(get_args(SignalCode))
columns = st.one_of(st.none(), st.text(max_size=12))
signals = st.lists(st.builds(signal, codes, columns, value=st.floats(-1e6, 1e6), alarming=st.booleans()), max_size=8)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@settings(deadline=None)
@given(
    signals,
    st.one_of(st.none(), st.builds(realised, st.sampled_from(get_args(Verdict)))),
    st.integers(0, 5000),
    st.integers(0, 5000),
    st.one_of(st.none(), moments),
    moments,
    st.one_of(st.none(), st.text(max_size=40)),
)
def test_any_situation_gets_an_action_with_a_reason_in_both_languages(
    found: list[Signal],
    comparison: Comparison | None,
    n_predictions: int,
    n_labelled: int,
    last: datetime | None,
    now: datetime,
    why_paused: str | None,
) -> None:
    seen = watched(*found, n_predictions=n_predictions, comparison=comparison)
    decision = decide(Situation(seen, last, why_paused, n_labelled, now, 3), SPEC)
    assert decision.action in get_args(Action)
    assert decision.reason["en"].strip()
    assert decision.reason["es"].strip()
    assert decision.reason["en"] != decision.reason["es"]
    assert from_json(to_json(decision), Decision) == decision

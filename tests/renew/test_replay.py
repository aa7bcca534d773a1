"""What was decided can be asked again: the same from the record alone, and otherwise with other settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.core.artefacts import Decision, Estimate, LabelsSeen, Signal
from cauce.core.errors import UserError
from cauce.core.files import from_json, to_json
from cauce.core.specs import RenewSpec
from cauce.renew import Situation, decide, replay
from renew.test_policy import NOW, SPEC, signal, signals, situation, watched

DRIFTED = situation(signal("drift", "age"))


def reread(decision: Decision) -> Decision:
    return from_json(to_json(decision), Decision)


@settings(deadline=None)
@given(
    signals,
    st.integers(0, 2000),
    st.lists(st.integers(0, 20), max_size=4),
    st.floats(0, 1e5),
    st.sampled_from([None, "gate", "shadow", "probation"]),
    st.builds(
        RenewSpec,
        approve=st.sampled_from(["policy", "person"]),
        retrainings_a_week=st.sampled_from([None, 0, 1, 2]),
        training_a_week=st.sampled_from([None, "1h"]),
        cool_down=st.sampled_from(["0s", "3d"]),
    ),
)
def test_any_decision_is_the_same_from_the_record(
    found: list[Signal], n_labelled: int, days: list[int], spent: float, stage: None, spec: RenewSpec
) -> None:
    asked = tuple(NOW - timedelta(days=day) for day in days)
    now = Situation(
        watched(*found), max(asked, default=None), None, n_labelled, NOW, 3, retrained=asked, training_s=spent,
        last_training_s=spent / 3, stage=stage,
    )  # fmt: skip
    decision = reread(decide(now, spec))
    assert Situation.of(decision) == now
    (again,) = replay([decision])
    assert again.same
    assert (again.now_action, again.now_rule) == (decision.action, decision.rule)


def test_other_settings_decide_otherwise() -> None:
    recent = replace(DRIFTED, last_retrain=NOW - timedelta(hours=2))
    decision = reread(decide(recent, SPEC))
    assert decision.action == "retrain"
    (again,) = replay([decision], {"renew.cool_down": "1d"})
    assert (again.action, again.now_action, again.now_rule, again.same) == ("retrain", "wait", "cooling_down", False)
    (few,) = replay([decision], {"watch.min_rows": "5000"})
    assert few.now_rule == "too_few_rows"
    assert not few.same
    (fewer,) = replay([reread(decide(replace(recent, min_rows=9_000_000), SPEC))], {"watch.min_rows": "8000000"})
    assert fewer.same  # the reason names another figure; what is decided, and by which rule, is the same


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [("renew.cooldown", "1d", "cool_down"), ("watch.drift", "0.3", "watch.min_rows"), ("renew.cool_down", "soon", "")],
)
def test_settings_that_the_policy_does_not_read_are_refused(key: str, value: str, hint: str) -> None:
    with pytest.raises(UserError) as error:
        replay([reread(decide(DRIFTED, SPEC))], {key: value})
    assert hint in (error.value.hint or "")


def test_a_wrong_key_is_told_where_nothing_has_been_decided() -> None:
    with pytest.raises(UserError, match=r"Did you mean 'renew\.cool_down'"):
        replay([], {"renew.coldown": "1h"})


def test_a_person_approves_where_the_file_says_so() -> None:
    decision = decide(DRIFTED, RenewSpec(approve="person"))
    assert (decision.action, decision.rule) == ("wait", "unapproved")
    assert 'cauce renew dropout --force "your reason"' in decision.reason["en"]


def test_a_week_has_its_budget_of_retrainings_and_of_time() -> None:
    asked = tuple(NOW - timedelta(days=day) for day in (1, 2, 9))
    twice = replace(DRIFTED, retrained=asked, last_retrain=asked[0])
    decision = decide(twice, RenewSpec(retrainings_a_week=2))
    assert (decision.action, decision.rule) == ("wait", "budget_spent")
    assert decision.reason["en"].endswith("The next may start in 5 days.")
    assert decide(twice, RenewSpec(retrainings_a_week=3)).action == "retrain"
    spent = replace(DRIFTED, training_s=3000.0, last_training_s=900.0)
    assert decide(spent, RenewSpec(training_a_week="1h")).rule == "budget_spent"
    assert decide(spent, RenewSpec(training_a_week="2h")).action == "retrain"


def test_another_unit_is_to_be_fixed_however_bad_the_losses() -> None:
    decision = decide(situation(signal("performance"), signal("unit_change", "price")), SPEC)
    assert (decision.action, decision.rule) == ("fix data", "unit_changed")


@pytest.mark.parametrize("code", ["estimate", "estimate_unreliable", "joint_drift", "segment"])
def test_what_else_speaks_against_a_model_retrains_it_in_its_own_words(code: str) -> None:
    decision = decide(situation(signal(code, "x")), SPEC)  # type: ignore[arg-type]
    assert decision.action == "retrain"
    assert decision.reason["en"].startswith(f"{code} of x.")


def test_a_model_that_did_better_than_estimated_is_not_retrained_for_that() -> None:
    better = replace(signal("estimate_unreliable"), value=-5.0)
    assert decide(situation(better), SPEC).rule == "still_good"


def test_an_estimate_that_has_failed_is_no_cause() -> None:
    failed = Estimate("cbpe", "roc_auc", 0.7, 0.6, 0.8, 0.9, 1000, reliable=False)
    seen = replace(watched(signal("estimate")), estimate=failed)
    assert decide(replace(situation(), watched=seen), SPEC).rule == "still_good"


def test_truths_of_few_chosen_rows_are_no_cause_alone() -> None:
    few = LabelsSeen(1000, 200, 0.2, 60.0, 120.0, False, ("age",))
    seen = replace(watched(signal("performance"), signal("labels", "age")), labels=few)
    alone = decide(replace(situation(), watched=seen), SPEC)
    assert (alone.action, alone.rule) == ("wait", "selective_truths")
    with_drift = replace(seen, signals=(*seen.signals, signal("drift", "age")))
    decision = decide(replace(situation(), watched=with_drift), SPEC)
    assert decision.action == "retrain"
    assert "labels of age." in decision.reason["en"]
    most = replace(seen, labels=replace(few, coverage=0.8))
    assert decide(replace(situation(), watched=most), SPEC).action == "retrain"


def test_while_a_challenger_is_compared_none_is_trained() -> None:
    assert decide(replace(DRIFTED, stage="shadow"), SPEC).rule == "experimenting"
    assert decide(replace(DRIFTED, stage="probation"), SPEC).action == "retrain"
    assert decide(replace(situation(), stage="shadow"), SPEC).rule == "still_good"

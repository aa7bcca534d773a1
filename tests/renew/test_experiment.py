"""The state machine of a promotion: every stage, every way out, and what a person may do in the midst of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.core.artefacts import Comparison, Decision, Experiment, Verdict
from cauce.core.files import from_json, to_json
from cauce.core.specs import ChallengerSpec, RenewSpec
from cauce.renew import Evidence, Plan, by_hand, by_person, enter, fairer, faults, step, unjudged
from cauce.renew.promote import ByHand

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
REASON = {"en": "judged.", "es": "juzgado."}


def comparison(verdict: Verdict, n: int = 500, margin: float = 0.01) -> Comparison:
    low, high = {"better": (-0.2, -0.1), "worse": (0.1, 0.2), "equivalent": (-0.001, 0.001), "undecided": (-0.2, 0.1)}[
        verdict
    ]
    mean = (low + high) / 2
    return Comparison(n, n, 0.5 + mean, 0.5, mean, low, high, 0.95, margin, (high - low) / 2, verdict)


def judged(verdict: Verdict) -> Decision:
    action = "promote" if verdict == "better" else "wait"
    return Decision("0", "m", NOW, action, REASON, "policy", 1, 2, comparison=comparison(verdict))  # type: ignore[arg-type]


def entered(verdict: Verdict, plan: Plan) -> Decision:
    return enter(judged(verdict), Evidence(comparison(verdict)), plan)


def standing(decision: Decision) -> Experiment:
    assert decision.experiment is not None
    assert decision.experiment.decision == decision.id
    return decision.experiment


def after(
    experiment: Experiment, verdict: Verdict | None, plan: Plan, *, now: datetime = LATER, n: int = 500
) -> Decision:
    found = None if verdict is None else comparison(verdict, n)
    decision = step(experiment, Evidence(found, n, 2 * n), plan, now).decision
    assert decision is not None
    return decision


SHADOW, SPLIT, BOTH = Plan(shadow=True), Plan(share=0.2), Plan(shadow=True, share=0.2)


def test_the_plan_is_what_the_file_says() -> None:
    plan = Plan.of(ChallengerSpec(shadow=True, share=0.1), RenewSpec(approve="person", probation="2h"))
    assert (plan.live, plan.approval, plan.probation_s) == (("shadow", "split"), True, 7200.0)
    assert Plan.of(ChallengerSpec(), RenewSpec()).live == ()


def test_without_live_stages_what_is_better_takes_over_and_is_on_probation() -> None:
    decision = entered("better", Plan())
    assert decision.action == "promote"
    assert (standing(decision).stage, standing(decision).champion, standing(decision).challenger) == ("probation", 1, 2)
    assert standing(entered("better", Plan(probation_s=0))).stage == "ended"


@pytest.mark.parametrize("verdict", ["worse", "equivalent", "undecided"])
def test_without_live_stages_what_is_not_better_is_refused(verdict: Verdict) -> None:
    decision = entered(verdict, Plan())
    assert (decision.action, decision.experiment, decision.reason) == ("wait", None, REASON)


@pytest.mark.parametrize("verdict", ["better", "equivalent", "undecided"])
def test_what_is_not_worse_goes_into_the_shadow(verdict: Verdict) -> None:
    decision = entered(verdict, SHADOW)
    assert (decision.action, standing(decision).stage) == ("wait", "shadow")
    assert standing(entered(verdict, SPLIT)).stage == "split"


def test_what_is_worse_goes_nowhere() -> None:
    assert entered("worse", BOTH).experiment is None


def test_what_no_row_can_judge_is_judged_in_the_shadow_and_never_at_once_in_a_split() -> None:
    nothing = unjudged("m", champion=1, challenger=2, now=NOW)
    assert standing(enter(nothing, Evidence(), BOTH, unjudged=True)).stage == "shadow"
    assert enter(nothing, Evidence(), SPLIT, unjudged=True).experiment is None


def test_a_mitigation_is_neither_tried_nor_taken_back_for_a_loss() -> None:
    fair = fairer("m", champion=1, challenger=2, method="reweigh", now=NOW)
    decision = enter(fair, Evidence(), BOTH)
    assert (decision.action, decision.experiment) == ("promote", None)


def test_the_shadow_proves_better_and_the_alias_moves() -> None:
    decision = after(standing(entered("undecided", SHADOW)), "better", SHADOW)
    assert (decision.action, decision.champion, decision.challenger) == ("promote", 1, 2)
    assert standing(decision).stage == "probation"
    assert standing(decision).comparison is None, "a stage begins without evidence"
    assert decision.comparison is not None
    assert decision.comparison.verdict == "better"


@pytest.mark.parametrize("verdict", ["worse", "equivalent"])
def test_the_shadow_proves_otherwise_and_ends(verdict: Verdict) -> None:
    decision = after(standing(entered("better", SHADOW)), verdict, SHADOW)
    assert (decision.action, standing(decision).stage, decision.rule) == ("wait", "ended", verdict)


def test_an_undecided_shadow_goes_on_until_its_limits() -> None:
    begun = standing(entered("undecided", SHADOW))
    same = step(begun, Evidence(comparison("undecided"), 700, 1400), SHADOW, LATER)
    assert same.decision is None
    assert (same.experiment.n_requests, same.experiment.n_scores) == (700, 1400)
    assert after(begun, "undecided", SHADOW, n=20_000).rule == "limit"
    assert after(begun, None, SHADOW, now=NOW + timedelta(days=30)).rule == "limit"


def test_before_a_split_the_shadow_lets_through_what_is_not_worse() -> None:
    begun = standing(entered("undecided", BOTH))
    for verdict in ("better", "equivalent"):
        assert standing(after(begun, verdict, BOTH)).stage == "split"
    assert after(begun, "undecided", BOTH, n=20_000).rule == "limit"
    split = standing(after(begun, "better", BOTH))
    assert after(split, "better", BOTH).action == "promote"


def test_a_slower_challenger_is_refused_where_it_matters() -> None:
    slow = Evidence(comparison("better"), guards={"latency_ratio": 9.0, "slower_ms": 30.0})
    assert "9 times as long" in enter(judged("better"), slow, Plan()).reason["en"]
    assert enter(judged("better"), slow, Plan()).action == "wait"
    tiny = replace(slow, guards={"latency_ratio": 9.0, "slower_ms": 0.2})
    assert enter(judged("better"), tiny, Plan()).action == "promote"


def test_a_group_that_fares_worse_refuses_what_is_better_for_all() -> None:
    found = Evidence(comparison("better"), groups={"sex = female": comparison("worse")})
    decision = enter(judged("better"), found, Plan())
    assert decision.action == "wait"
    assert "sex = female" in decision.reason["en"]
    shadow = step(standing(entered("better", SHADOW)), found, SHADOW, LATER).decision
    assert shadow is not None
    assert shadow.rule == "guard"


def test_a_split_that_deals_unfairly_judges_nothing() -> None:
    found = Evidence(comparison("better"), guards={"sample_ratio_p": 1e-6})
    decision = step(standing(entered("better", SPLIT)), found, SPLIT, LATER).decision
    assert decision is not None
    assert (decision.action, decision.rule, standing(decision).stage) == ("wait", "guard", "ended")


def test_a_breach_on_probation_gives_the_alias_back() -> None:
    decision = after(standing(entered("better", Plan())), "worse", Plan())
    assert (decision.action, decision.champion, decision.challenger) == ("roll back", 2, 1)
    assert standing(decision).stage == "ended"


def test_a_probation_is_passed_by_truths_or_time() -> None:
    begun = standing(entered("better", Plan()))
    assert step(begun, Evidence(comparison("undecided")), Plan(), LATER).decision is None
    assert after(begun, "undecided", Plan(), n=2_000).rule == "passed"
    passed = after(begun, None, Plan(), now=NOW + timedelta(days=7))
    assert (passed.action, passed.rule, passed.champion) == ("wait", "passed", 2)


def test_a_person_is_asked_and_what_that_person_promotes_is_on_probation() -> None:
    plan = Plan(approval=True)
    decision = entered("better", plan)
    asked = standing(decision)
    assert (decision.action, asked.stage, asked.asks) == ("wait", "gate", "promote")
    assert 'cauce promote m --reason "your reason"' in decision.reason["en"]
    assert step(asked, Evidence(), plan, LATER).decision is None
    said = by_hand("promote", model="m", champion=1, challenger=2, by="ana", reason="It looks good.", now=LATER)
    assert by_person(asked, said, plan).stage == "probation"
    again = step(asked, Evidence(), Plan(), LATER).decision
    assert again is not None
    assert again.action == "promote", "nobody is asked any more"


def test_the_shadow_asks_once_and_goes_on_watching() -> None:
    plan = Plan(shadow=True, approval=True)
    asked = after(standing(entered("undecided", plan)), "better", plan)
    assert (asked.action, standing(asked).stage, standing(asked).asks) == ("wait", "shadow", "promote")
    assert step(standing(asked), Evidence(comparison("better")), plan, LATER).decision is None
    assert after(standing(asked), "worse", plan).rule == "worse"


def test_another_decision_by_hand_ends_the_experiment() -> None:
    begun = standing(entered("better", SHADOW))
    acts: tuple[tuple[ByHand, int], ...] = (("promote", 2), ("promote", 7), ("roll back", 7))
    for action, version in acts:
        said = by_hand(
            action, model="m", champion=1, challenger=version, by="ana", reason="Because I say so.", now=LATER
        )
        assert by_person(begun, said, SHADOW).stage == "ended"


def test_a_stage_that_the_file_no_longer_asks_for_ends_by_what_the_gate_had_proven() -> None:
    assert after(standing(entered("better", SHADOW)), None, Plan()).action == "promote"
    assert after(standing(entered("undecided", SHADOW)), None, Plan()).rule == "stage_gone"


verdicts = st.sampled_from(["better", "worse", "equivalent", "undecided"])
plans = st.builds(
    Plan,
    shadow=st.booleans(),
    share=st.sampled_from([0.0, 0.1]),
    approval=st.booleans(),
    truths=st.integers(50, 1500),
    probation_s=st.sampled_from([0.0, 7200.0]),
)
evidences = st.builds(
    Evidence,
    st.one_of(st.none(), st.builds(comparison, verdicts, st.integers(2, 2500))),
    guards=st.sampled_from([{}, {"latency_ratio": 9.0, "slower_ms": 30.0}, {"sample_ratio_p": 1e-9}]),
)


@settings(deadline=None, max_examples=400)
@given(verdicts, plans, st.lists(st.tuples(evidences, plans), max_size=12))
def test_whatever_comes_the_stages_go_forward_and_every_decision_is_legal(
    verdict: Verdict, plan: Plan, looks: list[tuple[Evidence, Plan]]
) -> None:
    first = replace(judged("better"), id="first", champion=None, challenger=1)
    decisions = [first, entered(verdict, plan)]
    champion, experiment = 1, decisions[-1].experiment
    if decisions[-1].action == "promote":
        champion = 2
    for number, (evidence, now_plan) in enumerate(looks):
        if experiment is None:
            break
        done = step(experiment, evidence, now_plan, NOW + timedelta(hours=number))
        experiment = done.experiment
        if done.decision is None:
            continue
        decisions.append(done.decision)
        assert done.decision.reason["en"] != done.decision.reason["es"]
        assert from_json(to_json(done.decision), Decision) == done.decision
        if done.decision.action in {"promote", "roll back"}:
            champion = done.decision.challenger or 0
    challenger = experiment.challenger if experiment is not None and experiment.running else None
    assert faults(decisions, experiment, champion=champion, challenger=challenger, versions=(1, 2)) == []

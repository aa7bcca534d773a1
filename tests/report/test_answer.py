"""The sentence at the top: is it still good, and what is to be done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from cauce.core.artefacts import Action, Comparison, Signal, Verdict
from cauce.core.views import ModelView
from cauce.report.answer import Answer, answer
from cauce.report.language import speak


def ask(view: ModelView) -> Answer:
    return answer(view, speak("en"))


def looked(full: ModelView, verdict: Verdict | None, *, alarming: bool) -> ModelView:
    assert full.watched is not None
    assert full.watched.realised is not None
    signals = tuple(replace(signal, alarming=False) for signal in full.watched.signals)
    if alarming:
        signals = (replace(signals[0], code="output_drift", alarming=True), *signals[1:])
    realised = replace(full.watched.realised, verdict=verdict) if verdict else None
    return replace(full, watched=replace(full.watched, signals=signals, realised=realised))


def proof(full: ModelView) -> Comparison | None:
    assert full.watched is not None
    return full.watched.realised


def guessing(full: ModelView, rung: str = "linear", **values: float) -> ModelView:
    assert full.champion is not None
    training = full.champion.training
    metrics = replace(training.metrics, values={**training.metrics.values, **values})
    return replace(full, champion=replace(full.champion, training=replace(training, rung=rung, metrics=metrics)))


def test_without_a_model_it_says_how_to_get_one(new: ModelView) -> None:
    assert ask(new) == Answer("idle", "There is no model yet.",
                              "run `cauce up`, or `cauce train final-grade` for this one alone.")  # fmt: skip


@pytest.mark.parametrize(
    ("action", "tone", "start"),
    [
        ("fix data", "act", "The data that arrives"),
        ("retrain", "act", "Version 3 should be renewed"),
        ("promote", "good", "Yes. Version 3 has just taken over"),
        ("roll back", "watch", "Version 3 answers again"),
        ("wait", "watch", "Probably."),
    ],
)
def test_the_newest_decision_speaks_first(full: ModelView, action: Action, tone: str, start: str) -> None:
    newest = replace(full.decisions[0], action=action, comparison=proof(full))
    found = ask(replace(full, decisions=(newest, *full.decisions)))
    assert found.tone == tone
    assert found.headline.startswith(start)


def test_every_action_has_an_answer(full: ModelView) -> None:
    for action in get_args(Action):
        assert ask(replace(full, decisions=(replace(full.decisions[0], action=action),))).headline


@pytest.mark.parametrize(
    ("verdict", "alarming", "tone", "start"),
    [
        ("worse", False, "act", "No. Version 3 errs more"),
        ("worse", True, "act", "No. Version 3 errs more"),
        ("equivalent", True, "watch", "So far, yes. Version 3 is as good in use"),
        ("undecided", True, "watch", "Probably."),
        ("equivalent", False, "good", "Yes. Version 3 is as good"),
        ("better", False, "good", "Yes. Version 3 is as good"),
        ("undecided", False, "watch", "Nothing says that version 3 became worse"),
        (None, False, "good", "Yes, as far as can be seen"),
    ],
)
def test_while_it_waits_the_newest_look_answers(
    full: ModelView, verdict: Any, alarming: bool, tone: str, start: str
) -> None:
    found = ask(looked(full, verdict, alarming=alarming))
    assert found.tone == tone
    assert found.headline.startswith(start)


def test_a_segment_that_became_worse_is_no_yes(full: ModelView) -> None:
    moved = looked(full, "equivalent", alarming=True)
    assert moved.watched is not None
    signals = tuple(replace(one, code="segment") if one.alarming else one for one in moved.watched.signals)
    found = ask(replace(moved, watched=replace(moved.watched, signals=signals)))
    assert found.headline.startswith("Probably.")


def test_a_look_at_an_older_version_says_nothing_of_the_new_one(full: ModelView) -> None:
    assert full.watched is not None
    found = ask(replace(full, watched=replace(full.watched, version=2)))
    assert found.headline.startswith("Version 3 is ready")


def test_blocked_says_how_many_findings_and_whether_it_still_answers(full: ModelView, new: ModelView) -> None:
    assert full.audit is not None
    blocked = replace(full.audit, findings=tuple(replace(f, accepted=None) for f in full.audit.findings))
    assert "a finding in the data stopped" in ask(replace(new, stage="blocked", audit=blocked)).headline
    assert ask(replace(full, stage="blocked", audit=blocked)).headline.startswith("The model keeps answering")
    twice = replace(blocked, findings=blocked.findings * 2)
    assert "2 findings" in ask(replace(new, stage="blocked", audit=twice)).headline


def test_a_pause_is_said_before_anything_else_but_a_block(full: ModelView) -> None:
    assert "paused by hand" in ask(replace(full, stage="paused")).headline


def test_the_first_release_claims_no_proof_and_says_how_good_it_is(full: ModelView) -> None:
    first = replace(full.decisions[0], action="promote", champion=None, comparison=None)
    view = replace(full, decisions=(first,))
    english, spanish = answer(view, speak("en")), answer(view, speak("es"))
    assert "nothing to compare it with" in english.headline
    assert "F1 on rows that it had not seen: 0.731" in english.headline
    assert "F1 con filas que no había visto: 0,731" in spanish.headline
    for found in (english, spanish):
        assert found.tone == "idle"
        assert "rollback" not in found.advice


def test_a_promotion_by_hand_says_who_and_why(full: ModelView) -> None:
    reason = {"en": "Version 3 promoted by hand (Ana): it is fairer.", "es": "Versión 3 promovida a mano (Ana): ya."}
    by_hand = replace(full.decisions[0], action="promote", by="Ana", champion=2, reason=reason)
    found = ask(replace(full, decisions=(by_hand,)))
    assert found.headline.startswith("Version 3 promoted by hand (Ana): it is fairer. A person decided")
    assert found.tone == "watch"
    assert ".." not in found.headline


@pytest.mark.parametrize("action", ["promote", "wait", "roll back"])
def test_a_release_that_only_guesses_is_never_called_good(full: ModelView, action: Action) -> None:
    decided = replace(full, decisions=(replace(full.decisions[0], action=action, comparison=proof(full)),))
    prior = ask(guessing(decided, "prior"))
    assert prior.tone == "act"
    assert "always gives the same answer (prior: the class shares)" in prior.headline
    assert "`cauce train dropout`" in prior.advice
    assert "no better than guessing (R²: −0.03)" in ask(guessing(decided, r2=-0.03)).headline
    assert "no better than guessing (ROC-AUC: 0.51)" in ask(guessing(decided, roc_auc=0.51)).headline
    assert "guessing" not in ask(guessing(decided, r2=0.2, roc_auc=0.7)).headline


def test_too_few_predictions_are_no_ground_for_a_verdict(full: ModelView) -> None:
    assert full.watched is not None
    few = Signal("drift", None, 50.0, 200.0, False, {"en": "50 of at least 200"})
    watched = replace(full.watched, n_predictions=50, realised=None, signals=(few,))
    found = ask(replace(full, watched=watched))
    assert found.tone == "idle"
    assert "50 of the 200 predictions" in found.headline


def test_intervals_that_miss_the_truth_are_said_at_the_top(full: ModelView) -> None:
    view = guessing(replace(full, watched=None), coverage=0.37)
    assert "37.0% of the cases" in ask(view).warning
    assert ask(view).tone == "watch"
    assert ask(guessing(full, coverage=0.88)).warning == ""


def test_a_pause_names_the_command_that_ends_it(full: ModelView) -> None:
    assert '`cauce resume dropout --reason "…"`' in ask(replace(full, stage="paused")).advice

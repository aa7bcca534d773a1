"""The sentence at the top: is it still good, and what is to be done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from cauce.core.artefacts import Action, Verdict
from cauce.core.views import ModelView
from cauce.report.answer import Answer, answer
from cauce.report.language import speak


def ask(view: ModelView) -> Answer:
    return answer(view, speak("en"))


def looked(full: ModelView, verdict: Verdict | None, *, alarming: bool) -> ModelView:
    assert full.watched is not None
    assert full.watched.realised is not None
    signals = tuple(replace(signal, alarming=alarming) for signal in full.watched.signals)
    realised = replace(full.watched.realised, verdict=verdict) if verdict else None
    return replace(full, watched=replace(full.watched, signals=signals, realised=realised))


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
    found = ask(replace(full, decisions=(replace(full.decisions[0], action=action), *full.decisions)))
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
        ("equivalent", True, "watch", "Probably."),
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

"""What a turn has to tell: decisions, alarming signals, failures, each with its reason in both languages."""

from __future__ import annotations

from typing import get_args

from alert.conftest import NOW
from cauce.alert import of_failed_watch, of_turn
from cauce.alert.words import CODES, KINDS, SENTENCES, STATES
from cauce.core.alert_specs import EVERYTHING, AlertKind
from cauce.core.artefacts import Action, Decision, Signal, SignalCode, Watched
from cauce.core.errors import UserError


def words(text: str) -> dict[str, str]:
    return {"en": text, "es": f"{text} (es)"}


def decision(action: Action, *, identity: str = "1", challenger: int | None = None, watched: bool = False) -> Decision:
    return Decision(
        identity,
        "passed",
        NOW,
        action,
        words(f"Because {identity}."),
        "policy",
        1,
        challenger,
        seen() if watched else None,
    )


def seen(*signals: Signal) -> Watched:
    return Watched("passed", 1, NOW, 500, 0, 0, NOW, NOW, 0.3, None, None, signals)


def test_alarming_signals_are_told_by_column_and_quiet_ones_are_not() -> None:
    drifted = Signal("drift", "age", 0.4, 0.2, True, words("age moved"))
    quiet = Signal("drift", "grade", 0.1, 0.2, False, words("grade did not"))
    found = of_turn("passed", seen(drifted, quiet), decision("wait"), [])
    assert [(cause.kind, cause.detail, cause.reason["es"], cause.lasts) for cause in found] == [
        ("signals", "drift/age", "age moved (es)", True)
    ]


def test_two_signals_of_one_code_and_column_are_one_cause() -> None:
    both = [Signal("segment", None, 1.0, 0.5, True, words(text)) for text in ("first", "second")]
    (found,) = of_turn("passed", seen(*both), None, [])
    assert found.reason["en"] == "first"


def test_a_retraining_is_told_with_what_came_of_it() -> None:
    decided = [decision("retrain", identity="1", watched=True), decision("wait", identity="2", challenger=2)]
    (found,) = of_turn("passed", seen(), decided[0], decided)
    assert (found.kind, found.reason["en"], found.lasts) == ("retrain", "Because 1. Because 2.", False)


def test_promotions_of_two_versions_are_two_causes() -> None:
    decided = [decision("promote", identity="1", challenger=2), decision("roll back", identity="2", challenger=1)]
    found = of_turn("passed", seen(), decision("wait"), decided)
    assert [cause.key for cause in found] == [("passed", "promote", "2"), ("passed", "roll back", "1")]


def test_the_policys_fix_data_lasts_and_that_of_a_stopped_training_happens_once() -> None:
    asked, stopped = decision("fix data", watched=True), decision("fix data", identity="2")
    assert [(c.detail, c.lasts) for c in of_turn("passed", seen(), asked, [asked])] == [("", True)]
    assert [(c.detail, c.lasts) for c in of_turn("passed", seen(), None, [stopped])] == [("training", False)]


def test_a_foreign_errors_text_is_not_told_for_it_may_hold_values() -> None:
    cause = of_failed_watch("passed", KeyError("ana@academy.example"), None)
    assert "KeyError" in cause.reason["en"]
    assert "ana" not in str(cause.reason)
    mended = UserError("no such file", where="cauce.toml:3")
    assert of_failed_watch("passed", mended, str(mended)).reason["es"] == "cauce.toml:3: no such file."


def test_every_kind_and_code_has_words_in_both_languages() -> None:
    assert set(KINDS) == set(EVERYTHING) == set(get_args(AlertKind))
    assert set(CODES) == set(get_args(SignalCode))
    for table in (KINDS, CODES, STATES, SENTENCES):
        for key, told in table.items():
            assert len({told["en"], told["es"], ""}) == 3, key

"""Words and figures: both languages say the same things, and nothing is left unsaid."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cauce.core.artefacts import Action, Candidate, Kind, RungWhy, SignalCode, Stage, Trial, Verdict
from cauce.core.protocols import Task
from cauce.core.specs import FairnessMetric, Mitigation, Severity
from cauce.report import language
from cauce.report.language import speak
from cauce.tasks.tabular import Classify, Regress

ROOM = Path(language.__file__).parent
EN, ES = speak("en"), speak("es")

FAMILIES = {
    "action_": [action.replace(" ", "_") for action in get_args(Action)],
    "why_": get_args(RungWhy),
    "short_": get_args(RungWhy),
    "signal_": get_args(SignalCode),
    "verdict_": get_args(Verdict),
    "severity_": get_args(Severity),
    "kind_": get_args(Kind),
    "stage_": ["new", "blocked", "trained", "serving", "paused"],
    "gap_": get_args(FairnessMetric),
    "method_": get_args(Mitigation),
    "trial_": get_args(get_type_hints(Trial)["outcome"]),
    "step_": [stage for stage in get_args(Stage) if stage != "ended"],
    "split_": ["random", "stratified", "group", "time"],
}
"""Texts that are found by a value: one for every value."""


def test_both_languages_have_the_same_keys_and_fill_in_the_same_values() -> None:
    assert list(EN.words) == list(ES.words)
    for key, text in EN.words.items():
        assert sorted(re.findall(r"{\d}", text)) == sorted(re.findall(r"{\d}", ES.words[key])), key
        assert text.strip() == text, key


def test_every_value_that_can_come_has_a_text() -> None:
    for prefix, values in FAMILIES.items():
        for value in values:
            assert EN.knows(prefix + value), prefix + value


def test_no_text_is_unused() -> None:
    sources = "\n".join(
        path.read_text(encoding="utf-8") for path in sorted(ROOM.rglob("*")) if path.suffix in {".py", ".html"}
    )
    quoted = set(re.findall(r"""["']([a-z0-9_]+)["']""", sources))
    built = {
        "answer_",
        "estimate_",
        "step_",
        "guard_",
        "advice_",
        "metric_",
        "meaning_",
        "warning_",
        "rung_",
        "word_",
        "means_",
        "ago_",
        *FAMILIES,
    }
    for key in EN.words:
        prefix = next((prefix for prefix in built if key.startswith(prefix)), None)
        by_value = prefix is not None and (prefix in FAMILIES or prefix in {"metric_", "meaning_"})
        value = key.removeprefix(prefix or "").removesuffix("_one")
        known = value in quoted or (prefix in FAMILIES and value in FAMILIES[str(prefix)]) or by_value
        assert key.removesuffix("_one") in quoted or (prefix is not None and known), key


def test_every_text_that_the_templates_ask_for_exists() -> None:
    for path in sorted((ROOM / "templates").glob("*.html")):
        for name in re.findall(r"\b(?:t|some)\(\"([a-z_]+)\"[,)]", path.read_text(encoding="utf-8")):
            assert EN.knows(name), (path.name, name)
            if f'some("{name}"' in path.read_text(encoding="utf-8"):
                assert EN.knows(f"{name}_one"), (path.name, name)


@pytest.mark.parametrize(
    ("value", "english", "spanish"),
    [
        (0.0, "0", "0"),
        (0.36123, "0.361", "0,361"),
        (12.345, "12.3", "12,3"),
        (1234.5, "1,234", "1234"),
        (1234567.0, "1.23 million", "1,23 millones"),
        (5.0e9, "5,000 million", "5000 millones"),
        (999.9, "1,000", "1000"),
        (-0.5, "−0.5", "−0,5"),
        (0.0000012, "1.2e-06", "1,2e-06"),
        (float("nan"), "–", "–"),
        (None, "–", "–"),
    ],
)
def test_numbers(value: float | None, english: str, spanish: str) -> None:
    assert EN.number(value) == english
    assert ES.number(value) == spanish


def test_counts_percentages_durations_and_times() -> None:
    assert (EN.count(9500), ES.count(9500), ES.count(95000)) == ("9,500", "9500", "95\u202f000")
    assert (EN.percent(0.125), ES.percent(0.125)) == ("12.5%", "12,5\u00a0%")
    assert (EN.signed_percent(0.1), EN.signed_percent(-0.1)) == ("+10.0%", "−10.0%")
    assert (EN.signed_percent(430.0), ES.signed_percent(-11.0)) == (">\u00a0+999%", "<\u00a0−999\u00a0%")
    assert [EN.duration(s) for s in (0.0, 0.01, 0.4, 89.0, 90.0, 7200.0)] == [
        "0\u00a0s", "< 0.1\u00a0s", "0.4\u00a0s", "89.0\u00a0s", "1.5\u00a0min", "2.0\u00a0h",
    ]  # fmt: skip
    assert (EN.duration(2 * 86_400), ES.duration(7.5 * 86_400)) == ("48.0\u00a0h", "7,5\u00a0d")  # truths take weeks
    at = datetime(2026, 1, 5, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    assert (EN.moment(at), ES.moment(at)) == ("4 Jan 2026, 23:30 UTC", "4 ene 2026, 23:30 UTC")


@pytest.mark.parametrize(
    ("seconds", "english", "spanish"),
    [
        (-5, "a moment ago", "hace un momento"),
        (59, "a moment ago", "hace un momento"),
        (60, "a minute ago", "hace un minuto"),
        (7300, "2 hours ago", "hace 2 horas"),
        (86400, "a day ago", "hace un día"),
    ],
)
def test_how_long_ago(seconds: int, english: str, spanish: str) -> None:
    now = datetime(2026, 1, 5, tzinfo=UTC)
    assert EN.ago(now - timedelta(seconds=seconds), now) == english
    assert ES.ago(now - timedelta(seconds=seconds), now) == spanish


@pytest.mark.parametrize("task", [Classify(), Regress()], ids=["classify", "regress"])
def test_every_metric_of_the_tasks_has_a_name(task: Task) -> None:
    example = task.example()
    fitted = task.fit(Candidate("prior", {}), {}, example.table, spec=example.spec)
    for metric in task.metrics(fitted, example.table, example.spec).values:
        assert EN.knows(f"metric_{metric}"), metric


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_every_number_can_be_written(value: float) -> None:
    assert EN.number(value)
    assert ES.number(value)
    assert EN.percent(value)


def test_a_text_without_spanish_falls_back_to_english() -> None:
    assert ES.of({"en": "only"}) == "only"

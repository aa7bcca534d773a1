"""What the watch saw, on both pages and in both languages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cauce import report
from cauce.core.artefacts import Estimate, Mover
from cauce.core.specs import ChallengerSpec
from cauce.core.views import ModelView, ProjectView
from cauce.report import watching
from cauce.report.language import speak

HOSTILE = "<script>alert(1)</script>`x`"


@pytest.mark.parametrize("language", ["en", "es"])
def test_both_pages_show_columns_segments_truths_the_estimate_and_the_experiment(
    project: ProjectView, long: ModelView, language: str
) -> None:
    words = speak(language)
    console = report.console_page(replace(project, models=(long,), language=language))  # type: ignore[arg-type]
    page = report.model_page(long, language, project="academy", at=project.at)
    for html in (console, page):
        for said in ("0.842" if language == "en" else "0,842", "course = law", words.say("step_shadow")):
            assert said in html
        assert words.say("estimate_unreliable") in html
        assert words.say("labels_selected") in html
        assert words.say("course_hint") in html
        assert 'aria-current="step"' in html
        assert "None" not in html
    assert "style=" not in console


def test_the_strongest_columns_come_first_and_the_rest_is_counted(long: ModelView) -> None:
    assert long.watched is not None
    one = long.watched.drifts[0]
    many = tuple(replace(one, column=f"c{at}", psi=at / 100) for at in range(20)) + long.watched.drifts
    rows, more = watching.column_rows(replace(long.watched, drifts=many), speak("en"))
    assert [row.name for row in rows[:3]] == ["course", "c19", "c18"]
    assert (len(rows), more) == (12, 11)
    assert rows[0].moved == "law: from 10.0% to 40.0%"


def test_the_course_needs_two_looks_with_truths_and_marks_what_was_decided(long: ModelView) -> None:
    words = speak("en")
    drawn = watching.course(long, words)
    assert drawn is not None
    assert drawn.count("▲") == 1
    assert drawn.count('class="wrong"') == 1
    assert watching.course(replace(long, looks=long.looks[:1]), words) is None
    same = tuple(replace(point, at=long.looks[0].at) for point in long.looks)
    assert watching.course(replace(long, looks=same), words) is not None  # no division by a span of nothing
    flat = tuple(replace(point, realised_loss=0.0, expected_loss=0.0) for point in long.looks)
    assert watching.course(replace(long, looks=flat), words) is not None


def test_names_from_data_are_escaped_everywhere(project: ProjectView, long: ModelView) -> None:
    seen = long.watched
    assert seen is not None
    assert seen.labels is not None
    drift = replace(seen.drifts[1], column=HOSTILE, movers=(Mover(HOSTILE, 0.1, 0.2),))
    segment = replace(seen.segments[0], segment=HOSTILE)
    labels = replace(seen.labels, selected=(HOSTILE,))
    hostile = replace(long, watched=replace(seen, drifts=(drift,), segments=(segment,), labels=labels))
    html = report.console_page(replace(project, models=(hostile,)))
    assert "<script>alert" not in html


def test_an_estimate_says_whether_it_held(long: ModelView) -> None:
    assert long.watched is not None
    estimate = long.watched.estimate
    assert isinstance(estimate, Estimate)
    for held, tone in ((None, "idle"), (True, "good"), (False, "act")):
        seen = replace(long.watched, estimate=replace(estimate, reliable=held))
        assert [
            fact.tone for fact in watching.facts(seen, speak("es")) if "ROC" in fact.name or "0,842" in fact.value
        ] == [tone]


def test_an_experiment_that_ended_has_all_steps_done(long: ModelView) -> None:
    assert long.experiment is not None
    ended = replace(long.experiment, stage="ended", stage_at=long.experiment.stage_at + timedelta(1))
    assert {step.state for step in watching.steps(ended, speak("en"))} == {"done"}


@pytest.mark.parametrize(("language", "calm"), [("en", "Nothing alarms."), ("es", "Nada da la alarma.")])
def test_a_terminal_is_told_of_the_loss_the_truths_and_the_estimate(long: ModelView, language: str, calm: str) -> None:
    seen = long.watched
    assert seen is not None
    told = "\n".join(watching.look_lines(seen, language))
    assert ("0.842" if language == "en" else "0,842") in told
    assert speak(language).say("estimate_unreliable") in told
    assert calm not in told
    assert "`" not in told
    quiet = replace(seen, signals=tuple(replace(signal, alarming=False) for signal in seen.signals))
    assert watching.look_lines(quiet, language)[0] == calm


def test_a_stage_that_nobody_asked_for_is_not_shown_as_passed(long: ModelView) -> None:
    assert long.experiment is not None
    on_probation, words = replace(long.experiment, stage="probation"), speak("en")
    asked = ChallengerSpec(shadow=True)
    names = [(step.name, step.state) for step in watching.steps(on_probation, words, asked)]
    assert names == [
        (words.say("step_gate"), "done"),
        (words.say("step_shadow"), "done"),
        (words.say("step_probation"), "now"),
    ]
    split = replace(on_probation, stage="split")  # begun before the file was changed
    assert [step.state for step in watching.steps(split, words, asked)] == ["done", "done", "now", "ahead"]


def test_a_guard_has_a_name_in_both_languages(long: ModelView) -> None:
    assert long.experiment is not None
    held = replace(long.experiment, guards={"latency_ratio": 1.5, "slower_ms": 2.0, "sample_ratio_p": 0.4})
    for code in ("en", "es"):
        names = [fact.name for fact in watching.experiment_facts(held, speak(code))]
        assert not {"latency_ratio", "slower_ms", "sample_ratio_p"} & set(names)

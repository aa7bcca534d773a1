"""What each rung costs, its settings and its trials, as the console and the report tell them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest

from cauce import report
from cauce.core.artefacts import Choice, Comparison, Trial
from cauce.core.views import ModelView, ProjectView
from cauce.report import costs
from cauce.report.drawings import trials_plot
from cauce.report.ladder import rows
from cauce.report.language import speak

EN, ES = speak("en"), speak("es")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def choice(full: ModelView) -> Choice:
    assert full.champion is not None
    return full.champion.training.choice


def trial(number: int, loss: float | None, outcome: Any = "complete") -> Trial:
    return Trial(number, {"depth": number}, loss, 5, 1.0, outcome)


def drawn(*trials: Trial) -> ET.Element:
    svg = trials_plot(trials, "boosting", EN)
    assert svg is not None
    return ET.fromstring(str(svg))


def test_every_fitted_rung_says_what_it_costs(choice: Choice) -> None:
    prior, linear, boosting = costs.rows(choice, EN)
    assert (prior.training, prior.tuning, prior.per_row) == ("< 0.1\u00a0s", "–", "0.1\u00a0µs")
    assert linear.chosen
    assert boosting[2:] == ("21.7\u00a0s", "1.6\u00a0min (4)", "4\u00a0µs", "0.512\u00a0ms", "1.3\u00a0MB")
    assert costs.rows(choice, ES)[2].tuning == "1,6\u00a0min (4)"


def test_the_terminals_table_has_a_line_for_every_rung_by_its_name(choice: Choice) -> None:
    header, found = report.rung_table(choice, "es")
    assert header[:2] == ("Peldaño", "Pérdida")
    assert [line[0] for line in found] == ["prior", "linear", "boosting", "forest"]
    assert [line[-1] for line in found] == [speak("es").say(f"short_{rung.why}") for rung in choice.rungs]
    assert found[0][-1] == "peor que el mejor"
    assert found[1][1:4] == ("0,3612", "−0,1\u00a0% a +0,8\u00a0%", "3,4\u00a0s")
    assert found[2][2] == "la menor"
    assert found[3][1:-1] == ("–",) * 6


def test_the_choice_says_how_long_it_took_of_which_budget(choice: Choice) -> None:
    assert costs.took(choice, EN).startswith("Choosing took 2.2\u00a0min. The budget, ")
    assert costs.took(choice, EN).endswith("was 2.0\u00a0min.")
    assert costs.took(replace(choice, budget_s=None), ES) == "Elegir tardó 2,2\u00a0min."
    assert costs.took(replace(choice, seconds=0.0), EN) == ""


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(None, "–"), (512, "512\u00a0B"), (2_570, "2,6\u00a0kB"), (3_400_000, "3,4\u00a0MB"), (2 * 10**9, "2,0\u00a0GB")],
)
def test_sizes_are_written_in_their_unit(n_bytes: int | None, text: str) -> None:
    assert ES.size(n_bytes) == text


@pytest.mark.parametrize("language", ["en", "es"])
def test_report_and_console_show_costs_settings_and_trials(
    full: ModelView, project: ProjectView, language: Any
) -> None:
    words = speak(language)
    alone = report.model_page(full, language, project="academy", at=project.at)
    console = report.console_page(replace(project, models=(full,), language=language))
    for html in (alone, console):
        for key in ("training", "tuning", "per_row", "one_row", "size", "settings"):
            assert words.say(key) in html, key
        assert f"<code>learning_rate = {words.number(0.0625)}</code> <code>num_leaves = 31</code>" in html
        assert "<code>extra_trees = True</code>" in html
        assert costs.took(full.champion.training.choice, words) in html  # type: ignore[union-attr]
        assert html.count(words.say("plot_trials_hint")) == 1
    assert '<details id="settings-dropout">' in console, "it stays open when the page is renewed"


def test_a_choice_without_settings_has_nothing_to_open(full: ModelView, choice: Choice, project: ProjectView) -> None:
    assert full.champion is not None
    plain = replace(choice, rungs=choice.rungs[:2], trials={})
    training = replace(full.champion.training, choice=plain)
    view = replace(full, champion=replace(full.champion, training=training))
    assert "settings-dropout" not in report.model_page(view, "en", project="academy", at=project.at)


def test_trials_are_dots_and_the_best_so_far_is_a_line(choice: Choice) -> None:
    root = drawn(*choice.trials["boosting"])
    dots = list(root.iter(f"{SVG}circle"))
    assert [dot.get("class") for dot in dots] == ["dot", "wrong", "dot"]  # the one that failed has no loss
    lowest = max(dots, key=lambda dot: float(str(dot.get("cy"))))
    assert lowest.findtext(f"{SVG}title") == "Trial 3: 0.3587, on all folds"
    assert dots[1].findtext(f"{SVG}title") == "Trial 2: 0.412, given up as proven worse"
    assert root.findtext(f"{SVG}desc") == "4 trials; number 3 has the lowest mean loss, 0.359."
    (line,) = root.iter(f"{SVG}polyline")
    heights = [float(point.split(",")[1]) for point in str(line.get("points")).split()]
    assert heights == sorted(heights), "the best so far never gets worse"
    assert len(heights) == 3


def test_one_bad_trial_does_not_press_the_others_flat() -> None:
    root = drawn(trial(0, 0.50), trial(1, 0.48), trial(2, 9.0), trial(3, 0.49))
    heights = [float(str(dot.get("cy"))) for dot in root.iter(f"{SVG}circle")]
    assert max(heights) - sorted(heights)[1] > 50
    assert heights[2] == min(heights)
    assert any(str(text.text).startswith("≥ ") for text in root.iter(f"{SVG}text"))


def test_few_trials_are_drawn_too() -> None:
    assert trials_plot((), "boosting", EN) is None
    assert trials_plot((trial(0, 0.5, "budget"), trial(1, None, "failed")), "boosting", EN) is None
    for trials in ((trial(0, 0.5),), (trial(0, 0.5), trial(1, 0.5))):
        root = drawn(*trials)
        assert len(list(root.iter(f"{SVG}circle"))) == len(trials)
        assert "nan" not in ET.tostring(root, encoding="unicode")


def test_a_complex_rung_that_is_worse_is_told_so(choice: Choice) -> None:
    worse = Comparison(9, 9, 0.5, 0.4, 0.1, 0.05, 0.15, 0.9, 0.004, 0.05, "worse")
    rungs = (choice.rungs[1], replace(choice.rungs[2], against_best=worse))
    found = rows(replace(choice, rungs=rungs, best="linear"), EN)
    assert found[1].verdict == "More complex, and worse."

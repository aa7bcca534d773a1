"""Plots: well-formed, told in words too, and safe whatever a column is called."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cauce import report
from cauce.core.artefacts import Metrics
from cauce.core.views import ModelView
from cauce.report.drawings import sparkline
from cauce.report.language import speak

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def metrics(full: ModelView) -> Metrics:
    assert full.champion is not None
    return full.champion.training.metrics


def texts(svg: bytes) -> list[str]:
    return [str(element.text) for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_each_plot_is_a_file_with_title_description_and_both_colour_schemes(metrics: Metrics) -> None:
    files = report.plots(metrics, {"age": 0.7, "grade": 0.3}, "es")
    assert sorted(files) == ["calibration.svg", "confusion.svg", "importance.svg"]
    for svg in files.values():
        root = ET.fromstring(svg)
        assert root.find(f"{SVG}title") is not None
        assert root.find(f"{SVG}desc") is not None
        assert root.get("role") == "img"
        assert b"prefers-color-scheme:dark" in svg


def test_plots_that_do_not_apply_are_left_out(metrics: Metrics) -> None:
    regress = replace(metrics, classes=(), confusion=(), calibration=())
    assert sorted(report.plots(regress, {"age": 1.0}, "en")) == ["importance.svg"]
    assert report.plots(regress, {}, "en") == {}
    assert report.plots(regress, {"age": 0.0}, "en") == {}


def test_the_confusion_matrix_shows_its_counts_and_says_how_many_were_right(metrics: Metrics) -> None:
    svg = report.plots(metrics, {}, "en")["confusion.svg"]
    assert {"6,512", "711", "682", "1,595"} <= set(texts(svg))
    assert b"8,107 of 9,500 cases lie on the diagonal" in svg


def test_many_classes_are_cut_to_the_most_frequent(metrics: Metrics) -> None:
    n = 30
    matrix = tuple(tuple(100 - i if i == j else 1 for j in range(n)) for i in range(n))
    many = replace(metrics, classes=tuple(f"class {i}" for i in range(n)), confusion=matrix)
    shown = texts(report.plots(many, {}, "en")["confusion.svg"])
    assert "class 0" in shown
    assert "class 29" not in shown
    assert "The 10 most frequent of 30 classes." in shown


def test_an_empty_class_and_empty_bins_are_drawn(metrics: Metrics) -> None:
    odd = replace(metrics, confusion=((5, 0), (0, 0)), calibration=((0.1, 0.0, 0), (0.5, 0.5, 3)))
    assert sorted(report.plots(odd, {}, "en")) == ["calibration.svg", "confusion.svg"]


@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_any_name_gives_well_formed_svg(one: str, other: str) -> None:
    metrics = Metrics({"f1": 1.0}, "f1", {"en": ""}, (one, other), ((1, 2), (3, 4)), ((0.5, 0.5, 3),), 10)
    files = report.plots(metrics, {one: 0.6, other + "x": 0.4}, "en")
    for svg in files.values():
        root = ET.fromstring(svg)
        assert not list(root.iter(f"{SVG}script"))


def test_quotes_tags_and_emoji_stay_text(metrics: Metrics) -> None:
    name = '"><script>alert(1)</script>🦜'
    svg = report.plots(metrics, {name: 1.0}, "en")["importance.svg"]
    assert b"<script" not in svg
    assert any(element.text == name for element in ET.fromstring(svg).iter(f"{SVG}title"))


def test_long_names_are_cut_in_the_middle_so_that_they_stay_apart(metrics: Metrics) -> None:
    names = {f"a_rather_long_column_name_{at}": 0.5 for at in (1, 2)}
    shown = texts(report.plots(metrics, names, "en")["importance.svg"])
    assert {"a_rather_l…mn_name_1", "a_rather_l…mn_name_2"} <= set(shown)


def test_a_quiet_hour_draws_no_line_and_a_single_minute_does() -> None:
    words = speak("en")
    assert sparkline((), words) is None
    assert sparkline((0, 0), words) is None
    assert "3 predictions in the last hour, at most 3 in a minute." in str(sparkline((3,), words))

"""The page of what closing a gap costs: an answer, a plot whose numbers stay apart, a table that fits a phone."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest

from cauce.core.artefacts import Comparison, GroupFigure
from cauce.core.views import FairnessCurve, FairnessPoint
from cauce.report import fairness_page, fairness_rows, fairness_svg

SAME = Comparison(100, 100, 0.1, 0.1, 0.0, -0.01, 0.01, 0.95, 0.01, 0.01, "undecided")
STEPS = [("off", 1.0), ("majority", 1.0), ("balance", 1.0), ("reweigh", 0.5), ("reweigh", 1.0), ("thresholds", 0.5),
         ("thresholds", 0.75), ("thresholds", 1.0), ("reductions", 0.5), ("reductions", 1.0)]  # fmt: skip


def made(gaps: list[float], *, max_gap: float | None = 0.1, best: int | None = 4, told: bool = True) -> FairnessCurve:
    points = tuple(
        FairnessPoint(
            method, strength, GroupFigure("a <b>", 500, gap, gap - 0.03, gap + 0.03) if told else None,
            GroupFigure("all", 500, 0.85, 0.83, 0.87), 0.31, SAME, SAME, 0.02, method != "thresholds", None, 0.1,
        )
        for (method, strength), gap in zip(STEPS, gaps, strict=True)
    )  # fmt: skip
    reason = {"en": "The answer.", "es": "La respuesta."}
    return FairnessCurve("loan<1>", "linear", "demographic_parity", "yes", ("sex",), max_gap, 800, 200, points, best,
                         reason)  # fmt: skip


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_page_answers_first_and_its_table_becomes_cards(language: str) -> None:
    curve = made([0.2 - 0.02 * i for i in range(10)])
    page = fairness_page(curve, language, project="demo")
    assert f'<html lang="{language}">' in page
    assert page.index(curve.reason[language]) < page.index("<table>")
    assert "loan<1>" not in page
    assert page.count("<svg") == 3  # the mark, a wide plot, a narrow one
    assert len(re.findall("<td ", page)) == len(re.findall("data-label=", page)) == 50
    assert page.count('<tr class="chosen">') == 1
    assert "[models.loan&lt;1&gt;.fairness]" in page


@pytest.mark.parametrize("seed", range(5))
def test_no_two_numbers_of_the_plot_touch_also_where_dots_lie_close(seed: int) -> None:
    gaps = np.random.default_rng(seed).uniform(0.09, 0.13, 10).tolist()
    for plot in re.findall(r"<svg xmlns.*?</svg>", fairness_page(made(gaps), "en", project="demo")):
        numbers = re.findall(r'x="([\d.]+)" y="([\d.]+)" text-anchor="middle">\d+<', plot)
        assert len(numbers) == 10
        for (ax, ay), (bx, by) in combinations([(float(x), float(y)) for x, y in numbers], 2):
            assert abs(ax - bx) > 16 or abs(ay - by) > 12


def test_a_plot_alone_says_what_its_numbers_mean() -> None:
    drawn = fairness_svg(made([0.1] * 10), "en").decode()
    assert "reductions 0.5" in re.sub("<title>.*?</title>", "", drawn)


@pytest.mark.parametrize(
    ("max_gap", "best", "told", "tone"),
    [(None, None, True, "idle"), (0.1, None, True, "watch"), (0.1, 4, True, "watch"), (0.2, 4, True, "good"),
     (0.1, None, False, "watch")],
)  # fmt: skip
def test_the_answer_is_good_only_where_the_gap_is_proven_within(
    max_gap: float | None, best: int | None, told: bool, tone: str
) -> None:
    page = fairness_page(made([0.09] * 10, max_gap=max_gap, best=best, told=told), "en", project="demo")
    assert f'<div class="answer {tone}">' in page
    assert ("no gap can be told" in page) is not told


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_terminals_table_fits_80_columns_and_explains_its_marks(language: str) -> None:
    header, rows, footnote = fairness_rows(made([0.2] * 10), language)
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    assert sum(widths) + 2 * (len(widths) - 1) <= 80
    assert rows[4][0].endswith("*")
    assert rows[5][0].endswith("†")
    assert "* " in footnote
    assert "† " in footnote

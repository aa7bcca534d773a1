from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

from cauce.core.choice import Comparison
from cauce.core.reduction import Attempt, Reduction
from cauce.report import reduction_plots

WORSE = Comparison(500, 500, 0.33, 0.30, 0.03, 0.01, 0.05, 0.9, 0.003, 0.02, "worse")
RECORD = Reduction(
    0.01, 0.95, None, "refused", 4_000, 4_000, 500, {"en": "", "es": ""},
    attempts=tuple(
        Attempt(share, round(4_000 * share), {"boosting <b>": WORSE}, {}, False, 1.0) for share in (0.02, 0.1, 0.4)
    ),
)  # fmt: skip


def test_what_was_tried_is_drawn_with_its_cost_in_both_languages() -> None:
    for language, share in (("en", "10%"), ("es", "10\u00a0%")):
        drawn = reduction_plots(RECORD, [], language)
        assert set(drawn) == {"reduction.svg"}
        text = drawn["reduction.svg"].decode()
        ET.fromstring(text)
        assert len(re.findall("<circle", text)) == 3
        assert share in text
        assert "<b>" not in text


def test_a_map_shows_every_row_once_and_says_how_many_stayed() -> None:
    points = [(float(i % 10), float(i // 10), i % 5 == 0) for i in range(100)]
    text = reduction_plots(RECORD, points, "en")["reduction_map.svg"].decode()
    assert len(re.findall("<circle", text)) == 100
    assert "20 of 100" in text


def test_nothing_tried_draws_nothing() -> None:
    assert reduction_plots(replace(RECORD, attempts=()), [], "en") == {}

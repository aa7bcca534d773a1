"""The picture: requests a second at 64 connections, on a scale of tens, least to most as a line."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from cauce.report.drawings import as_file as alone
from cauce.report.drawings import line_between as line
from cauce.report.drawings import svg_of as svg
from cauce.report.drawings import text_at as text

PANELS = (("boosting", 1, "LightGBM, 1 row"), ("boosting", 64, "LightGBM, 64 rows"), ("linear", 1, "linear, 1 row"),
          ("linear", 64, "linear, 64 rows"))  # fmt: skip
LEFT, WIDE, STEP, GAP, LEAST = 216, 330, 22, 56, 10.0


def rates(result: dict[str, Any]) -> bytes:
    """Draw a panel per model and size."""
    body: list[Markup] = []
    top = 0.0
    for kind, rows, title in PANELS:
        cells = [
            c for c in result["cells"]
            if (c["kind"], c["rows"], c["workers"], c["concurrency"]) == (kind, rows, 1, 64) and c["per_s"]["median"]
        ]  # fmt: skip
        if cells:
            body += _panel(sorted(cells, key=lambda c: -c["per_s"]["median"]), title, top, result)
            top += STEP * len(cells) + GAP
    described = "Requests a second of every server at 64 connections, one worker; the scale is logarithmic."
    return alone(svg(LEFT + WIDE + 96, max(top, 40.0), "Requests a second", described, body))


def _panel(cells: list[dict[str, Any]], title: str, top: float, result: dict[str, Any]) -> list[Markup]:
    most = 10 ** math.ceil(math.log10(max(c["per_s"]["max"] for c in cells)))

    def place(value: float) -> float:
        return LEFT + WIDE * math.log10(max(value, LEAST) / LEAST) / math.log10(most / LEAST)

    foot = top + 30 + STEP * len(cells)
    body = [text(LEFT, top + 18, f"{title}: requests/s", "strong")]
    for power in range(int(math.log10(most)) + 1):
        value = 10**power
        if value >= LEAST:
            body.append(line(place(value), top + 26, place(value), foot, "line"))
            body.append(text(place(value), foot + 14, f"{value:,}", "faint", "middle"))
    for at, cell in enumerate(cells):
        y = top + 30 + STEP * at
        found, name = cell["per_s"], cell["contender"]
        body.append(
            text(LEFT - 8, y + 14, result["contenders"][name]["label"], "strong" if name == "cauce" else "", "end")
        )
        bar = Markup('<rect class="{}" x="{}" y="{:.1f}" width="{:.1f}" height="14" rx="2" fill-opacity="{}"/>')
        width = max(1.0, place(found["median"]) - LEFT)
        body.append(
            bar.format(
                "bar" if name.startswith("cauce") else "wrong", LEFT, y + 3, width, 1 if name == "cauce" else 0.55
            )
        )
        whisker = Markup(
            '<line class="ideal" style="stroke-dasharray:none" stroke-width="2" '
            'x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>'
        )
        body.append(whisker.format(place(found["min"]), y + 10, place(found["max"]), y + 10))
        body.append(
            text(max(place(found["max"]), place(found["median"])) + 6, y + 14, f"{found['median']:,.0f}", "faint")
        )
    return body

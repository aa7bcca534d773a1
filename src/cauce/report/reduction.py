"""A reduction drawn: what each share of the rows costs each model family, and which rows stayed on a map of all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from cauce.core.reduction import Reduction
from cauce.report.drawings import as_file, line_between, svg_of, text_at
from cauce.report.language import Language, speak

Curve = Sequence[tuple[float, float]]
"""(share of the rows, loss over that from all rows, relative)."""
Point = tuple[float, float, bool]
"""Where a row lies on a plane, and whether it stayed."""
_WIDTH, _HEIGHT = 300, 190
_LEFT, _TOP = 64, 34
_COLOURS = ("#0b7285", "#b3541e", "#5a6865", "#7a4fb8")


def reduction_plots(record: Reduction, points: Sequence[Point], language: str) -> dict[str, bytes]:
    """Return ``reduction.svg``, what the tried shares cost, and ``reduction_map.svg``, which rows stayed.

    Parameters
    ----------
    points
        Some rows; none where all stayed.
    """
    words = speak(language)
    tried = record.attempts
    families = tried[0].families if tried else {}
    curves = {
        family: {
            words.say("reduction_kept"): [
                (each.n_kept / record.n_rows, each.families[family].difference / each.families[family].mean_reference)
                for each in tried
            ]
        }
        for family in families
    }
    drawn = {"reduction.svg": share_curves(curves, words) if curves else None}
    if points:
        drawn["reduction_map.svg"] = map_of_rows(points, words)
    return {name: as_file(found) for name, found in drawn.items() if found}


def share_curves(families: Mapping[str, Mapping[str, Curve]], words: Language) -> Markup:
    """Draw kept share against excess loss, a panel for each family, a line for each way of keeping rows."""
    body: list[Markup] = []
    ways = list(dict.fromkeys(way for each in families.values() for way in each))
    for place, (family, curves) in enumerate(families.items()):
        left, top = _LEFT + (place % 2) * (_WIDTH + 70), _TOP + (place // 2) * (_HEIGHT + 66)
        body += _panel(left, top, family, curves, ways, words)
    n_rows = (len(families) + 1) // 2
    height = _TOP + n_rows * (_HEIGHT + 66) + 18 * len(ways)
    for place, way in enumerate(ways):
        y = _TOP + n_rows * (_HEIGHT + 66) + 18 * place
        body.append(_stroke([(_LEFT, y - 4), (_LEFT + 28, y - 4)], place))
        body.append(text_at(_LEFT + 36, y, way, "", "start"))
    width = _LEFT + min(2, len(families)) * (_WIDTH + 70)
    return svg_of(width, height, words.say("reduction_curve"), words.say("reduction_curve_desc"), body)


def _panel(
    left: float, top: float, family: str, curves: Mapping[str, Curve], ways: Sequence[str], words: Language
) -> list[Markup]:
    shares = sorted({share for curve in curves.values() for share, _ in curve})
    most = max([value for curve in curves.values() for _, value in curve] + [0.01])
    least = min([value for curve in curves.values() for _, value in curve] + [0.0])
    span = (most - least) or 1.0

    def at(share: float, value: float) -> tuple[float, float]:
        low, high = math.log(shares[0]), math.log(shares[-1])
        x = 0.5 if high == low else (math.log(share) - low) / (high - low)
        return left + 10 + (_WIDTH - 20) * x, top + _HEIGHT * (1 - (value - least) / span)

    body = [Markup('<rect class="frame" x="{}" y="{}" width="{}" height="{}"/>').format(left, top, _WIDTH, _HEIGHT)]
    body.append(text_at(left, top - 8, family, "strong", "start"))
    for value in (*([least] if least < -0.1 * most else []), 0.0, most / 2, most):
        _, y = at(shares[0], value)
        body.append(line_between(left, y, left + _WIDTH, y, "line"))
        body.append(text_at(left - 6, y + 4, words.percent(value, 0), "faint", "end"))
    for share in shares:
        below = (at(share, 0.0)[0], top + _HEIGHT + 18)
        body += [text_at(*below, words.percent(share, 0), "faint", "middle")]
    for way, curve in curves.items():
        points = [at(share, value) for share, value in curve]
        body.append(_stroke(points, ways.index(way)))
        dot = Markup('<circle cx="{:.1f}" cy="{:.1f}" r="4" fill="{}"><title>{}</title></circle>')
        for (x, y), (share, value) in zip(points, curve, strict=True):
            told = f"{way}: {words.percent(share, 0)}, {words.percent(value)}"
            body.append(dot.format(x, y, _COLOURS[ways.index(way) % len(_COLOURS)], told))
    return body


def _stroke(points: Sequence[tuple[float, float]], place: int) -> Markup:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    colour = _COLOURS[place % len(_COLOURS)]
    return Markup('<polyline fill="none" stroke="{}" stroke-width="2" points="{}"/>').format(colour, path)


def map_of_rows(points: Sequence[Point], words: Language) -> Markup:
    """Draw rows on a plane, those that stayed over those that did not; the outermost hundredths lie on the frame."""
    side, left, top = 380, 20, 12
    across, up = (_scaled([point[axis] for point in points]) for axis in (0, 1))
    body = [Markup('<rect class="frame" x="{}" y="{}" width="{}" height="{}"/>').format(left, top, side, side)]
    dot = Markup('<circle class="{}" opacity="{}" cx="{:.1f}" cy="{:.1f}" r="{}"/>')
    for stays, radius, kind, opacity in ((False, 1.5, "faint", 0.35), (True, 2.6, "wrong", 1.0)):
        for (*_, stayed), x, y in zip(points, across, up, strict=True):
            if stayed == stays:
                body.append(dot.format(kind, opacity, left + side * x, top + side * (1 - y), radius))
    n_stayed = sum(stayed for *_, stayed in points)
    told = words.say("reduction_map_desc", words.count(n_stayed), words.count(len(points)))
    body.append(text_at(left, top + side + 20, told, "faint", "start"))
    return svg_of(left + side + 20, top + side + 32, words.say("reduction_map"), told, body)


def _scaled(values: Sequence[float]) -> list[float]:
    """Return values between 0, the hundredth from below, and 1, the hundredth from above."""
    inside = sorted(values)
    low, high = inside[len(inside) // 100], inside[-1 - len(inside) // 100]
    return [min(1.0, max(0.0, (value - low) / ((high - low) or 1.0))) for value in values]

"""What closing a gap between groups costs: a plot of accuracy against gap, and a page around it."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from cauce.core.artefacts import Words
from cauce.core.figures import Language as Code
from cauce.core.figures import figures
from cauce.core.views import FairnessCurve, FairnessPoint
from cauce.report.drawings import _alone, _line, _svg, _text
from cauce.report.language import DASH, Language, speak

METHODS: dict[str, Words] = {
    "off": {"en": "no mitigation", "es": "sin corrección"},
    "majority": {"en": "always the most frequent class", "es": "siempre la clase más frecuente"},
    "balance": {"en": "balance", "es": "balance"},
    "reweigh": {"en": "reweigh", "es": "reweigh"},
    "reductions": {"en": "reductions", "es": "reductions"},
    "thresholds": {"en": "thresholds", "es": "thresholds"},
}
TEXTS: dict[str, Words] = {
    "title": {"en": "What closing the gap costs", "es": "Lo que cuesta cerrar la diferencia"},
    "gap": {"en": "gap between groups, in points", "es": "diferencia entre grupos, en puntos"},
    "accuracy": {"en": "right predictions", "es": "aciertos"},
    "method": {"en": "mitigation", "es": "corrección"},
    "strength": {"en": "strength", "es": "intensidad"},
    "interval": {"en": "95% interval", "es": "intervalo del 95 %"},
    "cost": {"en": "accuracy against no mitigation, in points", "es": "exactitud frente a no corregir, en puntos"},
    "price": {"en": "points per 0.01 of gap", "es": "puntos por 0,01 de diferencia"},
    "loss": {"en": "mean loss", "es": "pérdida media"},
    "asks": {"en": "takes the sensitive columns at prediction", "es": "usa las columnas sensibles al predecir"},
    "best": {"en": "recommended", "es": "recomendada"},
    "desc": {
        "en": "Each dot is a mitigation: further left groups are treated more alike, further up more is right. The "
        "line is the largest gap allowed.",
        "es": "Cada punto es una corrección: más a la izquierda se trata a los grupos de forma más parecida, más "
        "arriba se acierta más. La línea es la mayor diferencia permitida.",
    },
    "note": {
        "en": "Fitted on {0} rows that teach, measured on {1} rows set aside; rung {2}, metric {3}, favoured {4}, "
        "groups by {5}. Intervals of gaps hold for all pairs of groups together; costs are paired by row.",
        "es": "Ajustado con {0} filas que enseñan y medido en {1} filas apartadas; peldaño {2}, métrica {3}, clase "
        "favorecida {4}, grupos según {5}. Los intervalos de las diferencias valen para todos los pares de grupos a la "
        "vez; los costes se emparejan por fila.",
    },
}
Scale = Callable[[float], float]
_WIDTH, _HEIGHT, _LEFT, _TOP = 620, 340, 70, 20


def fairness_svg(curve: FairnessCurve, language: str) -> bytes:
    """Return the plot as a file of its own."""
    return _alone(_plot(curve, speak(language)))


def fairness_rows(curve: FairnessCurve, language: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the header and the rows of the curve's table, in one language."""
    words = speak(language)
    keys = ("method", "strength", "gap", "interval", "accuracy", "cost", "price", "loss")
    header = tuple(words.of(TEXTS[key]) for key in keys)
    rows = []
    for place, point in enumerate(curve.points):
        name = words.of(METHODS[point.method])
        marks = [words.of(TEXTS["best"])] if place == curve.recommended else []
        marks += [] if point.allowed else [words.of(TEXTS["asks"])]
        shown = f"{name} ({', '.join(marks)})" if marks else name
        rows.append((shown, *_figures(point, words)))
    return header, rows


def fairness_page(curve: FairnessCurve, language: str) -> str:
    """Return a page for colleagues who do not code: the answer, the plot, the table."""
    words = speak(language)
    header, rows = fairness_rows(curve, language)
    head = Markup("").join(Markup("<th>{}</th>").format(cell) for cell in header)
    body = Markup("").join(
        Markup("<tr{}>{}</tr>").format(
            Markup(' class="best"') if place == curve.recommended else "",
            Markup("").join(Markup("<td>{}</td>").format(cell) for cell in row),
        )
        for place, row in enumerate(rows)
    )
    note = words.of(TEXTS["note"]).format(
        words.count(curve.n_train),
        words.count(curve.n_held_out),
        curve.rung,
        curve.metric,
        curve.favoured,
        ", ".join(curve.columns),
    )
    svg = Markup(fairness_svg(curve, language).decode())  # noqa: S704  # made by `drawings`, which escapes every name
    page = Markup(
        '<!doctype html><html lang="{0}"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<title>{1} · {2}</title><style>{3}</style><main><h1>{1} · {2}</h1><p>{4}</p>{5}<p>{6}</p>"
        "<div><table><thead><tr>{7}</tr></thead><tbody>{8}</tbody></table></div><p>{9}</p></main></html>"
    )
    title, reason = words.of(TEXTS["title"]), words.of(curve.reason)
    return str(
        page.format(words.code, title, curve.model, _STYLE, reason, svg, words.of(TEXTS["desc"]), head, body, note)
    )


_STYLE = Markup(
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:0}"
    "main{max-width:60rem;margin:2rem auto;padding:0 1rem}svg{max-width:40rem;width:100%;height:auto}"
    "div{overflow-x:auto}table{border-collapse:collapse}td,th{padding:.3rem .7rem;text-align:left;"
    "border-bottom:1px solid #8886;vertical-align:top}.best{font-weight:600}"
)


def _figures(point: FairnessPoint, words: Language) -> tuple[str, ...]:
    gap = point.gap
    controls = point.method in {"off", "majority"}
    interval = DASH if gap is None else f"{_points(gap.lower, words.code)} – {_points(gap.upper, words.code)}"
    errors = point.errors
    cost = f"{_signed(-errors.difference, words.code)} ({_signed(-errors.upper, words.code)} – "
    cost += f"{_signed(-errors.lower, words.code)})"
    return (
        DASH if controls else words.number(point.strength),
        DASH if gap is None else _points(gap.value, words.code),
        interval,
        words.percent(point.accuracy.value),
        DASH if point.method == "off" else cost,
        DASH if point.points_per_hundredth is None or controls else words.number(point.points_per_hundredth, digits=2),
        words.number(point.mean_loss),
    )


def _points(share: float, code: Code) -> str:
    return figures(f"{100 * share:.1f}", code)


def _signed(share: float, code: Code) -> str:
    return ("+" if share > 0 else "") + figures(f"{100 * share:.2f}", code)


def _plot(curve: FairnessCurve, words: Language) -> Markup:
    """Draw accuracy (up) against gap (right), with both intervals, and the largest gap allowed."""
    shown = [point for point in curve.points if point.gap is not None]
    wide = max([0.02, curve.max_gap or 0.0, *(point.gap.upper for point in shown if point.gap)]) * 1.05
    ends = [end for point in shown for end in (point.accuracy.lower, point.accuracy.upper)] or [0.0, 1.0]
    low, high = min(ends) - 0.01, max(ends) + 0.01

    def x(share: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - 20) * min(share, wide) / wide

    def y(share: float) -> float:
        return _TOP + (_HEIGHT - _TOP - 50) * (high - share) / (high - low)

    body = [
        _line(_LEFT, _HEIGHT - 50, _WIDTH - 20, _HEIGHT - 50, "line"),
        _line(_LEFT, _TOP, _LEFT, _HEIGHT - 50, "line"),
    ]
    for step in range(5):
        share, height = wide * step / 4, low + (high - low) * step / 4
        body.append(_text(x(share), _HEIGHT - 34, _points(share, words.code), "faint", "middle"))
        body.append(_text(_LEFT - 8, y(height) + 4, words.percent(height), "faint", "end"))
    if curve.max_gap is not None:
        body.append(_line(x(curve.max_gap), _TOP, x(curve.max_gap), _HEIGHT - 50, "ideal"))
        body.append(_text(x(curve.max_gap) + 4, _TOP + 10, f"max_gap {_points(curve.max_gap, words.code)}", "faint"))
    order = sorted(range(len(curve.points)), key=lambda i: (gap.value if (gap := curve.points[i].gap) else 0.0, i))
    for rank, place in enumerate(order):  # neighbours' names stand above and below by turns
        point = curve.points[place]
        if point.gap is not None:
            body += _dot(point, x, y, words, best=place == curve.recommended, rank=rank)
    body.append(_text((_LEFT + _WIDTH) / 2, _HEIGHT - 10, words.of(TEXTS["gap"]), "faint", "middle"))
    body.append(_text(8, 14, words.of(TEXTS["accuracy"]), "faint"))
    return _svg(_WIDTH, _HEIGHT, words.of(TEXTS["title"]), words.of(TEXTS["desc"]), body)


def _dot(point: FairnessPoint, x: Scale, y: Scale, words: Language, *, best: bool, rank: int) -> list[Markup]:
    gap = point.gap
    assert gap is not None
    at, up = x(gap.value), y(point.accuracy.value)
    name = words.of(METHODS[point.method])
    label = name if point.method in {"off", "majority"} else f"{name} {words.number(point.strength)}"
    circle = Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}</title></circle>')
    anchor, beside = ("end", -9) if at > _WIDTH - 170 else ("start", 9)
    return [
        _line(x(gap.lower), up, x(gap.upper), up, "line"),
        _line(at, y(point.accuracy.lower), at, y(point.accuracy.upper), "line"),
        circle.format("dot" if point.allowed else "wrong", at, up, 7 if best else 4, label),
        _text(at + beside, up + (-5, 16, -19, 30)[rank % 4], label, "strong" if best else "", anchor),
    ]

"""What closing a gap between groups costs: a plot of accuracy against gap, a table, and the answer above them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup

from cauce.core.artefacts import Words
from cauce.core.figures import Language as Code
from cauce.core.figures import figures
from cauce.core.views import FairnessCurve, FairnessPoint
from cauce.report.answer import Answer, Tone
from cauce.report.drawings import as_file, line_between, svg_of, text_at
from cauce.report.language import DASH, Language, speak

METHODS: dict[str, Words] = {
    "off": {"en": "none", "es": "ninguna"},
    "majority": {"en": "most frequent", "es": "más frecuente"},
    "balance": {"en": "balance", "es": "balance"},
    "reweigh": {"en": "reweigh", "es": "reweigh"},
    "reductions": {"en": "reductions", "es": "reductions"},
    "thresholds": {"en": "thresholds", "es": "thresholds"},
}
TEXTS: dict[str, Words] = {
    "title": {"en": "What closing the gap costs", "es": "Lo que cuesta cerrar la diferencia"},
    "plot": {"en": "Right predictions against the gap", "es": "Aciertos frente a la diferencia"},
    "table": {"en": "Every mitigation, measured", "es": "Cada corrección, medida"},
    "gap_axis": {"en": "gap between groups, in points", "es": "diferencia entre grupos, en puntos"},
    "method": {"en": "mitigation", "es": "corrección"},
    "gap": {"en": "gap", "es": "diferencia"},
    "accuracy": {"en": "right", "es": "acierto"},
    "cost": {"en": "change", "es": "cambio"},
    "price": {"en": "price", "es": "precio"},
    "loss": {"en": "loss", "es": "pérdida"},
    "short_loss": {"en": "loss", "es": "pérd."},
    "best": {"en": "recommended", "es": "recomendada"},
    "asks": {
        "en": "not allowed: takes the sensitive columns at prediction",
        "es": "no permitida: usa las columnas sensibles al predecir",
    },
    "desc": {
        "en": "Each number is a mitigation of the table: further left groups are treated more alike, further up more "
        "is right. Whiskers are the 95% intervals of none and of the one recommended.",
        "es": "Cada número es una corrección de la tabla: más a la izquierda se trata a los grupos de forma más "
        "parecida, más arriba se acierta más. Las barras son los intervalos del 95 % de no corregir y de la "
        "recomendada.",
    },
    "legend": {
        "en": "gap: the largest between groups, in points, with its 95% interval; right: share of right predictions; "
        "change: of right predictions against none, in points; price: points of right predictions for each 0.01 of "
        "gap; loss: mean loss. most frequent: always says the most frequent class.",
        "es": "diferencia: la mayor entre grupos, en puntos, con su intervalo del 95 %; acierto: proporción de "
        "aciertos; cambio: en los aciertos frente a no corregir, en puntos; precio: puntos de acierto por cada 0,01 "
        "de diferencia; pérdida: pérdida media. más frecuente: siempre la clase más frecuente.",
    },
    "note": {
        "en": "Fitted on {0} rows that teach, measured on {1} rows set aside; rung {2}, metric {3}, favoured {4}, "
        "groups by {5}. Intervals of gaps hold for all pairs of groups together; changes are paired by row.",
        "es": "Ajustado con {0} filas que enseñan y medido en {1} filas apartadas; peldaño {2}, métrica {3}, clase "
        "favorecida {4}, grupos según {5}. Los intervalos de las diferencias valen para todos los pares de grupos a la "
        "vez; los cambios se emparejan por fila.",
    },
    "untold": {"en": "no gap can be told: too few rows", "es": "no se puede saber: pocas filas"},
    "set_limit": {
        "en": "say in `[models.{0}.fairness] max_gap` how large the gap may be, and run this again.",
        "es": "indica en `[models.{0}.fairness] max_gap` cuánto puede diferir y repite esto.",
    },
    "nothing": {"en": "nothing.", "es": "nada."},
    "take": {
        "en": 'set `mitigate = "{1}"` and `strength = {2}` in `[models.{0}.fairness]`, and run `cauce train {0}`.',
        "es": 'pon `mitigate = "{1}"` y `strength = {2}` en `[models.{0}.fairness]` y ejecuta `cauce train {0}`.',
    },
    "none_left": {
        "en": "gather more rows of the groups served worst, or allow what takes the sensitive columns with "
        "`at_prediction = true`, or judge anew how large the gap may be.",
        "es": "reúne más filas de los grupos peor servidos, permite lo que usa las columnas sensibles con "
        "`at_prediction = true`, o vuelve a decidir cuánto puede diferir.",
    },
}
_COLUMNS = ("gap", "accuracy", "cost", "price", "loss")
_WIDE, _NARROW = (760, 380), (350, 380)


class Step(NamedTuple):
    """One row of the table, written out."""

    number: int
    """Of its dot in the plot."""
    name: str
    tags: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]
    """Name and value."""
    best: bool


def fairness_svg(curve: FairnessCurve, language: str) -> bytes:
    """Return the plot as a file of its own, with what its numbers mean."""
    return as_file(_plot(curve, speak(language), _WIDE, legend=True))


def drawing(curve: FairnessCurve, words: Language, *, narrow: bool) -> Markup:
    """Return the plot for a page; a narrow one for a phone, with letters as large."""
    return _plot(curve, words, _NARROW if narrow else _WIDE)


def fairness_rows(curve: FairnessCurve, language: str) -> tuple[tuple[str, ...], list[tuple[str, ...]], str]:
    """Return the header, the rows and the footnote of the curve's table for 80 columns, in one language."""
    words = speak(language)
    rows: list[tuple[str, ...]] = []
    marks: dict[str, str] = {}
    for point, step in zip(curve.points, steps(curve, words), strict=True):
        mark = ("*" if step.best else "") + ("" if point.allowed else "†")
        marks |= {"*": words.of(TEXTS["best"])} if step.best else {}
        marks |= {} if point.allowed else {"†": words.of(TEXTS["asks"])}
        rows.append((f"{step.name}{mark}", *(value for _, value in step.figures)))
    told = [words.of(TEXTS["legend"]), *(f"{mark} {text}." for mark, text in marks.items())]
    header = (*("method", *_COLUMNS[:-1]), "short_loss")
    return tuple(words.of(TEXTS[key]) for key in header), rows, " ".join(told)


def steps(curve: FairnessCurve, words: Language) -> list[Step]:
    """Return the rows of the table, numbered as in the plot."""
    made = []
    for place, point in enumerate(curve.points):
        best = place == curve.recommended
        tags = (TEXTS["best"],) * best + (TEXTS["asks"],) * (not point.allowed)
        values = zip(_COLUMNS, _figures(point, words), strict=True)
        told = tuple((words.of(TEXTS[key]), value) for key, value in values)
        made.append(Step(place + 1, _name(point, words), tuple(words.of(tag) for tag in tags), told, best))
    return made


def verdict(curve: FairnessCurve, words: Language) -> Answer:
    """Answer what is recommended, and what to do."""
    tone: Tone = "good"
    if curve.max_gap is None:
        tone, advice = "idle", words.of(TEXTS["set_limit"])
    elif curve.recommended is None:
        tone, advice = "watch", words.of(TEXTS["none_left"])
    else:
        point = curve.points[curve.recommended]
        advice = words.of(TEXTS["nothing" if point.method == "off" else "take"])
        advice = advice.format(curve.model, point.method, f"{point.strength:g}")
        proven = point.gap is not None and point.gap.upper <= curve.max_gap
        return Answer("good" if proven else "watch", words.of(curve.reason), advice)
    return Answer(tone, words.of(curve.reason), advice.format(curve.model))


def note(curve: FairnessCurve, words: Language) -> str:
    """Say on which rows, by which figure, between which groups."""
    counts = words.count(curve.n_train), words.count(curve.n_held_out)
    return words.of(TEXTS["note"]).format(*counts, curve.rung, curve.metric, curve.favoured, ", ".join(curve.columns))


def _name(point: FairnessPoint, words: Language) -> str:
    name = words.of(METHODS[point.method])
    return name if point.method in {"off", "majority"} else f"{name} {words.number(point.strength)}"


def _figures(point: FairnessPoint, words: Language) -> tuple[str, ...]:
    gap, errors = point.gap, point.errors
    ends = "" if gap is None else f"({_points(gap.lower, words.code)}…{_points(gap.upper, words.code)})"
    change = [_signed(-value, words.code) for value in (errors.difference, errors.upper, errors.lower)]
    price = point.points_per_hundredth
    return (
        DASH if gap is None else f"{_points(gap.value, words.code)} {ends}",
        words.percent(point.accuracy.value),
        DASH if point.method == "off" else f"{change[0]} ({change[1]}…{change[2]})",
        DASH if price is None or point.method in {"off", "majority"} else words.number(price, digits=2),
        words.number(point.mean_loss),
    )


def _points(share: float, code: Code) -> str:
    return figures(f"{100 * share:.1f}", code)


def _signed(share: float, code: Code) -> str:
    text = f"{100 * share:+.1f}"
    return figures("0.0" if float(text) == 0 else text.replace("-", "−"), code)


class _Frame(NamedTuple):
    """Where shares lie on the paper."""

    left: float
    top: float
    right: float
    bottom: float
    wide: float
    """The largest gap shown."""
    low: float
    high: float

    def x(self, gap: float) -> float:
        return self.left + (self.right - self.left) * min(gap, self.wide) / self.wide

    def y(self, share: float) -> float:
        share = min(max(share, self.low), self.high)
        return self.top + (self.bottom - self.top) * (self.high - share) / (self.high - self.low)


def _framed(curve: FairnessCurve, size: tuple[int, int]) -> _Frame:
    told = [(point, point.gap) for point in curve.points if point.gap is not None]
    marked = [(point, gap) for point, gap in told if _whiskers(curve, point)]
    gaps = [gap.value for _, gap in told] + [gap.upper for _, gap in marked]
    heights = [point.accuracy.value for point, _ in told]
    heights += [end for point, _ in marked for end in (point.accuracy.lower, point.accuracy.upper)]
    low, high = min(heights, default=0.0), max(heights, default=1.0)
    spare = 0.06 * (high - low) or 0.01
    wide = max([0.02, 1.1 * (curve.max_gap or 0.0), *gaps]) * 1.05
    return _Frame(62, 34, size[0] - 16, size[1] - 48, wide, max(low - spare, 0.0), min(high + spare, 1.0))


def _whiskers(curve: FairnessCurve, point: FairnessPoint) -> bool:
    return point.method == "off" or (curve.recommended is not None and point is curve.points[curve.recommended])


def _plot(curve: FairnessCurve, words: Language, size: tuple[int, int], *, legend: bool = False) -> Markup:
    """Draw accuracy (up) against gap (right), every mitigation as a number, and the largest gap allowed."""
    frame = _framed(curve, size)
    body = _axes(curve, frame, words)
    shown = [(at, point, point.gap) for at, point in enumerate(curve.points) if point.gap is not None]
    for _, point, gap in shown:
        if _whiskers(curve, point):
            x, y = frame.x(gap.value), frame.y(point.accuracy.value)
            body.append(line_between(frame.x(gap.lower), y, frame.x(gap.upper), y, "trend"))
            body.append(line_between(x, frame.y(point.accuracy.lower), x, frame.y(point.accuracy.upper), "trend"))
    dots = [(frame.x(gap.value), frame.y(point.accuracy.value)) for _, point, gap in shown]
    circle = Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}</title></circle>')
    for (at, point, _), (x, y), (tx, ty) in zip(shown, dots, _places(dots, frame), strict=True):
        if math.hypot(tx - x, ty - y) > 20:
            body.append(line_between(x, y, tx, ty, "ideal"))
        best = at == curve.recommended
        hint = _name(point, words)
        body.append(circle.format("dot" if point.allowed else "wrong", x, y, 6 if best else 4, hint))
        body.append(text_at(tx, ty + 4.5, str(at + 1), "strong" if best else "", "middle", hint))
    height = size[1]
    if legend:
        names = [f"{at + 1}  {_name(point, words)}" for at, point in enumerate(curve.points)]
        body += [text_at(56 + 176 * (at % 4), height + 16 + 20 * (at // 4), name) for at, name in enumerate(names)]
        height += 20 * math.ceil(len(names) / 4) + 12
    return svg_of(size[0], height, words.of(TEXTS["plot"]), words.of(TEXTS["desc"]), body)


def _axes(curve: FairnessCurve, frame: _Frame, words: Language) -> list[Markup]:
    body = [
        line_between(frame.left, frame.bottom, frame.right, frame.bottom, "line"),
        line_between(frame.left, frame.top, frame.left, frame.bottom, "line"),
        text_at((frame.left + frame.right) / 2, frame.bottom + 40, words.of(TEXTS["gap_axis"]), "faint", "middle"),
        text_at(4, 14, words.of(TEXTS["accuracy"]), "faint"),
    ]
    body += [
        text_at(frame.x(share), frame.bottom + 18, _points(share, words.code), "faint", "middle")
        for share in _ticks(0.0, frame.wide)
    ]
    body += [
        text_at(frame.left - 6, frame.y(share) + 4, words.percent(share), "faint", "end")
        for share in _ticks(frame.low, frame.high)
    ]
    if all(point.gap is None for point in curve.points):
        middle = (frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2
        body.append(text_at(*middle, words.of(TEXTS["untold"]), "strong", "middle"))
    if curve.max_gap is not None:
        x = frame.x(curve.max_gap)
        late = x > (frame.left + frame.right) / 2
        body.append(line_between(x, frame.top - 16, x, frame.bottom, "ideal"))
        told = f"max_gap {_points(curve.max_gap, words.code)}"
        body.append(text_at(x + (-5 if late else 5), frame.top - 8, told, "faint", "end" if late else "start"))
    return body


def _ticks(low: float, high: float) -> list[float]:
    """Return round shares from `low` to `high`, at most seven."""
    power = 10.0 ** math.floor(math.log10((high - low) / 6))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if (high - low) / (power * factor) <= 6)
    return [step * at for at in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _places(dots: Sequence[tuple[float, float]], frame: _Frame) -> list[tuple[float, float]]:
    """Find a place for each dot's number: near it and no other dot, off other numbers and the edges."""
    taken: list[tuple[float, float]] = []

    def free(x: float, y: float, at: int) -> bool:
        inside = frame.left - 14 <= x <= frame.right + 6 and frame.top + 2 <= y <= frame.bottom - 8
        return (
            inside
            and all(abs(x - ax) > 19 or abs(y - ay) > 14 for ax, ay in taken)
            and all(abs(x - ax) > 13 or abs(y - ay) > 11 for ax, ay in dots)
            and min(range(len(dots)), key=lambda i: math.hypot(x - dots[i][0], y - dots[i][1])) == at
        )

    for at, (x, y) in enumerate(dots):
        around = _around(x, y)
        taken.append(next((place for place in around if free(*place, at)), (x, y - 14)))
    return taken


def _around(x: float, y: float) -> Iterator[tuple[float, float]]:
    for reach in (17, 22, 28, 35, 44, 54, 66, 80, 96):
        for turn in range(16):
            angle = -math.pi / 4 + turn * math.pi / 8
            yield x + reach * math.cos(angle), y + reach * math.sin(angle)

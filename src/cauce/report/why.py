"""Why something changed, as a page: the sentence, a waterfall of its parts, the segments, the columns, the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypedDict

from markupsafe import Markup

from cauce.core.artefacts import Words
from cauce.core.figures import figures, written
from cauce.core.why import Change, Part, PredictionWhy, Segment, Why
from cauce.report.assets import style_sheet
from cauce.report.drawings import line_between, shorten, svg_of, text_at
from cauce.report.language import DASH, Language, speak

TEXTS: dict[str, Words] = {
    "title": {"en": "Why it changed", "es": "Por qué cambió"},
    "title_one": {"en": "Why this prediction", "es": "Por qué esta predicción"},
    "loss": {"en": "The loss", "es": "La pérdida"},
    "prediction": {"en": "The mean prediction", "es": "La predicción media"},
    "class": {"en": "The mean probability of “{0}”", "es": "La probabilidad media de «{0}»"},
    "mix": {"en": "more or fewer rows: {0}", "es": "más o menos filas: {0}"},
    "relation": {"en": "rows that fare otherwise: {0}", "es": "filas que cambian: {0}"},
    "everywhere": {"en": "rows of every kind alike", "es": "filas de todo tipo por igual"},
    "picture": {"en": "From before to after, part by part", "es": "De antes a después, parte por parte"},
    "picture_desc": {
        "en": "Each bar is a part; whiskers are 95% intervals. A faint bar is within what chance brings.",
        "es": "Cada barra es una parte; las líneas son intervalos del 95 %. Una barra tenue está dentro del azar.",
    },
    "segments": {"en": "Which rows", "es": "Qué filas"},
    "segment": {"en": "rows with", "es": "filas con"},
    "share": {"en": "share", "es": "proporción"},
    "mean": {"en": "mean", "es": "media"},
    "amount": {"en": "adds", "es": "aporta"},
    "interval": {"en": "95% interval", "es": "intervalo del 95 %"},
    "columns": {"en": "Each column alone", "es": "Cada columna por separado"},
    "columns_note": {
        "en": "As if no other column were there: what the mix of its values explains, and the rest. p: how often "
        "chance alone would bring as much. Columns that go together share a cause; only proven ones are named above.",
        "es": "Como si no hubiera otra columna: lo que explica la composición de sus valores y el resto. p: con qué "
        "frecuencia lo traería solo el azar. Las columnas que van juntas comparten causa; arriba, solo las probadas.",
    },
    "column": {"en": "column", "es": "columna"},
    "by_mix": {"en": "by its mix", "es": "por su composición"},
    "by_rest": {"en": "the rest", "es": "el resto"},
    "p_mix": {"en": "p of the mix", "es": "p de la composición"},
    "p_relation": {"en": "p that one kind fares otherwise", "es": "p de que un tipo cambie"},
    "rows": {"en": "The rows that weigh most", "es": "Las filas que más pesan"},
    "rows_windows": {
        "en": "The largest losses of {0}: together {1} of its loss.",
        "es": "Las mayores pérdidas de {0}: juntas, el {1} de su pérdida.",
    },
    "rows_releases": {
        "en": "The rows that moved most: together {1} of all that moved.",
        "es": "Las filas que más cambiaron: juntas, el {1} de todo lo que cambió.",
    },
    "unit": {"en": "unit", "es": "unidad"},
    "said": {"en": "prediction", "es": "predicción"},
    "by": {"en": "columns that moved it", "es": "columnas que la movieron"},
    "untold": {"en": "What cannot be told", "es": "Lo que no se puede decir"},
    "skipped": {"en": "Not looked at", "es": "No se miró"},
    "n_rows": {"en": "{0} rows before, {1} after.", "es": "{0} filas antes, {1} después."},
    "whole": {"en": "the whole", "es": "el total"},
    "waterfall_desc": {"en": "From {0} to {1}.", "es": "De {0} a {1}."},
    "bars": {"en": "What each column adds", "es": "Lo que aporta cada columna"},
    "base": {"en": "no row in particular", "es": "ninguna fila en particular"},
    "before": {"en": "before", "es": "antes"},
    "after": {"en": "after", "es": "después"},
    "score": {"en": "this row", "es": "esta fila"},
    "unit_scale": {"en": "In units of the target.", "es": "En unidades del objetivo."},
    "log-odds_scale": {
        "en": "In log-odds of the class said: +0.7 doubles the odds.",
        "es": "En log-odds de la clase dicha: +0,7 duplica la razón.",
    },
    "log-share_scale": {
        "en": "In the score of the class said against the mean of all classes.",
        "es": "En la puntuación de la clase dicha frente a la media de todas.",
    },
    "share_scale": {
        "en": "In the share of the trees' votes for the class said.",
        "es": "En la proporción de votos de los árboles por la clase dicha.",
    },
    "repaired": {
        "en": "The model then repairs its probabilities by a rising curve.",
        "es": "Después el modelo corrige sus probabilidades con una curva creciente.",
    },
    "sampled": {
        "en": "Sampled: ± is a standard error, against {0} rows that the release learnt from.",
        "es": "Por muestreo: ± es un error típico, frente a {0} filas de las que aprendió la versión.",
    },
    "exact": {"en": "Against {0} rows that the release learnt from.", "es": "Frente a {0} filas de las que aprendió."},
    "not_causal": {
        "en": "This says what the model did with the values, not what would happen if somebody changed them.",
        "es": "Esto dice qué hizo el modelo con los valores, no qué pasaría si alguien los cambiara.",
    },
    "made_of": {"en": "computed from {0}", "es": "se calcula de {0}"},
}
_WIDTH, _LEFT, _RIGHT, _STEP = 720, 280, 124, 30
MOST_BARS = 14


class Bar(NamedTuple):
    """A part of a waterfall."""

    label: str
    amount: float
    interval: tuple[float, float] | None
    faint: bool = False


class TableOf(TypedDict):
    """A table, written out."""

    title: str
    head: list[str]
    body: list[list[str]]
    note: str


def say(key: str, words: Language, *values: object) -> str:
    """Return a text of this page."""
    return words.of(TEXTS[key]).format(*values)


def why_page(why: Why, language: str, *, project: str) -> str:
    """Return a page on why the loss and the predictions changed, as a file of its own."""
    words = speak(language)
    changes = [change for change in (why.loss, *why.predictions) if change is not None]
    headline = words.of((why.loss or changes[0]).reason) if changes else words.of(why.untold[0])
    return _rendered(
        words,
        project,
        title=say("title", words),
        model=f"{why.model} · {why.names[0]} → {why.names[1]}",
        headline=headline,
        sections=[_change(change, words, headline) for change in changes],
        rows=rows_table(why, words),
        untold=[words.of(each) for each in why.untold],
        skipped=[(name, words.of(reason)) for name, reason in why.skipped.items()],
        notes=[],
    )


def prediction_page(why: PredictionWhy, language: str, *, project: str) -> str:
    """Return a page on one prediction, as a file of its own."""
    words = speak(language)
    picture = contributions_svg(why, words)
    sections = []
    if picture is not None:
        sections.append({"title": say("bars", words), "reason": "", "picture": picture, "note": "", "tables": []})
    return _rendered(
        words,
        project,
        title=say("title_one", words),
        model=f"{why.model} {why.version}" + (f" · {why.prediction_id}" if why.prediction_id else ""),
        headline=words.of(why.reason),
        sections=sections,
        rows=None,
        untold=[words.of(each) for each in why.untold],
        skipped=[],
        notes=notes(why, words),
    )


def notes(why: PredictionWhy, words: Language) -> list[str]:
    """Return on which scale contributions stand, how they were found, and what they do not say."""
    if not why.added:
        return []
    found = [say(f"{why.scale}_scale", words)]
    if why.repaired:
        found.append(say("repaired", words))
    if why.n_reference:
        found.append(say("sampled" if why.method == "sampling" else "exact", words, words.count(why.n_reference)))
    made = [one for one in why.added if one.made_of]
    found += [f"{one.column}: {say('made_of', words, ', '.join(one.made_of))}." for one in made]
    return [*found, say("not_causal", words)]


def waterfall(change: Change, words: Language) -> Markup:
    """Draw the parts of a change, one below the other, each from where the last one ended."""
    bars = [Bar(part_name(part, words), part.amount, part.interval, not part.proven) for part in change.parts]
    desc = say("waterfall_desc", words, words.number(change.before), words.number(change.after))
    return _falling(bars, change.before, change.after, words, say("picture", words), desc)


def contributions_svg(why: PredictionWhy, words: Language) -> Markup | None:
    """Draw what each column adds, from no row in particular to this row; None where nothing is told."""
    if not why.added or why.method == "none":
        return None
    shown, rest = why.added[:MOST_BARS], why.added[MOST_BARS:]
    bars = [
        Bar(
            f"{one.column} = {written(one.value, words.code)}",
            one.amount,
            None if one.error is None else (one.amount - 1.96 * one.error, one.amount + 1.96 * one.error),
        )
        for one in shown
    ]
    left = why.score - why.base - sum(one.amount for one in shown)
    if rest or abs(left) > 1e-6:
        bars.append(Bar("…", left, None))
    return _falling(bars, why.base, why.score, words, say("bars", words), words.of(why.reason), one=True)


def _falling(
    bars: Sequence[Bar], start: float, end: float, words: Language, title: str, desc: str, *, one: bool = False
) -> Markup:
    at, reach = start, [start, end]
    for bar in bars:
        reach += [at + bar.amount, *(at + edge for edge in bar.interval or ())]
        at += bar.amount
    low, high = min(reach), max(reach)
    scale = (_WIDTH - _LEFT - _RIGHT) / ((high - low) or 1.0)

    def x(value: float) -> float:
        return _LEFT + (value - low) * scale

    labels = shorten([bar.label for bar in bars], 40)
    names = [say(key, words) for key in (("base", "score") if one else ("before", "after"))]
    body = [*_level(names[0], x(start), 0, start, words)]
    at = start
    for number, bar in enumerate(bars):
        top = _STEP * (number + 1)
        edges = sorted((x(at), x(at + bar.amount)))
        body.append(text_at(_LEFT - 10, top + 19, labels[number], "", "end", bar.label))
        form = Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="18" rx="3" fill-opacity="{}"/>')
        kind = "wrong" if bar.amount > 0 and not one else "bar"
        kind = "wrong" if one and bar.amount < 0 else kind
        body.append(form.format(kind, edges[0], top + 6, max(1.5, edges[1] - edges[0]), 0.35 if bar.faint else 1))
        right = edges[1]
        if bar.interval is not None:
            ends = [x(at + edge) for edge in bar.interval]
            body.append(line_between(ends[0], top + 15, ends[1], top + 15, "ideal"))
            right = max(right, ends[1])
        sign = "+" if bar.amount > 0 else ""
        body.append(text_at(right + 6, top + 19, f"{sign}{words.number(bar.amount)}", "faint"))
        at += bar.amount
        body.append(line_between(x(at), top + 6, x(at), top + _STEP + 6, "line"))
    body += _level(names[1], x(end), _STEP * (len(bars) + 1), end, words)
    return svg_of(_WIDTH, _STEP * (len(bars) + 2) + 8, title, desc, body)


def _level(name: str, x: float, top: float, value: float, words: Language) -> list[Markup]:
    dot = Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="5"/>').format(x, top + 15)
    return [
        text_at(_LEFT - 10, top + 19, name, "strong", "end"),
        dot,
        text_at(x + 10, top + 19, words.number(value), "strong"),
    ]


def part_name(part: Part, words: Language) -> str:
    """Name a part: its cause and its column."""
    return say(part.cause, words, part.column or "")


def _change(change: Change, words: Language, headline: str) -> dict[str, object]:
    known = {"loss": say("loss", words), "prediction": say("prediction", words)}
    tables = [_segments(part, words) for part in change.parts if part.segments and part.proven]
    tables.append(_columns(change, words))
    return {
        "title": known.get(change.figure) or say("class", words, change.figure),
        "reason": "" if words.of(change.reason) == headline else words.of(change.reason),
        "picture": waterfall(change, words),
        "note": f"{say('n_rows', words, words.count(change.n_before), words.count(change.n_after))} "
        f"{say('picture_desc', words)}",
        "tables": [table for table in tables if table["body"]],
    }


def _segments(part: Part, words: Language) -> TableOf:
    head = [say(key, words) for key in ("segment", "share", "mean", "amount", "interval")]
    return {
        "title": part_name(part, words),
        "head": head,
        "body": [_segment(one, words) for one in part.segments[:12]],
        "note": "",
    }


def _segment(one: Segment, words: Language) -> list[str]:
    interval = DASH if one.interval is None else f"{words.number(one.interval[0])} … {words.number(one.interval[1])}"
    return [
        words.of(one.label),
        f"{words.percent(one.share[0])} → {words.percent(one.share[1])}",
        f"{words.number(one.mean[0])} → {words.number(one.mean[1])}",
        words.number(one.amount),
        interval,
    ]


def _columns(change: Change, words: Language) -> TableOf:
    head = [say(key, words) for key in ("column", "by_mix", "by_rest", "p_mix", "p_relation")]
    body = [
        [one.column, words.number(one.mix), words.number(one.relation), _p(one.p_mix, words), _p(one.p_relation, words)]
        for one in change.columns[:12]
    ]
    return {"title": say("columns", words), "head": head, "body": body, "note": say("columns_note", words)}


def _p(value: float, words: Language) -> str:
    """Write a p-value.

    Examples
    --------
    >>> _p(0.0302, speak("en")), _p(1.43e-33, speak("es"))
    ('0.0302', '< 0,0001')
    """
    return words.number(value) if not value < 1e-4 else f"< {figures('0.0001', words.code)}"


def rows_table(why: Why, words: Language) -> TableOf | None:
    """Return the rows that weigh most; None where there are none."""
    if not why.rows:
        return None
    paired = why.kind == "releases"
    keys = ["unit", "loss", "said", *(["by"] if paired else [])]
    head = [say(key, words) for key in keys]
    body = []
    for row in why.rows:
        pairs = [[words.number(value) for value in row.loss], [written(value, words.code) for value in row.prediction]]
        cells = [row.unit, *(" → ".join(pair) if paired else pair[1] for pair in pairs)]
        if paired:
            cells.append(", ".join(f"{name} {'+' if by > 0 else ''}{words.number(by)}" for name, by in row.by) or DASH)
        body.append(cells)
    share = words.percent(why.rows_share) if why.rows_share is not None else DASH
    note = say("rows_releases" if paired else "rows_windows", words, why.names[1], share)
    return {"title": say("rows", words), "head": head, "body": body, "note": note}


def _rendered(words: Language, project: str, **values: object) -> str:
    from cauce.report.pages import templates

    style = Markup(style_sheet())  # noqa: S704 - our own file
    texts = {key: say(key, words) for key in ("untold", "skipped")}
    page = templates(words.code).get_template("why.html")
    return page.render(project=project, style=style, texts=texts, **values)

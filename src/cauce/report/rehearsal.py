"""A rehearsal told: its answer, a table of scenarios, what the loop would have done on a time line with a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from markupsafe import Markup

from cauce.core.rehearsing import Against, Look, Outcome, Rehearsal, Replayed
from cauce.report.answer import Answer, Tone
from cauce.report.assets import style_sheet
from cauce.report.drawings import as_file, line_between, svg_of, text_at
from cauce.report.language import DASH, Language, speak
from cauce.report.pages import templates
from cauce.report.rehearsal_words import TEXTS

_WIDE, _NARROW = (760, 330), (350, 330)
_LEFT, _TOP, _BOTTOM = 96, 34, 96
_MOST_TOLD = 40
"""Entries of the time line in words; the picture has them all."""
COLUMNS = ("detected", "delay", "answered", "false", "retrained", "never", "always", "oracle", "calendar")


class Row(NamedTuple):
    """One scenario of the table, written out."""

    name: str
    figures: tuple[tuple[str, str], ...]
    """Heading and value."""
    reason: str


class Event(NamedTuple):
    """One entry of the time line."""

    when: str
    what: str
    reason: str


def rehearsal_page(found: Rehearsal, language: str, *, project: str) -> str:
    """Return a page for people who do not write code: the answer, the picture, the table, the time line.

    Parameters
    ----------
    language
        ``"en"`` or ``"es"``.
    project
        The project's name.
    """
    words = speak(language)
    texts = {key: words.of(text) for key, text in TEXTS.items()}
    return (
        templates(words.code)
        .get_template("rehearsal.html")
        .render(
            r=found,
            project=project,
            style=Markup(style_sheet()),  # noqa: S704 - our own file
            answer=verdict(found, words),
            wide=_drawing(found, words, _WIDE),
            narrow=_drawing(found, words, _NARROW),
            rows=[_row(one, found, words) for one in found.outcomes],
            events=events(found.timeline, found, words),
            note=note(found, words),
            warnings=[words.of(warning) for warning in found.warnings],
            advice=words.of(found.recommendation.reason) if found.recommendation else "",
            x=texts,
        )
    )


def rehearsal_svg(found: Rehearsal, language: str) -> bytes:
    """Return the picture as a file of its own."""
    return as_file(_drawing(found, speak(language), _WIDE))


def rehearsal_rows(found: Rehearsal, language: str) -> tuple[tuple[str, ...], list[tuple[str, ...]], list[str]]:
    """Return the header and rows of the table, and a sentence a scenario, for a terminal."""
    words = speak(language)
    rows = [_row(one, found, words) for one in found.outcomes]
    shown = ("detected", "delay", "answered", "false", "retrained", "never", "always")
    header = tuple(words.of(TEXTS[key]) for key in ("scenario", *shown))
    cells = [(row.name, *(value for _, value in row.figures[: len(shown)])) for row in rows]
    return header, cells, [f"{row.name}: {row.reason}" for row in rows]


def verdict(found: Rehearsal, words: Language) -> Answer:
    """Answer whether the loop is worth having here, and what to do."""
    past = next(one for one in found.outcomes if one.scenario.kind == "history")
    against = next(one for one in past.against if one.strategy == "never")
    never = against.comparison
    tone: Tone = "watch"
    key = "chance"
    if not past.loop_retrained:
        key = "idle"
    elif never.upper < 0:
        tone, key = "good", "better"
    elif never.lower > 0:
        tone, key = "act", "worse"
    elif against.here.upper < 0:
        key = "better_here"
    elif against.here.lower > 0:
        key = "worse_here"
    headline = words.of(TEXTS[f"headline_{key}"]).format(_share(never.difference, never.mean_reference, words))
    told = found.recommendation
    advice = words.of(told.reason) if told is not None else words.of(TEXTS["advice_none"])
    return Answer(tone, headline, advice)


def note(found: Rehearsal, words: Language) -> str:
    """Say on which rows, at what pace, with which rung."""
    day = 86_400.0
    return words.of(TEXTS["note"]).format(
        words.count(found.n_history),
        words.count(found.n_first),
        found.rung,
        words.number(found.pace.look_every_s / day),
        words.number(found.pace.delay_s / day),
        words.count(found.seeds),
        found.seed,
        words.count(len(found.timeline.looks)),
    )


def events(timeline: Replayed, found: Rehearsal, words: Language) -> list[Event]:
    """Return the time line in words: every answer but a quiet `wait`, the newest that many."""
    told = []
    for look in timeline.looks:
        if look.action == "wait":
            continue
        what = words.of(TEXTS["act_retrain" if look.action == "retrain" else "act_fix"])
        if look.promoted is not None:
            what += " · " + words.of(TEXTS["took_over" if look.promoted else "stayed"])
        told.append(Event(_day(look.at, found, words), what, words.of(look.reason)))
    return told[-_MOST_TOLD:]


def _day(at: float, found: Rehearsal, words: Language) -> str:
    if found.pace.assumed_step_s is not None:
        return words.of(TEXTS["row"]).format(words.count(round(at / found.pace.assumed_step_s)))
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment.day} {words.words['months'].split(' ')[moment.month - 1]} {moment.year}"


def _row(one: Outcome, found: Rehearsal, words: Language) -> Row:
    detected = DASH if one.detected is None else words.percent(one.detected, 0)
    delay = DASH if one.delay_rows is None else words.count(round(one.delay_rows))
    answered = DASH if one.acted is None else words.percent(one.acted, 0)
    rate = DASH if one.false_alarms_month is None else words.number(round(one.false_alarms_month, 2))
    by_name = {each.strategy: each for each in one.against}
    figures = (
        detected,
        delay,
        answered,
        rate,
        words.number(round(one.loop_retrained, 1)),
        _against(by_name.get("never"), words),
        _against(by_name.get("always"), words, cost=one.cost_share),
        _against(by_name.get("oracle"), words),
        _against(by_name.get("scheduled"), words),
    )
    heads = (words.of(TEXTS[key]) for key in COLUMNS)
    return Row(words.of(one.scenario.title), tuple(zip(heads, figures, strict=True)), words.of(one.reason))


def _against(each: Against | None, words: Language, *, cost: float | None = None) -> str:
    """Write a difference of losses, relative, with its interval; and what the loop cost of retraining at every look."""
    if each is None:
        return DASH if cost is None else f"{DASH}, {words.percent(cost, 0)}"
    found = each.comparison
    ends = [_share(value, found.mean_reference, words) for value in (found.difference, found.lower, found.upper)]
    told = f"{ends[0]} ({ends[1]}…{ends[2]})"
    return told if cost is None else f"{told}, {words.percent(cost, 0)}"


def _share(value: float, base: float, words: Language) -> str:
    return words.signed_percent(value / (abs(base) or 1.0))


def _drawing(found: Rehearsal, words: Language, size: tuple[int, int]) -> Markup:
    """Draw the mean loss between looks, of the loop and of the model that is never renewed, and what was decided."""
    timeline = found.timeline
    loop, never = timeline.course("loop"), timeline.course("never")
    lines = [(course.look_losses, kind) for course, kind in ((never, "ideal"), (loop, "trend")) if course is not None]
    values = sorted(value for losses, _ in lines for value in losses if value is not None)
    low, high = (values[0], values[min(len(values) - 1, int(0.99 * len(values)))]) if values else (0.0, 1.0)
    width, bottom = size[0] - 16, size[1] - _BOTTOM
    start, reach = timeline.started, (timeline.end - timeline.started) or 1.0

    def x(at: float) -> float:
        return _LEFT + (width - _LEFT) * min(1.0, (at - start) / reach)

    def y(loss: float) -> float:
        return _TOP + (bottom - _TOP) * (1 - min(1.0, (loss - low) / ((high - low) or 1.0)))

    body = [line_between(_LEFT, bottom, width, bottom, "line"), line_between(_LEFT, _TOP, _LEFT, bottom, "line")]
    body += [text_at(_LEFT - 6, y(loss) + 4, words.number(loss), "faint", "end") for loss in (low, high)]
    body.append(text_at(4, 14, words.of(TEXTS["loss_axis"]), "faint"))
    for losses, kind in lines:
        pairs = zip(timeline.looks, losses, strict=True)
        points = " ".join(f"{x(look.at):.1f},{y(loss):.1f}" for look, loss in pairs if loss is not None)
        body.append(Markup('<polyline class="{}" fill="none" stroke-width="2" points="{}"/>').format(kind, points))
    body += _marks(timeline.looks, x, bottom + 14, found, words)
    body += [
        text_at(_LEFT, bottom + 72, _day(start, found, words), "faint"),
        text_at(width, bottom + 72, _day(timeline.end, found, words), "faint", "end"),
    ]
    return svg_of(size[0], size[1], words.of(TEXTS["picture"]), words.of(TEXTS["desc"]), body)


def _marks(
    looks: Sequence[Look], x: Callable[[float], float], top: float, found: Rehearsal, words: Language
) -> list[Markup]:
    """Draw a tick for each alarm, a dot for each retraining, a cross-coloured dot where data were to be fixed."""
    tick = Markup('<rect class="bar" x="{:.1f}" y="{:.1f}" width="2" height="8"><title>{}</title></rect>')
    dot = Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}</title></circle>')
    body = []
    for look in looks:
        day = _day(look.at, found, words)
        if look.alarms:
            body.append(tick.format(x(look.at) - 1, top, f"{day}: {', '.join(look.alarms)}"))
        if look.action == "retrain":
            key = "act_retrain" if look.promoted is None else "took_over" if look.promoted else "stayed"
            body.append(
                dot.format("dot", x(look.at), top + 20, 5 if look.promoted else 2.5, f"{day}: {words.of(TEXTS[key])}")
            )
        elif look.action == "fix data":
            body.append(dot.format("wrong", x(look.at), top + 36, 4, f"{day}: {words.of(TEXTS['act_fix'])}"))
    names = (("alarms", 8), ("short_retrain", 24), ("short_fix", 40))
    body += [text_at(_LEFT - 6, top + drop, words.of(TEXTS[key]), "faint", "end") for key, drop in names]
    return body

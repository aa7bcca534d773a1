"""What the watch saw, as people read it: the course of the loss, columns, segments, late truths, an experiment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from cauce.core.artefacts import Action, ColumnDrift, Decision, Experiment, LabelsSeen, LookPoint, Stage, Watched
from cauce.core.figures import bin_name, in_units, listed
from cauce.core.specs import ChallengerSpec
from cauce.core.views import ModelView
from cauce.report import measures
from cauce.report.drawings import line_between, svg_of, text_at
from cauce.report.language import DASH, Language, speak

MOST_COLUMNS = 12
"""Columns of the table; the weakest are counted."""
STAGES: tuple[Stage, ...] = ("gate", "shadow", "split", "probation")
GUARDS = ("latency_ratio", "slower_ms", "sample_ratio_p")
MARKS: dict[Action, str] = {"retrain": "◆", "promote": "▲", "roll back": "▼", "fix data": "✕"}
Place = Callable[[float], float]
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT = 720, 200, 110, 26, 16


class ColumnRow(NamedTuple):
    """A column in the table of drift, in one language."""

    name: str
    importance: str
    psi: str
    distance: str
    missing: str
    moved: str
    drifted: bool


class Fact(NamedTuple):
    """A figure with its name and, where it is good or bad, a tag."""

    name: str
    value: str
    tone: str = ""
    tag: str = ""


class Step(NamedTuple):
    """A stage of an experiment."""

    name: str
    state: str
    """``done``, ``now`` or ``ahead``."""


def column_rows(seen: Watched, words: Language) -> tuple[tuple[ColumnRow, ...], int]:
    """Return the columns that moved most, and how many more there are."""
    order = sorted(seen.drifts, key=lambda each: (not each.drifted, -each.psi))
    return tuple(_row(each, words) for each in order[:MOST_COLUMNS]), max(0, len(order) - MOST_COLUMNS)


def _row(found: ColumnDrift, words: Language) -> ColumnRow:
    moved = [
        words.say("moved_bin", bin_name(mover.label, words.code), words.percent(mover.before), words.percent(mover.now))
        for mover in found.movers[:2]
    ]
    gaps = words.say("from_to", words.percent(found.missing_before), words.percent(found.missing_now))
    return ColumnRow(
        name=words.say("predictions_column") if found.column == "prediction" else found.column,
        importance=words.percent(found.importance) if found.importance else DASH,
        psi=words.number(found.psi),
        distance=words.number(found.wasserstein if found.wasserstein is not None else found.jensen_shannon),
        missing=gaps if found.missing_before or found.missing_now else DASH,
        moved="; ".join(moved) or DASH,
        drifted=found.drifted,
    )


def facts(seen: Watched, words: Language) -> tuple[Fact, ...]:
    """Return what is known of the truths' coming and of the rows without: coverage, lag, estimate, joint drift."""
    found = list(_label_facts(seen.labels, words)) if seen.labels is not None and seen.labels.n_predictions else []
    if seen.estimate is not None:
        made = seen.estimate
        known = (made.value, made.lower, made.upper, made.reference)
        metric, shown = in_units(made.metric, known)
        value, low, high, before = (measures.value(metric, each, words) for each in shown)
        tone, tag = {None: ("idle", "unjudged"), True: ("good", "reliable"), False: ("act", "unreliable")}[
            made.reliable
        ]
        text = words.say("estimate_value", value, low, high, before)
        found.append(
            Fact(words.say("estimate_name", measures.name(metric, words)), text, tone, words.say(f"estimate_{tag}"))
        )
    if seen.joint is not None:
        joint = seen.joint
        apart = words.say("joint_value", words.number(joint.auc), words.number(joint.lower), words.number(joint.upper))
        found.append(Fact(words.say("signal_joint_drift"), apart))
    return tuple(found)


def _label_facts(labels: LabelsSeen, words: Language) -> tuple[Fact, ...]:
    shown = words.say(
        "coverage_value",
        words.percent(labels.coverage),
        words.count(labels.n_truths),
        words.count(labels.n_predictions),
    )
    tone = ("good", words.say("labels_complete")) if labels.complete else ("idle", words.say("labels_open"))
    found = [Fact(words.say("coverage_name"), shown, *tone)]
    if labels.lag_median_s is not None:
        ends = words.duration(labels.lag_median_s), words.duration(labels.lag_90_s)
        found.append(Fact(words.say("lag_name"), words.say("lag_value", *ends)))
    if labels.selected:
        names = listed([f"`{name}`" for name in labels.selected[:4]], words.code)
        found.append(Fact(words.say("signal_labels"), names, "watch", words.say("labels_selected")))
    return tuple(found)


def look_lines(seen: Watched, language: str) -> tuple[str, ...]:
    """Return what a look shows beside its alarms, a line of plain text each: for a terminal.

    First that nothing alarms, or why nothing could be compared; then the loss in use against that at training, how the
    truths come, and what is expected without them.
    """
    words = speak(language)
    found = []
    if not any(signal.alarming for signal in seen.signals):
        few = [words.of(each.detail) for each in seen.signals if each.code == "drift" and each.column is None]
        found.append(few[0] if few else words.say("no_alarm"))
    compared = seen.realised
    if compared is not None and compared.mean_reference:
        scale = abs(compared.mean_reference)
        ends = [words.signed_percent(each / scale) for each in (compared.difference, compared.lower, compared.upper)]
        against = f"{words.say('interval', *ends)}, {words.say(f'verdict_{compared.verdict}')}"
        found.append(f"{words.say('loss_change')}: {against}")
    for fact in facts(seen, words):
        tag = f", {fact.tag}" if fact.tag else ""
        found.append(f"{fact.name}: {fact.value}{tag}".replace("`", ""))
    return tuple(found)


def steps(experiment: Experiment, words: Language, asked: ChallengerSpec | None = None) -> tuple[Step, ...]:
    """Return the stages of an experiment, and how far it is.

    Parameters
    ----------
    asked
        The model's `[challenger]`: a stage that it does not ask for is left out, unless the experiment is in it.
    """
    live = {"shadow": asked is None or asked.shadow, "split": asked is None or asked.share > 0}
    stages = [stage for stage in STAGES if live.get(stage, True) or stage == experiment.stage]
    at = stages.index(experiment.stage) if experiment.stage in stages else len(stages)
    states = ("done" if place < at else "now" if place == at else "ahead" for place in range(len(stages)))
    return tuple(Step(words.say(f"step_{stage}"), state) for stage, state in zip(stages, states, strict=True))


def experiment_facts(experiment: Experiment, words: Language) -> tuple[Fact, ...]:
    """Return what an experiment rests on, and what it has shown so far."""
    found = [
        Fact(words.say("experiment_versions"), f"{experiment.challenger} ↔ {experiment.champion}"),
        Fact(words.say("experiment_requests"), words.count(experiment.n_requests)),
    ]
    compared = experiment.comparison
    if compared is not None and compared.mean_reference:
        scale = abs(compared.mean_reference)
        ends = [words.signed_percent(each / scale) for each in (compared.difference, compared.lower, compared.upper)]
        tone = {"better": "good", "equivalent": "good", "worse": "act"}.get(compared.verdict, "idle")
        tag = words.say(f"verdict_{compared.verdict}")
        found.append(Fact(words.say("experiment_difference"), words.say("interval", *ends), tone, tag))
    for name, value in experiment.guards.items():
        found.append(Fact(words.say(f"guard_{name}") if name in GUARDS else name, words.number(value)))
    return tuple(found)


def course(view: ModelView, words: Language) -> Markup | None:
    """Draw the loss in use over time, with its intervals, against training's, and what was decided when.

    None with fewer than two looks that had truths.
    """
    points = [point for point in reversed(view.looks) if point.realised_loss is not None]
    if len(points) < 2:
        return None
    begin, end = points[0].at.timestamp(), points[-1].at.timestamp()
    shown = (each for p in points for each in (p.realised_loss, p.expected_loss, p.lower, p.upper))
    values = [each for each in shown if each is not None]
    low, high = min(values), max(values)
    pad = (high - low or abs(high) or 1.0) * 0.15
    low, high = low - pad if low < 0 else max(0.0, low - pad), high + pad  # a loss below 0 is drawn where there is one

    def x(moment: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (moment - begin) / ((end - begin) or 1.0)

    def y(value: float) -> float:
        return _TOP + _HEIGHT * (1 - (min(max(value, low), high) - low) / (high - low))

    body = [line_between(_LEFT, y(each), _WIDTH - _RIGHT, y(each), "line") for each in (low, high)]
    body += [text_at(_LEFT - 8, y(each) + 4, words.number(each), "faint", "end") for each in (low, high)]
    body += _bands(points, x, y)
    for kind, name in (("ideal", "expected_loss"), ("trend", "realised_loss")):
        path = " ".join(f"{x(p.at.timestamp()):.1f},{y(getattr(p, name)):.1f}" for p in points)
        body.append(Markup('<polyline class="{}" fill="none" stroke-width="2" points="{}"/>').format(kind, path))
    body += _dots(points, x, y, words)
    body += [
        _mark(x(each.at.timestamp()), each, words)
        for each in view.decisions
        if each.action in MARKS and begin <= each.at.timestamp() <= end
    ]
    for moment, anchor in ((begin, "start"), (end, "end")):
        at = points[0].at if anchor == "start" else points[-1].at
        body.append(text_at(x(moment), _TOP + _HEIGHT + 20, words.moment(at), "faint", anchor))
    first, last = points[0].realised_loss, points[-1].realised_loss
    desc = words.say("course_desc", words.number(first), words.number(last), words.number(points[-1].expected_loss))
    return svg_of(_WIDTH, _TOP + _HEIGHT + 28, words.say("course"), desc, body)


def _bands(points: Sequence[LookPoint], x: Place, y: Place) -> list[Markup]:
    above = [(p.at.timestamp(), p.upper) for p in points if p.upper is not None]
    below = [(p.at.timestamp(), p.lower) for p in reversed(points) if p.lower is not None]
    if len(above) < 2:
        return []
    path = " ".join(f"{x(moment):.1f},{y(value):.1f}" for moment, value in [*above, *below])
    return [Markup('<polygon class="area" points="{}"/>').format(path)]


def _dots(points: Sequence[LookPoint], x: Place, y: Place, words: Language) -> list[Markup]:
    """Draw the looks that raised an alarm, and the newest one."""
    form = Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="4"><title>{}</title></circle>')
    shown = [point for point in points[:-1] if point.alarms] + [points[-1]]
    return [
        form.format(
            "wrong" if point.alarms else "dot",
            x(point.at.timestamp()),
            y(point.realised_loss or 0.0),
            words.say("course_dot", words.moment(point.at), words.number(point.realised_loss), len(point.alarms)),
        )
        for point in shown
    ]


def _mark(at: float, decision: Decision, words: Language) -> Markup:
    action = words.say(f"action_{decision.action.replace(' ', '_')}")
    form = Markup('<g><title>{}</title>{}<text class="strong" x="{:.1f}" y="16" text-anchor="middle">{}</text></g>')
    line = line_between(at, _TOP, at, _TOP + _HEIGHT, "line")
    return form.format(f"{action}, {words.moment(decision.at)}", line, at, MARKS[decision.action])

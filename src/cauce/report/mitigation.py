"""What a release did about the gap between groups, as a small table: without it, with it, and the change."""

from __future__ import annotations

from typing import NamedTuple

from cauce.core.artefacts import Comparison, GroupFigure, Mitigation
from cauce.core.figures import figures
from cauce.report.language import DASH, Language


class Row(NamedTuple):
    """One figure, written out."""

    name: str
    without: str
    after: str
    """With the mitigation."""
    change: str
    """With its interval."""


def lead(done: Mitigation, words: Language) -> str:
    """Return one sentence: what became of the gap, and what it cost in wrong predictions."""
    if done.before is None or done.after is None:
        return words.say("mitigation_untold")
    gaps = [words.percent(figure.value) for figure in (done.before, done.after)]
    wrong = [words.percent(share) for share in (done.errors.mean_reference, done.errors.mean_candidate)]
    return words.say("mitigation_lead", *gaps, *wrong)


def table(done: Mitigation, words: Language) -> tuple[Row, ...]:
    """Return the rows: the largest gap, wrong predictions, and the mean loss."""
    loss = done.loss
    moved = words.say("interval", *(_signed(value, words, 4) for value in (loss.difference, loss.lower, loss.upper)))
    return (
        Row(
            words.say("mitigation_gap"),
            _gap(done.before, words),
            _gap(done.after, words),
            _points(done.reduction, words),
        ),
        Row(
            words.say("mitigation_errors"),
            words.percent(done.errors.mean_reference),
            words.percent(done.errors.mean_candidate),
            _points(done.errors, words),
        ),
        Row(words.say("mean_loss"), words.number(loss.mean_reference), words.number(loss.mean_candidate), moved),
    )


def _gap(figure: GroupFigure | None, words: Language) -> str:
    if figure is None:
        return DASH
    shares = (words.percent(value) for value in (figure.value, figure.lower, figure.upper))
    return f"{words.say('interval', *shares)}: {figure.group}"


def _points(found: Comparison | None, words: Language) -> str:
    if found is None:
        return DASH
    ends = (found.difference, found.lower, found.upper)
    return words.say("mitigation_points", *(_signed(100 * value, words, 1) for value in ends))


def _signed(value: float, words: Language, decimals: int) -> str:
    return ("+" if value > 0 else "") + figures(f"{value:.{decimals}f}", words.code)

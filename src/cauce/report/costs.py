"""What each rung costs as people read it: to train, to tune, to answer, to keep; and with which settings it was fit."""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import Markup

from cauce.core.artefacts import Choice, Rung
from cauce.core.spaces import Value
from cauce.report.drawings import trials_plot
from cauce.report.ladder import interval
from cauce.report.language import DASH, Language, speak


class Row(NamedTuple):
    """One rung's costs, written out."""

    title: str
    chosen: bool
    training: str
    tuning: str
    per_row: str
    one_row: str
    size: str


class Settings(NamedTuple):
    """What one rung was fitted with, and the trials that led there."""

    title: str
    params: tuple[tuple[str, str], ...]
    drawing: Markup | None


def rows(choice: Choice, words: Language) -> tuple[Row, ...]:
    """Write the costs of every rung that was fitted, simplest first."""
    return tuple(_row(rung, words) for rung in choice.rungs if rung.fit_seconds is not None)


def settings(choice: Choice, words: Language) -> tuple[Settings, ...]:
    """Give the settings of every rung that has any, simplest first, with its trials drawn where it was tuned."""
    return tuple(
        Settings(
            title=words.of(rung.title),
            params=tuple((name, _value(value, words)) for name, value in rung.params.items()),
            drawing=trials_plot(choice.trials.get(rung.name, ()), words.of(rung.title), words),
        )
        for rung in choice.rungs
        if rung.params or rung.n_trials
    )


def took(choice: Choice, words: Language) -> str:
    """Say how long the choice took, and of which budget; empty for a record that does not know."""
    if not choice.seconds:
        return ""
    if choice.budget_s is None:
        return words.say("choice_took", words.duration(choice.seconds))
    return words.say("choice_took_of", words.duration(choice.seconds), words.duration(choice.budget_s))


def rung_table(choice: Choice, language: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return header and rows for a terminal: every rung by the name that cauce.toml takes, and why in a few words.

    Parameters
    ----------
    language
        ``"en"`` or ``"es"``: of the header and the numbers.
    """
    words = speak(language)
    header = ("rung_name", "loss", "against_best", "training", "tuning", "one_row", "size", "verdict")
    shown = []
    for rung in choice.rungs:
        costs = _row(rung, words)
        loss = words.number(rung.mean_loss, digits=4), interval(rung, choice, words)
        why = words.say(f"short_{rung.why}")
        shown.append((rung.name, *loss, costs.training, costs.tuning, costs.one_row, costs.size, why))
    return tuple(words.say(key) for key in header), tuple(shown)


def _row(rung: Rung, words: Language) -> Row:
    tuned = f"{words.duration(rung.tuning_seconds)} ({words.count(rung.n_trials)})"
    return Row(
        title=words.of(rung.title),
        chosen=rung.outcome == "chosen",
        training=words.duration(rung.fit_seconds),
        tuning=tuned if rung.n_trials else DASH,
        per_row=_with_unit(rung.predict_us_per_row, "µs", words),
        one_row=_with_unit(rung.predict_ms_one_row, "ms", words),
        size=words.size(rung.size_bytes),
    )


def _with_unit(value: float | None, unit: str, words: Language) -> str:
    return DASH if value is None else f"{words.number(value)}\u00a0{unit}"


def _value(value: Value, words: Language) -> str:
    """Write a setting: numbers as the language does, all else as it stands in code."""
    if isinstance(value, bool | str):
        return str(value)
    return words.count(value) if isinstance(value, int) else words.number(value)

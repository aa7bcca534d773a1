"""The answer to the one question that people have: whether the model is still good, and what to do."""

from __future__ import annotations

from typing import Literal, NamedTuple

from cauce.core.artefacts import Decision, Release, SignalCode, Watched
from cauce.core.views import ModelView
from cauce.report import measures
from cauce.report.language import Language

Tone = Literal["good", "watch", "act", "idle"]
MOVED: frozenset[SignalCode] = frozenset({"drift", "output_drift", "joint_drift", "estimate_unreliable"})
"""Alarms that say that something moved, and not that the model, or a part of it, became worse or data broke."""


class Answer(NamedTuple):
    """The answer, in one language."""

    tone: Tone
    headline: str
    """Whether it is good."""
    advice: str
    """What to do."""
    warning: str = ""
    """What else must be known before it is relied on."""


class _Situation(NamedTuple):
    key: str
    """Of its texts in words/."""
    tone: Tone
    values: tuple[object, ...] = ()
    """What the headline names: version, figures, a person's reason."""


CERTAIN = {"new", "blocked", "blocked_serving", "paused", "fix_data", "retrain", "worse"}
"""What is said even of a model that only guesses."""


def answer(view: ModelView, words: Language) -> Answer:
    """Answer from the stage, the newest decision and the newest look, in this order."""
    key, tone, values = _situation(view, words)
    training = view.champion.training if view.champion else None
    if key.startswith("blocked"):
        headline = words.some(f"answer_{key}", len(view.audit.blocking) if view.audit else 0)
    else:
        headline = words.say(f"answer_{key}", *values)
    low = measures.low_coverage(training) if training else None
    if low is not None:
        tone = "watch" if tone in {"good", "idle"} else tone
    warning = words.say("warning_coverage", words.percent(low)) if low is not None else ""
    return Answer(tone, headline, words.say(f"advice_{key}", view.name), warning)


def _situation(view: ModelView, words: Language) -> _Situation:
    found = _by_stage(view, words)
    if view.champion is None or found.key in CERTAIN:
        return found
    training = view.champion.training
    guesses = measures.guesses(training)
    if guesses is None:
        return found
    shown = measures.evidence_of_guessing(training)
    if guesses == "guess" and shown is not None:
        why = f"{measures.name(shown, words)}: {measures.value(shown, training.metrics.values[shown], words)}"
    else:
        titles = (words.of(rung.title) for rung in training.choice.rungs if rung.name == training.rung)
        why = next(titles, training.rung)
    return _Situation(guesses, "act", (view.champion.version, why, training.spec.target))


def _by_stage(view: ModelView, words: Language) -> _Situation:
    if view.stage == "blocked":
        return _Situation("blocked_serving" if view.champion else "blocked", "act")
    if view.champion is None:
        return _Situation("new", "idle")
    version = (view.champion.version,)
    if view.stage == "paused":
        return _Situation("paused", "watch", version)
    decision = view.decisions[0] if view.decisions else None
    action = decision.action if decision else "wait"
    if action == "fix data":
        return _Situation("fix_data", "act", version)
    if action == "retrain":
        return _Situation("retrain", "act", version)
    if action == "roll back":
        return _Situation("rolled_back", "watch", version)
    if decision is not None and action == "promote":
        return _promoted(decision, view.champion, words)
    return _by_look(view.watched, view.champion.version, words)


def _promoted(decision: Decision, champion: Release, words: Language) -> _Situation:
    """Claim a proof only where two versions were compared."""
    if decision.by != "policy":
        return _Situation("by_hand", "watch", (champion.version, words.of(decision.reason).rstrip(". ")))
    if decision.comparison is not None:
        return _Situation("promoted", "good", (champion.version,))
    metrics = champion.training.metrics
    figure = measures.value(metrics.headline, metrics.values[metrics.headline], words)
    return _Situation("first", "idle", (champion.version, measures.name(metrics.headline, words), figure))


def _by_look(watched: Watched | None, version: int, words: Language) -> _Situation:
    if watched is None or watched.n_predictions == 0 or watched.version != version:
        return _Situation("unwatched", "idle", (version,))
    verdict = watched.realised.verdict if watched.realised else None
    if verdict == "worse":
        return _Situation("worse", "act", (version,))
    alarms = {signal.code for signal in watched.signals if signal.alarming}
    if alarms:
        holds = alarms <= MOVED and verdict in {"equivalent", "better"}
        return _Situation("changed_good" if holds else "changed", "watch", (version,))
    for signal in watched.signals:
        if signal.code == "drift" and signal.column is None:  # the watch says so of a window that is too small
            counts = words.count(watched.n_predictions), words.count(round(signal.threshold))
            return _Situation("few", "idle", (version, *counts))
    if verdict in {"equivalent", "better"}:
        return _Situation("good", "good", (version,))
    if verdict == "undecided":
        return _Situation("undecided", "watch", (version,))
    return _Situation("no_truths", "good", (version,))

"""The answer to the one question that people have: whether the model is still good, and what to do."""

from __future__ import annotations

from typing import Literal, NamedTuple

from cauce.core.artefacts import Watched
from cauce.core.views import ModelView
from cauce.report.language import Language

Tone = Literal["good", "watch", "act", "idle"]


class Answer(NamedTuple):
    """The answer, in one language."""

    tone: Tone
    headline: str
    """Whether it is good."""
    advice: str
    """What to do."""


def answer(view: ModelView, words: Language) -> Answer:
    """Answer from the stage, the newest decision and the newest look, in this order."""
    key, tone, value = _situation(view)
    headline = words.some(f"answer_{key}", value) if key.startswith("blocked") else words.say(f"answer_{key}", value)
    return Answer(tone, headline, words.say(f"advice_{key}", view.name))


def _situation(view: ModelView) -> tuple[str, Tone, int]:
    """Return the situation's key in words/, its tone, and the number that its headline names: version or findings."""
    blocking = len(view.audit.blocking) if view.audit else 0
    if view.stage == "blocked":
        return ("blocked_serving" if view.champion else "blocked"), "act", blocking
    if view.champion is None:
        return "new", "idle", 0
    if view.stage == "paused":
        return "paused", "watch", view.champion.version
    action = view.decisions[0].action if view.decisions else "wait"
    if action == "fix data":
        return "fix_data", "act", view.champion.version
    if action == "retrain":
        return "retrain", "act", view.champion.version
    if action == "promote":
        return "promoted", "good", view.champion.version
    if action == "roll back":
        return "rolled_back", "watch", view.champion.version
    return _by_look(view.watched, view.champion.version)


def _by_look(watched: Watched | None, version: int) -> tuple[str, Tone, int]:
    if watched is None or watched.n_predictions == 0 or watched.version != version:
        return "unwatched", "idle", version
    verdict = watched.realised.verdict if watched.realised else None
    if verdict == "worse":
        return "worse", "act", version
    if any(signal.alarming for signal in watched.signals):
        return "changed", "watch", version
    if verdict in {"equivalent", "better"}:
        return "good", "good", version
    if verdict == "undecided":
        return "undecided", "watch", version
    return "no_truths", "good", version

"""From one turn of the watcher to what is worth telling: decisions, alarming signals, failures.

A cause that lasts holds until a look no longer sees it. One that happens is told and is over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cauce.alert.words import CODES, KINDS
from cauce.core.alert_specs import AlertKind
from cauce.core.artefacts import Decision, Watched, Words


@dataclass(frozen=True)
class Cause:
    """One thing worth telling."""

    model: str
    """Its name; empty where it is about the project."""
    kind: AlertKind
    detail: str
    """What tells it from others of its kind: signal and column, version. Empty where there is one of its kind."""
    title: Words
    reason: Words
    lasts: bool

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same cause at the next look, whatever its figures are then."""
        return (self.model, self.kind, self.detail)


def of_turn(
    model: str,
    watched: Watched | None,
    decision: Decision | None,
    decided: Sequence[Decision],
    *,
    failure: str | None = None,
) -> tuple[Cause, ...]:
    """Return what one turn of a model has to tell.

    Parameters
    ----------
    watched
        What the look saw; None where nothing was looked at.
    decision
        What the policy said of it.
    decided
        All that was recorded since the turn before, oldest first, by whomever: promotions, roll-backs, trainings.
    failure
        Why the newest training failed, or None.

    Returns
    -------
    tuple[Cause, ...]
        One of each key, decisions first.
    """
    found: list[Cause] = []
    if decision is not None and decision.action == "fix data":
        found.append(Cause(model, "fix data", "", KINDS["fix data"], decision.reason, lasts=True))
    found.extend(_happened(model, decided))
    if failure is not None:
        found.append(Cause(model, "training", "", KINDS["training"], {"en": failure, "es": failure}, lasts=True))
    if watched is not None:
        for signal in watched.signals:
            if signal.alarming:
                about = f"{signal.code}/{signal.column or ''}"
                found.append(Cause(model, "signals", about, CODES[signal.code], signal.detail, lasts=True))
    return tuple({cause.key: cause for cause in reversed(found)}.values())[::-1]


def _happened(model: str, decided: Sequence[Decision]) -> Iterator[Cause]:
    """Give what was done: a retraining with what came of it, promotions, roll-backs, a training that data stopped."""
    for index, decision in enumerate(decided):
        action = decision.action
        if action == "retrain":
            outcome = next((after for after in decided[index + 1 :] if after.action == "wait"), None)
            reason = decision.reason if outcome is None else _joined(decision.reason, outcome.reason)
            yield Cause(model, "retrain", "", KINDS["retrain"], reason, lasts=False)
        elif action in {"promote", "roll back"}:
            version = "" if decision.challenger is None else str(decision.challenger)
            yield Cause(model, action, version, KINDS[action], decision.reason, lasts=False)
        elif action == "fix data" and decision.watched is None:
            yield Cause(model, "fix data", "training", KINDS["fix data"], decision.reason, lasts=False)


def _joined(first: Words, second: Words) -> Words:
    return {language: f"{text} {second[language]}" for language, text in first.items()}


def of_failed_watch(model: str, error: Exception, text: str | None) -> Cause:
    """Return that the watcher could not finish a model's turn.

    Parameters
    ----------
    text
        The message of an error that people can mend; of others only the kind is told, since a foreign error's text may
        hold values of the data.
    """
    what = type(error).__name__
    reason = {
        "en": text or f"A fault of Cauce's own ({what}); the watcher's log has the traceback.",
        "es": text or f"Un fallo propio de Cauce ({what}); el registro del vigilante tiene la traza.",
    }
    return Cause(model, "watcher", "", KINDS["watcher"], reason, lasts=True)

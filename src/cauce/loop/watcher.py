"""One turn of the watcher with one model: train on a source that changed, look, decide, act, tell."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass

from cauce.core.artefacts import Decision, Watched
from cauce.core.errors import EXIT_BUG, EXIT_DONE, Locked, UserError
from cauce.loop.alert import tell, watch_failed
from cauce.loop.context import Loop
from cauce.loop.renew import renew
from cauce.loop.stages import refresh
from cauce.renew import paused


@dataclass(frozen=True)
class Turn:
    """What a turn came to."""

    watched: Watched | None = None
    decision: Decision | None = None
    """What the policy said of it."""
    outcome: Decision | None = None
    """What was decided of a training, where there was one."""
    said: tuple[str, ...] = ()
    """What is worth telling, in the project's language."""
    exit_code: int = EXIT_DONE
    """That of what failed; 0 where nothing did."""


def turn(loop: Loop, model: str, told: dict[str, str], *, wait_s: float | None = None) -> Turn:
    """Take one model round once, and tell what came of it unless that was told the last time.

    Parameters
    ----------
    told
        Model → what was told of it the last time.
    wait_s
        How long to wait for a process that trains; None skips the turn at once and says nothing.

    Raises
    ------
    Locked
        The wait was in vain.
    """
    try:
        with loop.locked(wait_s=wait_s or 0.0):
            done = _round(loop, model)
    except Locked:
        if wait_s is None:
            return Turn()  # somebody trains by hand: the next turn sees the result
        raise
    except UserError as error:
        watch_failed(loop, model, error)
        done = Turn(said=(str(error),), exit_code=error.exit_code)
    except Exception as error:  # a watcher that dies of one model's bug would leave the others unwatched
        watch_failed(loop, model, error)
        done = Turn(said=(traceback.format_exc(),), exit_code=EXIT_BUG)
    text = f"\n{model}: ".join(done.said)
    if text and told.get(model) != text:
        sys.stderr.write(f"{model}: {text}\n")
        sys.stderr.flush()
    told[model] = text
    return done


def _round(loop: Loop, model: str) -> Turn:
    """Train on a source that changed, then watch and renew; return what is worth telling."""
    language = loop.project.file.project.language
    said: list[str] = []
    code, trained = EXIT_DONE, None
    if paused(loop.record(model)) is None:
        fresh = refresh(loop, model)
        trained = fresh.decision
        if fresh.error is not None:
            said.append(str(fresh.error))
            code = fresh.error.exit_code
        if fresh.decision is not None:
            said.append(f"{fresh.decision.action}. {fresh.decision.reason[language]}")
    renewed = renew(loop, model)
    if renewed is None:
        tell(loop, model, None, None, trained)
        return Turn(None, None, trained, tuple(said), code)
    told = [renewed.step] if renewed.step is not None else []
    told += [renewed.decision] if renewed.decision.action != "wait" else []
    told += [renewed.outcome] if renewed.outcome is not None else []
    said += [f"{decision.action}. {decision.reason[language]}" for decision in told]
    outcome = renewed.outcome or trained
    tell(loop, model, renewed.watched, renewed.decision, outcome)
    return Turn(renewed.watched, renewed.decision, outcome, tuple(said), code)

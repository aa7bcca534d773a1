"""The watcher: look at every model, decide and act, sleep, again: `cauce watch --every`, which `up` keeps running."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence

from cauce.core.errors import Locked, UserError
from cauce.loop.context import Loop
from cauce.loop.promotion import advance, experiment_of
from cauce.loop.renew import renew
from cauce.loop.stages import refresh
from cauce.loop.watch import ledger_of
from cauce.renew import paused

LOOK_S = 0.5
PROBATION_S = 1.0
"""Seconds between two looks at who is on probation: with the service's own poll, what a roll-back takes."""
RECHECK_S = 30.0
"""Seconds after which a probation is judged anew though no more truths came: known ones may have been corrected."""


class _Stop:
    """Set by SIGTERM. A plain flag: an Event's lock may be held by the very thread that the signal interrupts."""

    asked = False

    def __init__(self, beside: int | None) -> None:
        self._beside = beside
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True

    def now(self) -> bool:
        """Whether to stop: asked to, or `cauce up` was killed and cannot ask."""
        return self.asked or (self._beside is not None and os.getppid() != self._beside)


def run_watcher(loop: Loop, models: Sequence[str], *, every_s: float, beside: int | None = None) -> None:
    """Renew each model every `every_s` seconds until SIGTERM or Ctrl-C; a failed turn is told and tried again.

    Parameters
    ----------
    beside
        Process that started this one: stop when it has ended.
    """
    stop, told = _Stop(beside), dict[str, str]()
    guard = threading.Thread(target=_guard, args=(loop, models, stop), name="probation", daemon=True)
    guard.start()
    while not stop.now():
        for model in models:
            if not stop.now():
                _turn(loop, model, told)
        again = time.monotonic() + every_s
        while not stop.now() and (left := again - time.monotonic()) > 0:
            time.sleep(min(left, LOOK_S))


def _guard(loop: Loop, models: Sequence[str], stop: _Stop) -> None:
    """Look after new champions on probation every second, also while a training takes its time."""
    seen, told = dict[str, tuple[str, int, float]](), dict[str, str]()
    while not stop.now():
        for model in models:
            try:
                text = _look_after(loop, model, seen)
            except Locked:
                continue  # somebody decides: the next look sees what
            except UserError as error:
                text = str(error)
            except Exception:  # one model's bug must not leave the others' probations unwatched
                text = traceback.format_exc()
            if text and told.get(model) != text:
                sys.stderr.write(f"{model}: {text}\n")
                sys.stderr.flush()
            told[model] = text
        time.sleep(PROBATION_S)


def _look_after(loop: Loop, model: str, seen: dict[str, tuple[str, int, float]]) -> str:
    """Judge a probation where more truths came since the last look; return what is worth telling."""
    experiment = experiment_of(loop, model)
    if experiment is None or experiment.stage != "probation":
        return ""
    n_truths, now = ledger_of(loop, model).n_labelled(experiment.stage_at), time.monotonic()
    known = seen.get(model)
    if known is not None and known[:2] == (experiment.decision, n_truths) and now - known[2] < RECHECK_S:
        return ""
    seen[model] = (experiment.decision, n_truths, now)
    decision = advance(loop, model)
    return "" if decision is None else f"{decision.action}. {decision.reason[loop.project.file.project.language]}"


def _turn(loop: Loop, model: str, told: dict[str, str]) -> None:
    """Take one model round once, and tell what came of it unless that was told the last time."""
    try:
        with loop.locked():
            text = f"\n{model}: ".join(_round(loop, model))
    except Locked:
        return  # somebody trains by hand: the next turn sees the result
    except UserError as error:
        text = str(error)
    except Exception:  # a watcher that dies of one model's bug would leave the others unwatched
        text = traceback.format_exc()
    if text and told.get(model) != text:
        sys.stderr.write(f"{model}: {text}\n")
        sys.stderr.flush()
    told[model] = text


def _round(loop: Loop, model: str) -> list[str]:
    """Train on a source that changed, then watch and renew; return what is worth telling."""
    language = loop.project.file.project.language
    said: list[str] = []
    if paused(loop.record(model)) is None:
        fresh = refresh(loop, model)
        if fresh.error is not None:
            said.append(str(fresh.error))
        if fresh.decision is not None:
            said.append(f"{fresh.decision.action}. {fresh.decision.reason[language]}")
    renewed = renew(loop, model)
    if renewed is not None:
        told = [renewed.step] if renewed.step is not None else []
        told += [renewed.decision] if renewed.decision.action != "wait" else []
        told += [renewed.outcome] if renewed.outcome is not None else []
        said += [f"{decision.action}. {decision.reason[language]}" for decision in told]
    return said

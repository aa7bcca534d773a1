"""The watcher: look at every model, decide and act, sleep, again: `cauce watch --every`, which `up` keeps running."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence

from cauce.core.errors import Locked, UserError
from cauce.loop.context import Loop
from cauce.loop.renew import renew

LOOK_S = 0.5


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
    stop = _Stop(beside)
    while not stop.now():
        for model in models:
            if not stop.now():
                _turn(loop, model)
        again = time.monotonic() + every_s
        while not stop.now() and (left := again - time.monotonic()) > 0:
            time.sleep(min(left, LOOK_S))


def _turn(loop: Loop, model: str) -> None:
    try:
        with loop.locked():
            renewed = renew(loop, model)
    except Locked:
        return  # somebody trains by hand: the next turn sees the result
    except UserError as error:
        _tell(model, str(error))
        return
    except Exception:  # a watcher that dies of one model's bug would leave the others unwatched
        _tell(model, traceback.format_exc())
        return
    if renewed is not None and renewed.decision.action != "wait":
        said = [renewed.decision, *([renewed.outcome] if renewed.outcome else [])]
        for decision in said:
            _tell(model, f"{decision.action}. {decision.reason[loop.project.file.project.language]}")


def _tell(model: str, text: str) -> None:
    sys.stderr.write(f"{model}: {text}\n")
    sys.stderr.flush()

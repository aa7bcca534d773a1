"""The watcher: look at every model, decide and act, sleep, again: `cauce watch --every`, which `up` keeps running."""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from collections.abc import Sequence

from cauce.core.errors import Locked, UserError
from cauce.loop.context import Loop
from cauce.loop.renew import renew


def run_watcher(loop: Loop, models: Sequence[str], *, every_s: float) -> None:
    """Renew each model every `every_s` seconds until SIGTERM or Ctrl-C; a failed turn is told and tried again."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while not stop.is_set():
        for model in models:
            _turn(loop, model)
        stop.wait(every_s)


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

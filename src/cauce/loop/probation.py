"""New champions on probation, looked after every second, also while a training takes its time: a breach rolls back."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence

from cauce.core.errors import Locked, UserError
from cauce.loop.context import Loop
from cauce.loop.promotion import advance, experiment_of
from cauce.loop.watch import ledger_of

EVERY_S = 1.0
"""Seconds between two looks at who is on probation: with the service's own poll, what a roll-back takes."""
RECHECK_S = 30.0
"""Seconds after which a probation is judged anew though no more truths came: known ones may have been corrected."""


class Probations:
    """A thread that judges probations until `stop` says so."""

    acted = False
    """Whether it decided something that the daemon's next turn should tell."""

    def __init__(self, loop: Loop, models: Sequence[str], stop: Callable[[], bool]) -> None:
        self._loop, self._models, self._stop = loop, models, stop
        self._seen: dict[str, tuple[str, int, float]] = {}
        self._told: dict[str, str] = {}
        threading.Thread(target=self._run, name="probation", daemon=True).start()

    def _run(self) -> None:
        while not self._stop():
            for model in self._models:
                self._look(model)
            time.sleep(EVERY_S)

    def _look(self, model: str) -> None:
        try:
            text = self._judge(model)
        except Locked:
            return  # somebody decides: the next look sees what
        except UserError as error:
            text = str(error)
        except Exception:  # one model's bug must not leave the others' probations unwatched
            text = traceback.format_exc()
        if text and self._told.get(model) != text:
            sys.stderr.write(f"{model}: {text}\n")
            sys.stderr.flush()
        self._told[model] = text

    def _judge(self, model: str) -> str:
        """Judge a probation where more truths came since the last look; return what is worth telling."""
        experiment = experiment_of(self._loop, model)
        if experiment is None or experiment.stage != "probation":
            return ""
        n_truths, now = ledger_of(self._loop, model).n_labelled(experiment.stage_at), time.monotonic()
        known = self._seen.get(model)
        if known is not None and known[:2] == (experiment.decision, n_truths) and now - known[2] < RECHECK_S:
            return ""
        self._seen[model] = (experiment.decision, n_truths, now)
        decision = advance(self._loop, model)
        if decision is None:
            return ""
        self.acted = True
        return f"{decision.action}. {decision.reason[self._loop.project.file.project.language]}"

"""The releases that answer now, one a model, swapped when the alias moves.

A request takes its release once, at its begin, and keeps it: a swap changes who answers the next request, never who
answers this one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from cauce.serve.metrics import Metrics
from cauce.serve.service import Served, Service

logger = logging.getLogger("cauce.serve")
LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True)
class _Failure:
    version: int
    """The champion that could not be loaded."""
    pause_s: float
    again_at: float


class Releases:
    """Holds the current `Served` of each model.

    Parameters
    ----------
    clock
        Monotonic seconds; says when a failed load is tried again.
    """

    def __init__(self, service: Service, metrics: Metrics, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._service, self._metrics, self._clock = service, metrics, clock
        self._current: dict[str, Served] = {}
        self._failures: dict[str, _Failure] = {}
        self._looked = False
        for model in service.models:
            metrics.version.labels(model).set(0)

    def get(self, model: str) -> Served | None:
        """Return the release that answers for `model` now."""
        return self._current.get(model)

    @property
    def ready(self) -> bool:
        """Whether something answers, and every model that has a champion does."""
        return self._looked and bool(self._current) and not (self._failures.keys() - self._current.keys())

    def refresh(self) -> None:
        """Look at every alias once and load what moved. Called in a thread, one at a time."""
        for model in self._service.models:
            try:
                self._refresh(model)
            except Exception:  # a registry or package in any state must not take down what still answers
                self._metrics.load_failures.labels(model).inc()
                logger.exception("model %s: its champion could not be loaded; what answered before still does", model)
        self._looked = True

    def _refresh(self, model: str) -> None:
        wanted = self._service.champion(model)
        held = self._current.get(model)
        if wanted == (held.version if held is not None else None):
            self._failures.pop(model, None)
            return
        if wanted is None:
            self._swap(model, None)
            return
        failure = self._failures.get(model)
        if failure is not None and failure.version == wanted and self._clock() < failure.again_at:
            return
        try:
            loaded = self._service.load(model)
        except Exception:
            pause = min(LONGEST_PAUSE_S, failure.pause_s * 2) if failure and failure.version == wanted else 2.0
            self._failures[model] = _Failure(wanted, pause, self._clock() + pause)
            raise
        self._swap(model, loaded)

    def _swap(self, model: str, served: Served | None) -> None:
        self._failures.pop(model, None)
        if served is None:
            self._current.pop(model, None)
        else:
            self._current[model] = served
        version = served.version if served is not None else 0
        self._metrics.version.labels(model).set(version)
        logger.info("model %s: version %s answers now", model, version or "none")

    async def follow(self) -> None:
        """Refresh every `poll_s` seconds until cancelled."""
        while True:
            await asyncio.sleep(self._service.poll_s)
            await asyncio.to_thread(self.refresh)

"""The releases that answer now, swapped when an alias moves.

A request takes its route once, at its begin, and keeps it: a swap changes who answers the next request, never who
answers this one. The release before stays in memory, so that a roll-back takes effect at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from cauce.core.specs import ChallengerSpec
from cauce.serve.answer import Answering
from cauce.serve.live import Variant
from cauce.serve.metrics import Metrics
from cauce.serve.routing import Columns, Route, columns_between
from cauce.serve.service import Alias, Served, Service

logger = logging.getLogger("cauce.serve")
LONGEST_PAUSE_S = 60.0
KEPT = 2
"""Releases of a model that stay in memory beside those that answer."""
Make = Callable[[Served, Variant], Answering]
Version = tuple[str, int]


@dataclass(frozen=True)
class _Failure:
    version: int
    """What could not be loaded."""
    pause_s: float
    again_at: float


class Releases:
    """Holds the current `Route` of each model.

    Parameters
    ----------
    make
        Makes a loaded release ready, and tries it; what it raises keeps the release from answering.
    clock
        Monotonic seconds; says when a failed load is tried again.
    """

    def __init__(
        self, service: Service, metrics: Metrics, make: Make, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._service, self._metrics, self._make, self._clock = service, metrics, make, clock
        self._current: dict[str, Route] = {}
        self._failures: dict[tuple[str, Alias], _Failure] = {}
        self._loaded: dict[Version, Served] = dict(service.preloaded)
        self._looked = False
        for model in service.models:
            metrics.version.labels(model).set(0)

    def get(self, model: str) -> Route | None:
        """Return who answers for `model` now."""
        return self._current.get(model)

    @property
    def served(self) -> list[Served]:
        """The champions that answer now, in the order of the models."""
        routes = (self._current.get(model) for model in self._service.models)
        return [route.champion.served for route in routes if route is not None]

    @property
    def ready(self) -> bool:
        """Whether something answers, and every model that has a champion does."""
        failed = {model for model, alias in self._failures if alias == "champion"}
        return self._looked and bool(self._current) and not (failed - self._current.keys())

    def refresh(self) -> None:
        """Look at every alias once and load what moved. Called in a thread, one at a time."""
        for model in self._service.models:
            for alias in ("champion", "challenger"):
                try:
                    self._refresh(model, alias)
                except Exception:  # a registry or package in any state must not take down what still answers
                    self._metrics.load_failures.labels(model).inc()
                    logger.exception("model %s: its %s could not be loaded; what answered before does", model, alias)
            self._forget(model)
        self._looked = True

    def _refresh(self, model: str, alias: Alias) -> None:
        route, spec = self._current.get(model), self._service.challengers.get(model, ChallengerSpec())
        if alias == "champion":
            held = route.champion.served.version if route is not None else None
            wanted = self._service.alias(model, alias)
        else:
            held = _challenger(route)
            wanted = self._service.alias(model, alias) if route is not None and (spec.shadow or spec.share) else None
            if route is not None and wanted == route.champion.served.version:
                wanted = None
        if wanted == held:
            self._failures.pop((model, alias), None)
            return
        failure = self._failures.get((model, alias))
        if failure is not None and failure.version == wanted and self._clock() < failure.again_at:
            return
        try:
            self._swap(model, alias, wanted, spec)
        except Exception:
            assert wanted is not None
            again = failure is not None and failure.version == wanted
            pause = min(LONGEST_PAUSE_S, failure.pause_s * 2) if failure is not None and again else 2.0
            self._failures[model, alias] = _Failure(wanted, pause, self._clock() + pause)
            raise
        self._failures.pop((model, alias), None)

    def _swap(self, model: str, alias: Alias, wanted: int | None, spec: ChallengerSpec) -> None:
        """Put another release in its place; the route as a whole is replaced, in one assignment."""
        route = self._current.get(model)
        if alias == "champion":
            if wanted is None:
                self._current.pop(model, None)
            else:
                self._current[model] = Route(self._make(self._load(model, wanted), "champion"))
            self._metrics.version.labels(model).set(wanted or 0)
            logger.info("model %s: version %s answers now", model, wanted or "none")
            return
        assert route is not None
        if wanted is None:
            self._current[model] = Route(route.champion)
            return
        loaded = self._load(model, wanted)
        challenger = self._make(loaded, "challenger") if spec.share else None
        shadow = self._make(loaded, "shadow") if spec.shadow else None
        self._current[model] = Route(route.champion, challenger, shadow, _columns(route, challenger or shadow), spec)
        logger.info("model %s: version %s is its challenger now", model, wanted)

    def _load(self, model: str, version: int) -> Served:
        key = (model, version)
        if key not in self._loaded:
            self._loaded[key] = self._service.load(model, version)
        self._loaded[key] = self._loaded.pop(key)  # the newest last
        return self._loaded[key]

    def _forget(self, model: str) -> None:
        """Let go of old releases beyond those kept for a roll-back."""
        route = self._current.get(model)
        used = {route.champion.served.version, _challenger(route)} if route is not None else set()
        spare = [key for key in self._loaded if key[0] == model and key[1] not in used]
        for key in spare[:-KEPT]:
            del self._loaded[key]

    async def follow(self) -> None:
        """Refresh every `poll_s` seconds until cancelled."""
        while True:
            await asyncio.sleep(self._service.poll_s)
            await asyncio.to_thread(self.refresh)


def _challenger(route: Route | None) -> int | None:
    found = (route.challenger or route.shadow) if route is not None else None
    return found.served.version if found is not None else None


def _columns(route: Route, other: Answering | None) -> Columns | None:
    """Return how the challenger takes the champion's rows.

    Raises
    ------
    ValueError
        It asks for columns that requests do not bring.
    """
    if other is None:
        return None
    columns = columns_between(route.champion.plan, other.plan)
    if columns is None:
        missing = sorted(set(other.served.schema.names) - set(route.champion.served.schema.names))
        what = f"takes other columns than the champion's requests bring: {', '.join(missing) or 'other types'}"
        raise ValueError(f"the challenger {what}")
    return columns

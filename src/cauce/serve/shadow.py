"""Scoring in the shadow: the challenger sees what the champion answered, once the answer is on its way."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cauce.serve.plan import Values
from cauce.serve.routing import Route

if TYPE_CHECKING:
    from cauce.serve.work import Work

logger = logging.getLogger("cauce.serve")
MOST_WAITING = 4_096
"""Rows that wait for their shadow; what comes beyond is dropped."""
MOST_ROWS = 256
BUSY_SHARE = 0.25
"""Share of the queue's places from which on the shadow stands back."""
PAUSE_S = 0.01


class Shadow:
    """The rows that wait for a challenger. Used from the event loop."""

    def __init__(self, work: Work) -> None:
        self._work, self._metrics = work, work.service.metrics
        self._waiting: deque[tuple[Route, Sequence[str], Sequence[Values]]] = deque()
        self._n_rows = 0
        self._some = asyncio.Event()

    def put(self, route: Route, ids: Sequence[str], rows: Sequence[Values]) -> None:
        """Let rows wait; they are dropped where too many do."""
        if self._n_rows + len(rows) > MOST_WAITING:
            self._metrics.shadow_dropped.labels(route.champion.served.model).inc(len(rows))
            return
        self._waiting.append((route, ids, rows))
        self._n_rows += len(rows)
        self._some.set()

    async def run(self) -> None:
        """Score what waits whenever the service has time, until cancelled."""
        while True:
            await self._some.wait()
            while self._work.in_flight > BUSY_SHARE * self._work.service.spec.max_in_flight:
                await asyncio.sleep(PAUSE_S)
            route, ids, rows = self._take()
            try:
                await self._work.thread(self._score, route, ids, rows)
            except Exception:  # whatever the challenger does must not touch the champion's answers
                self._metrics.shadow_failures.labels(route.champion.served.model).inc(len(rows))
                logger.exception("model %s: its challenger failed in the shadow", route.champion.served.model)

    def _take(self) -> tuple[Route, list[str], list[Values]]:
        """Take waiting rows of one route."""
        route = self._waiting[0][0]
        ids: list[str] = []
        rows: list[Values] = []
        while self._waiting and self._waiting[0][0] is route and len(rows) < MOST_ROWS:
            _, more_ids, more_rows = self._waiting.popleft()
            ids.extend(more_ids)
            rows.extend(more_rows)
        self._n_rows -= len(rows)
        if not self._waiting:
            self._some.clear()
        return route, ids, rows

    def _score(self, route: Route, ids: Sequence[str], rows: Sequence[Values]) -> None:
        shadow = route.shadow
        assert shadow is not None
        assert route.columns is not None
        live, begun = shadow.live, time.perf_counter()
        for start in range(0, len(rows), MOST_ROWS):
            part = route.columns.of(rows[start : start + MOST_ROWS])
            outputs = live.predict(part)
            took = round(1000 * (time.perf_counter() - begun) / len(part), 3)
            line = live.head.line(
                ids=ids[start : start + MOST_ROWS],
                at=time.time_ns() // 1000,
                rows=part,
                outputs=outputs,
                variant="shadow",
                ms=[took] * len(part),
            )
            self._work.ledger(live.served.model).append([line]).result()
            self._metrics.observe_predictions(live.served.model, live.served.version, "shadow", len(part), 0.0)

"""What the routes share: releases, ledgers, threads, the bounded queue, and their begin and end."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

from cauce.core.errors import did_you_mean
from cauce.core.specs import seconds
from cauce.ledger.ledger import Ledger
from cauce.serve.answer import Answering
from cauce.serve.folding import Folding
from cauce.serve.idempotency import Answers
from cauce.serve.live import Live, Variant
from cauce.serve.probe import probe
from cauce.serve.problem import Problem
from cauce.serve.releases import Releases
from cauce.serve.routing import Route
from cauce.serve.seen import SeenCollector
from cauce.serve.service import Served, Service
from cauce.serve.shadow import Shadow

T = TypeVar("T")
logger = logging.getLogger("cauce.serve")
FULL = {errno.ENOSPC, errno.EDQUOT}


class Work:
    """One application's insides."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.metrics = service.metrics
        self.max_bytes = int(service.spec.max_body_mb * 1_000_000)
        self.deadline_s = seconds(service.spec.deadline)
        self.n_threads = max(1, (os.cpu_count() or 1) // service.spec.workers)
        self._threads = ThreadPoolExecutor(self.n_threads + 2, thread_name_prefix="predict")
        self.releases = Releases(service, self.metrics, self._live)
        self.answers = Answers(service.shared)
        self.shadow = Shadow(self)
        self._in_flight = 0
        self._ledgers: dict[str, Ledger] = {}
        self.metrics.before_text.append(self._measure_journals)
        if service.seen is not None:
            self.metrics.seen = SeenCollector(service.seen, service.models)

    @asynccontextmanager
    async def lifespan(self, _: Any) -> AsyncIterator[None]:
        """Load the champions, follow their aliases, and at the end write out what waits."""
        if self.service.traces is not None:
            self.service.traces.start()
        await asyncio.to_thread(self.releases.refresh)
        folding = Folding(self._ledgers, self.service.spec.retention_days)
        running = (self.releases.follow(), folding.run(), self.shadow.run())
        beside = [asyncio.create_task(one) for one in running]
        try:
            yield
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._threads.shutdown(wait=True)
        for ledger in self._ledgers.values():
            ledger.close()
        self.service.shared.close()
        if self.service.traces is not None:
            self.service.traces.stop()

    def _live(self, served: Served, variant: Variant) -> Answering:
        """Make a release ready to answer."""
        live = Live(served, self.service.spec, variant=variant, ledger=self.ledger(served.model))
        seconds = probe(live)
        answering = Answering(live, self)
        answering.batcher.pace.called(1, seconds)
        return answering

    def _measure_journals(self) -> None:
        for model, ledger in list(self._ledgers.items()):
            self.metrics.journal_bytes.labels(model).set(ledger.unfolded_bytes())

    @property
    def executor(self) -> ThreadPoolExecutor:
        """The threads in which longer calls run."""
        return self._threads

    @property
    def in_flight(self) -> int:
        """Requests being worked on."""
        return self._in_flight

    async def thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run `function` in one of the service's threads, with the request's id for the log."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._threads, context.run, function, *arguments)

    def known(self, model: str) -> None:
        """Refuse a name that is no model, naming the nearest."""
        if model not in self.service.models:
            raise Problem(404, f"No such model: {model[:80]!r}. {did_you_mean(model[:80], self.service.models)}")

    def route(self, model: str) -> Route:
        """Return who answers for `model` now, or refuse with 503."""
        found = self.releases.get(model)
        if found is None:
            detail = f"Model {model!r} has no champion that answers yet. Train it: `cauce train {model}`."
            raise Problem(503, detail, headers={"retry-after": "10"})
        return found

    def ledger(self, model: str) -> Ledger:
        """Return the model's ledger, the same one every time."""
        if model not in self._ledgers:
            self._ledgers[model] = self.service.ledger(model)
        return self._ledgers[model]

    def enter(self) -> None:
        """Take a place in the bounded queue, or refuse with 429; `leave` gives it back."""
        if self._in_flight >= self.service.spec.max_in_flight:
            self.metrics.shed.labels("queue").inc()
            detail = f"{self._in_flight} requests are being worked on. Send this one again in a second."
            raise Problem(429, detail, headers={"retry-after": "1"})
        self._in_flight += 1
        self.metrics.in_flight.set(self._in_flight)

    def leave(self) -> None:
        """Give a place in the queue back."""
        self._in_flight -= 1
        self.metrics.in_flight.set(self._in_flight)

    @contextmanager
    def writing(self, model: str) -> Iterator[None]:
        """Answer 507 or 503 where the ledger cannot be written."""
        try:
            yield
        except OSError as error:
            raise self.not_written(model, error) from error

    def not_written(self, model: str, error: OSError) -> Problem:
        """Return what is answered where the ledger cannot be written: what is not on the disk is not acknowledged."""
        self.metrics.write_failures.labels(model).inc()
        logger.error("model %s: the ledger could not be written: %s", model, error)
        if error.errno in FULL:
            detail = (
                "The disk of the service is full: nothing of this request was kept. Free space, then send it again."
            )
            return Problem(507, detail, headers={"retry-after": "10"})
        detail = "The ledger could not be written: nothing of this request was kept. Send it again."
        return Problem(503, detail, headers={"retry-after": "10"})

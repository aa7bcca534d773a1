"""One release answering: rows batched and predicted, written into the ledger, and only then given back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import MutableMapping, Sequence
from concurrent.futures import Future
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from cauce.core.names import uuid7s
from cauce.serve.batching import Batcher, Member, fail
from cauce.serve.inputs import InputCounts
from cauce.serve.live import Live, Outputs
from cauce.serve.plan import Values

if TYPE_CHECKING:
    from cauce.serve.work import Work

MOST_ROWS = 1_024
"""Rows of one call to a model."""
SMALL = 256
"""From more rows on, journal lines are made in a thread."""


class Gone(Exception):
    """The client went away before its answer."""


class Predicted(NamedTuple):
    """What one request's rows became; on the disk, unless the file says that it may be so later."""

    ids: Sequence[str]
    outputs: Outputs


class About(NamedTuple):
    """What a request is remembered by while its rows wait."""

    unit: str | None
    shadow: Any
    """What is to be scored in the shadow, too: a `Route`, or None."""


Asking = Member[Values, Predicted]
Line = tuple[list[str], bytes]
"""Ids, and the journal line that holds them."""


class Answering:
    """A release and the requests that wait for it. Used from the event loop.

    Parameters
    ----------
    live
        The release.
    work
        The application.
    """

    def __init__(self, live: Live, work: Work) -> None:
        self.live, self._work = live, work
        self.served, self.plan = live.served, live.plan
        self.batcher: Batcher[Values, Predicted] = Batcher(
            self._predict,
            self._give,
            most_rows=MOST_ROWS,
            together=work.service.spec.batching,
            executor=work.executor,
            most_threads=work.n_threads,
        )
        metrics, model = work.service.metrics, live.served.model
        self._waiting, self._sync_seconds = metrics.waiting.labels(model), metrics.sync_seconds.labels(model)
        self._batch_rows = metrics.batch_rows.labels(model, live.variant)
        self._inputs = (
            InputCounts(metrics, model, live.served.version, live.served.schema, live.served.bins)
            if live.served.bins is not None
            else None
        )
        self._batch_seconds = metrics.batch_seconds.labels(model, live.variant)

    async def ask(
        self, rows: Sequence[Values], *, until: float, about: About, scope: MutableMapping[str, Any]
    ) -> Predicted:
        """Return what rows became.

        Parameters
        ----------
        until
            Deadline, in the seconds of `time.perf_counter`.

        scope
            Of the request: its trace gets the steps, and a client that goes away takes its rows out of the queue.

        Raises
        ------
        Gone
            The client went away.
        Expired
            Their turn did not come in time.
        Failed
            The release cannot take them.
        OSError
            They could not be written: then nothing was kept.
        """
        asking = self.batcher.put(rows, until=until, about=about)
        scope["cauce.gone"] = asking.answer.cancel
        try:
            made = await asking.answer
        except asyncio.CancelledError as error:
            if asking.answer.cancelled():
                raise Gone from error
            raise
        trace = scope.get("cauce.trace")
        if trace is not None:
            self._trace(trace, asking, perf_counter())
        return made

    def _trace(self, trace: Any, asking: Asking, now: float) -> None:
        served, called = self.served, asking.came + asking.waited
        trace.about(served.model, served.version, self.live.variant, len(asking.rows))
        trace.step("wait", asking.came, called)
        trace.step("predict", called, asking.called)
        trace.step("ledger sync", asking.called, now)

    def _predict(self, rows: Sequence[Values]) -> Outputs:
        """Call the model once."""
        begun = perf_counter()
        made = self.live.predict(rows)
        self._batch_seconds.observe(perf_counter() - begun)
        self._batch_rows.observe(len(rows))
        return made

    def _give(self, batch: Sequence[Asking], rows: Sequence[Values], outputs: Sequence[Outputs]) -> None:
        for member in batch:
            self._waiting.observe(member.waited)
        if self._inputs is not None:
            self._inputs.take(rows, self._work.executor)
        whole = outputs[0] if len(outputs) == 1 else _joined(outputs)
        if len(rows) <= SMALL:
            self._write(batch, whole, *self._line(batch, rows, whole))
            return
        loop = asyncio.get_running_loop()
        made = loop.run_in_executor(self._work.executor, self._line, batch, rows, whole)
        made.add_done_callback(partial(self._write_made, batch, whole))

    def _write_made(self, batch: Sequence[Asking], outputs: Outputs, made: asyncio.Future[Line]) -> None:
        try:
            self._write(batch, outputs, *made.result())
        except Exception as error:  # told to those who wait, whatever it is
            fail(batch, error)

    def _line(self, batch: Sequence[Asking], rows: Sequence[Values], outputs: Outputs) -> Line:
        """Return ids and the journal line of a batch."""
        now = time.time_ns()
        ids = uuid7s(len(rows), now // 1_000_000)
        moment = perf_counter()
        units = [member.about.unit for member in batch for _ in member.rows]
        took = [round(1000 * (moment - member.came), 3) for member in batch for _ in member.rows]
        line = self.live.head.line(
            ids=ids,
            at=now // 1000,
            rows=rows,
            outputs=outputs,
            variant=self.live.variant,
            units=units if any(units) else (),
            ms=took,
        )
        return ids, line

    def _write(self, batch: Sequence[Asking], outputs: Outputs, ids: list[str], line: bytes) -> None:
        begun = perf_counter()
        alone = len(batch) == 1 and self._work.in_flight == 1
        written = self._work.ledger(self.served.model).append([line], here=alone)
        loop = asyncio.get_running_loop()

        if written.done():  # at once, or never
            self._sync_seconds.observe(perf_counter() - begun)
            self._tell(batch, outputs, ids, written)
            return

        def synced(done: Future[None]) -> None:
            self._sync_seconds.observe(perf_counter() - begun)
            loop.call_soon_threadsafe(self._tell, batch, outputs, ids, done)

        written.add_done_callback(synced)

    def _tell(self, batch: Sequence[Asking], outputs: Outputs, ids: list[str], written: Future[None]) -> None:
        """Give every request its part."""
        error = written.exception()
        start = 0
        for member in batch:
            stop = start + len(member.rows)
            if not member.answer.done():
                if error is not None:
                    member.answer.set_exception(error)
                elif len(batch) == 1:
                    member.answer.set_result(Predicted(ids, outputs))
                else:
                    part = {name: values[start:stop] for name, values in outputs.items()}
                    member.answer.set_result(Predicted(ids[start:stop], part))
            if error is None and member.about.shadow is not None:
                self._work.shadow.put(member.about.shadow, ids[start:stop], member.rows)
            start = stop


def _joined(parts: Sequence[Outputs]) -> Outputs:
    return {name: [value for part in parts for value in part[name]] for name in parts[0]}

"""Rows of several requests predicted together, where that is quicker for them all; `pace.py` has the rules."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Generic, TypeVar

from cauce.serve.pace import Pace

Row = TypeVar("Row")
Result = TypeVar("Result")
INLINE_S = 0.002
"""Calls expected to be shorter run in the event loop itself: a thread costs more than it gives."""
TICK_S = 0.001
"""The loop's timers are no finer: shorter waits look at the sockets again and again instead."""


class Expired(Exception):
    """A request's deadline passed before its turn came."""


class Failed(Exception):
    """A request's rows could not be predicted.

    Parameters
    ----------
    error
        What was raised.
    first_row
        Place among the request's rows of the first one of the call that raised.
    """

    def __init__(self, error: BaseException, first_row: int) -> None:
        super().__init__(str(error))
        self.error, self.first_row = error, first_row


@dataclass(eq=False)
class Member(Generic[Row, Result]):
    """One request's rows on their way."""

    rows: Sequence[Row]
    answer: asyncio.Future[Result]
    came: float
    """Monotonic seconds."""
    until: float
    about: Any = None
    """What the caller wants to find again."""
    waited: float = 0.0
    """Seconds until its turn came."""
    called: float = 0.0
    """When its rows were predicted."""


def fail(batch: Sequence[Member[Row, Result]], error: BaseException) -> None:
    """Tell every request of a batch that still waits what kept its answer."""
    for member in batch:
        if not member.answer.done():
            member.answer.set_exception(error)


class Batcher(Generic[Row, Result]):
    """Puts waiting requests together and has them predicted. Used from one event loop.

    Parameters
    ----------
    call
        Predicts rows, at most `most_rows` at once; may run in a thread.
    give
        Called in the loop with the members of a batch, all their rows, and the outputs of each call in order; it sees
        to it that every member's `answer` is set.
    most_rows
        Rows of one call. A request with more is predicted in parts.
    together
        Whether several requests may share a call at all.
    executor, most_threads
        Where long calls run, and how many at once.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Row]], Any],
        give: Callable[[Sequence[Member[Row, Result]], Sequence[Row], Sequence[Any]], None],
        *,
        most_rows: int,
        together: bool,
        executor: Executor,
        most_threads: int = 1,
    ) -> None:
        self._call, self._give = call, give
        self._most_rows, self._together = most_rows, together
        self._executor, self._free = executor, most_threads
        self.pace = Pace()
        self._waiting: deque[Member[Row, Result]] = deque()
        self._n_rows = 0
        self._until, self._seen = 0.0, 0
        self._armed: asyncio.Handle | None = None
        self._alarm: asyncio.Handle | None = None
        self._alarm_at = float("inf")

    @property
    def n_waiting(self) -> int:
        """Requests whose turn has not come."""
        return len(self._waiting)

    def put(self, rows: Sequence[Row], *, until: float = float("inf"), about: Any = None) -> Member[Row, Result]:
        """Let rows wait for their turn.

        Parameters
        ----------
        until
            Deadline in the seconds of `time.perf_counter`; passed before its turn came, the answer is `Expired`.
        """
        now = perf_counter()
        member: Member[Row, Result] = Member(rows, asyncio.get_running_loop().create_future(), now, until, about)
        if self._together:
            self.pace.arrived(len(rows), now)
        self._waiting.append(member)
        self._n_rows += len(rows)
        self._arm()
        return member

    def _arm(self, after: float = 0.0) -> None:
        """Look at the queue in the loop's next round: those whose requests are read in this one are there by then."""
        if self._armed is None:
            loop = asyncio.get_running_loop()
            self._armed = loop.call_later(after, self._look) if after > TICK_S else loop.call_soon(self._look)

    def _look(self) -> None:
        self._armed = None
        self._call_waiting()
        if self._waiting:
            # All threads are busy: whose deadline passes meanwhile is told then, not when one is free.
            soonest = min(member.until for member in self._waiting)
            if soonest < self._alarm_at:
                if self._alarm is not None:
                    self._alarm.cancel()
                left = max(0.0, soonest - perf_counter())
                self._alarm, self._alarm_at = asyncio.get_running_loop().call_later(left, self._expire), soonest

    def _expire(self) -> None:
        self._alarm, self._alarm_at = None, float("inf")
        now = perf_counter()
        for member in self._waiting:
            if member.until <= now and not member.answer.done():
                member.answer.set_exception(Expired())
        self._arm()

    def _call_waiting(self) -> None:
        while self._waiting and (self._free > 0 or self.pace.expected(len(self._waiting), self._n_rows) <= INLINE_S):
            now, shares = perf_counter(), self._shares()
            left = self._patience(now) if shares else 0.0
            if left > 0:
                self._arm(left)
                return
            self._until = 0.0
            batch = self._take(now, shares=shares)
            if batch and not self._run(batch):
                # The loop sees to its sockets between two calls.
                if self._waiting:
                    self._arm()
                return

    def _patience(self, now: float) -> float:
        """Return how long to wait yet for one more request, seconds."""
        if self._n_rows >= self._most_rows:
            return 0.0
        if not self._until or self._seen != len(self._waiting):
            self._seen = len(self._waiting)
            self._until = now + self.pace.wait(self._seen, self._n_rows)
        return self._until - now

    def _shares(self) -> bool:
        """Return whether those who wait share a call, or as many of them as one may hold."""
        if not self._together:
            return False
        n_requests, n_rows = len(self._waiting), self._n_rows
        if n_rows > self._most_rows:
            n_requests = max(1, n_requests * self._most_rows // n_rows)
            n_rows = self._most_rows
        return n_requests == 1 or self.pace.shares(n_requests, n_rows)

    def _take(self, now: float, *, shares: bool) -> list[Member[Row, Result]]:
        """Take what is called together out of the queue; whoever went away or waited too long leaves it."""
        batch: list[Member[Row, Result]] = []
        n_rows = 0
        while self._waiting:
            member = self._waiting[0]
            if not member.answer.done() and member.until > now:
                if batch and (not shares or n_rows + len(member.rows) > self._most_rows):
                    break
                batch.append(member)
                member.waited = now - member.came
                n_rows += len(member.rows)
            elif not member.answer.done():
                member.answer.set_exception(Expired())
            self._waiting.popleft()
            self._n_rows -= len(member.rows)
        return batch

    def _run(self, batch: list[Member[Row, Result]]) -> bool:
        """Have a batch predicted; return whether it runs elsewhere, so that the loop is free for the next."""
        rows = batch[0].rows if len(batch) == 1 else [row for member in batch for row in member.rows]
        if self.pace.expected(len(batch), len(rows)) <= INLINE_S:
            begun = perf_counter()
            outputs, error = self._attempt(rows)
            self._done(batch, rows, outputs, error)
            if error is None:
                self.pace.called(len(rows), perf_counter() - begun, n_requests=len(batch))
            return False
        self._free -= 1
        task = asyncio.get_running_loop().run_in_executor(self._executor, self._elsewhere, rows, len(batch))

        def finished(made: asyncio.Future[Any]) -> None:
            self._free += 1
            if made.cancelled() or made.exception() is not None:
                outcome: tuple[list[Any], Exception | None] = [], Expired()  # the service is stopping
            else:
                outcome = made.result()
            self._done(batch, rows, *outcome)
            if self._waiting:
                self._arm()

        task.add_done_callback(finished)
        return True

    def _elsewhere(self, rows: Sequence[Row], n_requests: int) -> tuple[list[Any], Failed | None]:
        begun = perf_counter()
        made = self._attempt(rows)
        if made[1] is None:
            self.pace.called(len(rows), perf_counter() - begun, n_requests=n_requests)
        return made

    def _attempt(self, rows: Sequence[Row]) -> tuple[list[Any], Failed | None]:
        """Predict rows in calls of at most `most_rows`; the outputs, or what kept them."""
        made: list[Any] = []
        start = 0
        try:
            for start in range(0, len(rows), self._most_rows):
                part = rows[start : start + self._most_rows] if len(rows) > self._most_rows else rows
                made.append(self._call(part))
        except Exception as error:  # whatever it is belongs to the requests that brought these rows
            return [], Failed(error, start)
        return made, None

    def _done(
        self, batch: list[Member[Row, Result]], rows: Sequence[Row], outputs: list[Any], error: Exception | None
    ) -> None:
        if error is not None and len(batch) > 1:
            # One member's rows must not fail the others: each is tried alone.
            for member in batch:
                self._run([member])
            return
        if error is None:
            now = perf_counter()
            for member in batch:
                member.called = now
            try:
                self._give(batch, rows, outputs)
                return
            except Exception as raised:  # told to those who wait: a loop that swallows it would leave them waiting
                error = raised
        fail(batch, error)

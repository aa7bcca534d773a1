"""Rows of several requests predicted together, where that is quicker for them all.

Let a call of n rows take a + b·n seconds, let requests have r rows and be g seconds apart, let the service be busy for
a share u = (a + b·r) / g of the time, and let m requests with N rows be there.

Sharing one call saves (m - 1)·a, and lets whoever would be first wait for the last. For the m themselves it lowers the
mean when b·r < a; for those who come in the same busy time, some u / (1 - u) of them for each, it always does. So they
share when b·r <= a·(1 + 2·u / (1 - u)).

Waiting for one more lowers the mean time of all m + 1 exactly when g < a + b·N and (m + 1)·g + m·b·r < a: the fixed
cost that it saves is larger than what everybody waits. So no request waits longer than a, and one that comes after a
pause waits not at all. a, b and g are measured; where they are not known, requests share and nobody waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Generic, TypeVar

Row = TypeVar("Row")
Result = TypeVar("Result")
FORGET = 0.02
"""Weight of the newest call in the estimates."""
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


class Pace:
    """What calls cost and how requests come, measured; and the rule that says whether waiting pays.

    Examples
    --------
    >>> pace = Pace()
    >>> for n in (1, 5, 1, 5):
    ...     pace.called(n, 0.010 + 0.001 * n)
    >>> for moment in (0.0, 0.001, 0.002):
    ...     pace.arrived(1, moment)
    >>> pace.wait(1, 1), pace.wait(6, 6)
    (0.001, 0.0)
    """

    def __init__(self) -> None:
        self._weight = self._n = self._s = self._nn = self._ns = 0.0
        self._gap = self._rows = self._newest_gap = float("inf")
        self._last = float("-inf")

    def called(self, n_rows: int, seconds: float) -> None:
        """Take one call into the estimates; old ones fade."""
        keep = 1 - FORGET
        self._weight = keep * self._weight + 1
        self._n, self._s = keep * self._n + n_rows, keep * self._s + seconds
        self._nn, self._ns = keep * self._nn + n_rows * n_rows, keep * self._ns + n_rows * seconds

    def arrived(self, n_rows: int, now: float) -> None:
        """Take one request into the estimates; `now` in monotonic seconds."""
        self._newest_gap, self._last = now - self._last, now
        known = self._gap < float("inf")
        self._gap = 0.9 * self._gap + 0.1 * self._newest_gap if known else self._newest_gap
        self._rows = 0.9 * self._rows + 0.1 * n_rows if self._rows < float("inf") else float(n_rows)

    def cost(self) -> tuple[float, float]:
        """Return a (seconds a call) and b (seconds a row).

        Where every call so far had as many rows, the two cannot be told apart, and all of it counts as b.
        """
        if not self._weight:
            return 0.0, float("inf")
        n, s = self._n / self._weight, self._s / self._weight
        spread = self._nn / self._weight - n * n
        if spread < 1e-9 * n * n:
            return 0.0, s / n
        b = min(max(0.0, (self._ns / self._weight - n * s) / spread), s / n)
        return s - b * n, b

    def expected(self, n_rows: int) -> float:
        """Return how long a call of `n_rows` takes, seconds; infinity where none was ever made."""
        a, b = self.cost()
        return a + b * n_rows

    def shares(self) -> bool:
        """Return whether requests that are there together are better off in one call."""
        a, b = self.cost()
        if not a or self._rows == float("inf"):
            return True  # not to be told yet: a shared call will tell
        busy = min((a + b * self._rows) / self._gap, 0.95) if self._gap > 0 else 0.95
        return b * self._rows <= a * (1 + 2 * busy / (1 - busy))

    def wait(self, n_requests: int, n_rows: int) -> float:
        """Return how long to wait for one more request, in seconds: 0 where waiting does not pay."""
        a, b = self.cost()
        gap = self._gap if n_requests > 1 else max(self._gap, self._newest_gap)
        if not gap < a + b * n_rows:
            return 0.0
        return gap if (n_requests + 1) * gap + n_requests * b * self._rows < a else 0.0


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


class Batcher(Generic[Row, Result]):
    """Puts waiting requests together and has them predicted. Used from one event loop.

    Parameters
    ----------
    call
        Predicts rows, at most `most_rows` at once; may run in a thread.
    give
        Called in the loop with the members of a batch and the parts of their outputs in order, a list per call; it sees
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
        give: Callable[[Sequence[Member[Row, Result]], Sequence[Any]], None],
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
        while self._waiting and (self._free > 0 or self.pace.expected(self._n_rows) <= INLINE_S):
            now = perf_counter()
            left = self._patience(now)
            if left > 0:
                self._arm(left)
                return
            self._until = 0.0
            batch = self._take(now)
            if batch and not self._run(batch):
                # The loop sees to its sockets between two calls.
                if self._waiting:
                    self._arm()
                return

    def _patience(self, now: float) -> float:
        """Return how long to wait yet for one more request, seconds."""
        if not self._together or self._n_rows >= self._most_rows or not self.pace.shares():
            return 0.0
        if not self._until or self._seen != len(self._waiting):
            self._seen = len(self._waiting)
            self._until = now + self.pace.wait(self._seen, self._n_rows)
        return self._until - now

    def _take(self, now: float) -> list[Member[Row, Result]]:
        """Take what is called together out of the queue; whoever went away or waited too long leaves it."""
        batch: list[Member[Row, Result]] = []
        n_rows = 0
        shares = self._together and len(self._waiting) > 1 and self.pace.shares()
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
        if self.pace.expected(len(rows)) <= INLINE_S:
            begun = perf_counter()
            outputs, error = self._attempt(rows)
            self._done(batch, outputs, error)
            if error is None:
                self.pace.called(len(rows), perf_counter() - begun)
            return False
        self._free -= 1
        task = asyncio.get_running_loop().run_in_executor(self._executor, self._elsewhere, rows)

        def finished(made: asyncio.Future[Any]) -> None:
            self._free += 1
            if made.cancelled() or made.exception() is not None:
                outcome: tuple[list[Any], Exception | None] = [], Expired()  # the service is stopping
            else:
                outcome = made.result()
            self._done(batch, *outcome)
            if self._waiting:
                self._arm()

        task.add_done_callback(finished)
        return True

    def _elsewhere(self, rows: Sequence[Row]) -> tuple[list[Any], Failed | None]:
        begun = perf_counter()
        made = self._attempt(rows)
        if made[1] is None:
            self.pace.called(len(rows), perf_counter() - begun)
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

    def _done(self, batch: list[Member[Row, Result]], outputs: list[Any], error: Exception | None) -> None:
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
                self._give(batch, outputs)
                return
            except Exception as raised:  # told to those who wait: a loop that swallows it would leave them waiting
                error = raised
        for member in batch:
            if not member.answer.done():
                member.answer.set_exception(error)

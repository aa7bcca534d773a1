"""Every conversation with the service, written once for both clients: generators that ask for I/O.

A conversation yields `Send` and `Pause`, is sent what came of it, and returns the typed answer. Who runs it decides
how bytes travel and how time passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from cauce.client import calls, replies
from cauce.client.answers import Answer, Model, Truth, TruthStatus
from cauce.client.calls import Call
from cauce.client.errors import Refused, Unreachable
from cauce.client.replies import Broken, Reply
from cauce.client.retries import Retries
from cauce.core.errors import UserError

T = TypeVar("T")
DEADLINE_HEADER = "Cauce-Deadline-Ms"


@dataclass(frozen=True)
class Send:
    """Send this, and say what came within so many seconds."""

    call: Call
    within_s: float


@dataclass(frozen=True)
class Pause:
    """Let so many seconds pass."""

    seconds: float


Talk = Generator["Send | Pause", "Reply | Broken | None", T]


@dataclass(frozen=True)
class Talks:
    """What can be talked about with one service.

    Parameters
    ----------
    url
        Of the service, for errors.
    deadline_s
        Seconds that a conversation may take in all, where its caller says nothing.
    """

    url: str
    deadline_s: float
    retries: Retries

    def predict(
        self,
        model: str,
        rows: Iterable[Mapping[str, Any]],
        *,
        unit: str | None = None,
        idempotency_key: str | None = None,
        deadline_s: float | None = None,
    ) -> Talk[Answer]:
        """Ask for predictions."""
        listed = rows if isinstance(rows, list | Mapping | str | bytes) else list(rows)
        call = calls.predict(model, listed, unit=unit, key=idempotency_key)
        return self._asked(call, partial(replies.answer, n_rows=len(listed)), deadline_s)

    def truth(
        self, model: str, truths: Sequence[Truth], *, idempotency_key: str | None, deadline_s: float | None
    ) -> Talk[tuple[TruthStatus, ...]]:
        """Tell truths."""
        return self._asked(calls.truth(model, truths, key=idempotency_key), replies.statuses, deadline_s)

    def models(self, deadline_s: float | None = None) -> Talk[tuple[Model, ...]]:
        """Ask which models answer."""
        return self._asked(calls.get("models"), replies.models, deadline_s)

    def openapi(self, deadline_s: float | None = None) -> Talk[dict[str, Any]]:
        """Ask for the document."""
        return self._asked(calls.get("openapi"), replies.document, deadline_s)

    def metrics(self, deadline_s: float | None = None) -> Talk[str]:
        """Ask for the figures."""
        reply = yield from self._sent(calls.get("metrics"), deadline_s, self.retries)
        return reply.content.decode()

    def probe(self, name: str, deadline_s: float | None = None) -> Talk[bool]:
        """Ask a probe, once."""
        call = calls.get(name)
        try:
            reply = yield from self._sent(call, deadline_s, replace(self.retries, tries=1), fine=frozenset({503}))
        except Unreachable as error:
            if error.final:
                raise
            return False
        return reply.status < 300

    def _asked(self, call: Call, reading: Callable[[Any], T], deadline_s: float | None) -> Talk[T]:
        reply = yield from self._sent(call, deadline_s, self.retries)
        return replies.read(reply, reading, where=self._where(call))

    def _where(self, call: Call) -> str:
        return f"{call.method} {self.url}{call.path}"

    def _sent(
        self, call: Call, deadline_s: float | None, retries: Retries, *, fine: frozenset[int] = frozenset()
    ) -> Talk[Reply]:
        """Send until an answer comes, the tries are used up, or no time is left."""
        allowed = self.deadline_s if deadline_s is None else deadline_s
        if not 0.0 < allowed < math.inf:
            raise UserError("not a deadline", where="deadline_s", received=allowed, hint="Give seconds above 0.")
        ends = retries.clock() + allowed
        tries = 0
        while True:
            left = ends - retries.clock()
            outcome = yield Send(_within(call, left), left)
            assert outcome is not None
            tries += 1
            if isinstance(outcome, Reply) and (outcome.status < 300 or outcome.status in fine):
                return outcome
            pause = retries.pause(tries, outcome)
            if pause is None or retries.clock() + pause >= ends:
                raise replies.error_of(outcome, where=self._where(call), tries=tries)
            yield Pause(pause)


def _within(call: Call, left_s: float) -> Call:
    """Return the request with the time that is left to it: the service need not work for nobody."""
    if call.method == "GET":
        return call
    return replace(call, headers={**call.headers, DEADLINE_HEADER: str(max(1, round(left_s * 1000)))})


def chunks(rows: Iterable[Mapping[str, Any]], size: int) -> Generator[list[Mapping[str, Any]], None, None]:
    """Yield the rows in lists of `size`, the last one shorter.

    Examples
    --------
    >>> list(chunks([{"a": 1}, {"a": 2}, {"a": 3}], 2))
    [[{'a': 1}, {'a': 2}], [{'a': 3}]]
    """
    taken: list[Mapping[str, Any]] = []
    for row in rows:
        taken.append(row)
        if len(taken) == size:
            yield taken
            taken = []
    if taken:
        yield taken


def counted(talk: Talk[Answer], n_rows: int) -> Talk[Answer]:
    """Return a conversation whose faults count rows from `n_rows` rows earlier."""
    try:
        return (yield from talk)
    except Refused as error:
        raise error.moved(n_rows) from error.__cause__


def check_size(name: str, value: int) -> int:
    """Return a count that is 1 or more, or say that it is not."""
    if value < 1:
        raise UserError("not a number of rows or requests", where=name, received=value, hint="Give 1 or more.")
    return value

"""Messages on their way: kept until each channel took them, tried again ever more seldom, given up when too old.

Pure but for the channels themselves; who keeps the book on disk stands in `loop/alert.py`. A crash between a delivery
and the note of it delivers that one message twice, never not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cauce.alert.book import Book, Health, Waiting
from cauce.alert.channels import Channel
from cauce.alert.message import Message
from cauce.alert.undelivered import Undelivered

PAUSES_S = (1.0, 3.0)
"""Between the attempts of one delivery, seconds."""
FIRST_S, LONGEST_S = 30.0, 3600.0
"""How long a failing channel is left alone: after the first delivery that failed, and at most."""
MOST = 500
"""Messages that wait at once; the oldest go first."""


@dataclass(frozen=True)
class Report:
    """What came of the deliveries to one channel."""

    channel: str
    delivered: tuple[str, ...]
    """Ids of messages that it took."""
    failure: Undelivered | None


def post(book: Book, message: Message, channels: Iterable[Channel], *, keep: timedelta) -> Book:
    """Put a message into the outbox, for those channels that want any of it."""
    wanted = tuple(channel.name for channel in channels if channel.part(message) is not None)
    if not wanted:
        return book
    waiting = (*book.outbox, Waiting(message, wanted, message.at + keep))
    return replace(book, outbox=waiting[-MOST:], lost=book.lost + sum(len(w.channels) for w in waiting[:-MOST]))


def due(book: Book, channels: Sequence[Channel]) -> datetime | None:
    """Return when the next delivery may be tried; None where nothing waits. Long past where it may be at once."""
    moments = [
        book.failing[name].next_at if name in book.failing else one.message.at
        for one in book.outbox
        for name in one.channels
        if any(channel.name == name for channel in channels)
    ]
    return min(moments, default=None)


def send(
    book: Book,
    channels: Sequence[Channel],
    *,
    now: datetime,
    sleep: Callable[[float], object],
    left: Callable[[], float],
) -> tuple[Report, ...]:
    """Deliver what waits, to every channel that may be tried; a channel that fails is left, the others go on.

    Parameters
    ----------
    sleep
        Waits so many seconds.
    left
        Seconds that this may still take: no attempt begins at 0.
    """
    reports = []
    for channel in channels:
        health = book.failing.get(channel.name)
        waiting = [one.message for one in book.outbox if channel.name in one.channels]
        if not waiting or (health is not None and now < health.next_at) or left() <= 0:
            continue
        reports.append(_deliver(channel, waiting, again=health is None, sleep=sleep, left=left))
    return tuple(reports)


def _deliver(
    channel: Channel,
    waiting: Sequence[Message],
    *,
    again: bool,
    sleep: Callable[[float], object],
    left: Callable[[], float],
) -> Report:
    delivered: list[str] = []
    failure: Undelivered | None = None
    for message in waiting:
        part = channel.part(message)
        found = None if part is None else _attempt(channel, part, PAUSES_S if again else (), sleep, left)
        if found is None or found.in_part:
            delivered.append(message.id)
        if found is None:
            continue
        failure = found
        if not found.lasting or left() <= 0:
            break  # the others would fare no better now
    return Report(channel.name, tuple(delivered), failure)


def _attempt(
    channel: Channel,
    message: Message,
    pauses: Sequence[float],
    sleep: Callable[[float], object],
    left: Callable[[], float],
) -> Undelivered | None:
    """Try once, and once more after each pause, where trying again makes sense."""
    for pause in (*pauses, None):
        try:
            channel.send(message)
            return None
        except Undelivered as error:
            wait = max(pause or 0.0, error.retry_after_s)
            if pause is None or error.lasting or wait > max(PAUSES_S) or wait >= left():
                return error
            sleep(wait)
    return None  # pragma: no cover - the last pause is None


def noted(
    book: Book, reports: Sequence[Report], *, now: datetime, known: frozenset[str]
) -> tuple[Book, tuple[str, ...]]:
    """Return the book after deliveries, and what a log says of it: channels that begin and end to fail, losses.

    Parameters
    ----------
    book
        As it is now: messages may have been added since the deliveries began.
    known
        Names of the channels that there are: what waits for others is dropped.
    """
    took = {(report.channel, identity) for report in reports for identity in report.delivered}
    said: list[str] = []
    outbox: list[Waiting] = []
    lost: dict[str, int] = {}
    for one in book.outbox:
        names = [name for name in one.channels if (name, one.message.id) not in took and name in known]
        if names and one.until <= now:
            lost.update({name: lost.get(name, 0) + 1 for name in names})
        elif names:
            outbox.append(replace(one, channels=tuple(names)))
    failing = {name: health for name, health in book.failing.items() if name in known}
    for report in reports:
        before = failing.pop(report.channel, None)
        if report.failure is not None:
            failing[report.channel] = _worse(before, report.failure, now)
            if before is None or before.why != report.failure.why:
                said.append(f"alerts: {report.channel} does not take messages: {report.failure.why}; they are kept.")
        elif before is not None:
            said.append(f"alerts: {report.channel} takes messages again.")
    said.extend(f"alerts: gave up {n} too old for {name}." for name, n in lost.items())
    return replace(book, outbox=tuple(outbox), failing=failing, lost=book.lost + sum(lost.values())), tuple(said)


def _worse(before: Health | None, failure: Undelivered, now: datetime) -> Health:
    attempts = 1 if before is None else before.attempts + 1
    pause = max(min(FIRST_S * 2 ** min(attempts - 1, 20), LONGEST_S), failure.retry_after_s)
    since = now if before is None else before.since
    return Health(since, failure.why, attempts, now + timedelta(seconds=pause))

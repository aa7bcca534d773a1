"""Who is told of a turn: causes into the book, messages into the outbox, and the outbox to the channels.

`tell` and `watch_failed` write to the disk and nowhere else, so a turn never waits for a chat; `deliver` sends.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cauce.core.alert_specs import AlertKind
from cauce.core.artefacts import Decision, Watched
from cauce.core.errors import Locked, UserError
from cauce.core.files import read_artefact, read_kept, write_artefact
from cauce.core.locks import hold
from cauce.core.specs import seconds
from cauce.loop.context import Loop
from cauce.loop.stages import Failure

if TYPE_CHECKING:
    from cauce import alert as room

BUDGET_S = 30.0
"""Longest that one round of deliveries begins new attempts, seconds."""
NOWHERE = ("0.0.0.0", "::")  # noqa: S104 - what is listened on is no address to link to
NEWEST = 100
"""Decisions that are looked through for those that were not told."""


class _Desk:
    """The book while it is being written to, and what a turn adds to it."""

    def __init__(self, loop: Loop, book: room.Book) -> None:
        self._loop, self.book = loop, book

    def take(self, model: str, causes: Sequence[room.Cause], judged: frozenset[AlertKind]) -> None:
        """Look up what is new, and put a message about it into the outbox."""
        from cauce import alert as room

        loop, spec, now = self._loop, self._loop.project.file.alert, self._loop.now()
        wanted = frozenset(spec.on)
        known = [one for one in self.book.open if one.cause.model in loop.project.file.models]
        opened, lines = room.look(
            [one for one in known if one.cause.kind in wanted],
            [cause for cause in causes if cause.kind in wanted],
            model=model,
            judged=judged,
            quiet=timedelta(seconds=seconds(spec.quiet)),
            remind=timedelta(seconds=seconds(spec.remind)),
            now=now,
        )
        self.book = replace(self.book, open=opened)
        if not lines:
            return
        about = loop.project.file.project
        link = link_to(loop, model)
        message = room.compose(lines, project=about.name, model=model, language=about.language, link=link, now=now)
        keep = timedelta(seconds=seconds(spec.keep))
        self.book = room.post(self.book, message, _channels(loop), keep=keep)


def tell(
    loop: Loop, model: str, watched: Watched | None, decision: Decision | None, outcome: Decision | None = None
) -> None:
    """Put what one turn came to into the outbox, where it is news.

    Decisions are taken from the record, so that those made by hand, and those of a turn that was killed, are told too.

    Parameters
    ----------
    watched
        What the look saw; None without a champion.
    decision
        What the policy said.
    outcome
        What was decided of a training.
    """
    from cauce import alert as room

    failure = read_artefact(loop.record(model) / "error.json", Failure)
    judged: set[AlertKind] = {"retrain", "promote", "roll back", "training", "watcher"}
    if watched is not None:
        judged |= {"signals", "fix data"}
    with _desk(loop) as desk:
        now_told = tuple(one for one in (decision, outcome) if one is not None)
        decided, newest = _decided(loop, model, desk.book.decided.get(model), now_told)
        text = None if failure is None else failure.text
        desk.take(model, room.of_turn(model, watched, decision, decided, failure=text), frozenset(judged))
        if newest is not None:
            desk.book = replace(desk.book, decided={**desk.book.decided, model: newest})


def watch_failed(loop: Loop, model: str, error: Exception) -> None:
    """Put into the outbox that a turn could not be finished, where that is news; never fails itself for want of a disk.

    Nothing else that is open is called over: nothing was seen of it.
    """
    from cauce import alert as room

    text = str(error) if isinstance(error, UserError) else None
    with suppress(UserError), _desk(loop) as desk:
        desk.take(model, [room.of_failed_watch(model, error, text)], frozenset({"watcher"}))


def deliver(loop: Loop, *, budget_s: float = BUDGET_S) -> tuple[str, ...]:
    """Send what waits in the outbox; return what a log should say of it. Another process that sends is left to it."""
    from cauce import alert as room

    channels, end = _channels(loop), time.monotonic() + budget_s
    known, said = frozenset(channel.name for channel in channels), list[str]()
    if not (read_kept(_path(loop), room.Book) or room.Book()).outbox:
        return ()
    with suppress(Locked), hold(loop.state.locks / "alerts.send.lock"):
        for channel in (*channels, None):  # once more at the end, for what is too old or waits for nobody
            wanted = [] if channel is None else [channel]
            book = read_kept(_path(loop), room.Book) or room.Book()
            left = lambda: end - time.monotonic()  # noqa: E731
            reports = room.send(book, wanted, now=loop.now(), sleep=time.sleep, left=left)
            if reports or channel is None:  # noted channel by channel: a crash repeats little
                with _desk(loop) as desk:
                    desk.book, told = room.noted(desk.book, reports, now=loop.now(), known=known)
                said.extend(told)
    return tuple(said)


def seconds_to_delivery(loop: Loop) -> float | None:
    """Return in how many seconds a delivery may be tried, 0 where at once; None where nothing waits."""
    from cauce import alert as room

    book = read_kept(_path(loop), room.Book) or room.Book()
    moment = room.due(book, _channels(loop))
    return None if moment is None else max(0.0, (moment - loop.now()).total_seconds())


def try_out(loop: Loop) -> dict[str, str | None]:
    """Send a test to every channel, whatever it is told of; return why each did not take it, None where it did."""
    from cauce import alert as room

    about, now = loop.project.file.project, loop.now()
    message = room.trial(project=about.name, language=about.language, link=link_to(loop, ""), now=now)
    results: dict[str, str | None] = {}
    for channel in _channels(loop):
        try:
            channel.send(message)
            results[channel.name] = None
        except room.Undelivered as error:
            results[channel.name] = error.why
    return results


def book_of(loop: Loop) -> room.Book:
    """Return what is open, what waits, and which channels fail."""
    from cauce import alert as room

    return read_kept(_path(loop), room.Book) or room.Book()


def channel_names(loop: Loop) -> tuple[str, ...]:
    """Return the names of the project's channels."""
    return tuple(channel.name for channel in _channels(loop))


def link_to(loop: Loop, model: str) -> str | None:
    """Return the address of the console at a model; None where nothing says how people reach it."""
    base = loop.project.file.alert.link or _listening(loop)
    anchor = f"#model-{model}" if model else ""
    return None if base is None else f"{base.rstrip('/')}/console{anchor}"


def _listening(loop: Loop) -> str | None:
    """Return where the service listens, or would by `[serve]`; None where that is no address to link to."""
    with suppress(FileNotFoundError):
        found = loop.state.address.read_text(encoding="ascii").strip()
        return None if urlsplit(found).hostname in NOWHERE else found
    served = loop.project.file.serve
    if served.port == 0 or served.host in NOWHERE:
        return None
    host = f"[{served.host}]" if ":" in served.host else served.host
    return f"{'https' if served.tls_certificate else 'http'}://{host}:{served.port}"


def _channels(loop: Loop) -> tuple[room.Channel, ...]:
    from cauce import alert as room

    return room.channels_of(loop.project.file.alert, env=os.environ, folder=loop.project.folder)


def _path(loop: Loop) -> Path:
    return loop.state.record / "alerts.json"


@contextmanager
def _desk(loop: Loop) -> Iterator[_Desk]:
    """Hold the book, and write it where it changed."""
    from cauce import alert as room

    with hold(loop.state.locks / "alerts.lock", wait_s=10.0):
        before = read_kept(_path(loop), room.Book) or room.Book()
        desk = _Desk(loop, before)
        yield desk
        if desk.book != before:
            write_artefact(_path(loop), desk.book)


def _decided(
    loop: Loop, model: str, known: str | None, now_told: Sequence[Decision]
) -> tuple[list[Decision], str | None]:
    """Return the decisions since the one told last, oldest first, and the newest one's id.

    The first turn of all tells its own alone: what was decided before anybody was to be told is no news.
    """
    from cauce import renew

    recorded = renew.read(loop.record(model), limit=NEWEST)
    newest = recorded[0].id if recorded else known
    mine = {decision.id for decision in now_told}
    ids = [decision.id for decision in recorded]
    if known in ids:
        fresh = recorded[: ids.index(known)]
    else:
        fresh = [one for one in recorded if one.id in mine or (known is not None and one.id > known)]
    return fresh[::-1], newest

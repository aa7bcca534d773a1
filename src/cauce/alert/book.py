"""Which alerts are open: what was told is told again only as a reminder, until it is over.

A pure state machine over looks: the same causes at the same times give the same lines, also when the state was
written to disk and read again between any two looks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cauce.alert.causes import Cause
from cauce.alert.message import Message
from cauce.alert.words import State
from cauce.core.alert_specs import AlertKind


@dataclass(frozen=True)
class Open:
    """An alert that was told and is not over."""

    cause: Cause
    """As it was last seen."""
    since: datetime
    seen: datetime
    """The newest look that saw it."""
    told: datetime
    """When it, or a reminder of it, was last told."""


@dataclass(frozen=True)
class Line:
    """One thing to tell now."""

    state: State
    cause: Cause
    since: datetime


@dataclass(frozen=True)
class Waiting:
    """A message on its way."""

    message: Message
    channels: tuple[str, ...]
    """Those that have not taken it yet."""
    until: datetime
    """When it is given up."""


@dataclass(frozen=True)
class Health:
    """How a channel fares, while it takes no messages."""

    since: datetime
    why: str
    attempts: int
    next_at: datetime
    """Before which it is left alone."""


@dataclass(frozen=True)
class Book:
    """All that alerts remember: `record/alerts.json`."""

    open: tuple[Open, ...] = ()
    decided: Mapping[str, str] = field(default_factory=dict)
    """Model → id of the newest decision that was told."""
    outbox: tuple[Waiting, ...] = ()
    failing: Mapping[str, Health] = field(default_factory=dict)
    """Channel → how it fails; those that work stand nowhere."""
    lost: int = 0
    """Messages that no attempt could deliver in time, counted for each channel."""


def look(
    known: Sequence[Open],
    causes: Sequence[Cause],
    *,
    model: str,
    judged: Collection[AlertKind],
    quiet: timedelta,
    remind: timedelta,
    now: datetime,
) -> tuple[tuple[Open, ...], tuple[Line, ...]]:
    """Take one look into the book and return it with what is to be told.

    Parameters
    ----------
    known
        All open alerts, those of other models too.
    causes
        What this look saw of `model`, one of each key.
    judged
        Kinds that this look could see: open alerts of others stay as they are.
    quiet
        How long a cause must be unseen before it is over; one that happens (`lasts` false) is told once in this time.
    remind
        After how long a cause that lasts is told again.

    Returns
    -------
    tuple[tuple[Open, ...], tuple[Line, ...]]
        A cause is told as `new` once; then as `again` every `remind`; then as `over` once.
    """
    before = {one.cause.key: one for one in known}
    seen = {cause.key: cause for cause in causes if cause.kind in judged}
    after: list[Open] = []
    lines: list[Line] = []
    for one in known:
        if one.cause.model != model or one.cause.kind not in judged or one.cause.key in seen:
            if one.cause.key not in seen:
                after.append(one)
            continue
        if now - one.seen < quiet:
            after.append(one)
        elif one.cause.lasts:
            lines.append(Line("over", one.cause, one.since))
    for key, cause in seen.items():
        found = before.get(key)
        if found is None or (not found.cause.lasts and now - found.told >= quiet):
            lines.append(Line("new", cause, now))
            after.append(Open(cause, since=now, seen=now, told=now))
            continue
        told = found.told
        if cause.lasts and now - told >= remind:
            lines.append(Line("again", cause, found.since))
            told = now
        after.append(Open(cause, since=found.since, seen=now, told=told))
    order = {"new": 0, "again": 1, "over": 2}
    return tuple(after), tuple(sorted(lines, key=lambda line: order[line.state]))

"""What is written to people: one message for all that a turn has to tell of a model, in the project's language.

Column names, categories and reasons come from data that anybody may have written: control characters and what
changes the direction of writing are taken out here, what a channel would read as its own markup where it is written.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cauce.alert.words import STATES, State, say
from cauce.core.alert_specs import AlertKind
from cauce.core.figures import Language, duration
from cauce.core.names import uuid7

if TYPE_CHECKING:
    from cauce.alert.book import Line

MOST_LINES = 10
LONGEST = 500
"""Characters of one title or reason."""


@dataclass(frozen=True)
class Told:
    """One line of a message."""

    state: State
    kind: AlertKind
    title: str
    reason: str
    note: str
    """What its state means: ``"over, after 3 hours"``; empty for what is new."""


@dataclass(frozen=True)
class Message:
    """What is sent, the same to every channel but for the lines that one does not want."""

    id: str
    at: datetime
    project: str
    model: str
    language: Language
    lines: tuple[Told, ...]
    more: int
    """Lines that were left out."""
    link: str | None

    @property
    def title(self) -> str:
        """One line for a subject."""
        first, others = self.lines[0], len(self.lines) - 1 + self.more
        titles = say("titles", self.language, first.title, others) if others else first.title
        if first.state != "new":
            titles = say(first.state, self.language, titles)
        about = f"{self.model}: " if self.model else ""
        return f"[{self.project}] {about}{titles}"

    @property
    def body(self) -> str:
        """All lines as plain text, the link last."""
        parts = [f"{headed(line)}\n{line.reason}" for line in self.lines]
        if self.more:
            parts.append(say("more", self.language, self.more))
        if self.link:
            parts.append(self.link)
        return "\n\n".join(parts)


def headed(line: Told) -> str:
    """Return a line's title, with what its state means."""
    return f"{line.title} ({line.note})" if line.note else line.title


def compose(
    lines: Sequence[Line], *, project: str, model: str, language: Language, link: str | None, now: datetime
) -> Message:
    """Put the lines of one turn into one message; there is at least one."""
    told = tuple(
        Told(
            line.state,
            line.cause.kind,
            clean(line.cause.title[language]),
            clean(line.cause.reason[language]),
            "" if line.state == "new" else _note(line, language, now),
        )
        for line in lines[:MOST_LINES]
    )
    identity = uuid7(int(now.timestamp() * 1000))
    return Message(identity, now, project, model, language, told, max(0, len(lines) - MOST_LINES), link)


def _note(line: Line, language: Language, now: datetime) -> str:
    if line.state == "again":
        return STATES["again"][language].format(f"{line.since:%Y-%m-%d %H:%M} UTC")
    return STATES["over"][language].format(duration((now - line.since).total_seconds())[language == "es"])


def clean(text: str, longest: int = LONGEST) -> str:
    r"""Return a text as one line without control characters, at most `longest` characters.

    Examples
    --------
    >>> clean("age\r\nBcc: all@academy.example\x00")
    'age Bcc: all@academy.example'
    """
    kept = "".join(letter if not unicodedata.category(letter).startswith(("C", "Z")) else " " for letter in text)
    one = " ".join(kept.split())
    return one if len(one) <= longest else one[: longest - 1] + "…"


def trial(*, project: str, language: Language, link: str | None, now: datetime) -> Message:
    """Return the message of `cauce alert test`."""
    line = Told("new", "watcher", say("test", language), say("test_reason", language), "")
    return Message(uuid7(int(now.timestamp() * 1000)), now, project, "", language, (line,), 0, link)

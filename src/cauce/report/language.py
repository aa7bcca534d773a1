"""Words, numbers and times as each language writes them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from cauce.core.artefacts import Words
from cauce.core.figures import Language as Code
from cauce.core.figures import figures, number

CODES: tuple[Code, ...] = ("en", "es")
DASH = "–"


@dataclass(frozen=True)
class Language:
    """One language: its words, and how it writes numbers and times.

    Parameters
    ----------
    code
        ISO 639-1.
    words
        Key → text, with ``{0}``, ``{1}`` for what is filled in.
    """

    code: Code
    words: dict[str, str]

    def say(self, key: str, *values: object) -> str:
        """Return a text of words/, with `values` filled in. KeyError for an unknown key: our bug."""
        return self.words[key].format(*values)

    def knows(self, key: str) -> bool:
        """Whether there is a text under `key`."""
        return key in self.words

    def of(self, words: Words) -> str:
        """Return this language's text of an artefact, or the English one where a room gave no other."""
        return words.get(self.code) or words.get("en", "")

    def count(self, number: int) -> str:
        """Write a whole number: ``12,345``, in Spanish with a thin space from five digits on."""
        return figures(f"{number:,}", self.code)

    def number(self, value: float | None, *, digits: int = 3) -> str:
        """Write a number with `digits` significant digits."""
        if value is None or not math.isfinite(value):
            return DASH
        return number(float(value), self.code, digits=digits)

    def percent(self, share: float | None, decimals: int = 1) -> str:
        """Write a share of one as a percentage."""
        if share is None or not math.isfinite(share):
            return DASH
        return figures(f"{100 * share:.{decimals}f}%", self.code)

    def short_percent(self, share: float) -> str:
        """Write a setting as a percentage, without decimals that say nothing: ``1%``, ``2.5%``."""
        return self.percent(share, 0 if round(share * 1000) % 10 == 0 else 1)

    def signed_percent(self, share: float | None) -> str:
        """Write a difference as a percentage with its sign; beyond ten times, that it is beyond."""
        if share is None or not math.isfinite(share):
            return DASH
        beyond, share = abs(share) > 9.99, max(-9.99, min(9.99, share))
        text = f"{'+' if share > 0 else ''}{self.percent(share, 0 if beyond else 1)}"
        return f"{'>' if share > 0 else '<'}\u00a0{text}" if beyond else text

    def duration(self, seconds: float | None) -> str:
        """Write seconds: ``0.4 s``, ``3.2 min``, ``1.5 h``, from three days on ``7.0 d``."""
        if seconds is None:
            return DASH
        if seconds < 0.05:
            return f"< {figures('0.1', self.code)}\u00a0s" if seconds else "0\u00a0s"
        if seconds >= 3 * 86_400:
            return f"{figures(f'{seconds / 86_400:.1f}', self.code)}\u00a0d"
        for unit, size in (("h", 3600.0), ("min", 60.0), ("s", 1.0)):
            if seconds >= 1.5 * size or unit == "s":
                return f"{figures(f'{seconds / size:.1f}', self.code)}\u00a0{unit}"
        raise AssertionError  # pragma: no cover - the last unit takes everything

    def size(self, n_bytes: int | None) -> str:
        """Write a number of bytes: ``512 B``, ``2.6 kB``, ``1.3 MB``, of 1,000 and 1,000,000 bytes."""
        if n_bytes is None:
            return DASH
        for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
            if n_bytes >= size:
                return f"{figures(f'{n_bytes / size:.1f}', self.code)}\u00a0{unit}"
        return f"{n_bytes}\u00a0B"

    def moment(self, at: datetime | None) -> str:
        """Write a time, in UTC."""
        if at is None:
            return DASH
        at = at.astimezone(UTC)
        month = self.words["months"].split(" ")[at.month - 1]
        return f"{at.day} {month} {at.year}, {at:%H:%M} UTC"

    def ago(self, at: datetime | None, now: datetime) -> str:
        """Say how long before `now` a time was, in its largest unit."""
        if at is None:
            return DASH
        seconds = (now - at).total_seconds()
        if seconds < 60:
            return self.say("ago_now")
        for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
            n_units = int(seconds // size)
            if n_units:
                return self.say(f"ago_{unit}_one") if n_units == 1 else self.say(f"ago_{unit}", self.count(n_units))
        raise AssertionError  # pragma: no cover - a minute at least is left

    def some(self, key: str, count: int) -> str:
        """Return the text for one or for many: ``key_one`` or ``key``, with the count filled in."""
        return self.say(f"{key}_one" if count == 1 else key, self.count(count))


@cache
def speak(code: str) -> Language:
    """Return a language; any but Spanish is English."""
    known: Code = "es" if code == "es" else "en"
    path = Path(__file__).parent / "words" / f"{known}.json"
    return Language(known, json.loads(path.read_text(encoding="utf-8")))

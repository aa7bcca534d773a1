"""A frequent value that no row has any more: whether its rows went missing, or others came in their place.

The rows that come cannot tell; how many come can. Where a feed breaks, the other rows keep their rate and the total
falls by the value's. Where the population changes, the traffic moves to other values, or the value fades.

The newest weeks of a silence, or all of one that is shorter, are held against stretches as long before it, whole weeks
apart: the same hours of the same days. M of them give a mean and a spread s, so bursts, nights and weekends are in the
spread, or in the phase, and need no model. Taking the stretches for exchangeable and near normal, the mean of k more of
them lies below ``mean - t s sqrt(1/k + 1/M)`` with chance alpha, t being Student's quantile with M - 1 degrees of
freedom (a prediction interval). A fault is claimed where all of this holds:

1. the silence is longer than twice the value's longest gap so far: so a value is called silent by chance once
   at most in each doubling of that gap, whatever the law of its arrivals;
2. none of the value's rows is what chance gives in such a stretch, at `RISK` (1 - confidence) / values watched;
3. shortly before, the value came at least half as often as usual: it stopped and did not fade;
4. that half of its rows or more came with another value is ruled out, at a tenth of 1 - confidence: then the others
   would be what the others and half of the value's rows were in the stretches, whose sum has a spread of its own;
5. nor have the other rows fallen by half of the value's rows, or of their own.

Where 1 and 2 hold alone, a signal says that it cannot be told, or that the traffic moved; nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Signal
from cauce.watch import words
from cauce.watch.drift.counts import Counts
from cauce.watch.drift.flow import FREQUENT, Flow, Value

WEEK = 604_800
LONGER = 2
"""Times the value's longest gap that a silence must last at least."""
FEWEST, MOST = 8, 26
"""Stretches that a silence is held against: at least, and at most, the newest ones."""
NEWEST = 4
"""Weeks of a silence that speak, the newest ones: neighbours are alike, so that more would seem to say too much."""
RISK = 0.05
"""Share of the watch's risk that silences get, beside what the other signals share."""
MOVED = 0.1
"""Share of the watch's risk that rows which moved are taken for missing ones: of one value that really stopped."""
BEFORE = 20
"""Rows of the value, at its usual share, that the stretch before a silence must have had for a fade to show."""

Verdict = Literal["fault", "moved", "faded", "unsure"]


class Silence(NamedTuple):
    """One value that stopped, or several of one column together."""

    column: str
    labels: tuple[str, ...]
    since: datetime
    share: float
    """Of all rows, in the stretches that it is held against."""
    missing: float
    """Rows that usually come in as long a time."""
    error: float
    """Half the width of the 95 % prediction interval of that."""
    others: tuple[float, float]
    """The other rows in a stretch on average, before and in the silence."""
    verdict: Verdict


def signals(flow: Flow, watched: Sequence[Value], *, risk: float) -> tuple[Signal, ...]:
    """Return a signal for every column of which a frequent value stopped; alarming where its rows are missing.

    Parameters
    ----------
    watched
        What is frequent at training (`flow.frequent`).
    risk
        1 minus the watch's confidence.
    """
    return tuple(
        Signal(
            "missing_partition",
            each.column,
            each.share,
            FREQUENT,
            each.verdict == "fault",
            words.missing_partition(
                each.column,
                each.labels,
                since=each.since,
                missing=(each.missing, each.error),
                others=each.others,
                verdict=each.verdict,
            ),
            each.since,
        )
        for each in silences(flow, watched, risk=risk)
    )


def silences(flow: Flow, watched: Sequence[Value], *, risk: float) -> tuple[Silence, ...]:
    """Return what stopped beyond chance, a column once, the largest share first; see `signals`."""
    values = [value for value in watched if value in flow.values]
    stopped: dict[str, list[str]] = {}
    for column, label in values:
        counts = flow.values[column, label]
        held = _stretches(counts, WEEK // flow.width)
        if held is None:
            continue
        mean, error = held.predicted(counts, risk * RISK / len(values))
        if mean >= error:
            stopped.setdefault(column, []).append(label)
    found = [_judge(flow, column, labels, risk * MOVED) for column, labels in stopped.items()]
    return tuple(sorted((each for each in found if each and each.share >= FREQUENT), key=lambda each: -each.share))


class _Stretches(NamedTuple):
    """A silence that lasts until the newest whole bucket, and the stretches that it is held against."""

    start: int
    """First bucket of the silence."""
    end: int
    """The bucket after its last: the one that is not over."""
    least: int
    """Buckets from which on it was long enough to be one."""
    size: int
    """Buckets of a stretch."""
    k: int
    """Stretches in the silence that speak, the newest ones."""
    begins: tuple[int, ...]
    """Of the stretches before."""

    def now(self, counts: Counts) -> float:
        """Return the rows in a stretch of the silence."""
        return float(counts[self.end - self.k * self.size : self.end].sum()) / self.k

    def predicted(self, counts: npt.NDArray[Any], alpha: float) -> tuple[float, float]:
        """Return the mean, and how far below it that of `k` more lies by chance `alpha`; a spread is a row at least."""
        from scipy.stats import t

        seen = np.array([counts[at : at + self.size].sum() for at in self.begins])
        spread = max(1.0, float(seen.std(ddof=1))) * np.sqrt(1 / self.k + 1 / len(seen))
        return float(seen.mean()), float(t.isf(alpha, len(seen) - 1) * spread)


def _stretches(counts: Counts, week: int) -> _Stretches | None:
    """Return the silence at the end of a value's counts; None where it is short, or too little is known."""
    came, end = np.flatnonzero(counts), len(counts) - 1
    if not len(came) or came[-1] == end:
        return None
    start, gap = int(came[-1]) + 1, int(np.diff(came, prepend=-1).max())  # of g empty buckets between rows: g + 1
    n = end - start
    if n < LONGER * gap:
        return None
    size, k = min(n, week), min(max(1, n // week), NEWEST)
    newest = end - size - -(-n // week) * week  # the newest one that was over when the silence began
    begins = tuple(range(newest, -1, -week))[:MOST]
    return _Stretches(start, end, LONGER * gap, size, k, begins) if len(begins) >= FEWEST else None


def _judge(flow: Flow, column: str, labels: Sequence[str], alpha: float) -> Silence | None:
    """Say of a column's silent values, taken together from when the last of them stopped, where their rows went."""
    parts = [flow.values[column, label] for label in labels]
    known = min(len(part) for part in parts)
    total, stopped = flow.total[-known:], np.sum([part[-known:] for part in parts], axis=0)
    held = _stretches(stopped, WEEK // flow.width)
    if held is None:
        return None
    others = total - stopped
    mean, error = held.predicted(stopped, 0.025)
    (rest, _), (half, spread) = (held.predicted(each, alpha) for each in (others, others + stopped / 2))
    now, share = held.now(others), mean / (rest + mean)
    verdict: Verdict = "unsure"
    if now - half >= spread:
        verdict = "moved"
    elif _faded(total, stopped, held, share):
        verdict = "faded"
    elif half - now >= spread and now >= rest - min(mean, rest) / 2:
        verdict = "fault"
    n = held.end - held.start
    since = datetime.fromtimestamp((flow.first + len(flow.total) - 1 - n) * flow.width, UTC)
    times = n / held.size
    return Silence(column, tuple(labels), since, share, mean * times, error * times, (rest, now), verdict)


def _faded(total: Counts, stopped: Counts, held: _Stretches, share: float) -> bool:
    """Whether the value came less than half as often as usual, shortly before it stopped."""
    start = max(0, held.start - held.least)
    while start > 0 and share * total[start : held.start].sum() < BEFORE:
        start -= 1
    return bool(stopped[start : held.start].sum() < share * total[start : held.start].sum() / 2)

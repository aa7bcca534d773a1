"""A frequent value that no row has any more: whether its rows went missing, or others came in their place.

The rows that come cannot tell; how many come can. Where a feed breaks, the other rows keep their rate and the total
falls by the value's. Where the population changes, the traffic moves to other values, or the value fades.

A silence of length L is held against stretches of the same length that ended before it, each whole weeks apart (whole
days where there are too few weeks): the same hours of the same days. M of them give a mean and a spread s, so bursts,
nights and weekends are in the spread, or in the phase, and need no model. Taking the stretches for exchangeable and
near normal, one more of them lies below ``mean - t s sqrt(1 + 1/M)`` with chance alpha, t being Student's quantile with
M - 1 degrees of freedom (a prediction interval). A fault is claimed where all of this holds:

1. the silence is longer than twice the value's longest gap so far: so a value is called silent by chance once
   at most in each doubling of that gap, whatever the law of its arrivals;
2. none of the value's rows is what chance gives in such a stretch, at `RISK` (1 - confidence) / values watched;
3. shortly before, the value came at least half as often as usual: it stopped and did not fade;
4. that half of its rows or more came with another value is ruled out, at a tenth of 1 - confidence;
5. nor have the other rows fallen by half of the value's rows, or of their own.

Where 1 and 2 hold alone, a signal says that it cannot be told, or that the traffic moved; nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple

import numpy as np

from cauce.core.artefacts import Signal
from cauce.watch import words
from cauce.watch.drift.counts import Counts
from cauce.watch.drift.flow import FREQUENT, Flow, Value

DAY, WEEK = 86_400, 604_800
LONGER = 2
"""Times the value's longest gap that a silence must last at least."""
FEWEST, MOST = 8, 26
"""Stretches that a silence is held against: at least, and at most, the newest ones."""
RISK = 0.05
"""Share of the watch's risk that silences get, beside what the other signals share."""
MOVED = 0.1
"""Share of the watch's risk that rows which moved are taken for missing ones: of one value that really stopped."""
BEFORE = 20
"""Rows of the value, at its usual share, that the stretch before a silence must have had for a fade to show."""

Verdict = Literal["fault", "moved", "faded", "unsure"]


class Silence(NamedTuple):
    """One value that stopped, or several of one column together."""

    column: str | None
    """None: no row came at all."""
    labels: tuple[str, ...]
    since: datetime
    share: float
    """Of all rows, in the stretches that it is held against."""
    missing: float
    """Rows that such a stretch has on average."""
    error: float
    """Half the width of the 95 % prediction interval of that."""
    others: tuple[float, float]
    """The other rows in such a stretch on average, and now."""
    verdict: Verdict


def signals(flow: Flow, watched: Mapping[Value, int], *, risk: float, now: datetime) -> tuple[Signal, ...]:
    """Return a signal for every column of which a frequent value stopped; alarming where its rows are missing.

    Parameters
    ----------
    watched
        What is frequent at training (`flow.frequent`).
    risk
        1 minus the watch's confidence.
    now
        Of the look, with a zone: whether any row comes at all.
    """
    found = silences(flow, watched, risk=risk, now=now)
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
        for each in found
    )


def silences(flow: Flow, watched: Mapping[Value, int], *, risk: float, now: datetime) -> tuple[Silence, ...]:
    """Return what stopped beyond chance, a column once, the largest share first; see `signals`."""
    values = [value for value in watched if value in flow.values]
    alone = risk * RISK / (len(values) + 1)
    open_ = len(flow.total) - 1  # the newest bucket is not over
    stopped: dict[str, list[tuple[Value, _Stretches]]] = {}
    for value in values:
        counts = flow.values[value]
        held = _stretches(counts[:open_], flow.width) if open_ > 0 and not counts[open_] else None
        if held is not None and held.beyond(counts, alone):
            stopped.setdefault(value[0], []).append((value, held))
    found = [_judge(flow, parts, risk * MOVED) for parts in stopped.values()]
    reached = int(now.timestamp()) // flow.width - flow.first
    if 0 < len(flow.total) < reached:
        total = np.concatenate([flow.total, np.zeros(reached - len(flow.total), np.int64)])
        held = _stretches(total, flow.width)
        if held is not None and held.beyond(total, alone):
            mean, error = held.predicted(total, 0.025)
            since = _moment(flow, held.start)
            found.append(Silence(None, (), since, 1.0, mean, error, (0.0, 0.0), "fault"))
    return tuple(sorted((each for each in found if each.share >= FREQUENT), key=lambda each: -each.share))


class _Stretches(NamedTuple):
    """A silence and the stretches before it that it is held against."""

    start: int
    """Its first bucket."""
    n: int
    """Its buckets."""
    least: int
    """Buckets from which on it was long enough to be one."""
    begins: tuple[int, ...]

    def of(self, counts: Counts) -> Counts:
        """Return the rows in each stretch."""
        return np.array([counts[at : at + self.n].sum() for at in self.begins])

    def predicted(self, counts: Counts, alpha: float) -> tuple[float, float]:
        """Return mean, and how far below it one more stretch lies with chance `alpha`; a spread is a row at least."""
        from scipy.stats import t

        seen = self.of(counts)
        m = len(seen)
        spread = max(1.0, float(seen.std(ddof=1))) * np.sqrt(1 + 1 / m)
        return float(seen.mean()), float(t.isf(alpha, m - 1) * spread)

    def beyond(self, counts: Counts, alpha: float) -> bool:
        """Whether no row at all is less than chance gives."""
        mean, error = self.predicted(counts, alpha)
        return mean >= error


def _stretches(counts: Counts, width: int) -> _Stretches | None:
    """Return the silence at the end of a value's counts; None where it is short, or too little is known."""
    known = int(np.argmax(counts >= 0)) if len(counts) and counts.max() >= 0 else len(counts)
    came = known + np.flatnonzero(counts[known:] > 0)
    if not len(came):
        return None
    start = int(came[-1]) + 1
    gap = int(np.diff(np.concatenate([[known - 1], came])).max())  # of g empty buckets between rows: g + 1
    n = len(counts) - start
    if n < LONGER * gap:
        return None
    for period in (WEEK, DAY):
        step = -(-n * width // period) * period // width
        begins = list(range(start - step, known - 1, -step))[:MOST]
        if len(begins) >= FEWEST and (start - known) * width >= 2 * WEEK:
            return _Stretches(start, n, LONGER * gap, tuple(begins))
    return None


def _judge(flow: Flow, parts: list[tuple[Value, _Stretches]], alpha: float) -> Silence:
    """Say of a column's silent values, taken together from when the last of them stopped, where their rows went."""
    held = min((each for _, each in parts), key=lambda each: each.n)
    stopped = sum((np.maximum(flow.values[value], 0) for value, _ in parts), np.zeros_like(flow.total))
    others = flow.total - stopped
    mean, error = held.predicted(stopped, 0.025)
    total, _ = held.predicted(flow.total, alpha)
    rest, spread = held.predicted(others, alpha)
    spread = max(spread, held.predicted(flow.total, alpha)[1])
    now = float(others[held.start : held.start + held.n].sum())
    share = mean / total if total else 0.0
    verdict: Verdict = "unsure"
    if now - (rest + mean / 2) >= spread:
        verdict = "moved"
    elif _faded(flow.total, stopped, held, share):
        verdict = "faded"
    elif rest + mean / 2 - now >= spread and now >= rest - min(mean, rest) / 2:
        verdict = "fault"
    labels = tuple(label for (_, label), _ in parts)
    return Silence(parts[0][0][0], labels, _moment(flow, held.start), share, mean, error, (rest, now), verdict)


def _faded(total: Counts, stopped: Counts, held: _Stretches, share: float) -> bool:
    """Whether the value came less than half as often as usual, shortly before it stopped."""
    start = max(0, held.start - held.least)
    while start > 0 and share * total[start : held.start].sum() < BEFORE:
        start -= 1
    return bool(stopped[start : held.start].sum() < share * total[start : held.start].sum() / 2)


def _moment(flow: Flow, bucket: int) -> datetime:
    return datetime.fromtimestamp((flow.first + bucket) * flow.width, UTC)

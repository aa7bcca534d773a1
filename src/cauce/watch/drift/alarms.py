"""Alarms that may be looked at at any time: evidence that grows row by row and keeps its error whenever one looks.

The setting. Training left counts of n rows in k bins; predictions come one by one; nobody says when to look, or when a
drift begins. For every event (a set of bins, `events.py`) training gives an upper limit u of its share p. One bets
against "p is at most u" at odds: a row in the event multiplies the stake by ``t/u``, any other by ``(1-t)/(1-u)``,
for some t above u.

Why it is valid. The expected factor is ``p t/u + (1-p)(1-t)/(1-u)``; it grows with p and is 1 at p = u. So while the
limits hold and the rows are a sample of training's population, the stake is a nonnegative supermartingale, for any t,
row by row. As drift may begin at any time, a new stake joins at moments that do not depend on the rows' values; their
sum R is an e-detector (Shin, Ramdas and Rinaldo 2023; after Shiryaev and Roberts): R minus all that was staked is a
supermartingale. Stakes are paid in *days*: one at the begin, then as much as the time that went by between the rows.
Averaged over events and odds, and added up over columns with weights w (sum 1), E[R] is at most 1 + days at every
stopping time, that is, whenever one looks. A column alarms at ``R_column >= 1 / (w_column * risk)``; then the weighted
sum is at least 1/risk. So the chance of any false alarm within d days is at most ``risk * (1 + d)``, and the mean time
to the first is at least ``1/risk - 1`` days, over all columns together, for every traffic and every rhythm of looks.

What it rests on: rows that are independent given the population, and limits that hold, which all do together with
probability ``1 - risk`` over the draws of the training set (Clopper-Pearson, exact for small training sets too). With
few training rows the limits are wide, and it takes more rows to be sure: this is paid in delay, not in false alarms.

What a stake remembers is one logarithm per event and odds; the state is small, merges no rows, and is kept as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cauce.watch.drift.counts import Counts, Floats
from cauce.watch.drift.events import Events

ODDS = (1.3, 2.0, 4.0, 16.0)
"""Odds of an event under each bet, as multiples of its odds at the limit: slow and sure to fast."""
LOWEST = -700.0
"""Stakes below ``exp(LOWEST)`` are lost."""


class Bets:
    """The bets against one column's events.

    Parameters
    ----------
    events
        With their limits.

    Attributes
    ----------
    hit, miss
        Logarithms of what a row in an event, and one outside, makes of each stake, shape (n_events, n_odds).
    """

    def __init__(self, events: Events) -> None:
        self.members = events.members.astype(np.float64)
        limit = np.clip(events.at_most, 1e-12, 1.0)[:, None]
        able = limit < 1 - 1e-12
        safe = np.where(able, limit, 0.5)
        odds = np.asarray(ODDS)[None, :] * safe / (1 - safe)
        share = odds / (1 + odds)
        self.hit: Floats = np.where(able, np.log(share / safe), 0.0)
        self.miss: Floats = np.where(able, np.log((1 - share) / (1 - safe)), 0.0)

    @property
    def shape(self) -> tuple[int, int]:
        """(events, odds)."""
        return (len(self.members), len(ODDS))

    def growth(self, counts: Counts) -> Floats:
        """Return the logarithm of what rows make of each stake.

        Parameters
        ----------
        counts
            Rows in each bin, shape (..., n_bins).

        Returns
        -------
        Floats
            Shape (..., n_events, n_odds).
        """
        hits = counts @ self.members.T
        misses = counts.sum(axis=-1, keepdims=True) - hits
        return np.asarray(hits[..., None] * self.hit + misses[..., None] * self.miss, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Stakes:
    """The running stakes of one column."""

    logs: Floats
    """Logarithms of the stakes when the open stretch began, shape (n_events, n_odds)."""
    counts: Counts
    """Rows of the open stretch in each bin, shape (n_bins,)."""

    @classmethod
    def begin(cls, bets: Bets) -> Stakes:
        """Return stakes of one day in all, no rows seen."""
        return cls(np.zeros(bets.shape), np.zeros(bets.members.shape[1], dtype=np.int64))

    def seen(self, counts: Counts) -> Stakes:
        """Return the stakes with more rows in the open stretch."""
        return Stakes(self.logs, self.counts + counts)

    def staked(self, bets: Bets, days: float) -> Stakes:
        """Close the open stretch and stake `days` anew."""
        grown = self.logs + bets.growth(self.counts)
        fresh = np.log(days) if days > 0 else -np.inf
        return Stakes(np.maximum(np.logaddexp(grown, fresh), LOWEST), np.zeros_like(self.counts))

    def evidence(self, bets: Bets) -> float:
        """Return the natural logarithm of R, now."""
        return log_mean(self.logs + bets.growth(self.counts))

    def to_plain(self) -> dict[str, Any]:
        """Return the stakes as what JSON can hold; six digits of a logarithm."""
        return {"logs": np.round(self.logs, 6).tolist(), "counts": self.counts.tolist()}

    @classmethod
    def from_plain(cls, plain: dict[str, Any], bets: Bets) -> Stakes | None:
        """Read what `to_plain` gave; None where it does not fit the bets."""
        logs, counts = np.asarray(plain["logs"], np.float64), np.asarray(plain["counts"], np.int64)
        fits = logs.shape == bets.shape and counts.shape == (bets.members.shape[1],)
        return cls(logs, counts) if fits else None


def log_mean(logs: npt.NDArray[np.float64]) -> float:
    """Return the logarithm of the mean of the stakes whose logarithms these are."""
    if not logs.size:
        return 0.0
    top = float(logs.max())
    return top + float(np.log(np.mean(np.exp(logs - top))))


def weights(names: list[str], importance: dict[str, float], *, floor: float = 0.3) -> dict[str, float]:
    """Share out the error among columns by what each means to the model; they add up to 1.

    A column of weight w needs ``1/w`` times the evidence, which is ``log(1/w)`` more in logarithms: what the model does
    not use is heard late, never left out.

    Parameters
    ----------
    names
        Columns.
    importance
        Column → share of the model's use; those absent have none.
    floor
        Share of the error that all columns get alike.

    Examples
    --------
    >>> weights(["a", "b"], {"a": 1.0})
    {'a': 0.85, 'b': 0.15}
    >>> weights(["a", "b"], {})
    {'a': 0.5, 'b': 0.5}
    """
    used = {name: max(0.0, importance.get(name, 0.0)) for name in names}
    total = sum(used.values())
    if total <= 0:
        return {name: 1 / len(names) for name in names}
    return {name: (1 - floor) * used[name] / total + floor / len(names) for name in names}


@dataclass(frozen=True, eq=False)
class Alarms:
    """The stakes of all columns of a release, and how far they have seen: kept between looks."""

    version: int
    risk: float
    """Chance of a false alarm a day that they were made for."""
    cursor: str = ""
    """The newest prediction id that was counted."""
    at: str = ""
    """When it was made, ISO 8601."""
    n_rows: int = 0
    """Rows counted so far."""
    stakes: dict[str, Stakes] = field(default_factory=dict)
    """Stream → stakes. A stream is ``drift:<column>`` or ``<kind of fault>:<column>``."""

"""What can happen to a column: events, each a set of bins, and how often each may have happened at training at most.

Everything that a column can do is seen as rows that fall into a set of bins more often than at training. So a shift,
a change of spread, a category that grows, and missing values are one thing, and one test (`alarms.py`) serves all.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.watch.drift.counts import Counts, Floats

TAILS = 3
"""Outermost bins on either side that count as both tails together, from one up to so many."""


class Events(NamedTuple):
    """Sets of bins, and the largest share of rows that training leaves possible for each."""

    members: npt.NDArray[np.bool_]
    """Which bins each event holds, shape (n_events, n_bins)."""
    at_most: Floats
    """Upper limits of their shares, shape (n_events,), all right together with the stated confidence."""


def of_column(reference: Counts, *, ordered: bool, risk: float, chosen: int = 0) -> Events:
    """Return the events of a column's bins.

    Every bin alone; of bins in an order also all up to each of them, and both tails together; and the complement of
    each, since less of one is more of the other.

    Parameters
    ----------
    reference
        Rows of training in each bin that holds a value, shape (n_bins,); the last is `other`.
    ordered
        Whether the bins but the last stand in rising order.
    risk
        That any limit is wrong.
    chosen
        How many of the values in bins of their own were chosen for being frequent in the counted rows: see `choices`.
    """
    k = len(reference)
    sets = [np.arange(k) == b for b in range(k)]
    if ordered:
        own = k - 1
        sets += [np.arange(k) <= b for b in range(1, own - 1)]
        places = np.arange(k)
        sets += [(places < j) | ((places >= own - j) & (places < own)) for j in range(1, TAILS + 1) if 2 * j < own]
    members = np.unique(np.stack(sets), axis=0)
    members = np.unique(np.concatenate([members, ~members]), axis=0)
    members = members[members.any(axis=1) & ~members.all(axis=1)]
    happened, n = members @ reference, int(reference.sum())
    logs = np.full(len(members), np.log(risk / max(1, len(members))))
    if chosen:
        size = members.sum(axis=1)
        one = np.where(size == 1, ~members[:, -1], (size == k - 1) & members[:, -1])  # one value, or all but one
        logs -= np.where(one, choices(n, 1), choices(n, chosen))
    return Events(members, upper_limits(happened, n, log_risk=logs))


def choices(n: int, chosen: int) -> float:
    """Return the logarithm of in how many ways `chosen` of n counted rows could have named the values with own bins.

    A value that was frequent by luck gets a bin of its own, and `other` is what is left: their shares among the same
    rows are then no fair guess. But whatever was chosen, few of the rows name it (a compression scheme: Littlestone and
    Warmuth 1986), so a limit that holds for every choice at once needs the risk shared among so many.
    """
    from scipy.special import gammaln

    k = min(chosen, n)
    return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def of_share(before: tuple[int, int], *, risk: float, chosen: int = 0) -> Events:
    """Return the events of a share: more, and less, rows of a kind; bins are (of the kind, not of it).

    Parameters
    ----------
    before
        (rows of the kind, all rows) at training.
    risk
        That either limit is wrong.
    chosen
        As of `of_column`, where the rows of the kind are those of no chosen value.
    """
    members = np.array([[True, False], [False, True]])
    happened = np.array([before[0], before[1] - before[0]])
    return Events(members, upper_limits(happened, before[1], log_risk=np.log(risk / 2) - choices(before[1], chosen)))


def upper_limits(happened: Counts, n: int, *, log_risk: float | Floats) -> Floats:
    """Return upper limits of shares (Clopper and Pearson 1934): exact for every n.

    Parameters
    ----------
    happened
        Rows of each event among n, shape (n_events,).
    log_risk
        Logarithm of the risk that a limit is wrong: of all, or of each.

    Notes
    -----
    They also hold for bins whose edges are order statistics of the counted rows, as ours are: the population's share
    below the j-th of n sorted values has the law Beta(j, n - j + 1) (Wilks 1941), whose limits these are.

    Examples
    --------
    >>> upper_limits(np.array([0, 5, 10]), 10, log_risk=np.log(0.05)).round(3).tolist()
    [0.259, 0.778, 1.0]
    """
    from scipy.special import betainccinv

    if n == 0:
        return np.ones(len(happened))
    inside = np.minimum(happened, n - 1)
    limits = betainccinv(inside + 1.0, (n - inside).astype(np.float64), np.exp(log_risk))
    return np.where(happened >= n, 1.0, np.asarray(limits, dtype=np.float64))

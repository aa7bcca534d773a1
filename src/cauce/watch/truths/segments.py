"""Losses by segment and by sensitive group: where the model has become worse for some, though not for all.

A segment is one value of a category or sensitive column, as `profile.grouping` cuts it. Each is held against its own
losses on the rows held out at training.
"""

from __future__ import annotations

import math

import numpy as np

from cauce.core.artefacts import SegmentFigure, Signal
from cauce.watch.truths import words
from cauce.watch.truths.estimate import Expectation, Moments
from cauce.watch.truths.labels import Floats, TruthsView

FEWEST = 30
"""Truths of a segment, in the window and at training, from which its mean is compared."""
MOST_SHOWN = 50


def judge(view: TruthsView, expectation: Expectation, error: float, margin: float) -> tuple[SegmentFigure, ...]:
    """Return the losses of every segment that has enough truths, the worst first.

    Parameters
    ----------
    error
        Probability that any segment is called worse where none is: shared by all that are compared.
    margin
        Smallest rise that matters, relative to the mean held-out loss of all.

    Notes
    -----
    `lower` and `upper` bound the segment's mean loss, all segments at once. It is alarming where Welch's interval of
    its rise lies above zero, the rise is above the margin, and by more than the rise of all other rows: a model that
    became worse for everybody is not the segments' matter.
    """
    from scipy.special import stdtrit

    compared = [
        (f"{column} = {grouping.names[k]}", codes == k)
        for column, codes in view.groups.items()
        for grouping in expectation.groupings
        if grouping.column == column
        for k in range(len(grouping.names))
        if int((codes == k).sum()) >= FEWEST
    ]
    if not compared:
        return ()
    whole = expectation.reference.get(expectation.loss_figure, 0.0)
    least = max(margin * abs(whole), 1e-12)
    tail = error / len(compared) / 2
    found = []
    for name, inside in compared:
        now, others = _moments(view.losses[inside]), _moments(view.losses[~inside])
        before = expectation.segments.get(name)
        half = -float(stdtrit(now.n - 1, tail)) * math.sqrt(now.variance / now.n)
        alarming = before is not None and before.n >= FEWEST and _worse(now, before, others.mean - whole, tail, least)
        reference = before.mean if before is not None else None
        figure = SegmentFigure(name, now.n, now.mean, now.mean - half, now.mean + half, reference, alarming)
        rise = now.mean - before.mean if before is not None else -math.inf
        found.append(((not alarming, -rise, name), figure))
    return tuple(figure for _, figure in sorted(found, key=lambda one: one[0]))[:MOST_SHOWN]


def _moments(losses: Floats) -> Moments:
    if not len(losses):
        return Moments(0, 0.0, 0.0)
    return Moments(len(losses), float(losses.mean()), float(losses.var(ddof=1)) if len(losses) > 1 else 0.0)


def _worse(now: Moments, before: Moments, others: float, tail: float, least: float) -> bool:
    """Whether a segment rose for certain, by more than the margin, and by more than the rest of the window did."""
    from scipy.special import stdtrit

    rise = now.mean - before.mean
    ours, theirs = now.variance / now.n, before.variance / before.n
    below = ours**2 / (now.n - 1) + theirs**2 / (before.n - 1)
    freedom = (ours + theirs) ** 2 / below if below > 0 else now.n + before.n - 2.0
    lower = rise + float(stdtrit(freedom, tail)) * math.sqrt(ours + theirs)
    return lower > 0 and rise > least and rise > others


def segment_signal(figures: tuple[SegmentFigure, ...], margin: float, *, squared: bool = False) -> Signal | None:
    """Return the signal of the worst segment; None where no segment can be compared.

    `value` is its relative rise, `threshold` the relative margin.
    """
    known = [figure for figure in figures if figure.reference is not None]
    if not known:
        return None
    worst = known[0]
    alarming = [figure for figure in known if figure.alarming]
    reference = worst.reference or 0.0
    rise = (worst.loss - reference) / (abs(reference) or 1.0)
    return Signal(
        "segment",
        worst.segment.partition(" = ")[0],
        float(np.clip(rise, -1e9, 1e9)),
        margin,
        bool(alarming),
        words.segments(alarming, worst, len(known), squared=squared),
    )

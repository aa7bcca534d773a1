"""Rows whose label is probably wrong, told by predictions that never saw them: an option apart from reduction.

Off unless it is asked for: leaving out what a model contradicts also leaves out what is hard and right, and a model
that never saw a hard row is too sure of itself (benchmarks/reduce/cleaning says where that helps and where it hurts).
Rows that judge are never cleaned: they would be the easier for it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from cauce.evidence.confident import contradicted, find_issues, rank, skill
from cauce.evidence.residuals import LARGE, far_outside
from cauce.reduce.rows import Floats, Ints, Kept, Rows

Rule = Literal["surest", "joint"]
SKILLED = 0.5
"""Share of the errors of always saying the commonest class that the predictions have to spare before ``surest``
believes them: where classes overlap everywhere, a right label contradicts a sure model as often as a wrong one."""
MOST_OF_CLASS = 0.5
"""Share of a class's rows beyond which none of them is called wrong: the model, not the labels, would be at fault."""


def probably_wrong(rows: Rows, predicted: Floats, *, rule: Rule = "surest") -> Ints:
    """Return the rows whose target is probably wrong.

    Parameters
    ----------
    rows
        Rows with their targets as given.
    predicted
        By models not fitted on the row: probabilities, shape (n_rows, n_classes), or numbers, shape (n_rows,) or
        (n_rows, 1). `doubt.cross_fit` gives them.
    rule
        How many of a classification's rows are called wrong. ``surest``: as many as the lower end of a 95 % interval
        of the share of labels that the model contradicts where it is surest; none, as a rule, where labels are right,
        and none where the predictions spare less than `SKILLED`.
        ``joint``: as many as confident learning's joint of given and true class says, overlap of classes included.
        Both take rows alone whose label is not the most probable one. Numbers know one rule: `residuals.LARGE` usual
        errors away.

    Returns
    -------
    numpy.ndarray
        Row numbers, ascending; shape (n_wrong,). Of no class more than half.

    Raises
    ------
    ValueError
        Shapes that do not fit.

    Examples
    --------
    >>> target = np.repeat([0, 1], 200)
    >>> sure = np.where(target[:, None] == [0, 1], 0.95, 0.05)
    >>> target[:20] = 1
    >>> rows = Rows(np.zeros((400, 1), np.float32), target, np.ones(400), n_classes=2)
    >>> found = probably_wrong(rows, sure)
    >>> 0 < len(found) <= 20, bool((found < 20).all())
    (True, True)
    """
    expected = (len(rows), rows.n_classes or 1)
    said = np.asarray(predicted, dtype=np.float64)
    said = said[:, None] if said.ndim == 1 else said
    if said.shape != expected:
        raise ValueError(f"predicted has shape {np.shape(predicted)}: for these rows {expected} is needed")
    if not rows.n_classes:
        far = far_outside(rows.target.astype(np.float64), said[:, 0])
        return np.flatnonzero(far > LARGE)
    label = rows.target.astype(np.int64)
    order = find_issues(label, said).rows if rule == "joint" else _surest(label, said)
    return np.sort(_no_class_emptied(label, order))


def leave_out(rows: Rows, wrong: Ints) -> Kept:
    """Return all other rows, weighing together what all rows weighed."""
    indices = np.setdiff1d(np.arange(len(rows)), wrong)
    return rows.kept(indices, rows.weights[indices])


def _surest(label: Ints, said: Floats) -> Ints:
    """Return the rows that are most doubtful, as many as the surest rows prove wrong, worst first."""
    wrong = said.argmax(axis=1) != label
    if skill(label, wrong) < SKILLED:
        return np.zeros(0, dtype=np.int64)
    share, _ = contradicted(wrong, said)
    order = rank(label, said)
    doubtful: Ints = order[wrong[order]][: int(share.lower * len(label))]
    return doubtful


def _no_class_emptied(label: Ints, order: Ints) -> Ints:
    """Return the order without what comes after half of the rows of its class."""
    most = np.bincount(label) * MOST_OF_CLASS
    given = label[order]
    within = np.argsort(given, kind="stable")
    starts = np.searchsorted(given[within], given[within])
    place = np.empty(len(order), dtype=np.int64)
    place[within] = np.arange(len(order)) - starts
    kept: Ints = order[place < most[given]]
    return kept

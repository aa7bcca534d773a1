"""Confident learning: which labels contradict what a model, not fitted on them, is confident of.

Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70 (2021), written
from the paper. Rows are pruned by the number that the joint estimates for each pair of given and true class ("prune by
noise rate"), of those alone whose given label is not the most probable one. The rank departs from the paper's
self-confidence and normalised margin, see `doubt`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cauce.evidence.shares import Interval, wilson

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
EVEN = 0.7
"""How far the estimated confusion of labels is drawn towards an even one, see benchmarks/audit/labels."""
SUREST = 0.2
"""Share of the rows, those that the model is surest of, among which wrong labels are counted."""
_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class LabelIssues:
    """What confident learning says of n rows."""

    rows: Rows
    """Positions of the probable errors, worst first."""
    suggested: Rows
    """The class that each of them more probably is, shape (len(rows),)."""
    share: float
    """Estimated share of wrong labels: the joint's mass off the diagonal."""
    joint: Floats
    """Estimated joint of given (rows) and true class (columns), shape (n_classes, n_classes), sums to 1."""


def class_thresholds(labels: Rows, probabilities: Floats) -> Floats:
    """Return for each class the mean probability that rows given this label have of it, shape (n_classes,).

    A class without rows has infinity: no row can be confidently of it.
    """
    own = probabilities[np.arange(len(labels)), labels]
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    sums = np.bincount(labels, weights=own, minlength=probabilities.shape[1])
    thresholds: Floats = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    return thresholds


def confident_class(labels: Rows, probabilities: Floats) -> Rows:
    """Return the class that each row confidently is, shape (n,); −1 where it is of none."""
    confident = probabilities >= class_thresholds(labels, probabilities) - 1e-12
    best = np.where(confident, probabilities, -1.0).argmax(axis=1)
    return np.where(confident.any(axis=1), best, -1).astype(np.int64)


def estimate_joint(labels: Rows, probabilities: Floats) -> Floats:
    """Return the joint of given and true class, shape (n_classes, n_classes), sums to 1.

    Rows that are confidently of a class are counted, each given class is scaled to its number of rows. A given class
    with no confident row counts as right throughout.

    Examples
    --------
    >>> labels = np.array([0, 0, 0, 1, 1, 1])
    >>> p = np.array([0.1, 0.1, 0.9, 0.9, 0.9, 0.1])[:, None]
    >>> estimate_joint(labels, np.hstack([1 - p, p])).round(2).tolist()
    [[0.33, 0.17], [0.17, 0.33]]
    """
    n_classes = probabilities.shape[1]
    true = confident_class(labels, probabilities)
    known = true >= 0
    counts = np.bincount(labels[known] * n_classes + true[known], minlength=n_classes**2).reshape(n_classes, n_classes)
    given = np.bincount(labels, minlength=n_classes)
    joint = counts.astype(np.float64)
    empty = joint.sum(axis=1) == 0
    joint[empty] = np.eye(n_classes)[empty]
    joint *= (given / joint.sum(axis=1))[:, None]
    whole: Floats = joint / joint.sum()
    return whole


def doubt(labels: Rows, probabilities: Floats, joint: Floats) -> Floats:
    """Return each row's log odds that its label is wrong, shape (n,): the mean of two views of them.

    One weighs each other class by its probability and by how often rows of it are given this label; that rate is 0.3
    parts the joint's and 0.7 parts an even one, since on few errors the joint shows where classes overlap rather than
    where labels err. The other holds each probability against its class's threshold.
    """
    rows = np.arange(len(labels))
    weight = np.maximum(probabilities, _LEAST) * _given_true(joint)[labels]
    own = weight[rows, labels]
    taken = np.log(np.maximum(weight.sum(axis=1) - own, _LEAST)) - np.log(own)
    relative = np.log(np.maximum(probabilities / class_thresholds(labels, probabilities), _LEAST))
    given = relative[rows, labels].copy()
    relative[rows, labels] = -np.inf
    doubts: Floats = (taken + relative.max(axis=1) - given) / 2
    return doubts


def _given_true(joint: Floats) -> Floats:
    """Return how often a row of each class (columns) is given each label (rows), drawn towards an even rate."""
    n_classes = len(joint)
    share = max(1.0 - float(np.trace(joint)), 1e-3)
    even = np.full((n_classes, n_classes), share / max(n_classes - 1, 1))
    np.fill_diagonal(even, 1.0 - share)
    estimated = joint / np.maximum(joint.sum(axis=0, keepdims=True), _LEAST)
    rate: Floats = np.maximum((1.0 - EVEN) * estimated + EVEN * even, 1e-3)
    return rate


def find_issues(labels: Rows, probabilities: Floats) -> LabelIssues:
    """Return the probable label errors.

    Parameters
    ----------
    labels
        Given class of each row, shape (n,).
    probabilities
        By a model not fitted on the row, shape (n, n_classes); rows sum to 1.
    """
    joint = estimate_joint(labels, probabilities)
    n_classes = probabilities.shape[1]
    marked = np.zeros(len(labels), np.bool_)
    for given in range(n_classes):
        inside = np.flatnonzero(labels == given)
        for other in range(n_classes):
            n = round(joint[given, other] * len(labels))
            if other == given or not n:
                continue
            excess = probabilities[inside, other] - probabilities[inside, given]
            worst = np.argsort(-excess, kind="stable")[:n]
            marked[inside[worst[excess[worst] > 0]]] = True
    rows = np.flatnonzero(marked)
    rows = rows[np.argsort(-doubt(labels[rows], probabilities[rows], joint), kind="stable")]
    share = float(1.0 - np.trace(joint))
    return LabelIssues(rows, probabilities[rows].argmax(axis=1), share, joint)


def rank(labels: Rows, probabilities: Floats) -> Rows:
    """Return all rows, the most probably wrong label first, shape (n,)."""
    return np.argsort(-doubt(labels, probabilities, estimate_joint(labels, probabilities)), kind="stable")


def contradicted(wrong: npt.NDArray[np.bool_], probabilities: Floats) -> tuple[Interval, int]:
    """Return the share of labels that contradict the model where it is surest, and among how many rows it was counted.

    Where classes overlap, confident learning counts the overlap as errors (on Adult 7 % of clean labels); the surest
    fifth of the rows lies away from it. Errors that follow the columns are not seen.

    Parameters
    ----------
    wrong
        Whether the model says another class than the label, shape (n,).
    probabilities
        By a model not fitted on the row, shape (n, n_classes).

    Examples
    --------
    >>> sure = np.tile([0.99, 0.01], (100, 1))
    >>> found, n = contradicted(np.arange(100) < 2, sure)
    >>> found.value, n
    (0.1, 20)
    """
    surest = np.argsort(-probabilities.max(axis=1), kind="stable")[: max(round(SUREST * len(wrong)), 1)]
    return wilson(int(wrong[surest].sum()), len(surest)), len(surest)


def skill(labels: Rows, wrong: npt.NDArray[np.bool_]) -> float:
    """Return the share of the errors of always saying the commonest class that a model spares; 0 with one class.

    Parameters
    ----------
    labels
        Given class of each row, shape (n,).
    wrong
        Whether the model says another class, shape (n,).
    """
    counts = np.bincount(labels)
    guessing = 1.0 - counts.max() / counts.sum()
    return float(1.0 - wrong.mean() / guessing) if guessing > 0 else 0.0

"""The figures that people expect, and which one leads: the data decide.

Figures that the rows do not determine (ROC-AUC of one class, R² of a constant) are left out, never NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Metrics, TaskSpec, Words
from cauce.core.errors import UserError
from cauce.core.figures import percents
from cauce.core.protocols import Fitted
from cauce.tasks.tabular import losses, target

if TYPE_CHECKING:
    import pyarrow as pa

BALANCED = 1.5
"""Classes are balanced when the most frequent has at most this many times the rows of the rarest."""
N_BINS = 10
Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def of_labels(fitted: Fitted, table: pa.Table, spec: TaskSpec) -> Metrics:
    """Give a classifier's figures.

    A class that training never saw gets a row and a column of its own in the confusion matrix, and costs the clipped
    log loss. For two classes F1, precision, recall and PR-AUC are those of the rarer class; for more they are means
    over the classes.

    Raises
    ------
    UserError
        There is no row.
    """
    labels = target.whole_labels(table, spec.target)
    _some_rows(table, spec)
    known = fitted.classes
    classes = known + tuple(label for label in target.classes(labels) if label not in known)
    truth, shares = target.codes(labels, classes), losses.probabilities(fitted, table)
    predicted = losses.decided(fitted, table, classes)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    positive = int(np.argmin(confusion.sum(axis=1)[::-1])) if len(classes) == 2 else None
    positive = None if positive is None else 1 - positive  # on a tie the last class, as is custom
    values = _at_threshold(confusion, positive) | _areas(truth, shares, positive)
    values |= _of_probabilities(truth, shares, positive)
    bins = _bins(truth, shares, positive)
    values["ece"] = sum(abs(p - share) * count for p, share, count in bins) / len(truth)
    headline, reason = _leading_class_metric(classes, confusion.sum(axis=1), positive)
    matrix = tuple(tuple(row) for row in confusion.tolist())
    return Metrics(values, headline, reason, classes, matrix, bins, len(truth))


def of_numbers(fitted: Fitted, table: pa.Table, spec: TaskSpec) -> Metrics:
    """Give a regressor's figures; ``mape`` is over the rows whose truth is above zero.

    Raises
    ------
    UserError
        There is no row.
    """
    truth = target.numbers(table, spec.target)
    _some_rows(table, spec)
    predicted = fitted.predict(table)
    centre, lower, upper = (predicted.column(name).to_numpy() for name in ("prediction", "lower", "upper"))
    error = centre - truth
    values = {
        "mae": float(np.mean(np.abs(error))),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "median_ae": float(np.median(np.abs(error))),
        "coverage": float(np.mean((lower <= truth) & (truth <= upper))),
        "interval_width": float(np.mean(upper - lower)),
    }
    if np.ptp(truth) > 0:
        values["r2"] = float(1 - np.sum(error**2) / np.sum((truth - truth.mean()) ** 2))
    if np.any(truth > 0):
        values["mape"] = float(np.mean(np.abs(error[truth > 0]) / truth[truth > 0]))
    if spec.loss == "absolute":
        return Metrics(values, "mae", ABSOLUTE, n_units=len(truth))
    return Metrics(values, "rmse", SQUARED, n_units=len(truth))


SQUARED: Words = {
    "en": "The model is judged by squared error, where large errors weigh most; its root is in the target's own unit.",
    "es": "El modelo se juzga por el error cuadrático, en el que pesan más los errores grandes; su raíz está en la "
    "unidad del objetivo.",
}
ABSOLUTE: Words = {
    "en": "The model is judged by absolute error: the mean distance from the truth, in the target's own unit.",
    "es": "El modelo se juzga por el error absoluto: la distancia media a la realidad, en la unidad del objetivo.",
}


def _some_rows(table: pa.Table, spec: TaskSpec) -> None:
    if not table.num_rows:
        raise UserError("no rows to measure", where=f"model {spec.model}", hint="Set some rows aside.")


def _at_threshold(confusion: npt.NDArray[np.int64], positive: int | None) -> dict[str, float]:
    """Give accuracy, precision, recall and F1 from the confusion matrix; means over classes that occur."""
    hits, true, said = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    recall = hits / np.maximum(true, 1)
    precision = hits / np.maximum(said, 1)
    f1 = 2 * hits / np.maximum(true + said, 1)
    chosen = np.flatnonzero(true + said) if positive is None else np.array([positive])
    return {
        "accuracy": float(hits.sum() / confusion.sum()),
        "balanced_accuracy": float(recall[true > 0].mean()),
        "f1": float(f1[chosen].mean()),
        "precision": float(precision[chosen].mean()),
        "recall": float(recall[chosen].mean()),
    }


def _areas(truth: Codes, shares: Array, positive: int | None) -> dict[str, float]:
    """Give ROC-AUC and PR-AUC: of the positive class, or one against the rest, the mean over classes."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    roc, pr = [], []
    for k in range(shares.shape[1]) if positive is None else [positive]:
        own = truth == k
        if k < shares.shape[1] and 0 < own.sum() < len(own):
            roc.append(float(roc_auc_score(own, shares[:, k])))
            pr.append(float(average_precision_score(own, shares[:, k])))
    return {"roc_auc": float(np.mean(roc)), "pr_auc": float(np.mean(pr))} if roc else {}


def _of_probabilities(truth: Codes, shares: Array, positive: int | None) -> dict[str, float]:
    """Give log loss and Brier score: of the positive class for two classes, summed over classes for more."""
    unseen = truth >= shares.shape[1]
    log_loss = float(losses.log_losses(shares, np.where(unseen, -1, truth)).mean())
    distance = shares.copy()
    distance[np.flatnonzero(~unseen), truth[~unseen]] -= 1
    brier = (distance**2).sum(axis=1) + unseen
    halves = 1 if positive is None else 2  # both columns of two classes hold the same error
    return {"log_loss": log_loss, "brier": float(brier.mean() / halves)}


def _bins(truth: Codes, shares: Array, positive: int | None) -> tuple[tuple[float, float, int], ...]:
    """Give ten equal bins of the positive class's probability, or of the highest one; empty bins are left out."""
    if positive is not None and positive < shares.shape[1]:
        p, right = shares[:, positive], truth == positive
    else:
        p, right = shares.max(axis=1), truth == shares.argmax(axis=1)
    number = np.minimum((p * N_BINS).astype(np.int64), N_BINS - 1)
    counts = np.bincount(number, minlength=N_BINS)
    sums, rights = np.bincount(number, p, N_BINS), np.bincount(number, right, N_BINS)
    return tuple((float(sums[i] / n), float(rights[i] / n), int(n)) for i, n in enumerate(counts) if n)


def _leading_class_metric(
    classes: tuple[str, ...], counts: npt.NDArray[np.int64], positive: int | None
) -> tuple[str, Words]:
    total = int(counts.sum())
    smallest, largest = (percents(float(share)) for share in (counts.min() / total, counts.max() / total))
    rarest = classes[positive if positive is not None else int(counts.argmin())]
    if counts.max() <= BALANCED * counts.min():
        return "accuracy", {
            "en": f"The classes are balanced (the rarest, {rarest!r}, is {smallest[0]} of the rows, the most frequent "
            f"{largest[0]}), so the share of right answers says enough.",
            "es": f"Las clases están equilibradas (la más rara, {rarest!r}, es el {smallest[1]} de las filas; la más "
            f"frecuente, el {largest[1]}), así que basta la proporción de aciertos.",
        }
    meaning = ("F1 of that class leads", "manda el F1 de esa clase")
    if positive is None:
        meaning = ("the mean F1 over the classes leads", "manda el F1 medio de las clases")
    return "f1", {
        "en": f"The classes are imbalanced (the rarest, {rarest!r}, is {smallest[0]} of the rows, the most frequent "
        f"{largest[0]}): always naming the latter would look accurate, so {meaning[0]}, with PR-AUC beside it.",
        "es": f"Las clases están desequilibradas (la más rara, {rarest!r}, es el {smallest[1]} de las filas; la más "
        f"frecuente, el {largest[1]}): decir siempre esta parecería acertado, así que {meaning[1]}, con el PR-AUC "
        "al lado.",
    }

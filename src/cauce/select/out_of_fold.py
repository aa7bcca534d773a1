"""One rung's predictions for rows that it was not fitted on: what the audit's checks of labels and of bias look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Candidate, TaskSpec
from cauce.core.errors import UserError
from cauce.core.progress import Progress, silent
from cauce.core.protocols import Task

if TYPE_CHECKING:
    import pyarrow as pa

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FoldPredictions:
    """Predictions for the rows that some fold tested."""

    rows: Rows
    """Row numbers of the table, rising, shape (n,)."""
    truth: Floats
    """Shape (n,): the target's number, or its place in `classes`."""
    predictions: Floats
    """Shape (n,): the predicted number, or the predicted class's place in `classes`."""
    probabilities: Floats | None
    """Shape (n, n_classes), rows sum to 1; None without classes. A class that a fold never saw has 0."""
    classes: tuple[str, ...]


def predict_out_of_fold(
    task: Task,
    spec: TaskSpec,
    candidate: Candidate,
    table: pa.Table,
    folds: Sequence[tuple[Rows, Rows]],
    *,
    progress: Progress = silent,
) -> FoldPredictions | None:
    """Fit `candidate` on each fold's training rows and predict the rows it tests.

    Parameters
    ----------
    table
        Rows with a target, shape (n_rows, n_columns).
    folds
        (train, test) row numbers; a row is tested once at most. A fold whose training rows cannot be learned from
        (one class only) is left out.

    Returns
    -------
    FoldPredictions or None
        None where no fold could be fitted.
    """
    tested: list[tuple[Rows, pa.Table, tuple[str, ...]]] = []
    for done, (train, test) in enumerate(folds):
        progress("fit-audit", done, len(folds), candidate.name)
        try:
            fitted = task.fit(candidate, candidate.params, table.take(train), spec=spec)
        except UserError:  # this fold alone: too few rows, or one class
            continue
        tested.append((test, fitted.predict(table.take(test)), fitted.classes))
    progress("fit-audit", len(folds), len(folds), candidate.name)
    if not tested:
        return None
    rows = np.concatenate([test for test, _, _ in tested])
    order = np.argsort(rows, kind="stable")
    target = table[spec.target].take(rows).combine_chunks()
    if tested[0][2]:
        return _labels(target, tested, rows, order)
    from cauce.profile.arrays import to_floats

    said = np.concatenate([predicted["prediction"].to_numpy() for _, predicted, _ in tested]).astype(np.float64)
    return FoldPredictions(rows[order], to_floats(target)[order], said[order], None, ())


def _labels(
    target: pa.Array, tested: Sequence[tuple[Rows, pa.Table, tuple[str, ...]]], rows: Rows, order: Rows
) -> FoldPredictions:
    """Put all folds' probabilities under one order of the classes: those of all folds and all rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from cauce.profile.arrays import to_strings

    named = to_strings(target)
    known = max((classes for _, _, classes in tested), key=len)
    others = {name for _, _, classes in tested for name in classes} | set(named.unique().to_pylist())
    classes = (*known, *sorted(others.difference(known)))
    n_rows = [len(test) for test, _, _ in tested]
    probabilities = np.zeros((sum(n_rows), len(classes)))
    start = 0
    for n, (_, predicted, seen) in zip(n_rows, tested, strict=True):
        for name in seen:
            probabilities[start : start + n, classes.index(name)] = predicted[f"prob_{name}"].to_numpy()
        start += n
    places = pc.index_in(named, pa.array(classes, pa.string())).to_numpy(zero_copy_only=False).astype(np.float64)
    best = probabilities.argmax(axis=1).astype(np.float64)
    return FoldPredictions(rows[order], places[order], best[order], probabilities[order], classes)

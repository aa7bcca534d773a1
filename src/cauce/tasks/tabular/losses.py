"""The loss per row of both tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import LEAST_PROBABILITY, Losses, TaskSpec
from cauce.core.protocols import Fitted
from cauce.tasks.tabular import columns, target
from cauce.tasks.tabular.rows import unit_weights

if TYPE_CHECKING:
    import pyarrow as pa

Array = npt.NDArray[np.float64]


def class_losses(fitted: Fitted, table: pa.Table, spec: TaskSpec) -> Losses:
    """Return −log of the true class's probability, or 1 for a wrong label and 0 for a right one."""
    codes = target.codes(target.whole_labels(table, spec.target), fitted.classes)
    if spec.loss == "zero_one":
        values = (decided(fitted, table, fitted.classes) != codes).astype(np.float64)
    else:
        values = log_losses(probabilities(fitted, table), codes)
    return Losses(values * _relative(table, spec), *_units(table, spec))


def number_losses(fitted: Fitted, table: pa.Table, spec: TaskSpec) -> Losses:
    """Return the squared or the absolute error of every row."""
    error = fitted.predict(table).column("prediction").to_numpy() - target.numbers(table, spec.target)
    values = np.abs(error) if spec.loss == "absolute" else error**2
    return Losses(values * _relative(table, spec), *_units(table, spec))


def probabilities(fitted: Fitted, table: pa.Table) -> Array:
    """Return the predicted probabilities, shape (n_rows, n_classes), in the order of `fitted.classes`."""
    predicted = fitted.predict(table)
    return np.column_stack([predicted.column(f"prob_{label}").to_numpy() for label in fitted.classes])


def decided(fitted: Fitted, table: pa.Table, classes: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Return the places in `classes` of the classes that the model says, shape (n_rows,)."""
    return target.codes(fitted.predict(table)["prediction"].combine_chunks(), classes)


def log_losses(shares: Array, codes: npt.NDArray[np.int64]) -> Array:
    """Return −log of each row's own probability, clipped; a code of −1 has none.

    Examples
    --------
    >>> log_losses(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0, -1])).round(2).tolist()
    [0.69, 34.54]
    """
    own = np.where(codes >= 0, shares[np.arange(len(codes)), np.maximum(codes, 0)], 0.0)
    clipped: Array = -np.log(np.clip(own, LEAST_PROBABILITY, 1.0))
    return clipped


def _relative(table: pa.Table, spec: TaskSpec) -> Array:
    """Return each row's weight over the table's mean weight: the mean loss is the weighted mean."""
    weights = unit_weights(table, spec)
    return weights / max(float(weights.mean()), 1e-300) if len(weights) else weights


def _units(table: pa.Table, spec: TaskSpec) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.str_] | None]:
    """Return unit ids — the key, else the row number — and groups; a row without a group is one of its own."""
    units = np.arange(table.num_rows).astype(np.str_)
    if spec.key is not None and spec.key in table.column_names:
        units = _filled(table, spec.key, units)
    if spec.group is None or spec.group not in table.column_names:
        return units, None
    return units, _filled(table, spec.group, units)


def _filled(table: pa.Table, name: str, otherwise: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    """Return a column as text, with `otherwise` where it is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = pc.coalesce(columns.texts(columns.column(table, name)), pa.array(otherwise, pa.string()))
    return np.asarray(values.to_pylist(), dtype=np.str_)

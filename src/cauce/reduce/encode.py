"""What users bring (arrays, data frames, Arrow tables, mixed types, missing values) as `Rows`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.reduce.rows import Floats, Ints, Rows

MOST_CODES = 250
"""Values of a categorical column that keep a code of their own, the most frequent ones; the others share one."""


class Encoded(NamedTuple):
    """Rows, and the labels behind the class codes."""

    rows: Rows
    classes: npt.NDArray[Any] | None
    """Labels by code, shape (n_classes,); None where numbers are predicted."""


def encode(
    inputs: Any, target: npt.ArrayLike, *, weights: npt.ArrayLike | None = None, groups: npt.ArrayLike | None = None,
    n_classes: int | None = None,
) -> Encoded:  # fmt: skip
    """Return rows as the reducer sees them.

    Parameters
    ----------
    inputs
        Shape (n_rows, n_columns): an array of numbers, or a data frame or Arrow table whose columns are numbers,
        truth values, dates, or texts, which are taken for categories.
    target
        Shape (n_rows,): labels of any kind, or numbers that are not all whole.
    weights
        Shape (n_rows,), above zero; 1 each when None.
    groups
        Shape (n_rows,): labels of any kind.
    n_classes
        0 says that whole numbers are numbers to predict; found from the target when None.

    Raises
    ------
    ValueError
        Lengths differ, a weight is not above zero, or the target has missing values.
    """
    columns, categorical = _columns(inputs)
    labels = np.asarray(target)
    if n_classes == 0 or (n_classes is None and _numbers(labels)):
        values: Floats | Ints = labels.astype(np.float64)
        classes = None
        if not np.isfinite(values).all():
            raise ValueError("y has values that are missing or infinite")
    else:
        classes, codes = np.unique(labels, return_inverse=True)
        values = codes.astype(np.int64)
    weight = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    if len(columns) != len(values) or weight.shape != (len(values),):
        raise ValueError(f"X has {len(columns)} rows, y {len(values)}, sample_weight {len(weight)}")
    if not (np.isfinite(weight) & (weight > 0)).all():
        raise ValueError("sample_weight has values that are not above zero")
    of = None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1].astype(np.int64)
    return Encoded(Rows(columns, values, weight, 0 if classes is None else len(classes), categorical, of), classes)


def _numbers(labels: npt.NDArray[Any]) -> bool:
    return bool(labels.dtype.kind == "f" and (labels != np.floor(labels)).any())


def _columns(inputs: Any) -> tuple[npt.NDArray[np.float32], tuple[int, ...]]:
    if hasattr(inputs, "column_names"):
        named = [inputs[name].to_numpy() for name in inputs.column_names]
    elif hasattr(inputs, "columns"):
        named = [np.asarray(inputs[name]) for name in inputs.columns]
    else:
        array = np.asarray(inputs)
        if array.dtype.kind in "fiub":
            return array.astype(np.float32), ()
        named = list(array.T)
    made = [_column(values) for values in named]
    numbers = np.column_stack([values for values, _ in made]).astype(np.float32)
    return numbers, tuple(place for place, (_, category) in enumerate(made) if category)


def _column(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], bool]:
    if values.dtype.kind in "fiub":
        return values.astype(np.float64), False
    if values.dtype.kind in "mM":
        seconds = values.astype("datetime64[s]" if values.dtype.kind == "M" else "timedelta64[s]")
        return np.where(np.isnat(values), np.nan, seconds.astype(np.float64)), False
    missing = np.array([value is None or value != value for value in values])
    try:
        return np.where(missing, np.nan, values).astype(np.float64), False
    except (TypeError, ValueError):
        return _codes(values, missing), True


def _codes(values: npt.NDArray[Any], missing: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return codes 0, 1, … by frequency, ties by the text itself; missing values stay missing."""
    names, places, counts = np.unique(
        np.where(missing, "", values.astype(str)), return_inverse=True, return_counts=True
    )
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.lexsort([names, -counts])] = np.arange(len(names))
    codes = np.minimum(rank[places], MOST_CODES).astype(np.float64)
    codes[missing] = np.nan
    return codes

"""What users bring (arrays, data frames, Arrow tables, mixed types, missing values) as `Rows`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
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
        named = [_from_arrow(inputs[name]) for name in inputs.column_names]
    elif hasattr(inputs, "columns"):
        named = [inputs[name].to_numpy() for name in inputs.columns]
    else:
        array = np.asarray(inputs)
        if array.dtype.kind in "fiub":
            return array.astype(np.float32), ()
        named = list(array.T)
    made = [_column(values) for values in named]
    numbers = np.column_stack([values for values, _ in made]).astype(np.float32)
    return numbers, tuple(place for place, (_, category) in enumerate(made) if category)


def _from_arrow(column: Any) -> npt.NDArray[Any]:
    """Return a chunked array's values; a dictionary's own, whose missing ones Arrow would fill with another value."""
    kind = column.type
    plain = column.cast(kind.value_type) if hasattr(kind, "index_type") else column
    values: npt.NDArray[Any] = plain.to_numpy()
    return values


def _column(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], bool]:
    if values.dtype.kind in "fiub":
        return values.astype(np.float64), False
    if values.dtype.kind in "mM":
        seconds = values.astype("datetime64[s]" if values.dtype.kind == "M" else "timedelta64[s]")
        return np.where(np.isnat(values), np.nan, seconds.astype(np.float64)), False
    known = [None if _missing(value) else value for value in values.tolist()]
    if any(isinstance(value, str | bytes) for value in known):
        return _codes(known), True
    try:
        return np.array([np.nan if value is None else float(value) for value in known]), False
    except (TypeError, ValueError):
        return _codes(known), True


def _missing(value: Any) -> bool:
    """Tell None, NaN and pandas' NA, which is equal to nothing and neither true nor false."""
    if value is None:
        return True
    same = value == value
    return not (isinstance(same, bool | np.bool_) and same)


def _codes(values: Sequence[Any]) -> npt.NDArray[np.float64]:
    """Return codes 0, 1, … by frequency, ties by the text itself; missing values stay missing."""
    counts = Counter(str(value) for value in values if value is not None)
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    code = {name: float(min(place, MOST_CODES)) for place, name in enumerate(ranked)}
    return np.array([np.nan if value is None else code[str(value)] for value in values])

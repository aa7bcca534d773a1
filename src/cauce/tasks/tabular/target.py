"""The target column: labels as text ↔ codes, and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.errors import UserError
from cauce.tasks.tabular import columns

if TYPE_CHECKING:
    import pyarrow as pa


def labels(table: pa.Table, target: str) -> pa.StringArray:
    """Return the target as text: 1 and 1.0 are ``"1"``, booleans ``"true"`` and ``"false"``; NaN is null."""
    return columns.texts(columns.column(table, target))


def classes(values: pa.StringArray) -> tuple[str, ...]:
    """Return the distinct labels, sorted: by number where all are whole numbers, else by text.

    Examples
    --------
    >>> import pyarrow as pa
    >>> classes(pa.array(["10", "2", "2"]))
    ('2', '10')
    """
    found: list[str] = values.drop_null().unique().to_pylist()
    if all(_is_whole(label) for label in found):
        return tuple(sorted(found, key=lambda label: (int(label), label)))
    return tuple(sorted(found))


def _is_whole(label: str) -> bool:
    digits = label.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 19


def codes(values: pa.StringArray, known: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Return positions in `known`, shape (n_rows,); −1 for a label that is not among them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.fill_null(pc.index_in(values, pa.array(known, pa.string())), -1)
    positions: npt.NDArray[np.int64] = found.to_numpy(zero_copy_only=False).astype(np.int64)
    return positions


def numbers(table: pa.Table, target: str) -> npt.NDArray[np.float64]:
    """Return the target as finite numbers, shape (n_rows,).

    Raises
    ------
    UserError
        A value is missing, infinite or no number.
    """
    column = columns.column(table, target)
    found = columns.numbers(column)
    bad = np.flatnonzero(np.isnan(found))
    if len(bad):
        first = column[int(bad[0])].as_py()
        hint = "Regress needs a finite number in every row; classify takes labels."
        raise UserError("not a number", where=f"column {target}, row {bad[0]}", received=first, hint=hint)
    return found


def whole_labels(table: pa.Table, target: str) -> pa.StringArray:
    """Return the labels.

    Raises
    ------
    UserError
        A value is missing.
    """
    import pyarrow.compute as pc

    found = labels(table, target)
    if found.null_count:
        row = pc.index(pc.is_null(found), True).as_py()
        raise UserError("the target is missing", where=f"column {target}, row {row}", hint="Leave such rows out.")
    return found

"""The rows that a rung is fitted on, and what each weighs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import TaskSpec
from cauce.core.errors import UserError
from cauce.tasks.tabular import columns, parts
from cauce.tasks.tabular.encode import Encoded, Encoder, fit_encoder
from cauce.tasks.tabular.text import MOST_GRAMS

if TYPE_CHECKING:
    import pyarrow as pa

MOST_COEFFICIENTS = 6_000_000
"""Of one text column: where there are many classes its grams are fewer."""
Array = npt.NDArray[np.float64]


class Rows(NamedTuple):
    """What every rung is fitted on: rows with a weight above zero."""

    table: pa.Table
    weights: Array
    spec: TaskSpec

    @property
    def rng(self) -> np.random.Generator:
        """A generator at its beginning."""
        return np.random.default_rng(self.spec.seed)

    def set_aside(self, rng: np.random.Generator | None = None) -> parts.Parts:
        """Divide the rows, whole groups together where the model names a group; a row without one is one of its own."""
        groups = None
        if self.spec.group is not None and self.spec.group in self.table.column_names:
            names = columns.texts(columns.column(self.table, self.spec.group))
            codes = names.dictionary_encode().indices
            missing = codes.is_null().to_numpy(zero_copy_only=False)
            groups = np.where(missing, -1 - np.arange(len(codes)), codes.fill_null(0).to_numpy())
        return parts.set_aside(self.table.num_rows, groups, rng or self.rng)

    def encode(self, n_outputs: int) -> tuple[Encoder, Encoded]:
        """Fit the encoder on all rows: it never looks at the target."""
        most = min(MOST_GRAMS, MOST_COEFFICIENTS // n_outputs)
        encoder = fit_encoder(self.table, self.spec.schema, most_grams=most)
        return encoder, encoder.transform(self.table)


def weighted_rows(table: pa.Table, weights: Array | None, spec: TaskSpec) -> Rows:
    """Return the rows that count: with `weights` times the column that the model names as its rows' weight.

    Raises
    ------
    UserError
        No row is left, or the weights are not one finite number of at least zero a row.
    """
    given = np.ones(table.num_rows) if weights is None else np.asarray(weights, np.float64)
    if given.shape != (table.num_rows,) or not np.all(np.isfinite(given)) or np.any(given < 0):
        hint = "Give one finite weight of at least 0 for each row."
        raise UserError("not the weights of these rows", where="weights", received=given.shape, hint=hint)
    given = given * unit_weights(table, spec)
    if not np.all(given > 0):
        import pyarrow as pa

        table, given = table.filter(pa.array(given > 0)), given[given > 0]
    if not table.num_rows:
        raise UserError("no rows to learn from", where=f"model {spec.model}", hint="Load some rows.")
    return Rows(table, given, spec)


def unit_weights(table: pa.Table, spec: TaskSpec) -> Array:
    """Return what every row weighs, shape (n_rows,): 1 where the model names no weight or the table has no such column.

    Raises
    ------
    UserError
        A weight is missing, infinite or below zero.
    """
    if spec.weight is None or spec.weight not in table.column_names:
        return np.ones(table.num_rows)
    column = columns.column(table, spec.weight)
    found = columns.numbers(column)
    bad = np.flatnonzero(~np.isfinite(found) | (found < 0))
    if len(bad):
        where, received = f"column {spec.weight}, row {bad[0]}", column[int(bad[0])].as_py()
        hint = "A weight is a finite number of at least 0; fill it or leave such rows out."
        raise UserError("not a weight", where=where, received=received, hint=hint)
    return found

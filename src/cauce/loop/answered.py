"""A release that says of rows of the ledger what was said of them: nothing is predicted anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cauce.core.protocols import Fitted

if TYPE_CHECKING:
    import pyarrow as pa


class Answered:
    """A fitted model whose answers are known; for the rest it is the model itself.

    Parameters
    ----------
    fitted
        The model.
    predicted
        What it says of the rows that it will be asked about, in their order; None: what stands beside the rows' inputs.
    prefix
        Before the names of its answers in those rows, where there are others' too: ``"shadow."``.
    """

    def __init__(self, fitted: Fitted, predicted: pa.Table | None = None, *, prefix: str = "") -> None:
        self._fitted, self._predicted, self._prefix = fitted, predicted, prefix

    def predict(self, rows: pa.Table) -> pa.Table:
        """Return what was said of the rows."""
        if self._predicted is not None:
            return self._predicted
        if not self._prefix:
            return rows
        names = [name for name in rows.column_names if name.startswith(self._prefix)]
        return rows.select(names).rename_columns([name.removeprefix(self._prefix) for name in names])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fitted, name)

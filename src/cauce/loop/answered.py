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
    prefix
        Before the names of its answers beside the rows' inputs, where there are others' too: ``"shadow."``.
    """

    def __init__(self, fitted: Fitted, *, prefix: str = "") -> None:
        self._fitted, self._prefix = fitted, prefix

    def predict(self, rows: pa.Table) -> pa.Table:
        """Return what was said of the rows."""
        if not self._prefix:
            return rows
        names = [name for name in rows.column_names if name.startswith(self._prefix)]
        return rows.select(names).rename_columns([name.removeprefix(self._prefix) for name in names])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fitted, name)

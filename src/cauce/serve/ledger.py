"""The ledger of one model: every prediction served, and the truths that came later.

Under its folder: ``journal/`` (synced segments), ``predictions/`` and ``truths/`` (Delta tables by day), ``aside/``
(damaged journal lines). One or more processes write journals, one at a time folds, any may read.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cauce.core.files import disk_errors
from cauce.core.names import check_name, uuid7
from cauce.core.views import Traffic
from cauce.serve import records
from cauce.serve.fold import Folded
from cauce.serve.journal import Journal
from cauce.serve.known import Known, Status, Truth

if TYPE_CHECKING:
    import pyarrow as pa


class Ledger:
    """Predictions and truths of one model. Safe to use from many threads.

    Parameters
    ----------
    folder
        The ledger's own folder; made at the first write, not before.
    model
        The model's name.

    Examples
    --------
    >>> import tempfile
    >>> Ledger(Path(tempfile.mkdtemp()) / "dropout", "dropout").window(100).num_rows
    0
    """

    def __init__(self, folder: Path, model: str) -> None:
        self.folder, self.model = folder, check_name(model)
        self._lock = threading.Lock()
        self._truth_lock = threading.Lock()
        self._journal: Journal | None = None
        self._known: Known | None = None

    def append(self, lines: Sequence[bytes]) -> Future[None]:
        """Write journal lines of `records.prediction_lines`; the future is done once they are on the disk.

        Its exception is an OSError when they are not: then nothing was kept and nothing may be acknowledged.
        """
        with self._lock:
            if self._journal is None:
                self._journal = Journal(self.folder / "journal")
            return self._journal.append(lines)

    def record(self, inputs: pa.Table, predictions: pa.Table, *, version: int, at: datetime) -> pa.Array:
        """Write a batch of predictions, synced before this returns.

        Parameters
        ----------
        inputs
            Input columns, shape (n_rows, n_features).
        predictions
            What `Fitted.predict` gave for them.
        version
            Of the release that predicted.
        at
            When, with a zone.

        Returns
        -------
        pa.Array
            An id per row, text.

        Raises
        ------
        UserError
            The disk is full or may not be written.
        """
        import pyarrow as pa

        moment = records.microseconds(at)
        ids = [uuid7(moment // 1000) for _ in range(inputs.num_rows)]
        lines = records.prediction_lines(ids, moment, version, inputs=_columns(inputs), outputs=_columns(predictions))
        with disk_errors(self.folder):
            self.append(lines).result()
        return pa.array(ids, pa.string())

    def truths(self, truths: Sequence[Truth], *, now: datetime) -> list[Status]:
        """Write truths, synced before this returns, and say of each what it was.

        `duplicate` repeats the last truth and is not written again; `unknown` has an id that no prediction here has,
        and is kept none the less.

        Raises
        ------
        OSError
            The disk is full; nothing was kept.
        """
        with self._truth_lock:
            if self._known is None:
                self._known = Known(self.folder)
            judged = self._known.judge(truths, now=records.microseconds(now))
            lines = [
                records.truth_line(t.id, t.value, status=status, received=received, at=t.at)
                for t, (status, received) in zip(truths, judged, strict=True)
                if status != "duplicate"
            ]
            if lines:
                self.append(lines).result()
        return [status for status, _ in judged]

    def fold(self, now: datetime, *, wait_s: float = 30.0) -> Folded:
        """Move closed journal segments into the Delta tables, each exactly once, and compact those.

        Parameters
        ----------
        wait_s
            Seconds to wait for another process that is folding.

        Raises
        ------
        Locked
            It is folding still.
        """
        from cauce.serve.fold import fold

        return fold(self.folder, now, wait_s=wait_s)

    def window(self, n: int) -> pa.Table:
        """Return the newest `n` predictions, oldest first.

        Returns
        -------
        pa.Table
            ``id``, ``at``, ``version``, the inputs, ``prediction``, ``prob_<class>`` or ``lower`` and ``upper``,
            ``truth`` and ``truth_at`` (null where none came). Columns of all releases in it, null where a release had
            no such column.
        """
        from cauce.serve import reading

        return reading.window(reading.look(self.folder), n)

    def labelled(self, after: datetime | None = None) -> pa.Table:
        """Return all predictions, made after `after`, that have a truth, with the last one; columns as `window`."""
        from cauce.serve import reading

        return reading.labelled(reading.look(self.folder), after)

    def n_labelled(self, after: datetime) -> int:
        """Count the rows of `labelled(after)` without reading inputs: what a watcher asks every few seconds."""
        from cauce.serve import reading

        return reading.n_labelled(reading.look(self.folder), after)

    def traffic(self, now: datetime) -> Traffic:
        """Return what was answered, over the whole ledger."""
        from cauce.serve import reading

        return reading.traffic(reading.look(self.folder), now)

    def unfolded_bytes(self) -> int:
        """Return the size of the journals not yet folded."""
        total = 0
        for path in (self.folder / "journal").glob("*.jsonl"):
            with contextlib.suppress(FileNotFoundError):  # folded meanwhile
                total += path.stat().st_size
        return total

    def close(self) -> None:
        """Write what waits and close the journal; the ledger may still be read."""
        with self._lock:
            if self._journal is not None:
                self._journal.close()
                self._journal = None


def _columns(table: pa.Table) -> dict[str, tuple[str, Sequence[Any]]]:
    return {name: _column(table[name]) for name in table.column_names}


def _column(values: pa.ChunkedArray) -> tuple[str, Sequence[Any]]:
    """Return a column's ledger type and values; what has no type of its own there becomes text."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_boolean(kind):
        return "bool", values.to_pylist()
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return "int", values.to_pylist()
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_integer(kind):
        return "float", values.cast(pa.float64()).to_pylist()
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "time", values.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_pylist()
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        return "text", [None if value is None else str(value) for value in values.to_pylist()]
    return "text", values.cast(pa.string()).to_pylist()

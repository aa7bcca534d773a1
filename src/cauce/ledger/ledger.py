"""The ledger of one model: every prediction served, and the truths that came later.

Under its folder: ``journal/`` (synced segments), ``predictions/``, ``shadow/`` and ``truths/`` (Delta tables by day),
``aside/`` (damaged journal lines). One or more processes write journals, one at a time folds, any may read.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cauce.core.files import disk_errors
from cauce.core.names import check_name, uuid7s
from cauce.core.views import Traffic
from cauce.ledger import records
from cauce.ledger.erasing import About, Erased
from cauce.ledger.fold import Folded
from cauce.ledger.journal import Journal
from cauce.ledger.known import Known, Status, Truth
from cauce.ledger.relaxed import RelaxedJournal

if TYPE_CHECKING:
    import pyarrow as pa

Durability = Literal["acknowledged", "relaxed"]


class Ledger:
    """Predictions and truths of one model. Safe to use from many threads.

    Parameters
    ----------
    folder
        The ledger's own folder; made at the first write, not before.
    model
        The model's name.
    durability
        ``relaxed``: predictions are acknowledged before they are synced, which happens within a second.
    log
        Input column, or ``unit``, → ``False`` (never written) or ``"hash"``: `[models.NAME.log]`.
    hash_key
        Gives the secret of hashes; asked only where there is one to make or to compare.

    Examples
    --------
    >>> import tempfile
    >>> Ledger(Path(tempfile.mkdtemp()) / "dropout", "dropout").window(100).num_rows
    0
    """

    def __init__(
        self,
        folder: Path,
        model: str,
        *,
        durability: Durability = "acknowledged",
        log: Mapping[str, Literal[False, "hash"]] | None = None,
        hash_key: Callable[[], bytes] = bytes,
    ) -> None:
        self.folder, self.model, self.durability = folder, check_name(model), durability
        self._log, self._hash_key = records.policy(log or {}), hash_key
        self._lock = threading.Lock()
        self._truth_lock = threading.Lock()
        self._journal: Journal | None = None
        self._relaxed: RelaxedJournal | None = None
        self._known: Known | None = None

    def head(self, version: int, inputs: Sequence[tuple[str, str]], outputs: Sequence[tuple[str, str]]) -> records.Head:
        """Return what writes the journal lines of a release, by this ledger's policy on personal data.

        Parameters
        ----------
        inputs, outputs
            (name, type in the ledger), in the order of the rows' values.
        """
        key = self._hash_key() if "hash" in self._log.values() else b""
        return records.Head(version, tuple(inputs), tuple(outputs), self._log, key)

    def append(self, lines: Sequence[bytes], *, here: bool = False) -> Future[None]:
        """Write journal lines of `records.Head`; the future is done once they are on the disk.

        Where durability is relaxed it is done at once, and the disk has them within a second. Its exception is an
        OSError when they could not be written: then nothing was kept and nothing may be acknowledged. `here` is that of
        `Journal.append`.
        """
        if self.durability == "acknowledged":
            return self._append_synced(lines, here=here)
        with self._lock:
            if self._relaxed is None:
                self._relaxed = RelaxedJournal(self.folder / "journal")
            relaxed = self._relaxed
        return relaxed.append(lines)

    def _append_synced(self, lines: Sequence[bytes], *, here: bool = False) -> Future[None]:
        with self._lock:
            if self._journal is None:
                self._journal = Journal(self.folder / "journal")
            journal = self._journal
        return journal.append(lines, here=here)

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
        ids = uuid7s(inputs.num_rows, moment // 1000)
        asked, given = records.columns(inputs), records.columns(predictions)
        head = self.head(version, records.types(asked), records.types(given))
        rows = list(zip(*(values for _, values in asked.values()), strict=True)) if asked else [()] * len(ids)
        lines = [
            head.line(
                ids=ids[start : start + records.ROWS_PER_LINE],
                at=moment,
                rows=rows[start : start + records.ROWS_PER_LINE],
                outputs={name: values[start : start + records.ROWS_PER_LINE] for name, (_, values) in given.items()},
            )
            for start in range(0, len(ids), records.ROWS_PER_LINE)
        ]
        with disk_errors(self.folder):
            self._append_synced(lines).result()
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
                self._append_synced(lines).result()
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
        from cauce.ledger.fold import fold

        return fold(self.folder, now, wait_s=wait_s)

    def window(self, n: int, *, before: datetime | None = None) -> pa.Table:
        """Return the newest `n` predictions, of those made before `before` where it is given, oldest first.

        Returns
        -------
        pa.Table
            ``id``, ``at``, ``version``, the inputs, ``prediction``, ``prob_<class>`` or ``lower`` and ``upper``,
            ``truth`` and ``truth_at`` (null where none came), ``variant`` (``champion``, or ``challenger`` in an A/B
            split), ``unit`` (whom the request was about) and ``ms`` (milliseconds from its body to the prediction).
            Columns of all releases in it, null where a release had no such column. A hashed input is named
            ``hash.<name>``; `withheld` tells which inputs were kept out.
        """
        from cauce.ledger import reading

        return reading.again(lambda: reading.window(reading.look(self.folder), n, before))

    def arrivals(self, n: int) -> pa.Table:
        """Return what the newest `n` predictions wait for, oldest first, without their inputs.

        Columns ``id``, ``at``, ``version`` and ``received``: when the first truth came, null where none has.
        """
        from cauce.ledger import ranges

        return ranges.arrivals(self.folder, n)

    def since(self, id_: str, *, most: int | None = None) -> pa.Table:
        """Return the predictions with ids above `id_`, oldest first; columns as `window`, without the truths' values.

        Who remembers the last id gets every row once, but for those that another worker, milliseconds behind, writes
        with an earlier id after that. `id_` may be the begin of an id, ``""`` for all; no more than `most` are given.
        """
        from cauce.ledger import reading

        return reading.again(lambda: reading.since(reading.look(self.folder), id_, most))

    def inputs(self, columns: Sequence[str], *, after: datetime | None = None, version: int | None = None) -> pa.Table:
        """Return what a drift report of a long stretch needs: some inputs, or ``prediction``, of every prediction.

        In no order, no truth joined; columns that no row has are left out. Of predictions made since `after` (with a
        zone) and of the release `version`, where these are given.
        """
        from cauce.ledger import reading

        return reading.again(lambda: reading.inputs(reading.look(self.folder), columns, after, version))

    def counts(
        self, count: Callable[[pa.Table], Mapping[str, list[int]]], *, name: str, version: int
    ) -> dict[str, dict[str, list[int]]]:
        """Return day (UTC) → column → counts of a release's predictions, each row counted once in the ledger's life.

        What was counted of a file is kept under ``counts/``, so that only new files are read.

        Parameters
        ----------
        count
            Counts a table of inputs and outputs, shape (n_rows, n_columns); counts of parts must add up.
        name
            Of this way of counting: another one, or other bins, needs another name.
        version
            The release.
        """
        from cauce.ledger import counted, reading

        return reading.again(
            lambda: counted.by_day(self.folder, reading.look(self.folder), count, name=name, version=version)
        )

    def labelled(self, after: datetime | None = None, *, whole: bool = False) -> pa.Table:
        """Return all predictions, made after `after`, that have a truth, with the last one; columns as `window`.

        Parameters
        ----------
        whole
            Only those none of whose inputs were kept out of the ledger: what a model may learn from and be judged by.
        """
        from cauce.ledger import reading

        return reading.again(lambda: reading.labelled(reading.look(self.folder), after, whole=whole))

    def paired(self, after: datetime | None = None) -> pa.Table:
        """Return the predictions, made after `after`, that a challenger in shadow made too, oldest first.

        Returns
        -------
        pa.Table
            Columns as `window`, the truth null where none came, and what the challenger said: ``shadow.version``,
            ``shadow.prediction``, ``shadow.prob_<class>`` or ``shadow.lower`` and ``shadow.upper``, ``shadow.ms``.
        """
        from cauce.ledger import reading

        return reading.again(lambda: reading.paired(reading.look(self.folder), after))

    def unknown_truths(self, n: int) -> pa.Table:
        """Return the newest `n` truths whose id no prediction had: ``id``, ``value``, ``received``, ``at``."""
        from cauce.ledger import reading

        return reading.again(lambda: reading.unknown_truths(reading.look(self.folder), n))

    def n_labelled(self, after: datetime) -> int:
        """Count the rows of `labelled(after)` without reading inputs: what a watcher asks every few seconds."""
        from cauce.ledger import reading

        return reading.again(lambda: reading.n_labelled(reading.look(self.folder), after))

    def traffic(self, now: datetime) -> Traffic:
        """Return what was answered, over the whole ledger."""
        from cauce.ledger import reading

        return reading.again(lambda: reading.traffic(reading.look(self.folder), now))

    def find(self, *, unit: str | None = None, column: str | None = None, value: str | None = None) -> Erased:
        """Count what `forget` would erase; nothing is written."""
        from cauce.ledger import erasing

        return erasing.find(self.folder, self._about(unit, column, value))

    def forget(
        self,
        now: datetime,
        *,
        unit: str | None = None,
        column: str | None = None,
        value: str | None = None,
        elsewhere: Callable[[Sequence[str]], None] | None = None,
        wait_s: float = 30.0,
    ) -> Erased:
        """Erase all that was written, when this began, about a unit or with a value in a column, for good.

        Predictions, shadows and truths, from journals, tables and their history, and damaged lines that name it. Safe
        while others write and read. After a kill, the same call goes on.

        Parameters
        ----------
        unit
            As requests named it.
        column, value
            An input column, and the value as text.
        elsewhere
            Erases copies kept elsewhere, by prediction id; also called with none, so that it may go on after a kill.
        wait_s
            Seconds to wait for another process that is folding.

        Raises
        ------
        UserError
            Neither a unit nor a column with a value, or both; or the disk is full.
        Locked
            Another process is folding still, or keeps its journal open.
        """
        from cauce.ledger import erasing

        about = self._about(unit, column, value)
        return erasing.erase(self.folder, now, about, wait_s=wait_s, elsewhere=elsewhere)

    def _about(self, unit: str | None, column: str | None, value: str | None) -> About:
        return About(unit, column, value, self._hash_key())

    def retain(self, days: int, now: datetime, *, wait_s: float = 30.0) -> int:
        """Erase what was predicted on days that ended more than `days` days ago (UTC), for good; return how many rows.

        Cheap where there is nothing to do. What is not folded yet stays: fold first.

        Raises
        ------
        Locked
            Another process is folding still.
        """
        from cauce.ledger import erasing

        return erasing.retain(self.folder, days, now, wait_s=wait_s)

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
            for journal in (self._journal, self._relaxed):
                if journal is not None:
                    journal.close()
            self._journal = self._relaxed = None

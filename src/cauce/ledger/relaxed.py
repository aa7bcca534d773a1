"""The journal of ``durability = "relaxed"``: a prediction is acknowledged before the disk has it.

It is written to the file at once, in the caller's own thread, so that `kill -9` takes nothing; a thread syncs it at
most a second later, so that a power cut takes no more than that second.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from cauce.ledger.journal import LOOK_S, SEGMENT_BYTES, SEGMENT_S, JournalClosed, Segment

logger = logging.getLogger("cauce.serve")
SYNC_S = 0.5
"""Seconds from a first unsynced line to its sync, but for the time that the disk takes."""


class RelaxedJournal:
    """Appends lines to segments in `folder`, synced later. Safe to use from many threads; one per process and ledger.

    Parameters
    ----------
    folder
        Made where it is missing.
    segment_bytes, segment_s
        A segment is closed from this size or age (seconds) on.
    sync_s
        Seconds until lines are synced.
    """

    def __init__(
        self,
        folder: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        segment_s: float = SEGMENT_S,
        sync_s: float = SYNC_S,
    ) -> None:
        self._folder, self._segment_bytes, self._segment_s, self._sync_s = folder, segment_bytes, segment_s, sync_s
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._written = threading.Event()
        self._dirty = False
        self._segment: Segment | None = None
        self._ending: list[Segment] = []
        self._thread = threading.Thread(target=self._work, name=f"journal {folder.parent.name}", daemon=True)
        self._thread.start()

    def append(self, lines: Sequence[bytes]) -> Future[None]:
        """Append lines that belong together; the future is done when this returns.

        Its exception is the OSError that kept them from the file (a full disk), and then none of them is kept.
        """
        future: Future[None] = Future()
        content = b"".join(lines)
        with self._lock:
            if self._closing.is_set():
                future.set_exception(JournalClosed("the journal is closed"))
                return future
            try:
                self._write(content)
            except OSError as error:
                future.set_exception(error)
                return future
            first, self._dirty = not self._dirty, True
        if first:
            self._written.set()
        future.set_result(None)
        return future

    def _write(self, content: bytes) -> None:
        if self._segment is None:
            self._segment = Segment(self._folder, synced=False)
        try:
            self._segment.write(content)
        except OSError:
            if not self._segment.undo():
                self._ending.append(self._segment)
                self._segment = None
            raise
        self._segment.keep(len(content))

    def close(self) -> None:
        """Sync and close the segment; may be called twice."""
        with self._lock:
            self._closing.set()
        self._written.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._closing.is_set():
            if self._written.wait(timeout=LOOK_S if self._segment is not None else None):
                self._written.clear()
                self._closing.wait(timeout=self._sync_s)
            self._turn()
        self._turn()

    def _turn(self) -> None:
        """Sync what was written so far, and close what is to be closed."""
        with self._lock:
            dirty, self._dirty = self._dirty, False
            segment = self._segment
            if segment is not None and self._is_due(segment):
                self._ending.append(segment)
                self._segment = None
            ending, self._ending = self._ending, []
        # Only this thread closes files, so the segment stays open while it is synced without the lock.
        if segment is not None and dirty and segment not in ending and not _synced(segment):
            with self._lock:
                if self._segment is segment:
                    self._segment = None
            ending = [*ending, segment]
        for one in ending:
            _synced(one)
            one.close()

    def _is_due(self, segment: Segment) -> bool:
        return self._closing.is_set() or segment.due(self._segment_bytes, self._segment_s)


def _synced(segment: Segment) -> bool:
    try:
        segment.sync()
    except OSError:
        # They are acknowledged, and the file has them unless the power goes: say so, and write on in another file.
        logger.exception("predictions of the last second could not be synced to the disk")
        return False
    return True

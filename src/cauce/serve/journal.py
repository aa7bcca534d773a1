"""The synced journal: nothing is acknowledged before the disk has it.

One thread writes what waiting requests brought together, and syncs once for all of them (group commit). A segment is
one file, locked with flock by its writer for as long as it is open: the kernel frees the lock when the writer dies,
so the folding process knows which segments are closed without asking anybody.

A line is JSON with a checksum at a fixed place: ``{"crc":"xxxxxxxx","r":{...}}``.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from cauce.core.files import sync_folder
from cauce.core.names import uuid7

SEGMENT_BYTES = 16_000_000
SEGMENT_S = 30.0
"""A segment is closed at this age, so that the folding process can take it."""


class JournalClosed(RuntimeError):
    """The service is stopping: nothing more is written."""


def frame(record: bytes) -> bytes:
    r"""Return one journal line for a JSON object.

    Examples
    --------
    >>> frame(b'{"k":"t"}')
    b'{"crc":"d72ddc10","r":{"k":"t"}}\n'
    """
    return b'{"crc":"%08x","r":%b}\n' % (zlib.crc32(record), record)


def unframe(line: bytes) -> bytes | None:
    """Return the JSON object of a line without its line feed, or None when its bytes are not those written."""
    if len(line) < 23 or line[:8] != b'{"crc":"' or line[16:22] != b'","r":' or line[-1:] != b"}":
        return None
    record = line[22:-1]
    return record if line[8:16] == b"%08x" % zlib.crc32(record) else None


class Journal:
    """Appends lines to segments in `folder`. Safe to use from many threads; one per process and ledger.

    Parameters
    ----------
    folder
        Made where it is missing.
    segment_bytes, segment_s
        A segment is closed from this size or age (seconds) on.
    """

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES, segment_s: float = SEGMENT_S) -> None:
        self._folder, self._segment_bytes, self._segment_s = folder, segment_bytes, segment_s
        self._waiting: list[tuple[bytes, Future[None]]] = []
        self._wake = threading.Condition()
        self._closed = False
        self._file: int | None = None
        self._synced = 0
        self._opened = 0.0
        self._thread = threading.Thread(target=self._work, name=f"journal {folder.parent.name}", daemon=True)
        self._thread.start()

    def append(self, lines: Sequence[bytes]) -> Future[None]:
        """Append lines that belong together; the future is done once they are on the disk.

        Its exception is the OSError that kept them from it (a full disk), and then none of them is kept.
        """
        future: Future[None] = Future()
        with self._wake:
            if self._closed:
                future.set_exception(JournalClosed("the journal is closed"))
                return future
            # A client that goes away must not cancel a write that others wait for.
            future.set_running_or_notify_cancel()
            self._waiting.append((b"".join(lines), future))
            self._wake.notify()
        return future

    def close(self) -> None:
        """Write what waits, sync and close the segment; may be called twice."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._wake:
                if not self._waiting and not self._closed:
                    self._wake.wait(timeout=self._idle_s())
                taken, self._waiting = self._waiting, []
                closing = self._closed
            if taken:
                self._commit(taken)
            if self._file is not None and (closing or self._full()):
                self._end_segment()
            if closing and not taken:
                return

    def _idle_s(self) -> float | None:
        if self._file is None:
            return None
        return max(0.01, self._opened + self._segment_s - time.monotonic())

    def _full(self) -> bool:
        return self._synced >= self._segment_bytes or time.monotonic() - self._opened >= self._segment_s

    def _commit(self, taken: list[tuple[bytes, Future[None]]]) -> None:
        try:
            self._write(b"".join(content for content, _ in taken))
        except OSError as error:
            self._undo()
            for _, future in taken:
                future.set_exception(error)
        else:
            for _, future in taken:
                future.set_result(None)

    def _write(self, content: bytes) -> None:
        if self._file is None:
            self._begin_segment()
        assert self._file is not None
        _write_all(self._file, content)
        _sync(self._file)
        self._synced += len(content)

    def _begin_segment(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        while True:
            path = self._folder / f"{uuid7()}.jsonl"
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
            fcntl.flock(handle, fcntl.LOCK_EX)
            # The folding process may have taken the empty file for a closed segment before it was locked.
            if os.fstat(handle).st_nlink:
                break
            os.close(handle)
        self._file, self._synced, self._opened = handle, 0, time.monotonic()
        sync_folder(self._folder)

    def _undo(self) -> None:
        """Cut off what was written without being synced, so that the next line stands on a line of its own."""
        if self._file is None:
            return
        try:
            os.ftruncate(self._file, self._synced)
        except OSError:
            # What is left is a torn last line, which readers skip; the next line goes into a new segment.
            self._end_segment()

    def _end_segment(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file = None


def _write_all(handle: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _sync(handle: int) -> None:
    os.fdatasync(handle)

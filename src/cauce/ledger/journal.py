"""The synced journal: nothing is acknowledged before the disk has it.

One thread writes what waiting requests brought together, and syncs once for all of them (group commit). A segment is
one file, locked with flock by its writer for as long as it is open: the kernel frees the lock when the writer dies,
so the folding process knows which segments are closed without asking anybody. Whoever needs the open ones closed
touches the file ``rotate`` beside them; writers look at it a few times a second.

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
LOOK_S = 0.2
"""How often the writer of an open segment looks whether it is to be closed."""
QUICK_S = 0.0006
"""A disk that syncs within this many seconds, of late, is a quick one."""
ROTATE = "rotate"


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


def rotate(folder: Path) -> None:
    """Ask the writers in `folder` to close the segments that are open now; they do so within a second."""
    mark = folder / ROTATE
    mark.touch()
    moment = time.time_ns()
    os.utime(mark, ns=(moment, moment))


def _asked(folder: Path) -> int:
    try:
        return os.stat(folder / ROTATE).st_mtime_ns  # noqa: PTH116 - hot path
    except FileNotFoundError:
        return 0


class Segment:
    """One file that is being written. Not safe for several threads at once.

    Parameters
    ----------
    folder
        Made where it is missing.
    synced
        Whether its name is on the disk before this returns; else the first `sync` sees to it.
    """

    def __init__(self, folder: Path, *, synced: bool = True) -> None:
        self._folder = folder
        self._asked = _asked(folder)
        _make(folder)
        while True:
            path = folder / f"{uuid7()}.jsonl"
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
            fcntl.flock(handle, fcntl.LOCK_EX)
            # The folding process may have taken the empty file for a closed segment before it was locked.
            if os.fstat(handle).st_nlink:
                break
            os.close(handle)
        self._handle, self._opened, self._named = handle, time.monotonic(), False
        self.n_bytes = 0
        """Of whole lines."""
        if synced:
            self._name()

    def _name(self) -> None:
        sync_folder(self._folder)
        self._named = True

    def write(self, content: bytes) -> None:
        """Append whole lines, without syncing them; `keep` counts them in."""
        _write_all(self._handle, content)

    def keep(self, n_bytes: int) -> None:
        """Count bytes as written for good: `undo` no longer takes them."""
        self.n_bytes += n_bytes

    def sync(self) -> None:
        """Wait until the disk has what was written."""
        _sync(self._handle)
        if not self._named:
            self._name()

    def undo(self) -> bool:
        """Cut off what was written and not kept, so that the next line stands on a line of its own; False if it can't.

        What is then left is a torn last line, which readers skip; the next line belongs into a new segment.
        """
        try:
            os.ftruncate(self._handle, self.n_bytes)
        except OSError:
            return False
        return True

    def due(self, n_bytes: int, age_s: float) -> bool:
        """Whether it is to be closed: by its size, its age, or because somebody asked."""
        if self.n_bytes >= n_bytes or time.monotonic() - self._opened >= age_s:
            return True
        return _asked(self._folder) != self._asked

    def close(self) -> None:
        """Close the file, which frees its lock."""
        os.close(self._handle)


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
        self._segment: Segment | None = None
        self._writing = threading.Lock()
        """Held by who touches the segment."""
        self._sync_s = float("inf")
        """Seconds that a write and its sync take, of late."""
        self._thread = threading.Thread(target=self._work, name=f"journal {folder.parent.name}", daemon=True)
        self._thread.start()

    def append(self, lines: Sequence[bytes], *, here: bool = False) -> Future[None]:
        """Append lines that belong together; the future is done once they are on the disk.

        Its exception is the OSError that kept them from it (a full disk), and then none of them is kept.

        Parameters
        ----------
        here
            Write them in the caller's thread where the disk is known to be quick and nobody else writes: for lines that
            come alone, which the way to the other thread and back would cost more than the sync.
        """
        future: Future[None] = Future()
        content = b"".join(lines)
        with self._wake:
            if self._closed:
                future.set_exception(JournalClosed("the journal is closed"))
                return future
            # A client that goes away must not cancel a write that others wait for.
            future.set_running_or_notify_cancel()
            here = here and self._sync_s <= QUICK_S and not self._waiting and self._writing.acquire(blocking=False)
            if not here:
                self._waiting.append((content, future))
                self._wake.notify()
        if here:
            try:
                self._commit([(content, future)])
            finally:
                self._writing.release()
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
                    self._wake.wait(timeout=min(LOOK_S, self._segment_s) if self._segment is not None else None)
                taken, self._waiting = self._waiting, []
                closing = self._closed
            with self._writing:
                if taken:
                    self._commit(taken)
                if self._segment is not None and (closing or self._segment.due(self._segment_bytes, self._segment_s)):
                    self._end_segment()
            if closing and not taken:
                return

    def _commit(self, taken: list[tuple[bytes, Future[None]]]) -> None:
        try:
            self._write(b"".join(content for content, _ in taken))
        except OSError as error:
            if self._segment is not None and not self._segment.undo():
                self._end_segment()
            for _, future in taken:
                future.set_exception(error)
        else:
            for _, future in taken:
                future.set_result(None)

    def _write(self, content: bytes) -> None:
        if self._segment is None:
            self._segment = Segment(self._folder)
        begun = time.perf_counter()
        self._segment.write(content)
        self._segment.sync()
        self._segment.keep(len(content))
        took = time.perf_counter() - begun
        self._sync_s = took if self._sync_s == float("inf") else 0.9 * self._sync_s + 0.1 * took

    def _end_segment(self) -> None:
        if self._segment is not None:
            self._segment.close()
        self._segment = None


def _make(folder: Path) -> None:
    """Make a folder, and the names of it and of those above it that were missing outlive a power cut."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def _write_all(handle: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _sync(handle: int) -> None:
    os.fdatasync(handle)

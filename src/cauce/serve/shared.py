"""What the workers of one service share: kept answers, one-time codes and console sessions, in one SQLite file.

Written without syncing: it must survive a killed process, not a power cut. A connection is never carried over a fork.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

LIFE_S = 24 * 3600.0
MOST = 10_000
MOST_BYTES = 64_000_000
CLEAN_EVERY = 1_000
TABLES = """
CREATE TABLE IF NOT EXISTS answers (
    route TEXT, key TEXT, digest BLOB, answer BLOB, owner INTEGER, ends REAL, PRIMARY KEY (route, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS secrets (hash BLOB PRIMARY KEY, ends REAL) WITHOUT ROWID;
"""
Claim = bytes | Literal["mine", "under way", "another body"]


class Shared:
    """The file of one service. Safe to use from many threads and processes.

    Parameters
    ----------
    path
        Where it lies; None keeps everything in this process.
    clock
        Seconds since the epoch: workers must agree on it.

    Examples
    --------
    >>> shared = Shared(None)
    >>> shared.claim("/predict", "k", b"1"), shared.claim("/predict", "k", b"1"), shared.claim("/predict", "k", b"2")
    ('mine', 'under way', 'another body')
    >>> shared.keep("/predict", "k", b"{}")
    >>> shared.claim("/predict", "k", b"1")
    b'{}'
    """

    def __init__(self, path: Path | None, *, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = path, clock
        self._lock = threading.Lock()
        self._open: tuple[int, sqlite3.Connection] | None = None
        self._n_claims = 0

    def begin(self) -> None:
        """Forget what a service before this one left unfinished: claims, codes and sessions."""
        with self._used() as connection:
            connection.execute("DELETE FROM answers WHERE answer IS NULL")
            connection.execute("DELETE FROM secrets")

    def claim(self, route: str, key: str, digest: bytes) -> Claim:
        """Return the answer kept under a key, or say who makes it: the caller, or somebody else just now."""
        now = self._clock()
        self._n_claims += 1
        if self._n_claims % CLEAN_EVERY == 0:
            self.clean()
        with self._used() as connection:
            made = connection.execute(
                "INSERT INTO answers VALUES (?, ?, ?, NULL, ?, ?) ON CONFLICT DO UPDATE SET digest = excluded.digest,"
                " answer = NULL, owner = excluded.owner, ends = excluded.ends WHERE answers.ends <= ?",
                (route, key, digest, os.getpid(), now + LIFE_S, now),
            )
            if made.rowcount:
                return "mine"
            found = connection.execute(
                "SELECT digest, answer FROM answers WHERE route = ? AND key = ?", (route, key)
            ).fetchone()
        if found is None:  # dropped in between
            return "under way"
        if found[0] != digest:
            return "another body"
        return found[1] if found[1] is not None else "under way"

    def keep(self, route: str, key: str, answer: bytes) -> None:
        """Keep the answer under a key that this process claimed."""
        with self._used() as connection:
            connection.execute("UPDATE answers SET answer = ? WHERE route = ? AND key = ?", (answer, route, key))

    def drop(self, route: str, key: str) -> None:
        """Give a claim back: the request failed, and the next one with the key is a new try."""
        with self._used() as connection:
            connection.execute("DELETE FROM answers WHERE route = ? AND key = ? AND answer IS NULL", (route, key))

    def release(self, owner: int) -> None:
        """Drop the claims of a process that died."""
        with self._used() as connection:
            connection.execute("DELETE FROM answers WHERE owner = ? AND answer IS NULL", (owner,))

    def clean(self) -> None:
        """Forget answers that are over, and the oldest of those beyond 10,000 or 64 MB."""
        with self._used() as connection:
            connection.execute("DELETE FROM answers WHERE ends <= ?", (self._clock(),))
            connection.execute("DELETE FROM secrets WHERE ends <= ?", (self._clock(),))
            connection.execute(
                "DELETE FROM answers WHERE answer IS NOT NULL AND (route, key) IN (SELECT route, key FROM (SELECT"
                " route, key, row_number() OVER newest AS place, sum(length(answer)) OVER newest AS size FROM answers"
                " WINDOW newest AS (ORDER BY ends DESC)) WHERE place > ? OR size > ?)",
                (MOST, MOST_BYTES),
            )

    def put(self, key: bytes, expires: float) -> None:
        """Keep a code or session, known by its hash, until `expires`, seconds since the epoch."""
        with self._used() as connection:
            connection.execute("DELETE FROM secrets WHERE ends <= ?", (self._clock(),))
            connection.execute("INSERT OR REPLACE INTO secrets VALUES (?, ?)", (key, expires))

    def pop(self, key: bytes) -> bool:
        """Take a code or session away; whether it was there and had not ended."""
        with self._used() as connection:
            ended = connection.execute("DELETE FROM secrets WHERE hash = ? AND ends > ?", (key, self._clock()))
            return ended.rowcount > 0

    def alive(self, key: bytes) -> bool:
        """Return whether a code or session is there and has not ended."""
        with self._used() as connection:
            asked = (key, self._clock())
            found = connection.execute("SELECT 1 FROM secrets WHERE hash = ? AND ends > ?", asked)
            return found.fetchone() is not None

    def close(self) -> None:
        """Close this process's connection; the next use opens another."""
        with self._lock:
            if self._open is not None and self._open[0] == os.getpid():
                self._open[1].close()
            self._open = None

    @contextmanager
    def _used(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._open is None or self._open[0] != os.getpid():
                self._open = (os.getpid(), self._connect())
            yield self._open[1]

    def _connect(self) -> sqlite3.Connection:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch(mode=0o600)
        where = ":memory:" if self._path is None else str(self._path)
        connection = sqlite3.connect(where, isolation_level=None, check_same_thread=False, timeout=5.0)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(TABLES)
        return connection

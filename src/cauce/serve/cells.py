"""Figures in memory that a parent and the workers forked from it all see: one slab a writer, no files, no sockets.

A slab is a row of float64 cells and, beside it, a directory that says what stands where. It has one writing process,
which alone adds entries; any process reads. A worker that takes the place of a dead one takes its slab as well, so that
counters never fall. prometheus_client has the like with a file per process and kind; it costs six times as much a
count, is switched on by an environment variable for the whole process, and mixes the applications in it.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import threading
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

N_CELLS = 1 << 16
DIRECTORY_BYTES = 1 << 20
PID, DIRECTORY_END, CELLS_END, SINK = 0, 1, 2, 3
"""The first cells: who writes, the directory's length, the first free cell, and where figures go that found no room."""
FIRST = 64
logger = logging.getLogger("cauce.serve")


class Entry(NamedTuple):
    """What stands in some cells."""

    name: str
    labels: tuple[str, ...]
    at: int
    """The first of its cells."""
    n: int


class Slab:
    """One writer's cells. Pages that nobody wrote take no memory."""

    def __init__(self) -> None:
        view = memoryview(mmap.mmap(-1, 8 * N_CELLS + DIRECTORY_BYTES))
        self.cells = view[: 8 * N_CELLS].cast("d")
        self._directory = view[8 * N_CELLS :]
        self._entries: list[Entry] = []
        self._read_to = 0
        self._reading = threading.Lock()
        if not self.cells[CELLS_END]:
            self.cells[CELLS_END] = FIRST

    def entries(self) -> list[Entry]:
        """Return all entries; what came since the last time is read from the directory."""
        with self._reading:
            end = int(self.cells[DIRECTORY_END])
            if end > self._read_to:
                lines = map(json.loads, bytes(self._directory[self._read_to : end]).splitlines())
                self._entries.extend(Entry(name, tuple(labels), at, n) for name, labels, at, n in lines)
                self._read_to = end
            return self._entries[:]

    def add(self, name: str, labels: tuple[str, ...], n: int) -> int:
        """Return the first of `n` new cells; the sink's, which nobody reads, where the slab is full."""
        at, end = int(self.cells[CELLS_END]), int(self.cells[DIRECTORY_END])
        line = json.dumps([name, labels, at, n]).encode() + b"\n"
        if at + n > N_CELLS or end + len(line) > DIRECTORY_BYTES:
            logger.warning("no room for another series of %s: it is not counted until the service starts again", name)
            return SINK
        self._directory[end : end + len(line)] = line
        self.cells[CELLS_END] = at + n
        self.cells[DIRECTORY_END] = end + len(line)  # last: a reader sees whole lines alone
        return at


class Board:
    """The slabs of one application, of which this process writes one.

    Parameters
    ----------
    workers
        Processes that will be forked from this one; 1 where this one answers itself.

    Attributes
    ----------
    cells
        Of the slab that this process writes. Changes with `attach`.
    lock
        Held for each change: several threads of a process count.
    """

    def __init__(self, workers: int) -> None:
        # The parent has a slab of its own, for what it counts and for its own use of the machine.
        self.slabs = [Slab() for _ in range(workers + 1 if workers > 1 else 1)]
        self.attach(0)

    def attach(self, place: int) -> None:
        """Write into slab `place` from now on; this process has no other threads yet."""
        self.lock = threading.Lock()
        self._own = self.slabs[place]
        self._places = {entry[:2]: entry.at for entry in self._own.entries()}
        self.cells = self._own.cells
        self.cells[PID] = os.getpid()

    def own_entries(self) -> list[Entry]:
        """Return what stands in this process' slab, from a writer before it too."""
        return self._own.entries()

    def detach(self, place: int) -> None:
        """Say that the writer of slab `place` has ended: its counts stay, its states go."""
        self.slabs[place].cells[PID] = 0.0

    def place(self, name: str, labels: tuple[str, ...], n: int) -> int:
        """Return the first of the `n` cells of a series, new ones where it has none."""
        with self.lock:
            key = (name, labels)
            if key not in self._places:
                self._places[key] = self._own.add(name, labels, n)
            return self._places[key]

    @property
    def n_workers(self) -> int:
        """Processes that answer now."""
        return sum(bool(slab.cells[PID]) for slab in self.slabs[1:] or self.slabs)

    def pids(self) -> list[int]:
        """Return the processes, the parent first."""
        return [int(slab.cells[PID]) for slab in self.slabs if slab.cells[PID]]

    def series(self) -> Iterator[tuple[Entry, bool, list[float]]]:
        """Yield every series of every slab: what it is, whether its writer lives, its cells."""
        for slab in self.slabs:
            alive = bool(slab.cells[PID])
            for entry in slab.entries():
                yield entry, alive, list(slab.cells[entry.at : entry.at + entry.n])


class Series:
    """Some cells under a name and labels; stays true when the process is given another slab."""

    __slots__ = ("_board", "at", "labels", "n", "name")

    def __init__(self, board: Board, name: str, labels: tuple[str, ...], n: int) -> None:
        self._board, self.name, self.labels, self.n = board, name, labels, n
        self.bind()

    def bind(self) -> None:
        """Look its cells up again."""
        self.at = self._board.place(self.name, self.labels, self.n)


class Count(Series):
    """A figure that only grows."""

    __slots__ = ()

    def inc(self, amount: float = 1.0) -> None:
        """Add `amount`."""
        board = self._board
        with board.lock:
            board.cells[self.at] += amount


class State(Series):
    """A figure that rises and falls: its value, and when it was set."""

    __slots__ = ()

    def set(self, value: float) -> None:
        """Set it."""
        board = self._board
        with board.lock:
            board.cells[self.at] = value
            board.cells[self.at + 1] = time.time()

    def clear(self) -> None:
        """Forget what a writer before this one set."""
        board = self._board
        with board.lock:
            board.cells[self.at] = board.cells[self.at + 1] = 0.0


class Tally(Series):
    """Figures that only grow, one for each of some bins."""

    __slots__ = ()

    def add(self, amounts: Sequence[float]) -> None:
        """Add an amount to each bin."""
        board = self._board
        with board.lock:
            if self.at != SINK:
                for place, amount in enumerate(amounts, start=self.at):
                    board.cells[place] += amount

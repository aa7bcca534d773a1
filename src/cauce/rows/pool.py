"""Processes that compute pieces of a batch side by side, for functions that are slow: Python code holds one core.

Pieces and answers travel as Arrow through pipes, the functions as text: nothing is pickled, and nothing of the parent
is imported again. A worker that loses its parent reads the end of its input and ends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cauce.core.errors import UserError
from cauce.rows.compute import Computation

if TYPE_CHECKING:
    import pyarrow as pa

SIZE = 8  # bytes of a message's length
FAILED = b""
"""The answer of a worker whose function raised; the parent computes that piece itself and tells why."""
_COMMAND = "from cauce.rows.worker import main; main()"


class Pool:
    """Workers that start when they are first needed. Belongs to one thread; close it.

    Parameters
    ----------
    computing
        What they compute.
    n_workers
        How many at most.
    """

    def __init__(self, computing: Computation, n_workers: int) -> None:
        self._header = _header(computing)
        self._n_workers = n_workers
        self._workers: list[subprocess.Popen[bytes]] = []

    def map(self, pieces: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch | None]:
        """Give the new columns of every piece, in order; None for one that failed.

        Raises
        ------
        UserError
            A worker died.
        """
        waiting: list[subprocess.Popen[bytes]] = []
        for number, piece in enumerate(pieces):
            if len(waiting) == self._n_workers:
                yield _received(waiting.pop(0))
            worker = self._worker(number % self._n_workers)
            send(_pipe(worker.stdin), to_bytes(piece), worker=worker)
            waiting.append(worker)
        for worker in waiting:
            yield _received(worker)

    def close(self) -> None:
        """End the workers, also in the middle of a piece."""
        for worker in self._workers:
            worker.kill()
            worker.communicate()
        self._workers = []

    def _worker(self, number: int) -> subprocess.Popen[bytes]:
        if number == len(self._workers):
            here = str(Path(__file__).parents[2])  # where this Cauce is, also where it is not installed
            path = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
            worker = subprocess.Popen(  # noqa: S603 - this interpreter, with a text of our own
                [sys.executable, "-P", "-c", _COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": path},
            )
            self._workers.append(worker)
            send(_pipe(worker.stdin), self._header, worker=worker)
        return self._workers[number]


def send(pipe: IO[bytes], message: bytes, *, worker: subprocess.Popen[bytes] | None = None) -> None:
    """Write one message behind its length."""
    try:
        pipe.write(len(message).to_bytes(SIZE, "little") + message)
        pipe.flush()
    except BrokenPipeError:
        if worker is None:
            raise
        raise _died(worker) from None


def receive(pipe: IO[bytes]) -> bytes | None:
    """Read one message; None where the other side has gone."""
    size = pipe.read(SIZE)
    if len(size) < SIZE:
        return None
    message = pipe.read(int.from_bytes(size, "little"))
    return message if len(message) == int.from_bytes(size, "little") else None


def from_bytes(message: bytes) -> pa.RecordBatch:
    """Return the batch that a message holds."""
    import pyarrow as pa

    with pa.ipc.open_stream(message) as reader:
        return reader.read_next_batch()


def to_bytes(batch: pa.RecordBatch) -> bytes:
    """Return a batch as the bytes of a message."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _header(computing: Computation) -> bytes:
    functions = computing.functions
    return json.dumps(
        {
            "entries": functions.entries,
            "scripts": [(script.path, script.text) for script in functions.scripts],
            "inputs": dict(computing.inputs),
            "outputs": dict(computing.outputs),
        }
    ).encode()


def _received(worker: subprocess.Popen[bytes]) -> pa.RecordBatch | None:
    message = receive(_pipe(worker.stdout))
    if message is None:
        raise _died(worker)
    return from_bytes(message) if message != FAILED else None


def _died(worker: subprocess.Popen[bytes]) -> UserError:
    hint = "It may have run out of memory. Run the same command again: what was computed is kept."
    what = "a process that computes row functions ended by itself"
    return UserError(what, where="rows", received=f"exit code {worker.wait()}", hint=hint)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:  # pragma: no cover - both are asked for
        raise RuntimeError("a worker without a pipe")
    return pipe

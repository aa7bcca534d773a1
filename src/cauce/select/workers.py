"""A runner with processes: each uses one core and works on one fold at a time; at the deadline it is ended.

Rows travel once, as an Arrow file that every process maps into its memory; jobs as a line of JSON; results as the
files of the fold cache, so that what was done is kept whoever dies. Nothing is pickled, and nothing of the parent is
imported again. A process that loses its parent reads the end of its input and ends.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from cauce.core.artefacts import TaskSpec
from cauce.core.errors import MissingExtra
from cauce.core.files import from_json, to_json, write_bytes
from cauce.core.protocols import Task
from cauce.core.registry import task as task_named
from cauce.select.attempts import Effort
from cauce.select.cache import FoldCache
from cauce.select.folds import Failure, Job, Outcome, Runner, Work, attempt, both, here, unheard, warm_up

_COMMAND = "from cauce.select.workers import main; main()"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1", "OPENBLAS_NUM_THREADS": "1"}
"""What makes a process use one core. Pinning it to one would let it starve beside a busy neighbour."""
SIDES = ("train", "test")
WORTH_ROWS, WORTH_SECONDS = 2_000, 10.0
"""Rows, or seconds of budget, from which processes pay for their start of some seconds."""
TABLE, FOLDS, SPEC = "table.arrow", "folds.arrow", "spec.json"


@dataclass(frozen=True)
class Answer:
    """What a process says of a job; the result itself lies in the cache."""

    failure: str | None = None
    """`RungWhy` of a rung that failed."""
    note: str = ""
    bug: str | None = None
    """The traceback of what a rung may not fail with."""


def n_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def workers(n_workers: int) -> Iterator[Callable[[Work], Runner]]:
    """Give what makes the runner of a climb; its processes start at the first job and end with the block.

    Parameters
    ----------
    n_workers
        Processes, each with one thread.

    Examples
    --------
    ``with workers(2) as runner: climb(..., runner=runner)``
    """
    crews: list[_Crew] = []

    def make(work: Work) -> Runner:
        crews.append(_Crew(work, n_workers))
        return crews[-1].run

    try:
        yield make
    finally:
        for crew in crews:
            crew.close()


@contextmanager
def runner_for(task: Task, spec: TaskSpec, n_rows: int, effort: Effort) -> Iterator[Callable[[Work], Runner]]:
    """Give processes where they pay and can be had, and this process alone otherwise.

    A budget needs one that can be ended at its end, also on a single core. Tasks that are not in the registry cannot
    be found by name, and stay here.
    """
    worth = n_rows >= WORTH_ROWS if effort.budget_s is None else effort.budget_s >= WORTH_SECONDS
    n_workers = n_cores() if n_cores() > 1 or effort.budget_s is not None else 0
    if not worth or not n_workers or type(task) is not type(task_named(spec.task)):
        yield here
        return
    with workers(n_workers) as runner:
        yield runner


class _Crew:
    """The processes of one climb. Belongs to one thread."""

    def __init__(self, work: Work, n_workers: int) -> None:
        self.work, self.n_workers = work, n_workers
        self.folder = tempfile.TemporaryDirectory(prefix="cauce-select-")
        self.cache = work.cache if work.cache.folder else FoldCache(Path(self.folder.name) / "folds", work.spec)
        self._lay()
        self.processes = {worker: self._start() for worker in range(n_workers)}  # they import while others work

    def run(
        self, jobs: Sequence[Job], *, deadline: float | None, told: Callable[[int], None] = unheard
    ) -> Sequence[Outcome]:
        """Do the jobs, as `folds.Runner` says."""
        outcomes: dict[int, Outcome] = {}
        for place, job in enumerate(jobs):
            kept = self.cache.read(job.candidate, job.fold, *self.work.folds[job.fold])
            if kept is not None:
                outcomes[place] = kept
        waiting = [place for place in range(len(jobs)) if place not in outcomes]
        under_way: dict[int, int] = {}
        while waiting or under_way:
            left = None if deadline is None else deadline - self.work.clock()
            if left is not None and left <= 0:
                self._end(list(under_way))
                break
            for worker in range(self.n_workers):
                if waiting and worker not in under_way:
                    told(waiting[0])
                    self._send(worker, jobs[waiting[0]])
                    under_way[worker] = waiting.pop(0)
            for worker in self._ready(list(under_way), left):
                place = under_way.pop(worker)
                outcomes[place] = self._received(worker, jobs[place])
                if isinstance(outcomes[place], Failure):  # the rest of this rung is not worth the time
                    waiting = [one for one in waiting if jobs[one].candidate != jobs[place].candidate]
        return [outcomes.get(place, Failure("budget")) for place in range(len(jobs))]

    def close(self) -> None:
        """End the processes, also in the middle of a job."""
        self._end(list(self.processes))
        self.folder.cleanup()

    def _end(self, workers: Sequence[int]) -> None:
        for worker in workers:
            process = self.processes.pop(worker)
            process.kill()
            process.communicate()

    def _send(self, worker: int, job: Job) -> None:
        if worker not in self.processes:
            self.processes[worker] = self._start()
        candidate = replace(job.candidate, skip=None)
        line = json.dumps({"candidate": json.loads(to_json(candidate, indent=None)), "fold": job.fold})
        _pipe(self.processes[worker].stdin).write(line.encode() + b"\n")
        _pipe(self.processes[worker].stdin).flush()

    def _ready(self, workers: Sequence[int], seconds: float | None) -> list[int]:
        with selectors.DefaultSelector() as selector:
            for worker in workers:
                selector.register(_pipe(self.processes[worker].stdout), selectors.EVENT_READ, worker)
            return [int(key.data) for key, _ in selector.select(seconds)]

    def _received(self, worker: int, job: Job) -> Outcome:
        line = _pipe(self.processes[worker].stdout).readline()
        if not line:
            code = self.processes.pop(worker).wait()
            return Failure("failed", both(f"its process ended with exit code {code}; it may have run out of memory"))
        answer = from_json(line, Answer)
        if answer.bug is not None:
            raise RuntimeError(f"{job.candidate.name}, fold {job.fold + 1}:\n{answer.bug}")
        if answer.failure is not None:
            error = MissingExtra(answer.note) if answer.failure == "missing_extra" else ValueError(answer.note)
            return Failure(answer.failure, both(answer.note), error)  # type: ignore[arg-type]
        kept = self.cache.read(job.candidate, job.fold, *self.work.folds[job.fold])
        if kept is None:
            raise RuntimeError(f"{job.candidate.name}, fold {job.fold + 1}: done, and not in the cache")
        return kept

    def _lay(self) -> None:
        """Write what every process reads, once."""
        import pyarrow as pa

        folder = Path(self.folder.name)
        with pa.OSFile(str(folder / TABLE), "wb") as sink, pa.ipc.new_file(sink, self.work.table.schema) as writer:
            writer.write_table(self.work.table)
        folds = pa.table({side: [fold[i].tolist() for fold in self.work.folds] for i, side in enumerate(SIDES)})
        with pa.OSFile(str(folder / FOLDS), "wb") as sink, pa.ipc.new_file(sink, folds.schema) as writer:
            writer.write_table(folds)
        write_bytes(folder / SPEC, to_json(self.work.spec))

    def _start(self) -> subprocess.Popen[bytes]:
        where = str(Path(__file__).parents[2])  # where this Cauce is, also where it is not installed
        path = os.pathsep.join([where, *filter(None, [os.environ.get("PYTHONPATH")])])
        return subprocess.Popen(  # noqa: S603 - this interpreter, with a text of our own
            [sys.executable, "-P", "-c", _COMMAND, self.folder.name, str(self.cache.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": path},
        )


def main() -> None:
    """Be one process: read jobs from the standard input until it ends, answer each with a line."""
    import signal

    import numpy as np
    import pyarrow as pa

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    folder, cache = Path(sys.argv[1]), Path(sys.argv[2])
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    spec = from_json((folder / SPEC).read_bytes(), TaskSpec, where=SPEC)
    table = pa.ipc.open_file(pa.memory_map(str(folder / TABLE))).read_all()
    read = pa.ipc.open_file(pa.memory_map(str(folder / FOLDS))).read_all()
    sides = [[np.asarray(read[side][i].values.to_numpy(), np.int64) for i in range(read.num_rows)] for side in SIDES]
    folds = tuple(zip(*sides, strict=True))
    work = Work(task_named(spec.task), spec, table, folds, FoldCache(cache, spec), time.monotonic)
    warm: set[str] = set()
    for line in sys.stdin.buffer:
        answers.write(to_json(_answer(work, line, warm), indent=None) + b"\n")
        answers.flush()


def _answer(work: Work, line: bytes, warm: set[str]) -> Answer:
    import traceback

    from cauce.core.artefacts import Candidate

    asked = json.loads(line)
    job = Job(from_json(json.dumps(asked["candidate"]), Candidate), asked["fold"])
    if job.candidate.name not in warm:
        warm_up(work, job.candidate)
        warm.add(job.candidate.name)
    try:
        outcome = attempt(work, job)
    except Exception:  # told to the parent, which raises it: a bug ends the climb there as here
        return Answer(bug=traceback.format_exc())
    if isinstance(outcome, Failure):
        return Answer(failure=outcome.why, note=(outcome.note or {}).get("en", ""))
    return Answer()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:  # pragma: no cover - both are asked for
        raise RuntimeError("a worker without a pipe")
    return pipe

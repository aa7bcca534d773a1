"""Replays in processes: jobs as lines of JSON, results as files by fingerprint, so that an interrupted one goes on.

Nothing is pickled. A process that loses its parent reads the end of its input and ends.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cauce.core.errors import UserError
from cauce.core.files import fingerprint, from_json, read_kept, to_json, write_artefact
from cauce.core.progress import Progress, silent
from cauce.core.rehearsing import Job, Replayed

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1", "OPENBLAS_NUM_THREADS": "1"}
"""What makes a process use one core: as many processes as cores do the work."""


@dataclass(frozen=True)
class Crew:
    """Where jobs are done.

    Parameters
    ----------
    folder
        Results lie here, and whatever the processes read; it belongs to one fingerprint of rows, rung and settings.
    command
        Python to run in a process; it ends in `serve_jobs`. The folder is its argument.
    n_workers
        Processes; 0 does the jobs here, by `here`.
    here
        Does one job in this process.
    """

    folder: Path
    command: str
    n_workers: int
    here: Callable[[Job], Replayed]


def result_path(folder: Path, job: Job) -> Path:
    """Return where a job's result lies once it is finished."""
    return folder / "replays" / f"{fingerprint(job)}.json"


def run_jobs(
    crew: Crew, jobs: Sequence[Job], progress: Progress = silent, *, stage: str = "rehearse"
) -> list[Replayed]:
    """Return the result of every job, in their order; those that are finished already are read.

    Raises
    ------
    RuntimeError
        A process failed; its traceback is told. What was finished is kept.
    UserError
        A process was ended by the system, out of memory, say.
    """
    jobs = list(jobs)
    found = [read_kept(result_path(crew.folder, job), Replayed) for job in jobs]
    waiting = list(dict.fromkeys(job for job, kept in zip(jobs, found, strict=True) if kept is None))
    done = len(jobs) - len(waiting)
    progress(stage, done, len(jobs))

    def told(job: Job) -> None:
        nonlocal done
        done += 1
        progress(stage, done, len(jobs), job.scenario.name)

    if crew.n_workers < 2 or len(waiting) < 2:
        for job in waiting:
            write_artefact(result_path(crew.folder, job), crew.here(job))
            told(job)
    else:
        _in_processes(crew, waiting, told)
    results = [read_kept(result_path(crew.folder, job), Replayed) for job in jobs]
    missing = [job.scenario.name for job, result in zip(jobs, results, strict=True) if result is None]
    if missing:
        raise UserError("a rehearsal's result cannot be read", where=str(crew.folder), received=missing[0])
    return [result for result in results if result is not None]


def serve_jobs(here: Callable[[Job], Replayed], folder: Path) -> None:
    """Do the jobs that come as lines on standard input until it ends; say ``done`` after each."""
    said = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    for line in sys.stdin:
        job = from_json(line, Job)
        write_artefact(result_path(folder, job), here(job))
        said.write("done\n")
        said.flush()


def _in_processes(crew: Crew, jobs: Sequence[Job], told: Callable[[Job], None]) -> None:
    waiting = list(reversed(jobs))
    under_way: dict[int, Job] = {}
    processes = [_start(crew) for _ in range(min(crew.n_workers, len(jobs)))]
    with selectors.DefaultSelector() as ready:
        try:
            for place, process in enumerate(processes):
                ready.register(_pipe(process.stdout), selectors.EVENT_READ, place)
                under_way[place] = waiting.pop()
                _hand(process, under_way[place])
            while under_way:
                for key, _ in ready.select():
                    process = processes[key.data]
                    if not _pipe(process.stdout).readline():
                        raise _ended(process)
                    told(under_way.pop(key.data))
                    if waiting:
                        under_way[key.data] = waiting.pop()
                        _hand(process, under_way[key.data])
        finally:
            for process in processes:
                _end(process)


def _start(crew: Crew) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", crew.command, str(crew.folder)]
    environment = {**os.environ, **ONE_THREAD}
    pipe = subprocess.PIPE
    errors = (crew.folder / "errors.txt").open("ab")
    try:
        return subprocess.Popen(  # noqa: S603 - our own interpreter, our own command
            command, stdin=pipe, stdout=pipe, stderr=errors, env=environment, bufsize=0
        )
    finally:
        errors.close()


def _pipe(end: IO[bytes] | None) -> IO[bytes]:
    assert end is not None
    return end


def _hand(process: subprocess.Popen[bytes], job: Job) -> None:
    try:
        _pipe(process.stdin).write(to_json(job, indent=None) + b"\n")
    except BrokenPipeError:
        return  # its end is read from its output


def _ended(process: subprocess.Popen[bytes]) -> Exception:
    code = process.wait()
    if code < 0:
        hint = "It may have run out of memory: try fewer workers (--workers 1), or fewer rows (--rows)."
        return UserError("a process of the rehearsal was ended by the system", received=f"signal {-code}", hint=hint)
    return RuntimeError(f"a process of the rehearsal failed with exit code {code}; see errors.txt in its folder")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()

"""Several processes that answer on one port.

A parent without threads loads the champions and forks, so that the workers share the memory of what it loaded. It
answers nothing itself: it starts again what dies, hands SIGTERM on, and ends when all have ended. A worker notices the
parent's death by a pipe and drains, so that no worker is ever left over.

On Linux each worker has a listening socket of its own on the same port and the kernel deals connections out evenly; the
parent keeps all of them open, so that connections wait for a worker that is being started again. Elsewhere they share
one.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from cauce.core.errors import UserError

logger = logging.getLogger("cauce.serve")
LOOK_EVERY_S = 0.5
SOON_S = 5.0
"""A worker that dies this soon after its start waits before it is started again."""
LONGEST_PAUSE_S = 10.0
MOST_FAILED_STARTS = 3
Main = Callable[[int, socket.socket, Callable[[], None], int], int]
"""A worker's whole life: its number from 1, its socket, what it calls once it answers, and a file that ends when the
parent dies; gives the exit code."""


@dataclass(eq=False)
class _Worker:
    number: int
    listener: socket.socket
    pid: int = 0
    started: float = 0.0
    pause_s: float = 0.1
    again_at: float = 0.0
    ready: bool = False


@dataclass(eq=False)
class Crew:
    """The workers of one service, from their start to their end.

    Parameters
    ----------
    listeners
        A listening socket for each worker.
    main
        What a worker does.
    ready
        Called once, when all workers answer.
    died
        Called with number and process id of a worker that ended, and whether another one takes its place.
    drain_s
        Seconds that workers may take to end before they are killed.
    beside
        Process that started this one: end when it has ended.
    """

    listeners: Sequence[socket.socket]
    main: Main
    ready: Callable[[], None]
    died: Callable[[int, int, bool], None]
    drain_s: float
    beside: int | None = None
    _workers: list[_Worker] = field(default_factory=list)
    _asked: list[int] = field(default_factory=list)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises
        ------
        UserError
            No worker could be started.
        KeyboardInterrupt
            It was SIGINT.
        """
        # What is in memory now is never looked at by the garbage collector again: its pages stay shared.
        gc.collect()
        gc.freeze()
        self._workers = [_Worker(number, listener) for number, listener in enumerate(self.listeners, 1)]
        self._wake, wake = os.pipe()
        self._life, self._ours = os.pipe()
        self._news, self._tell = os.pipe()
        for end in (self._wake, wake, self._news):
            os.set_blocking(end, False)
        before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        try:
            self._keep()
        finally:
            self._end()
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            for end in (self._wake, wake, self._life, self._ours, self._news, self._tell):
                os.close(end)
            gc.unfreeze()
        if signal.SIGINT in self._asked:
            raise KeyboardInterrupt

    def _note(self, number: int, _: object) -> None:
        self._asked.append(number)

    def _keep(self) -> None:
        announced, failed = False, 0
        while not self._asked and (self.beside is None or os.getppid() == self.beside):
            now = time.monotonic()
            for worker in self._workers:
                if not worker.pid and now >= worker.again_at:
                    self._start(worker)
            select.select([self._wake, self._news], [], [], LOOK_EVERY_S)
            self._read_news()
            for worker in self._ended():
                failed += not worker.ready and not announced
                self._plan_restart(worker)
            if failed >= MOST_FAILED_STARTS:
                raise UserError("the workers of the service end as soon as they start", hint="The log says why.")
            if not announced and all(worker.ready for worker in self._workers):
                announced = True
                self.ready()

    def _start(self, worker: _Worker) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        worker.ready, worker.started = False, time.monotonic()
        pid = os.fork()
        if pid == 0:
            self._be(worker)
        worker.pid = pid

    def _be(self, worker: _Worker) -> NoReturn:
        """Be a worker: never returns into the parent's code."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            # Ctrl-C reaches the parent alone, which tells the workers.
            os.setpgid(0, 0)
            os.close(self._ours)
            for other in self._workers:
                if other is not worker and other.listener is not worker.listener:
                    other.listener.close()
            code = self.main(worker.number, worker.listener, self._say_ready, self._life)
        except Exception:  # the parent sees the exit code; the log has the reason
            logger.exception("a worker of the service failed")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _say_ready(self) -> None:
        os.write(self._tell, os.getpid().to_bytes(4, "big"))

    def _read_news(self) -> None:
        for end in (self._wake, self._news):
            try:
                content = os.read(end, 4096)
            except BlockingIOError:
                continue
            if end == self._news:
                pids = {int.from_bytes(content[at : at + 4], "big") for at in range(0, len(content), 4)}
                for worker in self._workers:
                    worker.ready = worker.ready or worker.pid in pids

    def _ended(self) -> list[_Worker]:
        """Return the workers that ended since the last look."""
        return [worker for worker in self._workers if worker.pid and os.waitpid(worker.pid, os.WNOHANG)[0]]

    def _plan_restart(self, worker: _Worker) -> None:
        logger.warning("worker %d of the service ended; another one takes its place", worker.pid)
        self.died(worker.number, worker.pid, True)
        lived = time.monotonic() - worker.started
        worker.pause_s = min(LONGEST_PAUSE_S, worker.pause_s * 2) if lived < SOON_S else 0.1
        worker.again_at = time.monotonic() + (worker.pause_s if lived < SOON_S else 0.0)
        worker.pid = 0

    def _end(self) -> None:
        """Have the workers drain, and kill those that do not end in time."""
        until = time.monotonic() + self.drain_s
        for worker in self._workers:
            worker.listener.close()  # else the kernel would go on taking connections that nobody answers
            if worker.pid:
                os.kill(worker.pid, signal.SIGTERM)
        while any(worker.pid for worker in self._workers):
            for worker in self._ended():
                self.died(worker.number, worker.pid, False)
                worker.pid = 0
            if time.monotonic() > until:
                for worker in self._workers:
                    if worker.pid:
                        os.kill(worker.pid, signal.SIGKILL)
            select.select([self._wake], [], [], 0.05)
            self._read_news()

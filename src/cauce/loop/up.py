"""`cauce up`: run what is stale, serve it, watch it and renew it.

Three processes, so that training never holds the service up and a crash of one leaves the others: the stages
(`cauce up --once`), the service (this one) and the watcher (`cauce watch --every`), started again when it dies.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cauce.core.errors import EXIT_DONE, EXIT_INTERRUPTED, Refused
from cauce.loop.context import Loop
from cauce.loop.serve import Announce

END_S = 5.0
"""How long the watcher may take to end, seconds."""


def up(loop: Loop, *, port: int | None, every_s: float, announce: Announce) -> int:
    """Run the stages in a process of their own, then serve until interrupted, a watcher beside; give the exit code."""
    from cauce.loop.serve import check_address, serve, serving

    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell script started it with `&`
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until the service listens, and drains on it
    with serving(loop):
        check_address(loop, port=port)
        folder = loop.project.folder
        code = _run_to_the_end(_command(loop, "up", "--once"))
        if code == EXIT_INTERRUPTED:
            raise KeyboardInterrupt
        if not _any_champion(loop):
            error = Refused("nothing to serve: no model has a champion", hint="Mend what is said above, run it again.")
            error.exit_code = code if code > 0 else error.exit_code
            raise error
        watching = _command(loop, "watch", "--quiet", "--every", f"{every_s:g}s", "--beside", str(os.getpid()))
        if loop.project.file.serve.workers == 1:
            with _watcher(watching, folder):
                serve(loop, port=port, announce=announce)
            return EXIT_DONE
    # Workers are forked by a process without threads, and this one keeps the watcher with one.
    with _watcher(watching, folder):
        options = [] if port is None else ["--port", str(port)]
        return _serve_apart(_command(loop, "serve", "--beside", str(os.getpid()), *options))


def _run_to_the_end(command: list[str]) -> int:
    """Run a command in a session of its own: Ctrl-C and SIGTERM are handed on to it once, and it keeps what it has."""
    with subprocess.Popen(command, start_new_session=True) as process:  # noqa: S603 - our own command
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise


def _serve_apart(command: list[str]) -> int:
    """Run the service in a process of its own until it ends or this one is told to; return its exit code."""
    told: list[int] = []
    started: list[subprocess.Popen[bytes]] = []

    def end(number: int, _: object) -> None:
        told.append(number)
        for process in started:
            process.send_signal(signal.SIGTERM)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    with subprocess.Popen(command, start_new_session=True) as process:  # noqa: S603 - our own command
        started.append(process)
        if told:
            process.send_signal(signal.SIGTERM)
        code = process.wait()
    if signal.SIGINT in told:
        raise KeyboardInterrupt
    return code


def _any_champion(loop: Loop) -> bool:
    return any(loop.tracker.alias(name, "champion") is not None for name in loop.project.file.models)


def _command(loop: Loop, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "cauce", *arguments, "--project", str(loop.project.folder)]


@contextmanager
def _watcher(command: list[str], folder: Path) -> Iterator[None]:
    """Keep the watcher running beside the block, and end it with the block."""
    stop = threading.Event()
    running: list[subprocess.Popen[bytes]] = []

    def keep() -> None:
        while not stop.is_set():
            process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
            running[:] = [process]
            while process.poll() is None and not stop.wait(0.2):
                pass
            stop.wait(1.0)

    thread = threading.Thread(target=keep, name="watcher", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        for process in running:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and kill it where it goes on training: what it finished is on the disk."""
    process.terminate()
    try:
        process.wait(timeout=END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

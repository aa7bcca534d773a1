"""`cauce up`: run what is stale, serve it, watch it and renew it.

Three processes, so that training never holds the service up and a crash of one leaves the others: the stages
(`cauce up --once`), the service (this one) and the watcher (`cauce watch --every`), started again when it dies.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cauce.core.artefacts import Decision
from cauce.core.errors import Refused, UserError
from cauce.loop.context import Loop
from cauce.loop.judge import reconcile, settle, settled
from cauce.loop.train import Trained, train


@dataclass(frozen=True)
class Outcome:
    """What `cauce up --once` came to for one model."""

    model: str
    trained: Trained | None
    decision: Decision | None
    error: UserError | None


def run_stages(loop: Loop, models: Sequence[str] | None = None) -> tuple[Outcome, ...]:
    """Bring every model up to date with its file and source; one that is blocked does not stop the others."""
    with loop.locked(wait_s=5.0):
        loop.tracker.relocate()  # the project may have been moved, or restored from a backup
        return tuple(_run(loop, name) for name in models or loop.project.file.models)


def _run(loop: Loop, name: str) -> Outcome:
    try:
        reconcile(loop, name)
        trained = train(loop, name)
        decision = None if settled(loop, trained.release) else settle(loop, trained.release)
        return Outcome(name, trained, decision, None)
    except UserError as error:
        return Outcome(name, None, None, error)


def up(loop: Loop, *, port: int | None, every_s: float, announce: object) -> None:
    """Run the stages in a process of their own, then serve until interrupted, with the watcher beside."""
    from cauce.loop.serve import serve, serving

    with serving(loop):
        folder = loop.project.folder
        code = _run_to_the_end(_command(loop, "up", "--once"))
        if code not in {0, 3} or not _any_champion(loop):
            raise Refused("nothing to serve: no model has a champion", hint="Mend what is said above and run it again.")
        with _watcher(_command(loop, "watch", "--quiet", "--every", f"{every_s:g}s"), folder):
            serve(loop, port=port, announce=announce)  # type: ignore[arg-type]


def _run_to_the_end(command: list[str]) -> int:
    """Run a command; Ctrl-C reaches it as well, and is passed on once it has kept what it has."""
    with subprocess.Popen(command) as process:  # noqa: S603 - our own command
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()
            raise


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
            process.terminate()
            process.wait(timeout=10)

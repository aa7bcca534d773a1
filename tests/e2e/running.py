"""`cauce up` as a user starts it: a process of its own, its output read line by line, its address and token found."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

PATIENCE_S = 90.0
ADDRESS = re.compile(r"at (http://127\.0\.0\.1:\d+)")
LINK = re.compile(r"http://127\.0\.0\.1:\d+/console\?code=[\w-]+")


class Running:
    """One process of `cauce` and all that it says on either stream."""

    def __init__(self, folder: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cauce", *arguments],
            cwd=folder,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def said(self) -> str:
        """Everything so far."""
        return "".join(self.lines)

    def until(self, text: str | re.Pattern[str]) -> str:
        """Wait until something is said and return it."""
        pattern = re.compile(re.escape(text)) if isinstance(text, str) else text
        found = wait_for(lambda: pattern.search(self.said) or self.process.poll() is not None, self)
        assert isinstance(found, re.Match), f"ended with {self.process.poll()} before {text!r}:\n{self.said}"
        return str(found.group(1 if found.re.groups else 0))

    def end(self, number: signal.Signals | None = None) -> int:
        """Send a signal, wait, and return the exit code."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self._reader.join(5.0)
        return code

    def close(self) -> None:
        """Kill it and what it started."""
        family = [*self.children(), *([self.process.pid] if self.process.poll() is None else [])]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join(5.0)
        assert self.process.stdout is not None
        self.process.stdout.close()

    @property
    def url(self) -> str:
        """Where it serves, once it does."""
        return self.until(ADDRESS)

    @property
    def link(self) -> str:
        """The console's one-time link."""
        return self.until(LINK)

    def client(self) -> httpx.Client:
        """Return a client with the project's token."""
        url = self.url  # before that there may be no token yet
        token = (self.folder / ".cauce" / "secrets" / "token").read_text().strip()
        return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30.0)

    def children(self) -> dict[int, str]:
        """Return pid and command line of the processes that this one started, and of theirs."""
        return descendants(self.process.pid)


@contextmanager
def running(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> Iterator[Running]:
    """Start a command and leave no process of it behind."""
    started = Running(folder, *arguments, env=env)
    try:
        yield started
    finally:
        started.close()


def wait_for(check: Callable[[], object], about: object = "", patience_s: float = PATIENCE_S) -> object:
    """Return what `check` gives once that is true."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if found := check():
            return found
        time.sleep(0.05)
    raise AssertionError(f"did not come in {patience_s:g} s. {getattr(about, 'said', about)}")


def descendants(pid: int) -> dict[int, str]:
    """Return pid and command line of a process's children and theirs, from /proc."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if fields[0] != "Z":
            parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found: dict[int, str] = {}
    waiting = [pid]
    while waiting:
        for child in parents.get(waiting.pop(), []):
            found[child] = command_of(child)
            waiting.append(child)
    return found


def command_of(pid: int) -> str:
    """Return a process's command line, empty once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except OSError:
        return ""


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def holders(folder: Path) -> list[str]:
    """Return the command lines of the processes that work on a project: an orphan would be among them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        command = command_of(int(path.parent.name))
        if f"--project {folder}" in command:
            found.append(command)
    return found

"""Real service processes for tests."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from cauce.serve.run import make_server

T = TypeVar("T")
SERVER = Path(__file__).parent / "server.py"


@contextmanager
def process(folder: Path, pause_s: float = 0.0, **spec: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a service of the fakes, its `[serve]` from `spec`; give the process and its URL."""
    command = [sys.executable, str(SERVER), str(folder), str(pause_s), json.dumps(spec)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server, server.stdout.readline().strip()
        finally:
            server.kill()


@contextmanager
def in_thread(app: Any) -> Iterator[str]:
    """Serve an application from a thread of this process, as `run` does."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = make_server(app)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    while not server.started:
        assert thread.is_alive()
        threading.Event().wait(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def children(pid: int) -> list[int]:
    """Return the ids of a process's own children."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(one) for one in listed.stdout.split()]


def is_running(pid: int) -> bool:
    """Return whether a process is there and has not ended."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


def until(found: Callable[[], T], *, within_s: float = 20.0) -> T:
    """Ask again and again until the answer is true; return it."""
    end = time.monotonic() + within_s
    while not (answer := found()):
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)
    return answer

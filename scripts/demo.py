"""`make demo`: the example `academy` goes once round the whole loop before your eyes, on real data.

Copies the example to demo/academy, starts `cauce up` there, plays the year after against the running service as live
traffic with late truths and a shift in what is true, and tells what the loop does: drift noticed, challenger trained,
compared, promoted. Then it goes on serving until Ctrl-C. Each run starts afresh.

Environment: PORT (8321), ONCE=1 to end when the loop has closed, DEMO for another folder than demo/.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(os.environ.get("DEMO", ROOT / "demo")) / "academy"
MODEL = "earnings"
PATIENCE_S = 240.0


def main() -> int:
    """Run the demonstration and return its exit code."""
    port = int(os.environ.get("PORT", "8321"))
    url = f"http://127.0.0.1:{port}"
    begun = time.monotonic()
    if taken(port):
        say(f"Port {port} is in use, perhaps by a demonstration that still runs. Stop it, or: PORT=8400 make demo")
        return 2
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    cauce("init", "academy", folder=FOLDER.parent)
    with service(port) as up:
        if not wait_until_ready(url, up):
            return up.returncode or 1
        say(f"Ready after {time.monotonic() - begun:.0f} s. Now the next year, in a world that has changed.")
        with world(url):
            closed = wait_for_promotion(up)
        seconds = time.monotonic() - begun
        say(f"The loop closed after {seconds:.0f} s." if closed else "No promotion in time; see above.")
        say(f"The console shows it: {url}/console (sign in with the link above). Ctrl-C ends the demonstration.")
        if os.environ.get("ONCE"):
            return 0 if closed else 1
        up.wait()
    return 0


def taken(port: int) -> bool:
    """Whether something listens on the port already."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cauce(*arguments: str, folder: Path) -> None:
    """Run one command of Cauce to its end."""
    subprocess.run([sys.executable, "-m", "cauce", *arguments], cwd=folder, check=True)  # noqa: S603 - our own command


@contextlib.contextmanager
def service(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run `cauce up` beside the block, and stop it with the block."""
    command = [sys.executable, "-m", "cauce", "up", "--port", str(port), "--every", "3s"]
    process = subprocess.Popen(command, cwd=FOLDER)  # noqa: S603 - our own command
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=20)
        if process.poll() is None:
            process.kill()


def wait_until_ready(url: str, up: subprocess.Popen[bytes]) -> bool:
    """Wait until the service answers that it is ready; False when it ended instead."""
    deadline = time.monotonic() + PATIENCE_S
    while up.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:  # noqa: S310
            if answer.status == 200:
                return True
        time.sleep(0.3)
    return False


@contextlib.contextmanager
def world(url: str) -> Iterator[None]:
    """Play traffic with drift against the service, until it is all sent or the block ends."""
    token = FOLDER / ".cauce" / "secrets" / "token"
    options = ["--drift", "earnings", "--rows", "4500", "--rate", "60"]
    command = [sys.executable, "world.py", "--url", url, "--token-file", str(token), *options]
    process = subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
    say(f"python world.py {' '.join(options)}")
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def decisions() -> list[dict[str, Any]]:
    """Return what has been decided about the model so far, oldest first."""
    path = FOLDER / ".cauce" / "record" / MODEL / "decisions.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]


def wait_for_promotion(up: subprocess.Popen[bytes]) -> bool:
    """Tell each new decision until a challenger is promoted; False when none is in time."""
    seen = {decision["id"] for decision in decisions()}
    deadline = time.monotonic() + PATIENCE_S
    while up.poll() is None and time.monotonic() < deadline:
        for decision in decisions():
            if decision["id"] not in seen:
                seen.add(decision["id"])
                say(f"{decision['action']}: {decision['reason']['en']}")
                if decision["action"] == "promote":
                    return True
        time.sleep(0.5)
    return False


def say(text: str) -> None:
    """Print a line that stands out from the service's own."""
    sys.stdout.write(f"\n== {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)

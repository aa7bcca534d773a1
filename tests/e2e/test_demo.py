"""The README's first command: the whole loop on real data, from a fresh folder to a promotion."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "scripts" / "demo.py"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.slow
def test_the_demonstration_closes_the_loop(tmp_path: Path) -> None:
    env = {**os.environ, "DEMO": str(tmp_path), "PORT": str(free_port()), "ONCE": "1", "CI": "1"}
    done = subprocess.run(
        [sys.executable, str(DEMO)], env=env, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "retrain:" in done.stdout
    assert "promote:" in done.stdout
    assert "The loop closed" in done.stdout

"""Real processes killed in the midst of a promotion, and a real roll-back: the benchmarks' small versions."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CRASHES = Path(__file__).parents[2] / "benchmarks" / "renew" / "crashes"


def quick(script: str) -> Any:
    command = [sys.executable, str(CRASHES / script), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout[done.stdout.index("{") :])


@pytest.mark.slow
def test_kills_end_in_legal_states() -> None:
    found = quick("run.py")
    assert found["kills"] == 3
    assert found["illegal_after_reconcile"] == []
    assert found["stories_that_ended_otherwise"] == 0


@pytest.mark.slow
def test_a_breach_is_rolled_back_while_the_service_answers() -> None:
    found = quick("rollback.py")
    assert found["n"] == 1
    assert found["each"][0]["alias_s"] <= found["each"][0]["answers_s"]

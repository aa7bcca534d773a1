"""`cauce decisions`: shows the record, replays it, and says what another setting would have decided."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cauce.core.specs import RenewSpec
from cauce.renew import append, decide
from e2e.school import Cauce
from renew.test_policy import NOW, signal, situation


@pytest.mark.slow
def test_decisions_are_shown_and_replayed(project: Path, cauce: Cauce) -> None:
    folder = project / ".cauce" / "record" / "passed"
    assert "nothing has been decided yet" in cauce("decisions", "passed").stdout
    recent = replace(situation(signal("drift", "hours")), last_retrain=NOW - timedelta(hours=2))
    decision = decide(recent, RenewSpec())
    append(folder, decision)
    shown = cauce("decisions", "passed")
    assert shown.returncode == 0, shown.stderr
    assert "2026-03-01 12:00:00  retrain  (policy)" in shown.stdout
    same = cauce("decisions", "passed", "--replay")
    assert same.returncode == 0, same.stderr
    assert "1 decision of the policy asked again: 1 the same, 0 not" in same.stdout
    other = cauce("decisions", "passed", "--set", "renew.cool_down=1d", "--json")
    assert other.returncode == 0, other.stderr
    (again,) = json.loads(other.stdout)
    assert (again["action"], again["now_action"], again["now_rule"]) == ("retrain", "wait", "cooling_down")
    wrong = cauce("decisions", "passed", "--set", "renew.cool_dwn=1d")
    assert wrong.returncode == 2
    assert "cool_down" in wrong.stderr
    append(folder, replace(decision, id="0", action="wait"))  # somebody edited the record
    assert cauce("decisions", "passed", "--replay").returncode == 4

"""What lasts for days is one line of the record, not one a look."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from cauce import Loop, load_project
from cauce.core.artefacts import Signal
from cauce.core.specs import RenewSpec
from cauce.loop.renew import _worth_recording
from cauce.renew import append, decide
from renew.test_policy import NOW, signal, situation

TOML = """
[project]
name = "school"

[data.students]
source = "students.csv"

[models.passed]
task = "classify"
data = "students"
target = "passed"
"""


def test_a_fault_that_lasts_is_recorded_once_and_another_fault_again(tmp_path: Path) -> None:
    (tmp_path / "cauce.toml").write_text(TOML, encoding="utf-8")
    (tmp_path / "students.csv").write_text("hours,passed\n1,yes\n2,no\n", encoding="utf-8")
    loop = Loop(load_project(tmp_path / "cauce.toml", {}))
    first = replace(decide(situation(signal("missing", "hours")), RenewSpec()), model="passed")
    assert first.action == "fix data"
    assert _worth_recording(loop, first)
    append(loop.record("passed"), first)
    later = _with_other_figures(replace(first, id="2", at=NOW + timedelta(seconds=10)), signal("missing", "hours"))
    assert not _worth_recording(loop, later)
    both = _with_other_figures(later, signal("missing", "hours"), signal("new_category", "plan"))
    assert _worth_recording(loop, both)
    calm = replace(decide(situation(), RenewSpec()), model="passed", id="3")
    assert calm.action == "wait"
    assert _worth_recording(loop, calm)
    append(loop.record("passed"), calm)
    assert _worth_recording(loop, later)  # it came back


def _with_other_figures(decision, *signals: Signal):  # type: ignore[no-untyped-def]
    assert decision.watched is not None
    moved = tuple(replace(one, value=one.value * 1.1) for one in signals)
    return replace(decision, watched=replace(decision.watched, signals=moved))

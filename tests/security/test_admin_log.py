"""The log of administrative acts: who, when, what; private, synced, readable after a crash."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cauce.core import admin_log
from cauce.core.admin_log import Act
from cauce.core.artefacts import Decision
from cauce.core.errors import Refused, UserError
from cauce.loop import by_hand
from cauce.loop.context import Loop
from cauce.project import load

NOW = datetime(2026, 5, 1, 9, 30, tzinfo=UTC)
TOML = """
[project]
name = "school"
[data.students]
source = "students.csv"
key = "id"
[models.passed]
task = "classify"
data = "students"
target = "passed"
"""
REASON = "the new one is better on Mondays"


def act(i: int) -> Act:
    return Act(NOW + timedelta(seconds=i), "token ana", "token add", f"t{i}", "predict\n\x1b[2J")


def test_acts_are_read_newest_first(tmp_path: Path) -> None:
    assert admin_log.read(tmp_path) == []
    for i in range(5):
        admin_log.append(tmp_path, act(i))
    assert admin_log.read(tmp_path) == [act(i) for i in (4, 3, 2, 1, 0)]
    assert admin_log.read(tmp_path, 2) == [act(4), act(3)]


def test_it_is_its_owners_alone_and_one_line_an_act(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        admin_log.append(tmp_path / "record", act(0))
    finally:
        os.umask(before)
    path = tmp_path / "record" / admin_log.FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes().count(b"\n") == 1
    assert b"\x1b" not in path.read_bytes()


def test_a_line_torn_by_a_crash_hides_no_other(tmp_path: Path) -> None:
    admin_log.append(tmp_path, act(0))
    with (tmp_path / admin_log.FILE).open("ab") as file:
        file.write(b'{"at": "2026-')
    admin_log.append(tmp_path, act(1))
    assert admin_log.read(tmp_path) == [act(1), act(0)]


def test_a_line_that_was_changed_by_hand_is_told_with_its_place(tmp_path: Path) -> None:
    admin_log.append(tmp_path, act(0))
    with (tmp_path / admin_log.FILE).open("ab") as file:
        file.write(b'{"who": "me"}\n')
    with pytest.raises(UserError) as caught:
        admin_log.read(tmp_path)
    assert caught.value.where.endswith("admin.jsonl:2")


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda i: admin_log.append(tmp_path, act(i)), range(64)))
    assert {one.about for one in admin_log.read(tmp_path)} == {f"t{i}" for i in range(64)}


def test_a_line_is_on_the_disk_before_the_act_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_size))
    admin_log.append(tmp_path, act(0))
    assert synced == [(tmp_path / admin_log.FILE).stat().st_size]


def test_the_command_line_is_named_by_what_the_kernel_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else")
    assert admin_log.command_line().endswith(f"(uid {os.getuid()})")


@pytest.fixture
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loop:
    """A project whose registry is three numbers; what is carried out is remembered instead."""
    (tmp_path / "cauce.toml").write_text(TOML)
    made = Loop(load(tmp_path / "cauce.toml"), now=lambda: NOW)
    aliases: dict[str, int | None] = {"champion": 1, "challenger": 2}
    tracker = SimpleNamespace(alias=lambda _, name: aliases[name], versions=lambda _: [1, 2])
    made.__dict__["tracker"] = tracker

    def carried_out(loop: Loop, decision: Decision, *, after: str | None = None) -> Decision:
        assert admin_log.read(loop.state.record)[0].at == decision.at, "written down before it is done"
        return decision

    monkeypatch.setattr(by_hand, "carry_out", carried_out)
    return made


@pytest.mark.parametrize(
    ("verb", "options", "what", "detail"),
    [
        ("promote", {"version": None}, "promote", f"version 2: {REASON}"),
        ("rollback", {"version": 2}, "roll back", f"version 2: {REASON}"),
        ("pause", {}, "pause", REASON),
    ],
)
def test_what_a_person_decides_stands_in_it(loop: Loop, verb: str, options: Any, what: str, detail: str) -> None:
    getattr(by_hand, verb)(loop, "passed", reason=REASON, **options)
    (found,) = admin_log.read(loop.state.record)
    assert (found.what, found.about, found.detail, found.at) == (what, "passed", detail, NOW)
    assert found.who == admin_log.command_line()


def test_a_resumption_stands_in_it_and_what_was_refused_does_not(loop: Loop) -> None:
    with pytest.raises(Refused):
        by_hand.resume(loop, "passed", reason=REASON)
    with pytest.raises(UserError):
        by_hand.promote(loop, "passed", version=9, reason=REASON)
    assert admin_log.read(loop.state.record) == []
    by_hand.pause(loop, "passed", reason=REASON)
    by_hand.resume(loop, "passed", reason=REASON)
    assert [one.what for one in admin_log.read(loop.state.record)] == ["resume", "pause"]


def test_the_command_shows_it(tmp_path: Path) -> None:
    (tmp_path / "cauce.toml").write_text(TOML)
    for i in range(3):
        admin_log.append(tmp_path / ".cauce" / "record", act(i))
    command = [sys.executable, "-m", "cauce", "token", "log", "--limit", "2"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "t2" in shown.stdout
    assert "t0" not in shown.stdout
    told = subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [one["about"] for one in json.loads(told.stdout)] == ["t2", "t1"]

"""The record survives a crash in the middle of a line, and pauses survive a restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.core.artefacts import Decision
from cauce.core.errors import UserError
from cauce.renew import append, by_hand, pause, paused, read, resume

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def decision(i: int, reason: str = "a reason that is long enough") -> Decision:
    at = NOW + timedelta(seconds=i)
    return by_hand("promote", model="m", champion=i, challenger=i + 1, by="ana", reason=reason, now=at)


def test_decisions_come_back_newest_first(tmp_path: Path) -> None:
    made = [decision(i) for i in range(4)]
    for each in made:
        append(tmp_path, each)
    assert read(tmp_path) == made[::-1]
    assert read(tmp_path, limit=2) == [made[3], made[2]]
    assert read(tmp_path, limit=2, newest_first=False) == [made[2], made[3]]


def test_a_folder_without_a_record_has_no_decisions(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == []


@settings(deadline=None, max_examples=40)  # every example syncs files
@given(st.data())
def test_a_line_torn_anywhere_loses_that_line_alone(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("record")
    append(folder, decision(1))
    append(folder, decision(2, "línea con eñe\ny salto de línea"))
    path = folder / "decisions.jsonl"
    content = path.read_bytes()
    start = content.index(b"\n") + 1
    cut = data.draw(st.integers(start, len(content) - 2))
    path.write_bytes(content[:cut])
    assert [each.champion for each in read(folder)] == [1]
    append(folder, decision(3))
    assert [each.champion for each in read(folder)] == [3, 1]


def test_a_whole_line_whose_end_was_not_written_is_kept(tmp_path: Path) -> None:
    append(tmp_path, decision(1))
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    append(tmp_path, decision(2))
    assert [each.champion for each in read(tmp_path)] == [2, 1]


def test_a_line_edited_by_hand_is_named(tmp_path: Path) -> None:
    append(tmp_path, decision(1))
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"promote"', b'"celebrate"', 1))
    with pytest.raises(UserError) as error:
        read(tmp_path)
    assert error.value.where == f"{path}:1"


def test_a_pause_holds_until_it_is_resumed(tmp_path: Path) -> None:
    assert paused(tmp_path) is None
    pause(tmp_path, "the school is closed in August", "ana", NOW)
    assert paused(tmp_path) == "the school is closed in August (ana)"
    assert resume(tmp_path)
    assert paused(tmp_path) is None
    assert not resume(tmp_path)


def test_a_pause_needs_a_reason(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="too short"):
        pause(tmp_path, "no", "ana", NOW)
    assert paused(tmp_path) is None

"""The looks of the past: which are kept, and that a torn line or a long file costs nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cauce.core.artefacts import Signal, Watched
from cauce.loop import history

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def seen(minutes: float, *, alarming: bool = False, version: int = 1) -> Watched:
    signal = Signal("drift", "age", 0.3, 0.2, alarming, {"en": "moved", "es": "movida"})
    at = BEGIN + timedelta(minutes=minutes)
    return Watched("m", version, at, 500, 100, 100, None, None, 0.4, 0.42, None, (signal,))


def test_looks_ten_minutes_apart_are_kept_and_every_one_that_differs(tmp_path: Path) -> None:
    for minute in range(31):
        history.note(tmp_path, seen(minute))
    history.note(tmp_path, seen(31, alarming=True))
    history.note(tmp_path, seen(32, alarming=True))
    history.note(tmp_path, seen(33, version=2))
    kept = history.looks(tmp_path, limit=100)
    assert [(point.at - BEGIN).total_seconds() / 60 for point in kept] == [33, 31, 30, 20, 10, 0]
    assert kept[1].alarms == ("drift age",)
    assert history.looks(tmp_path, limit=2) == kept[:2]


def test_a_torn_line_is_left_out_and_the_next_one_stands_alone(tmp_path: Path) -> None:
    history.note(tmp_path, seen(0))
    path = tmp_path / history.FILE
    with path.open("ab") as file:
        file.write(path.read_bytes()[:40])
    history.note(tmp_path, seen(20))
    assert [point.at for point in history.looks(tmp_path, limit=9)] == [seen(20).at, seen(0).at]


def test_a_long_file_loses_its_older_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_BYTES", 5_000)
    for turn in range(100):
        history.note(tmp_path, seen(20 * turn))
    assert (tmp_path / history.FILE).stat().st_size <= 5_300
    assert history.looks(tmp_path, limit=1)[0].at == seen(20 * 99).at


def test_a_clock_that_went_back_keeps_the_look(tmp_path: Path) -> None:
    history.note(tmp_path, seen(60))
    history.note(tmp_path, replace(seen(0)))
    assert len(history.looks(tmp_path, limit=9)) == 2

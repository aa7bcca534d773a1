"""Turns begin on a grid, whatever they take."""

from __future__ import annotations

import itertools
import socket
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.schedule import next_turn, notify

seconds = st.floats(0.0, 1e9)
intervals = st.floats(0.1, 1e6)


@settings(deadline=None)
@given(seconds, seconds, intervals)
def test_the_next_turn_is_ahead_by_an_interval_at_most(begun: float, took: float, every_s: float) -> None:
    now = begun + took
    moment = next_turn(begun, now, every_s)
    assert now < moment <= now + every_s * (1 + 1e-6) + 1e-6


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 50.0), min_size=1, max_size=50))
def test_turns_neither_drift_nor_pile_up(lengths: list[float]) -> None:
    """A daemon that wakes exactly: every beginning lies whole intervals after the first, and none is taken twice."""
    begun = moment = 1000.0
    beginnings = [moment]
    for took in lengths:
        moment = next_turn(begun, moment + took, 10.0)
        beginnings.append(moment)
    assert all(abs((at - begun) / 10.0 - round((at - begun) / 10.0)) < 1e-9 for at in beginnings)
    gaps = [later - earlier for earlier, later in itertools.pairwise(beginnings)]
    assert all(10.0 <= gap <= took + 10.0 + 1e-6 for gap, took in zip(gaps, lengths, strict=True))


def test_systemd_is_told_where_it_listens(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        assert notify("READY=1", {"NOTIFY_SOCKET": str(path)})
        assert listener.recv(100) == b"READY=1"
        listener.settimeout(5.0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hidden:
        hidden.bind("\0cauce-test-notify")
        assert notify("STOPPING=1", {"NOTIFY_SOCKET": "@cauce-test-notify"})
        assert hidden.recv(100) == b"STOPPING=1"


def test_a_watcher_that_nobody_watches_goes_on(tmp_path: Path) -> None:
    assert not notify("READY=1", {})
    assert not notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "nobody")})

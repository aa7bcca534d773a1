"""Streaming detectors against river's, value by value: the traces are river's own, made by `river_traces.py`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cauce.watch.drift.streams import Adwin, PageHinkley, changes
from watch.river_traces import PATH, STREAMS, stream

FOUND: list[dict[str, Any]] = json.loads(PATH.read_text(encoding="utf-8"))["found"]
NAMES = {
    "threshold": "limit",
    "min_instances": "fewest",
    "clock": "every",
    "max_buckets": "buckets",
    "min_window_length": "fewest",
    "grace_period": "grace",
}


def settings(row: dict[str, Any]) -> dict[str, Any]:
    return {NAMES.get(key, key): value for key, value in row["settings"].items()}


def title(row: dict[str, Any]) -> str:
    return f"{row['stream']}-{row['settings']}"


@pytest.mark.parametrize("row", [r for r in FOUND if r["kind"] == "PageHinkley"], ids=title)
def test_page_hinkley_speaks_where_rivers_does(row: dict[str, Any]) -> None:
    assert changes(stream(row["stream"]).tolist(), PageHinkley(**settings(row))) == row["places"]


@pytest.mark.parametrize("row", [r for r in FOUND if r["kind"] == "ADWIN"], ids=title)
def test_adwin_cuts_where_rivers_does(row: dict[str, Any]) -> None:
    # River forgets the whole window once it has spoken, where Bifet and Gavaldà keep the part behind the cut, as we do;
    # so a new one goes on for it. Its `variance` is the sum of squares.
    detector = Adwin(**settings(row))
    places: list[int] = []
    for place, value in enumerate(stream(row["stream"]).tolist()):
        if places and places[-1] == place - 1:
            detector = Adwin(**settings(row))
        if detector.update(value):
            places.append(place)
    assert places == row["places"]
    assert detector.n == row["width"]
    assert detector.mean == pytest.approx(row["mean"])
    assert detector.variance * detector.n == pytest.approx(row["variance"])


def test_the_traces_hold_changes_and_calm() -> None:
    spoken = {(r["kind"], r["stream"]) for r in FOUND if r["places"]}
    assert {(kind, name) for kind in ("PageHinkley", "ADWIN") for name in STREAMS[1:]} <= spoken
    assert any(not r["places"] for r in FOUND if r["stream"] == "calm")


def test_memory_grows_with_the_logarithm() -> None:
    detector = Adwin()
    for value in stream("calm").tolist() * 10:
        detector.update(value)
    assert sum(len(row) for row in detector._rows) <= 6 * 16

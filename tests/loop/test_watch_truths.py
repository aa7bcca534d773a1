"""What a look knows of late truths, end to end: a trained school, a ledger on a fast clock, looks in between."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from cauce import Loop, load_project
from cauce.core.artefacts import Release, Watched
from cauce.core.files import from_json, read_artefact
from cauce.ledger import Truth
from cauce.loop.stages import run_stages
from cauce.loop.watch import ledger_of, watch
from cauce.track import Package
from cauce.watch.truths.estimate import Expectation
from cauce.watch.truths.judged import Judgement
from e2e.school import TOML, students

WATCH = "\n[watch]\nwindow = 1000\nmin_rows = 100\n"
REGRESS = """
[models.grade]
task = "regress"
data = "students"
target = "grade"
trials = 0
must_use = ["linear"]
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A school with two champions, never touched by a test."""
    folder = tmp_path_factory.mktemp("school")
    pyarrow.csv.write_csv(students(4000), folder / "students.csv")
    toml = TOML.replace("trials = 0", 'trials = 0\nmust_use = ["linear"]')
    (folder / "cauce.toml").write_text(toml + REGRESS + WATCH, encoding="utf-8")
    run_stages(Loop(load_project(folder / "cauce.toml", {})))
    return folder


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC) + timedelta(hours=1)

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def school(trained: Path, tmp_path: Path) -> tuple[Loop, Clock]:
    """A copy of it, on a clock."""
    shutil.copytree(trained, tmp_path / "school")
    clock = Clock()
    return replace(Loop(load_project(tmp_path / "school" / "cauce.toml", {})), now=clock), clock


def ask(loop: Loop, clock: Clock, model: str, rows: pa.Table, *, every_s: float) -> list[str]:
    """Predict rows by the hundred with the champion, into the ledger, as time goes by; return the ids."""
    version = loop.tracker.alias(model, "champion")
    assert version is not None
    release, package = loop.tracker.open(model, version)
    inputs, ids = rows.select(list(release.training.spec.schema.names)), list[str]()
    ledger = ledger_of(loop, model)
    for start in range(0, rows.num_rows, 100):
        batch = inputs.slice(start, 100)
        clock.at += timedelta(seconds=every_s * 100)
        said = package.fitted.predict(batch)
        ids += ledger.record(batch, said, version=version, at=clock.at).to_pylist()
    ledger.close()
    return ids


def tell(loop: Loop, clock: Clock, model: str, ids: list[str], truths: list[str] | list[float]) -> None:
    ledger = ledger_of(loop, model)
    known: list[str | float] = [*truths]
    ledger.truths([Truth(one, truth) for one, truth in zip(ids, known, strict=True)], now=clock.at)
    ledger.close()


def seen(loop: Loop, model: str) -> Watched:
    found = watch(loop, model)
    assert found is not None
    return found


def alarms(watched: Watched) -> set[str]:
    return {signal.code for signal in watched.signals if signal.alarming}


def swapped(values: list[str]) -> list[str]:
    return ["no" if value == "yes" else "yes" for value in values]


def test_an_estimate_comes_before_any_truth(school: tuple[Loop, Clock]) -> None:
    loop, clock = school
    ask(loop, clock, "passed", students(1000, seed=1), every_s=1)
    found = seen(loop, "passed")
    assert found.estimate is not None
    assert (found.estimate.method, found.estimate.metric) == ("cbpe", "roc_auc")
    assert found.estimate.lower < found.estimate.reference < found.estimate.upper
    assert found.estimate.reliable is None
    assert set(found.estimate.others) == {"log_loss", "accuracy", "f1", "zero_one"}
    assert found.labels is not None
    assert (found.labels.coverage, found.labels.lag_median_s, found.labels.complete) == (0.0, None, False)
    assert found.realised is None
    assert alarms(found) == set()
    kept = read_artefact(loop.record("passed") / "watched.json", Watched)
    assert kept == found


def test_truths_that_come_are_held_against_what_was_expected_and_survive_a_restart(school: tuple[Loop, Clock]) -> None:
    loop, clock = school
    rows = students(1000, seed=2)
    ids = ask(loop, clock, "passed", rows, every_s=1)
    tell(loop, clock, "passed", ids, rows["passed"].to_pylist())
    found = seen(loop, "passed")
    assert found.estimate is not None
    assert (found.estimate.reliable, found.estimate.n_judged) == (True, 1000)
    assert found.labels is not None
    assert found.labels.complete
    assert found.realised is not None
    assert alarms(found) == set()
    assert {figure.segment for figure in found.segments} == {
        f"course = {c}" for c in ("algebra", "biology", "chemistry")
    }
    # The world turns round. The record, not memory, knows of the first batch: another Loop goes on with the second.
    rows = students(1000, seed=3)
    ids = ask(loop, clock, "passed", rows, every_s=1)
    tell(loop, clock, "passed", ids, swapped(rows["passed"].to_pylist()))
    again = Loop(loop.project, now=clock)
    found = seen(again, "passed")
    assert found.estimate is not None
    assert (found.estimate.reliable, found.estimate.n_judged) == (False, 2000)
    assert {"estimate_unreliable", "performance"} <= alarms(found)
    assert "estimate" not in alarms(found)
    judgement = read_artefact(loop.record("passed") / "judged.json", Judgement)
    assert judgement is not None
    assert [batch.n for batch in judgement.batches] == [1000, 1000]
    assert seen(again, "passed").estimate == found.estimate  # nothing new: nothing is judged twice


def test_labels_that_take_longer_than_a_window_leave_no_blind_spot(school: tuple[Loop, Clock]) -> None:
    """Truths come a day late, a window holds an hour: the window has none, and yesterday's tell."""
    loop, clock = school
    rows = students(1000, seed=4)
    ids = ask(loop, clock, "passed", rows, every_s=4)
    clock.at += timedelta(days=1)
    fresh = students(1000, seed=5)
    newest = ask(loop, clock, "passed", fresh, every_s=4)
    tell(loop, clock, "passed", ids, rows["passed"].to_pylist())
    found = seen(loop, "passed")
    assert found.labels is not None
    assert (found.labels.n_truths, found.labels.complete, found.labels.n_closed) == (0, False, 1000)
    assert found.labels.lag_median_s == pytest.approx(86_400, rel=0.1)
    assert found.realised is not None
    assert found.realised.n_units > 1000
    # The quick ones alone say nothing yet: the window stays open, performance rests on the closed ones.
    tell(loop, clock, "passed", newest[::5], ["no"] * 200)
    found = seen(loop, "passed")
    assert found.labels is not None
    assert not found.labels.complete
    assert "performance" not in alarms(found)


def test_truths_of_some_rows_alone_are_warned_of(school: tuple[Loop, Clock]) -> None:
    loop, clock = school
    rows = students(1000, seed=6)
    ids = ask(loop, clock, "passed", rows, every_s=1)
    luck = np.random.default_rng(0).random(1000)
    chosen = np.flatnonzero(luck < np.where(np.asarray(rows["course"].to_pylist()) == "algebra", 0.9, 0.3))
    truths = rows["passed"].to_pylist()
    clock.at += timedelta(days=2)
    tell(loop, clock, "passed", [ids[i] for i in chosen], [truths[i] for i in chosen])
    found = seen(loop, "passed")
    assert found.labels is not None
    assert found.labels.selected == ("course",)
    assert found.labels.corrected_loss is not None
    assert "labels" in alarms(found)


def test_a_regressor_is_estimated_by_its_second_model(school: tuple[Loop, Clock]) -> None:
    loop, clock = school
    rows = students(1000, seed=7)
    ids = ask(loop, clock, "grade", rows, every_s=1)
    found = seen(loop, "grade")
    assert found.estimate is not None
    assert (found.estimate.method, found.estimate.metric) == ("dle", "mse")
    assert found.estimate.lower < found.estimate.value < found.estimate.upper
    tell(loop, clock, "grade", ids, [value + 3 for value in rows["grade"].to_pylist()])
    found = seen(loop, "grade")
    assert found.estimate is not None
    assert found.estimate.reliable is False


def of_before(content: bytes) -> bytes:
    """Return `expected.json` as a Cauce wrote it whose calibrations had a covariance in place of its root."""
    return content.replace(b'"root"', b'"covariance"')


@pytest.mark.parametrize("made", [lambda _: None, of_before], ids=["none", "of another Cauce"])
def test_a_release_without_expectations_is_watched_as_before(
    school: tuple[Loop, Clock], monkeypatch: pytest.MonkeyPatch, made: Callable[[bytes], bytes | None]
) -> None:
    loop, clock = school
    rows = students(300, seed=8)
    ids = ask(loop, clock, "passed", rows, every_s=1)
    tell(loop, clock, "passed", ids, rows["passed"].to_pylist())
    tracker = type(loop.tracker)
    opened: Callable[..., tuple[Release, Package]] = tracker.open

    def old(self: object, model: str, version: int, known: object = None) -> tuple[Release, Package]:
        release, package = opened(self, model, version)
        assert package.expected_bytes is not None
        return release, replace(package, expected_bytes=made(package.expected_bytes), second={})

    monkeypatch.setattr(tracker, "open", old)
    found = seen(loop, "passed")
    assert found.estimate is None
    assert found.segments == ()
    assert found.realised is not None
    assert not (loop.record("passed") / "judged.json").exists()


def test_what_is_expected_lies_in_the_package_and_names_no_row(trained: Path) -> None:
    loop = Loop(load_project(trained / "cauce.toml", {}))
    _, package = loop.tracker.open("passed", 1)
    assert package.expected_bytes is not None
    made = from_json(package.expected_bytes, Expectation)
    assert made.reference["roc_auc"] == pytest.approx(package.training.metrics.values["roc_auc"])
    assert made.reference["log_loss"] == pytest.approx(package.training.held_out_loss)
    assert len(package.expected_bytes) < 20_000


def test_where_performance_alarms_it_says_since_when_losses_rose(school: tuple[Loop, Clock]) -> None:
    loop, clock = school
    rows = students(1000, seed=9)
    ids = ask(loop, clock, "passed", rows, every_s=60)
    truths = rows["passed"].to_pylist()
    turned = clock.at - timedelta(minutes=400)
    tell(loop, clock, "passed", ids, truths[:600] + swapped(truths[600:]))
    (told,) = [signal for signal in seen(loop, "passed").signals if signal.code == "performance"]
    assert told.alarming
    said = re.search(r"Losses rose at about (.*) UTC: from (\S+) to (\S+)\.$", told.detail["en"])
    assert said is not None
    since = datetime.strptime(said[1], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    assert abs(since - turned) <= timedelta(minutes=200)
    assert float(said[3]) > 2 * float(said[2])
    assert f"Las pérdidas subieron hacia {said[1]} UTC: de " in told.detail["es"]


def test_where_the_whole_window_is_worse_no_moment_is_named(school: tuple[Loop, Clock]) -> None:
    loop, clock = school
    rows = students(1000, seed=10)
    ids = ask(loop, clock, "passed", rows, every_s=60)
    tell(loop, clock, "passed", ids, swapped(rows["passed"].to_pylist()))
    (told,) = [signal for signal in seen(loop, "passed").signals if signal.code == "performance"]
    assert told.alarming
    assert "Losses rose" not in told.detail["en"]

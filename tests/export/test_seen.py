"""What the watcher saw, as gauges of /metrics: which series there are, and that they go when what they tell of goes."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cauce.core.files import write_artefact
from cauce.loop.seen import SeenFiles
from cauce.renew import append
from cauce.serve import Seen
from cauce.serve.metrics import Metrics
from cauce.serve.seen import GAUGES, N_COLUMNS, SeenCollector
from export.looks import AT, decision, drift, experiment, watched

ROOT = Path(__file__).parents[2]


def metrics_of(**seen: Seen | None) -> Metrics:
    metrics = Metrics(list(seen))
    metrics.seen = SeenCollector(seen.get, list(seen))
    return metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def series(metrics: Metrics, name: str) -> list[dict[str, str]]:
    return [sample.labels for family in metrics.registry.collect() if family.name == name for sample in family.samples]


def test_a_look_becomes_gauges() -> None:
    metrics = metrics_of(dropout=Seen(watched=watched()))
    assert value(metrics, "cauce_watch_timestamp_seconds", model="dropout") == AT.timestamp()
    assert value(metrics, "cauce_watch_version", model="dropout") == 3
    assert value(metrics, "cauce_watch_predictions", model="dropout") == 1000
    assert value(metrics, "cauce_watch_expected_loss", model="dropout") == 0.4
    assert value(metrics, "cauce_watch_realised_loss", model="dropout") == 0.5
    assert value(metrics, "cauce_watch_loss_change_lower", model="dropout") == pytest.approx(0.05)
    about = {"model": "dropout", "metric": "roc_auc", "method": "cbpe"}
    assert value(metrics, "cauce_watch_estimate", **about) == 0.8
    assert value(metrics, "cauce_watch_estimate_lower", **about) == 0.78
    assert value(metrics, "cauce_watch_estimate_reliable", **about) == 0
    column = {"model": "dropout", "column": "age"}
    assert value(metrics, "cauce_watch_column_psi", **column) == 0.31
    assert value(metrics, "cauce_watch_column_wasserstein", **column) == 0.6
    assert value(metrics, "cauce_watch_column_missing_share", **column) == 0.02
    assert value(metrics, "cauce_watch_column_wasserstein", model="dropout", column="plan") is None, "it has no order"
    assert value(metrics, "cauce_watch_alarms", model="dropout", code="drift") == 1
    assert value(metrics, "cauce_watch_alarms", model="dropout", code="labels") == 0
    assert value(metrics, "cauce_watch_label_lag_seconds", model="dropout", share="0.9") == 7200
    assert value(metrics, "cauce_watch_segment_loss", model="dropout", segment="plan = paid") == 0.7


def test_what_is_not_known_has_no_series() -> None:
    bare = replace(watched(), drifts=(), joint=None, estimate=None, labels=None, segments=(), realised_loss=None)
    metrics = metrics_of(dropout=Seen(watched=bare), new=None)
    assert series(metrics, "cauce_watch_realised_loss") == []
    assert series(metrics, "cauce_watch_estimate") == []
    assert {one["model"] for one in series(metrics, "cauce_watch_predictions")} == {"dropout"}


def test_an_estimate_that_nobody_judged_is_neither_reliable_nor_not() -> None:
    look = watched()
    assert look.estimate is not None
    metrics = metrics_of(dropout=Seen(watched=replace(look, estimate=replace(look.estimate, reliable=None))))
    assert series(metrics, "cauce_watch_estimate_reliable") == []


def test_series_of_dropped_columns_vanish() -> None:
    held: dict[str, Seen | None] = {"dropout": Seen(watched=watched())}
    metrics = Metrics(["dropout"])
    metrics.seen = SeenCollector(held.get, ["dropout"])
    assert b'column="age"' in metrics.text()
    held["dropout"] = Seen(watched=replace(watched(), version=4, drifts=(drift("height", 0.1),)))
    text = metrics.text()
    assert b'column="age"' not in text
    assert b'column="height"' in text
    held["dropout"] = None
    assert b"cauce_watch_version{" not in metrics.text()


def test_only_the_strongest_columns_have_series_and_all_are_counted() -> None:
    drifts = tuple(drift(f"c{i}", i / 100, drifted=i == 3) for i in range(300))
    metrics = metrics_of(dropout=Seen(watched=replace(watched(), drifts=drifts)))
    shown = {one["column"] for one in series(metrics, "cauce_watch_column_psi")}
    assert len(shown) == N_COLUMNS
    assert shown == {"c3", *(f"c{i}" for i in range(300 - N_COLUMNS + 1, 300))}
    assert value(metrics, "cauce_watch_columns", model="dropout") == 300
    assert value(metrics, "cauce_watch_columns_drifted", model="dropout") == 1


def test_a_repeated_segment_makes_one_series() -> None:
    look = watched()
    metrics = metrics_of(dropout=Seen(watched=replace(look, segments=look.segments * 2)))
    assert len(series(metrics, "cauce_watch_segment_loss")) == len(look.segments)


def test_a_decision_and_an_experiment_are_states() -> None:
    metrics = metrics_of(dropout=Seen(decision=decision("retrain"), experiment=experiment("shadow")))
    assert value(metrics, "cauce_decision", model="dropout", action="retrain") == 1
    assert value(metrics, "cauce_decision", model="dropout", action="wait") == 0
    assert value(metrics, "cauce_experiment_stage", model="dropout", stage="shadow") == 1
    assert value(metrics, "cauce_experiment_stage", model="dropout", stage="probation") == 0
    assert value(metrics, "cauce_experiment_version", model="dropout", role="challenger") == 4
    assert value(metrics, "cauce_experiment_guard", model="dropout", guard="latency_ratio") == 1.2


def test_a_model_that_cannot_be_read_leaves_the_others() -> None:
    def seen(model: str) -> Seen:
        if model == "broken":
            raise OSError("the folder is gone")
        return Seen(watched=watched())

    metrics = Metrics()
    metrics.seen = SeenCollector(seen, ["broken", "dropout"])
    assert value(metrics, "cauce_watch_version", model="dropout") == 3


def test_every_gauge_is_documented_and_can_have_a_series() -> None:
    page = (ROOT / "docs" / "exporting.md").read_text(encoding="utf-8")
    for name in GAUGES:
        assert f"`cauce_{name}`" in page, f"docs/exporting.md does not name cauce_{name}"
    full = Seen(watched(), decision("retrain"), {"roll back": AT}, experiment("shadow"))
    families = {family.name: family for family in metrics_of(dropout=full).registry.collect()}
    for name in GAUGES:
        assert families[f"cauce_{name}"].samples, name


def test_promtool_has_nothing_to_say() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: Debian has it in the package prometheus")
    full = Seen(watched(), decision("retrain"), {"roll back": AT}, experiment("shadow"))
    text = metrics_of(dropout=full).text()
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", b"")


@pytest.fixture
def files(tmp_path: Path) -> Any:
    loop: Any = SimpleNamespace(record=lambda name: tmp_path / name)
    return SimpleNamespace(folder=tmp_path / "dropout", seen=SeenFiles(loop))


def test_files_are_read_when_they_change_and_only_then(files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert files.seen("dropout") == Seen()
    write_artefact(files.folder / "watched.json", watched())
    write_artefact(files.folder / "experiment.json", experiment("shadow"))
    assert files.seen("dropout").watched == watched()
    first = files.seen("dropout").watched
    assert files.seen("dropout").watched is first, "parsed anew, though nothing changed"
    write_artefact(files.folder / "watched.json", replace(watched(), version=4))
    assert files.seen("dropout").watched.version == 4
    (files.folder / "experiment.json").unlink()
    assert files.seen("dropout").experiment is None


def test_a_file_that_is_cut_off_is_left_out(files: Any) -> None:
    write_artefact(files.folder / "watched.json", watched())
    write_artefact(files.folder / "decision.json", decision("wait"))
    content = (files.folder / "watched.json").read_bytes()
    (files.folder / "watched.json").write_bytes(content[: len(content) // 2])
    os.utime(files.folder / "watched.json", ns=(1, 1))
    seen = files.seen("dropout")
    assert seen.watched is None
    assert seen.decision is not None


def test_the_newest_of_each_action_is_told_from_the_record(files: Any) -> None:
    for action, hour in (("roll back", 1), ("promote", 2), ("roll back", 3), ("wait", 4)):
        append(files.folder, decision(action, at=AT.replace(hour=hour)))
    decided = files.seen("dropout").decided
    assert decided == {"roll back": AT.replace(hour=3), "promote": AT.replace(hour=2), "wait": AT.replace(hour=4)}
    with (files.folder / "decisions.jsonl").open("ab") as record:
        record.write(b'{"of": "another Cauce"}\n')
    assert files.seen("dropout").decided == {}

"""The record of a decision, from the command line to an ordinary MLflow client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cauce import Loop, load_project
from cauce.track.client import open_client
from e2e.school import Cauce


@pytest.fixture
def tuned(project: Path) -> Path:
    """A project whose boosting is tuned by three trials within a budget."""
    path = project / "cauce.toml"
    text = path.read_text(encoding="utf-8").replace("trials = 0", 'trials = 3\nbudget = "5m"\nsplit = { folds = 2 }')
    path.write_text(text.replace('["additive", "forest", "mlp"]', '["additive", "forest", "boosting", "mlp"]'))
    return project


@pytest.mark.slow
def test_the_record_is_printed_kept_in_mlflow_and_told_in_a_table(tuned: Path, cauce: Cauce) -> None:
    told = cauce("train", "passed", timeout=300)
    assert told.returncode == 0, told.stderr
    found = json.loads(cauce("train", "passed", "--json").stdout)
    assert (found["model"], found["version"], found["reused"], found["champion"]) == ("passed", 1, True, 1)
    choice = found["choice"]
    check_record(choice)
    assert found["diagnosis"]["conditions"]
    assert found["finish"]["words"]
    assert found["seconds"] >= choice["seconds"] > 0

    table = [line.split() for line in told.stdout.splitlines()]
    for rung in choice["rungs"]:
        (line,) = (line for line in table if line[:1] == [rung["name"]])
        assert " ".join(line).endswith(rung["why"].replace("_", " "))
    assert choice["reason"]["en"] in told.stdout
    assert found["diagnosis"]["reason"]["en"] in told.stdout

    state = Loop(load_project(tuned / "cauce.toml", {})).state
    client = open_client(state)
    kept = Path(client.download_artifacts(found["run_id"], "choice.json", str(tuned)))
    assert json.loads(kept.read_bytes()) == choice
    experiment = client.get_experiment_by_name("passed")
    assert experiment is not None
    asked = f"tags.`mlflow.parentRunId` = '{found['run_id']}'"
    children = client.search_runs([experiment.experiment_id], asked, order_by=["attributes.start_time"])
    for run, trial in zip(children, choice["trials"]["tuned"], strict=True):
        assert run.data.metrics["mean_loss"] == pytest.approx(trial["mean_loss"])
        assert run.data.params == {name: str(value) for name, value in trial["params"].items()}
        assert run.data.tags["cauce.outcome"] == trial["outcome"]


def check_record(choice: dict[str, Any]) -> None:
    """Every rung has what it reached, took and weighs, and why it was kept or refused."""
    rungs = {rung["name"]: rung for rung in choice["rungs"]}
    assert choice["budget_s"] == 300.0
    assert [trial["number"] for trial in choice["trials"]["tuned"]] == [0, 1, 2]
    assert rungs[choice["chosen"]]["outcome"] == "chosen"
    for name, rung in rungs.items():
        assert rung["why"]
        if name in {"additive", "forest", "boosting", "mlp"}:
            assert (rung["why"], rung["outcome"], rung["mean_loss"]) == ("not_allowed", "skipped", None)
            continue
        figures = ("mean_loss", "fit_seconds", "predict_us_per_row", "predict_ms_one_row", "size_bytes")
        assert all(rung[figure] > 0 for figure in figures), name
        assert (rung["against_best"] is None) == (name == choice["best"])
    assert rungs["tuned"]["n_trials"] == 3
    assert rungs["tuned"]["tuning_seconds"] > 0
    assert rungs["tuned"]["params"]

"""The whole loop: trained, served from the ledger's point of view, drift injected, promoted; refused when worse."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from cauce import Loop, load_project
from cauce.ledger import Truth
from cauce.loop import by_hand
from cauce.loop.renew import renew
from cauce.loop.stages import run_stages
from cauce.loop.view import model_view
from cauce.loop.watch import ledger_of
from e2e.school import TOML, Cauce, students

RENEW = '\n[watch]\nmin_rows = 100\n\n[renew]\nmin_truths = 200\ncool_down = "0s"\n'


def open_loop(folder: Path) -> Loop:
    return Loop(load_project(folder / "cauce.toml", {}))


def live(loop: Loop, rows: pa.Table, truths: list[str]) -> None:
    """Predict rows with the champion, into the ledger, and let their truths come.

    In two batches: ids of one moment are in random order, and which rows are the newest must not hang on chance.
    """
    champion = loop.tracker.alias("passed", "champion")
    assert champion is not None
    release, package = loop.tracker.open("passed", champion)
    inputs = rows.select(list(release.training.spec.schema.names))
    ledger = ledger_of(loop, "passed")
    half = rows.num_rows // 2
    for batch, known in ((inputs.slice(0, half), truths[:half]), (inputs.slice(half), truths[half:])):
        ids = ledger.record(batch, package.fitted.predict(batch), version=champion, at=loop.now())
        ledger.truths([Truth(*pair) for pair in zip(ids.to_pylist(), known, strict=True)], now=loop.now())
    ledger.close()


@pytest.mark.slow
def test_drift_is_noticed_and_a_better_challenger_is_promoted(project: Path) -> None:
    (project / "cauce.toml").write_text(TOML + RENEW, encoding="utf-8")
    loop = open_loop(project)
    (first,) = run_stages(loop)
    assert first.error is None
    assert loop.tracker.alias("passed", "champion") == 1
    calm = students(600, seed=1)
    live(loop, calm, calm["passed"].to_pylist())
    renewed = renew(loop, "passed")
    assert renewed is not None
    assert renewed.decision.action == "wait"
    # The world turns round: longer hours, and those who passed before fail now.
    turned = students(1500, seed=2, shift=8.0)
    flipped = ["no" if value == "yes" else "yes" for value in turned["passed"].to_pylist()]
    live(loop, turned, flipped)
    renewed = renew(loop, "passed")
    assert renewed is not None
    assert renewed.decision.action == "retrain"
    assert renewed.outcome is not None
    assert renewed.outcome.action == "promote", renewed.outcome.reason["en"]
    assert renewed.outcome.comparison is not None
    assert renewed.outcome.comparison.verdict == "better"
    assert loop.tracker.alias("passed", "champion") == 2
    assert renewed.challenger is not None
    assert renewed.challenger.training.n_ledger > 0
    # And back by hand, with the reason in the record.
    by_hand.rollback(loop, "passed", version=None, reason="The new model annoys the teachers.")
    assert loop.tracker.alias("passed", "champion") == 1
    assert model_view(loop, "passed").decisions[0].action == "roll back"


@pytest.mark.slow
def test_a_challenger_that_is_not_better_is_refused(project: Path, cauce: Cauce) -> None:
    (project / "cauce.toml").write_text(TOML + RENEW, encoding="utf-8")
    loop = open_loop(project)
    run_stages(loop)
    same = students(800, seed=3)
    live(loop, same, same["passed"].to_pylist())
    done = cauce("renew", "passed", "--force", "To see what a retraining would bring.", "--json")
    assert done.returncode == 4, done.stderr
    assert open_loop(project).tracker.alias("passed", "champion") == 1


@pytest.mark.slow
def test_a_worse_challenger_is_refused(project: Path) -> None:
    (project / "cauce.toml").write_text(TOML + RENEW, encoding="utf-8")
    loop = open_loop(project)
    run_stages(loop)
    # The truths that come first are turned round, so the challenger learns nonsense; those that judge are right.
    turned = students(3000, seed=5)
    live(loop, turned, ["no" if value == "yes" else "yes" for value in turned["passed"].to_pylist()])
    right = students(3000, seed=6)
    live(loop, right, right["passed"].to_pylist())
    renewed = renew(loop, "passed", force="A wave of truths came in; see what they teach.")
    assert renewed is not None
    assert renewed.outcome is not None
    assert renewed.outcome.action == "wait"
    assert renewed.outcome.comparison is not None
    assert renewed.outcome.comparison.verdict == "worse"
    assert loop.tracker.alias("passed", "champion") == 1
    assert loop.tracker.alias("passed", "challenger") == 2


@pytest.mark.slow
def test_a_source_that_grew_is_trained_on_and_judged_on_rows_that_neither_knows(project: Path) -> None:
    loop = open_loop(project)
    run_stages(loop)
    pyarrow.csv.write_csv(students(6000), project / "students.csv")
    (outcome,) = run_stages(open_loop(project))
    assert outcome.error is None
    assert outcome.trained is not None
    assert outcome.trained.release.version == 2
    assert outcome.decision is not None
    assert outcome.decision.comparison is not None
    assert 1000 <= outcome.decision.comparison.n_units <= 1600  # a fifth of 6,000, less what the champion learnt from


@pytest.mark.slow
def test_paused_models_are_not_renewed(project: Path) -> None:
    (project / "cauce.toml").write_text(TOML + RENEW, encoding="utf-8")
    loop = open_loop(project)
    run_stages(loop)
    by_hand.pause(loop, "passed", reason="Exam week: nothing may change.")
    turned = students(600, seed=2, shift=8.0)
    live(loop, turned, ["no"] * turned.num_rows)
    renewed = renew(loop, "passed")
    assert renewed is not None
    assert renewed.decision.action == "wait"
    assert "Exam week" in renewed.decision.reason["en"]


@pytest.mark.slow
def test_training_again_changes_nothing(project: Path) -> None:
    loop = open_loop(project)
    (first,) = run_stages(loop)
    (second,) = run_stages(loop)
    assert first.trained is not None
    assert second.trained is not None
    assert second.trained.reused
    assert second.trained.release.version == first.trained.release.version == 1


@pytest.mark.slow
def test_a_changed_schema_is_explained_not_crashed_on(project: Path) -> None:
    run_stages(open_loop(project))
    table = students(1500, seed=4)
    renamed = table.rename_columns(["id", "hours", "course", "mark", "passed"])
    pyarrow.csv.write_csv(renamed.append_column("extra", pa.array(np.arange(1500.0))), project / "students.csv")
    loop = open_loop(project)
    (outcome,) = run_stages(loop)
    assert outcome.error is None or outcome.error.exit_code == 3
    found = model_view(loop, "passed").audit
    assert found is not None
    said = " ".join(finding.message["en"] for finding in found.findings)
    assert "mark" in said
    assert "grade" in said


@pytest.mark.slow
@pytest.mark.parametrize("after_s", [1.0, 2.5, 4.0, 6.0])
def test_a_killed_run_goes_on_from_where_it_was(project: Path, cauce: Cauce, after_s: float) -> None:
    command = [sys.executable, "-m", "cauce", "up", "--once", "--quiet"]
    process = subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + after_s
    while time.monotonic() < deadline and process.poll() is None:
        os.sched_yield()
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = cauce("up", "--once", "--quiet")
    assert done.returncode == 0, done.stderr
    loop = open_loop(project)
    assert loop.tracker.alias("passed", "champion") == 1
    assert loop.tracker.versions("passed") == (1,)


@pytest.mark.slow
def test_mlflow_loads_the_champion_in_another_process(project: Path) -> None:
    run_stages(open_loop(project))
    code = (
        "import mlflow, pandas as pd; mlflow.set_tracking_uri('sqlite:///.cauce/mlflow.db'); "
        "model = mlflow.pyfunc.load_model('models:/passed@champion'); "
        "print(list(model.predict(pd.read_csv('students.csv').head(3)).columns))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "['id', 'prediction', 'prob_no', 'prob_yes']" in done.stdout


@pytest.mark.slow
def test_batch_prediction_writes_key_first_and_records_on_request(project: Path, cauce: Cauce) -> None:
    loop = open_loop(project)
    run_stages(loop)
    done = cauce("predict", "passed", "students.csv", "-o", "out.parquet", "--record")
    assert done.returncode == 0, done.stderr
    import pyarrow.parquet

    out = pyarrow.parquet.read_table(project / "out.parquet")
    assert out.column_names == ["id", "prediction_id", "prediction", "prob_no", "prob_yes"]
    assert ledger_of(loop, "passed").traffic(datetime.now(UTC) + timedelta(seconds=1)).n_predictions == out.num_rows

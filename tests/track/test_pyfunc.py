"""An ordinary MLflow client, in a process of its own, loads the champion by its alias."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cauce.core.artefacts import Column, Schema, Training
from cauce.core.errors import Tampered, UserError
from cauce.core.state import State
from cauce.track import Run, Tracker
from cauce.track.client import import_mlflow
from cauce.track.pyfunc import CaucePredictor, _load_pyfunc

InNewProcess = Callable[..., "subprocess.CompletedProcess[str]"]
RunMaker = Callable[..., Run]

ORDINARY_CLIENT = """
    import json, sys
    import mlflow, pandas as pd
    mlflow.set_tracking_uri(f"sqlite:///{sys.argv[1]}/.cauce/mlflow.db")
    model = mlflow.pyfunc.load_model("models:/dropout@champion")
    frame = pd.DataFrame(
        {"student": [7, 8], "age": [20, 40], "visits": [1, None], "city": ["Lima", None], "active": [True, False],
         "since": ["2020-01-01", None]}, index=[5, 6])
    answers = [
        model.predict(frame),
        model.predict(frame.assign(age=[20.5, 40.0], since=pd.to_datetime(frame.since, utc=True))),
        model.predict(frame[["active", "age"]]),
        model.predict({"age": [20, 40], "active": [True, False]}),
    ]
    print(json.dumps([[list(a.columns), a.to_dict("list"), list(a.index)] for a in answers], default=str))
"""


@pytest.fixture
def champion(ready: State, make_run: RunMaker) -> Tracker:
    tracker = Tracker(ready)
    tracker.register(make_run())
    tracker.set_alias("dropout", "champion", 1)
    return tracker


def test_an_ordinary_client_predicts_with_the_champion(champion: Tracker, in_new_process: InNewProcess) -> None:
    done = in_new_process(ORDINARY_CLIENT, champion.state.project, environment={"MLFLOW_DISABLE_TELEMETRY": "true"})
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    with_key, floats, without_key, lists = json.loads(done.stdout)
    expected = {"prediction": ["no", "yes"], "prob_no": [0.8, pytest.approx(0.1)], "prob_yes": [0.2, 0.9]}
    assert with_key == [["student", *expected], {"student": [7, 8]} | expected, [5, 6]]
    assert floats == with_key
    assert without_key == [[*expected], expected, [5, 6]]
    assert lists == [[*expected], expected, [0, 1]]


@pytest.mark.slow
def test_an_ordinary_client_follows_a_moved_project(
    champion: Tracker, in_new_process: InNewProcess, tmp_path: Path
) -> None:
    shutil.move(champion.state.project, tmp_path / "mi proyecto #2 ñ")
    moved = Tracker(State(tmp_path / "mi proyecto #2 ñ"))
    assert moved.relocate()
    done = in_new_process(ORDINARY_CLIENT, moved.state.project, environment={"MLFLOW_DISABLE_TELEMETRY": "true"})
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 4


@pytest.mark.slow
def test_a_missing_column_is_named_to_an_ordinary_client(champion: Tracker, in_new_process: InNewProcess) -> None:
    code = ORDINARY_CLIENT.partition("    answers")[0] + "    model.predict(frame[['age']])\n"
    done = in_new_process(code, champion.state.project, environment={"MLFLOW_DISABLE_TELEMETRY": "true"})
    assert done.returncode == 1
    assert "missing inputs ['active']" in done.stderr


@pytest.fixture
def model_folder(champion: Tracker) -> Path:
    import_mlflow()
    (path,) = champion.state.models.rglob("MLmodel")
    return path.parent


def test_the_loader_refuses_any_changed_file(model_folder: Path) -> None:
    for path in sorted((model_folder / "package").rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            with pytest.raises(Tampered):
                _load_pyfunc(str(model_folder / "package"))
            path.write_bytes(content)
    assert _load_pyfunc(str(model_folder / "package")).training.fingerprint == "f1"


def test_a_forged_pair_of_mlmodel_and_package_is_caught_in_its_project_only(
    model_folder: Path, tmp_path: Path, make_training: Callable[[], Training], make_package: Callable[..., str]
) -> None:
    true = make_package(tmp_path / "same", make_training())
    forged = make_package(model_folder / "package", make_training(), cut=99.0)
    path = model_folder / "MLmodel"
    path.write_text(path.read_text().replace(true, forged))
    with pytest.raises(Tampered, match="registry"):
        _load_pyfunc(str(model_folder / "package"))
    shutil.copytree(model_folder, tmp_path / "elsewhere")
    assert _load_pyfunc(str(tmp_path / "elsewhere" / "package")).fitted.cut == 99.0  # type: ignore[attr-defined]


def test_an_mlmodel_without_a_digest_is_refused(model_folder: Path) -> None:
    path = model_folder / "MLmodel"
    path.write_text(path.read_text().replace("cauce_digest", "digest"))
    with pytest.raises(Tampered, match="no digest"):
        _load_pyfunc(str(model_folder / "package"))


@pytest.fixture
def predictor(model_folder: Path) -> CaucePredictor:
    return _load_pyfunc(str(model_folder / "package"))


def test_optional_columns_may_be_left_out_and_required_ones_not(predictor: CaucePredictor) -> None:
    assert predictor.predict({"age": [1], "active": [True]})["prediction"].tolist() == ["no"]
    with pytest.raises(UserError, match="active"):
        predictor.predict({"age": [1]})


def test_no_rows_give_no_rows(predictor: CaucePredictor) -> None:
    answer = predictor.predict(pd.DataFrame({"age": [], "active": []}))
    assert list(answer.columns) == ["prediction", "prob_no", "prob_yes"]
    assert len(answer) == 0


def test_values_of_several_types_are_named(predictor: CaucePredictor) -> None:
    with pytest.raises(UserError, match="column age: values of several types"):
        predictor.predict({"age": [1, "two"], "active": [True, False]})


def test_categories_of_pandas_arrive_as_text(model_folder: Path) -> None:
    seen = []

    class Spy:
        schema = Schema((Column("city", "category"),))
        classes = ()

        def predict(self, table: pa.Table) -> pa.Table:
            seen.append(table)
            return pa.table({"prediction": np.zeros(table.num_rows)})

    training = _load_pyfunc(str(model_folder / "package")).training
    spied = CaucePredictor(Spy(), training)  # type: ignore[arg-type]
    spied.predict(pd.DataFrame({"city": pd.Series(["Lima", None], dtype="category")}))
    assert seen[0]["city"].to_pylist() == ["Lima", None]
    # MLflow reads lists by column, all of text, as one row of lists.
    assert len(spied.predict(pd.DataFrame([{"city": ["Lima", "Bogotá"]}]))) == 2
    assert seen[1]["city"].to_pylist() == ["Lima", "Bogotá"]

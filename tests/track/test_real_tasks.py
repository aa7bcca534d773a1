"""Every task of the registry goes through package, registry and an ordinary MLflow client."""

from __future__ import annotations

import io
import pickletools
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cauce.core import registry
from cauce.core.artefacts import Training
from cauce.core.protocols import Task
from cauce.core.state import State
from cauce.track import Run, Tracker, write_package

pytestmark = pytest.mark.slow

LOAD_AND_PREDICT = """
    import sys
    import mlflow, pandas as pd
    mlflow.set_tracking_uri(f"sqlite:///{sys.argv[1]}/.cauce/mlflow.db")
    model = mlflow.pyfunc.load_model("models:/dropout@champion")
    model.predict(pd.read_csv(sys.argv[2], dtype_backend="numpy_nullable")).to_csv(sys.argv[3], index=False)
"""


class Profile:
    """As much of a profile as a ladder asks for."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.n_rows = table.num_rows

    def n_missing(self, column: str) -> int:
        return int(self.table[column].null_count)

    def n_distinct(self, column: str) -> int:
        return len(self.table[column].unique())


def run_of(task: Task, position: int, folder: Path, like: Training) -> tuple[Run, pa.Table]:
    table, spec = task.example()
    spec = replace(spec, model="dropout")
    candidate = task.candidates(spec, Profile(table))[position]
    fitted = task.fit(candidate, candidate.params, table, spec=spec)
    training = replace(
        like,
        task=spec.task,
        rung=candidate.name,
        spec=spec,
        snapshot=replace(like.snapshot, types={field.name: str(field.type) for field in table.schema}),
        metrics=replace(like.metrics, classes=fitted.classes),
        fingerprint=f"{spec.task}-{candidate.name}",
    )
    units = pa.table({"unit": ["a"], "role": ["train"], "loss": pa.array([None], pa.float64())})
    digest = write_package(
        folder, fitted=fitted, training=training, profile=b"", bins=b"{}", reference_counts={}, units=units
    )
    return Run(training, folder, digest), table


@pytest.mark.parametrize("name", ["classify", "regress"])
def test_the_whole_ladder_is_served_by_an_ordinary_client(
    name: str,
    ready: State,
    tmp_path: Path,
    make_training: Callable[[], Training],
    in_new_process: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    task = registry.task(name)
    tracker = Tracker(ready)
    table, spec = task.example()
    for position in range(len(task.candidates(spec, Profile(table)))):
        run, table = run_of(task, position, tmp_path / f"{name}-{position}", make_training())
        release = tracker.register(run)
        expected = tracker.open("dropout", release.version)[1].fitted.predict(table)
        tracker.set_alias("dropout", "champion", release.version)
        rows, answers = tmp_path / "rows.csv", tmp_path / "answers.csv"
        wanted = list(run.training.spec.schema.names)
        table.select(wanted).to_pandas().to_csv(rows, index=False)
        done = in_new_process(
            LOAD_AND_PREDICT, ready.project, rows, answers, environment={"MLFLOW_DISABLE_TELEMETRY": "true"}
        )
        assert done.returncode == 0, done.stderr
        found = pd.read_csv(answers)
        plain = pd.read_csv(io.StringIO(expected.to_pandas().to_csv(index=False)))
        assert list(found.columns) == list(plain.columns)
        for column in plain.columns:
            if plain[column].dtype.kind == "f":
                np.testing.assert_allclose(found[column], plain[column], rtol=1e-9)
            else:
                assert found[column].tolist() == plain[column].tolist()
    for path in ready.models.rglob("*"):
        assert path.suffix not in {".pkl", ".pickle", ".joblib"}
        if path.is_file():
            with pytest.raises((ValueError, IndexError, UnicodeDecodeError)):
                list(pickletools.genops(path.read_bytes()))

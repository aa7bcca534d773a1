"""A tiny task, its fitted object and a training of it: the room is tested without any other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pytest

from cauce.core import registry
from cauce.core.artefacts import Choice, Column, Finish, Metrics, Rung, Schema, Snapshot, TaskSpec, Training
from cauce.core.protocols import Finished
from cauce.core.state import State
from cauce.track import Run, write_package
from cauce.track.client import ensure_database

SCHEMA = Schema(
    (
        Column("age", "number", nullable=False),
        Column("visits", "integer", nullable=True),
        Column("city", "category", nullable=True, categories=("Bogotá", "Lima")),
        Column("active", "boolean", nullable=False),
        Column("since", "datetime", nullable=True),
    )
)
TYPES = {
    "student": "int64",
    "age": "double",
    "visits": "int64",
    "city": "string",
    "active": "bool",
    "since": "timestamp[us, tz=UTC]",
    "left": "string",
}


@dataclass(frozen=True)
class FakeFitted:
    """Says that whoever is older than `cut` leaves."""

    schema: Schema
    classes: tuple[str, ...]
    cut: float

    @property
    def importance(self) -> dict[str, float]:
        return {"age": 1.0}

    def predict(self, table: pa.Table) -> pa.Table:
        assert set(self.schema.names) <= set(table.column_names)
        age = np.asarray(table["age"].to_numpy(), dtype=float)
        if not self.classes:
            return pa.table({"prediction": age, "lower": age - 1, "upper": age + 1})
        yes = np.where(age > self.cut, 0.9, 0.2)
        labels = [self.classes[int(p > 0.5)] for p in yes]
        return pa.table({"prediction": labels, "prob_no": 1 - yes, "prob_yes": yes})

    def finish(self, rows: pa.Table, predicted: pa.Table, spec: TaskSpec) -> Finished:
        return Finished(self, Finish())

    def save(self, folder: Path) -> None:
        (folder / "model.json").write_text(json.dumps({"cut": self.cut, "classes": self.classes}))
        (folder / "parts").mkdir()
        (folder / "parts" / "weights.txt").write_text(f"{self.cut}\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        saved = json.loads((folder / "model.json").read_text())
        return cls(SCHEMA, tuple(saved["classes"]), float((folder / "parts" / "weights.txt").read_text()))


class FakeTask:
    """Enough of a task for a package to be opened."""

    name = "fake"
    fitted = FakeFitted


@pytest.fixture(autouse=True)
def fake_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fake_task_module", sys.modules[__name__])
    monkeypatch.setitem(registry.TASKS, "fake", "fake_task_module:FakeTask")


def training(fingerprint: str = "f1", *, model: str = "dropout", classes: tuple[str, ...] = ("no", "yes")) -> Training:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    words = {"en": "The simplest.", "es": "El más simple."}
    rung = Rung("prior", {"en": "prior", "es": "previa"}, "chosen", "simplest_not_worse", mean_loss=0.5)
    return Training(
        model=model,
        task="fake",
        rung="prior",
        spec=TaskSpec(model, "fake", "left", SCHEMA, "log", key="student"),
        snapshot=Snapshot("students", 3, "abc", 100, TYPES, at),
        choice=Choice(model, "log", "prior", "prior", (rung,), 0.01, 80, 5, 0, words),
        metrics=Metrics({"accuracy": 0.8}, "accuracy", words, classes=classes, n_units=20),
        held_out_loss=0.5,
        n_train=80,
        n_held_out=20,
        n_ledger=0,
        split="random",
        fingerprint=fingerprint,
        created_at=at,
        seconds=1.5,
        libraries={"python": "3.11", "numpy": np.__version__},
    )


UNITS = pa.table({"unit": ["a", "b"], "role": ["train", "held_out"], "loss": pa.array([None, 0.5], pa.float64())})


def package(folder: Path, of: Training, *, cut: float = 30.0) -> str:
    return write_package(
        folder,
        fitted=FakeFitted(SCHEMA, of.metrics.classes, cut),
        training=of,
        profile=b"profile",
        bins=b'{"age": [1, 2]}',
        reference_counts={"age": np.array([3, 4, 0], dtype=np.int64)},
        units=UNITS,
    )


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "project").open()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = State(tmp_path_factory.mktemp("empty")).open()
    ensure_database(made)
    return made.mlflow


@pytest.fixture
def ready(state: State, empty_database: Path) -> State:
    """A project whose MLflow file is made already: making it takes a second."""
    shutil.copy(empty_database, state.mlflow)
    return state


@pytest.fixture
def make_training() -> Callable[..., Training]:
    return training


@pytest.fixture
def make_package() -> Callable[..., str]:
    return package


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Run]:
    def make(fingerprint: str = "f1", **fields: Any) -> Run:
        of = training(fingerprint, **fields)
        folder = tmp_path / "packages" / f"{len(fingerprint)}-{fingerprint[:20]}-{abs(hash(of.model))}"
        digest = package(folder, of)
        return Run(
            training=of,
            package=folder,
            digest=digest,
            params={"rung": "prior", "seed": 0},
            metrics={"accuracy": 0.8, "log_loss": float("nan")},
            documents={"audit.json": b"{}", "plots/confusion.svg": b"<svg/>"},
            tags={"note": "first"},
        )

    return make


@pytest.fixture
def in_new_process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python code in a process that knows the fake task and has no sign of a test in its environment."""

    def run(code: str, *arguments: object, environment: dict[str, str] | None = None) -> Any:
        hidden = ("PYTEST", "CI", "GITHUB", "GITLAB", "MLFLOW", "DO_NOT_TRACK")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        known = _KNOW_FAKE_TASK.format(conftest=__file__) + textwrap.dedent(code)
        command = [sys.executable, "-W", "error::ResourceWarning", "-c", known, *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False, env=clean | (environment or {})
        )

    return run


_KNOW_FAKE_TASK = """
import importlib.util, sys
found = importlib.util.spec_from_file_location("fake_task_module", {conftest!r})
module = importlib.util.module_from_spec(found)
sys.modules["fake_task_module"] = module
found.loader.exec_module(module)
from cauce.core import registry
registry.TASKS["fake"] = "fake_task_module:FakeTask"
"""

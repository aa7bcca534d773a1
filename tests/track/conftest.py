"""A tiny task, its fitted object and a training of it: the room is tested without any other."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pytest

from cauce.core import registry
from cauce.core.artefacts import Choice, Column, Metrics, Rung, Schema, Snapshot, TaskSpec, Training
from cauce.core.state import State
from cauce.track import Run, write_package

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


RunMaker = Callable[..., Run]


@pytest.fixture
def make_run(tmp_path: Path) -> RunMaker:
    def make(fingerprint: str = "f1", **fields: Any) -> Run:
        of = training(fingerprint, **fields)
        folder = tmp_path / "packages" / f"{of.model}-{fingerprint}"
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


__all__ = ["FakeFitted", "RunMaker", "package", "replace", "training"]

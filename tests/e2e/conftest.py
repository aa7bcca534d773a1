"""Small projects on disk, made by a seed, and the command line as a user calls it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

TOML = """\
[project]
name = "school"

[data.students]
source = "students.csv"
key = "id"

[models.passed]
task = "classify"
data = "students"
target = "passed"
"""


def students(n_rows: int = 1200, seed: int = 0, shift: float = 0.0) -> pa.Table:
    """Students with hours, a course and a grade; whether they passed depends on all three."""
    rng = np.random.default_rng(seed)
    hours = rng.gamma(3.0, 2.0, n_rows) + shift
    course = rng.choice(["algebra", "biology", "chemistry"], n_rows)
    grade = rng.normal(6.0, 1.5, n_rows)
    score = 0.5 * (hours - shift - 6) + 0.8 * (grade - 6) + np.where(course == "algebra", -0.5, 0.3)
    passed = np.where(score + rng.logistic(size=n_rows) > 0, "yes", "no")
    return pa.table({"id": np.arange(n_rows), "hours": hours, "course": course, "grade": grade, "passed": passed})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder that is ready to run."""
    pyarrow.csv.write_csv(students(), tmp_path / "students.csv")
    (tmp_path / "cauce.toml").write_text(TOML, encoding="utf-8")
    return tmp_path


Cauce = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def cauce(tmp_path: Path) -> Cauce:
    """Run a command in a process of its own, in the test's folder."""

    def run(*arguments: str, folder: Path = tmp_path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cauce", *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout, check=False)

    return run

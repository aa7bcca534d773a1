"""A small school, made by a seed: the project that the end-to-end tests run."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import numpy as np
import pyarrow as pa

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
trials = 0
never_use = ["additive", "forest", "mlp"]
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


Cauce = Callable[..., "subprocess.CompletedProcess[str]"]
"""The fixture `cauce`: runs a command in a process of its own, in the test's folder."""

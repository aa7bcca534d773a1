"""`reduce` in cauce.toml: fewer rows choose and tune where that is proven, all rows stay with a reason where not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.csv
import pytest

from e2e.school import Cauce, students

pytestmark = pytest.mark.slow


def reduced(project: Path, cauce: Cauce, n_rows: int, keys: str) -> Any:
    path = project / "cauce.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("trials = 0\n", keys), encoding="utf-8")
    pyarrow.csv.write_csv(students(n_rows), project / "students.csv")
    found = cauce("train", "passed", "--json", timeout=500)
    assert found.returncode == 0, found.stdout + found.stderr
    return json.loads(found.stdout)


def test_a_wide_margin_is_proven_and_the_model_answers(project: Path, cauce: Cauce) -> None:
    keys = 'trials = 2\nreduce = { margin = 0.9, keep = 0.1, budget = "3s" }\n'
    told = reduced(project, cauce, 3_000, keys)
    found = told["reduction"]
    assert found["verdict"] == "not_worse"
    assert found["n_kept"] < found["n_rows"] / 2
    assert found["final"]["on"] in {"kept", "all"}
    assert "rows stay" in found["reason"]["en"]
    assert "Se conservan" in found["reason"]["es"]


def test_auto_leaves_small_data_alone_and_says_why(project: Path, cauce: Cauce) -> None:
    told = reduced(project, cauce, 1_200, 'reduce = "auto"\n')
    found = told["reduction"]
    assert found["verdict"] == "off"
    assert "20,000" in found["reason"]["en"]


def test_too_few_units_for_the_margin_keep_all_rows(project: Path, cauce: Cauce) -> None:
    told = reduced(project, cauce, 1_200, 'trials = 2\nreduce = { margin = 0.001, budget = "3s" }\n')
    found = told["reduction"]
    assert found["verdict"] == "undecided"
    assert found["n_kept"] == found["n_rows"]
    assert found["provable_margin"] > 0.001


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("reduce = { margin = 0.9 }\nmax_size_mb = 50\n", "limits of size"),
        ('reduce = { margin = 0.9 }\nsensitive = ["course"]\nfairness = { mitigate = "reweigh" }\n', "a mitigation"),
    ],
)
def test_what_few_rows_would_flatter_gets_all_of_them(project: Path, cauce: Cauce, keys: str, why: str) -> None:
    told = reduced(project, cauce, 800, "trials = 0\n" + keys)
    assert told["reduction"]["verdict"] == "off"
    assert why in told["reduction"]["reason"]["en"]


def test_a_margin_of_nothing_is_refused_with_its_line(project: Path, cauce: Cauce) -> None:
    path = project / "cauce.toml"
    keys = "trials = 0\nmargin = 0.0\nreduce = { keep = 0.2 }\n"
    path.write_text(path.read_text(encoding="utf-8").replace("trials = 0\n", keys), encoding="utf-8")
    pyarrow.csv.write_csv(students(500), project / "students.csv")
    found = cauce("train", "passed", timeout=100)
    assert found.returncode == 2
    assert "margin of 0" in found.stderr

"""Evidently's reports: our figures are its figures on the same rows, and making one talks to nobody.

Evidently needs another pandas, so it runs in an interpreter of its own: `sh scripts/evidently.sh` makes it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pytest

from cauce.core.artefacts import Column, Schema
from cauce.core.errors import MissingExtra, UserError
from cauce.export.evidently import frames
from e2e.school import TOML, students

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PYTHON = Path(os.environ.get("CAUCE_EVIDENTLY_PYTHON", ROOT / ".venv-evidently" / "bin" / "python"))
needs_evidently = pytest.mark.skipif(
    not PYTHON.exists(), reason="no environment with Evidently: `sh scripts/evidently.sh` makes one (1.4 GB)"
)
NUMBERS = ("grade", "age", "hours")
CLASSES = ("plan", "city", "member")


def apart(folder: Path, *arguments: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run the interpreter that has Evidently, without a network, in a home of its own."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "CAUCE_CONNECTIONS": str(folder / "connections"),
        "PYTHONPATH": os.pathsep.join(map(str, (HERE / "offline", ROOT / "src", ROOT / "tests"))),
    }
    return subprocess.run(
        [str(PYTHON), *map(str, arguments)], cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300
    )


def connections(folder: Path) -> str:
    """What was tried."""
    path = folder / "connections"
    return path.read_text(encoding="utf-8") if path.exists() else ""


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("figures")
    done = apart(folder, HERE / "evidently_figures.py")
    assert done.returncode == 0, done.stderr
    assert connections(folder) == ""
    return dict(json.loads(done.stdout.splitlines()[-1]))


def same(figures: dict[str, Any], column: str, name: str) -> None:
    ours, theirs = figures["ours"][column][name], figures["theirs"][column][name]
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)
    assert theirs > 1e-200, "nothing moved: the comparison would hold for any two functions"


@needs_evidently
@pytest.mark.slow
@pytest.mark.parametrize("column", [*CLASSES, *NUMBERS])
def test_the_jensen_shannon_distance_is_evidentlys(figures: dict[str, Any], column: str) -> None:
    same(figures, column, "jensenshannon")


@needs_evidently
@pytest.mark.slow
@pytest.mark.parametrize("column", CLASSES)
def test_of_classes_the_shipped_distance_is_evidentlys(figures: dict[str, Any], column: str) -> None:
    ours, theirs = figures["ours"][column], figures["theirs"][column]
    assert ours["shipped_jensenshannon"] == pytest.approx(theirs["jensenshannon"], rel=1e-9)


@needs_evidently
@pytest.mark.slow
@pytest.mark.parametrize("column", [*CLASSES, "age"])
def test_the_stability_index_is_evidentlys_once_chance_is_away(figures: dict[str, Any], column: str) -> None:
    same(figures, column, "psi")


@needs_evidently
@pytest.mark.slow
@pytest.mark.parametrize("column", CLASSES)
def test_the_shipped_index_lies_below_evidentlys_by_what_chance_adds(figures: dict[str, Any], column: str) -> None:
    bins = {"plan": 3, "city": 12, "member": 2}[column]
    chance = (bins - 1) * sum(1 / n for n in figures["ours"][column]["rows"])
    theirs = figures["theirs"][column]["psi"]
    assert figures["ours"][column]["shipped"] == pytest.approx(theirs - chance, rel=0.02, abs=2e-4)
    assert chance > 6e-4


@needs_evidently
@pytest.mark.slow
@pytest.mark.parametrize("column", CLASSES)
def test_the_chi_square_p_value_is_evidentlys_where_the_reference_is_no_sample(
    figures: dict[str, Any], column: str
) -> None:
    same(figures, column, "chisquare")


@needs_evidently
@pytest.mark.slow
@pytest.mark.parametrize("column", NUMBERS)
def test_the_wasserstein_distance_is_evidentlys(figures: dict[str, Any], column: str) -> None:
    if "wasserstein" not in figures["ours"][column]:
        pytest.skip("this Cauce computes no Wasserstein distance")
    same(figures, column, "wasserstein")


@needs_evidently
@pytest.mark.slow
def test_counts_missing_values_and_moments_are_evidentlys(figures: dict[str, Any]) -> None:
    for column in (*CLASSES, *NUMBERS):
        theirs = figures["theirs"][column]["MissingValueCount"]["share"]
        assert figures["ours"][column]["missing"] == pytest.approx(theirs, abs=1e-12), column
    assert figures["ours"]["city"]["missing"] > 0.01
    for column in NUMBERS:
        ours, theirs = figures["ours"][column], figures["theirs"][column]
        assert ours["minimum"] == theirs["MinValue"]
        assert ours["maximum"] == theirs["MaxValue"]
        assert ours["mean"] == pytest.approx(theirs["MeanValue"], rel=1e-9)


@needs_evidently
@pytest.mark.slow
def test_its_usage_tracking_is_not_even_loaded(figures: dict[str, Any]) -> None:
    assert figures["modules"] == []


@needs_evidently
@pytest.mark.slow
def test_the_network_guard_would_see_a_connection(tmp_path: Path) -> None:
    script = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9/')"
    assert apart(tmp_path, "-c", script).returncode != 0
    assert "look up" in connections(tmp_path)


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose champion has predicted for other students than it learnt from."""
    folder = tmp_path_factory.mktemp("school")
    pyarrow.csv.write_csv(students(), folder / "students.csv")
    pyarrow.csv.write_csv(students(300, seed=3, shift=2.0).drop_columns(["passed"]), folder / "new.csv")
    (folder / "cauce.toml").write_text(TOML, encoding="utf-8")
    for arguments in (("up", "--once", "--quiet"), ("predict", "passed", "new.csv", "-o", "out.csv", "--record")):
        command = [sys.executable, "-m", "cauce", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
    return folder


@needs_evidently
@pytest.mark.slow
def test_a_window_of_the_ledger_becomes_evidentlys_report(school: Path, tmp_path: Path) -> None:
    for name in ("report.json", "report.html"):
        done = apart(tmp_path, "-m", "cauce", "export", "evidently", "passed", "-o", name, cwd=school)
        assert done.returncode == 0, done.stderr
    report = json.loads((school / "report.json").read_text(encoding="utf-8"))
    drifts = {one["config"]["column"]: one for one in report["metrics"] if "ValueDrift" in one["config"]["type"]}
    assert set(drifts) == {"hours", "course", "grade", "prediction"}
    (rows,) = [one["value"] for one in report["metrics"] if one["config"]["type"].endswith(":RowCount")]
    assert rows == 300
    page = (school / "report.html").read_text(encoding="utf-8")
    assert not re.search(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="?(?:https?:)?//', page), "it loads from afar"
    assert connections(tmp_path) == "", "a report talked to somebody"
    assert not [path for path in (tmp_path / "home").rglob("*") if "evidently" in path.name.lower()], "an id was kept"


@needs_evidently
@pytest.mark.slow
def test_a_report_of_ours_is_replaced_and_anothers_is_not(school: Path, tmp_path: Path) -> None:
    command = ("-m", "cauce", "export", "evidently", "passed", "-o")
    (school / "mine.html").write_text("<p>mine", encoding="utf-8")
    refused = apart(tmp_path, *command, "mine.html", cwd=school)
    assert refused.returncode == 2
    assert "Cauce did not write it" in refused.stderr
    for _ in range(2):
        assert apart(tmp_path, *command, "again.html", cwd=school).returncode == 0


@pytest.mark.skipif(importlib.util.find_spec("evidently") is not None, reason="Evidently is installed here")
def test_without_evidently_the_message_says_what_to_install() -> None:
    from cauce.export.evidently import check_evidently

    with pytest.raises(MissingExtra, match=r"constraints-evidently\.txt"):
        check_evidently()


SCHEMA = Schema(
    (
        Column("age", "integer"),
        Column("member", "boolean"),
        Column("plan", "category"),
        Column("essay", "text"),
        Column("since", "datetime"),
        Column("secret", "number"),
    )
)


def test_both_sides_get_the_columns_that_both_have_in_one_type() -> None:
    reference = pa.table(
        {"age": [1, 2], "member": [True, False], "plan": ["a", "b"], "essay": ["x", "y"], "secret": [1.0, 2.0]}
    ).append_column("prediction", pa.array(["yes", None]))
    current = pa.table({"age": [1.5], "member": [True], "plan": ["c"], "essay": ["z"], "prediction": ["no"]})
    found = frames(reference, current, SCHEMA, classes=("no", "yes"))
    assert found.numbers == ("age",)
    assert found.classes == ("member", "plan", "prediction")
    assert found.reference.schema == found.current.schema
    assert found.texts == ("essay",)
    assert found.left_out == ("since", "secret")
    assert "since, secret" in found.note


@pytest.mark.parametrize(("first", "unit"), [(0, "s"), (1, "ns")])
def test_dates_of_any_unit_are_instants_in_utc_and_nothing_is_left_out_of_whole_tables(first: int, unit: str) -> None:
    side = pa.table({"since": pa.array([first, None], pa.timestamp(unit, "Europe/Madrid"))})
    found = frames(side, side, Schema((Column("since", "datetime"),)), classes=())
    assert found.dates == ("since",)
    assert found.current["since"].to_pylist() == [datetime(1970, 1, 1), None]  # noqa: DTZ001 - as Evidently takes it
    assert found.left_out == ("prediction",)


@needs_evidently
@pytest.mark.slow
def test_texts_have_a_drift_and_dates_are_counted(tmp_path: Path) -> None:
    done = apart(tmp_path, HERE / "evidently_texts.py")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["drift"] == ["note", "x"], "a date has none"
    assert found["dates"] == 1
    assert found["note"] > 0.95, "all words are others"


def test_a_model_of_numbers_has_a_prediction_that_is_a_number() -> None:
    side = pa.table({"age": [1, 2], "prediction": [0.5, 1.5]})
    found = frames(side, side, SCHEMA, classes=())
    assert found.numbers == ("age", "prediction")


def test_a_column_that_training_never_saw_filled_is_left_out() -> None:
    reference = pa.table({"age": [1, 2], "plan": pa.nulls(2, pa.string())})
    found = frames(reference, pa.table({"age": [1], "plan": ["a"]}), SCHEMA, classes=())
    assert "plan" in found.left_out


def test_nothing_to_compare_is_said() -> None:
    side = pa.table({"age": [1, 2]})
    with pytest.raises(UserError, match="the window has no rows"):
        frames(side, side.slice(0, 0), SCHEMA, classes=())

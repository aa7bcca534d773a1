"""Every bad input gets a clear error, the documented exit code, no traceback, and nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pytest

from e2e.school import TOML, Cauce, students

ONE_CLASS = "".join(f"{i},{i / 7},algebra,6.0,yes\n" for i in range(100))
HEADER = "id,hours,course,grade,passed\n"
ROW = "1,5.0,algebra,6.0,yes\n"

BAD_SOURCES: dict[str, tuple[bytes, int, str]] = {
    "empty file": (b"", 2, "empty"),
    "header alone": (HEADER.encode(), 2, "no rows"),
    "wrong delimiter": ((HEADER + ROW * 50).replace(",", ";").encode(), 0, ""),
    "duplicate columns": (b"id,hours,hours,grade,passed\n1,2,3,4,yes\n", 2, "hours"),
    "not UTF-8": ((HEADER + "1,5.0,química,6.0,yes\n" * 50).encode("latin-1"), 2, "UTF-8"),
    "missing target": (b"id,hours,course,grade\n1,5.0,algebra,6.0\n", 2, "cauce.toml:10, [models.passed] target"),
    "target with one class": ((HEADER + ONE_CLASS).encode(), 3, "class"),
    "target all missing": ((HEADER + ONE_CLASS.replace("yes", "")).encode(), 3, "passed"),
    "ragged rows": ((HEADER + ROW * 30 + "1,2,3,4,5,6,7,8\n" + ROW).encode(), 2, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_SOURCES)
def test_a_bad_source_gets_a_clear_error(name: str, tmp_path: Path, cauce: Cauce) -> None:
    content, code, word = BAD_SOURCES[name]
    (tmp_path / "students.csv").write_bytes(content)
    (tmp_path / "cauce.toml").write_text(TOML.replace('key = "id"\n', ""), encoding="utf-8")
    done = cauce("up", "--once", "--quiet")
    assert "Traceback" not in done.stderr
    if code:
        assert done.returncode == code, done.stderr
        assert word.casefold() in done.stderr.casefold()


def test_the_former_snapshot_survives_a_bad_load(project: Path, cauce: Cauce) -> None:
    assert cauce("up", "--once", "--quiet").returncode == 0
    (project / "students.csv").write_bytes(b"")
    assert cauce("up", "--once", "--quiet").returncode == 2
    rows = project / "rows.csv"
    pyarrow.csv.write_csv(students(5, seed=9), rows)
    assert cauce("predict", "passed", "rows.csv", "-o", "out.csv").returncode == 0


def test_an_all_missing_column_is_said_and_does_not_stop_the_training(project: Path, cauce: Cauce) -> None:
    table = students()
    empty = pa.nulls(table.num_rows, pa.float64())
    pyarrow.csv.write_csv(table.append_column("nothing", empty), project / "students.csv")
    done = cauce("audit", "students", "--json")
    assert done.returncode == 0, done.stderr
    findings = json.loads(done.stdout)["findings"]
    assert any("nothing" in finding["columns"] for finding in findings)
    assert cauce("up", "--once", "--quiet").returncode == 0


def test_no_rows_after_filtering(project: Path, cauce: Cauce) -> None:
    toml = TOML.replace('key = "id"', 'key = "id"\nwhere = "hours > 1000000"')
    (project / "cauce.toml").write_text(toml, encoding="utf-8")
    done = cauce("up", "--once", "--quiet")
    assert done.returncode == 2
    assert "where" in done.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ('task = "clasify"', ("cauce.toml:9", "clasify", "Did you mean 'classify'?")),
        ('task = "classify"\nmargn = 0.1', ("margn", "Did you mean 'margin'?")),
        ('task = "classify"\nmargin = "much"', ("margin", "much")),
        ('task = "classify"\nignore = ["gradez"]', ("gradez", "Did you mean 'grade'?")),
    ],
)
def test_a_bad_project_file_names_line_and_remedy(
    change: str, words: tuple[str, ...], project: Path, cauce: Cauce
) -> None:
    (project / "cauce.toml").write_text(TOML.replace('task = "classify"', change), encoding="utf-8")
    done = cauce("check")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_check_lists_every_problem_at_once(project: Path, cauce: Cauce) -> None:
    toml = TOML.replace('target = "passed"', 'target = "pased"\nignore = ["nope"]').replace(
        'key = "id"', 'key = "idd"\ntime = "tim"\npartition_by = ["cours"]'
    )
    (project / "cauce.toml").write_text(toml, encoding="utf-8")
    done = cauce("check", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]
    for word in ("idd", "tim", "cours", "pased", "nope"):
        assert f"'{word}'" in done.stderr


def test_a_project_of_data_alone_passes_and_an_empty_one_does_not(project: Path, cauce: Cauce) -> None:
    (project / "cauce.toml").write_text(TOML.partition("[models")[0], encoding="utf-8")
    assert cauce("check").returncode == 0
    (project / "cauce.toml").write_text('[project]\nname = "school"\n', encoding="utf-8")
    done = cauce("check")
    assert done.returncode == 2
    assert "[data.NAME]" in done.stderr


def test_a_file_that_lacks_a_column_is_told_the_nearest(project: Path, cauce: Cauce) -> None:
    assert cauce("up", "--once", "--quiet").returncode == 0
    rows = project / "rows.csv"
    rows.write_text("id,hour,course\n1,2.0,algebra\n", encoding="utf-8")
    done = cauce("predict", "passed", "rows.csv", "-o", "out.csv")
    assert done.returncode == 2
    assert "lacks the columns hours, grade" in done.stderr
    assert "Rename 'hour' to 'hours'" in done.stderr
    assert "Known:" not in done.stderr


def test_no_project_here(tmp_path: Path, cauce: Cauce) -> None:
    done = cauce("status")
    assert done.returncode == 2
    assert "cauce init" in done.stderr


def test_unknown_model_and_no_champion(project: Path, cauce: Cauce) -> None:
    done = cauce("train", "pased")
    assert done.returncode == 2
    assert "Did you mean 'passed'?" in done.stderr
    done = cauce("predict", "passed", "students.csv", "-o", "out.csv")
    assert done.returncode == 4
    assert "cauce train passed" in done.stderr


def test_an_unwritable_output_format_is_refused(project: Path, cauce: Cauce) -> None:
    done = cauce("predict", "passed", "students.csv", "-o", "out.xls")
    assert done.returncode == 2
    assert ".parquet" in done.stderr


def test_init_does_not_overwrite(project: Path, cauce: Cauce) -> None:
    (project / "shop").mkdir()
    (project / "shop" / "keep").write_text("x", encoding="utf-8")
    done = cauce("init", "shop")
    assert done.returncode == 2
    assert (project / "shop" / "keep").read_text(encoding="utf-8") == "x"
    assert cauce("init", "../evil").returncode == 2
    assert cauce("init", "other").returncode == 0
    assert cauce("check", folder=project / "other").returncode == 0

"""`cauce data` in a real project: what it tells, that a restore stays, that releases keep their versions."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow.csv
import pytest

from cauce.loop.context import Loop
from cauce.loop.load import load
from cauce.loop.material import inputs
from cauce.project import load as read_project
from e2e.school import TOML, Cauce, students


def write(folder: Path, *, shift: float = 0.0, n_rows: int = 600) -> None:
    pyarrow.csv.write_csv(students(n_rows, shift=shift), folder / "students.csv")


def told(cauce: Cauce, *arguments: str) -> Any:
    done = cauce("data", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def school(cauce: Cauce, tmp_path: Path) -> Path:
    (tmp_path / "cauce.toml").write_text(TOML, encoding="utf-8")
    write(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_restore_stays_through_up_until_the_source_changes(cauce: Cauce, school: Path) -> None:
    assert told(cauce)[0]["version"] is None
    assert cauce("up", "--once", "-q").returncode == 0
    write(school, shift=1.0)
    assert cauce("audit", "students", "-q").returncode == 0
    (second, first) = told(cauce, "log", "students")
    assert (second["version"], second["changes"]["changed"], second["releases"]) == (1, 600, [])
    assert (first["version"], first["changes"], first["releases"]) == (0, None, ["passed 1"])

    shown = cauce("data", "restore", "students", "0")
    assert shown.returncode == 0, shown.stderr
    assert "is not loaded over it; once it changes, it is loaded as usual" in shown.stdout
    assert "cauce data restore students 1" in shown.stdout
    for _ in range(2):
        assert cauce("up", "--once", "-q").returncode == 0
        (listed,) = told(cauce)
        assert (listed["version"], listed["held"]) == (2, True)
        os.utime(school / "students.csv")  # touched, with the same rows: read, and not loaded
    assert cauce("doctor", "--clean", "-q").returncode == 0, "runs/ is thrown away; the restore is not"
    assert cauce("up", "--once", "-q").returncode == 0
    assert told(cauce)[0]["version"] == 2

    write(school, shift=2.0)
    assert cauce("audit", "students", "-q").returncode == 0
    (listed,) = told(cauce)
    assert (listed["version"], listed["held"]) == (3, False)


@pytest.mark.slow
def test_a_source_that_changed_before_the_restore_is_held_back_too(cauce: Cauce, school: Path) -> None:
    assert cauce("audit", "students", "-q").returncode == 0
    write(school, shift=1.0)
    assert cauce("audit", "students", "-q").returncode == 0
    write(school, shift=2.0)  # not loaded yet
    assert cauce("data", "restore", "students", "0", "-q").returncode == 0
    assert cauce("audit", "students", "-q").returncode == 0
    assert told(cauce)[0]["version"] == 2


@pytest.mark.slow
def test_versions_of_releases_outlive_keep(cauce: Cauce, school: Path) -> None:
    toml = TOML.replace('key = "id"\n', 'key = "id"\nkeep = "0s"\n')
    assert cauce("up", "--once", "-q").returncode == 0
    for shift in (1.0, 2.0):
        write(school, shift=shift)
        assert cauce("audit", "students", "-q").returncode == 0
    (school / "cauce.toml").write_text(toml, encoding="utf-8")
    dry = told(cauce, "vacuum", "students", "--dry-run")
    assert (dry["forgotten"], dry["released"], dry["dry_run"]) == ([1], [0], True)
    write(school, shift=3.0)
    assert cauce("audit", "students", "-q").returncode == 0, "a load does it"
    states = {one["version"]: one["readable"] for one in told(cauce, "log", "students")}
    assert states == {3: True, 2: False, 1: False, 0: True}
    gone = cauce("data", "diff", "students", "1", "3")
    assert gone.returncode == 2
    assert "removed by `keep`" in gone.stderr
    kept = told(cauce, "diff", "students", "0", "3")
    assert (kept["rows"]["changed"], [one["column"] for one in kept["summaries"]][:1]) == (600, ["hours"])
    assert "kept for releases (0)" in cauce("data", "vacuum", "students").stdout


@pytest.mark.slow
def test_a_reload_sees_what_an_increment_spares_itself(cauce: Cauce, school: Path) -> None:
    keys = 'key = "id"\nwatermark = "seen"\n'
    (school / "cauce.toml").write_text(TOML.replace('key = "id"\n', keys), encoding="utf-8")

    def write(*rows: str) -> None:
        (school / "students.csv").write_text("\n".join(["id,seen,hours,passed", *rows, ""]), encoding="utf-8")

    write("1,2026-01-01,3.25,yes", "2,2026-01-02,4,no")
    assert cauce("data", "reload", "students", "-q").returncode == 0
    write("1,2026-01-01,3.5,yes", "2,2026-01-02,4,no", "3,2026-01-03,4,no")
    load(Loop(read_project(school / "cauce.toml", {})), "students")
    assert told(cauce, "log", "students")[0]["changes"]["changed"] == 0
    shown = cauce("data", "reload", "students")
    assert "version 2, from the whole source (3 rows)" in " ".join(shown.stdout.split()), shown.stderr
    assert "cauce data diff students 1 2" in shown.stdout
    assert told(cauce, "log", "students")[0]["changes"]["changed"] == 1
    assert "says what version 2 holds" in " ".join(cauce("data", "reload", "students").stdout.split())
    assert told(cauce, "reload", "students")["version"] == 2
    assert cauce("data", "reload", "studnts").returncode == 2


@pytest.mark.parametrize("named", ["", 'features = ["hours", "seen"]\n'])
def test_a_watermark_is_learnt_from_only_where_it_is_named(school: Path, named: str) -> None:
    keys = 'key = "id"\nwatermark = "seen"\ndeleted = "gone"\n'
    (school / "cauce.toml").write_text(TOML.replace('key = "id"\n', keys) + named, encoding="utf-8")
    loop = Loop(read_project(school / "cauce.toml", {}))
    found = inputs(loop, "passed", ["id", "seen", "hours", "gone", "passed"])
    assert found == (("hours", "seen") if named else ("hours",))


@pytest.mark.slow
def test_what_is_wrong_is_said_with_the_exit_codes_of_the_house(cauce: Cauce, school: Path) -> None:
    cases: list[tuple[tuple[str, ...], int, str]]
    cases = [
        (("log", "studnts"), 2, "Did you mean 'students'"),
        (("log", "students"), 2, "never loaded"),
        (("restore", "students", "0"), 2, "never loaded"),
        (("ddl", "students"), 2, "never loaded"),
    ]
    for command, code, said in cases:
        done = cauce("data", *command)
        assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert cauce("audit", "students", "-q").returncode == 0
    cases = [
        (("diff", "students"), 2, "no earlier version"),
        (("diff", "students", "0", "9"), 2, "no such version"),
        (("restore", "students", "0"), 4, "is the newest already"),
        (("ddl", "students", "--table", "a b"), 2, "not the name of a table"),
    ]
    for command, code, said in cases:
        done = cauce("data", *command)
        assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "every version is kept" in cauce("data", "vacuum", "students").stdout
    assert cauce("data", "ddl", "students").stdout.startswith("CREATE TABLE IF NOT EXISTS `students` (")
    write(school, shift=1.0)
    assert cauce("audit", "students", "-q").returncode == 0
    shown = cauce("data", "diff", "students").stdout
    assert "matched by id: 600 changed" in " ".join(shown.split())

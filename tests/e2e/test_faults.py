"""Whatever goes wrong at whatever stage: a sentence, the documented exit code, and the same command goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.csv
import pytest

from cauce import Loop, load_project
from cauce.loop.stages import run_stages
from e2e.running import Running, holders, running, wait_for
from e2e.school import TOML, Cauce, students

pytestmark = pytest.mark.slow
MOMENTS = [
    ("load", 0, 0.0),
    ("load", 0, 0.03),
    ("load", 2, 0.02),
    ("profile", 1, 0.0),
    ("audit", 16, 0.1),
    ("choose", 0, 0.0),
    ("choose", 1, 0.0),  # within the first rung: there is no best so far
    ("fit", 0, 0.0),
    ("fit", 1, 0.0),
    ("register", 0, 0.0),
    ("register", 0, 0.5),
]
"""Stage, how far it is, and seconds after that; in the order of the loop, so that each run goes on from the last."""
FULL = [
    ("load", 0, 0.0),
    ("load", 2, 0.0),
    ("audit", 0, 0.0),
    ("choose", 3, 0.0),
    ("fit", 0, 0.0),
    ("register", 0, 0.5),
]
ROW = {"hours": 5.0, "course": "algebra", "grade": 6.0}
PREDICT = "/v1/models/passed/predict"


def trouble(folder: Path, what: str, moment: tuple[str, int, float], *arguments: str) -> tuple[int, str]:
    """Run `cauce up --once` with trouble at a moment; return exit code and what was said on standard error."""
    script = Path(__file__).parent / "trouble.py"
    stage, done, delay_s = moment
    command = [sys.executable, str(script), what, stage, str(done), str(delay_s), *(arguments or ("up", "--once"))]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    return ended.returncode, ended.stderr


def test_an_interruption_at_any_stage_is_no_crash_and_the_same_command_goes_on(project: Path, cauce: Cauce) -> None:
    for moment in MOMENTS:
        code, said = trouble(project, "interrupt", moment)
        assert (moment, code) == (moment, 130), said
        assert "Traceback" not in said
        assert "the same command goes on" in said
    done = cauce("up", "--once", "--quiet")
    assert done.returncode == 0, done.stderr
    assert versions(project) == (1,)


def versions(folder: Path) -> tuple[int, ...]:
    return Loop(load_project(folder / "cauce.toml", {})).tracker.versions("passed")


def test_the_best_so_far_is_kept_and_the_next_run_completes_the_ladder(project: Path, cauce: Cauce) -> None:
    second = '\n[models.other]\ntask = "classify"\ndata = "students"\ntarget = "passed"\ntrials = 0\n'
    (project / "cauce.toml").write_text(TOML + second, encoding="utf-8")
    code, said = trouble(project, "interrupt", ("choose", 7, 0.0))  # within the second rung
    assert code == 130
    assert "Traceback" not in said
    loop = Loop(load_project(project / "cauce.toml", {}))
    assert loop.tracker.alias("passed", "champion") == 1
    choice = loop.tracker.release("passed", 1).training.choice
    assert choice.interrupted
    assert choice.chosen == "prior"
    assert loop.tracker.versions("other") == (), "Ctrl-C means the models after this one too"
    done = cauce("train", "passed", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["choice"]["interrupted"] is False
    assert loop.tracker.alias("passed", "champion") == 2
    assert cauce("train", "passed", "--json").returncode == 0
    assert loop.tracker.versions("passed") == (1, 2)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own of 48 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("a small disk is mounted by root on Linux only")
    command = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small disk could be mounted: {mounted.stderr.strip()}")
    pyarrow.csv.write_csv(students(), folder / "students.csv")
    (folder / "cauce.toml").write_text(TOML, encoding="utf-8")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_at_any_stage_is_told_and_the_same_command_goes_on(small_disk: Path, cauce: Cauce) -> None:
    filler = small_disk / "filler"
    for moment in FULL:
        code, said = trouble(small_disk, "fill", moment)
        assert (moment, code) == (moment, 2), said
        assert "Traceback" not in said
        assert f"{small_disk}/" in said
        assert "disk is full" in said
        assert "Free some space" in said
        filler.unlink()
    done = cauce("up", "--once", "--quiet", folder=small_disk)
    assert done.returncode == 0, done.stderr
    assert versions(small_disk) == (1,)
    # With a champion and a disk that is full from the beginning, no command crashes, and nothing is lost.
    filler.write_bytes(b"")
    with filler.open("ab", buffering=0) as file:
        while room_left(small_disk):
            file.write(b"x" * room_left(small_disk))
    for command in (
        ("predict", "passed", "students.csv", "-o", "out.csv"),
        ("report", "passed"),
        ("watch",),
        ("up", "--port", "0"),
        ("backup", "copy.tar.gz"),
        ("pause", "passed", "--reason", "Exam week: nothing may change."),
    ):
        done = cauce(*command, folder=small_disk)
        assert (command, done.returncode) == (command, 2), done.stderr
        assert "Traceback" not in done.stderr
        assert "disk is full" in done.stderr
    assert cauce("status", folder=small_disk).returncode == 0
    filler.unlink()
    assert cauce("predict", "passed", "students.csv", "-o", "out.csv", folder=small_disk).returncode == 0


def room_left(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def test_a_full_disk_under_the_service_acknowledges_nothing_and_it_goes_on(small_disk: Path) -> None:
    run_stages(Loop(load_project(small_disk / "cauce.toml", {})))
    filler = small_disk / "filler"
    with running(small_disk, "up", "--port", "0", "--every", "1s") as service, service.client() as http:
        before = http.post(PREDICT, json={"rows": [ROW]}).json()["predictions"][0]["id"]
        with filler.open("ab", buffering=0) as file:
            while room_left(small_disk):
                file.write(b"x" * room_left(small_disk))
        refused = [http.post(PREDICT, json={"rows": [ROW] * 200}) for _ in range(3)]
        assert {answer.status_code for answer in refused} <= {503, 507}
        assert all("predictions" not in answer.json() for answer in refused)
        assert refused[0].headers["content-type"] == "application/problem+json"
        assert http.get("/healthz").status_code == 200
        filler.unlink()
        wait_for(lambda: http.post(PREDICT, json={"rows": [ROW]}).status_code == 200, service)
        truth = {"truths": [{"id": before, "value": "yes"}]}
        assert http.post("/v1/models/passed/truth", json=truth).json()["results"][0]["status"] == "accepted"
        assert service.end(signal.SIGTERM) == 0
    assert "Traceback" not in service.said
    assert holders(small_disk) == []


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One real service with a real champion, for the requests that it must refuse."""
    folder = tmp_path_factory.mktemp("served")
    pyarrow.csv.write_csv(students(), folder / "students.csv")
    (folder / "cauce.toml").write_text(TOML, encoding="utf-8")
    with running(folder, "up", "--port", "0") as started:
        assert started.url
        yield started


def row(**changes: object) -> bytes:
    return json.dumps({"rows": [ROW, ROW | changes]}).encode()


REQUESTS: dict[str, tuple[bytes, int, tuple[str, ...]]] = {
    "unseen category": (row(course="astronomy"), 422, ("course", "astronomy", "algebra")),
    "missing field": (b'{"rows":[{"hours":5.0,"course":"algebra"}]}', 422, ("grade", "missing")),
    "extra field": (row(gradez=1), 422, ("gradez", "Did you mean 'grade'?")),
    "its target": (row(passed="yes"), 422, ("passed",)),
    "wrong type": (row(hours="five"), 422, ("hours", "five", "a number")),
    "a list": (row(hours=[1]), 422, ("hours", "a number")),
    "NaN": (row(hours=float("nan")), 422, ("hours", "NaN")),
    "Infinity": (row(hours=float("inf")), 422, ("hours", "not_finite")),
    "1e400": (row(hours=1.5).replace(b"1.5", b"1e400"), 422, ("hours", "1e400")),
    "a huge integer": (row(hours=10**400), 422, ("hours",)),
    "10 MB": (b'{"rows":[' + b" " * 10_000_000 + b"]}", 413, ("max_body_mb",)),
    "no rows": (b'{"rows":[]}', 422, ("rows", "empty")),
    "not JSON": (b"hours=5", 400, ("not JSON",)),
    "nothing": (b"", 400, ("not JSON",)),
    "rows no list": (b'{"rows":{"hours":5}}', 422, ("must be a list",)),
    "a row no object": (b'{"rows":[5]}', 422, ("an object",)),
    "another key": (b'{"row":[{}]}', 422, ("Did you mean 'rows'?",)),
    "deeply nested": (b"[" * 100_000, 400, ("not JSON",)),
    "not UTF-8": (b'{"rows":[{"hours":5.0,"course":"\xff","grade":6.0}]}', 400, ("not JSON",)),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_bad_request_is_refused_with_the_field_the_value_and_what_is_valid(name: str, service: Running) -> None:
    body, status, words = REQUESTS[name]
    with service.client() as http:
        answer = http.post(PREDICT, content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, problem(answer)["status"]) == (status, status), answer.text
        for word in words:
            assert word in answer.text
        assert http.post(PREDICT, json={"rows": [ROW]}).status_code == 200


def problem(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["title"]
    return found


def test_an_unknown_model_is_answered_with_the_nearest(service: Running) -> None:
    with service.client() as http:
        answer = http.post("/v1/models/pased/predict", json={"rows": [ROW]})
        assert answer.status_code == 404
        assert "Did you mean 'passed'?" in problem(answer)["detail"]
        assert problem(http.get("/v1/nowhere"))["status"] == 404


Change = Callable[[pa.Table], pa.Table]
FILES: dict[str, tuple[Change, int, tuple[str, ...]]] = {
    "a missing column": (lambda t: t.drop_columns(["grade"]), 2, ("grade",)),
    "a renamed column": (
        lambda t: t.rename_columns(["id", "hours", "course", "grad"]),
        2,
        ("Rename 'grad' to 'grade'?",),
    ),
    "an extra column": (lambda t: t.append_column("more", pa.array(range(4))), 0, ("4 rows",)),
    "no key": (lambda t: t.drop_columns(["id"]), 0, ("4 rows",)),
    "an unseen category": (
        lambda t: t.set_column(2, "course", pa.array(["algebra", "astronomy", None, "biology"])),
        0,
        ("4 rows", "1 rows hold a course that training never saw"),
    ),
    "missing values": (lambda t: t.set_column(1, "hours", pa.array([None, 1.0, None, 2.0])), 0, ("4 rows",)),
    "text where numbers were": (
        lambda t: t.set_column(1, "hours", pa.array(["1.5", "2", "many", "lots"])),
        2,
        ("rows.csv", "'hours'", "row 3", "'many'", "numbers", "2 rows"),
    ),
    "dates where numbers were": (
        lambda t: t.set_column(3, "grade", pa.array(["2024-05-01"] * 4)),
        2,
        ("'grade'", "row 1", "numbers"),
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_batch_is_predicted_or_refused_with_the_column(
    name: str, service: Running, tmp_path: Path, cauce: Cauce
) -> None:
    change, code, words = FILES[name]
    table = students(4, seed=5).drop_columns(["passed"])
    pyarrow.csv.write_csv(change(table), tmp_path / "rows.csv")
    done = cauce("predict", "passed", "rows.csv", "-o", "out.csv", "--project", str(service.folder))
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr + done.stdout
    assert (tmp_path / "out.csv").exists() == (code == 0)


@pytest.mark.parametrize(
    ("name", "content"),
    [("rows.csv", b""), ("rows.csv", b"\xff\xfe\x00"), ("rows.parquet", b"PAR1 not parquet"), ("rows.jsonl", b"{")],
)
def test_a_file_that_is_none_is_named(
    name: str, content: bytes, service: Running, tmp_path: Path, cauce: Cauce
) -> None:
    (tmp_path / name).write_bytes(content)
    done = cauce("predict", "passed", name, "-o", "out.csv", "--project", str(service.folder))
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert name in done.stderr

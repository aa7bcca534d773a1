"""The whole loop under suspicion: whom it calls, what it writes, what a hostile name can do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.csv
import pytest

from e2e.school import TOML, students

# Loaded by every Python process of the run: any address that is asked for lands in a file.
RECORDER = """
import os, sys
def hook(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        with open(os.environ["RECORD"], "a") as file:
            file.write(f"{event} {arguments[1:] if event != 'socket.getaddrinfo' else arguments}\\n")
sys.addaudithook(hook)
"""
LOAD = (
    "import mlflow, pandas as pd; mlflow.set_tracking_uri('sqlite:///.cauce/mlflow.db'); "
    "mlflow.pyfunc.load_model('models:/passed@champion').predict(pd.read_csv('students.csv').head(3))"
)


def make(folder: Path) -> None:
    pyarrow.csv.write_csv(students(400), folder / "students.csv")
    (folder / "cauce.toml").write_text(TOML, encoding="utf-8")


@pytest.mark.slow
def test_no_socket_leaves_loopback_and_no_pickle_is_written(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(RECORDER)
    record = tmp_path / "record"
    env = os.environ | {"PYTHONPATH": str(tmp_path / "hook"), "RECORD": str(record)}
    alone = ["unshare", "-n"]  # a network without interfaces, where that may be had
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        alone = []
    cauce = [*alone, sys.executable, "-m", "cauce"]
    for command in (
        [sys.executable, "-c", "import socket; socket.getaddrinfo('127.0.0.1', 1)"],
        [*cauce, "up", "--once", "--quiet"],
        [*cauce, "predict", "passed", "students.csv", "-o", "out.csv"],
        [*alone, sys.executable, "-c", LOAD],
    ):
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    seen = record.read_text().splitlines()
    assert seen[0].startswith("socket.getaddrinfo"), "the recorder works"
    assert [line for line in seen[1:] if "127.0.0.1" not in line] == []
    for path in (tmp_path / ".cauce").rglob("*"):
        assert path.suffix not in {".pkl", ".pickle", ".joblib", ".pt"}, path
        if path.is_file() and path.stat().st_size > 1:
            start, end = path.read_bytes()[:2], path.read_bytes()[-1:]
            assert not (start[:1] == b"\x80" and start[1] in range(2, 6) and end == b"."), f"{path} is a pickle"


@pytest.mark.parametrize(
    "name", ["../evil", "a/b", "a;touch x", "$(touch x)", "{{7*7}}", "a b", "A", "", "-x", "ñ", "a\nb", "con#"]
)
def test_a_hostile_name_makes_no_file_anywhere(name: str, tmp_path: Path) -> None:
    make(tmp_path)
    toml = TOML.replace("[models.passed]", f"[models.{quoted(name)}]")
    (tmp_path / "cauce.toml").write_text(toml, encoding="utf-8")
    before = sorted(tmp_path.parent.rglob("*"))
    for command in (["check"], ["init", "--", name]):
        done = subprocess.run(
            [sys.executable, "-m", "cauce", *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2, done.stdout
        assert "Traceback" not in done.stderr
    assert sorted(tmp_path.parent.rglob("*")) == before


def quoted(name: str) -> str:
    return '"' + name.replace("\n", "\\n") + '"'


@pytest.mark.parametrize("source", ["http://127.0.0.1:9/x.csv", "s3://bucket/x.csv", "https://example.org/x.parquet"])
def test_a_source_on_the_network_is_not_fetched(source: str, tmp_path: Path) -> None:
    (tmp_path / "cauce.toml").write_text(TOML.replace("students.csv", source), encoding="utf-8")
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(RECORDER)
    record = tmp_path / "record"
    env = os.environ | {"PYTHONPATH": str(tmp_path / "hook"), "RECORD": str(record)}
    command = [sys.executable, "-m", "cauce", "check"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert not record.exists()

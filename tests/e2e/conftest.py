"""A project folder that is ready to run, and the command line as a user calls it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.csv
import pytest

from e2e.school import TOML, students


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder that is ready to run."""
    pyarrow.csv.write_csv(students(), tmp_path / "students.csv")
    (tmp_path / "cauce.toml").write_text(TOML, encoding="utf-8")
    return tmp_path


@pytest.fixture
def cauce(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command in a process of its own, in the test's folder."""

    def run(*arguments: str, folder: Path = tmp_path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cauce", *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout, check=False)

    return run

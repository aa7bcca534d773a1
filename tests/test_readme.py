"""The README's blocks do what they say: they are run, in order, in one folder, as a reader would."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


def test_the_two_commands_are_make_targets() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^make (\S+)", blocks("sh")[0], flags=re.MULTILINE)
    assert targets == ["demo", "test"]
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)


@pytest.mark.slow
def test_the_tutorial_runs_as_printed(tmp_path: Path) -> None:
    bin_folder = str(Path(sys.executable).parent)
    env = {"PATH": f"{bin_folder}:/usr/bin:/bin", "HOME": str(tmp_path)}
    shell = subprocess.run(["sh", "-euc", blocks("sh")[1]], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert shell.returncode == 0, shell.stdout + shell.stderr
    academy = tmp_path / "academy"
    assert (academy / "predictions.csv").read_text(encoding="utf-8").count("\n") > 1000
    assert "<html" in (academy / "earnings.html").read_text(encoding="utf-8")
    for block in blocks("python"):
        done = subprocess.run([sys.executable, "-c", block], cwd=academy, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "prediction" in done.stdout


def test_the_example_file_is_valid(tmp_path: Path) -> None:
    from cauce import load_project

    (block,) = blocks("toml")
    tomllib.loads(block)
    (tmp_path / "cauce.toml").write_text(block, encoding="utf-8")
    assert load_project(tmp_path / "cauce.toml", {}).file.project.name == "school"


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target

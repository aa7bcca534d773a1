"""Project files named in cauce.toml: inside the folder or refused, and run without leaving a trace."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cauce.core.errors import UserError
from cauce.core.scripts import Script, read_script, run_script

WHERE = "cauce.toml:3, [data.homes] rows"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "inner").mkdir(parents=True)
    (folder / "features.py").write_text("ONE = 1\n")
    (folder / "inner" / "more.py").write_text("TWO = 2\n")
    (tmp_path / "outside.py").write_text("raise SystemExit('outside ran')\n")
    return folder


def test_a_file_of_the_project_is_read(project: Path) -> None:
    assert read_script("features.py", project, where=WHERE) == Script("features.py", "ONE = 1\n")
    assert read_script("inner/more.py", project, where=WHERE).path == "inner/more.py"


@pytest.mark.parametrize("name", ["../outside.py", "inner/../../outside.py", "", "a\0.py", "C:\\x.py", "inner", "."])
def test_names_that_lead_outside_are_refused(project: Path, name: str) -> None:
    with pytest.raises(UserError, match="not a file") as refused:
        read_script(name, project, where=WHERE)
    assert refused.value.where == WHERE


def test_an_absolute_name_is_refused(project: Path) -> None:
    with pytest.raises(UserError, match="not a file of the project"):
        read_script(str(project / "features.py"), project, where=WHERE)


def test_a_link_that_leads_outside_is_refused(project: Path, tmp_path: Path) -> None:
    (project / "link.py").symlink_to(tmp_path / "outside.py")
    with pytest.raises(UserError, match="not a file of the project"):
        read_script("link.py", project, where=WHERE)


def test_a_missing_file_names_those_that_are_there(project: Path) -> None:
    with pytest.raises(UserError) as refused:
        read_script("feature.py", project, where=WHERE)
    assert str(refused.value) == f"{WHERE}: no such file. Received 'feature.py'. Files here: features.py."


def test_what_is_no_text_or_too_large_is_refused(project: Path) -> None:
    (project / "bytes.py").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="UTF-8"):
        read_script("bytes.py", project, where=WHERE)
    (project / "large.py").write_bytes(b"#" * 1_000_001)
    with pytest.raises(UserError, match="larger"):
        read_script("large.py", project, where=WHERE)


def test_two_modules_of_one_name_do_not_see_each_other() -> None:
    one = run_script(Script("features.py", "STATE = [1]\n"))
    other = run_script(Script("features.py", "STATE = [2]\n"))
    assert (one.STATE, other.STATE) == ([1], [2])
    assert one.__name__ != other.__name__
    assert not [name for name in sys.modules if name.startswith("cauce_script")]


def test_dataclasses_and_postponed_annotations_work() -> None:
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom typing import ClassVar\n"
        "@dataclass\nclass A:\n    x: int = 1\n    y: ClassVar[int] = 2\n"
    )
    assert run_script(Script("features.py", text)).A().x == 1


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("x = 1\nx = = 2\n", "features.py:2", "not Python"),
        ("import os\n\n1 / 0\n", "features.py:3", "ZeroDivisionError"),
        ("\nimport no_such_library_x\n", "features.py:2", "imports no_such_library_x"),
        ("def f():\n    raise KeyError('k')\nf()\n", "features.py:2", "KeyError"),
        ("x = '\0'", "features.py", "not Python"),
    ],
)
def test_a_file_that_cannot_be_run_is_told_with_its_line(text: str, where: str, what: str) -> None:
    with pytest.raises(UserError, match=what) as refused:
        run_script(Script("features.py", text))
    assert refused.value.where.startswith(where)
    assert refused.value.hint

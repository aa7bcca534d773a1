"""Codes of the project's own checks are known before anything of it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from cauce.core.errors import Problems
from cauce.project import load

KNOWN = ("outliers", "one_class")
TOML = """[project]
name = "p"
[data.d]
source = "d.csv"
[audit]
own = {own}
[audit.checks.{code}]
severity = "info"
"""


def project(folder: Path, text: str, *, code: str = "mine", own: str = '"checks.py"') -> list[str]:
    """Faults of a project whose checks.py holds `text`."""
    (folder / "checks.py").write_text(text, encoding="utf-8")
    (folder / "d.csv").write_text("x\n1\n", encoding="utf-8")
    path = folder / "cauce.toml"
    path.write_text(TOML.replace("{own}", own).replace("{code}", code), encoding="utf-8")
    try:
        load(path, {}, checks=KNOWN)
    except Problems as error:
        return [str(problem) for problem in error.problems]
    return []


CHECK = "raise SystemExit('it ran')\n@own_check('mine')\ndef f(context): ...\n"


def test_its_code_may_be_set_and_the_file_does_not_run(tmp_path: Path) -> None:
    assert project(tmp_path, CHECK) == []
    assert project(tmp_path, CHECK.replace("@own", "@cauce.audit.own")) == []
    assert project(tmp_path, CHECK.replace("'mine'", "code='mine', threshold=1.0")) == []
    assert project(tmp_path, CHECK, own='["checks.py"]', code="outliers") == []


def test_a_misspelt_code_is_told_with_the_nearest(tmp_path: Path) -> None:
    (fault,) = project(tmp_path, CHECK, code="mime")
    assert "cauce.toml:7, [audit.checks.mime]: not a check. Received 'mime'. Did you mean 'mine'?" in fault


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x = 1\n", "cauce.toml:6, [audit] own: no check in it"),
        ("x = (\n", "checks.py:1: not Python: '(' was never closed"),
        ("@own_check('outliers')\ndef f(context): ...\n", "checks.py:1: another check has this code"),
        (CHECK + CHECK, "checks.py:5: another check has this code: checks.py:2"),
        ("@own_check('mi' + 'ne')\ndef f(context): ...\n", "checks.py:1: a check's code is not written as text"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_line_and_once(tmp_path: Path, text: str, what: str) -> None:
    (fault,) = project(tmp_path, text)
    assert what in fault.replace("own[0]", "own")


@pytest.mark.parametrize("own", ['"../checks.py"', '"/etc/passwd"', '"absent.py"', '"link.py"'])
def test_only_files_of_the_project_are_read(tmp_path: Path, own: str) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (tmp_path / "outside.py").write_text(CHECK, encoding="utf-8")
    (folder / "link.py").symlink_to(tmp_path / "outside.py")
    (fault,) = project(folder, CHECK, own=own)
    assert fault.startswith("cauce.toml:6, [audit] own")


def test_without_codes_of_checks_nothing_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cauce.toml"
    path.write_text(TOML.replace("{own}", '"absent.py"').replace("{code}", "x"), encoding="utf-8")
    assert load(path, {}).file.audit.own == ("absent.py",)

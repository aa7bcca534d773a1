"""A model may have keys of `[watch]` and `[renew]` of its own; the others are the project's."""

from __future__ import annotations

from pathlib import Path

import pytest

from cauce.core.errors import Problems
from cauce.core.specs import ModelSpec
from cauce.loop.context import Loop
from cauce.loop.train import what_makes
from cauce.project import load

TOML = """\
[project]
name = "school"

[data.students]
source = "students.csv"

[models.passed]
task = "classify"
data = "students"
target = "passed"

[models.passed.watch]
min_rows = 50

[models.passed.renew]
approve = "person"

[models.late]
task = "classify"
data = "students"
target = "late"

[watch]
window = 700
min_rows = 300

[renew]
cool_down = "6h"
"""


def test_a_models_own_keys_go_before_the_projects(tmp_path: Path) -> None:
    (tmp_path / "cauce.toml").write_text(TOML)
    loop = Loop(load(tmp_path / "cauce.toml", {"CAUCE_MODELS__PASSED__RENEW__CONFIDENCE": "0.9"}))
    watch, renew = loop.watch_spec("passed"), loop.renew_spec("passed")
    assert (watch.window, watch.min_rows) == (700, 50)
    assert (renew.cool_down, renew.approve, renew.confidence) == ("6h", "person", 0.9)
    assert loop.watch_spec("late") == loop.project.file.watch
    assert loop.renew_spec("late") == loop.project.file.renew


def test_an_unknown_key_of_a_model_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "cauce.toml").write_text(TOML.replace('approve = "person"', 'aprove = "person"'))
    with pytest.raises(Problems, match=r"cauce\.toml:16, \[models\.passed\.renew\] aprove.*approve"):
        load(tmp_path / "cauce.toml", {})


def test_keys_that_say_what_becomes_of_a_release_train_nothing_anew(tmp_path: Path) -> None:
    def passed(text: str) -> ModelSpec:
        (tmp_path / "cauce.toml").write_text(text)
        return what_makes(load(tmp_path / "cauce.toml", {}).file.models["passed"])

    plain = passed(TOML)
    assert passed(f"{TOML}\n[models.passed.challenger]\nshadow = true\n") == plain
    assert passed(TOML.replace("min_rows = 50", "min_rows = 60").replace('"person"', '"policy"')) == plain
    assert passed(TOML.replace('target = "passed"', 'target = "passed"\nmargin = 0.02')) != plain

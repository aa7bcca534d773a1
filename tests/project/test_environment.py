"""Keys that come from the environment instead of the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cauce.core.errors import Problems
from cauce.project import Project, load

FILE = """\
[project]
name = "p"
[data.d]
source = "d.csv"
[data.d__x]
source = "x.csv"
[models.drop-out]
task = "classify"
data = "d"
target = "y"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "cauce.toml"
    path.write_text(FILE, encoding="utf-8")
    for source in ("d.csv", "x.csv", "1", "2"):
        (tmp_path / source).touch()
    return path


def loaded(path: Path, variable: str, value: str) -> Project:
    return load(path, {variable: value})


def test_a_variable_overrides_a_key_and_is_named_as_its_origin(path: Path) -> None:
    project = loaded(path, "CAUCE_MODELS__DROP_OUT__MARGIN", "0.05")
    assert project.file.models["drop-out"].margin == 0.05
    assert project.where("models", "drop-out", "margin") == "environment variable CAUCE_MODELS__DROP_OUT__MARGIN"
    assert project.where("models", "drop-out", "task") == "cauce.toml:8, [models.drop-out] task"


def test_text_lists_and_numbers_are_read_as_toml_would(path: Path) -> None:
    env = {
        "CAUCE_MODELS__DROP_OUT__BUDGET": "10m",
        "CAUCE_MODELS__DROP_OUT__IGNORE": '["a", "b"]',
        "CAUCE_MODELS__DROP_OUT__SPLIT__SEED": "7",
        "CAUCE_SERVE__PORT": "9000",
        "CAUCE_PROJECT__LANGUAGE": "'es'",
        "CAUCE_DATA__D__SOURCE": "/srv/1\nsource = 2",
    }
    file = load(path, env).file
    model = file.models["drop-out"]
    assert (model.budget, model.ignore, model.split.seed, file.serve.port) == ("10m", ("a", "b"), 7, 9000)
    assert (file.project.language, file.data["d"].source) == ("es", "/srv/1\nsource = 2")


def test_a_name_with_two_underscores_is_understood(path: Path) -> None:
    assert loaded(path, "CAUCE_DATA__D__X__KEY", "id").file.data["d__x"].key == "id"


def test_variables_of_others_are_left_alone(path: Path) -> None:
    env = {"CAUCE_HOME": "/x", "CAUCE_COLOUR__X": "1", "CAUCE_SERVE": "x", "OTHER_SERVE__PORT": "1", "SERVE__PORT": "1"}
    assert load(path, env).file == load(path, {}).file


def test_a_check_without_a_table_can_be_set_when_its_code_is_known(path: Path) -> None:
    env = {"CAUCE_AUDIT__CHECKS__LEAKAGE__SEVERITY": "off"}
    assert load(path, env, checks=["leakage"]).file.audit.checks["leakage"].severity == "off"
    with pytest.raises(Problems, match="no such key"):
        load(path, env)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"CAUCE_SERVE__PROT": "1"}, "CAUCE_SERVE__PROT: no such key in cauce.toml. Did you mean 'CAUCE_SERVE__PORT'?"),
        (
            {"CAUCE_MODELS__DROPOUT__MARGIN": "0.1"},
            "CAUCE_MODELS__DROPOUT__MARGIN: no such key in cauce.toml. Did you mean 'CAUCE_MODELS__DROP_OUT__MARGIN'?",
        ),
        (
            {"CAUCE_SERVE__PORT": "many"},
            (
                "CAUCE_SERVE__PORT: not a whole number. Received 'many'. "
                "Write a whole number, at least 0 and at most 65535."
            ),
        ),
        (
            {"CAUCE_MODELS__DROP_OUT__DATA": "e"},
            "CAUCE_MODELS__DROP_OUT__DATA: no such data set. Received 'e'. Known: d, d__x.",
        ),
        (
            {"CAUCE_MODELS__DROP_OUT": "x"},
            "CAUCE_MODELS__DROP_OUT: no such key in cauce.toml. Did you mean 'CAUCE_MODELS__DROP_OUT__TASK'?",
        ),
    ],
)
def test_a_variable_that_fits_nothing_is_an_error(path: Path, env: Mapping[str, str], expected: str) -> None:
    with pytest.raises(Problems) as caught:
        load(path, env)
    assert str(caught.value) == f"environment variable {expected}"


def test_names_that_read_the_same_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "cauce.toml"
    path.write_text('[project]\nname = "p"\n[data.a-b]\nsource = "1"\n[data.a_b]\nsource = "2"\n', encoding="utf-8")
    with pytest.raises(Problems, match=r"means data.a-b.key and data.a_b.key. Rename one of them"):
        load(path, {"CAUCE_DATA__A_B__KEY": "id"})

"""Keys of fairness that contradict each other are told with their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cauce.core.errors import UserError
from cauce.project import load

BASE = """
[project]
name = "school"
[data.rows]
source = "rows.csv"
[models.passed]
task = "{task}"
data = "rows"
target = "y"
{keys}
[models.passed.fairness]
{fairness}
"""
SEX = 'sensitive = ["sex"]'


def written(folder: Path, keys: str, fairness: str, task: str = "classify") -> Path:
    path = folder / "cauce.toml"
    path.write_text(BASE.format(task=task, keys=keys, fairness=fairness))
    return path


@pytest.mark.parametrize(
    ("keys", "fairness", "task", "said"),
    [
        ("", "max_gap = 0.1", "classify", "names no sensitive column"),
        ("", 'mitigate = "reweigh"', "classify", "names no sensitive column"),
        (SEX, 'mitigate = "thresholds"', "classify", "needs the sensitive columns at prediction"),
        (SEX, 'mitigate = "reweigh"', "regress", "only classify"),
        (SEX, 'favoured = "yes"', "regress", "only classify has classes"),
        ('sensitive = ["y"]', "max_gap = 0.1", "classify", "the target stands here too"),
        ('sensitive = ["sex", "sex"]', "max_gap = 0.1", "classify", "named twice"),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, keys: str, fairness: str, task: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        load(written(tmp_path, keys, fairness, task))


def test_thresholds_with_leave_are_fine(tmp_path: Path) -> None:
    project = load(written(tmp_path, SEX, 'mitigate = "thresholds"\nat_prediction = true\nstrength = 0.5'))
    assert project.file.models["passed"].fairness.strength == 0.5


POPULATION = """
[project]
name = "school"
[data.rows]
source = "rows.csv"
[data.rows.population]
{keys}
"""


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            "shares.sex = {f = 0.6, m = 0.6}",
            r"cauce.toml:7, \[data.rows.population.shares.sex\]: the shares sum to more",
        ),
        ('reference = "row"', r"cauce.toml:7, \[data.rows.population\] reference: no such data set"),
        ('reference = "rows"', "no reference for itself"),
    ],
)
def test_a_population_that_cannot_be_is_told_with_its_line(tmp_path: Path, keys: str, said: str) -> None:
    (tmp_path / "cauce.toml").write_text(POPULATION.format(keys=keys))
    with pytest.raises(UserError, match=said):
        load(tmp_path / "cauce.toml")

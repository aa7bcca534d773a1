"""A gap blocks; a mitigation that works opens the gate, is recorded and promoted; another leaves it shut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cauce import project
from cauce.core.errors import Blocked
from cauce.loop.check import check
from cauce.loop.context import Loop
from cauce.loop.fairness_curve import curve
from cauce.loop.judge import settle
from cauce.loop.train import train
from cauce.report import fairness_page, fairness_rows, fairness_svg

FILE = """
[project]
name = "fair"
[data.people]
source = "people.parquet"
[models.hired]
task = "classify"
data = "people"
target = "hired"
sensitive = ["sex"]
ignore = ["sex"]
trials = 0
never_use = ["additive", "forest", "mlp"]
[models.hired.fairness]
favoured = "yes"
{keys}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    n = 3000
    sex = rng.integers(0, 2, n)
    skill, proxy = rng.normal(size=n), sex + rng.normal(0, 0.5, n)
    hired = skill + 1.6 * sex + rng.normal(0, 0.8, n) > 0.9
    table = pa.table(
        {"skill": skill, "proxy": proxy, "sex": np.array(["f", "m"])[sex], "hired": np.where(hired, "yes", "no")}
    )
    pq.write_table(table, tmp_path / "people.parquet")
    return tmp_path


def loop(folder: Path, keys: str) -> Loop:
    (folder / "cauce.toml").write_text(FILE.format(keys=keys))
    return Loop(project.load(folder / "cauce.toml"))


@pytest.mark.slow
def test_the_gate_opens_for_what_works_and_for_nothing_else(folder: Path) -> None:
    first = train(loop(folder, ""), "hired")  # no max_gap: told, not stopped
    assert settle(loop(folder, ""), first.release).action == "promote"
    with pytest.raises(Blocked, match="cauce fairness hired"):
        train(loop(folder, "max_gap = 0.1"), "hired")
    with pytest.raises(Blocked, match="does not suffice"):
        train(loop(folder, 'max_gap = 0.1\nmitigate = "reweigh"\nstrength = 0.05'), "hired")
    keys = 'max_gap = 0.1\nmitigate = "thresholds"\nat_prediction = true'
    fair = loop(folder, keys)
    trained = train(fair, "hired")
    done = trained.release.training.mitigation
    assert done is not None
    assert done.before is not None
    assert done.after is not None
    assert done.before.value > 0.2 > 0.1 > done.after.value
    assert done.reduction is not None
    assert done.reduction.verdict == "better"
    assert "sex" in trained.release.training.spec.schema.names
    (told,) = [finding for finding in trained.audit.findings if finding.code == "model_gap"]
    decision = settle(fair, trained.release)
    assert decision.action == "promote"
    assert "mitigate = 'thresholds'" in decision.reason["en"]
    _, package = fair.tracker.open("hired", trained.release.version)
    row = pa.table({"skill": [0.2], "proxy": [0.5]})
    chances = [
        package.fitted.predict(row.append_column("sex", pa.array([sex])))["prob_yes"][0].as_py() for sex in ("f", "m")
    ]
    assert chances[0] > chances[1]
    assert told.severity != "block"
    assert "set aside" in told.message["en"]  # the very model, after the judgement out of fold


@pytest.mark.slow
def test_the_curve_is_drawn_in_both_languages(folder: Path) -> None:
    found = curve(loop(folder, "max_gap = 0.1\nat_prediction = true"), "hired")
    assert found.recommended is not None
    for language in ("en", "es"):
        header, rows, footnote = fairness_rows(found, language)
        assert len(rows) == len(found.points)
        assert all(len(row) == len(header) for row in rows)
        widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
        assert sum(widths) + 2 * (len(widths) - 1) <= 80  # of a terminal
        assert all(name in footnote for name in header[1:-1])
        assert fairness_svg(found, language).startswith(b"<svg")
        assert found.reason[language] in fairness_page(found, language, project="fair").replace("&#34;", '"')


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'favoured = "yes"',
            'favoured = "Yes"',
            "cauce.toml:15, [models.hired.fairness] favoured: not a class of 'hired'",
        ),
        ('sensitive = ["sex"]', 'sensitive = ["sexo"]', "cauce.toml:10, [models.hired] sensitive: not a column"),
        (
            "[models.hired]\n",
            "[data.people.population.shares]\nsex = {F = 0.5}\n[models.hired]\n",
            "cauce.toml:7, [data.people.population.shares.sex] F: not a value of column 'sex'",
        ),
        (
            "[models.hired]\n",
            "[data.people.population.shares]\nsexx = {f = 0.5}\n[models.hired]\n",
            "cauce.toml:7, [data.people.population.shares.sexx]: not a column of 'people'",
        ),
    ],
)
def test_check_tells_a_wrong_group_class_or_share_with_its_line(folder: Path, old: str, new: str, said: str) -> None:
    assert check(loop(folder, "")) == ()
    path = folder / "cauce.toml"
    path.write_text(path.read_text().replace(old, new))
    (problem,) = check(Loop(project.load(path)))
    assert str(problem).startswith(said)
    assert "Did you mean" in str(problem)


def test_a_share_of_a_value_that_no_row_has_is_no_fault(folder: Path) -> None:
    loop(folder, "")
    path = folder / "cauce.toml"
    shares = "[data.people.population.shares]\nsex = {f = 0.5, m = 0.4, other = 0.1}\n[models.hired]\n"
    path.write_text(path.read_text().replace("[models.hired]\n", shares))
    assert check(Loop(project.load(path))) == ()


@pytest.mark.slow
def test_status_tells_accepted_findings_from_others(folder: Path, cauce: Callable[..., CompletedProcess[str]]) -> None:
    accepted = '[audit.checks.outcome_gap]\naccept = "the past was like that"\n[models.hired]\n'
    loop(folder, "")
    path = folder / "cauce.toml"
    path.write_text(path.read_text().replace("[models.hired]\n", accepted))
    assert cauce("audit", "people", folder=folder).returncode == 0
    assert "(1 accepted)" in cauce("status", folder=folder).stdout

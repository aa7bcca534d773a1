"""Data that break models: every rung that is not skipped must come back, soon and sane."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from cauce.core.artefacts import Candidate, Column, Schema, TaskSpec
from cauce.tasks.tabular import Classify, Regress
from cauce.testing import TableProfile

LEARNING = ("linear", "additive", "forest", "boosting", "tuned", "mlp")


def spec_of(table: pa.Table, task: str) -> TaskSpec:
    kinds: dict[str, Any] = {"double": "number", "int64": "integer", "string": "category"}
    columns = tuple(Column(field.name, kinds[str(field.type)]) for field in table.schema if field.name != "y")
    return TaskSpec("m", task, "y", Schema(columns), "log" if task == "classify" else "squared")


def losses(name: str, train: pa.Table, test: pa.Table, task: Classify | Regress, **params: float) -> float:
    """Mean loss on `test`; the prior's where `name` is prior."""
    spec = spec_of(train, task.name)
    fitted = task.fit(Candidate(name, {"en": name, "es": name}), params, train, spec=spec)
    values = task.losses(fitted, test, spec).values
    assert np.isfinite(values).all()
    return float(values.mean())


@pytest.mark.parametrize("name", LEARNING)
def test_two_thousand_columns_on_two_hundred_rows(name: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2000))
    columns = {f"x{j}": x[:, j] for j in range(2000)}
    table = pa.table({**columns, "y": np.where(x[:, :5].sum(axis=1) > 0, "yes", "no")})
    train, test = table.slice(0, 200), table.slice(200)
    assert losses(name, train, test, Classify()) < 1.15 * losses("prior", train, test, Classify())


@pytest.mark.parametrize("name", LEARNING)
def test_a_class_of_three_rows_is_known_and_seldom_said(name: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    y = np.where(x > 0, "high", "low")
    y[:3] = "odd"
    table = pa.table({"x": x, "z": rng.normal(size=300), "y": y})
    fitted = Classify().fit(Candidate(name, {"en": "", "es": ""}), {}, table, spec=spec_of(table, "classify"))
    assert fitted.classes == ("high", "low", "odd")
    assert fitted.predict(table.slice(3))["prob_odd"].to_numpy().mean() < 0.1


@pytest.mark.parametrize("name", LEARNING)
@pytest.mark.parametrize("task", [Classify(), Regress()])
def test_fifty_rows_are_learnt_from_without_harm(name: str, task: Classify | Regress) -> None:
    ratios = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(250, 4))
        score = x[:, 0] + 0.5 * x[:, 1] + rng.normal(0, 0.5, 250)
        y = np.where(score > 0, "yes", "no") if task.name == "classify" else score
        table = pa.table({**{f"x{j}": x[:, j] for j in range(4)}, "y": y})
        train, test = table.slice(0, 50), table.slice(50)
        ratios.append(losses(name, train, test, task) / losses("prior", train, test, task))
    assert np.mean(ratios) < 0.95


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_forest_with_nothing_to_split_says_the_shares(n_classes: int) -> None:
    label = [f"c{max(i % 6 - 6 + n_classes, 0)}" for i in range(60)]  # of six rows all but some are the first class
    table = pa.table({"x": [1.0] * 60, "y": label})
    spec = TaskSpec("m", "classify", "y", Schema((Column("x", "number"),)), "log")
    fitted = Classify().fit(Candidate("forest", {"en": "", "es": ""}), {}, table, spec=spec)
    expected = (7 - n_classes) / 6
    assert fitted.predict(table.slice(0, 1))["prob_c0"].to_pylist() == [pytest.approx(expected, abs=0.01)]


def test_three_hundred_classes_leave_the_forest_out() -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 300, 1500)
    x = np.column_stack([label % 20, label // 20]) + rng.normal(0, 0.2, (1500, 2))
    table = pa.table({"a": x[:, 0], "b": x[:, 1], "y": label})
    ladder = Classify().candidates(spec_of(table, "classify"), TableProfile(table))
    assert [rung.name for rung in ladder if rung.skip is not None] == ["forest"]
    train, test = table.slice(0, 1200), table.slice(1200)
    prior = losses("prior", train, test, Classify())
    for name, share in (("boosting", 0.8), ("mlp", 0.5)):
        assert losses(name, train, test, Classify()) < share * prior, name


@pytest.mark.parametrize("name", LEARNING)
def test_one_row_in_a_hundred_is_found(name: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6000, 3))
    y = np.where(x[:, 0] + rng.normal(0, 0.3, 6000) > 2.4, "rare", "usual")
    table = pa.table({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": y})
    train, test = table.slice(0, 3000), table.slice(3000)
    assert 20 < np.count_nonzero(y[:3000] == "rare") < 60
    assert losses(name, train, test, Classify()) < 0.6 * losses("prior", train, test, Classify())


@pytest.mark.parametrize("name", LEARNING)
def test_a_missing_value_is_information(name: str) -> None:
    rng = np.random.default_rng(0)
    missing = rng.random(800) < 0.3
    y = np.where(missing ^ (rng.random(800) < 0.1), "yes", "no")
    number = pa.array(rng.normal(size=800), mask=missing)
    table = pa.table({"a": number, "b": rng.normal(size=800), "y": y})
    train, test = table.slice(0, 500), table.slice(500)
    assert losses(name, train, test, Classify()) < 0.75 * losses("prior", train, test, Classify())


@pytest.mark.parametrize("name", LEARNING)
@pytest.mark.parametrize("levels", [150, 600])
def test_a_category_like_an_id_teaches_nothing(name: str, levels: int) -> None:
    found = {"prior": 0.0, name: 0.0}
    for seed in range(2):
        rng = np.random.default_rng(seed)
        y = np.where(rng.random(1000) < 0.3, "yes", "no")
        table = pa.table({"id": [f"i{k}" for k in rng.integers(0, levels, 1000)], "y": y})
        for rung in found:
            found[rung] += losses(rung, table.slice(0, 600), table.slice(600), Classify())
    assert 0.995 * found["prior"] < found[name] < 1.15 * found["prior"]

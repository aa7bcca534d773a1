"""What a user may ask of every rung: predictions that only rise, rows that weigh, curves that can be read."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from cauce.core.artefacts import Candidate, Column, Schema, TaskSpec
from cauce.core.errors import UserError
from cauce.tasks.tabular import Classify, Regress, signed
from cauce.tasks.tabular.additive import curves
from cauce.tasks.tabular.boosting import Boosting
from cauce.tasks.tabular.fitted import Classifier, Regressor
from cauce.testing import TableProfile

MONOTONE = ("linear", "additive", "forest", "boosting", "tuned")
SCHEMA = Schema((Column("x", "number"), Column("z", "number"), Column("kind", "category")))
Floats = npt.NDArray[np.float64]


def spec_of(task: str, **changed: Any) -> TaskSpec:
    return TaskSpec("m", task, "y", SCHEMA, "log" if task == "classify" else "squared", **changed)


def rung(name: str) -> Candidate:
    return Candidate(name, {"en": name, "es": name})


def wavy(n_rows: int, seed: int = 0) -> tuple[pa.Table, Floats]:
    """Rise on the whole, fall in between: what a model free to do so would follow."""
    rng = np.random.default_rng(seed)
    x, z, kind = rng.uniform(-3, 3, n_rows), rng.normal(size=n_rows), rng.integers(0, 4, n_rows)
    score = x + 2 * np.sin(3 * x) + z + 0.5 * kind + rng.normal(0, 0.3, n_rows)
    return pa.table({"x": x, "z": z, "kind": [f"k{i}" for i in kind]}), score


def swept(fitted: Classifier | Regressor, table: pa.Table, task: str) -> Floats:
    """Predictions for 20 rows as x goes up, shape (20, 101)."""
    grid, some = np.linspace(-4, 4, 101), table.slice(0, 20)
    rows = some.take(np.repeat(np.arange(20), len(grid)))
    predicted = fitted.predict(rows.set_column(0, "x", pa.array(np.tile(grid, 20))))
    said: Floats = predicted["prob_yes" if task == "classify" else "prediction"].to_numpy()
    return said.reshape(20, -1)


@pytest.mark.parametrize("name", MONOTONE)
@pytest.mark.parametrize("task", [Classify(), Regress()])
def test_a_prediction_never_moves_the_wrong_way(name: str, task: Classify | Regress) -> None:
    table, score = wavy(500)
    target = pa.array(np.where(score > 0, "yes", "no") if task.name == "classify" else score)
    whole = table.append_column("y", target)
    steps = {}
    for direction in ("increasing", "decreasing", None):
        spec = spec_of(task.name, monotone={} if direction is None else {"x": direction})
        fitted: Any = task.fit(rung(name), {}, whole, spec=spec)
        steps[direction] = np.diff(swept(fitted, table, task.name), axis=1)
    assert steps["increasing"].min() >= -1e-12
    assert steps["decreasing"].max() <= 1e-12
    assert steps["increasing"].max() > 0.01
    if name != "linear":
        assert steps[None].min() < -0.01


def test_monotone_is_refused_where_it_has_no_meaning() -> None:
    table, score = wavy(60)
    three = table.append_column("y", pa.array(np.digitize(score, [-1, 1])))
    for name, words in (("x", "3 classes have no direction"), ("kind", "has no order"), ("nought", "not an input")):
        spec = spec_of("classify" if name == "x" else "regress", monotone={name: "increasing"})
        task = Classify() if name == "x" else Regress()
        with pytest.raises(UserError, match=words):
            task.candidates(spec, TableProfile(three))
        with pytest.raises(UserError, match=words):
            task.fit(rung("boosting"), {}, three, spec=spec)


def test_networks_are_skipped_where_predictions_may_only_rise() -> None:
    table, score = wavy(60)
    whole = table.append_column("y", pa.array(score))
    spec = spec_of("regress", monotone={"x": "increasing"})
    skipped = {c.name: c.skip for c in Regress().candidates(spec, TableProfile(whole)) if c.skip is not None}
    assert set(skipped) == {"mlp"}
    with pytest.raises(UserError, match="monotone"):
        Regress().fit(rung("mlp"), {}, whole, spec=spec)


@pytest.mark.parametrize("loss", ["log", "squared", "absolute"])
def test_signs_that_do_not_bind_change_nothing(loss: signed.Loss) -> None:
    from cauce.tasks.tabular.linear import least_absolute, logistic, ridge

    rng = np.random.default_rng(0)
    matrix, weights = rng.normal(size=(300, 2)), rng.uniform(0.5, 2, 300)
    score = matrix @ [1.0, -2.0] + rng.normal(size=300)
    target = (score > 0).astype(np.int64) if loss == "log" else score + 5
    free: Any = {"log": logistic, "squared": ridge, "absolute": least_absolute}[loss]
    theirs = free(matrix, target, weights, 2.0)
    coefficients, intercept = signed.solve(
        matrix, target.astype(np.float64), weights, 2.0, signs=np.array([1, -1]), loss=loss
    )
    np.testing.assert_allclose(coefficients, theirs.coefficients, atol=0.01)
    np.testing.assert_allclose(intercept, theirs.intercept, atol=0.01)
    bound, _ = signed.solve(matrix, target.astype(np.float64), weights, 2.0, signs=np.array([-1, 0]), loss=loss)
    assert bound[0, 0] == 0.0


@pytest.mark.parametrize("task", [Classify(), Regress()])
@pytest.mark.parametrize("name", ["prior", "linear"])
def test_a_row_of_weight_three_is_three_rows(name: str, task: Classify | Regress) -> None:
    table, score = wavy(200)
    target = pa.array(np.where(score > 0, "yes", "no") if task.name == "classify" else score)
    times = np.arange(200) % 3 + 1
    whole = table.append_column("y", target).append_column("times", pa.array(times))
    spec, repeated = spec_of(task.name, weight="times"), whole.take(np.repeat(np.arange(200), times))
    params = {"strength": 1.0} if name == "linear" else {}
    heavy, many = (
        task.fit(rung(name), params, rows, spec=about)
        for rows, about in ((whole, spec), (repeated, replace(spec, weight=None)))
    )
    column = "prob_yes" if task.name == "classify" else "prediction"
    np.testing.assert_allclose(
        heavy.predict(whole)[column].to_numpy(), many.predict(whole)[column].to_numpy(), rtol=0.02, atol=0.02
    )
    mean = task.losses(heavy, whole, spec).values.mean()
    np.testing.assert_allclose(mean, task.losses(heavy, repeated, replace(spec, weight=None)).values.mean())


@pytest.mark.parametrize("name", ["additive", "forest", "boosting", "mlp"])
def test_rows_that_weigh_nothing_are_not_learnt_from(name: str) -> None:
    table, score = wavy(300)
    wrong = np.arange(300) % 3 == 0
    y = np.where((score > 0) ^ wrong, "yes", "no")
    whole = table.append_column("y", pa.array(y)).append_column("w", pa.array(np.where(wrong, 0.0, 2.5)))
    spec, task = spec_of("classify", weight="w"), Classify()
    fitted, clean = (task.fit(rung(name), {}, rows, spec=spec) for rows in (whole, whole.filter(pa.array(~wrong))))
    assert fitted.predict(table).equals(clean.predict(table))
    assert task.losses(fitted, whole, spec).values[wrong].max() == 0.0


@pytest.mark.parametrize("weight", [None, -1.0, float("inf"), float("nan")])
def test_a_row_without_a_sound_weight_is_named(weight: float | None) -> None:
    table, score = wavy(30)
    whole = table.append_column("y", pa.array(score)).append_column("w", pa.array([1.0] * 7 + [weight] + [1.0] * 22))
    with pytest.raises(UserError, match="column w, row 7"):
        Regress().fit(rung("linear"), {}, whole, spec=spec_of("regress", weight="w"))


def test_a_table_without_the_weight_column_weighs_alike() -> None:
    table, score = wavy(60)
    whole = table.append_column("y", pa.array(score))
    fitted = Regress().fit(rung("linear"), {}, whole, spec=spec_of("regress", weight="w"))
    plain = Regress().fit(rung("linear"), {}, whole, spec=spec_of("regress"))
    assert fitted.predict(table).equals(plain.predict(table))


@pytest.mark.parametrize("kind", ["two", "three", "number"])
def test_an_additive_prediction_is_the_sum_of_its_curves(kind: str) -> None:
    table, score = wavy(400)
    levels = {"two": [0.0], "three": [-1.0, 1.0], "number": []}[kind]
    whole = table.append_column("y", pa.array(np.digitize(score, levels).astype(str) if levels else score))
    task = Classify() if levels else Regress()
    fitted: Any = task.fit(rung("additive"), {}, whole, spec=spec_of(task.name))
    model, encoded = fitted.model, fitted.encoder.transform(table)
    assert isinstance(model, Boosting)
    found = curves(model, fitted.encoder, encoded)
    assert set(found) == {"x", "z", "kind"}
    rest = model.scores(model.matrix(encoded)) - sum(found.values())
    assert rest.shape == (400, 3 if kind == "three" else 1)
    np.testing.assert_allclose(rest, np.broadcast_to(rest[:1], rest.shape), atol=1e-9)
    assert min(np.ptp(curve) for curve in found.values()) > 0.05

    boosted: Any = task.fit(rung("boosting"), {}, whole, spec=spec_of(task.name))
    joint = curves(boosted.model, boosted.encoder, encoded)
    rest = boosted.model.scores(boosted.model.matrix(encoded)) - sum(joint.values())
    assert np.ptp(rest) > 0.1

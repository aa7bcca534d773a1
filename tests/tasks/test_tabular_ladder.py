"""Each rung against an oracle: plain counting, scikit-learn on the same matrix, LightGBM on the same matrix."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from cauce.core.artefacts import Candidate, Column, Schema, TaskSpec
from cauce.core.errors import UserError
from cauce.tasks.tabular import Classify, Regress, linear
from cauce.tasks.tabular.boosting import Boosting
from cauce.tasks.tabular.columns import texts
from cauce.tasks.tabular.fitted import Classifier, Regressor
from cauce.tasks.tabular.linear import Linear
from cauce.tasks.tabular.parts import set_aside
from cauce.tasks.tabular.rows import weighted_rows
from cauce.tasks.tabular.target_means import out_of_fold
from cauce.testing import TableProfile

RUNGS = ("prior", "linear", "additive", "forest", "boosting", "tuned", "mlp")


def rung(name: str) -> Candidate:
    return Candidate(name, {"en": name, "es": name})


def spec_of(table: pa.Table, task: str = "classify", loss: str = "log", target: str = "y") -> TaskSpec:
    kinds: dict[str, Any] = {"double": "number", "int64": "integer", "bool": "boolean", "string": "category"}
    kept = [field for field in table.schema if field.name != target]
    columns = tuple(Column(field.name, kinds.get(str(field.type), "datetime")) for field in kept)
    return TaskSpec("m", task, target, Schema(columns), loss)


def fit_labels(
    name: str, table: pa.Table, weights: npt.NDArray[np.float64] | None = None, **params: float
) -> Classifier:
    fitted = Classify().fit(rung(name), params, table, weights, spec=spec_of(table))
    assert isinstance(fitted, Classifier)
    return fitted


def fit_numbers(name: str, table: pa.Table, loss: str = "squared", **params: float) -> Regressor:
    fitted = Regress().fit(rung(name), params, table, spec=spec_of(table, "regress", loss))
    assert isinstance(fitted, Regressor)
    return fitted


def mixed(n_rows: int, seed: int = 0) -> tuple[dict[str, pa.Array], npt.NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n_rows), rng.normal(size=n_rows)
    level = rng.integers(0, 6, n_rows)
    merit = x - 0.5 * z + 0.3 * level + rng.normal(0, 0.5, n_rows)
    columns = {
        "x": pa.array(x, mask=rng.random(n_rows) < 0.1),
        "z": pa.array(z),
        "level": pa.array([f"level {i}" for i in level]),
        "day": pa.array(rng.integers(0, 900, n_rows) * 86_400_000_000, pa.timestamp("us")),
    }
    return columns, merit


def test_prior_is_the_class_shares() -> None:
    table = pa.table({"x": [1.0, 2.0, 3.0, 4.0], "y": ["a", "b", "b", "b"]})
    predicted = fit_labels("prior", table).predict(table.slice(0, 1)).to_pylist()
    assert predicted == [{"prediction": "b", "prob_a": 0.25, "prob_b": 0.75}]


def test_prior_counts_weights() -> None:
    table = pa.table({"x": [1.0, 2.0, 3.0], "y": ["a", "b", "b"]})
    fitted = fit_labels("prior", table, np.array([2.0, 1.0, 1.0]))
    assert fitted.predict(table)["prob_a"].to_pylist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(("loss", "expected"), [("squared", 4.0), ("absolute", 2.0)])
def test_prior_of_a_regression_is_the_mean_or_the_median(loss: str, expected: float) -> None:
    table = pa.table({"x": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 9.0]})
    assert fit_numbers("prior", table, loss).predict(table)["prediction"][0].as_py() == expected


@pytest.mark.parametrize("n_classes", [2, 3])
def test_linear_predicts_what_scikit_learn_does_on_the_same_matrix(n_classes: int) -> None:
    from sklearn.linear_model import LogisticRegression

    columns, merit = mixed(400)
    y = np.digitize(merit, np.quantile(merit, np.linspace(0, 1, n_classes + 1)[1:-1]))
    table = pa.table({**columns, "y": y})
    fitted = fit_labels("linear", table, strength=1.0)
    assert isinstance(fitted.model, Linear)
    matrix = fitted.model.design.matrix(fitted.encoder.transform(table))
    oracle = LogisticRegression(C=1.0, max_iter=300).fit(matrix, y)
    np.testing.assert_allclose(fitted.model.predict(fitted.encoder.transform(table)), oracle.predict_proba(matrix))


def test_ridge_predicts_what_scikit_learn_does_on_the_same_rows() -> None:
    from sklearn.linear_model import Ridge

    columns, merit = mixed(400)
    table = pa.table({**columns, "y": 100 + merit})
    fitted = fit_numbers("linear", table, strength=2.0)
    assert isinstance(fitted.model, Linear)
    encoded = fitted.encoder.transform(table)
    sparse: Any = fitted.model.design.matrix(encoded)
    matrix = sparse.toarray()
    oracle = Ridge(alpha=0.5).fit(matrix, 100 + merit)
    np.testing.assert_allclose(fitted.model.predict(encoded)[:, 0], oracle.predict(matrix), rtol=1e-5)


def test_absolute_loss_is_as_low_as_the_exact_linear_programme() -> None:
    from sklearn.linear_model import QuantileRegressor

    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(300, 3))
    y = matrix @ [1.0, -2.0, 0.5] + 3 + rng.standard_cauchy(300)
    oracle = QuantileRegressor(alpha=0.0).fit(matrix, y)
    found = linear.least_absolute(matrix, y, np.ones(300), 1e6)
    mine = np.abs(y - (matrix @ found.coefficients + found.intercept).ravel()).mean()
    assert mine < np.abs(y - oracle.predict(matrix)).mean() * 1.002


@pytest.mark.parametrize("n_classes", [2, 4])
def test_boosting_predicts_what_lightgbm_does_on_the_same_matrix(n_classes: int, tmp_path: Path) -> None:
    import lightgbm

    columns, merit = mixed(500)
    y = np.digitize(merit, np.quantile(merit, np.linspace(0, 1, n_classes + 1)[1:-1]))
    table = pa.table({**columns, "y": y})
    fitted = fit_labels("boosting", table)
    fitted.save(tmp_path)
    assert isinstance(fitted.model, Boosting)
    matrix = fitted.model.matrix(fitted.encoder.transform(table))
    oracle = lightgbm.Booster(model_file=tmp_path / "booster.txt").predict(matrix)
    shares = fitted.model.predict(fitted.encoder.transform(table))
    np.testing.assert_array_equal(shares[:, 1] if n_classes == 2 else shares, oracle)


def test_on_xor_only_trees_of_several_columns_learn() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-1, 1, (2, 1500))
    table = pa.table({"a": a, "b": b, "y": (a > 0) ^ (b > 0)})
    train, test = table.slice(0, 1000), table.slice(1000)
    loss = {}
    for name in ("prior", "linear", "additive", "forest", "boosting"):
        fitted = fit_labels(name, train)
        loss[name] = Classify().losses(fitted, test, spec_of(table)).values.mean()
    assert min(loss["linear"], loss["additive"]) > 0.98 * loss["prior"]
    assert max(loss["forest"], loss["boosting"]) < 0.2 * loss["prior"]


@pytest.mark.parametrize("name", RUNGS)
@pytest.mark.parametrize("loss", ["squared", "absolute"])
def test_interval_covers_nine_in_ten_fresh_rows(name: str, loss: str) -> None:
    columns, merit = mixed(5000)
    table = pa.table({**columns, "y": merit})
    metrics = Regress().metrics(fit_numbers(name, table.slice(0, 1500), loss), table.slice(1500), spec_of(table))
    assert 0.85 < metrics.values["coverage"] < 0.95


@pytest.mark.parametrize("name", ["linear", "boosting"])
def test_interval_of_thirty_rows_covers_on_average(name: str) -> None:
    found = []
    for seed in range(20):
        columns, merit = mixed(330, seed)
        table = pa.table({**columns, "y": merit})
        fitted = fit_numbers(name, table.slice(0, 30))
        found.append(Regress().metrics(fitted, table.slice(30), spec_of(table)).values["coverage"])
    assert 0.85 < np.mean(found) < 0.97


def test_thousands_of_categories_are_learnt_without_leaking_the_target() -> None:
    rng = np.random.default_rng(0)
    level, noise = rng.integers(0, 1000, 6_000), rng.integers(0, 2000, 6_000)
    effect = rng.normal(0, 2, 1000)
    y = rng.random(6_000) < 1 / (1 + np.exp(-effect[level]))
    texts = {"level": [f"l{i}" for i in level], "noise": [f"n{i}" for i in noise]}
    table = pa.table({**texts, "y": y})
    train, test = table.slice(0, 5_000), table.slice(5_000)
    spec, task = spec_of(table), Classify()
    prior, boosted = (task.losses(fit_labels(name, train), test, spec).values.mean() for name in ("prior", "boosting"))
    assert boosted < 0.92 * prior
    importance = fit_labels("boosting", train).importance
    assert importance["level"] > 2 * importance["noise"]


@pytest.mark.parametrize("name", RUNGS)
def test_twenty_rows_with_classes_of_one_row(name: str) -> None:
    columns, _ = mixed(20)
    table = pa.table({**columns, "y": ["a"] * 9 + ["b"] * 9 + ["once", 'hostile "\n🎓 prob']})
    fitted = fit_labels(name, table)
    assert fitted.classes == ("a", "b", 'hostile "\n🎓 prob', "once")
    assert fitted.predict(table).num_columns == 5
    assert np.isfinite(Classify().losses(fitted, table, spec_of(table)).values).all()


@pytest.mark.parametrize("name", RUNGS)
@pytest.mark.parametrize("task", [Classify(), Regress()])
def test_useless_columns_do_no_harm(name: str, task: Classify | Regress) -> None:
    n_rows = 60
    table = pa.table(
        {
            "empty": pa.nulls(n_rows, pa.float64()),
            "constant": pa.array([3.0] * n_rows),
            "infinite": pa.array([np.inf, 1.0, -np.inf] * 20),
            "nothing": pa.nulls(n_rows, pa.string()),
            "never": pa.nulls(n_rows, pa.timestamp("us")),
            "id": pa.array([f"id {i}" for i in range(n_rows)]),
            "y": pa.array([0, 1] * 30),
        }
    )
    spec = spec_of(table, task.name, task.losses_known[0])
    fitted = task.fit(rung(name), {}, table, spec=spec)
    assert np.isfinite(task.losses(fitted, table, spec).values).all()


@pytest.mark.parametrize("values", [[0, 1] * 20, [True, False] * 20, [0.0, 1.0] * 20, ["no", "yes"] * 20])
def test_targets_of_every_type_become_text(values: list[object]) -> None:
    columns, _ = mixed(40)
    table = pa.table({**columns, "y": values})
    expected = {int: ("0", "1"), bool: ("false", "true"), float: ("0", "1"), str: ("no", "yes")}[type(values[0])]
    assert fit_labels("linear", table).classes == expected


def test_decimal_labels_are_those_that_truths_bring() -> None:
    labels = [Decimal(text) for text in ("-1.00", "2.50", "10.00", "0.05")]
    assert texts(pa.array(labels)).to_pylist() == ["-1", "2.5", "10", "0.05"]


@pytest.mark.parametrize("n_rows", [2, 3, 8])
@pytest.mark.parametrize("name", RUNGS)
def test_a_few_rows_are_fitted(name: str, n_rows: int) -> None:
    table = pa.table({"x": np.arange(float(n_rows)), "y": ["a", "b", "a", "b", "a", "b", "a", "b"][:n_rows]})
    fit_labels(name, table)
    numbers = pa.table({"x": np.arange(float(n_rows)), "y": np.arange(float(n_rows))})
    fit_numbers(name, numbers)


def test_weights_stand_for_repeated_rows() -> None:
    columns, merit = mixed(200)
    table = pa.table({**columns, "y": merit > 0.5})
    times = np.arange(200) % 3 + 1
    weighted = fit_labels("linear", table, times.astype(np.float64), strength=1.0)
    repeated = fit_labels("linear", table.take(np.repeat(np.arange(200), times)), strength=1.0)
    mine, theirs = (fitted.predict(table)["prob_true"].to_numpy() for fitted in (weighted, repeated))
    np.testing.assert_allclose(mine, theirs, atol=2e-3)


def test_learning_rungs_are_skipped_with_too_few_rows_or_without_columns() -> None:
    table = pa.table({"x": np.arange(10.0), "y": ["a", "b"] * 5})
    ladder = Classify().candidates(spec_of(table), TableProfile(table))
    assert [candidate.name for candidate in ladder if candidate.skip is None] == ["prior"]
    table = pa.table({"x": np.arange(40.0), "y": ["a", "b"] * 20})
    bare = replace(spec_of(table), schema=Schema(()))
    assert [c.skip is None for c in Classify().candidates(bare, TableProfile(table))] == [True] + [False] * (
        len(RUNGS) - 1
    )


def test_an_unknown_setting_is_named() -> None:
    table = pa.table({"x": np.arange(30.0), "y": ["a", "b"] * 15})
    with pytest.raises(UserError, match=r"strenth.*Did you mean 'strength'"):
        fit_labels("linear", table, strenth=1.0)


def test_a_missing_target_is_named_with_its_row() -> None:
    table = pa.table({"x": np.arange(3.0), "y": [1.0, None, 3.0]})
    with pytest.raises(UserError, match="column y, row 1"):
        fit_numbers("prior", table)


def test_groups_are_not_shared_by_the_inner_parts() -> None:
    groups = np.random.default_rng(0).integers(0, 30, 500)
    parts = set_aside(500, groups, np.random.default_rng(1))
    assert not set(groups[parts.fit]) & set(groups[parts.aside])
    assert 50 < len(parts.aside) < 200


def test_rows_without_a_group_are_no_group() -> None:
    table = pa.table({"x": list(range(1000)), "g": [None if i % 2 else str(i // 20) for i in range(1000)]})
    spec = TaskSpec("m", "regress", "x", Schema(()), "squared", group="g")
    for seed in range(5):
        parts = weighted_rows(table, None, replace(spec, seed=seed)).set_aside()
        assert 60 < np.count_nonzero(parts.aside % 2) < 140
        assert len(parts.aside) < 240


def test_an_edited_booster_is_refused(tmp_path: Path) -> None:
    columns, merit = mixed(300)
    fit_labels("boosting", pa.table({**columns, "y": merit > 0.5})).save(tmp_path)
    text = (tmp_path / "booster.txt").read_text()
    line = next(line for line in text.splitlines() if line.startswith("left_child="))
    worse = "left_child=" + " ".join("9" * len(word) for word in line.removeprefix("left_child=").split())
    (tmp_path / "booster.txt").write_text(text.replace(line, worse, 1))
    with pytest.raises(UserError, match="booster"):
        Classifier.load(tmp_path)


def test_target_means_of_a_training_row_do_not_hold_its_own_target() -> None:
    code = np.arange(200, dtype=np.int32)
    outcome = (code % 2).astype(np.float64)[:, None]
    means = out_of_fold(code, 200, outcome, np.ones(200), np.random.default_rng(0))[:, 0]
    assert abs(means[code % 2 == 1].mean() - means[code % 2 == 0].mean()) < 0.02


def test_an_unseen_category_is_judged_like_the_rare_ones() -> None:
    often = ["often"] * 300
    table = pa.table({"c": often + [f"rare {i}" for i in range(100)], "y": [0, 1, 0] * 100 + [1] * 100})
    fitted = fit_labels("linear", table)
    shares = fitted.predict(pa.table({"c": ["often", "rare 3", "unseen"]}))["prob_1"].to_pylist()
    assert shares[0] < 0.5 < shares[2] == shares[1]
    assert isinstance(fitted.model, Linear)
    assert fitted.model.design.widths[2:] == (2,)  # often, and the pool

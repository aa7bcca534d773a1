"""Contributions of every rung: they add up to the score, and equal what brute force, LightGBM and curves say."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from cauce.core.artefacts import Candidate, Schema
from cauce.core.contributions import contributions_of, sampled, scores, towards
from cauce.core.protocols import Fitted
from cauce.tasks.tabular import Classify, Regress, booster_text
from cauce.tasks.tabular.additive import curves
from cauce.tasks.tabular.boosting import Boosting, _shares, owners
from cauce.tasks.tabular.finished import FinishedClassifier, Listing
from cauce.tasks.tabular.fitted import Classifier, Regressor

RUNGS = ("prior", "linear", "additive", "forest", "boosting", "tuned", "mlp")
Floats = npt.NDArray[np.float64]


def fit(kind: str, rung: str) -> tuple[Any, pa.Table]:
    task = Regress() if kind == "regress" else Classify()
    table, spec = task.example()
    if kind == "two":
        named = ["pass" if value == "pass" else "other" for value in table["outcome"].to_pylist()]
        table = table.set_column(table.column_names.index("outcome"), "outcome", pa.array(named))
    return task.fit(Candidate(rung, {"en": rung, "es": rung}), {}, table, spec=spec), table


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("kind", ["regress", "two", "three"])
def test_base_and_contributions_add_up_to_the_score_and_the_score_to_the_prediction(kind: str, rung: str) -> None:
    fitted, table = fit(kind, rung)
    rows = table.slice(0, 12)
    found = fitted.contributions(rows, table.slice(50, 40))
    assert found.columns == fitted.schema.names
    np.testing.assert_allclose(found.base + found.values.sum(axis=2), found.score, rtol=0, atol=1e-6)
    said, _ = scores(fitted, rows)
    if found.scale == "share":  # a forest's means, before what no tree can tell is added
        shares = np.column_stack([fitted.predict(rows)[f"prob_{label}"] for label in fitted.classes])
        np.testing.assert_allclose(_shares(found.score), shares, atol=1e-9)
    elif found.scale == "log-share":  # the softmax of the scores are the probabilities, whatever is added to all
        np.testing.assert_allclose(
            found.score - found.score.mean(axis=1, keepdims=True), said - said.mean(axis=1, keepdims=True), atol=1e-6
        )
    else:
        np.testing.assert_allclose(found.score, said, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rung", ["linear", "forest", "boosting", "mlp"])
@pytest.mark.parametrize("kind", ["two", "three"])
def test_contributions_towards_the_class_said_add_up_too(kind: str, rung: str) -> None:
    fitted, table = fit(kind, rung)
    rows = table.slice(0, 8)
    said = fitted.predict(rows)["prediction"].to_pylist()
    codes = np.array([fitted.classes.index(label) for label in said])
    found = towards(fitted.contributions(rows, table.slice(50, 20)), codes)
    assert found.values.shape == (8, 1, len(found.columns))
    np.testing.assert_allclose(found.base + found.values.sum(axis=2), found.score, atol=1e-6)
    assert (found.score > (1 / len(fitted.classes) - 1e-9 if found.scale == "share" else -1e-9)).all()


@pytest.mark.parametrize("kind", ["regress", "three"])
def test_a_line_measured_from_the_mean_of_rows_has_the_shapley_values_of_brute_force(kind: str) -> None:
    fitted, table = fit(kind, "linear")
    rows, reference = table.slice(0, 3), table.slice(50, 20)
    found = fitted.contributions(rows, reference)
    model, encoder = fitted.model, fitted.encoder

    def score(mixed: pa.Table) -> Floats:
        encoded = encoder.transform(mixed)
        return np.asarray(model.design.matrix(encoded) @ model.solution.coefficients + model.solution.intercept)

    for at in range(rows.num_rows):
        wanted = shapley(score, rows.slice(at, 1), reference, list(fitted.schema.names))
        np.testing.assert_allclose(found.values[at], wanted, atol=1e-9)


def test_sampled_contributions_lie_within_their_stated_errors_of_brute_force_over_all_reference_rows() -> None:
    fitted, table = fit("two", "mlp")
    rows, population, rng = table.slice(0, 4), table.slice(40, 120), np.random.default_rng(3)
    names, z = list(fitted.schema.names), []
    exact = np.stack(
        [shapley(lambda t: scores(fitted, t)[0], rows.slice(at, 1), population, names) for at in range(rows.num_rows)]
    )
    for _ in range(8):
        drawn = population.take(pa.array(rng.integers(0, population.num_rows, 32)))
        found = sampled(fitted, rows, drawn, pairs=32, rng=rng)
        assert found.error is not None
        z.append((found.values - exact) / found.error)
    assert np.mean(np.abs(z) < 2.1) > 0.88
    assert 0.7 < np.sqrt(np.mean(np.square(z))) < 1.4  # neither boasted nor blown up


def test_more_permutations_against_the_same_rows_come_nearer_to_brute_force() -> None:
    fitted, table = fit("regress", "mlp")
    rows, reference = table.slice(0, 4), table.slice(50, 16)
    names = list(fitted.schema.names)
    exact = np.stack(
        [shapley(lambda t: scores(fitted, t)[0], rows.slice(at, 1), reference, names) for at in range(rows.num_rows)]
    )
    few, many = (np.abs(sampled(fitted, rows, reference, pairs=n).values - exact).mean() for n in (16, 1024))
    assert few / many > 3


@pytest.mark.parametrize("rung", ["additive", "forest", "boosting"])
def test_trees_give_what_lightgbm_gives_summed_over_the_parts_of_a_column(rung: str) -> None:
    fitted, table = fit("regress", rung)
    encoded = fitted.encoder.transform(table.slice(0, 9))
    matrix, names = fitted.model.matrix(encoded), owners(fitted.encoder, fitted.model.tables)
    theirs = fitted.model.booster.predict(matrix, pred_contrib=True)
    found = fitted.contributions(table.slice(0, 9))
    for at, column in enumerate(found.columns):
        parts = [j for j, name in enumerate(names) if name == column]
        np.testing.assert_allclose(
            found.values[:, 0, at], theirs[:, parts].sum(axis=1) * fitted.model.scale, atol=1e-12
        )
    assert np.isfinite(found.values).all()
    assert np.abs(found.values).max() > 0


def test_what_a_column_of_the_additive_rung_adds_is_its_curve_up_to_where_it_begins() -> None:
    fitted, table = fit("regress", "additive")
    assert isinstance(fitted.model, Boosting)
    rows = table.slice(0, 60)
    found = fitted.contributions(rows)
    drawn = curves(fitted.model, fitted.encoder, fitted.encoder.transform(rows))
    for at, name in enumerate(found.columns):
        apart = found.values[:, 0, at] - drawn[name][:, 0]
        np.testing.assert_allclose(apart, apart[0], atol=1e-5)  # LightGBM keeps some sums in single precision


def test_a_column_that_a_rung_does_not_use_adds_nothing() -> None:
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=400), np.zeros(400)
    table = pa.table({"x": x, "constant": noise, "y": 3 * x})
    from cauce.core.artefacts import Column, TaskSpec

    spec = TaskSpec("m", "regress", "y", Schema((Column("x", "number"), Column("constant", "number"))), "squared")
    for rung in ("linear", "additive", "boosting", "mlp"):
        fitted = Regress().fit(Candidate(rung, {"en": "", "es": ""}), {}, table, spec=spec)
        found = contributions_of(fitted, table.slice(0, 5), table.slice(100, 20))
        np.testing.assert_allclose(found.values[:, :, 1], 0.0, atol=1e-12)
        if rung == "linear":
            np.testing.assert_allclose(found.values[:, 0, 0], 3 * (x[:5] - x[100:120].mean()), rtol=0.02, atol=0.02)


def test_a_repaired_model_gives_the_contributions_of_the_one_within_and_says_that_a_curve_follows() -> None:
    fitted, table = fit("two", "boosting")
    finished = FinishedClassifier(fitted, Listing("classes", repair="temperature", x=(2.0,)))
    plain, behind = fitted.contributions(table.slice(0, 3)), finished.contributions(table.slice(0, 3))
    np.testing.assert_array_equal(plain.values, behind.values)
    assert behind.repaired
    assert not plain.repaired


def test_contributions_are_the_same_after_saving_and_loading(tmp_path: Path) -> None:
    for kind, cls in (("two", Classifier), ("regress", Regressor)):
        for rung in ("linear", "forest", "boosting"):
            fitted, table = fit(kind, rung)
            folder = tmp_path / f"{kind}-{rung}"
            folder.mkdir()
            fitted.save(folder)
            again = cls.load(folder)
            np.testing.assert_array_equal(
                fitted.contributions(table.slice(0, 4)).values, again.contributions(table.slice(0, 4)).values
            )


def test_a_forest_packed_without_counts_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = ("leaf_count=", "internal_count=")
    monkeypatch.setattr(booster_text, "NOT_NEEDED", (*booster_text.NOT_NEEDED, *counts))
    fitted, table = fit("regress", "forest")
    assert fitted.contributions(table.slice(0, 2), table.slice(20, 10)).method == "sampling"
    monkeypatch.undo()
    assert fit("regress", "forest")[0].contributions(table.slice(0, 2)).method == "trees"


def test_no_rows_give_no_contributions_and_no_reference_is_told() -> None:
    for rung in RUNGS:
        fitted, table = fit("three", rung)
        found = fitted.contributions(table.slice(0, 0), table.slice(0, 5))
        assert found.values.shape[0] == 0
        assert found.values.shape[2] == len(fitted.schema.names)
    with pytest.raises(ValueError, match="reference rows"):
        fitted.contributions(table.slice(0, 1))


def shapley(score: Callable[[pa.Table], Floats], row: pa.Table, reference: pa.Table, names: list[str]) -> Floats:
    """Shapley values by their definition: all coalitions, the others taken from every reference row."""
    values: dict[frozenset[str], Floats] = {}
    for size in range(len(names) + 1):
        for chosen in itertools.combinations(names, size):
            mixed = pa.table(
                {
                    name: pa.concat_arrays([row[name].combine_chunks()] * reference.num_rows)
                    if name in chosen
                    else reference[name]
                    for name in names
                }
            )
            values[frozenset(chosen)] = score(mixed).mean(axis=0)
    found = np.zeros((len(values[frozenset()]), len(names)))
    for at, name in enumerate(names):
        for others, value in values.items():
            if name not in others:
                weight = math.factorial(len(others)) * math.factorial(len(names) - len(others) - 1)
                gain = values[others | {name}] - value
                found[:, at] += gain * weight / math.factorial(len(names))
    return found


def test_fitted_models_satisfy_the_contract() -> None:
    fitted, _ = fit("two", "linear")
    assert isinstance(fitted, Fitted)

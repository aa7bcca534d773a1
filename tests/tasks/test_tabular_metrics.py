"""Losses and metrics against scikit-learn, and where rows do not determine a figure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from sklearn import metrics as oracle

from cauce.core.artefacts import Finish, Metrics, Schema, TaskSpec
from cauce.core.errors import UserError
from cauce.core.protocols import Finished
from cauce.tasks.tabular import Classify, Regress
from cauce.tasks.tabular.target import codes

SPEC = TaskSpec("m", "classify", "y", Schema(()), "log")


@dataclass(frozen=True)
class Says:
    """A fitted model that answers what it was given."""

    columns: Mapping[str, object]
    classes: tuple[str, ...] = ()
    schema: Schema = SPEC.schema

    @property
    def importance(self) -> Mapping[str, float]:
        return {}

    def predict(self, table: pa.Table) -> pa.Table:
        return pa.table(dict(self.columns))

    def finish(self, rows: pa.Table, predicted: pa.Table, spec: TaskSpec) -> Finished:
        return Finished(self, Finish())

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path) -> Self:
        raise NotImplementedError


def says(shares: npt.NDArray[np.float64], classes: tuple[str, ...]) -> Says:
    labels = [classes[i] for i in shares.argmax(axis=1)]
    return Says({"prediction": labels} | {f"prob_{c}": shares[:, i] for i, c in enumerate(classes)}, classes)


def random_case(n_classes: int, n_rows: int = 300) -> tuple[Says, list[str], npt.NDArray[np.float64]]:
    rng = np.random.default_rng(n_classes)
    classes = tuple(f"class {i}" for i in range(n_classes))
    shares = rng.dirichlet(np.ones(n_classes), n_rows)
    truth = [classes[rng.choice(n_classes, p=share)] for share in shares]
    return says(shares, classes), truth, shares


def measure(fitted: Says, truth: list[str]) -> Metrics:
    return Classify().metrics(fitted, pa.table({"y": truth}), SPEC)


def test_metrics_of_three_classes_are_those_of_scikit_learn() -> None:
    fitted, truth, shares = random_case(3)
    found = measure(fitted, truth)
    predicted = fitted.predict(pa.table({}))["prediction"].to_pylist()
    hot = np.eye(3)[codes(pa.array(truth), fitted.classes)]
    expected = {
        "accuracy": oracle.accuracy_score(truth, predicted),
        "balanced_accuracy": oracle.balanced_accuracy_score(truth, predicted),
        "f1": oracle.f1_score(truth, predicted, average="macro"),
        "precision": oracle.precision_score(truth, predicted, average="macro"),
        "recall": oracle.recall_score(truth, predicted, average="macro"),
        "roc_auc": oracle.roc_auc_score(truth, shares, multi_class="ovr"),
        "pr_auc": oracle.average_precision_score(hot, shares, average="macro"),
        "log_loss": oracle.log_loss(truth, shares),
        "brier": np.mean(np.sum((shares - hot) ** 2, axis=1)),
    }
    assert {name: found.values[name] for name in expected} == pytest.approx(expected)
    assert found.confusion == tuple(map(tuple, oracle.confusion_matrix(truth, predicted)))


def test_metrics_of_two_classes_are_those_of_the_rarer_one() -> None:
    fitted, truth, shares = random_case(2)
    shares[:, 0] **= 3
    shares[:, 1] = 1 - shares[:, 0]
    truth = ["class 1" if i % 7 else "class 0" for i in range(len(truth))]
    fitted = says(shares, fitted.classes)
    found, rare = measure(fitted, truth), np.array(truth) == "class 0"
    predicted = fitted.predict(pa.table({}))["prediction"].to_pylist()
    expected = {
        "f1": oracle.f1_score(truth, predicted, pos_label="class 0"),
        "roc_auc": oracle.roc_auc_score(rare, shares[:, 0]),
        "pr_auc": oracle.average_precision_score(rare, shares[:, 0]),
        "brier": oracle.brier_score_loss(rare, shares[:, 0]),
        "log_loss": oracle.log_loss(truth, shares),
    }
    assert {name: found.values[name] for name in expected} == pytest.approx(expected)
    assert found.headline == "f1"
    assert "class 0" in found.reason["en"]
    assert "class 0" in found.reason["es"]


def test_balanced_classes_are_led_by_accuracy() -> None:
    fitted, truth, _ = random_case(2)
    assert measure(fitted, truth).headline == "accuracy"


@pytest.mark.parametrize(
    ("counts", "headline"),
    [((18, 32, 50), "f1"), ((40, 60), "accuracy"), ((39, 61), "f1"), ((30, 30, 40), "accuracy"), ((0, 50, 50), "f1")],
)
def test_classes_are_balanced_up_to_three_to_two(counts: tuple[int, ...], headline: str) -> None:
    fitted, _, _ = random_case(len(counts), sum(counts))
    truth = [f"class {i}" for i, count in enumerate(counts) for _ in range(count)]
    found = measure(fitted, truth)
    assert found.headline == headline
    assert f"{counts[0]}%" in found.reason["en"]
    assert f"{counts[0]}\u00a0%" in found.reason["es"]


def test_calibration_of_a_forecast_that_is_right_is_on_the_diagonal() -> None:
    fitted, truth, _ = random_case(2, 20_000)
    found = measure(fitted, truth)
    assert sum(count for _, _, count in found.calibration) == 20_000
    assert all(abs(predicted - share) < 0.03 for predicted, share, _ in found.calibration)
    assert found.values["ece"] < 0.02


def test_a_single_class_leaves_areas_out() -> None:
    fitted, _, _ = random_case(2, 10)
    found = measure(fitted, ["class 1"] * 10)
    assert not {"roc_auc", "pr_auc"} & set(found.values)
    assert np.isfinite(list(found.values.values())).all()


def test_an_absent_class_is_left_out_of_the_areas() -> None:
    fitted, _, _ = random_case(3, 40)
    found = measure(fitted, ["class 0", "class 2"] * 20)
    assert np.isfinite(list(found.values.values())).all()
    assert found.confusion[1] == (0, 0, 0)


def test_an_unseen_class_costs_the_clip_and_has_its_own_row() -> None:
    fitted, truth, _ = random_case(2, 10)
    table = pa.table({"y": ["new", *truth[1:]]})
    assert Classify().losses(fitted, table, SPEC).values[0] == pytest.approx(-np.log(1e-15))
    assert Classify().losses(fitted, table, replace(SPEC, loss="zero_one")).values[0] == 1.0
    found = Classify().metrics(fitted, table, SPEC)
    assert found.classes == ("class 0", "class 1", "new")
    assert sum(found.confusion[2]) == 1
    assert np.isfinite(list(found.values.values())).all()


def test_numbers_are_measured_as_scikit_learn_does() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.normal(3, 2, 200), rng.normal(3, 2, 200)
    fitted = Says({"prediction": predicted, "lower": predicted - 2, "upper": predicted + 2})
    spec = TaskSpec("m", "regress", "y", Schema(()), "squared")
    found = Regress().metrics(fitted, pa.table({"y": truth}), spec)
    above = truth > 0
    expected = {
        "mae": oracle.mean_absolute_error(truth, predicted),
        "rmse": oracle.root_mean_squared_error(truth, predicted),
        "r2": oracle.r2_score(truth, predicted),
        "median_ae": oracle.median_absolute_error(truth, predicted),
        "mape": oracle.mean_absolute_percentage_error(truth[above], predicted[above]),
        "coverage": np.mean(np.abs(truth - predicted) <= 2),
        "interval_width": 4.0,
    }
    assert dict(found.values) == pytest.approx(expected)
    assert found.headline == "rmse"
    assert Regress().metrics(fitted, pa.table({"y": truth}), replace(spec, loss="absolute")).headline == "mae"


def test_r2_of_a_constant_truth_is_left_out() -> None:
    fitted = Says({"prediction": [1.0, 2.0], "lower": [0.0, 0.0], "upper": [3.0, 3.0]})
    found = Regress().metrics(fitted, pa.table({"y": [-1.0, -1.0]}), replace(SPEC, loss="squared"))
    assert not {"r2", "mape"} & set(found.values)


def test_units_are_keys_or_row_numbers() -> None:
    fitted, truth, _ = random_case(2, 3)
    table = pa.table({"y": truth, "id": [7, 8, 9], "g": ["a", None, "b"]})
    by_row = Classify().losses(fitted, table, SPEC)
    assert by_row.units.tolist() == ["0", "1", "2"]
    assert by_row.groups is None
    by_key = Classify().losses(fitted, table, replace(SPEC, key="id", group="g"))
    assert by_key.units.tolist() == ["7", "8", "9"]
    assert by_key.groups is not None
    assert by_key.groups.tolist() == ["a", "8", "b"]  # a row without a group is one of its own


def test_no_rows_give_an_error_that_says_so() -> None:
    fitted, _, _ = random_case(2, 3)
    with pytest.raises(UserError, match="no rows to measure"):
        measure(fitted, pa.array([], pa.string()))


@pytest.mark.parametrize(
    ("task", "values", "code", "severity"),
    [
        (Classify(), ["a", "a", None], "target_one_class", "block"),
        (Classify(), [None, None], "target_one_class", "block"),
        (Classify(), [f"c{i}" for i in range(1001)], "target_many_classes", "block"),
        (Classify(), [i / 7 for i in range(200)], "target_looks_continuous", "warn"),
        (Regress(), ["1", "high", "3"], "target_not_numeric", "block"),
        (Regress(), [1.0, float("inf"), 3.0], "target_not_numeric", "block"),
        (Regress(), [2.0, 2.0, None], "target_constant", "block"),
        (Regress(), [0, 1, 1], "target_two_values", "info"),
    ],
)
def test_targets_that_the_task_cannot_learn_are_found(
    task: Classify | Regress, values: list[object], code: str, severity: str
) -> None:
    findings = task.validate(pa.table({"y": values}), SPEC)
    assert [(finding.code, finding.severity) for finding in findings] == [(code, severity)]
    for words in (findings[0].message, findings[0].why, findings[0].remedy):
        assert words["en"] != words["es"]


def test_a_target_that_is_no_number_is_shown_with_its_rows() -> None:
    (finding,) = Regress().validate(pa.table({"y": ["1", "high", "3", "low"]}), SPEC)
    assert finding.rows == (1, 3)
    assert "'high', 'low'" in finding.message["en"]
    assert finding.n_rows == 2


@pytest.mark.parametrize("values", [["a", "b"], [0, 1, 2], [float(i) for i in range(200)]])
def test_sound_labels_give_no_finding(values: list[object]) -> None:
    assert Classify().validate(pa.table({"y": values}), SPEC) == ()

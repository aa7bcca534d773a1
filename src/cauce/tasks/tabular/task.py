"""The contract of classify and regress; every method's work stands in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Candidate, Finding, Losses, Metrics, TaskSpec
from cauce.core.protocols import Example, Fitted, ProfileView
from cauce.tasks.tabular import example, findings, ladder, losses, metrics, rungs
from cauce.tasks.tabular.fitted import Classifier, Regressor
from cauce.tasks.tabular.rows import weighted_rows

if TYPE_CHECKING:
    import pyarrow as pa

Params = Mapping[str, int | float | str | bool]
Weights = npt.NDArray[np.float64]


class Classify:
    """Predict a label of 2 to 1,000 from a row of mixed columns. The unit is a row."""

    name = "classify"
    fitted: type[Fitted] = Classifier
    losses_known = ("log", "zero_one")

    def example(self) -> Example:
        """Give 240 courses' students, who pass, fail or drop out."""
        return example.classify()

    def validate(self, table: pa.Table, spec: TaskSpec) -> tuple[Finding, ...]:
        """Find a target with one class, with too many, or one that looks like a measurement."""
        return findings.of_labels(table, spec)

    def candidates(self, spec: TaskSpec, profile: ProfileView) -> tuple[Candidate, ...]:
        """Give class shares, a linear model, curves, a forest, boosted trees, tuned ones and networks."""
        return rungs.candidates(spec, profile, rungs.SHARES)

    def fit(
        self,
        candidate: Candidate,
        params: Params,
        table: pa.Table,
        weights: Weights | None = None,
        *,
        spec: TaskSpec,
    ) -> Fitted:
        """Fit one rung; rows of weight 0 are as if they were not there."""
        return ladder.fit_classifier(candidate, params, weighted_rows(table, weights, spec))

    def losses(self, fitted: Fitted, table: pa.Table, spec: TaskSpec) -> Losses:
        """Give log loss, clipped at 1e-15, or 0/1 loss per row."""
        return losses.class_losses(fitted, table, spec)

    def metrics(self, fitted: Fitted, table: pa.Table, spec: TaskSpec) -> Metrics:
        """Give accuracy, F1, ROC-AUC, PR-AUC, log loss, Brier score, calibration and the confusion matrix."""
        return metrics.of_labels(fitted, table, spec)


class Regress:
    """Predict a number from a row of mixed columns, with a 90 % interval. The unit is a row."""

    name = "regress"
    fitted: type[Fitted] = Regressor
    losses_known = ("squared", "absolute")

    def example(self) -> Example:
        """Give 240 students' hours until they finish a course."""
        return example.regress()

    def validate(self, table: pa.Table, spec: TaskSpec) -> tuple[Finding, ...]:
        """Find a target that is no number, constant, or has only two values."""
        return findings.of_numbers(table, spec)

    def candidates(self, spec: TaskSpec, profile: ProfileView) -> tuple[Candidate, ...]:
        """Give mean or median, a linear model, curves, a forest, boosted trees, tuned ones and networks."""
        return rungs.candidates(spec, profile, rungs.MEDIAN if spec.loss == "absolute" else rungs.MEAN)

    def fit(
        self,
        candidate: Candidate,
        params: Params,
        table: pa.Table,
        weights: Weights | None = None,
        *,
        spec: TaskSpec,
    ) -> Fitted:
        """Fit one rung; rows of weight 0 are as if they were not there."""
        return ladder.fit_regressor(candidate, params, weighted_rows(table, weights, spec))

    def losses(self, fitted: Fitted, table: pa.Table, spec: TaskSpec) -> Losses:
        """Give the squared or the absolute error per row."""
        return losses.number_losses(fitted, table, spec)

    def metrics(self, fitted: Fitted, table: pa.Table, spec: TaskSpec) -> Metrics:
        """Give RMSE, MAE, R², median and relative error, and the interval's coverage."""
        return metrics.of_numbers(fitted, table, spec)

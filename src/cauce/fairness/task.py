"""A task whose models are fitted with a mitigation: to the loop it is a task like any other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Candidate, Finding, Losses, Metrics, TaskSpec
from cauce.core.protocols import Example, Fitted, ProfileView, Task
from cauce.fairness.fitted import FairClassifier
from cauce.fairness.plan import Plan

if TYPE_CHECKING:
    import pyarrow as pa


class Mitigated:
    """A task of classes with the same ladder, losses and metrics, whose `fit` follows a plan. Stateless.

    The table to fit on holds the plan's sensitive columns; rows in which one is missing belong to no group: they keep
    their weight, and the common threshold.

    Parameters
    ----------
    task
        What fits the models within.
    plan
        What is to be done about the gap.
    """

    def __init__(self, task: Task, plan: Plan) -> None:
        self.task, self.plan = task, plan
        self.name = task.name
        self.fitted: type[Fitted] = FairClassifier
        self.losses_known = task.losses_known

    def example(self) -> Example:
        """Give the task's own example."""
        return self.task.example()

    def validate(self, table: pa.Table, spec: TaskSpec) -> tuple[Finding, ...]:
        """Give the task's own findings."""
        return self.task.validate(table, spec)

    def candidates(self, spec: TaskSpec, profile: ProfileView) -> tuple[Candidate, ...]:
        """Give the ladder of the model within."""
        return self.task.candidates(self.plan.within(spec), profile)

    def losses(self, fitted: Fitted, table: pa.Table, spec: TaskSpec) -> Losses:
        """Give the task's own loss per unit."""
        return self.task.losses(fitted, table, spec)

    def metrics(self, fitted: Fitted, table: pa.Table, spec: TaskSpec) -> Metrics:
        """Give the task's own figures."""
        return self.task.metrics(fitted, table, spec)

    def fit(
        self,
        candidate: Candidate,
        params: Mapping[str, int | float | str | bool],
        table: pa.Table,
        weights: npt.NDArray[np.float64] | None = None,
        *,
        spec: TaskSpec,
    ) -> Fitted:
        """Fit one rung as the plan says. The class shares are the same for every group and need no mitigation.

        Raises
        ------
        UserError
            `reductions` is asked for other than two classes.
        MissingExtra
            `reductions` without Fairlearn.
        """
        from cauce.fairness import fit

        if weights is not None and not weights.all():  # rows of weight zero count in no group either
            import pyarrow as pa

            table, weights = table.filter(pa.array(weights > 0)), weights[weights > 0]
        work = fit.Work(self.task, self.plan, candidate, params, table, weights, spec)
        if self.plan.method == "off" or candidate.name == "prior":
            return fit.plain(work)
        if self.plan.method in {"balance", "reweigh"}:
            return fit.weighted(work)
        return fit.mixture(work) if self.plan.method == "reductions" else fit.thresholded(work)

"""One rung fitted as a plan says: with weights, as a mixture, or with a threshold for each group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Candidate, TaskSpec
from cauce.core.errors import UserError
from cauce.core.protocols import Fitted, Task
from cauce.evidence.gaps import of_metric
from cauce.fairness import reductions, thresholds, weights
from cauce.fairness.fitted import FORMAT, FairClassifier, Header, scores
from cauce.fairness.plan import Plan

if TYPE_CHECKING:
    import pyarrow as pa

Params = Mapping[str, int | float | str | bool]
PARTS = 3
"""Parts that the training rows are cut into for thresholds: the scores come from models that the rows did not teach."""
BRISK: Mapping[str, Params] = {"boosting": {"learning_rate": 0.2, "rounds": 100}}
"""Settings of a rung for the members of a mixture: dozens are fitted, and their mean is as good as one slow one."""
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Work:
    """What is fitted, and on what."""

    task: Task
    plan: Plan
    candidate: Candidate
    params: Params
    table: pa.Table
    weights: Floats | None
    spec: TaskSpec
    """As the request will be: with the columns that the model within does not see."""

    @cached_property
    def labels(self) -> npt.NDArray[np.str_]:
        """The target as text, shape (n_rows,)."""
        from cauce.profile.arrays import to_strings

        return np.asarray(to_strings(self.table[self.spec.target].combine_chunks()).to_pylist(), dtype=np.str_)

    @cached_property
    def truth(self) -> Bools:
        """Whether the favoured class is the true one, shape (n_rows,)."""
        return np.asarray(self.labels == self.plan.favoured)

    @cached_property
    def groups(self) -> Codes:
        """Shape (n_rows,), −1 for rows without a group."""
        return self.plan.codes(self.table)

    @property
    def n_groups(self) -> int:
        """Groups that the crossing of the sensitive columns could have."""
        return int(np.prod([len(one.names) for one in self.plan.groupings]))

    def fit(self, more: Floats | None = None, rows: Codes | None = None) -> Fitted:
        """Fit the rung plainly, on all rows or some, with weights besides the rows' own."""
        import pyarrow as pa

        given = self.weights if more is None else more if self.weights is None else more * self.weights
        table = self.table
        if rows is not None:
            table, given = table.take(pa.array(rows)), None if given is None else given[rows]
        return self.task.fit(self.candidate, self.params, table, given, spec=self.plan.within(self.spec))


def plain(work: Work) -> Fitted:
    """Fit with no mitigation, taking the same requests."""
    return _kept_out(work, work.fit())


def weighted(work: Work) -> Fitted:
    """Fit with weights: `balance` or `reweigh`."""
    make = weights.balanced if work.plan.method == "balance" else weights.reweighed
    classes = np.unique(work.labels, return_inverse=True)[1]
    return _kept_out(work, work.fit(make(work.groups, classes, strength=work.plan.strength)))


def mixture(work: Work) -> FairClassifier:
    """Fit Fairlearn's exponentiated gradient over the rung.

    Raises
    ------
    UserError
        The rows hold other than two classes.
    """
    import pyarrow as pa

    classes = np.unique(work.labels)
    if len(classes) != 2:
        where = f"cauce.toml, [models.{work.spec.model}.fairness] mitigate"
        hint = "Choose reweigh or balance, or thresholds where the sensitive columns may be used at prediction."
        raise UserError("reductions needs two classes", where=where, received=len(classes), hint=hint)
    other = next(str(label) for label in classes if label != work.plan.favoured)
    place = work.table.column_names.index(work.spec.target)
    names = np.array([other, work.plan.favoured])
    within = work.plan.within(work.spec)
    params = {**work.params, **BRISK.get(work.candidate.name, {})}

    def learn(labels: Codes, given: Floats) -> Fitted:
        table = work.table.set_column(place, work.spec.target, pa.array(names[labels].tolist(), pa.string()))
        own = given if work.weights is None else given * work.weights
        return work.task.fit(work.candidate, params, table, own, spec=within)

    def say(fitted: Fitted) -> Codes:
        said = np.asarray(fitted.predict(work.table).column("prediction").to_pylist(), dtype=np.str_)
        return np.asarray(said == work.plan.favoured, dtype=np.int64)

    aimed = 0.0
    if work.plan.strength < 1.0:
        aimed = (1.0 - work.plan.strength) * _gap(work, say(work.fit()).astype(bool))
    members = reductions.exponentiated(
        work.truth.astype(np.int64), work.groups, learn, say, metric=work.plan.metric, bound=aimed
    )
    constants = tuple(None if member.fitted is not None else member.constant for member in members)
    header = _header(work, _classes(work), tuple(member.weight for member in members), constants)
    return FairClassifier(header, tuple(member.fitted for member in members))


def thresholded(work: Work) -> FairClassifier:
    """Fit the rung plainly and set each group's threshold on scores of models that did not learn from the row."""
    margins = np.empty(work.table.num_rows)
    parts = np.random.default_rng(work.spec.seed).permutation(work.table.num_rows) % PARTS
    for part in range(PARTS):
        tested = np.flatnonzero(parts == part)
        margins[tested] = _margins(work.fit(rows=np.flatnonzero(parts != part)), work, tested)
    aimed = (1.0 - work.plan.strength) * _gap(work, margins > 0) if work.plan.strength < 1.0 else 0.0
    found = thresholds.choose(margins, work.truth, work.groups, work.n_groups, metric=work.plan.metric, bound=aimed)
    base = work.fit()
    header = _header(work, base.classes, (1.0,), (None,), tuple(found.tolist()))
    return FairClassifier(header, (base,))


def _kept_out(work: Work, fitted: Fitted) -> Fitted:
    """Let a model take the request's columns that it does not look at."""
    if not work.plan.hidden:
        return fitted
    return FairClassifier(_header(work, fitted.classes, (1.0,), (None,)), (fitted,))


def _margins(fitted: Fitted, work: Work, rows: Codes) -> Floats:
    """Return the log-odds of the favoured class; far below 0 where a model never saw it."""
    import pyarrow as pa

    if work.plan.favoured not in fitted.classes or len(fitted.classes) < 2:
        return np.full(len(rows), -35.0)
    predicted = fitted.predict(work.table.take(pa.array(rows)))
    shares = np.column_stack([predicted.column(f"prob_{label}").to_numpy() for label in fitted.classes])
    return scores(shares, fitted.classes.index(work.plan.favoured))


def _gap(work: Work, said: Bools) -> float:
    return of_metric(work.plan.metric, work.truth, said, work.groups, work.n_groups).gap.value


def _classes(work: Work) -> tuple[str, ...]:
    """Return the classes in the order that the task gives them: that of a fit of the simplest rung."""
    simplest = Candidate("prior", {})
    return work.task.fit(simplest, {}, work.table, None, spec=work.plan.within(work.spec)).classes


def _header(
    work: Work,
    classes: tuple[str, ...],
    shares: tuple[float, ...],
    constants: tuple[float | None, ...],
    found: tuple[float, ...] = (),
) -> Header:
    return Header(FORMAT, work.plan, classes, work.spec.schema, shares, constants, found)

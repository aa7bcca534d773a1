"""What each input column adds to the score, for every rung of the ladder; parts of a column are summed back to it.

A line: coefficient × (value − mean of the reference rows), design column by design column. Trees of every kind:
TreeSHAP (Lundberg et al., "From local explanations to global understanding with explainable AI for trees",
Nature Machine Intelligence 2020) in LightGBM's own code, path-dependent, so that the reference is the training rows
that passed each node. Additive trees see one column each, and there it is exact. Networks are sampled
(`core.contributions.sampled`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import LEAST_PROBABILITY
from cauce.core.contributions import Contributions, Scale, sampled
from cauce.core.protocols import Fitted
from cauce.tasks.tabular.boosting import Boosting, n_threads, owners
from cauce.tasks.tabular.encode import Encoded, Encoder
from cauce.tasks.tabular.linear import Linear
from cauce.tasks.tabular.prior import Prior
from cauce.tasks.tabular.store import Model

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]
COUNTS = "internal_count="
"""How many training rows passed a node. Forests that an earlier version packed lack it, and are sampled."""


def contributions(
    fitted: Fitted, encoder: Encoder, model: Model, table: pa.Table, background: pa.Table | None
) -> Contributions:
    """Return what each input column adds to the score of every row.

    Parameters
    ----------
    fitted
        Encoder and model together, asked where the model must be sampled.
    background
        Reference rows. Without any, a line is measured from the mean of its numbers and from no category at all; trees
        need none.

    Raises
    ------
    ValueError
        A network, and no reference rows.
    """
    if isinstance(model, Prior):
        return _nothing(encoder, model, table.num_rows, classify=bool(fitted.classes))
    if isinstance(model, Linear):
        reference = encoder.transform(background) if background is not None and background.num_rows else None
        return of_line(encoder, model, encoder.transform(table), reference)
    if isinstance(model, Boosting) and COUNTS in model.text:
        return of_trees(encoder, model, encoder.transform(table))
    return sampled(fitted, table, background)


def _nothing(encoder: Encoder, model: Prior, n_rows: int, *, classify: bool) -> Contributions:
    names = encoder.schema.names
    score, scale = model.values, _scale(classify, len(model.values))
    if classify:
        logs = np.log(np.maximum(model.values, LEAST_PROBABILITY))
        score = logs[1:] - logs[:1] if len(logs) == 2 else logs
    repeated = np.repeat(score[None, :], n_rows, axis=0)
    return Contributions(names, np.zeros((*repeated.shape, len(names))), repeated, repeated, scale, "none")


def _scale(classify: bool, n_classes: int) -> Scale:
    return "unit" if not classify else "log-odds" if n_classes <= 2 else "log-share"


def of_line(encoder: Encoder, model: Linear, rows: Encoded, reference: Encoded | None) -> Contributions:
    """Return a line's contributions: exact, and for independent columns its Shapley values too."""
    coefficients, names = model.solution.coefficients, encoder.schema.names
    matrix = model.design.matrix(rows)
    place = {name: at for at, name in enumerate(names)}
    owner = np.array([place[name] for name in model.design.owners(encoder)], np.int64)
    n_outputs = coefficients.shape[1]
    own = np.zeros((len(rows.numbers), n_outputs, len(names)))
    means = np.zeros((n_outputs, len(names)))
    middle = None if reference is None else np.asarray(model.design.matrix(reference).mean(axis=0)).ravel()
    for at in range(len(names)):
        mine = np.flatnonzero(owner == at)
        if len(mine):
            own[:, :, at] = matrix[:, mine] @ coefficients[mine]
            means[:, at] = 0.0 if middle is None else middle[mine] @ coefficients[mine]
    base = np.repeat((model.solution.intercept + means.sum(axis=1))[None, :], len(own), axis=0)
    score = np.asarray(matrix @ coefficients + model.solution.intercept)
    return Contributions(names, own - means, base, score, _scale(model.classify, n_outputs + 1), "coefficients")


def of_trees(encoder: Encoder, model: Boosting, rows: Encoded) -> Contributions:
    """Return the trees' contributions by TreeSHAP, exact for what it defines."""
    names, matrix = encoder.schema.names, model.matrix(rows)
    n_rows, n_features = matrix.shape
    n_outputs = int(model.booster.num_model_per_iteration())
    scale: Scale = "share" if model.shares_of_means else _scale(model.classify, n_outputs if n_outputs > 1 else 2)
    if not n_rows:
        empty = np.empty((0, n_outputs, len(names)))
        return Contributions(names, empty, empty[:, :, 0], empty[:, :, 0], scale, "trees")
    found = np.asarray(model.booster.predict(matrix, pred_contrib=True, num_threads=n_threads(n_rows)))
    found = found.reshape(n_rows, n_outputs, n_features + 1) * model.scale
    place = {name: at for at, name in enumerate(names)}
    values = np.zeros((n_rows, n_outputs, len(names)))
    for at, name in enumerate(owners(encoder, model.tables)):
        values[:, :, place[name]] += found[:, :, at]
    score = model.scores(matrix)
    return Contributions(names, values, found[:, :, -1] + model.centre, score, scale, "trees")

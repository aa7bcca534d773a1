"""How each rung of both ladders is fitted.

A fifth of the training rows (at most 5,000) is set aside first: it stops the boosting and, for a regression, calibrates
the interval by a model that has not seen it. What ships is then fitted again on all rows. The prior of a regression
needs no rows of its own, see `prior.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Candidate, TaskSpec
from cauce.core.errors import UserError, did_you_mean
from cauce.tasks.tabular import boosting, columns, grow, linear, parts, prior, target, target_means, text_scores
from cauce.tasks.tabular.encode import Encoded, Encoder, fit_encoder
from cauce.tasks.tabular.fitted import Classifier, Regressor
from cauce.tasks.tabular.rungs import FEWEST_ROWS, NO_COLUMNS
from cauce.tasks.tabular.text import MOST_GRAMS

if TYPE_CHECKING:
    import pyarrow as pa

NAMES = ("prior", "linear", "boosting", "tuned")
MOST_COEFFICIENTS = 6_000_000
"""Of one text column: where there are many classes its grams are fewer."""
Array = npt.NDArray[np.float64]
Params = Mapping[str, int | float | str | bool]


class Rows(NamedTuple):
    """What every rung is fitted on: rows with a weight above zero."""

    table: pa.Table
    weights: Array
    spec: TaskSpec

    @property
    def rng(self) -> np.random.Generator:
        """A generator at its beginning."""
        return np.random.default_rng(self.spec.seed)

    def set_aside(self) -> parts.Parts:
        """Divide the rows, whole groups together where the model names a group; a row without one is one of its own."""
        groups = None
        if self.spec.group is not None and self.spec.group in self.table.column_names:
            names = columns.texts(columns.column(self.table, self.spec.group))
            codes = names.dictionary_encode().indices
            missing = codes.is_null().to_numpy(zero_copy_only=False)
            groups = np.where(missing, -1 - np.arange(len(codes)), codes.fill_null(0).to_numpy())
        return parts.set_aside(self.table.num_rows, groups, self.rng)

    def encode(self, n_outputs: int) -> tuple[Encoder, Encoded]:
        """Fit the encoder on all rows: it never looks at the target."""
        most = min(MOST_GRAMS, MOST_COEFFICIENTS // n_outputs)
        encoder = fit_encoder(self.table, self.spec.schema, most_grams=most)
        return encoder, encoder.transform(self.table)


def fit_classifier(candidate: Candidate, params: Params, rows: Rows) -> Classifier:
    """Fit one rung to labels.

    Raises
    ------
    UserError
        Unknown rung or setting, a missing label, or one class only where a rung must tell classes apart.
    """
    labels = target.whole_labels(rows.table, rows.spec.target)
    classes = target.classes(labels)
    codes = target.codes(labels, classes)
    encoder, encoded = _begin(candidate, rows, len(classes))
    if candidate.name == "prior":
        return Classifier(encoder, prior.fit_shares(codes, rows.weights, len(classes)), classes, {})
    if len(classes) < 2:
        where, hint = f"column {rows.spec.target}", "Give rows of at least two classes."
        raise UserError("the target has one class", where=where, received=classes[0], hint=hint)
    if candidate.name == "linear":
        strength = _strength(candidate, params)
        model = linear.fit_classes(encoder, encoded, codes, rows.weights, strength=strength, rng=rows.rng)
        use = model.importance(encoder, encoded, rows.weights)
        return Classifier(encoder, model, classes, _shares(use))
    outcome = target_means.outcomes(codes, rows.weights, len(classes))
    encoder, encoded = text_scores.learn(encoder, encoded, outcome, rows.weights, rows.rng)
    trees = _class_trees(candidate, params, rows, encoder, encoded, codes, len(classes))
    return Classifier(encoder, trees, classes, _shares(trees.importance(encoder)))


def _class_trees(
    candidate: Candidate,
    params: Params,
    rows: Rows,
    encoder: Encoder,
    encoded: Encoded,
    codes: npt.NDArray[np.int64],
    n_classes: int,
) -> boosting.Boosting:
    learning = boosting.Learning(
        objective="multiclass" if n_classes > 2 else "binary",
        label=codes.astype(np.float64),
        outcome=target_means.outcomes(codes, rows.weights, n_classes),
        weights=rows.weights,
        n_outputs=n_classes if n_classes > 2 else 1,
    )
    divided = parts.keep_classes(rows.set_aside(), codes)
    return grow.grow(encoder, encoded, learning, divided, _plan(candidate, params, rows, learning)).model


def fit_regressor(candidate: Candidate, params: Params, rows: Rows) -> Regressor:
    """Fit one rung to numbers.

    Raises
    ------
    UserError
        Unknown rung or setting, or a target that is not a finite number in every row.
    """
    values = target.numbers(rows.table, rows.spec.target)
    encoder, encoded = _begin(candidate, rows, 1)
    if candidate.name == "prior":
        centre = prior.fit_centre(values, rows.weights, rows.spec.loss)
        width = parts.half_width(prior.left_out_residuals(centre, values), rows.weights)
        return Regressor(encoder, centre, width, {})
    if candidate.name == "linear":
        return _fit_line(candidate, params, rows, encoder, encoded, values)
    centre_at, scale = boosting.standardise(values, rows.weights)
    label = (values - centre_at) / scale
    objective = "regression_l1" if rows.spec.loss == "absolute" else "regression"
    learning = boosting.Learning(objective, label, label[:, None], rows.weights, 1)
    encoder, encoded = text_scores.learn(encoder, encoded, learning.outcome, rows.weights, rows.rng)
    plan = _plan(candidate, params, rows, learning)
    divided = rows.set_aside()
    grown = grow.grow(encoder, encoded, learning, divided, plan)
    trees = boosting.scaled(grown.model, centre_at, scale)
    residuals = values[divided.aside] - (grown.outside[:, 0] * scale + centre_at)
    width = parts.half_width(residuals, rows.weights[divided.aside])
    return Regressor(encoder, trees, width, _shares(trees.importance(encoder)))


def _fit_line(
    candidate: Candidate, params: Params, rows: Rows, encoder: Encoder, encoded: Encoded, values: Array
) -> Regressor:
    """Fit on some rows and calibrate on the others, then fit on all with the same strength."""
    divided = rows.set_aside()

    def fit(index: npt.NDArray[np.int64], strength: float) -> linear.Linear:
        given = (encoder, encoded.rows(index), values[index], rows.weights[index])
        return linear.fit_number(*given, loss=rows.spec.loss, strength=strength, rng=rows.rng)

    first = fit(divided.fit, _strength(candidate, params))
    residuals = values[divided.aside] - first.predict(encoded.rows(divided.aside))[:, 0]
    model = fit(np.arange(len(values)), first.strength)
    width = parts.half_width(residuals, rows.weights[divided.aside])
    return Regressor(encoder, model, width, _shares(model.importance(encoder, encoded, rows.weights)))


def _plan(candidate: Candidate, params: Params, rows: Rows, learning: boosting.Learning) -> grow.Plan:
    known = grow.defaults(rows.table.num_rows, learning.n_outputs)
    return grow.Plan("boosting", _settings(candidate, params, known), rows.spec.seed, {})


def weighted_rows(table: pa.Table, weights: Array | None, spec: TaskSpec) -> Rows:
    """Return the rows that count.

    Raises
    ------
    UserError
        No row is left, or the weights are not one finite number of at least zero a row.
    """
    given = np.ones(table.num_rows) if weights is None else np.asarray(weights, np.float64)
    if given.shape != (table.num_rows,) or not np.all(np.isfinite(given)) or np.any(given < 0):
        hint = "Give one finite weight of at least 0 for each row."
        raise UserError("not the weights of these rows", where="weights", received=given.shape, hint=hint)
    if not np.all(given > 0):
        import pyarrow as pa

        table, given = table.filter(pa.array(given > 0)), given[given > 0]
    if not table.num_rows:
        raise UserError("no rows to learn from", where=f"model {spec.model}", hint="Load some rows.")
    return Rows(table, given, spec)


def _begin(candidate: Candidate, rows: Rows, n_outputs: int) -> tuple[Encoder, Encoded]:
    """Encode the rows, or give an encoder that reads nothing for the prior."""
    if candidate.name not in NAMES:
        hint = did_you_mean(candidate.name, NAMES)
        raise UserError("not a rung of this ladder", where="candidate", received=candidate.name, hint=hint)
    if candidate.name == "prior":
        return fit_encoder(rows.table.slice(0, 0), rows.spec.schema), Encoded(
            np.empty((0, 0)), np.empty((0, 0), np.int32)
        )
    if rows.table.num_rows < 2:
        hint = f"The ladder skips this rung below {FEWEST_ROWS} rows."
        raise UserError("too few rows to learn from", where=f"model {rows.spec.model}", received=1, hint=hint)
    encoder, encoded = rows.encode(n_outputs)
    if not len(encoder.schema):
        raise UserError(NO_COLUMNS["en"], where=f"model {rows.spec.model}", hint="Give it a column.")
    return encoder, encoded


def _settings(candidate: Candidate, params: Params, known: Params) -> Params:
    given = {**candidate.params, **params}
    for name in given:
        if name not in known:
            where = f"settings of the rung {candidate.name}"
            raise UserError("not a setting", where=where, received=name, hint=did_you_mean(name, known))
    return {**known, **given}


def _strength(candidate: Candidate, params: Params) -> float:
    return float(_settings(candidate, params, {"strength": 0.0})["strength"])


def _shares(use: Mapping[str, float]) -> dict[str, float]:
    """Return shares that sum to 1, or nothing where nothing is used."""
    total = sum(use.values())
    return {name: value / total for name, value in use.items()} if total > 0 else {}

"""How each rung of both ladders is fitted.

A fifth of the training rows (at most 5,000) is set aside first: it stops what learns in rounds and, for a regression,
calibrates the interval by a model that has not seen it. What ships is then fitted again on all rows; the networks set
aside different rows each instead. The prior of a regression needs no rows of its own, see `prior.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Candidate
from cauce.core.errors import UserError, did_you_mean
from cauce.tasks.tabular import (
    boosting,
    forest,
    grow,
    linear,
    mlp_learn,
    monotone,
    parts,
    prior,
    target,
    target_means,
    text_scores,
)
from cauce.tasks.tabular.encode import Encoded, Encoder, fit_encoder
from cauce.tasks.tabular.fitted import Classifier, Regressor
from cauce.tasks.tabular.mlp import Networks
from cauce.tasks.tabular.rows import Rows
from cauce.tasks.tabular.rungs import FEWEST_ROWS, NAMES, NO_COLUMNS
from cauce.tasks.tabular.store import Model

Array = npt.NDArray[np.float64]
Params = Mapping[str, int | float | str | bool]
FAMILIES: Mapping[str, boosting.Family] = {"additive": "additive", "forest": "forest"}
"""Rung of trees → its family; all others are boosting."""
MANY_ROWS = 20_000
"""From so many rows on, two networks do instead of four."""


class Work(NamedTuple):
    """One rung on its rows."""

    rung: str
    given: Params
    rows: Rows
    encoder: Encoder
    encoded: Encoded
    signs: Mapping[str, int]
    """Input column → 1 or −1 where predictions may only rise or fall with it."""

    def settings(self, known: Params) -> Params:
        """Return all settings. UserError for one that is not known."""
        for name in self.given:
            if name not in known:
                where = f"settings of the rung {self.rung}"
                raise UserError("not a setting", where=where, received=name, hint=did_you_mean(name, known))
        return {**known, **self.given}

    @property
    def strength(self) -> float:
        """The linear rung's one setting."""
        return float(self.settings({"strength": 0.0})["strength"])

    def plan(self, n_outputs: int) -> grow.Plan:
        """Return how trees are grown."""
        n_rows, family = self.rows.table.num_rows, FAMILIES.get(self.rung, "boosting")
        known = forest.defaults(n_rows) if family == "forest" else grow.defaults(n_rows, n_outputs, family)
        return grow.Plan(family, self.settings(known), self.rows.spec.seed, self.signs)

    def with_scores(self, outcome: Array) -> Work:
        """Return the work with a few scores, out of fold, in place of each text: for rungs that take numbers alone."""
        rows = self.rows
        encoder, encoded = text_scores.learn(self.encoder, self.encoded, outcome, rows.weights, rows.rng)
        return self._replace(encoder=encoder, encoded=encoded)

    def importance(self, model: Any) -> dict[str, float]:
        """Return every input column's share of what the model uses; nothing where nothing is used."""
        given = (
            (self.encoder,) if isinstance(model, boosting.Boosting) else (self.encoder, self.encoded, self.rows.weights)
        )
        use: Mapping[str, float] = model.importance(*given)
        total = sum(use.values())
        return {name: value / total for name, value in use.items()} if total > 0 else {}


class Judged(NamedTuple):
    """A model of numbers, and residuals of rows that it, or one like it, had not seen."""

    model: Model
    residuals: Array
    weights: Array


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
    work = _begin(candidate, params, rows, len(classes))
    if work.rung == "prior":
        return Classifier(work.encoder, prior.fit_shares(codes, rows.weights, len(classes)), classes, {})
    if len(classes) < 2:
        where, hint = f"column {rows.spec.target}", "Give rows of at least two classes."
        raise UserError("the target has one class", where=where, received=classes[0], hint=hint)
    model: Model
    if work.rung != "linear":
        work = work.with_scores(target_means.outcomes(codes, rows.weights, len(classes)))
    if work.rung == "linear":
        given = (work.encoder, work.encoded, codes, rows.weights)
        model = linear.fit_classes(*given, strength=work.strength, rng=rows.rng, signs=work.signs)
    elif work.rung == "mlp":
        model = _networks(work, np.eye(len(classes))[codes], "log", codes)[0]
    else:
        model = _class_trees(work, codes, len(classes))
    return Classifier(work.encoder, model, classes, work.importance(model))


def fit_regressor(candidate: Candidate, params: Params, rows: Rows) -> Regressor:
    """Fit one rung to numbers.

    Raises
    ------
    UserError
        Unknown rung or setting, or a target that is not a finite number in every row.
    """
    values = target.numbers(rows.table, rows.spec.target)
    work = _begin(candidate, params, rows, None)
    if work.rung == "prior":
        centre = prior.fit_centre(values, rows.weights, rows.spec.loss)
        width = parts.half_width(prior.left_out_residuals(centre, values), rows.weights)
        return Regressor(work.encoder, centre, width, {})
    if work.rung != "linear":
        centre_at, scale = boosting.standardise(values, rows.weights)
        work = work.with_scores(((values - centre_at) / scale)[:, None])
    fit = {"linear": _line, "mlp": _number_networks}.get(work.rung, _number_trees)
    model, residuals, weights = fit(work, values)
    return Regressor(work.encoder, model, parts.half_width(residuals, weights), work.importance(model))


def _class_trees(work: Work, codes: npt.NDArray[np.int64], n_classes: int) -> boosting.Boosting:
    rows = work.rows
    learning = boosting.Learning(
        objective="multiclass" if n_classes > 2 else "binary",
        label=codes.astype(np.float64),
        outcome=target_means.outcomes(codes, rows.weights, n_classes),
        weights=rows.weights,
        n_outputs=n_classes if n_classes > 2 else 1,
    )
    plan = work.plan(learning.n_outputs)
    if plan.family == "forest":
        return forest.fit_forest(work.encoder, work.encoded, learning, plan)
    return grow.grow(work.encoder, work.encoded, learning, parts.keep_classes(rows.set_aside(), codes), plan).model


def _number_trees(work: Work, values: Array) -> Judged:
    centre, scale = boosting.standardise(values, work.rows.weights)
    label = (values - centre) / scale
    objective = "regression_l1" if work.rows.spec.loss == "absolute" else "regression"
    learning = boosting.Learning(objective, label, label[:, None], work.rows.weights, 1)
    divided, plan = work.rows.set_aside(), work.plan(1)
    if plan.family == "forest":
        fit, aside = work.encoded.rows(divided.fit), work.encoded.rows(divided.aside)
        outside = forest.fit_forest(work.encoder, fit, learning.rows(divided.fit), plan).predict(aside)
        model = forest.fit_forest(work.encoder, work.encoded, learning, plan)
    else:
        model, outside = grow.grow(work.encoder, work.encoded, learning, divided, plan)
    residuals = values[divided.aside] - (outside[:, 0] * scale + centre)
    return Judged(replace(model, centre=centre, scale=scale), residuals, work.rows.weights[divided.aside])


def _line(work: Work, values: Array) -> Judged:
    """Fit on some rows and calibrate on the others, then fit on all with the same strength."""
    divided, weights = work.rows.set_aside(), work.rows.weights

    def fit(index: npt.NDArray[np.int64], strength: float) -> linear.Linear:
        given = (work.encoder, work.encoded.rows(index), values[index], weights[index])
        loss = work.rows.spec.loss
        return linear.fit_number(*given, loss=loss, strength=strength, rng=work.rows.rng, signs=work.signs)

    first = fit(divided.fit, work.strength)
    residuals = values[divided.aside] - first.predict(work.encoded.rows(divided.aside))[:, 0]
    return Judged(fit(np.arange(len(values)), first.strength), residuals, weights[divided.aside])


def _number_networks(work: Work, values: Array) -> Judged:
    centre, scale = boosting.standardise(values, work.rows.weights)
    model, divided, outside = _networks(work, ((values - centre) / scale)[:, None], work.rows.spec.loss)
    aside = np.concatenate([part.aside for part in divided])
    residuals = values[aside] - (np.concatenate(outside)[:, 0] * scale + centre)
    return Judged(replace(model, centre=centre, scale=scale), residuals, work.rows.weights[aside])


def _networks(
    work: Work, wanted: Array, loss: str, codes: npt.NDArray[np.int64] | None = None
) -> tuple[Networks, list[parts.Parts], list[Array]]:
    """Return the networks, the parts that they set aside, and what they say of those."""
    rows, rng = work.rows, work.rows.rng
    if work.signs:
        hint = "Leave `monotone` out, or choose another rung."
        raise UserError("a network cannot be held monotone", where=f"model {rows.spec.model}", hint=hint)
    divided = [rows.set_aside(rng) for _ in range(4 if rows.table.num_rows < MANY_ROWS else 2)]
    if codes is not None:
        divided = [parts.keep_classes(part, codes) for part in divided]
    weights = (rows.weights / rows.weights.mean()).astype(np.float32)
    lesson = mlp_learn.Lesson(wanted.astype(np.float32), weights, loss)
    params = work.settings(mlp_learn.defaults())
    model, outside = mlp_learn.fit_networks(work.encoder, work.encoded, lesson, divided, params, rng)
    return model, divided, outside


def _begin(candidate: Candidate, params: Params, rows: Rows, n_classes: int | None) -> Work:
    """Encode the rows, or give an encoder that reads nothing for the prior."""
    if candidate.name not in NAMES:
        hint = did_you_mean(candidate.name, NAMES)
        raise UserError("not a rung of this ladder", where="candidate", received=candidate.name, hint=hint)
    given = {**candidate.params, **params}
    if candidate.name == "prior":
        nothing = Encoded(np.empty((0, 0)), np.empty((0, 0), np.int32))
        return Work("prior", given, rows, fit_encoder(rows.table.slice(0, 0), rows.spec.schema), nothing, {})
    if rows.table.num_rows < 2:
        hint = f"The ladder skips this rung below {FEWEST_ROWS} rows."
        raise UserError("too few rows to learn from", where=f"model {rows.spec.model}", received=1, hint=hint)
    signs = monotone.signs(rows.spec, n_classes)
    encoder, encoded = rows.encode(n_classes or 1)
    if not len(encoder.schema):
        raise UserError(NO_COLUMNS["en"], where=f"model {rows.spec.model}", hint="Give it a column.")
    return Work(candidate.name, given, rows, encoder, encoded, signs)

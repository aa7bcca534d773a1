"""How LightGBM grows trees: settings, early stopping on rows set aside, then all rows for as many rounds.

The rows set aside are predicted by a booster that has not seen them: intervals rest on that. Measured against averages
of three or five boosters that each leave a part out: one refitted on all rows is as good at a third of the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.extras import need
from cauce.tasks.tabular import target_means
from cauce.tasks.tabular.boosting import (
    MOST_NATIVE_LEVELS,
    Boosting,
    Family,
    Learning,
    Tables,
    joined,
    matrix_of,
    n_threads,
    owners,
)
from cauce.tasks.tabular.encode import Encoded, Encoder
from cauce.tasks.tabular.parts import Parts

FEWEST_TO_STOP = 25
"""With fewer rows set aside, stopping early would follow noise: 50 rounds are run."""
FEW_ROUNDS = 50
PATIENCE = 50
FEWEST_TO_BAG = 50
"""With fewer rows every tree sees all of them."""
FEWEST_COLUMNS = 4
"""Columns that a tree chooses from, at least: on two columns whose interplay is all, a tree of one learns nothing."""
LEAST_SHARE = 0.05
"""With fewer of the rows set aside, what they would add is not worth growing again."""
MOST_TREES = 4_000
"""Rounds × classes."""
MUCH_WORK = 30_000, 150_000
"""From so many rows × classes on, larger steps halve the rounds for about 0.4 % of the loss."""
SEVERAL_CLASSES = 5
"""From so many on, larger steps lose nothing."""
MANY_ROWS = 8_000
"""From so many rows on, trees may have more leaves and see more of the rows and columns."""
MOST_CURVED = 4
"""Leaves of a tree that sees one column: curves need few steps a tree."""
SMOOTHED = 2_000
"""Up to so many rows curves are steps at random places, many of them: a smoother sum."""
Settings = dict[str, int | float | str | bool]
Params = Mapping[str, int | float | str | bool]
Array = npt.NDArray[np.float64]


class Plan(NamedTuple):
    """How boosters are grown."""

    family: Family
    params: Params
    seed: int
    monotone: Mapping[str, int]
    """Input column → 1 or −1."""


class Grown(NamedTuple):
    """A booster, and what was said of rows that had not been seen."""

    model: Boosting
    outside: Array
    """Predictions for the rows set aside by a booster without them, shape (n_aside, n_values)."""


def defaults(n_rows: int, n_outputs: int, family: Family = "boosting") -> Settings:
    """Return the settings for so many rows: small data get few leaves and bound trees, many classes few rounds.

    Measured on 22 public sets (``benchmarks/LOG.md``, 27 November 2026).

    Examples
    --------
    >>> [defaults(n, 1)["num_leaves"] for n in (500, 3_000, 10_000, 100_000)]
    [8, 24, 40, 64]
    """
    work, many = n_rows * n_outputs, n_rows >= MANY_ROWS
    large = work > MUCH_WORK[0] or n_outputs >= SEVERAL_CLASSES
    leaves = min(64, n_rows // 250) if many else min(31, n_rows // 125)
    settings: Settings = {
        "learning_rate": 0.2 if work > MUCH_WORK[1] else 0.1 if large else 0.05,
        "num_leaves": max(8, leaves) if n_outputs <= 50 else 15,
        "min_data_in_leaf": 10 if many else max(2, min(20, n_rows // 50)),
        "rounds": max(10, min(1000, MOST_TREES // n_outputs)),
        "feature_fraction": 0.8 if many else 0.7,
        "bagging_fraction": 0.9 if many else 0.8,
        "lambda_l1": 0.0,
        "lambda_l2": 1.0,
        "extra_trees": False,
        "cat_smooth": 10.0,
    }
    if family == "additive":
        settings |= {"num_leaves": MOST_CURVED, "extra_trees": n_rows <= SMOOTHED}
    return settings


def grow(encoder: Encoder, rows: Encoded, learning: Learning, divided: Parts, plan: Plan) -> Grown:
    """Grow a booster on `divided.fit`, stop it by `divided.aside`, and grow it again on all rows."""
    given, tables = prepare(encoder, rows.rows(divided.fit), learning.rows(divided.fit), plan)
    held = rows.rows(divided.aside)
    booster, rounds = _stopped(given, plan, (matrix_of(held, tables), learning.rows(divided.aside)))

    def model(booster: Any) -> Boosting:
        return Boosting(booster.model_to_string(num_iteration=rounds), tables, learning.classify, family=plan.family)

    first = model(booster)
    outside = first.predict(held)
    if len(divided.aside) < LEAST_SHARE * len(learning.label):
        return Grown(first, outside)
    given, tables = prepare(encoder, rows, learning, plan)
    return Grown(model(_train(given, rounds)), outside)


class Given(NamedTuple):
    """What LightGBM is called with."""

    matrix: Array
    learning: Learning
    settings: dict[str, Any]
    native: list[int]


def prepare(encoder: Encoder, rows: Encoded, learning: Learning, plan: Plan) -> tuple[Given, Tables]:
    """Return LightGBM's input for these rows, and the target means that later rows get."""
    tables, matrix = _fit_tables(encoder, rows, learning, plan.seed)
    return Given(matrix, learning, _settings(encoder, tables, learning, plan), _native(encoder, tables)), tables


def _stopped(given: Given, plan: Plan, stop: tuple[Array, Learning]) -> tuple[Any, int]:
    """Return a booster and its best number of rounds."""
    rounds = int(plan.params["rounds"])
    if len(stop[0]) < FEWEST_TO_STOP:
        return _train(given, min(rounds, FEW_ROUNDS)), min(rounds, FEW_ROUNDS)
    booster = _train(given, rounds, stop=stop)
    return booster, booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()


def _fit_tables(
    encoder: Encoder, rows: Encoded, learning: Learning, seed: int
) -> tuple[Tables, npt.NDArray[np.float64]]:
    """Return the target means for later rows, and these rows' own matrix with means out of fold."""
    rng = np.random.default_rng(seed)
    tables: list[npt.NDArray[np.float64] | None] = []
    blocks: list[npt.NDArray[np.float64] | None] = []
    for levels, code in zip(encoder.levels.values(), rows.codes.T, strict=True):
        if len(levels) <= MOST_NATIVE_LEVELS and len(levels):
            tables.append(None)
            blocks.append(None)
            continue
        given = (code, len(levels), learning.outcome, learning.weights)
        tables.append(target_means.fit_table(*given))
        blocks.append(target_means.out_of_fold(*given, rng))
    return tuple(tables), joined(rows, blocks)


def _native(encoder: Encoder, tables: Tables) -> list[int]:
    """Return the matrix columns that are native categories."""
    at, found = len(encoder.features), []
    for table in tables:
        if table is None:
            found.append(at)
        at += 1 if table is None else table.shape[1]
    return found


def _settings(encoder: Encoder, tables: Tables, learning: Learning, plan: Plan) -> dict[str, Any]:
    metric = {"binary": "binary_logloss", "multiclass": "multi_logloss", "regression": "l2", "regression_l1": "l1"}
    settings: dict[str, Any] = {name: value for name, value in plan.params.items() if name != "rounds"}
    n_rows = len(learning.label)
    settings |= {
        "objective": learning.objective,
        "metric": metric[learning.objective],
        "bagging_freq": int(plan.family == "forest" or (n_rows >= FEWEST_TO_BAG and settings["bagging_fraction"] < 1)),
        "min_data_per_group": max(5, min(100, n_rows // 100)),
        "feature_pre_filter": False,
        "deterministic": True,
        "force_row_wise": True,
        "seed": plan.seed % 2**31,
        "num_threads": n_threads(n_rows),
        "verbosity": -1,
    }
    if learning.objective == "multiclass":
        settings["num_class"] = learning.n_outputs
    names = owners(encoder, tables)
    share = max(float(settings["feature_fraction"]), FEWEST_COLUMNS / max(len(names), 1))
    settings["feature_fraction"] = min(1.0, share)
    if plan.family == "additive":
        settings["interaction_constraints"] = [
            [i for i, owner in enumerate(names) if owner == name] for name in dict.fromkeys(names)
        ]
    if plan.monotone:
        settings["monotone_constraints"] = [plan.monotone.get(name, 0) for name in names]
        settings["monotone_constraints_method"] = "intermediate"
    return settings


def _train(given: Given, rounds: int, *, stop: tuple[Array, Learning] | None = None) -> Any:
    lightgbm = need("lightgbm", extra="tabular", what="gradient boosting")

    def data(values: Array, about: Learning, reference: Any = None) -> Any:
        return lightgbm.Dataset(
            values,
            about.label,
            weight=about.weights,
            reference=reference,
            categorical_feature=given.native,
            params={"verbosity": -1},
        )

    train = data(given.matrix, given.learning)
    if stop is None:
        return lightgbm.train(given.settings, train, rounds)
    watch = lightgbm.early_stopping(PATIENCE, verbose=False)
    return lightgbm.train(given.settings, train, rounds, valid_sets=[data(*stop, reference=train)], callbacks=[watch])

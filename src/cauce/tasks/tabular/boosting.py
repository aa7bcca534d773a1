"""The upper rung: gradient boosted trees by LightGBM, stopped early on rows set aside.

Missing values go in as they are. Categories of up to 100 levels are native to the trees, larger ones become target
means. The target is standardised, because LightGBM keeps it in single precision.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.extras import need
from cauce.tasks.tabular import target_means
from cauce.tasks.tabular.encode import Encoded, Encoder
from cauce.tasks.tabular.parts import Parts

MOST_NATIVE_LEVELS = 100
FEWEST_TO_STOP = 25
"""With fewer rows set aside, stopping early would follow noise: 50 rounds are run."""
FEW_ROUNDS = 50
PATIENCE = 30
MOST_TREES = 4_000
"""Rounds × classes."""
MUCH_WORK = 150_000
"""From so many rows × classes on, larger steps halve the rounds for about 0.4 % of the loss."""
SMALL = 5_000
"""Up to this many rows one thread is faster than many, above all on a busy machine."""
Params = Mapping[str, int | float | str | bool]
Tables = tuple[npt.NDArray[np.float64] | None, ...]


class Learning(NamedTuple):
    """What the trees learn."""

    objective: str
    """LightGBM's name: binary, multiclass, regression, regression_l1."""
    label: npt.NDArray[np.float64]
    """Class codes, or standardised numbers, shape (n_rows,)."""
    outcome: npt.NDArray[np.float64]
    """What target means average, shape (n_rows, n_outcomes)."""
    weights: npt.NDArray[np.float64]
    n_outputs: int
    """Trees per round: classes when more than two, else 1."""

    def rows(self, index: npt.NDArray[np.int64]) -> Learning:
        """Take some rows."""
        return self._replace(label=self.label[index], outcome=self.outcome[index], weights=self.weights[index])


@dataclass(frozen=True, eq=False)
class Boosting:
    """A booster as text, and how its input is made."""

    text: str
    tables: Tables
    """For each category column its target means, or None where it is native."""
    classify: bool
    centre: float = 0.0
    scale: float = 1.0

    @cached_property
    def booster(self) -> Any:
        """The booster read from `text`: the same one before and after saving."""
        lightgbm = need("lightgbm", extra="tabular", what="gradient boosting")
        return lightgbm.Booster(model_str=self.text)

    def matrix(self, rows: Encoded) -> npt.NDArray[np.float64]:
        """Give the booster's input, shape (n_rows, n_features)."""
        return _matrix(rows, [None if table is None else table[code] for table, code in _pairs(self.tables, rows)])

    def predict(self, rows: Encoded) -> npt.NDArray[np.float64]:
        """Give probabilities, shape (n_rows, n_classes), or numbers, shape (n_rows, 1)."""
        n_rows = len(rows.numbers)
        if not n_rows:
            shape = (0, max(2, int(self.booster.num_model_per_iteration())) if self.classify else 1)
            return np.empty(shape)
        found = np.asarray(self.booster.predict(self.matrix(rows), num_threads=n_threads(n_rows)))
        if not self.classify:
            return found[:, None] * self.scale + self.centre
        return found if found.ndim == 2 else np.column_stack([1 - found, found])

    def importance(self, encoder: Encoder) -> dict[str, float]:
        """Give the gain of every input column."""
        gain = self.booster.feature_importance("gain").tolist()
        owners = [feature.column for feature in encoder.features]
        for name, table in zip(encoder.categories, self.tables, strict=True):
            owners += [name] * (1 if table is None else table.shape[1])
        found = dict.fromkeys(encoder.schema.names, 0.0)
        for owner, value in zip(owners, gain, strict=True):
            found[owner] += value
        return found


def n_threads(n_rows: int) -> int:
    """Return the cores to use for so many rows: one, or all that this process may use."""
    if n_rows <= SMALL:
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def defaults(n_rows: int, n_outputs: int) -> dict[str, int | float | str | bool]:
    """Return the settings for so many rows: small data get small leaves, many classes few rounds.

    Examples
    --------
    >>> defaults(100, 1)["min_data_in_leaf"], defaults(100_000, 1)["min_data_in_leaf"]
    (2, 20)
    """
    rounds = max(10, min(1000, MOST_TREES // n_outputs))
    return {
        "learning_rate": 0.1 if n_rows * n_outputs <= MUCH_WORK else 0.2,
        "num_leaves": 31 if n_outputs <= 50 else 15,
        "min_data_in_leaf": max(2, min(20, n_rows // 50)),
        "rounds": rounds,
        "feature_fraction": 1.0,
        "bagging_fraction": 1.0,
        "lambda_l1": 0.0,
        "lambda_l2": 1.0,
        "extra_trees": False,
        "cat_smooth": 10.0,
    }


def fit_boosting(
    encoder: Encoder, rows: Encoded, learning: Learning, parts: Parts, *, params: Params, seed: int, refit: bool
) -> Boosting:
    """Fit on `parts.fit`, stop by `parts.aside`, and with `refit` fit again on all rows for as many rounds."""
    rounds = int(params["rounds"])
    settings = _settings(learning, params, seed)
    fitting, aside = learning.rows(parts.fit), learning.rows(parts.aside)
    tables, inside = _fit_tables(encoder, rows.rows(parts.fit), fitting, seed)
    held = rows.rows(parts.aside)
    outside = _matrix(held, [None if table is None else table[code] for table, code in _pairs(tables, held)])
    native = _native(encoder, tables)
    if len(parts.aside) >= FEWEST_TO_STOP:
        booster = _train(inside, fitting, settings, native, rounds, stop=(outside, aside))
    else:
        booster = _train(inside, fitting, settings, native, min(rounds, FEW_ROUNDS))
    n_rounds = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
    if refit:
        tables, everything = _fit_tables(encoder, rows, learning, seed)
        booster = _train(everything, learning, settings, _native(encoder, tables), n_rounds)
    text = booster.model_to_string(num_iteration=n_rounds)
    return Boosting(text, tables, classify=learning.objective in {"binary", "multiclass"})


def standardise(target: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return a centre and a scale that bring the target near −1 … 1."""
    centre = float(np.average(target, weights=weights))
    scale = float(np.sqrt(np.average((target - centre) ** 2, weights=weights)))
    return centre, scale if scale > 0 else 1.0


def scaled(boosting: Boosting, centre: float, scale: float) -> Boosting:
    """Return the same trees, speaking in the target's own unit."""
    return replace(boosting, centre=centre, scale=scale)


def _pairs(tables: Tables, rows: Encoded) -> list[tuple[npt.NDArray[np.float64] | None, npt.NDArray[np.int32]]]:
    return list(zip(tables, rows.codes.T, strict=True))


def _matrix(rows: Encoded, encoded: list[npt.NDArray[np.float64] | None]) -> npt.NDArray[np.float64]:
    blocks = [rows.numbers]
    for code, block in zip(rows.codes.T, encoded, strict=True):
        blocks.append(np.where(code < 0, np.nan, code)[:, None] if block is None else block)
    return np.hstack(blocks)


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
    return tuple(tables), _matrix(rows, blocks)


def _native(encoder: Encoder, tables: Tables) -> list[int]:
    """Return the matrix columns that are native categories."""
    at, found = len(encoder.features), []
    for table in tables:
        if table is None:
            found.append(at)
        at += 1 if table is None else table.shape[1]
    return found


def _settings(learning: Learning, params: Params, seed: int) -> dict[str, Any]:
    metric = {"binary": "binary_logloss", "multiclass": "multi_logloss", "regression": "l2", "regression_l1": "l1"}
    settings: dict[str, Any] = {name: value for name, value in params.items() if name != "rounds"}
    settings |= {
        "objective": learning.objective,
        "metric": metric[learning.objective],
        "bagging_freq": 1 if float(params["bagging_fraction"]) < 1 else 0,
        "min_data_per_group": max(5, min(100, len(learning.label) // 100)),
        "feature_pre_filter": False,
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed % 2**31,
        "num_threads": n_threads(len(learning.label)),
        "verbosity": -1,
    }
    return settings | ({"num_class": learning.n_outputs} if learning.objective == "multiclass" else {})


def _train(
    matrix: npt.NDArray[np.float64],
    learning: Learning,
    settings: dict[str, Any],
    native: list[int],
    rounds: int,
    *,
    stop: tuple[npt.NDArray[np.float64], Learning] | None = None,
) -> Any:
    lightgbm = need("lightgbm", extra="tabular", what="gradient boosting")

    def data(values: npt.NDArray[np.float64], about: Learning, reference: Any = None) -> Any:
        return lightgbm.Dataset(
            values,
            about.label,
            weight=about.weights,
            reference=reference,
            categorical_feature=native,
            params={"verbosity": -1},
        )

    train = data(matrix, learning)
    if stop is None:
        return lightgbm.train(settings, train, rounds)
    watch = lightgbm.early_stopping(PATIENCE, verbose=False)
    return lightgbm.train(settings, train, rounds, valid_sets=[data(*stop, reference=train)], callbacks=[watch])

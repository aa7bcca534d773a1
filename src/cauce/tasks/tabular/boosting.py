"""Trees by LightGBM as a model: additive, forest or boosting. `grow.py` grows them.

Missing values go in as they are. Categories of up to 100 levels are native to the trees, larger ones become target
means. The target is standardised, because LightGBM keeps it in single precision.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.extras import need
from cauce.tasks.tabular.encode import Encoded, Encoder

MOST_NATIVE_LEVELS = 100
SMALL = 5_000
"""Up to this many rows one thread is faster than many, above all on a busy machine."""
STARTED = os.getpid()
"""The process that has imported this: one forked from it lacks OpenMP's threads, and would wait for them for ever."""
NEVER = 0.01
"""Added to a forest's shares, over all classes."""
Family = Literal["additive", "forest", "boosting"]
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

    @property
    def classify(self) -> bool:
        """Whether the label is a class."""
        return self.objective in {"binary", "multiclass"}

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
    family: Family = "boosting"

    @cached_property
    def booster(self) -> Any:
        """The booster read from `text`: the same one before and after saving."""
        lightgbm = need("lightgbm", extra="tabular", what="gradient boosting")
        return lightgbm.Booster(model_str=self.text)

    def matrix(self, rows: Encoded) -> npt.NDArray[np.float64]:
        """Give the booster's input, shape (n_rows, n_features)."""
        return matrix_of(rows, self.tables)

    def predict(self, rows: Encoded) -> npt.NDArray[np.float64]:
        """Give probabilities, shape (n_rows, n_classes), or numbers, shape (n_rows, 1)."""
        n_rows = len(rows.numbers)
        if not n_rows:
            shape = (0, max(2, int(self.booster.num_model_per_iteration())) if self.classify else 1)
            return np.empty(shape)
        matrix = self.matrix(rows)
        found = self.booster.predict(matrix, raw_score=self.shares_of_means, num_threads=n_threads(n_rows))
        return self.answers(np.asarray(found).reshape(n_rows, -1))

    @property
    def shares_of_means(self) -> bool:
        """Whether probabilities are made from the trees' sums, and not by LightGBM."""
        return self.family == "forest" and self.classify

    def answers(self, found: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Turn what the booster says, shape (n_rows, n_outputs), into what `predict` gives."""
        if self.shares_of_means:
            return _shares(found * self.scale + self.centre)
        if not self.classify:
            return found * self.scale + self.centre
        return found if found.shape[1] > 1 else np.hstack([1 - found, found])

    def scores(self, matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Give the sum of the trees for rows of the booster's input, shape (n_rows, n_outputs)."""
        raw = np.asarray(self.booster.predict(matrix, raw_score=True, num_threads=n_threads(len(matrix))))
        return raw.reshape(len(matrix), -1) * self.scale + self.centre

    def importance(self, encoder: Encoder) -> dict[str, float]:
        """Give the gain of every input column."""
        gain = self.booster.feature_importance("gain").tolist()
        found = dict.fromkeys(encoder.schema.names, 0.0)
        for owner, value in zip(owners(encoder, self.tables), gain, strict=True):
            found[owner] += value
        return found


def _shares(means: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Turn a forest's means into shares that sum to 1, none of them 0: no number of trees can tell never."""
    if means.shape[1] == 1:
        means = np.hstack([1 - means, means])
    raised = np.clip(means, 0.0, 1.0) + NEVER / means.shape[1]
    shares: npt.NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return shares


def owners(encoder: Encoder, tables: Tables) -> list[str]:
    """Name the input column of every column of the matrix."""
    names = [feature.column for feature in encoder.features]
    for name, table in zip(encoder.categories, tables, strict=True):
        names += [name] * (1 if table is None else table.shape[1])
    return names


def n_threads(n_rows: int) -> int:
    """Return the cores to use for so many rows: one, or all that this process may use, one where it was forked."""
    if n_rows <= SMALL or os.getpid() != STARTED:
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def standardise(target: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return a centre and a scale that bring the target near −1 … 1."""
    centre = float(np.average(target, weights=weights))
    scale = float(np.sqrt(np.average((target - centre) ** 2, weights=weights)))
    return centre, scale if scale > 0 else 1.0


def matrix_of(rows: Encoded, tables: Tables, out: npt.NDArray[np.float64] | None = None) -> npt.NDArray[np.float64]:
    """Return the booster's input, shape (n_rows, n_features), with target means looked up; in `out` if given."""
    at = rows.numbers.shape[1]
    if out is None:
        out = np.empty((len(rows.numbers), at + sum(1 if table is None else table.shape[1] for table in tables)))
    out[:, :at] = rows.numbers
    native = np.where(rows.codes < 0, np.nan, rows.codes)
    for j, table in enumerate(tables):
        if table is None:
            out[:, at] = native[:, j]
            at += 1
        else:
            out[:, at : at + table.shape[1]] = table.take(rows.codes[:, j], axis=0)
            at += table.shape[1]
    return out


def joined(rows: Encoded, encoded: list[npt.NDArray[np.float64] | None]) -> npt.NDArray[np.float64]:
    """Return numbers beside each category's block, or its codes where the block is None."""
    blocks = [rows.numbers]
    for code, block in zip(rows.codes.T, encoded, strict=True):
        blocks.append(np.where(code < 0, np.nan, code)[:, None] if block is None else block)
    return np.hstack(blocks)

"""The middle rung: a regularised linear model. scikit-learn fits it, numpy predicts."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import LEAST_PROBABILITY
from cauce.tasks.tabular import signed
from cauce.tasks.tabular.design import Design, Lookup, fit_design
from cauce.tasks.tabular.encode import Encoded, Encoder
from cauce.tasks.tabular.prior import weighted_median

FEW_ROWS = 2_000
"""Up to here the strength of the penalty is chosen by inner folds; above, the data outweigh it, but for texts, with as
many columns as there are words: it is chosen on so many of their rows, by one fold."""
STRENGTHS = (0.01, 0.1, 1.0, 10.0)
INNER_FOLDS = 3
Matrix = Any  # a CSR matrix or a dense array; both have @, indexing by rows and .T


class Solution(NamedTuple):
    """Coefficients of one solve."""

    coefficients: npt.NDArray[np.float64]
    """Shape (n_columns, n_outputs); one output for regress and for two classes."""
    intercept: npt.NDArray[np.float64]
    """Shape (n_outputs,)."""


Solver = Callable[[Matrix, Any, npt.NDArray[np.float64], float], Solution]


class Lesson(NamedTuple):
    """What a solve learns from."""

    matrix: Matrix
    target: npt.NDArray[Any]
    """Class codes or numbers, shape (n_rows,)."""
    weights: npt.NDArray[np.float64]

    def rows(self, index: npt.NDArray[np.int64]) -> Lesson:
        """Take some rows."""
        return Lesson(self.matrix[index], self.target[index], self.weights[index])


Judge = Callable[[Solution, Lesson, Lesson], float]
"""A solution, rows to judge it by and the rows it was fitted on → its loss."""


@dataclass(frozen=True, eq=False)
class Linear:
    """Design and coefficients."""

    design: Design
    solution: Solution
    classify: bool
    strength: float
    """What 1 / λ was used."""

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(self.design, self.solution.coefficients)

    def predict(self, rows: Encoded) -> npt.NDArray[np.float64]:
        """Give probabilities, shape (n_rows, n_classes), or numbers, shape (n_rows, 1)."""
        scores = self._lookup(rows) + self.solution.intercept
        return probabilities(scores) if self.classify else scores

    def importance(self, encoder: Encoder, rows: Encoded, weights: npt.NDArray[np.float64]) -> dict[str, float]:
        """Give the sum of |coefficient| × standard deviation over every input column's design columns."""
        use = np.abs(self.solution.coefficients).mean(axis=1) * self.design.spread(rows, weights)
        found = dict.fromkeys(encoder.schema.names, 0.0)
        for owner, value in zip(self.design.owners(encoder), use.tolist(), strict=True):
            found[owner] += value
        return found


def probabilities(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Turn scores into probabilities: logistic for one column, softmax for more."""
    if scores.shape[1] == 1:
        scores, second = np.zeros((len(scores), 2)), scores
        scores[:, 1:] = second
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: npt.NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return shares


def fit_classes(
    encoder: Encoder,
    rows: Encoded,
    codes: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float64],
    *,
    strength: float,
    rng: np.random.Generator,
    signs: Mapping[str, int],
) -> Linear:
    """Fit logistic regression; a strength of 0 means that inner folds choose it. `signs` are for two classes alone."""
    design = fit_design(encoder, rows, weights)
    matrix = design.matrix(rows, np.float32 if design.texts and not signs else np.float64)
    solver = _signed(design, encoder, signs, "log") if signs else logistic
    lesson = Lesson(matrix, codes, weights)
    chosen = strength or _choose(lesson, solver, _log_loss, rng, texts=bool(design.texts), turn=not signs)
    return Linear(design, _solve(solver, lesson, chosen), classify=True, strength=chosen)


def fit_number(
    encoder: Encoder,
    rows: Encoded,
    target: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
    *,
    loss: str,
    strength: float,
    rng: np.random.Generator,
    signs: Mapping[str, int],
) -> Linear:
    """Fit ridge regression, or least absolute deviations; a strength of 0 means that inner folds choose it."""
    design = fit_design(encoder, rows, weights)
    matrix = design.matrix(rows)
    solver: Solver = least_absolute if loss == "absolute" else ridge
    if signs:
        solver = _signed(design, encoder, signs, "absolute" if loss == "absolute" else "squared")

    def total(solution: Solution, test: Lesson, _train: Lesson) -> float:
        residuals = test.target - (test.matrix @ solution.coefficients + solution.intercept).ravel()
        return float(np.sum(test.weights * (np.abs(residuals) if loss == "absolute" else residuals**2)))

    lesson = Lesson(matrix, target, weights)
    chosen = strength or _choose(lesson, solver, total, rng, texts=bool(design.texts), turn=not signs)
    return Linear(design, _solve(solver, lesson, chosen), classify=False, strength=chosen)


def _log_loss(solution: Solution, test: Lesson, train: Lesson) -> float:
    """Return the sum over rows of classes that the solution knows."""
    shares = probabilities(test.matrix @ solution.coefficients + solution.intercept)
    there = np.unique(train.target)
    known = np.isin(test.target, there)
    own = shares[np.flatnonzero(known), np.searchsorted(there, test.target[known])]
    return float(np.sum(-np.log(np.maximum(own, LEAST_PROBABILITY)) * test.weights[known]))


def _choose(
    lesson: Lesson, solver: Solver, judge: Judge, rng: np.random.Generator, *, texts: bool, turn: bool
) -> float:
    """Return the strength with the lowest loss over inner folds; 1 on many rows, where it hardly matters."""
    n_rows = len(lesson.target)
    if n_rows < 3 * INNER_FOLDS:
        return 0.1
    if n_rows > FEW_ROWS:
        if not texts:
            return 1.0
        lesson = lesson.rows(np.sort(rng.permutation(n_rows)[:FEW_ROWS]))
    if turn and lesson.matrix.shape[1] > len(lesson.target):
        lesson = lesson._replace(matrix=turned(lesson.matrix))
    fold = rng.permutation(len(lesson.target)) % INNER_FOLDS
    totals = []
    for strength in STRENGTHS:
        sums = []
        for k in range(INNER_FOLDS if n_rows <= FEW_ROWS else 1):
            train, test = lesson.rows(np.flatnonzero(fold != k)), lesson.rows(np.flatnonzero(fold == k))
            sums.append(judge(_solve(solver, train, strength), test, train))
        totals.append(sum(sums))
    return STRENGTHS[int(np.argmin(totals))]


def turned(matrix: Matrix) -> npt.NDArray[np.float64]:
    """Return as many columns as rows, with the same products between rows: all that a penalised solve depends on."""
    exact = matrix.astype(np.float64)
    products = exact @ exact.T
    products = products.toarray() if hasattr(products, "toarray") else products
    products[np.diag_indices_from(products)] += 1e-9 * np.trace(products) / len(products) + 1e-12  # rows may repeat
    return np.linalg.cholesky(products)


def _solve(solver: Solver, lesson: Lesson, strength: float) -> Solution:
    """Solve; where every column is constant, for the intercept alone."""
    if lesson.matrix.shape[1]:
        return solver(*lesson, strength)
    found = solver(np.zeros((len(lesson.target), 1)), lesson.target, lesson.weights, strength)
    return Solution(found.coefficients[:0], found.intercept)


def _signed(design: Design, encoder: Encoder, given: Mapping[str, int], loss: signed.Loss) -> Solver:
    signs = signed.column_signs(design, encoder, given)

    def solver(matrix: Matrix, wanted: Any, weights: npt.NDArray[np.float64], strength: float) -> Solution:
        # where every column is constant, `_solve` gives one column of zeros
        own = signs if matrix.shape[1] == len(signs) else np.zeros(matrix.shape[1], np.int64)
        y = wanted.astype(np.float64)
        return Solution(*signed.solve(matrix, y, weights, strength, signs=own, loss=loss))

    return solver


def logistic(
    matrix: Matrix, codes: npt.NDArray[np.int64], weights: npt.NDArray[np.float64], strength: float
) -> Solution:
    """Fit L2-penalised logistic regression by L-BFGS; the classes are those present in `codes`, sorted."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    n_classes = len(np.unique(codes))
    if n_classes == 1:  # an inner fold may hold one class only
        return Solution(np.zeros((matrix.shape[1], 1)), np.array([-35.0]))
    model = LogisticRegression(C=strength, max_iter=most_steps(len(codes), n_classes), tol=1e-4)
    with warnings.catch_warnings():
        # Stopping early costs at most a little loss, which the ladder measures; nothing for the user to do.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(matrix, codes, sample_weight=weights)
    return Solution(np.ascontiguousarray(model.coef_.T, np.float64), np.asarray(model.intercept_, np.float64))


def most_steps(n_rows: int, n_classes: int) -> int:
    """Return how many steps L-BFGS may take: enough to converge on small data, enough for three digits on large.

    Examples
    --------
    >>> most_steps(1_000, 3), most_steps(100_000, 2), most_steps(100_000, 5)
    (300, 100, 50)
    """
    if n_rows * n_classes <= 50_000:
        return 300
    return 100 if n_classes == 2 else max(20, min(50, 1000 // n_classes))


def ridge(
    matrix: Matrix, target: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], strength: float
) -> Solution:
    """Fit ridge regression with λ = 1 / strength."""
    from sklearn.linear_model import Ridge

    centre = np.average(target, weights=weights)
    solver = "cholesky" if isinstance(matrix, np.ndarray) else "sparse_cg"
    model = Ridge(alpha=1.0 / strength, solver=solver, tol=1e-6)
    model.fit(matrix, target - centre, sample_weight=weights)
    return Solution(model.coef_.reshape(-1, 1), np.array([float(model.intercept_) + centre]))


def least_absolute(
    matrix: Matrix, target: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], strength: float
) -> Solution:
    """Minimise Σ w |r| + ‖coefficients‖² / (2 · strength), residuals in units of the target's mean deviation.

    |r| is smoothed to √(r² + δ²), δ = 0.01, and L-BFGS starts from least squares: an exact linear programme takes
    minutes on 100,000 rows where this takes a second.
    """
    from scipy.optimize import minimize

    centre = weighted_median(target, weights)
    unit = float(np.average(np.abs(target - centre), weights=weights)) or 1.0
    y, delta = (target - centre) / unit, 0.01

    def objective(theta: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        residuals = matrix @ theta[1:] + theta[0] - y
        smooth = np.sqrt(residuals**2 + delta**2)
        pull = weights * residuals / smooth
        slope = np.concatenate([[pull.sum()], matrix.T @ pull + theta[1:] / strength])
        return float(weights @ smooth + theta[1:] @ theta[1:] / (2 * strength)), slope

    start = ridge(matrix, y, weights, strength)
    theta = np.concatenate([start.intercept, start.coefficients.ravel()])
    found = minimize(objective, theta, jac=True, method="L-BFGS-B", options={"maxiter": 300, "ftol": 1e-7})
    return Solution(found.x[1:, None] * unit, found.x[:1] * unit + centre)


def arrays(linear: Linear) -> dict[str, npt.NDArray[Any]]:
    """Give what must be saved."""
    solution = {"coefficients": linear.solution.coefficients, "intercept": linear.solution.intercept}
    return solution | design_arrays(linear.design)


def design_arrays(design: Design) -> dict[str, npt.NDArray[Any]]:
    """Give what must be saved of a design."""
    slots = {f"slots_{i}": slot for i, slot in enumerate(design.slots)}
    return {"mean": design.mean, "scale": design.scale, "indicator": design.indicator} | slots

"""How the networks learn: Adam on mini-batches, dropout, decay, each stopped early by rows of its own.

Every network leaves out another fifth of the rows, so that together they learn from all of them. All run side by side
as one stack of matrices, in single precision: on tables a step is small, and a loop over networks would cost as much
again. Adam with decoupled decay: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.tasks.tabular.design import fit_design
from cauce.tasks.tabular.encode import Encoded, Encoder
from cauce.tasks.tabular.mlp import Layers, Networks, softmax
from cauce.tasks.tabular.parts import Parts

FURTHEST = 5.0
"""Standardised numbers are cut here: a network runs off further than a straight line."""
DECAY, FIRST, SECOND, TINY = 0.01, 0.9, 0.999, 1e-8
STEPS = 20_000
"""Steps of an average fit, at most: large data get fewer epochs."""
FEWEST_EPOCHS, MOST_EPOCHS = 15, 200
Floats = npt.NDArray[np.float32]


def defaults() -> dict[str, int | float | str | bool]:
    """Return the settings."""
    return {"hidden": 128, "dropout": 0.3, "learning_rate": 0.002, "patience": 20}


class Lesson(NamedTuple):
    """What the networks learn."""

    wanted: Floats
    """Class indicators, shape (n_rows, n_classes), or standardised numbers, shape (n_rows, 1)."""
    weights: Floats
    loss: str
    """``log``, ``squared`` or ``absolute``."""


@dataclass(eq=False)
class _Adam:
    """Weights and biases by turns, with the moments of their slopes."""

    values: list[Floats]
    rate: float
    step: int = 0

    def __post_init__(self) -> None:
        self.first = [np.zeros_like(value) for value in self.values]
        self.second = [np.zeros_like(value) for value in self.values]

    def move(self, slopes: Sequence[Floats]) -> None:
        self.step += 1
        grown = np.sqrt(1 - SECOND**self.step) / (1 - FIRST**self.step)
        for i, (value, slope) in enumerate(zip(self.values, slopes, strict=True)):
            self.first[i] += (1 - FIRST) * (slope - self.first[i])
            self.second[i] += (1 - SECOND) * (slope * slope - self.second[i])
            value -= self.rate * grown * self.first[i] / (np.sqrt(self.second[i]) + TINY)
            if i % 2 == 0:
                value *= 1 - self.rate * DECAY


def fit_networks(
    encoder: Encoder,
    rows: Encoded,
    lesson: Lesson,
    divided: Sequence[Parts],
    params: Any,
    rng: np.random.Generator,
) -> tuple[Networks, list[npt.NDArray[np.float64]]]:
    """Fit one network for each way of setting rows aside.

    Returns
    -------
    tuple
        The networks, and what each said of the rows that it had set aside, shape (n_aside, n_outputs).
    """
    design = replace(fit_design(encoder, rows, lesson.weights.astype(np.float64)), furthest=FURTHEST)
    dense: Any = design.matrix(rows)
    matrix = np.asarray(dense.toarray() if hasattr(dense, "toarray") else dense, np.float32)
    hidden = int(params["hidden"])
    sizes = [matrix.shape[1], hidden, max(2, hidden // 2), lesson.wanted.shape[1]]
    adam = _Adam(_begin(sizes, len(divided), rng), float(params["learning_rate"]))
    best = _learn(adam, matrix, lesson, divided, params, rng)
    exact = [value.astype(np.float64) for value in best]
    layers: Layers = tuple(zip(exact[::2], exact[1::2], strict=True))
    model = Networks(design, layers, classify=lesson.loss == "log")
    outside = [model.alone(k).predict(rows.rows(part.aside)) for k, part in enumerate(divided)]
    return model, outside


def _begin(sizes: Sequence[int], n_networks: int, rng: np.random.Generator) -> list[Floats]:
    values: list[Floats] = []
    for n_in, n_out in itertools.pairwise(sizes):
        spread = np.sqrt(2 / max(n_in, 1)) * (0.1 if len(values) == 2 * (len(sizes) - 2) else 1.0)
        values.append((rng.standard_normal((n_networks, n_in, n_out)) * spread).astype(np.float32))
        values.append(np.zeros((n_networks, 1, n_out), np.float32))
    return values


def _learn(
    adam: _Adam, matrix: Floats, lesson: Lesson, divided: Sequence[Parts], params: Any, rng: np.random.Generator
) -> list[Floats]:
    """Return each network's weights of the epoch in which its own rows set aside were told best."""
    n_fit = min(len(part.fit) for part in divided)
    size = int(np.clip(2 ** int(np.log2(max(n_fit / 20, 1))), 16, 256))
    n_steps = max(1, n_fit // size)
    epochs = int(np.clip(STEPS // n_steps, FEWEST_EPOCHS, MOST_EPOCHS))
    best = [value.copy() for value in adam.values]
    lowest, since = np.full(len(divided), np.inf), np.zeros(len(divided), np.int64)
    for _ in range(epochs):
        order = np.stack([rng.permutation(part.fit)[:n_fit] for part in divided])
        for at in range(n_steps):
            taken = order[:, at * size : (at + 1) * size]
            adam.move(_slopes(adam.values, matrix[taken], lesson, taken, float(params["dropout"]), rng))
        found = np.array([_told(adam.values, k, matrix, lesson, part.aside) for k, part in enumerate(divided)])
        better = found < lowest - 1e-6
        since = np.where(better, 0, since + 1)
        lowest = np.where(better, found, lowest)
        for value, kept in zip(adam.values, best, strict=True):
            kept[better] = value[better]
        if since.min() >= int(params["patience"]):
            break
    return best


def _slopes(
    values: Sequence[Floats],
    matrix: Floats,
    lesson: Lesson,
    taken: npt.NDArray[np.int64],
    dropout: float,
    rng: np.random.Generator,
) -> list[Floats]:
    """Return the loss's slope in every weight and bias, on one mini-batch for each network."""
    inputs, masks = [matrix], []
    for i in range(0, len(values), 2):
        out = inputs[-1] @ values[i] + values[i + 1]
        if i + 2 < len(values):
            mask = (out > 0) & (rng.random(out.shape, dtype=np.float32) >= dropout)
            masks.append(mask * np.float32(1 / (1 - dropout)))
            inputs.append(out * masks[-1])
    wanted = lesson.wanted[taken]
    error = _error(out, wanted, lesson.loss) * (lesson.weights[taken] / np.float32(taken.shape[1]))[..., None]
    slopes: list[Floats] = []
    for i in range(len(values) - 2, -1, -2):
        slopes[:0] = [inputs[i // 2].swapaxes(1, 2) @ error, error.sum(axis=1, keepdims=True)]
        if i:
            error = (error @ values[i].swapaxes(1, 2)) * masks[i // 2 - 1]
    return slopes


def _error(out: Floats, wanted: Floats, loss: str) -> Floats:
    """Return the loss's slope in the output; the absolute one is rounded off near 0."""
    if loss == "log":
        return np.asarray(softmax(out) - wanted)
    return np.asarray(np.tanh((out - wanted) / np.float32(0.05)) if loss == "absolute" else out - wanted)


def _told(values: Sequence[Floats], k: int, matrix: Floats, lesson: Lesson, rows: npt.NDArray[np.int64]) -> float:
    """Return network k's mean loss on some rows, 0 on none."""
    if not len(rows):
        return 0.0
    out = matrix[rows]
    for i in range(0, len(values), 2):
        out = out @ values[i][k] + values[i + 1][k]
        if i + 2 < len(values):
            out = np.maximum(out, 0)
    wanted, weights = lesson.wanted[rows], lesson.weights[rows]
    if lesson.loss == "log":
        each = -np.log(np.maximum((softmax(out) * wanted).sum(axis=1), 1e-7))
    else:
        gap = (out - wanted)[:, 0]
        each = np.abs(gap) if lesson.loss == "absolute" else gap * gap
    return float((each * weights).sum() / weights.sum())

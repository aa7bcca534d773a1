"""One row alone, in plain Python: most of what numpy takes for one row is the making of small arrays.

For 34 columns a linear model takes 4 µs where arrays take 23, and 100 trees 7 µs where arrays take 19, see
benchmarks/serve/online. Sums are not made in the order of a matrix product: a linear score differs in its last digits,
by less than 1e-12 of its terms. Numbers are finite, as the service checks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp
from typing import Any

import numpy as np

from cauce.tasks.tabular.boosting import NEVER, Boosting
from cauce.tasks.tabular.encode import UNSEEN, Encoder
from cauce.tasks.tabular.linear import Linear
from cauce.tasks.tabular.online import One, Row, cells_of
from cauce.tasks.tabular.single_rows import Trees

STEEP = 1e90
"""A number that varies this much may be cut before its scaling, which is not done here."""


def by_line(encoder: Encoder, model: Linear) -> One | None:
    """Return a linear model's way; None for several outputs, texts and numbers near the largest."""
    design = model.design
    if model.solution.coefficients.shape[1] > 1 or encoder.texts or design.scale.max(initial=0.0) > STEEP:
        return None
    score = _score_of(encoder, model)
    if not model.classify:
        return lambda row: [score(row)]

    def shares(row: Row) -> list[float]:
        # as `linear.probabilities`
        found = score(row)
        top = max(found, 0.0)
        first, second = exp(-top), exp(found - top)
        whole = first + second
        return [first / whole, second / whole]

    return shares


def _score_of(encoder: Encoder, model: Linear) -> Callable[[Row], float]:
    design, furthest, start = model.design, model.design.furthest, float(model.solution.intercept[0])
    numbers, missing, *one_hot = np.split(model.solution.coefficients[:, 0], np.cumsum(design.widths)[:-1])
    weights, gone = np.zeros(len(design.mean)), np.zeros(len(design.mean))
    weights[design.used], gone[design.indicator] = numbers, missing
    scales = np.where(design.scale > 0, design.scale, 1.0)
    terms = list(zip(design.mean.tolist(), scales.tolist(), weights.tolist(), gone.tolist(), strict=True))
    # level → coefficient; the last two are for unseen and missing ones, and a level without one adds 0
    by_level = [np.append(part, 0.0)[slot].tolist() for part, slot in zip(one_hot, design.slots, strict=True)]
    cycles = [(j, start) for j, (count, start) in enumerate(zip(design.cycles, design.starts, strict=True)) if count]
    turns = [(j, first, table) for (j, first), table in zip(cycles, by_level, strict=False)]
    names = encoder.schema.names
    levels = [
        (names.index(name), encoder.known[name], table)
        for name, table in zip(encoder.categories, by_level[len(cycles) :], strict=True)
    ]
    cells = cells_of(encoder)

    def score(row: Row) -> float:
        total, values = start, cells(row)
        for value, (mean, scale, weight, absent) in zip(values, terms, strict=True):
            if value is None:
                total += absent
                continue
            z = (value - mean) / scale
            total += weight * (z if -furthest <= z <= furthest else furthest if z > 0 else -furthest)
        for j, first, table in turns:
            total += table[-1 if values[j] is None else values[j] - first]
        for place, known, table in levels:
            total += table[known.get(row[place], UNSEEN)]
        return total

    return score


def by_trees(encoder: Encoder, trees: Trees) -> One | None:
    """Return the trees' way; None for texts, and where LightGBM has no call for one row."""
    model = trees.model
    if trees.one is None or encoder.texts:
        return None
    ask, cells, names = trees.one, cells_of(encoder), encoder.schema.names
    columns = [
        (names.index(name), encoder.known[name], _cells_of_levels(len(levels), table))
        for (name, levels), table in zip(encoder.levels.items(), model.tables, strict=True)
    ]
    answer = _answer(model)

    def one(row: Row) -> list[float]:
        values = list(cells(row))
        for place, known, by_level in columns:
            values += by_level[known.get(row[place], UNSEEN)]
        return answer(ask(values))

    return one


def _cells_of_levels(n_levels: int, table: Any) -> list[Sequence[float]]:
    """Return what the booster's matrix has for each level, unseen and missing ones last."""
    if table is None:
        return [*((float(code),) for code in range(n_levels)), (np.nan,), (np.nan,)]
    found: list[Sequence[float]] = table.tolist()
    return found


def _answer(model: Boosting) -> Callable[[list[float]], list[float]]:
    """Return `Boosting.answers` for one row."""
    scale, centre = model.scale, model.centre
    if not model.classify:
        return lambda found: [found[0] * scale + centre]
    if not model.shares_of_means:
        return lambda found: found if len(found) > 1 else [1 - found[0], found[0]]

    def shares(found: list[float]) -> list[float]:
        means = [value * scale + centre for value in found]
        means = means if len(means) > 1 else [1 - means[0], means[0]]
        raised = [min(max(mean, 0.0), 1.0) + NEVER / len(means) for mean in means]
        whole = sum(raised)
        return [share / whole for share in raised]

    return shares

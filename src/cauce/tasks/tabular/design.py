"""The linear rung's design matrix: standardised numbers, missing indicators, one-hot categories, TF-IDF of texts.

Rare categories are pooled. Months, weekdays and hours are one-hot too, since nothing about them is a straight line. The
matrix stays sparse; at prediction no matrix is made at all, coefficients are looked up by category.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from cauce.tasks.tabular.encode import MISSING, UNSEEN, Encoded, Encoder

CYCLES = {"month": (1, 12), "weekday": (0, 7), "hour": (0, 24)}
"""Date part → its first value and how many there are."""
RARE = 10
"""Levels seen less often are pooled; fewer on small data."""
MOST_LEVELS = 2000
"""Levels of one column with a coefficient of their own."""
FURTHEST = 20.0
"""Standardised numbers are cut here: a straight line should not run off with one outlier."""
TEXT_SCALE = 3.0
"""A text's row of length 1 is made this long: a penalty that suits standardised numbers would bind it too much."""
MOST_STRAIGHT = 1_000_000
"""Numbers up to which coefficients are kept by level, and not by slot: one look-up less."""
NONE = -1
"""The slot of a level without a coefficient."""


@dataclass(frozen=True, eq=False)
class Design:
    """What turns `Encoded` rows into design columns: numbers, missing indicators, a block per category and per text."""

    mean: npt.NDArray[np.float64]
    """Shape (n_numbers,)."""
    scale: npt.NDArray[np.float64]
    """Standard deviation, shape (n_numbers,); 0 leaves the number out."""
    indicator: npt.NDArray[np.bool_]
    """Whether a missing indicator is made, shape (n_numbers,)."""
    cycles: tuple[int, ...]
    """For each number the count of its values when it is one-hot, else 0."""
    starts: tuple[int, ...]
    """For each number the first value of its cycle, else 0."""
    slots: tuple[npt.NDArray[np.int64], ...]
    """For each one-hot source (cycles, then categories): level → column within its block, or `NONE`. The last two
    entries are for unseen and missing values, which `UNSEEN` and `MISSING` reach as negative indices."""
    texts: tuple[int, ...] = ()
    """Grams of each text."""
    furthest: float = FURTHEST
    """Where standardised numbers are cut."""

    @cached_property
    def used(self) -> npt.NDArray[np.int64]:
        """Numbers that are standardised columns."""
        return np.flatnonzero(self.scale > 0)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Columns of each block: numbers, indicators, then the one-hot sources, then the texts."""
        one_hot = (int(slot.max(initial=NONE)) + 1 for slot in self.slots)
        return (len(self.used), int(self.indicator.sum()), *one_hot, *self.texts)

    def sources(self, rows: Encoded) -> list[npt.NDArray[np.int64]]:
        """Give the level codes of every one-hot source."""
        return _sources(rows, self.cycles, self.starts)

    @cached_property
    def _scaling(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        return self.mean[self.used], self.scale[self.used]

    def standardised(self, rows: Encoded) -> npt.NDArray[np.float64]:
        """Give the numbers used, mean 0 and deviation 1, missing ones 0, shape (n_rows, n_used)."""
        mean, scale = self._scaling
        z = rows.numbers - mean if len(mean) == rows.numbers.shape[1] else rows.numbers[:, self.used] - mean
        z /= scale
        # For one row three times as fast as np.nan_to_num and np.clip, which are Python around such calls.
        np.copyto(z, 0.0, where=np.isnan(z))
        return np.minimum(np.maximum(z, -self.furthest, out=z), self.furthest, out=z)

    def matrix(self, rows: Encoded, precision: type[np.floating[Any]] = np.float64) -> Any:
        """Give the design matrix, shape (n_rows, sum of widths): CSR, dense where nothing is one-hot or a text."""
        from scipy import sparse

        dense = np.hstack([self.standardised(rows), np.isnan(rows.numbers[:, self.indicator]).astype(np.float64)])
        if not sum(self.widths[2:]):
            return dense.astype(precision, copy=False)
        blocks = [sparse.csr_matrix(dense, dtype=precision)]
        for slot, code, width in zip(self.slots, self.sources(rows), self.widths[2:], strict=False):
            at = slot[code]
            row = np.flatnonzero(at != NONE)
            blocks.append(sparse.csr_matrix((np.ones(len(row), precision), (row, at[row])), (len(at), width)))
        return sparse.hstack([*blocks, *(text * TEXT_SCALE for text in rows.texts)], format="csr")

    def spread(self, rows: Encoded, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Give the standard deviation of every design column over some rows."""
        matrix = self.matrix(rows)
        total = weights.sum()
        mean = np.asarray(weights @ matrix).ravel() / total
        square = np.asarray(weights @ (matrix.power(2) if hasattr(matrix, "power") else matrix**2)).ravel() / total
        spread: npt.NDArray[np.float64] = np.sqrt(np.maximum(square - mean**2, 0.0))
        return spread

    def owners(self, encoder: Encoder) -> list[str]:
        """Name the input column of every design column."""
        features = encoder.features
        names = [features[i].column for i in self.used]
        names += [features[i].column for i in np.flatnonzero(self.indicator)]
        sources = [features[i].column for i, count in enumerate(self.cycles) if count]
        sources += [*encoder.categories, *(encoder.texts if self.texts else ())]
        for name, width in zip(sources, self.widths[2:], strict=True):
            names += [name] * width
        return names


class Lookup:
    """Coefficients by category, made once: rows → matrix @ coefficients without the matrix."""

    def __init__(self, design: Design, coefficients: npt.NDArray[np.float64]) -> None:
        self.design = design
        self._numbers, self._missing, *parts = np.split(coefficients, np.cumsum(design.widths)[:-1])
        one_hot, self._texts = parts[: len(design.slots)], parts[len(design.slots) :]
        self._tables: list[tuple[npt.NDArray[np.int64] | None, npt.NDArray[np.float64]]] = []
        for slot, part in zip(design.slots, one_hot, strict=True):
            table = np.vstack([part, np.zeros(part.shape[1])])  # `NONE`, an index of −1, reaches the row of zeros
            straight = len(slot) * part.shape[1] <= MOST_STRAIGHT
            self._tables.append((None, table[slot]) if straight else (slot, table))

    def __call__(self, rows: Encoded) -> npt.NDArray[np.float64]:
        """Give shape (n_rows, n_outputs)."""
        design = self.design
        total: npt.NDArray[np.float64] = design.standardised(rows) @ self._numbers
        if design.widths[1]:
            total += np.isnan(rows.numbers[:, design.indicator]) @ self._missing
        for code, (slot, table) in zip(design.sources(rows), self._tables, strict=True):
            total += table.take(code if slot is None else slot.take(code), axis=0)
        for text, part in zip(rows.texts, self._texts, strict=True):
            total += text @ part * TEXT_SCALE
        return total


def fit_design(encoder: Encoder, rows: Encoded, weights: npt.NDArray[np.float64]) -> Design:
    """Fit means, deviations and the levels that get a column of their own."""
    spans = [CYCLES.get(feature.part, (0, 0)) for feature in encoder.features]
    cycles, starts = tuple(count for _, count in spans), tuple(start for start, _ in spans)
    mean, scale, indicator = _moments(rows.numbers, weights)
    one_hot = np.array(cycles, np.int64) > 0
    scale[one_hot], indicator[one_hot] = 0.0, False
    sizes = [count for count in cycles if count] + [len(levels) for levels in encoder.levels.values()]
    rare = min(float(RARE), max(2.0, weights.sum() / 100))
    sources = _sources(rows, cycles, starts)
    slots = tuple(_slots(code, size, weights, rare) for code, size in zip(sources, sizes, strict=True))
    texts = tuple(int(text.shape[1]) for text in rows.texts)
    return Design(mean, scale, indicator, cycles, starts, slots, texts)


def _moments(
    numbers: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    mean, scale = np.zeros(numbers.shape[1]), np.zeros(numbers.shape[1])
    indicator = np.zeros(numbers.shape[1], bool)
    for j, values in enumerate(numbers.T):
        there = ~np.isnan(values)
        indicator[j] = 0 < there.sum() < len(values)
        if there.any() and np.ptp(values[there]) > 0:
            mean[j] = np.average(values[there], weights=weights[there])
            scale[j] = np.sqrt(np.average((values[there] - mean[j]) ** 2, weights=weights[there]))
    return mean, scale, indicator


def _sources(rows: Encoded, cycles: tuple[int, ...], starts: tuple[int, ...]) -> list[npt.NDArray[np.int64]]:
    found = []
    for j, count in enumerate(cycles):
        if count:
            values = rows.numbers[:, j]
            found.append(np.where(np.isnan(values), MISSING, values - starts[j]).astype(np.int64))
    return found + list(rows.codes.T.astype(np.int64))


def _slots(
    code: npt.NDArray[np.int64], size: int, weights: npt.NDArray[np.float64], rare: float
) -> npt.NDArray[np.int64]:
    """Number the levels that are frequent enough; the rest, with unseen ones, share the last column but one."""
    seen = np.bincount(code[code >= 0], weights[code >= 0], size)
    own = seen >= rare
    if own.sum() > MOST_LEVELS:
        own[np.argsort(-seen, kind="stable")[MOST_LEVELS:]] = False
    pooled, missing = seen[~own].sum() + weights[code == UNSEEN].sum(), weights[code == MISSING].sum()
    slots = np.full(size + 2, NONE, np.int64)
    slots[:size][own] = np.arange(own.sum())
    width = int(own.sum())
    if pooled > 0:
        slots[:size][~own] = slots[UNSEEN] = width
        width += 1
    if missing > 0:
        slots[MISSING] = width
    return slots

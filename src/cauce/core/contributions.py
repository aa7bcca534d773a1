"""What each input column adds to a model's score for one row, and the way to it that any model allows.

A model that knows its own contributions gives them itself (`SupportsContributions`); every other one is asked: Shapley
values by permutation sampling, with their standard errors. Nothing here says why the world is as it is: a contribution
says what the model did with a value, not what would happen if somebody changed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import LEAST_PROBABILITY, Schema
from cauce.core.protocols import Fitted

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]
Scale = Literal["unit", "log-odds", "log-share", "share"]
"""``unit``: the target's own; ``log-odds``: of the second of two classes; ``log-share``: one score a class, and their
softmax are the probabilities; ``share``: a forest's mean vote for the second of two classes, or for each class."""
Method = Literal["none", "coefficients", "trees", "sampling"]
"""How they were found: there are none; coefficient × distance from the reference; TreeSHAP; sampled permutations."""
PAIRS = 64
"""Pairs of permutations a row, each the other's reverse."""
BACKGROUND = 64
"""Reference rows that are enough: more make the base surer, not the contributions."""


@dataclass(frozen=True, eq=False)
class Contributions:
    """What each column adds to each score: ``base + values.sum(axis=2)`` is ``score``."""

    columns: tuple[str, ...]
    values: Floats
    """Shape (n_rows, n_scores, n_columns). One score for regress and for two classes, else one a class."""
    base: Floats
    """The score of no row in particular, shape (n_rows, n_scores)."""
    score: Floats
    """Shape (n_rows, n_scores)."""
    scale: Scale
    method: Method
    error: Floats | None = None
    """Standard errors of `values`, same shape; None where they are exact."""
    computed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Column that a row function computes → the columns of a request that it is computed from."""
    repaired: bool = False
    """Whether the model repairs its probabilities after this score: a rising curve on top of it."""


@runtime_checkable
class SupportsContributions(Protocol):
    """A `Fitted` that knows what each column adds."""

    def contributions(self, table: pa.Table, background: pa.Table | None = None) -> Contributions:
        """Give what each input column adds to the score of every row.

        Parameters
        ----------
        table
            Raw rows, as `Fitted.predict` takes them.
        background
            Reference rows, as raw: what contributions are measured against where the model does not bring its own
            reference. UserError where one is needed and there is none.
        """


def contributions_of(fitted: Fitted, table: pa.Table, background: pa.Table | None = None) -> Contributions:
    """Return what each column adds, by the model's own way or else by sampling.

    Raises
    ------
    ValueError
        The model has no way of its own, and there are no reference rows.
    """
    if isinstance(fitted, SupportsContributions):
        return fitted.contributions(table, background)
    return sampled(fitted, table, background)


def scores(fitted: Fitted, table: pa.Table) -> tuple[Floats, Scale]:
    """Return a model's predictions as scores that add up, shape (n_rows, n_scores), and their scale."""
    predicted = fitted.predict(table)
    if not fitted.classes:
        return predicted["prediction"].to_numpy().astype(np.float64)[:, None], "unit"
    shares = np.column_stack([predicted[f"prob_{label}"].to_numpy() for label in fitted.classes])
    logs = np.log(np.maximum(shares, LEAST_PROBABILITY))
    if logs.shape[1] == 2:
        return logs[:, 1:] - logs[:, :1], "log-odds"
    return logs, "log-share"


def sampled(
    fitted: Fitted,
    table: pa.Table,
    background: pa.Table | None,
    *,
    pairs: int = PAIRS,
    rng: np.random.Generator | None = None,
) -> Contributions:
    """Estimate every column's Shapley value by permutations of the columns.

    A permutation turns a reference row into the row, one column after the other; what the score moves by at a column's
    turn is a draw of its contribution. Every permutation goes with its reverse (antithetic), and every reference row is
    used as often, so that the sum of a row's contributions is its score less the mean score of the reference, exactly.

    The method is Strumbelj and Kononenko, "Explaining prediction models and individual predictions with feature
    contributions", KAIS 2014, antithetic as in Mitchell et al., "Sampling permutations for Shapley value estimation",
    JMLR 2022. The reference is drawn independently of the row's other columns (interventional): columns that go
    together are taken apart, which may ask the model about rows that do not exist.

    Parameters
    ----------
    pairs
        Of permutations a row, raised to a multiple of the reference rows.
    rng
        Draws the permutations; seeded with 0 when absent.

    Returns
    -------
    Contributions
        With standard errors against what all rows, of which the reference rows are a draw, would give: over reference
        rows, so both kinds of luck are in them. Cost: 2 · pairs · (n_columns + 1) predictions a row.

    Raises
    ------
    ValueError
        No reference rows.
    """
    if background is None or not background.num_rows:
        raise ValueError("sampling needs reference rows")
    names = _columns(fitted.schema)
    rng = np.random.default_rng(0) if rng is None else rng
    background = background.select(names).slice(0, BACKGROUND)
    pairs = -(-pairs // background.num_rows) * background.num_rows
    found, errors, base, own = [], [], [], []
    scale: Scale = "unit"
    for at in range(table.num_rows):
        values, error, ends, scale = _one(fitted, table.select(names).slice(at, 1), background, pairs, rng)
        found.append(values)
        errors.append(error)
        base.append(ends[0])
        own.append(ends[1])
    if not found:
        base_scores, scale = scores(fitted, background)
        empty = np.empty((0, base_scores.shape[1], len(names)))
        return Contributions(tuple(names), empty, empty[:, :, 0], empty[:, :, 0], scale, "sampling", empty)
    return Contributions(
        tuple(names), np.stack(found), np.stack(base), np.stack(own), scale, "sampling", np.stack(errors)
    )


def _columns(schema: Schema) -> list[str]:
    return list(schema.names)


def _one(
    fitted: Fitted, row: pa.Table, background: pa.Table, pairs: int, rng: np.random.Generator
) -> tuple[Floats, Floats, tuple[Floats, Floats], Scale]:
    """Return one row's contributions and their errors, shape (n_scores, n_columns), its base and its score."""
    import pyarrow as pa

    n_columns, n_reference = len(row.column_names), background.num_rows
    forward = np.array([rng.permutation(n_columns) for _ in range(pairs)]).reshape(pairs, n_columns)
    orders = np.concatenate([forward, forward[:, ::-1]])
    turn = np.argsort(orders, axis=1)  # the step at which each column is taken from the row
    steps = np.arange(n_columns + 1)
    # (permutation, step) → for each column: the reference row, or the row itself, which stands behind them
    reference = np.tile(np.arange(pairs) % n_reference, 2)
    taken = turn[:, None, :] < steps[None, :, None]
    index = np.where(taken, n_reference, reference[:, None, None]).reshape(-1, n_columns)
    stacked = pa.concat_tables([background, row.cast(background.schema)]).combine_chunks()
    mixed = pa.table({name: stacked[name].take(pa.array(index[:, j])) for j, name in enumerate(stacked.column_names)})
    said, scale = scores(fitted, mixed)
    walk = said.reshape(2 * pairs, n_columns + 1, -1)
    moves = np.diff(walk, axis=1)  # shape (permutation, step, score)
    by_column = np.take_along_axis(moves, turn[:, :, None], axis=1)
    paired = (by_column[:pairs] + by_column[pairs:]) / 2
    by_reference = paired.reshape(-1, n_reference, *paired.shape[1:]).mean(axis=0)
    spread = by_reference.std(axis=0, ddof=1) if n_reference > 1 else np.full(paired.shape[1:], np.nan)
    error = spread / np.sqrt(n_reference)
    base, own = walk[:, 0].mean(axis=0), walk[0, -1]
    return paired.mean(axis=0).T, error.T, (base, own), scale


def towards(contributions: Contributions, said: npt.NDArray[np.int64]) -> Contributions:
    """Return each row's contributions to one class: its log-odds, its score against the mean of all, or its share.

    Parameters
    ----------
    said
        The class of each row, as its place among the classes, shape (n_rows,); 0 for regress.

    Returns
    -------
    Contributions
        With one score. Of several classes the standard errors are those before the mean of all was taken off.
    """
    scale, n_scores = contributions.scale, contributions.values.shape[1]
    if scale == "unit":
        return contributions
    if n_scores == 1:
        sign = np.where(said == 1, 1.0, -1.0)
        shift = np.where(said == 1, 0.0, 1.0)[:, None] if scale == "share" else 0.0
        return replace(
            contributions,
            values=contributions.values * sign[:, None, None],
            base=contributions.base * sign[:, None] + shift,
            score=contributions.score * sign[:, None] + shift,
        )
    rows, error = np.arange(len(said)), contributions.error

    def one(values: Floats) -> Floats:
        centre = 0.0 if scale == "share" else values.mean(axis=1)
        return np.asarray((values[rows, said] - centre)[:, None])

    return replace(
        contributions,
        values=one(contributions.values),
        base=one(contributions.base),
        score=one(contributions.score),
        error=None if error is None else error[rows, said][:, None],
    )

"""The record of why a loss or the predictions changed, and of what one prediction came from. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cauce.core.findings import Words

Cause = Literal["mix", "relation", "everywhere"]
"""``mix``: there are more or fewer rows of a kind. ``relation``: rows of one kind fare otherwise than before.
``everywhere``: what is left, on rows of every kind alike."""


@dataclass(frozen=True)
class Segment:
    """Rows of one kind in both samples."""

    label: Words
    share: tuple[float, float]
    """Of the rows, before and after, 0 to 1."""
    mean: tuple[float | None, float | None]
    """Mean of what changed (loss or prediction), before and after; None where there are no such rows."""
    amount: float
    """What the segment adds to the change, in units of what changed."""
    interval: tuple[float, float] | None
    """Of `amount`; None where it cannot be told."""
    proven: bool
    """Whether the segment moved it otherwise than the other segments did, with many segments looked at."""


@dataclass(frozen=True)
class Part:
    """A part of the change, by one cause."""

    cause: Cause
    column: str | None
    """None where no column tells rows apart by it."""
    amount: float
    """In units of what changed; the parts sum to the whole change."""
    interval: tuple[float, float]
    proven: bool
    """Whether chance would seldom bring it, with many columns looked at."""
    segments: tuple[Segment, ...] = ()
    """Largest first; their amounts sum to the part's where the cause is ``mix``."""


@dataclass(frozen=True)
class ColumnWeight:
    """One column alone, as if no other were there."""

    column: str
    mix: float
    """What the mix of its segments explains of the change."""
    relation: float
    """The rest: `mix + relation` is the change."""
    p_mix: float
    """How often chance alone would bring as much, before multiplicity."""
    p_relation: float
    """Of the segment that stands out most, counted for the column's segments."""


@dataclass(frozen=True)
class Change:
    """Why one figure changed between two samples."""

    figure: str
    """``loss``, ``prediction``, or a class: the mean probability of it."""
    before: float
    after: float
    interval: tuple[float, float]
    """Of `after - before`."""
    n_before: int
    n_after: int
    proven: bool
    """Whether the interval holds no 0."""
    parts: tuple[Part, ...]
    columns: tuple[ColumnWeight, ...]
    """Most telling first."""
    reason: Words


@dataclass(frozen=True)
class RowChange:
    """A row that moved the loss or its prediction."""

    unit: str
    loss: tuple[float | None, float | None]
    """Before and after; None where it is in one sample only, or has no truth."""
    prediction: tuple[str | float | None, str | float | None]
    by: tuple[tuple[str, float], ...] = ()
    """Column → how much more it adds now, largest first; empty where it cannot be told."""


@dataclass(frozen=True)
class Why:
    """Why a model's loss and predictions differ between two stretches of time, or two releases on the same rows."""

    model: str
    kind: Literal["windows", "releases"]
    names: tuple[str, str]
    """Before and after."""
    loss: Change | None
    """None where too few truths came."""
    predictions: tuple[Change, ...]
    rows: tuple[RowChange, ...]
    rows_share: float | None
    """The share of the later loss (windows), or of all absolute changes (releases), that is in those rows."""
    untold: tuple[Words, ...]
    """What cannot be told, and why."""
    skipped: Mapping[str, Words]
    """Column → why it is not looked at."""


@dataclass(frozen=True)
class Added:
    """What one column added."""

    column: str
    value: str | float | None
    """As the row has it; None where it is missing."""
    amount: float
    error: float | None
    """Standard error; None where exact."""
    made_of: tuple[str, ...] = ()
    """The columns of the request that a row function computes it from."""


@dataclass(frozen=True)
class PredictionWhy:
    """One prediction: what each column added to its score."""

    model: str
    version: int
    prediction: str | float
    share: float | None
    """Probability of the class said; None for a number."""
    scale: Literal["unit", "log-odds", "log-share", "share"]
    method: Literal["none", "coefficients", "trees", "sampling"]
    base: float
    score: float
    """`base` + the amounts."""
    added: tuple[Added, ...]
    """Largest first."""
    repaired: bool
    n_reference: int
    """Rows of the training data that it was measured against; 0 where none were needed."""
    untold: tuple[Words, ...]
    reason: Words
    prediction_id: str | None = None
    differs: bool = False
    """Whether the release says otherwise now than the ledger has it: then the inputs are not all there."""

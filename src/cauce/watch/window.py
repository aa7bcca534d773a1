"""A stretch of the ledger, counted, and what training said about the same things: all that a look may know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.watch.drift.counts import Counts

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.core.artefacts import JointDrift, Signal
    from cauce.profile import Bins
    from cauce.watch.truths.labels import TruthsView

OUTPUT = "prediction"
"""The column that counts what the model answered."""


class Evidence(NamedTuple):
    """Running evidence that a stream of rows is not what training said, and where it rules chance out."""

    log: float
    """Natural logarithm; may be looked at at any time (`alarms.py`)."""
    limit: float
    """Natural logarithm from which chance is ruled out, the multiplicity of columns included."""

    @property
    def enough(self) -> bool:
        """Whether chance is ruled out."""
        return self.log >= self.limit


@dataclass(frozen=True, eq=False)
class Window:
    """A stretch of the ledger, counted, and what training said about the same things."""

    model: str
    version: int
    counts: Mapping[str, Counts]
    """Input column, and ``prediction``, → counts per bin in the window, shape (n_bins,)."""
    reference: Mapping[str, Counts]
    """The same bins counted at training; ``prediction`` on the units set aside."""
    bins: Bins
    n_predictions: int
    first: datetime | None
    last: datetime | None
    held_out_losses: npt.NDArray[np.float64]
    """Losses at training, shape (n_held_out,)."""
    realised_losses: npt.NDArray[np.float64]
    """Losses of the window's rows whose truths came, shape (n_truths,); may be empty."""
    n_labelled: int
    """Labelled ledger rows since the champion was trained."""
    margin: float
    """Smallest rise of the loss that matters, relative to the mean held-out loss."""
    changes: tuple[str, ...] = ()
    """Column changes of a newer snapshot, as in `core.artefacts.Snapshot`."""
    importance: Mapping[str, float] = field(default_factory=dict)
    """Input column → share of the model's use of it: orders the signals."""
    outside: Mapping[str, int] = field(default_factory=dict)
    """Number column → values in the window outside training's range, as `count_outside` gives; none when absent."""
    target: str | None = None
    """The model's target; where None, every column that is gone or retyped alarms."""
    evidence: Mapping[str, Evidence] | None = None
    """Stream (``drift:age``, ``missing:age`` …) → running evidence over all rows of the release; None where nobody
    keeps it: then each window is tested alone, which holds its error for one look, not for many."""
    rows: pa.Table | None = None
    """The window's rows: tell where a drift comes from, and whether a unit changed; not told when absent."""
    joint: JointDrift | None = None
    """What a classifier saw in all columns together, where it was asked."""
    joint_alarm: bool = False
    """Whether chance is ruled out for it."""
    truths: TruthsView | None = None
    """More of truths, and what to expect without them; None: the losses above are all that is known."""
    partitions: tuple[Signal, ...] = ()
    """Of frequent values that no row has any more (`drift/silence.py`)."""
    sources: bool = True
    """Whether to look for the part of the window that a drift comes from: words for people, which decide nothing."""
    squared: bool = False
    """Whether the losses are squared errors: sentences then give the roots of their means too."""

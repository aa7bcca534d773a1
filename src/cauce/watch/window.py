"""A stretch of the ledger, counted, and what training said about the same things: all that a look may know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.watch.counts import Counts

if TYPE_CHECKING:
    from cauce.profile import Bins
    from cauce.watch.labels import TruthsView

OUTPUT = "prediction"
"""The column that counts what the model answered."""


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
    truths: TruthsView | None = None
    """More of truths, and what to expect without them; None: the losses above are all that is known."""

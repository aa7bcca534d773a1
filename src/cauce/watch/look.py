"""One look at one model: a window of the ledger in, everything that the detectors saw out. Concludes nothing more.

The confidence of `[watch]` is shared: half of what may go wrong to the drift tests, a quarter to data quality and a
quarter to performance. So one look at a stationary model raises any alarm with at most 1 - confidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Comparison, Signal, SignalCode, Watched
from cauce.core.specs import WatchSpec
from cauce.watch import words
from cauce.watch.counts import Counts
from cauce.watch.drift import ColumnDrift, measure
from cauce.watch.performance import compare_losses, performance_signal
from cauce.watch.quality import quality_signals, schema_signals, shares

if TYPE_CHECKING:
    from cauce.profile import Bins

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


def look(window: Window, spec: WatchSpec, *, now: datetime) -> Watched:
    """Return what the detectors saw in `window`.

    Signals come with the alarming ones first, then by the column's importance to the model, then by value. Below
    `spec.min_rows` predictions nothing is said of drift, below `spec.min_rows` truths nothing of performance; a
    signal says so. A changed schema is told at any size.

    Parameters
    ----------
    window
        What was served, counted in the bins of training.
    spec
        `[watch]`.
    now
        When the look happens, with a zone.
    """
    risk = 1 - spec.confidence
    signals = schema_signals(window.changes, _used(window))
    signals += _population(window, spec, risk)
    realised, said = _performance(window, spec, risk)
    return Watched(
        model=window.model,
        version=window.version,
        at=now,
        n_predictions=window.n_predictions,
        n_truths=len(window.realised_losses),
        n_labelled=window.n_labelled,
        first=window.first,
        last=window.last,
        expected_loss=_mean(window.held_out_losses) or 0.0,
        realised_loss=_mean(window.realised_losses),
        realised=realised,
        signals=tuple(sorted([*signals, said], key=lambda signal: _order(signal, window.importance))),
    )


def _used(window: Window) -> frozenset[str] | None:
    if window.target is None:
        return None
    return frozenset(window.reference) - {OUTPUT} | {window.target}


def _mean(losses: npt.NDArray[np.float64]) -> float | None:
    return float(np.mean(losses)) if len(losses) else None


def _order(signal: Signal, importance: Mapping[str, float]) -> tuple[bool, float, float, str]:
    """Sort key: a signal of the whole model weighs more than any column's."""
    weight = 1.0 if signal.column in {None, OUTPUT} else importance.get(str(signal.column), 0.0)
    return not signal.alarming, -weight, -signal.value, str(signal.column)


def _population(window: Window, spec: WatchSpec, risk: float) -> list[Signal]:
    """Return the signals of drift and data quality, or the one that says that rows are too few."""
    if window.n_predictions < spec.min_rows:
        detail = words.too_few_predictions(window.n_predictions, spec.min_rows)
        return [Signal("drift", None, float(window.n_predictions), float(spec.min_rows), False, detail)]
    labels = {name: window.bins.labels(name) for name in window.reference}
    confidence = 1 - risk / 2
    drifts = measure(window.reference, window.counts, labels, threshold=spec.drift, confidence=confidence)
    inputs = {name: window.bins.columns[name] for name in window.reference if name != OUTPUT}
    found = shares(inputs, window.reference, window.counts, window.outside)
    quality = quality_signals(found, confidence=1 - risk / 4)
    return [_drift_signal(each, spec) for each in drifts] + quality


def _drift_signal(found: ColumnDrift, spec: WatchSpec) -> Signal:
    output = found.column == OUTPUT
    detail = words.drift(found, output=output, threshold=spec.drift, confidence=spec.confidence)
    code: SignalCode = "output_drift" if output else "drift"
    return Signal(code, found.column, found.psi, spec.drift, found.drifted, detail)


def _performance(window: Window, spec: WatchSpec, risk: float) -> tuple[Comparison | None, Signal]:
    n_truths = len(window.realised_losses)
    if n_truths < spec.min_rows or len(window.held_out_losses) < 2:
        detail = words.too_few_truths(n_truths, spec.min_rows)
        return None, Signal("performance", None, float(n_truths), float(spec.min_rows), False, detail)
    comparison = compare_losses(
        window.realised_losses, window.held_out_losses, margin=window.margin, confidence=1 - risk / 4
    )
    return comparison, performance_signal(comparison, n_truths)

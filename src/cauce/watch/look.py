"""One look at one model: a window of the ledger in, everything that the detectors saw out. Concludes nothing more.

The confidence of `[watch]` is shared: half of what may go wrong to the drift tests, a quarter to data quality and a
quarter to performance. So one look at a stationary model raises any alarm with at most 1 - confidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from cauce.core.artefacts import Signal, Watched
from cauce.core.specs import WatchSpec
from cauce.watch.drift import population
from cauce.watch.truths import performance
from cauce.watch.window import OUTPUT, Window


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
    moved = population.judge(window, spec, risk)
    judged = performance.judge(window, spec, risk)
    signals = [*moved.signals, *window.partitions, *judged.signals]
    return Watched(
        model=window.model,
        version=window.version,
        at=now,
        n_predictions=window.n_predictions,
        n_truths=len(window.realised_losses),
        n_labelled=window.n_labelled,
        first=window.first,
        last=window.last,
        expected_loss=judged.expected_loss,
        realised_loss=judged.realised_loss,
        realised=judged.realised,
        signals=tuple(sorted(signals, key=lambda signal: _order(signal, window.importance))),
        drifts=moved.drifts,
        joint=moved.joint,
        estimate=judged.estimate,
        labels=judged.labels,
        segments=judged.segments,
    )


def _order(signal: Signal, importance: Mapping[str, float]) -> tuple[bool, float, float, str]:
    """Sort key: a signal of the whole model weighs more than any column's."""
    weight = 1.0 if signal.column in {None, OUTPUT} else importance.get(str(signal.column), 0.0)
    return not signal.alarming, -weight, -signal.value, str(signal.column)

"""What changed in the rows that came: columns gone, data broken, population moved."""

from __future__ import annotations

from dataclasses import dataclass

from cauce.core.artefacts import ColumnDrift, JointDrift, Signal, SignalCode
from cauce.core.specs import WatchSpec
from cauce.watch import words
from cauce.watch.drift import measure
from cauce.watch.quality import quality_signals, schema_signals, shares
from cauce.watch.window import OUTPUT, Window


@dataclass(frozen=True)
class Population:
    """What was seen in the rows of a window, whatever their truths."""

    signals: tuple[Signal, ...]
    drifts: tuple[ColumnDrift, ...] = ()
    joint: JointDrift | None = None


def judge(window: Window, spec: WatchSpec, risk: float) -> Population:
    """Return the signals of columns, data quality and drift, or the one that says that rows are too few.

    Parameters
    ----------
    risk
        What may go wrong in the whole look: half of it to drift, a quarter to quality.
    """
    signals = schema_signals(window.changes, _used(window))
    if window.n_predictions < spec.min_rows:
        detail = words.too_few_predictions(window.n_predictions, spec.min_rows)
        few = Signal("drift", None, float(window.n_predictions), float(spec.min_rows), False, detail)
        return Population((*signals, few))
    labels = {name: window.bins.labels(name) for name in window.reference}
    drifts = measure(window.reference, window.counts, labels, threshold=spec.drift, confidence=1 - risk / 2)
    inputs = {name: window.bins.columns[name] for name in window.reference if name != OUTPUT}
    found = shares(inputs, window.reference, window.counts, window.outside)
    quality = quality_signals(found, confidence=1 - risk / 4)
    strongest = sorted(drifts, key=lambda each: (not each.drifted, -each.psi))
    return Population((*signals, *(_drift_signal(each, spec) for each in drifts), *quality), tuple(strongest))


def _used(window: Window) -> frozenset[str] | None:
    if window.target is None:
        return None
    return frozenset(window.reference) - {OUTPUT} | {window.target}


def _drift_signal(found: ColumnDrift, spec: WatchSpec) -> Signal:
    output = found.column == OUTPUT
    detail = words.drift(found, output=output, threshold=spec.drift, confidence=spec.confidence)
    code: SignalCode = "output_drift" if output else "drift"
    return Signal(code, found.column, found.psi, spec.drift, found.drifted, detail)

"""What changed in the rows that came: columns gone, data broken, population moved."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cauce.core.artefacts import ColumnDrift, JointDrift, Signal, SignalCode
from cauce.core.specs import WatchSpec
from cauce.watch import words
from cauce.watch.drift.causes import Unit, numbers_of, source, unit_change
from cauce.watch.drift.quality import quality_signals, schema_signals, shares
from cauce.watch.drift.report import measure
from cauce.watch.window import OUTPUT, Window


@dataclass(frozen=True)
class Population:
    """What was seen in the rows of a window, whatever their truths."""

    signals: tuple[Signal, ...]
    drifts: tuple[ColumnDrift, ...] = ()
    joint: JointDrift | None = None


def judge(window: Window, spec: WatchSpec, risk: float) -> Population:
    """Return the signals of columns, data quality and drift, or the one that says that rows are too few.

    A column whose unit changed, whose values went missing or whose categories nobody knew has a fault, and no drift:
    its `drift` signal does not alarm, so that nothing is retrained on it. What all columns show together alarms where
    no column does.

    Parameters
    ----------
    risk
        What may go wrong: in this look where each window is tested alone, in a day where the window brings running
        evidence. Half of it to drift, a quarter to quality.
    """
    signals = schema_signals(window.changes, _used(window))
    if window.n_predictions < spec.min_rows:
        detail = words.too_few_predictions(window.n_predictions, spec.min_rows)
        few = Signal("drift", None, float(window.n_predictions), float(spec.min_rows), False, detail)
        return Population((*signals, few))
    inputs = {name: window.bins.columns[name] for name in window.reference if name != OUTPUT}
    found = shares(inputs, window.reference, window.counts, window.outside)
    quality = quality_signals(found, confidence=1 - risk / 4, evidence=window.evidence)
    drifts = _drifts(window, spec, risk)
    units = _units(window, drifts, {signal.column for signal in quality if signal.alarming})
    broken = {signal.column for signal in quality if signal.alarming and signal.code == "new_category"} | set(units)
    told = [_drift_signal(each, spec, fault=each.column in broken) for each in drifts]
    changed = [_unit_signal(name, unit, window) for name, unit in units.items()]
    alone = window.joint_alarm and not quality and not any(signal.alarming for signal in (*told, *changed))
    known = window.joint_alarm
    joint = [_joint_signal(window.joint, alarming=alone, proven=known)] if window.joint is not None else []
    strongest = sorted(drifts, key=lambda each: (not each.drifted, -each.psi))
    return Population((*signals, *told, *changed, *quality, *joint), tuple(strongest), window.joint)


def _used(window: Window) -> frozenset[str] | None:
    if window.target is None:
        return None
    return frozenset(window.reference) - {OUTPUT} | {window.target}


def _drifts(window: Window, spec: WatchSpec, risk: float) -> tuple[ColumnDrift, ...]:
    """Return every column's drift, judged by the running evidence where there is some."""
    labels = {name: window.bins.labels(name) for name in window.reference}
    measured = measure(
        window.reference,
        window.counts,
        labels,
        threshold=spec.drift,
        confidence=1 - risk / 2,
        bins=window.bins.columns,
    )
    found = []
    for each in measured:
        known = (window.evidence or {}).get(f"drift:{each.column}")
        drifted = each.drifted if known is None else bool(each.psi >= spec.drift and known.enough)
        logs = (known.log / np.log(10), known.limit / np.log(10)) if known is not None else (0.0, 0.0)
        share = window.importance.get(each.column, 0.0)
        made = replace(each, drifted=drifted, evidence=max(0.0, float(logs[0])), limit=float(logs[1]), importance=share)
        if drifted and window.sources and window.rows is not None and each.column in window.rows.column_names:
            before = window.reference[each.column][:-1]
            made = replace(made, source=source(window.rows, each.column, window.bins, before))
        found.append(made)
    return tuple(found)


def _units(window: Window, drifts: tuple[ColumnDrift, ...], broken: set[str | None]) -> dict[str, Unit]:
    """Return the columns of numbers that moved as a change of unit would move them."""
    found: dict[str, Unit] = {}
    for each in drifts:
        if window.rows is None or each.column == OUTPUT or each.column not in window.rows.column_names:
            continue
        if not each.drifted and each.column not in broken:
            continue
        values = numbers_of(window.rows, each.column)
        unit = unit_change(window.bins.columns[each.column], window.reference[each.column][:-1], values)
        if unit is not None:
            found[each.column] = unit
    return found


def _unit_signal(column: str, unit: Unit, window: Window) -> Signal:
    return Signal("unit_change", column, unit.factor, 1.0, True, words.unit_change(column, unit.name))


def _drift_signal(found: ColumnDrift, spec: WatchSpec, *, fault: bool) -> Signal:
    output = found.column == OUTPUT
    detail = words.drift(found, output=output, threshold=spec.drift, confidence=spec.confidence)
    code: SignalCode = "output_drift" if output else "drift"
    return Signal(code, found.column, found.psi, spec.drift, found.drifted and not fault, detail)


def _joint_signal(found: JointDrift, *, alarming: bool, proven: bool) -> Signal:
    detail = words.joint(found, alarming=alarming, proven=proven)
    return Signal("joint_drift", None, found.auc, 0.5, alarming, detail)

"""What a chosen model lacks: its learning curve, its gap, and remedies tried at once.

A model is fitted on nested parts of two or three folds' training rows. What follows from that is decided in
`conditions.py` and said in `diagnosis_words.py`. A diagnosis costs about as much as fitting the rung on its folds
once or twice; it ends at the deadline with what it knows by then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Candidate, Comparison, CurvePoint, Diagnosis, Gain, Remedy, SelfExpected, TaskSpec
from cauce.core.progress import Progress, silent
from cauce.core.protocols import Task
from cauce.core.spaces import Value
from cauce.evidence import independent, paired
from cauce.evidence.curve import extrapolate
from cauce.select.attempts import Climb
from cauce.select.conditions import ALIKE, conclude
from cauce.select.diagnosis_words import with_words
from cauce.select.folds import Folds, expanding, test_per_train
from cauce.select.nested import nested_parts
from cauce.select.probing import Measured, NotFitted, OutOfTime, Probe, pooled
from cauce.select.remedy import Rule, other_rungs, try_settings

if TYPE_CHECKING:
    import pyarrow as pa

SHARES = (0.5, 0.25, 0.125)
FEWEST_ROWS = 100
"""Rows from which anything is told."""
FEWEST_IN_PART = 20
SMALL = 2_000
"""Rows up to which a third fold is used."""


@dataclass(eq=False)
class _Seen:
    """What was measured, as far as it came."""

    folds: list[int]
    full: dict[int, Measured] = field(default_factory=dict)
    parts: dict[float, list[Measured]] = field(default_factory=dict)
    """Share → one fit for each fold, complete."""
    remedies: list[Remedy] = field(default_factory=list)
    stopped: Literal["time", "interrupted"] | None = None


def diagnose(
    task: Task,
    spec: TaskSpec,
    candidate: Candidate,
    params: Mapping[str, Value],
    table: pa.Table,
    folds: Folds,
    *,
    climb: Climb | None = None,
    margin: float = 0.01,
    confidence: float = 0.95,
    deadline: float | None = None,
    progress: Progress = silent,
    clock: Callable[[], float] = time.monotonic,
) -> Diagnosis:
    """Diagnose a rung and try what may mend it.

    Parameters
    ----------
    candidate, params
        The chosen rung and the settings that it would ship with.
    table
        Rows whose target has no nulls, those that the climb saw.
    folds
        (train, test) row numbers of `table`, those of the climb.
    climb
        What other rungs came to on the same folds: without it nothing is said of a ceiling, and no other rung is
        named where this one underfits.
    margin
        The smallest difference that matters, relative to the mean loss.
    deadline
        By `clock`; no fit begins that would probably end after it. None: no limit.

    Returns
    -------
    Diagnosis
        Deterministic by `spec.seed` where there is no deadline. Ctrl-C ends it with what is known, as a deadline does.
    """
    begun = clock()
    climb = None if climb is None else climb.with_group_numbers()
    limits = {"margin": margin, "confidence": confidence}
    blank = Diagnosis(spec.model, candidate.name, ("unknown",), {}, {}, dict(params), table.num_rows, thresholds=limits)
    if table.num_rows < FEWEST_ROWS or not folds:
        return with_words(replace(blank, thresholds=limits | {"fewest_rows": float(FEWEST_ROWS)}))
    probe = Probe(task, spec, candidate, table, folds, deadline, clock, progress)
    in_time = expanding(folds)
    rule = Rule(margin, confidence, test_per_train(folds), in_time)
    n_used = min(len(folds), 3 if table.num_rows <= SMALL else 2)
    seen = _Seen(list(range(len(folds)))[-n_used:] if in_time else list(range(n_used)))
    try:
        _measure(probe, params, seen, newest=in_time)
        _remedy(probe, params, seen, rule)
    except OutOfTime:
        seen.stopped = "time"
    except NotFitted:
        seen.full.clear()
    except KeyboardInterrupt:
        seen.stopped = "interrupted"
    progress("diagnose", 1, 1)
    found = replace(blank, stopped=seen.stopped)
    if seen.full:
        found = _record(found, seen, climb, rule, probe)
    found = replace(conclude(found, climb), seconds=clock() - begun)
    return with_words(found)


def _measure(probe: Probe, params: Mapping[str, Value], seen: _Seen, *, newest: bool) -> None:
    """Fit on all training rows of each fold, then on half of them, a quarter and an eighth."""
    total, done = len(seen.folds) * (1 + len(SHARES)), 0
    for fold in seen.folds:
        probe.progress("diagnose", done, total, f"fold {fold + 1}")
        seen.full[fold] = probe.fit(params, fold)
        done += 1
    parts = {}
    for fold in seen.folds:
        rng = np.random.default_rng([probe.spec.seed, fold])
        parts[fold] = nested_parts(probe.table, probe.spec, probe.folds[fold][0], SHARES, rng, newest=newest)
    for i, share in enumerate(SHARES):
        if min(len(parts[fold][i]) for fold in seen.folds) < FEWEST_IN_PART:
            break
        found = []
        for fold in seen.folds:
            probe.progress("diagnose", done, total, f"fold {fold + 1}, {len(parts[fold][i]):,} rows")
            expected = seen.full[fold].seconds * share
            try:
                found.append(probe.fit(params, fold, parts[fold][i], expected_s=expected))
            except NotFitted:  # so few rows that one class is left: the curve ends here
                return
            done += 1
        seen.parts[share] = found


def _remedy(probe: Probe, params: Mapping[str, Value], seen: _Seen, rule: Rule) -> None:
    """Try what the gap calls for: bind a model that knows its rows too well, free one that hardly knows them."""
    gap = _gap(seen, rule)
    loss = gap.mean_candidate
    if gap.difference > rule.margin * loss:
        probe.progress("diagnose", 0, 1, "simpler settings")
        tried = try_settings("overfit", probe, params, seen.full, rule)
        if tried is not None:
            seen.remedies.append(tried)
    if gap.difference < ALIKE * loss and not any(remedy.adopted for remedy in seen.remedies):
        probe.progress("diagnose", 0, 1, "more freedom")
        tried = try_settings("underfit", probe, params, seen.full, rule)
        if tried is not None:
            seen.remedies.append(tried)


def _gap(seen: _Seen, rule: Rule) -> Comparison:
    parts = list(seen.full.values())
    return independent(
        np.concatenate([part.losses for part in parts]),
        np.concatenate([part.seen for part in parts]),
        margin=rule.margin,
        confidence=rule.confidence,
    )


def _record(blank: Diagnosis, seen: _Seen, climb: Climb | None, rule: Rule, probe: Probe) -> Diagnosis:
    """Put what was measured into the artefact."""
    used = [fold for fold in seen.folds if fold in seen.full]
    full = [seen.full[fold] for fold in used]
    losses, fold, groups = pooled(full, used)
    gap = _gap(seen, rule)
    points = [(1.0, full), *((share, parts) for share, parts in seen.parts.items() if len(parts) == len(full))]
    adopted = next((remedy for remedy in seen.remedies if remedy.adopted), None)
    others = () if climb is None else tuple(other_rungs(climb, probe.candidate, blank.params, seen.full, rule))
    return replace(
        blank,
        params=blank.params if adopted is None else {**blank.params, **adopted.changes},
        n_folds=len(used),
        n_units=len(losses),
        loss=gap.mean_candidate,
        loss_seen=gap.mean_reference,
        gap=gap,
        loss_of_prior=_prior(climb, fold),
        curve=tuple(_point(parts) for _, parts in sorted(points, key=lambda point: point[0])),
        gain=_gain(points, fold, groups, [probe.folds[i][0] for i in used], rule),
        expected=_expected(full, losses, groups, rule),
        remedies=(*seen.remedies, *others),
    )


def _point(parts: list[Measured]) -> CurvePoint:
    return CurvePoint(
        round(float(np.mean([part.n_rows for part in parts]))),
        float(np.concatenate([part.losses for part in parts]).mean()),
        float(np.concatenate([part.seen for part in parts]).mean()),
    )


def _gain(
    points: list[tuple[float, list[Measured]]],
    fold: npt.NDArray[np.int64],
    groups: npt.NDArray[np.str_] | None,
    trained: list[npt.NDArray[np.int64]],
    rule: Rule,
) -> Gain | None:
    """Carry the curve on to twice the rows."""
    points = sorted(points, key=lambda point: point[0])
    sizes = np.array([np.mean([part.n_rows for part in parts]) for _, parts in points])
    losses = np.column_stack([np.concatenate([part.losses for part in parts]) for _, parts in points])
    overlap = float(np.isin(trained[0], trained[-1]).mean()) if len(trained) > 1 else 0.0
    found = extrapolate(
        losses, sizes / sizes[-1], fold, groups=groups, overlap=min(overlap, 0.95), confidence=rule.confidence
    )
    loss = float(losses[:, -1].mean())
    if found is None or loss <= 0:
        return None
    gain, floor = found.gain, found.floor
    return Gain(
        n_rows=round(float(sizes[-1])),
        value=gain.value,
        lower=gain.lower,
        upper=gain.upper,
        share=gain.value / loss,
        share_lower=gain.lower / loss,
        share_upper=gain.upper / loss,
        confidence=rule.confidence,
        exponent=found.exponent,
        floor=max(0.0, floor.value),
        floor_lower=max(0.0, floor.lower),
        floor_upper=max(0.0, floor.upper),
    )


def _expected(
    full: list[Measured], losses: npt.NDArray[np.float64], groups: npt.NDArray[np.str_] | None, rule: Rule
) -> SelfExpected | None:
    """Hold the measured loss against what the model's own probabilities expect."""
    parts = [part.expected for part in full if part.expected is not None]
    if len(parts) < len(full):
        return None
    held = paired(losses, np.concatenate(parts), margin=rule.margin, groups=groups, confidence=rule.confidence)
    return SelfExpected(held.mean_reference, held.difference, held.lower, held.upper)


def _prior(climb: Climb | None, fold: npt.NDArray[np.int64]) -> float | None:
    """Return the mean loss of the ladder's first rung on the same units."""
    if climb is None or not climb.complete:
        return None
    losses = climb.complete[0].losses
    assert losses is not None
    return float(losses[np.isin(climb.folds, np.unique(fold))].mean())

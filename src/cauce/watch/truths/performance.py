"""How good the model is: realised losses of closed rows, estimates of the others, and whether those come true."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Comparison, Estimate, LabelsSeen, SegmentFigure, Signal
from cauce.core.specs import WatchSpec
from cauce.watch import words
from cauce.watch.drift.streams import last_rise
from cauce.watch.truths import estimate, judged, labels, segments
from cauce.watch.truths import words as performance_words
from cauce.watch.truths.labels import TruthsView
from cauce.watch.window import Window


@dataclass(frozen=True)
class Performance:
    """How good the model was on a window, as far as it can be told."""

    signals: tuple[Signal, ...]
    expected_loss: float
    realised_loss: float | None
    realised: Comparison | None = None
    estimate: Estimate | None = None
    labels: LabelsSeen | None = None
    segments: tuple[SegmentFigure, ...] = ()


def judge(window: Window, spec: WatchSpec, risk: float) -> Performance:
    """Hold the losses of rows whose truths came against those at training, and estimate the rest.

    Parameters
    ----------
    risk
        What may go wrong in the whole look: a quarter of it to performance. Where more is known of truths than the
        losses, half of that quarter goes to the losses, an eighth each to the estimate, to segments and to selective
        truths. Whether estimates come true has an error of its own, over the whole life of a release: `judged.ERROR`.
    """
    view = window.truths
    if view is None:
        return _realised(window, window.realised_losses, spec, risk / 4)
    plain = _realised(window, view.losses, spec, risk / 8)
    found = labels.selection(view, risk / 32, min(spec.min_rows, 100))
    corrected = _corrected(view, found) if found.columns else None
    seen = labels.labels_seen(view, found.columns, corrected)
    told = [_with_rise(signal, view, window) for signal in plain.signals]
    signals = [*told, labels.labels_signal(found, seen, plain.realised_loss, squared=window.squared)]
    figures: tuple[SegmentFigure, ...] = ()
    expected = None
    if view.expectation is not None:
        figures = segments.judge(view, view.expectation, risk / 32, window.margin)
        worst = segments.segment_signal(figures, window.margin, squared=window.squared)
        signals += [worst] if worst is not None else []
        expected, others = _estimated(view, view.expectation, window, spec, risk)
        signals += others
    return Performance(
        tuple(signals), plain.expected_loss, plain.realised_loss, plain.realised, expected, seen, figures
    )


def _realised(window: Window, losses: npt.NDArray[np.float64], spec: WatchSpec, error: float) -> Performance:
    """Hold realised losses against those at training, or say that their truths are too few."""
    n_truths = len(losses)
    expected, realised = _mean(window.held_out_losses) or 0.0, _mean(losses)
    if n_truths < spec.min_rows or len(window.held_out_losses) < 2:
        detail = words.too_few_truths(n_truths, spec.min_rows)
        few = Signal("performance", None, float(n_truths), float(spec.min_rows), False, detail)
        return Performance((few,), expected, realised)
    comparison = compare_losses(losses, window.held_out_losses, margin=window.margin, confidence=1 - error)
    comparison = replace(comparison, squared=window.squared)
    return Performance((performance_signal(comparison, n_truths),), expected, realised, comparison)


def _with_rise(signal: Signal, view: TruthsView, window: Window) -> Signal:
    """Say since when losses are higher, where performance alarms and they rose within the rows it rests on."""
    losses = view.losses
    if not signal.alarming or len(view.moments_s) != len(losses):
        return signal
    rise = last_rise(losses / (float(np.quantile(np.abs(window.held_out_losses), 0.99)) or 1.0))
    if rise is None or rise.begun == 0:
        return signal
    since = datetime.fromtimestamp(float(view.moments_s[rise.begun]), UTC)
    before, after = float(losses[: rise.begun].mean()), float(losses[rise.begun :].mean())
    said = performance_words.rose(since, before, after, squared=window.squared)
    return replace(signal, detail={language: signal.detail[language] + said[language] for language in signal.detail})


def _estimated(
    view: TruthsView, expectation: estimate.Expectation, window: Window, spec: WatchSpec, risk: float
) -> tuple[Estimate | None, list[Signal]]:
    """Return the estimate of the window, marked by how earlier ones came true, and what it signals."""
    judgement, signals = view.judgement, []
    found = judged.verdict(judgement.batches) if judgement is not None else judged.Verdict(None)
    if judgement is not None and judgement.batches:
        signals.append(judged.unreliable_signal(expectation, found, judgement))
    if view.said is None or view.said.n_rows < spec.min_rows:
        return None, signals
    told = estimate.estimate(expectation, view.said, 1 - risk / 32)
    if told is None:
        return None, signals
    if judgement is not None:
        told = judged.marked(told, found, judgement)
    return told, [*signals, estimate.estimate_signal(told, expectation.loss_figure, window.margin)]


def _corrected(view: TruthsView, found: labels.Selection) -> float | None:
    """Return the mean loss with rows weighed so that they resemble all closed ones."""
    if len(view.losses) != int(view.has_truth.sum()):
        return None
    return float(np.average(view.losses, weights=labels.corrected_weights(view, found.columns)))


def _mean(losses: npt.NDArray[np.float64]) -> float | None:
    return float(np.mean(losses)) if len(losses) else None


def compare_losses(
    realised: npt.NDArray[np.float64], held_out: npt.NDArray[np.float64], *, margin: float, confidence: float
) -> Comparison:
    """Compare two samples of losses on different units.

    Parameters
    ----------
    realised
        Losses in the window, shape (n_truths,).
    held_out
        Losses of the same model on the units set aside at training, shape (n_held_out,).
    margin
        Smallest difference that matters, relative to the mean of `held_out`.
    confidence
        Of the interval.
    """
    from cauce.evidence import independent

    return independent(realised, held_out, margin=margin, confidence=confidence)


def performance_signal(comparison: Comparison, n_truths: int) -> Signal:
    """Return the signal: alarming where the window is worse, and by more than the margin.

    `value` is the relative rise of the mean loss, `threshold` the relative margin.
    """
    reference = abs(comparison.mean_reference) or 1.0
    alarming = comparison.verdict == "worse" and comparison.difference > comparison.margin
    return Signal(
        code="performance",
        column=None,
        value=comparison.difference / reference,
        threshold=comparison.margin / reference,
        alarming=alarming,
        detail=words.performance(comparison, n_truths, alarming=alarming),
    )

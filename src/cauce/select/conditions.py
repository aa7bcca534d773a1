"""The rules by which what was measured of a model becomes a condition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cauce.core.artefacts import Condition, Diagnosis
from cauce.select.attempts import Climb

ALIKE = 0.1
"""Gap, of the loss on new rows, up to which a model is asked whether it has too little freedom."""
FLAT = 0.03
"""Share of the loss that twice the rows may gain at most where a curve counts as flat."""
SURE = 0.05
"""Half width of the interval of a gain, as a share of the loss, from which on nothing is told."""
LIKELY = 0.15
"""How far the loss may lie from what the model expects of itself, as a share of it."""
MUCH = 0.1
"""Share of the prior's loss under which what is left is too little to speak of a ceiling."""


def conclude(found: Diagnosis, climb: Climb | None) -> Diagnosis:
    """Return the diagnosis with its conditions and the thresholds that decided them."""
    limits = {"alike": ALIKE, "flat": FLAT, "sure": SURE, "likely": LIKELY, "much": MUCH}
    conditions = tuple(_faults(found))
    if _ceiling(found, climb) and not conditions:
        conditions = ("noise_ceiling",)
    if not conditions:
        conditions = ("well_fitted",) if _well(found) else ("unknown",)
    return replace(found, conditions=conditions, thresholds={**found.thresholds, **limits})


def _faults(found: Diagnosis) -> Iterator[Condition]:
    if found.gap is None or found.loss is None or found.loss_seen is None:
        return
    if real_gap(found) and any(remedy.proven for remedy in found.remedies if remedy.against == "overfit"):
        yield "overfit"
    for remedy in found.remedies:
        beyond = remedy.comparison is not None and found.loss_seen > remedy.comparison.mean_candidate
        if remedy.against == "underfit" and remedy.proven and (remedy.rung is None or beyond):
            yield "underfit"
            break
    gain = found.gain
    if gain is not None and gain.lower > 0 and gain.share > found.thresholds["margin"]:
        yield "more_data"


def real_gap(found: Diagnosis) -> bool:
    """Whether the loss on new rows lies above that on rows learnt from by more than matters."""
    return found.gap is not None and found.gap.difference > found.thresholds["margin"] * found.gap.mean_candidate


def _ceiling(found: Diagnosis, climb: Climb | None) -> bool:
    """Whether neither rows nor freedom would help, though the loss is far from nothing."""
    gain, loss, prior = found.gain, found.loss, found.loss_of_prior
    if climb is None or gain is None or loss is None or prior is None:
        return False
    flat = gain.share_upper < FLAT and gain.share < found.thresholds["margin"]
    return flat and loss > MUCH * prior and _freedom_tried(found, climb) and _knows_itself(found)


def _freedom_tried(found: Diagnosis, climb: Climb) -> bool:
    """Whether more freedom was tried, or is there and used up by the rows learnt from, and brings nothing."""
    tried = [remedy.comparison for remedy in found.remedies if remedy.against == "underfit" and remedy.comparison]
    if any(comparison.difference <= -comparison.margin for comparison in tried):
        return False
    last = bool(climb.complete) and climb.complete[-1].candidate.name == found.rung
    return bool(tried) or (last and real_gap(found))


def _knows_itself(found: Diagnosis) -> bool:
    """Whether the loss is what the model's probabilities expect; True where it gives none."""
    expected, loss = found.expected, found.loss
    if expected is None or loss is None:
        return True
    return -LIKELY * loss < expected.lower and expected.upper < LIKELY * loss


def _well(found: Diagnosis) -> bool:
    """Whether enough was measured to say that nothing is missing."""
    gain = found.gain
    if found.loss == 0:
        return True
    return found.stopped is None and gain is not None and gain.share_upper - gain.share_lower < 2 * SURE

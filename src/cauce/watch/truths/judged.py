"""Estimates held against the truths once they landed, batch by batch.

Each batch gives, for every figure that counts, how far the realised value lies from the expected one, on the very same
rows, and how far chance and the uncertainty of calibration could have moved it. If probabilities mean what they meant,
the distance in standard deviations is nearly normal, whatever rows came: covariate shift moves both values together.
What is left is concept drift: the same inputs have come to mean something else.

The test may be made after every batch for as long as a release lives. Batch k spends α/(k(k+1)) of the error α, which
sums to α; each time the newest batch is looked at, and the newest `TOGETHER` together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cauce.core.artefacts import Estimate, Signal
from cauce.watch.truths import words
from cauce.watch.truths.estimate import Codes, Expectation, Floats, Said, expected_of, realised_of

BATCH = 1000
"""Truths in a batch."""
ERROR = 0.05
"""Probability that a release whose estimates are right is ever called unreliable, however many batches come."""
TOGETHER = (1, 2, 4)
"""Newest batches that are looked at together: a sudden change shows in one, a slight one in several."""
HOLDING = 3
"""Batches in a row within an ordinary interval, after which an estimate that had failed is relied on again."""


@dataclass(frozen=True)
class Held:
    """One figure of one batch."""

    realised: float
    expected: float
    sampling: float
    """Variance that the rows' own luck gives the distance of the two."""
    calibration: float
    """Variance by the uncertainty of what training learnt: common to all batches of a release."""
    skewness: float = 0.0


@dataclass(frozen=True)
class JudgedBatch:
    """A batch of truths, held against what was expected of the same rows."""

    n: int
    first: datetime | None
    """When its first prediction was made."""
    last: datetime | None
    figures: Mapping[str, Held]


@dataclass(frozen=True)
class Judgement:
    """`judged.json`: every batch of one release so far, the oldest first."""

    version: int
    batches: tuple[JudgedBatch, ...] = ()
    last_id: str = ""
    """Id of the newest prediction that a batch held: the next batch is of later ones."""
    last_at: datetime | None = None
    slowest_s: float = 0.0
    """Longest lag, in seconds, that nine of ten truths have been found to keep: a batch waits for it."""

    @property
    def n(self) -> int:
        """Truths that were judged."""
        return sum(batch.n for batch in self.batches)


@dataclass(frozen=True)
class Verdict:
    """What the batches came to."""

    reliable: bool | None
    """None before the first batch."""
    figure: str | None = None
    """The figure that lay furthest outside, when it first did."""
    distance: float = 0.0
    """Of that figure, realised minus expected, when it first lay outside."""
    z: float = 0.0
    """The largest distance of the newest batches, in standard deviations."""
    critical: float = 0.0
    """What it had to pass."""
    since: int | None = None
    """Number, from 1, of the batch with which it failed."""


def judge_batch(
    expectation: Expectation,
    said: Said,
    truth: Floats | Codes,
    *,
    first: datetime | None = None,
    last: datetime | None = None,
) -> JudgedBatch:
    """Hold what was expected of rows against their truths.

    Parameters
    ----------
    truth
        Place of each row's class in the model's, −1 for one that it does not know; or numbers. Shape (n_rows,).
    """
    import numpy as np

    from cauce.watch.truths.cbpe import counted_classes

    counted = None
    if expectation.task == "classify":
        told = counted_classes(np.asarray(truth, np.int64), said.shares.shape[1])
        counted = tuple(k for k in expectation.counted if k in told)
    found, came = expected_of(expectation, said, counted), realised_of(expectation, said, truth, counted)
    figures = {
        name: Held(came[name], found[name].value, found[name].sampling, found[name].calibration, found[name].skewness)
        for name in expectation.judged_by
        if name in found and name in came
    }
    return JudgedBatch(said.n_rows, first, last, figures)


def verdict(batches: Sequence[JudgedBatch], error: float = ERROR) -> Verdict:
    """Return whether the estimates held, over all batches so far.

    Parameters
    ----------
    error
        Probability that a release whose estimates are right is ever called unreliable, however many batches come.
    """
    found = verdicts(batches, error)
    return found[-1] if found else Verdict(None)


def verdicts(batches: Sequence[JudgedBatch], error: float = ERROR) -> list[Verdict]:
    """Return what `verdict` said after each batch."""
    said: list[Verdict] = []
    found, held = Verdict(None), 0
    for k in range(1, len(batches) + 1):
        scored, newest = _scores(batches[:k])
        if scored:
            largest, name, apart = max(scored, key=lambda one: one[0])
            critical = _two_sided(error / (k * (k + 1)), len(scored))
            held = held + 1 if newest < _two_sided(error, len(batches[k - 1].figures)) else 0
            failed_before = found.reliable is False
            if largest > critical and not failed_before:
                found = Verdict(False, name, apart, largest, critical, k)
            elif failed_before and (largest > critical or held < HOLDING):
                found = replace(found, z=largest, critical=critical)
            else:
                found = Verdict(True, None, 0.0, largest, critical)
        said.append(found)
    return said


def _scores(seen: Sequence[JudgedBatch]) -> tuple[list[tuple[float, str, float]], float]:
    """Return each test's distance, figure and difference, and the largest distance of the newest batch alone."""
    scored = []
    for n in TOGETHER:
        for name in seen[-1].figures if n <= len(seen) else ():
            z, apart = _distance(seen[-n:], name)
            scored.append((abs(z), name, apart))
    return scored, max((z for z, _, _ in scored[: len(seen[-1].figures)]), default=0.0)


def _two_sided(error: float, n_tests: int) -> float:
    """Return what a standard normal distance has to pass, either way, in any of several tests."""
    from scipy.special import ndtri

    return -float(ndtri(error / n_tests / 2))


def _distance(batches: Sequence[JudgedBatch], name: str) -> tuple[float, float]:
    """Return the distance of realised from expected over some batches, in standard deviations and as it is.

    Independent luck averages out between batches; what training did not know does not.
    """
    some = [(batch.n, batch.figures[name]) for batch in batches if name in batch.figures]
    total = sum(n for n, _ in some)
    apart = sum(n * (held.realised - held.expected) for n, held in some) / total
    luck = sum(n**2 * held.sampling for n, held in some) / total**2
    common = sum(n * math.sqrt(held.calibration) for n, held in some) / total
    spread = math.sqrt(luck + common**2)
    if spread <= 0:
        return (0.0 if abs(apart) < 1e-12 else math.inf), apart
    third = sum(n**3 * held.skewness * held.sampling**1.5 for n, held in some) / total**3
    return _straightened(apart / spread, third / spread**3), apart


def _straightened(z: float, skewness: float) -> float:
    """Return a standardised distance as a normal one, where the sum that it is leans to one side.

    Hall (1992, Journal of the Royal Statistical Society B 54, 221–228): the monotone cubic that removes the first
    term of the Edgeworth expansion of a mean whose variance is known.
    """
    lean = skewness / 6
    return z - lean * (z**2 - 1) + lean**2 * z**3 / 3


def unreliable_signal(expectation: Expectation, found: Verdict, judgement: Judgement) -> Signal:
    """Return the signal: alarming where the estimates have failed. `value` and `threshold` are standard deviations."""
    newest = judgement.batches[-1]
    name = found.figure or expectation.metric
    held = newest.figures.get(name) or next(iter(newest.figures.values()))
    failed = found.reliable is False
    detail = words.judged(name, held.realised, held.expected, newest.n, found.distance, judgement.n, failed=failed)
    return Signal("estimate_unreliable", None, found.z, found.critical, failed, detail)


def marked(estimate: Estimate, found: Verdict, judgement: Judgement) -> Estimate:
    """Return the estimate with what the judgement of earlier ones says of it."""
    held = judgement.batches[-1].figures.get(estimate.metric) if judgement.batches else None
    return replace(
        estimate,
        reliable=found.reliable,
        realised=held.realised if held is not None else None,
        expected=held.expected if held is not None else None,
        n_judged=judgement.n,
    )

"""Estimates held against the truths once they landed, batch by batch.

Each batch gives, for every figure that counts, how far the realised value lies from the expected one, on the very same
rows, and how far chance and the uncertainty of calibration could have moved it. If probabilities mean what they meant,
covariate shift moves both values together, and what is left is concept drift: the same inputs have come to mean
something else.

The distances d of a release's batches are taken as normal, of mean 0, with covariance ``C = diag(luck) + V V'``: luck
is each batch's own; V is what training did not know of calibration, which moves all batches by the same causes. A
change of δ over the newest n batches is tested by generalised least squares: ``w = C⁻¹ h``, h being 1 on these and 0 on
the rest, ``z = w·d / √(w·h)``, standard normal where nothing changed, and ``w·d / w·h`` the estimate of δ. So the
batches before teach how this release's calibration turned out, and only what they leave open is allowed for; the first
batch has the held-out rows alone to go by.

The test is made after every batch. Of the error α, batch k spends ``α (4/5 / (k(k+1)) + 1/5 / 100)``, shared by the
figures and windows that are looked at (Bonferroni), nine tenths of it for the worse. So the chance that a release whose
estimates are right is called unreliable within K batches is at most ``α (4/5 + K/500)``: α in its first hundred, a
fifth of it in each hundred that follows. What a batch may spend never falls below α/500: a change is seen as well after
a thousand batches as after thirty. No error for all time can give that: it has to spend less and less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from cauce.core.artefacts import Estimate, Signal
from cauce.watch.truths import words
from cauce.watch.truths.estimate import Codes, Expectation, Floats, Said, expected_of, realised_of

BATCH = 1000
"""Truths in a batch."""
ERROR = 0.05
"""Probability that a release whose estimates are right is called unreliable in its first `RENEWED` batches."""
RENEWED = 100
LATE = 0.2
"""Share of the error that is spent evenly, and anew in every `RENEWED` batches; the rest is for the first ones."""
OWN = 0.25
"""Share of the uncertainty of calibration that is a batch's own: elsewhere in the inputs a map errs in another way.

Without it, distances under a fresh covariate shift in every batch were 1.0 to 1.2 times as far as told.
"""
WORSE = 0.9
"""Share of the error for a model that is worse than estimated; the rest is for one that is better."""
GAINS = {"roc_auc"}
"""Figures, of those that estimates are judged by, of which more is better."""
TAUGHT = 100
"""Newest batches that held by which calibration is known."""
TOGETHER = (1, 2, 4)
"""Newest batches that are looked at together: a sudden change shows in one, a slight one in several. All batches are,
too, against the held-out rows alone: what creeps becomes the calibration that newer ones are held against."""
HOLDING = 4
"""Batches in a row within an ordinary interval, also together, after which an estimate that had failed is relied on
again."""


@dataclass(frozen=True)
class Held:
    """One figure of one batch."""

    realised: float
    expected: float
    sampling: float
    """Variance that the rows' own luck gives the distance of the two."""
    moves: tuple[float, ...]
    """How far each cause that training did not know moves what was expected: the same causes in all batches."""
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
    """Of that figure, realised minus expected, beyond what earlier batches showed, when it first lay outside."""
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
        name: Held(came[name], found[name].value, found[name].sampling, found[name].moves, found[name].skewness)
        for name in expectation.judged_by
        if name in found and name in came
    }
    return JudgedBatch(said.n_rows, first, last, figures)


def verdict(batches: Sequence[JudgedBatch], error: float = ERROR) -> Verdict:
    """Return whether the estimates held, over all batches so far.

    Parameters
    ----------
    error
        Probability that a release whose estimates are right is called unreliable in its first `RENEWED` batches.
    """
    found = verdicts(batches, error)
    return found[-1] if found else Verdict(None)


def verdicts(batches: Sequence[JudgedBatch], error: float = ERROR) -> list[Verdict]:
    """Return what `verdict` said after each batch."""
    said: list[Verdict] = []
    good: list[JudgedBatch] = []  # by which calibration is known: batches that held
    found, held = Verdict(None), 0
    for k, batch in enumerate(batches, 1):
        row = [*good, batch]
        tests = [(name, test) for name in batch.figures for test in _tests(row, name)]
        if tests:
            limits = critical_values(spent(k, error), len(tests))
            name, worst = max(tests, key=lambda one: abs(one[1].z) / limits[_worse(*one)])
            z, critical = abs(worst.z), limits[_worse(name, worst)]
            ordinary = critical_values(error, len(batch.figures))
            holds = all(abs(test.z) < ordinary[_worse(name, test)] for name, test in tests if test.n == 1)
            if found.reliable is False:
                good = row if holds else good[: len(good) - held]
                held = held + 1 if holds else 0
                again = held >= HOLDING and all(abs(test.z) < ordinary[_worse(name, test)] for name, test in tests)
                found = Verdict(True, None, 0.0, z, critical) if again else replace(found, z=z, critical=critical)
            elif z > critical:
                found, good, held = Verdict(False, name, worst.change, z, critical, k), row[: -worst.n], 0
            else:
                found, good = Verdict(True, None, 0.0, z, critical), row
            good = good[-TAUGHT:]
        said.append(found)
    return said


def spent(k: int, error: float = ERROR) -> float:
    """Return the error that batch k, from 1, may spend.

    Examples
    --------
    >>> round(sum(spent(k) for k in range(1, 101)), 3), round(sum(spent(k) for k in range(901, 1001)), 3)
    (0.05, 0.01)
    """
    return error * ((1 - LATE) / (k * (k + 1)) + LATE / RENEWED)


def critical_values(error: float, n_tests: int, for_worse: float = WORSE) -> tuple[float, float]:
    """Return what a standard normal distance has to pass for the better, and for the worse, in any of several tests."""
    from scipy.special import ndtri

    better, worse = (-float(ndtri(error * share / n_tests)) for share in (1 - for_worse, for_worse))
    return better, worse


def _worse(name: str, test: _Test) -> bool:
    return (test.z < 0) == (name in GAINS)


class _Test(NamedTuple):
    n: int
    """Newest batches that may have changed."""
    z: float
    change: float
    """Of the figure, realised minus expected, beyond what the batches before let expect."""


def _tests(seen: Sequence[JudgedBatch], name: str) -> list[_Test]:
    """Test whether the newest batches lie apart from what training and the batches before let expect of a figure.

    The inverse of C is Woodbury's: no matrix is larger than the number of causes.
    """
    import numpy as np

    held = [batch.figures[name] for batch in seen if name in batch.figures]
    apart = np.array([one.realised - one.expected for one in held])
    third = np.array([one.skewness * one.sampling**1.5 for one in held])
    causes = _causes(held)
    luck = np.array([one.sampling for one in held]) + OWN * (causes**2).sum(axis=1) + 1e-24
    causes = (1 - OWN) ** 0.5 * causes
    scaled = causes / luck[:, None]
    open_ = np.linalg.inv(np.eye(causes.shape[1]) + causes.T @ scaled)
    found = []
    for n in {*TOGETHER, len(held)}:
        if n <= len(held):
            weights = -scaled @ (open_ @ scaled[-n:].sum(axis=0))
            weights[-n:] += 1 / luck[-n:]
            size, total = float(weights[-n:].sum()), float(weights @ apart)
            lean = float(weights**3 @ third) / size**1.5
            found.append(_Test(n, straightened(total / size**0.5, lean), total / size))
    return found


def _causes(held: Sequence[Held]) -> Floats:
    """Return how far each cause moves each batch; batches that another map expected have causes of their own."""
    import numpy as np

    lengths = sorted({len(one.moves) for one in held})
    starts = dict(zip(lengths, np.cumsum([0, *lengths]), strict=False))
    found = np.zeros((len(held), sum(lengths)))
    for row, one in zip(found, held, strict=True):
        row[starts[len(one.moves)] : starts[len(one.moves)] + len(one.moves)] = one.moves
    return found


def straightened(z: float, skewness: float) -> float:
    """Return a standardised distance as a normal one, where the sum that it is leans to one side.

    Hall (1992, Journal of the Royal Statistical Society B 54, 221–228): the monotone cubic that removes the first
    term of the Edgeworth expansion of a mean whose variance is known.
    """
    lean = skewness / 6
    return z - lean * (z**2 - 1) + lean**2 * z**3 / 3


def unreliable_signal(expectation: Expectation, found: Verdict, judgement: Judgement) -> Signal:
    """Return the signal: alarming where the estimates have failed.

    `value` and `threshold` are standard deviations; `value` is below 0 where the model did better than estimated.
    """
    newest = judgement.batches[-1]
    name = found.figure or expectation.metric
    held = newest.figures.get(name) or next(iter(newest.figures.values()))
    failed = found.reliable is False
    figures = held.realised, held.expected, newest.n, found.distance, judgement.n
    better = failed and (found.distance > 0) == (name in GAINS)
    detail = words.judged(name, *figures, failed=failed, better=better)
    return Signal("estimate_unreliable", None, -found.z if better else found.z, found.critical, failed, detail)


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

"""Intervals of a mean at every look at once, for many runs: the product's (vectorised), its peers and its parts.

Each takes losses of shape (n_runs, n_requests) and gives both ends at the looks, shape (n_runs, n_looks). `as_product`
says whether the vectorised twin of `sequential` gives what the product gives.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from benchmarks.renew.peeking.worlds import Drawn
from scipy.special import stdtrit

from cauce.evidence import sequential, split
from cauce.evidence.mixture import START, radius, strength, unseen

Floats = npt.NDArray[np.float64]
ERROR = 0.05


class Ends(NamedTuple):
    """Both ends of an interval, shape (n_runs, n_looks)."""

    lower: Floats
    upper: Floats


class Moments(NamedTuple):
    """What was seen of some numbers up to each look, shape (n_runs, n_looks); `n` has shape (n_looks,)."""

    n: Floats
    mean: Floats
    second: Floats
    third: Floats


def up_to(values: Floats, batch: int) -> Floats:
    """Return sums up to each look, shape (n_runs, n_looks)."""
    runs, n = values.shape
    summed: Floats = values.reshape(runs, n // batch, batch).sum(axis=2).cumsum(axis=1)
    return summed


def moments(values: Floats, batch: int) -> Moments:
    """Return central sums up to each look."""
    square = values * values
    one, two, three = (up_to(power, batch) for power in (values, square, square * values))
    n = np.arange(1, one.shape[1] + 1) * float(batch)
    mean = one / n
    return Moments(n, mean, np.maximum(two - n * mean**2, 0.0), three - 3 * mean * two + 2 * n * mean**3)


def reach(n: Floats, tuned_for: float, lost: int = 1) -> Floats:
    """Return the product's radius at each look, infinite where it has none."""
    return np.array([radius(own - lost, own / tuned_for, ERROR) for own in n])


def ours(
    drawn: Drawn, batch: int, *, tuned_for: float = 1000, skew: bool = True, start: int = START, bounded: bool = False
) -> Ends:
    """The vectorised twin of `sequential`."""
    seen = moments(drawn.candidate - drawn.reference, batch)
    free = np.maximum(seen.n - 1, 0.5)  # a single unit: not told
    variance = np.maximum(seen.second, 4 * seen.mean**2) / free / seen.n
    same = (seen.second <= 1e-18) & (np.abs(seen.mean) <= 1e-12)
    if same.any():  # of differences that are all zero, as far as the losses lie apart
        high, low = np.maximum(drawn.candidate, drawn.reference), np.minimum(drawn.candidate, drawn.reference)
        high, low = (own.reshape(len(own), -1, batch) for own in (high, low))
        apart = np.maximum.accumulate(high.max(axis=2), axis=1) - np.minimum.accumulate(low.min(axis=2), axis=1)
        variance = np.where(same, apart**2 / free / seen.n, variance)
    found = widened(seen.mean, variance, seen.third / seen.n**3 * skew, reach(seen.n, tuned_for), seen.n >= start)
    more = unseen(drawn.bound, 1, ERROR) / seen.n if bounded and drawn.bound is not None else 0.0
    return Ends(found.lower - more, found.upper + more)


def with_bound(drawn: Drawn, batch: int) -> Ends:
    """The twin of `sequential` told the largest difference that one request can show."""
    return ours(drawn, batch, bounded=True)


def widened(mean: Floats, variance: Floats, third: Floats, radii: Floats, told: npt.NDArray[np.bool_]) -> Ends:
    """Return the product's interval from a figure, its variance and its skew."""
    radii = np.where(told, radii, np.inf)
    with np.errstate(all="ignore"):
        half = radii * np.sqrt(variance)
        skewed = np.nan_to_num(third / variance) * (1 + 2 * np.minimum(radii, 1e6) ** 2) / 6
    half = np.where(np.isnan(half), np.inf, half)
    return Ends(mean - half - np.maximum(-skewed, 0), mean + half + np.maximum(skewed, 0))


def without_skew(drawn: Drawn, batch: int) -> Ends:
    """Ours without the move for skewness, from the first look on."""
    return ours(drawn, batch, skew=False, start=2)


def asymptotic(drawn: Drawn, batch: int) -> Ends:
    """The asymptotic confidence sequence with the running standard deviation, from the first look on."""
    seen = moments(drawn.candidate - drawn.reference, batch)
    return Ends(*_mixture(seen.mean, np.sqrt(seen.second / seen.n), seen.n))


def msprt(drawn: Drawn, batch: int) -> Ends:
    """mSPRT of Johari et al.: normal mixture, the variance known (that of all runs), tuned alike."""
    apart = drawn.candidate - drawn.reference
    seen = moments(apart, batch)
    return Ends(*_mixture(seen.mean, np.full_like(seen.mean, apart.std()), seen.n))


def _mixture(mean: Floats, deviation: Floats, n: Floats, tuned_for: float = 1000) -> tuple[Floats, Floats]:
    kept = 1 + strength(ERROR) * n / tuned_for
    half = deviation * np.sqrt(kept / (kept - 1) * np.log(kept / ERROR**2) / n)
    return mean - half, mean + half


def t_test(drawn: Drawn, batch: int) -> Ends:
    """The t interval of a single look, at every look."""
    seen = moments(drawn.candidate - drawn.reference, batch)
    half = -stdtrit(seen.n - 1, ERROR / 2) * np.sqrt(seen.second / (seen.n - 1) / seen.n)
    return Ends(seen.mean - half, seen.mean + half)


def bernstein(drawn: Drawn, batch: int) -> Ends:
    """Empirical Bernstein, predictable mixture (Waudby-Smith & Ramdas 2024, JRSS-B 86): exact, the range known."""
    apart = drawn.candidate - drawn.reference
    low, high = float(apart.min()), float(apart.max())  # told the truth of all runs, which nobody knows
    x = (apart - low) / (high - low)
    t = np.arange(1, x.shape[1] + 1)
    mean = (0.5 + x.cumsum(axis=1)) / (t + 1)
    variance = (0.25 + ((x - mean) ** 2).cumsum(axis=1)) / (t + 1)
    before = np.hstack([np.full((len(x), 1), 0.25), variance[:, :-1]])
    guess = np.hstack([np.full((len(x), 1), 0.5), mean[:, :-1]])
    bet = np.minimum(np.sqrt(2 * np.log(2 / ERROR) / (before * t * np.log1p(t))), 0.5)
    paid = up_to((x - guess) ** 2 * (-np.log1p(-bet) - bet), batch)
    weight = up_to(bet, batch)
    centre, half = up_to(bet * x, batch) / weight, (np.log(2 / ERROR) + paid) / weight
    return Ends(low + (high - low) * (centre - half), low + (high - low) * (centre + half))


def adjusted(drawn: Drawn, batch: int, *, everyone: Floats, tuned_for: float = 1000) -> Ends:
    """The twin of `sequential` with one covariate; `everyone`, (n_runs, m), grows as the requests do."""
    apart, known = drawn.candidate - drawn.reference, drawn.covariate
    n = np.arange(1, apart.shape[1] // batch + 1) * float(batch)
    m = n * everyone.shape[1] / apart.shape[1]
    y, x = up_to(apart, batch) / n, up_to(known, batch) / n
    xx = up_to(known**2, batch) - n * x**2
    xy = up_to(apart * known, batch) - n * x * y
    yy = up_to(apart**2, batch) - n * y**2
    slope, shift = xy / xx, up_to(everyone, batch * everyone.shape[1] // apart.shape[1]) / m - x
    rest = (yy - slope * xy) / (n - 2) / n * (1 + n * shift**2 / xx)
    variance = rest + slope**2 * xx / (n - 1) / n * (n / m)
    third = _third(apart, known, y, x, slope, n, batch)
    explained = slope**3 * moments(known, batch).third / n**3
    return widened(y + slope * shift, variance, third + explained * (n / m) ** 2, reach(n, tuned_for, 2), n >= START)


def _third(apart: Floats, known: Floats, y: Floats, x: Floats, slope: Floats, n: Floats, batch: int) -> Floats:
    """Return Σ rest³ / n³, the rest being what the covariate does not explain, by its moments."""
    own = [np.ones_like(apart), apart, apart * apart, apart * apart * apart]
    beside = [own[0], known, known * known, known * known * known]
    powers = {(i, j): up_to(own[i] * beside[j], batch) / n for i in range(4) for j in range(4 - i)}
    level = y - slope * x  # rest = apart − level − slope · known
    total = np.zeros_like(y)
    for i in range(4):
        for j in range(4 - i):
            k = 3 - i - j
            ways = 6 // (_factorial(i) * _factorial(j) * _factorial(k))
            total += ways * powers[i, j] * (-slope) ** j * (-level) ** k
    return total / n**2


def _factorial(k: int) -> int:
    return (1, 1, 2, 6)[k]


def as_product(
    drawn: Drawn, batch: int, rng: np.random.Generator, *, everyone: Floats | None = None, tries: int = 30
) -> None:
    """Raise where the twin differs from `sequential` at runs and looks drawn by chance."""
    found = with_bound(drawn, batch) if everyone is None else adjusted(drawn, batch, everyone=everyone)
    for _ in range(tries):
        run, look = rng.integers(drawn.candidate.shape[0]), rng.integers(found.lower.shape[1])
        n = (look + 1) * batch
        extra: dict[str, Any] = {"bound": drawn.bound} if everyone is None else {
            "covariate": drawn.covariate[run, :n],
            "everyone": everyone[run, : n * everyone.shape[1] // drawn.candidate.shape[1]],
        }  # fmt: skip
        product = sequential(drawn.candidate[run, :n], drawn.reference[run, :n], margin=0.0, **extra)
        if n < START:
            assert not np.isfinite(found.lower[run, look])
            assert product.verdict == "undecided"
            continue
        twin = (found.lower[run, look], found.upper[run, look])
        assert np.allclose((product.lower, product.upper), twin, rtol=1e-6, atol=1e-9), (product, twin)


def two_arms(
    arms: tuple[Floats, Floats], batch: int, *, tuned_for: float, known: tuple[Floats, Floats] | None = None
) -> Ends:
    """The twin of `split` with arms of one size, `batch` units of each between looks, and at most one covariate."""
    seen = [moments(own, batch) for own in arms]
    n, gap = seen[0].n, seen[0].mean - seen[1].mean
    second, third, rank = [own.second for own in seen], seen[0].third - seen[1].third, 0
    more = np.zeros_like(gap)
    if known is not None:
        means = [up_to(own, batch) / n for own in known]
        squares = [up_to(own**2, batch) - n * mean**2 for own, mean in zip(known, means, strict=True)]
        crossed = [
            up_to(x * y, batch) - n * mean * own.mean for x, y, mean, own in zip(known, arms, means, seen, strict=True)
        ]
        slope, shift, rank = (crossed[0] + crossed[1]) / (squares[0] + squares[1]), means[0] - means[1], 1
        gap = gap - slope * shift
        second = [own - 2 * slope * xy + slope**2 * xx for own, xy, xx in zip(second, crossed, squares, strict=True)]
        sides = zip(arms, known, seen, means, strict=True)
        ours, theirs = (_third(y, x, own.mean, mean, slope, n, batch) * n**3 for y, x, own, mean in sides)
        third, more = ours - theirs, n * shift**2 / (squares[0] + squares[1]) / 2
    parts = [own / (n - 1) / n for own in second]
    variance, free = parts[0] + parts[1], 2 * (n - 1)
    kept = 1 / (1 + 2 * n / tuned_for * strength(ERROR))
    with np.errstate(all="ignore"):  # before the first event nothing varies; no run is told anything there
        df = variance**2 / ((parts[0] ** 2 + parts[1] ** 2) / (n - 1)) - rank
        held = np.exp((2 * np.log(ERROR) + np.log(kept)) / (df + 1))
        radii = np.where(held > kept, np.sqrt(df * (1 - held) / (held - kept)), np.inf)
    return widened(gap, variance * free / (free - rank) * (1 + more), third / n**3, radii, n >= START)


def welch(arms: tuple[Floats, Floats], batch: int) -> Ends:
    """Welch's interval of a single look, at every look."""
    seen = [moments(own, batch) for own in arms]
    parts = [own.second / (own.n - 1) / own.n for own in seen]
    df = (parts[0] + parts[1]) ** 2 / (np.maximum(parts[0] ** 2 + parts[1] ** 2, 1e-300) / (seen[0].n - 1))
    gap, half = seen[0].mean - seen[1].mean, -stdtrit(df, ERROR / 2) * np.sqrt(parts[0] + parts[1])
    return Ends(gap - half, gap + half)


def as_split(
    arms: tuple[Floats, Floats], batch: int, rng: np.random.Generator, known: tuple[Floats, Floats] | None
) -> None:
    """Raise where the twin differs from `split` at runs and looks drawn by chance."""
    found = two_arms(arms, batch, tuned_for=1000, known=known)
    for _ in range(30):
        run, look = rng.integers(arms[0].shape[0]), rng.integers(found.lower.shape[1])
        n = (look + 1) * batch
        beside: dict[str, Any] = {}
        if known is not None:
            beside = {"candidate_covariate": known[0][run, :n], "reference_covariate": known[1][run, :n]}
        product = split(arms[0][run, :n], arms[1][run, :n], margin=0.0, **beside)
        if n >= START:
            twin = (found.lower[run, look], found.upper[run, look])
            assert np.allclose((product.lower, product.upper), twin, rtol=1e-6, atol=1e-9), (product, twin)

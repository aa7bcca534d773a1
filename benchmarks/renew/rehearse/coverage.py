"""Which interval for the mean of a loss difference holds what it promises, where neighbours resemble each other?

`python benchmarks/renew/rehearse/coverage.py` writes coverage.json beside this file. No data of a rehearsal come in.

The rule, set before anything was run. The series have 96 values (blocks of a replay), mean zero. Those of the first
kind ("plain") forget within a sixteenth of their length; those of the second ("hard") do not. A method is fit where its
coverage of 95 % intervals is below 0.95 by more than noise (two standard errors) on no plain series. Of the fit ones
that with the smallest mean distance from 0.95 on the plain series is taken; if none is fit, that whose worst plain
coverage is best. The hard ones are reported.

The second question, about this very stretch: was the loop better on it, whatever the next one brings? There the course
of the true difference is given, and only the noise about it is chance. The same plain noises are laid on five courses;
an interval has to hold the mean of the course. The same rule: fit where it holds on every noise and course, of those
the narrowest; if none is fit, that whose worst coverage is best.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import stats

HERE = Path(__file__).parent
N, RUNS, SLOW_RUNS, DRAWS, PROMISED = 96, 2_000, 500, 199, 0.95
"""Bootstraps, which draw for each series, and the merging of blocks are tried on the first 500 of them."""
SLOW = ("stationary", "moving", "merging")


def ar(phi: float, rng: np.random.Generator, *, tails: float | None = None) -> np.ndarray:
    """AR(1), from its stationary law; with `tails` degrees of freedom of its shocks."""
    shocks = rng.normal(size=(RUNS, N + 200)) if tails is None else rng.standard_t(tails, size=(RUNS, N + 200))
    made = np.zeros((RUNS, N + 200))
    for at in range(1, N + 200):
        made[:, at] = phi * made[:, at - 1] + shocks[:, at]
    return made[:, 200:]


def moving(length: int, rng: np.random.Generator) -> np.ndarray:
    """Moving averages of `length` shocks."""
    shocks = rng.normal(size=(RUNS, N + length))
    sums = np.cumsum(shocks, axis=1)
    return (sums[:, length:] - sums[:, :-length])[:, :N]


def regimes(stay: float, rng: np.random.Generator, *, share: float = 0.5) -> np.ndarray:
    """Two regimes of `stay` values in the mean, the second with `share` of the time, and noise of half a step."""
    out, back = 1 / stay, 1 / (stay * (1 - share) / share) if share < 0.5 else 1 / stay
    state = rng.random(RUNS) < share
    made = np.empty((RUNS, N))
    leave_high, leave_low = (out, back)
    for at in range(N):
        made[:, at] = state
        leave = np.where(state, leave_high, leave_low)
        state = state ^ (rng.random(RUNS) < leave)
    return made - share + 0.5 * rng.normal(size=(RUNS, N))


PLAIN: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "white": lambda rng: rng.normal(size=(RUNS, N)),
    "white, skewed": lambda rng: rng.exponential(size=(RUNS, N)) - 1,
    "AR 0.3": lambda rng: ar(0.3, rng),
    "AR 0.6": lambda rng: ar(0.6, rng),
    "AR 0.6, heavy tails": lambda rng: ar(0.6, rng, tails=3),
    "MA of 4": lambda rng: moving(4, rng),
    "regimes of 3": lambda rng: regimes(3, rng),
}
HARD: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "AR 0.8": lambda rng: ar(0.8, rng),
    "AR 0.9": lambda rng: ar(0.9, rng),
    "MA of 12": lambda rng: moving(12, rng),
    "regimes of 12": lambda rng: regimes(12, rng),
    "regimes of 24": lambda rng: regimes(24, rng),
    "a rare regime of 12 (one in ten)": lambda rng: regimes(12, rng, share=0.1),
}

Interval = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""Series of shape (n_runs, n) in; half widths, or shape (n_runs, 2) of lower and upper ends about the mean, out."""


def t_of(blocks: np.ndarray) -> np.ndarray:
    """Half width of the t interval over independent blocks."""
    k = blocks.shape[1]
    return np.asarray(stats.t.ppf((1 + PROMISED) / 2, k - 1) * blocks.std(axis=1, ddof=1) / math.sqrt(k))


def batches(k: int) -> Interval:
    """t interval over k blocks (Ibragimov and Müller 2010)."""
    return lambda series, rng: t_of(series.reshape(len(series), k, -1).mean(axis=2))


def merging(series: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What was there: 24 blocks, halved while neighbours correlate above 0.3, down to 6."""
    found = np.empty(len(series))
    for row, values in enumerate(series):
        blocks = values.reshape(24, -1).mean(axis=1)
        while len(blocks) >= 12 and np.corrcoef(blocks[:-1], blocks[1:])[0, 1] > 0.3:
            blocks = blocks.reshape(-1, 2).mean(axis=1)
        found[row] = t_of(blocks[None])[0]
    return found


def cosine(power: float, factor: float) -> Interval:
    """Equal-weighted cosines with B = factor * T^power and Student's law with B degrees (fixed-b)."""

    def half(series: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        n = series.shape[1]
        b = max(1, round(factor * n**power))
        waves = np.sqrt(2 / n) * np.cos(np.pi * np.arange(1, b + 1)[:, None] * (np.arange(1, n + 1) - 0.5) / n)
        own = (series - series.mean(axis=1, keepdims=True)) @ waves.T
        return np.asarray(stats.t.ppf((1 + PROMISED) / 2, b) * np.sqrt((own**2).mean(axis=1) / n))

    return half


def bartlett(share: float) -> Interval:
    """Newey and West with bandwidth share * T; fixed-b critical value simulated (Kiefer and Vogelsang 2005)."""
    width = max(1, round(share * N))

    def root(series: np.ndarray) -> np.ndarray:
        apart = series - series.mean(axis=1, keepdims=True)
        n = apart.shape[1]
        variance = (apart**2).mean(axis=1)
        for lag in range(1, width):
            variance += 2 * (1 - lag / width) * (apart[:, lag:] * apart[:, :-lag]).sum(axis=1) / n
        return np.asarray(np.sqrt(np.maximum(variance, 0) / n))

    noise = np.random.default_rng(5).normal(size=(40_000, N))
    critical = float(np.quantile(np.abs(noise.mean(axis=1)) / root(noise), PROMISED))
    return lambda series, rng: critical * root(series)


def automatic(values: np.ndarray, *, stationary: bool) -> float:
    """Politis and White's block length (2004, corrected by Patton, Politis and White 2009)."""
    n = len(values)
    apart = values - values.mean()
    k = max(5, int(math.sqrt(math.log10(n))))
    most = math.ceil(math.sqrt(n)) + k
    cov = np.array([(apart[: n - lag] * apart[lag:]).sum() / n for lag in range(most + 1)])
    small = np.abs(cov[1:] / cov[0]) < 2 * math.sqrt(math.log10(n) / n)
    runs = [at for at in range(len(small) - k + 1) if small[at : at + k].all()]
    m = runs[0] if runs else int(np.flatnonzero(~small).max(initial=-1)) + 1
    m = min(2 * max(m, 1), most)
    lags = np.arange(-m, m + 1)
    taper = np.clip(2 * (1 - np.abs(lags) / m), 0, 1)
    spread = cov[np.abs(lags)]
    g, zero = (taper * np.abs(lags) * spread).sum(), (taper * spread).sum()
    d = 2 * zero**2 if stationary else 4 / 3 * zero**2
    length = (2 * g**2 / d) ** (1 / 3) * n ** (1 / 3) if d > 0 else 1.0
    return float(min(max(1.0, length), math.ceil(min(3 * math.sqrt(n), n / 3))))


def bootstrap(*, stationary: bool, studentised: bool = False) -> Interval:
    """Stationary (Politis and Romano 1994) or circular moving blocks; basic interval of the mean."""

    def ends(series: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        found = np.empty((len(series), 2))
        for row, values in enumerate(series):
            n, length = len(values), automatic(values, stationary=stationary)
            if stationary:
                new = rng.random((DRAWS, n)) < 1 / length
                new[:, 0] = True
            else:
                new = np.zeros((DRAWS, n), bool)
                new[:, :: max(1, round(length))] = True
            starts = np.where(new, rng.integers(n, size=(DRAWS, n)), 0)
            begun = np.maximum.accumulate(np.where(new, np.arange(n), 0), axis=1)
            place = (np.take_along_axis(starts, begun, axis=1) + np.arange(n) - begun) % n
            means = values[place].mean(axis=1) - values.mean()
            found[row] = -np.quantile(means, (1 + PROMISED) / 2), -np.quantile(means, (1 - PROMISED) / 2)
        return found

    return ends


METHODS: dict[str, Interval] = {
    "t over 96": batches(96),
    "t over 24": batches(24),
    "t over 12": batches(12),
    "t over 8": batches(8),
    "t over 6": batches(6),
    "Bartlett, fixed b = 0.1": bartlett(0.1),
    "Bartlett, fixed b = 0.25": bartlett(0.25),
    "Bartlett, fixed b = 0.5": bartlett(0.5),
    "cosines, 0.4 T^(2/3)": cosine(2 / 3, 0.4),
    "cosines, 0.2 T^(2/3)": cosine(2 / 3, 0.2),
    "merging blocks": merging,
    "stationary bootstrap, Politis-White": bootstrap(stationary=True),
    "moving blocks, Politis-White": bootstrap(stationary=False),
}


PLACES = (np.arange(N) + 0.5) / N
COURSES: dict[str, np.ndarray] = {
    "level": np.zeros(N),
    "a step": 3.0 * (PLACES > 0.3),
    "a hump": 3.0 * ((PLACES > 0.25) & (PLACES < 0.75)),
    "two seasons": 3.0 * np.sin(4 * np.pi * PLACES),
    "a slope": 6.0 * PLACES,
}
"""In standard deviations of the noise."""


def neighbours(k: int) -> Interval:
    """t interval whose variance is that of the differences of neighbouring blocks, k of them (von Neumann 1941)."""

    def half(series: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        blocks = series.reshape(len(series), k, -1).mean(axis=2)
        variance = (np.diff(blocks, axis=1) ** 2).sum(axis=1) / (2 * (k - 1))
        df = 2 * (k - 1) ** 2 // (3 * k - 4)
        return np.asarray(stats.t.ppf((1 + PROMISED) / 2, df) * np.sqrt(variance / k))

    return half


OF_STRETCH: dict[str, Interval] = {
    **{f"neighbours of {k}": neighbours(k) for k in (96, 48, 24, 16, 12, 8)},
    "cosines, 0.2 T^(2/3)": METHODS["cosines, 0.2 T^(2/3)"],
}


def of_stretch() -> dict[str, object]:
    """Try the methods for the second question."""
    held: dict[str, dict[str, float]] = {}
    widths: dict[str, float] = {}
    for name, method in OF_STRETCH.items():
        held[name], wide = {}, []
        for kind, make in PLAIN.items():
            noise = make(np.random.default_rng([13, *kind.encode()]))
            noise = noise / noise.std()
            for course, path in COURSES.items():
                half = method(noise + path, np.random.default_rng(11))
                held[name][f"{kind}, {course}"] = float(np.mean(np.abs(noise.mean(axis=1)) <= half))
                wide.append(float(np.mean(half) / (1.96 * noise.mean(axis=1).std())))
        widths[name] = float(np.mean(wide))
        print(f"{name:24} worst {min(held[name].values()):.3f} mean width {widths[name]:.2f}", flush=True)
    least = PROMISED - 2 * math.sqrt(PROMISED * (1 - PROMISED) / RUNS)
    worst = {name: min(all_.values()) for name, all_ in held.items()}
    fit = [name for name in held if worst[name] >= least]
    taken = min(fit, key=lambda name: widths[name]) if fit else max(worst, key=lambda name: worst[name])
    print("fit:", fit, "taken:", taken)
    return {"held": held, "widths": widths, "worst": worst, "fit": fit, "taken": taken}


def main() -> None:
    """Try every method on every series."""
    held: dict[str, dict[str, float]] = {}
    widths: dict[str, dict[str, float]] = {}
    for name, method in METHODS.items():
        held[name], widths[name] = {}, {}
        for kind, make in {**PLAIN, **HARD}.items():
            series = make(np.random.default_rng([7, *kind.encode()]))
            series = series[:SLOW_RUNS] if name.startswith(SLOW) else series
            found = method(series, np.random.default_rng(11))
            low, high = (-found, found) if found.ndim == 1 else found.T
            mean = series.mean(axis=1)
            held[name][kind] = float(np.mean((mean + low <= 0) & (mean + high >= 0)))
            widths[name][kind] = float(np.mean(high - low) / (2 * 1.96 * mean.std()))
        print(f"{name:38}", " ".join(f"{value:.3f}" for value in held[name].values()), flush=True)
    runs = {name: SLOW_RUNS if name.startswith(SLOW) else RUNS for name in METHODS}
    least = {name: PROMISED - 2 * math.sqrt(PROMISED * (1 - PROMISED) / n) for name, n in runs.items()}
    fit = [name for name, all_ in held.items() if min(all_[kind] for kind in PLAIN) >= least[name]]
    far = {name: float(np.mean([abs(held[name][kind] - PROMISED) for kind in PLAIN])) for name in held}
    worst = {name: min(held[name][kind] for kind in PLAIN) for name in held}
    taken = min(fit, key=lambda name: far[name]) if fit else max(worst, key=lambda name: worst[name])
    print("fit:", fit, "taken:", taken)
    about = {"runs": runs, "values": N, "promised": PROMISED, "least": least}
    result = {"about": about, "plain": list(PLAIN), "hard": list(HARD), "held": held, "widths": widths,
              "fit": fit, "mean_distance": far, "taken": taken, "of_stretch": of_stretch()}  # fmt: skip
    (HERE / "coverage.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

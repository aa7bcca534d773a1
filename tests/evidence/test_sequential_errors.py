"""The promise of every look together, by simulation: small versions of ``benchmarks/renew/peeking``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from cauce.evidence import Running, paired, sequential, split
from cauce.evidence.running import Sums

Floats = npt.NDArray[np.float64]
Rng = np.random.Generator
RUNS, BATCH, LOOKS = 250, 20, 25


def log_losses(rng: Rng, n: int) -> tuple[Floats, Floats]:
    logit = rng.normal(0, 1.5, n)
    sign = np.where(rng.random(n) < 1 / (1 + np.exp(-logit)), -1.0, 1.0)
    ours, theirs = logit + 0.6 * rng.normal(size=n), logit + 0.6 * rng.normal(size=n)
    return np.logaddexp(0, sign * ours), np.logaddexp(0, sign * theirs)


def seldom(rng: Rng, n: int, chance: float) -> Floats:
    return (rng.random(n) < chance).astype(np.float64)


DRAWS: dict[str, Callable[[Rng, int], tuple[Floats, Floats]]] = {
    "normal": lambda rng, n: (rng.normal(size=n), rng.normal(size=n)),
    "log loss": log_losses,
    "t3": lambda rng, n: (rng.standard_t(3, size=n), np.zeros(n)),
    "exponential": lambda rng, n: (rng.exponential(size=n), np.ones(n)),
    "0/1, nine in ten equal": lambda rng, n: (
        rng.binomial(1, 0.05, n).astype(np.float64),
        rng.binomial(1, 0.05, n).astype(np.float64),
    ),
}


def told_apart(draw: Callable[[Rng, int], tuple[Floats, Floats]], rng: Rng) -> tuple[bool, bool]:
    """Return whether equal models are ever told apart by looks at all times, and by the interval of a single look."""
    ours, theirs = draw(rng, BATCH * LOOKS)
    so_far, ever, once = Running(), False, False
    for look in range(LOOKS):
        part = slice(look * BATCH, (look + 1) * BATCH)
        so_far = so_far.add(ours[part], theirs[part])
        found = so_far.compare(margin=0.0, tuned_for=400)
        single = paired(ours[: part.stop], theirs[: part.stop], margin=0.0)
        ever, once = ever or found.verdict in ("better", "worse"), once or single.verdict in ("better", "worse")
    return ever, once


@pytest.mark.parametrize("name", DRAWS)
def test_equal_models_are_seldom_told_apart_however_often_one_looks(name: str) -> None:
    rng = np.random.default_rng(1)
    ever, once = np.mean([told_apart(DRAWS[name], rng) for _ in range(RUNS)], axis=0)
    assert ever <= 0.05
    assert once > 0.15  # what the interval of a single look does here: the harness can fail


def test_the_truth_is_covered_at_every_look_where_it_is_not_zero() -> None:
    rng = np.random.default_rng(2)
    missed = 0
    for _ in range(RUNS):
        apart = rng.exponential(size=BATCH * LOOKS) - 0.3
        looks = [sequential(apart[: n * BATCH], np.zeros(n * BATCH), margin=0.0) for n in range(3, LOOKS, 2)]
        missed += not all(found.lower <= 0.7 <= found.upper for found in looks)
    assert missed / RUNS <= 0.05


def grouped(rng: Rng) -> tuple[bool, bool]:
    sizes = rng.integers(1, 12, 120)
    groups = np.repeat(np.arange(120), sizes)
    apart = rng.normal(size=120)[groups] + 0.5 * rng.normal(size=len(groups))
    ends = sizes.cumsum()[9::5]
    zeros = np.zeros(len(groups))
    looks = [sequential(apart[:n], zeros[:n], margin=0.0, groups=groups[:n]) for n in ends]
    blind = [sequential(apart[:n], zeros[:n], margin=0.0) for n in ends]
    return any(f.verdict != "undecided" for f in looks), any(f.verdict != "undecided" for f in blind)


def test_units_of_a_group_count_together_at_every_look() -> None:
    rng = np.random.default_rng(3)
    known, blind = np.mean([grouped(rng) for _ in range(RUNS)], axis=0)
    assert known <= 0.05
    assert blind > 0.15


@pytest.mark.parametrize("grows", [True, False])
def test_covariates_of_everyone_keep_the_promise(grows: bool) -> None:
    rng = np.random.default_rng(4)
    wrong = 0
    for _ in range(RUNS):
        everyone = rng.normal(size=BATCH * LOOKS * 3)
        apart = everyone[: BATCH * LOOKS] + 0.7 * rng.normal(size=BATCH * LOOKS)
        for look in range(3, LOOKS, 3):
            n = look * BATCH
            seen = everyone[: 3 * n] if grows else everyone
            found = sequential(apart[:n], np.zeros(n), margin=0.0, covariate=everyone[:n], everyone=seen)
            if found.verdict != "undecided":
                wrong += 1
                break
    assert wrong / RUNS <= 0.05


@pytest.mark.parametrize("share", [0.5, 0.1])
@pytest.mark.parametrize("adjusted", [False, True])
def test_equal_arms_of_a_split_are_seldom_told_apart(share: float, adjusted: bool) -> None:
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(RUNS):
        shown = rng.random(2_000) < share
        known = rng.normal(size=2_000)
        losses = rng.exponential(size=2_000) + known * adjusted
        for n in range(100, 2_000, 100):
            ours, theirs = losses[:n][shown[:n]], losses[:n][~shown[:n]]
            beside = (known[:n][shown[:n]], known[:n][~shown[:n]]) if adjusted else (None, None)
            found = split(ours, theirs, margin=0.0, candidate_covariate=beside[0], reference_covariate=beside[1])
            if found.verdict != "undecided":
                wrong += 1
                break
    assert wrong / RUNS <= 0.05


def rarely_better(rng: Rng, bound: float | None) -> bool:
    """Return whether a candidate that loses all it does in one unit of fifty is ever called better."""
    losses = seldom(rng, 800, 0.02)
    sums = [
        Running(Sums.of(losses[:n]), Sums.of(np.full(n, 0.02)), Sums.of(losses[:n] - 0.02)) for n in range(50, 800, 25)
    ]
    return any(own.compare(margin=0.0, bound=bound).verdict == "better" for own in sums)


def test_a_bound_protects_against_what_was_not_seen_yet() -> None:
    rng = np.random.default_rng(6)
    assert np.mean([rarely_better(rng, 1.0) for _ in range(RUNS)]) <= 0.05
    assert np.mean([rarely_better(rng, None) for _ in range(RUNS)]) > 0.2  # as the docstring of `sequential` owns up

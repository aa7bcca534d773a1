"""What the rule promises, by simulation: equal rungs are seldom told apart, better ones are found (in full size under
benchmarks/select/rule)."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.select.rule.simulate import Floats, Ints, equal_ridges, place

from cauce.evidence import paired

RUNS = 1_000


def place_by_bonferroni(losses: Floats, folds: Ints, *, margin: float) -> int:
    """Return what was chosen before: two-sided intervals, every rung counted in full."""
    best = int(losses.mean(axis=1).argmin())
    for i in range(best):
        found = paired(losses[i], losses[best], margin=margin, folds=folds, comparisons=len(losses) - 1)
        if not (found.lower > 0 and found.difference > found.margin):
            return i
    return best


@pytest.mark.slow
@pytest.mark.parametrize(("n", "p", "n_rungs"), [(60, 20, 2), (60, 20, 4), (250, 20, 4)])
def test_of_equal_learners_a_higher_one_is_taken_in_at_most_one_case_of_twenty(n: int, p: int, n_rungs: int) -> None:
    rng = np.random.default_rng([n, p, n_rungs])
    draws = [equal_ridges(rng, n, n_rungs, p, 5) for _ in range(RUNS)]
    assert np.mean([losses.mean(axis=1).argmin() > 0 for losses, _ in draws]) > 0.4  # the lowest mean is taken by luck
    assert np.mean([place(losses, folds, margin=0.0) > 0 for losses, folds in draws]) <= 0.05


@pytest.mark.slow
def test_of_seven_equal_rungs_judged_by_one_fold_a_higher_one_is_taken_in_one_case_of_twenty() -> None:
    # Nothing overlaps here, so nothing is inflated, and the share is what was asked for: neither more nor much less.
    wrong, rng, folds = 0, np.random.default_rng(5), np.zeros(200, np.int64)
    for _ in range(RUNS):
        losses = rng.normal(size=200) + rng.normal(size=(7, 200)) + rng.standard_t(3, size=(7, 200))
        wrong += place(losses, folds, margin=0.0) > 0
    assert 0.03 <= wrong / RUNS <= 0.065


def test_a_better_family_is_found_more_often_than_by_bonferroni() -> None:
    rng, folds = np.random.default_rng(6), np.arange(800) % 5
    now = before = 0
    for _ in range(150):
        losses = rng.exponential(size=800) + 0.15 * rng.normal(size=(7, 800))
        losses[4:] = losses[4] + 0.02 * rng.normal(size=(3, 800))  # boosting, tuned boosting and their cousin
        losses[:4] += 0.03
        now += place(losses, folds, margin=0.01) >= 4
        before += place_by_bonferroni(losses, folds, margin=0.01) >= 4
    assert now >= before + 20

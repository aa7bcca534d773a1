"""The intervals' promise, by simulation: what is true is covered, what is equal is seldom called different."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from cauce.evidence import independent, paired

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
SIMULATIONS = 2_500


def covered(rows: Floats, truth: float, groups: Ints | None = None) -> float:
    zeros = np.zeros(rows.shape[1])
    found = [paired(row, zeros, margin=0.01, groups=groups) for row in rows]
    return float(np.mean([f.lower <= truth <= f.upper for f in found]))


def called_different(
    rows: Floats, folds: Ints | None, *, expanding: bool = False, test_per_train: float | None = None
) -> float:
    zeros, options = np.zeros(rows.shape[1]), {"expanding": expanding, "test_per_train": test_per_train}
    found = [paired(row, zeros, margin=0.0, folds=folds, **options) for row in rows]  # type: ignore[arg-type]
    return float(np.mean([f.lower > 0 or f.upper < 0 for f in found]))


@pytest.mark.parametrize("n", [5, 40, 400])
def test_interval_of_independent_units_covers(n: int) -> None:
    rng = np.random.default_rng(n)
    assert 0.93 <= covered(rng.normal(0.3, 1.0, (SIMULATIONS, n)), 0.3) <= 0.97


def test_interval_of_skewed_losses_covers() -> None:
    rng = np.random.default_rng(0)
    apart = rng.exponential(1.0, (SIMULATIONS, 300)) - rng.exponential(0.5, (SIMULATIONS, 300))
    assert 0.93 <= covered(apart, 0.5) <= 0.97


@pytest.mark.parametrize(("n_groups", "size"), [(8, 20), (40, 5)])
@pytest.mark.parametrize("within", [0.1, 0.9])
def test_interval_of_grouped_units_covers_and_the_plain_one_does_not(n_groups: int, size: int, within: float) -> None:
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(n_groups), size)
    shared = rng.normal(size=(SIMULATIONS, n_groups))[:, groups]
    apart = 0.3 + np.sqrt(within) * shared + np.sqrt(1 - within) * rng.normal(size=shared.shape)
    assert 0.93 <= covered(apart, 0.3, groups) <= 0.97
    assert covered(apart, 0.3) < (0.92 if within < 0.5 else 0.7)


def test_interval_covers_where_a_few_groups_hold_most_units() -> None:
    # The usual G/(G-1) factor with G-1 degrees of freedom covers 88 % here; too wide is the lesser fault.
    rng = np.random.default_rng(2)
    sizes = np.array([150, 60, 40, 20, 10, 10, 5, 5, 5, 3, 2, 1])
    groups = np.repeat(np.arange(len(sizes)), sizes)
    apart = rng.normal(size=(SIMULATIONS, len(sizes)))[:, groups] + 0.5 * rng.normal(size=(SIMULATIONS, len(groups)))
    assert covered(apart, 0.0, groups) >= 0.94


def test_welch_covers_with_unequal_variances() -> None:
    rng = np.random.default_rng(3)
    small, large = rng.normal(1.0, 3.0, (SIMULATIONS, 15)), rng.normal(1.0, 0.5, (SIMULATIONS, 120))
    found = [independent(a, b, margin=0.01) for a, b in zip(small, large, strict=True)]
    assert 0.93 <= np.mean([f.lower <= 0 <= f.upper for f in found]) <= 0.97


def test_equal_models_are_called_worse_in_at_most_one_case_of_twenty() -> None:
    rng = np.random.default_rng(4)
    losses = rng.exponential(size=(SIMULATIONS, 2, 60))
    verdicts = [paired(a, b, margin=0.01).verdict for a, b in losses]
    assert np.mean([v == "worse" for v in verdicts]) <= 0.05
    assert np.mean([v == "equivalent" for v in verdicts]) == 0.0


def test_a_model_worse_by_the_margin_is_seldom_called_equivalent() -> None:
    rng = np.random.default_rng(5)
    theirs = rng.exponential(size=(SIMULATIONS, 400)) + 1.0
    ours = theirs + 0.05 * 2.0 + rng.normal(0, 0.5, theirs.shape)  # the margin is 5 % of a mean of 2
    found = [paired(a, b, margin=0.05) for a, b in zip(ours, theirs, strict=True)]
    assert np.mean([f.verdict == "equivalent" for f in found]) <= 0.05
    assert np.mean([f.not_worse for f in found]) <= 0.05


def out_of_fold(n: int, p: int, n_folds: int, penalty: float, *, n_simulations: int) -> tuple[Floats, Ints]:
    """Return loss differences and folds of two equal learners: each fold is tested by what the others taught."""
    folds = np.arange(n, dtype=np.int64) % n_folds
    parts = [(folds != fold, folds == fold) for fold in range(n_folds)]
    return two_ridges(n, p, penalty, parts, n_simulations), folds


def two_ridges(n: int, p: int, penalty: float, parts: list[tuple[Bools, Bools]], n_simulations: int) -> Floats:
    """Return loss differences of two ridge regressions that see one half of the columns each; 0 where not tested.

    The halves carry the same signal, so that both learners have the same expected loss over training sets.
    """
    rng = np.random.default_rng(n * p * len(parts))
    columns = rng.normal(size=(n_simulations, n, 2 * p))
    slopes = rng.normal(size=(n_simulations, 2, p))
    slopes /= np.linalg.norm(slopes, axis=2, keepdims=True)
    target = np.einsum("snp,sp->sn", columns, slopes.reshape(n_simulations, 2 * p))
    target += rng.normal(size=target.shape)
    apart = np.zeros((n_simulations, n))
    for train, test in parts:
        for half, sign in ((slice(0, p), 1.0), (slice(p, 2 * p), -1.0)):
            seen, asked = columns[:, train, half], columns[:, test, half]
            gram = np.einsum("snp,snq->spq", seen, seen) + penalty * np.eye(p)
            moments = np.einsum("snp,sn->sp", seen, target[:, train])
            fitted = np.linalg.solve(gram, moments[..., None])[..., 0]
            apart[:, test] += sign * (target[:, test] - np.einsum("snp,sp->sn", asked, fitted)) ** 2
    return apart


@pytest.mark.parametrize(
    ("n", "p", "n_folds", "penalty"),
    [
        (120, 20, 5, 1.0),
        (120, 20, 3, 1.0),
        (60, 22, 5, 0.01),
        (60, 45, 5, 0.01),  # nearly as many columns as rows: the training rows decide, the folds differ
    ],
)
def test_equal_learners_out_of_fold_are_seldom_called_different(n: int, p: int, n_folds: int, penalty: float) -> None:
    apart, folds = out_of_fold(n, p, n_folds, penalty, n_simulations=1_000)
    assert called_different(apart, folds) <= 0.05
    assert called_different(apart, None) > 0.07  # what overlapping training rows do to the usual interval


@pytest.mark.parametrize(
    ("n", "p", "n_folds", "penalty"), [(120, 20, 2, 1.0), (300, 20, 3, 1.0), (60, 20, 3, 0.01), (60, 45, 5, 0.01)]
)
def test_equal_learners_in_expanding_windows_are_seldom_called_different(
    n: int, p: int, n_folds: int, penalty: float
) -> None:
    cuts = np.linspace(0.4 * n, n, n_folds + 1).astype(int)
    row = np.arange(n)
    parts = [(row < begin, (row >= begin) & (row < end)) for begin, end in itertools.pairwise(cuts)]
    apart = two_ridges(n, p, penalty, parts, 1_000)[:, cuts[0] :]
    folds = np.searchsorted(cuts, row[cuts[0] :], side="right").astype(np.int64)
    ratio = float(np.mean([test.sum() / train.sum() for train, test in parts]))
    assert called_different(apart, folds, expanding=True, test_per_train=ratio) <= 0.05


def test_a_gap_in_every_window_is_found_although_the_windows_differ() -> None:
    # One model five times worse in each of three years, on levels that differ tenfold: chance cannot do that.
    rng = np.random.default_rng(7)
    level = np.repeat([1.0, 3.0, 10.0], 500)
    good, bad = rng.exponential(level), rng.exponential(5 * level)
    folds = np.repeat(np.arange(3), 500)
    assert paired(bad, good, margin=0.01, folds=folds, test_per_train=0.4, expanding=True).verdict == "worse"
    assert paired(bad, good, margin=0.01, folds=folds, test_per_train=0.4).verdict == "undecided"

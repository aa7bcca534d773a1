"""The best of several models: how much luck is in it, against tables, exact probabilities and simulation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from cauce.evidence import Chance, chance, paired, units_needed, units_to_find
from cauce.evidence.several import DRAWS

Floats = npt.NDArray[np.float64]


def critical(counted: float, confidence: float = 0.95) -> float:
    return float(stats.norm.isf((1 - confidence) / counted))


def drawn(covariance: Floats, seed: int = 0) -> Chance:
    rng = np.random.default_rng(seed)
    return Chance(covariance, rng.multivariate_normal(np.zeros(len(covariance)), covariance, DRAWS * 8).T)


@pytest.mark.parametrize(
    ("n_rivals", "table"), [(1, 1.645), (2, 1.916), (3, 2.062), (4, 2.160), (6, 2.292), (9, 2.417)]
)
def test_equal_independent_models_give_dunnetts_table(n_rivals: int, table: float) -> None:
    # Dunnett (1955), one-sided, 95 %, infinitely many degrees of freedom.
    found = drawn(np.eye(n_rivals + 1)).counted(0, range(1, n_rivals + 1), confidence=0.95)
    assert critical(found) == pytest.approx(table, abs=0.012)


def test_unequal_correlations_give_the_exact_normal_probability() -> None:
    rng = np.random.default_rng(1)
    mixed = rng.normal(size=(5, 8))
    covariance = mixed @ mixed.T
    counted = drawn(covariance).counted(2, [0, 1, 3, 4], confidence=0.9)
    contrast = np.zeros((4, 5))
    contrast[np.arange(4), [0, 1, 3, 4]], contrast[:, 2] = -1.0, 1.0
    joint = contrast @ covariance @ contrast.T
    sd = np.sqrt(np.diag(joint))
    exact = stats.multivariate_normal(np.zeros(4), joint / np.outer(sd, sd)).cdf(np.full(4, critical(counted, 0.9)))
    assert exact == pytest.approx(0.9, abs=0.004)


def test_copies_count_as_one_and_strangers_nearly_in_full() -> None:
    rng = np.random.default_rng(2)
    own, other = rng.normal(size=(2, 4000))
    copies = chance(np.stack([own, other, other, other, other]), rng=rng)
    assert copies.counted(0, [1, 2, 3, 4], confidence=0.95) == pytest.approx(1.0, abs=0.02)
    # A model without scatter of its own: its differences to strangers do not share anything.
    strangers = chance(np.vstack([np.zeros(4000), rng.normal(size=(5, 4000))]), rng=rng)
    assert 4.5 < strangers.counted(0, [1, 2, 3, 4, 5], confidence=0.95) <= 5.0


def test_models_without_any_difference_count_as_one() -> None:
    same = chance(np.ones((3, 20)), rng=np.random.default_rng(0))
    assert same.counted(0, [1, 2], confidence=0.95) == 1.0
    tiny = chance(np.tile(np.arange(20.0), (3, 1)) * 1e-200, rng=np.random.default_rng(0))
    assert tiny.counted(0, [1, 2], confidence=0.95) == 1.0


def test_the_unit_of_the_loss_does_not_matter() -> None:
    losses = np.random.default_rng(3).exponential(size=(4, 100))
    counts = [
        chance(losses * scale, rng=np.random.default_rng(0)).counted(0, [1, 2, 3], confidence=0.95)
        for scale in (1.0, 1e-150, 1e150)
    ]
    assert counts == pytest.approx([counts[0]] * 3, rel=0.02)


def test_a_seed_gives_one_answer_and_another_nearly_the_same() -> None:
    losses = np.random.default_rng(4).normal(size=(7, 500))
    one, again, other = (
        chance(losses, rng=np.random.default_rng(seed)).counted(0, range(1, 7), confidence=0.95) for seed in (0, 0, 1)
    )
    assert one == again
    assert other == pytest.approx(one, rel=0.2)


def test_groups_decide_how_alike_models_are() -> None:
    # Within a group the rivals differ at random; what the groups share is one thing for all rivals.
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(100), 20)
    shared = 3.0 * rng.normal(size=100)[groups]
    losses = np.vstack([np.zeros(2000), shared + 0.3 * shared.std() * rng.normal(size=(4, 2000))])
    by_unit = chance(losses, rng=rng).counted(0, [1, 2, 3, 4], confidence=0.95)
    by_group = chance(losses, rng=rng, groups=groups).counted(0, [1, 2, 3, 4], confidence=0.95)
    assert by_group < by_unit - 0.1


def test_wrong_shapes_are_named() -> None:
    for bad in (np.ones(3), np.ones((0, 3)), np.ones((3, 0))):
        with pytest.raises(ValueError, match="n_models, n_units"):
            chance(bad, rng=np.random.default_rng(0))


@pytest.mark.parametrize("alike", [0.0, 0.9])
def test_the_best_of_equal_models_is_called_better_in_one_case_of_twenty(alike: float) -> None:
    wrong, n_runs, n = 0, 1_000, 80
    rng = np.random.default_rng(6)
    for _ in range(n_runs):
        losses = rng.normal(size=(5, n))
        losses[1:] = np.sqrt(alike) * rng.normal(size=n) + np.sqrt(1 - alike) * losses[1:]
        best = int(losses.mean(axis=1).argmin())
        counted = chance(losses, rng=rng, n_draws=2_000).counted(0, [1, 2, 3, 4], confidence=0.95)
        if best:
            wrong += paired(losses[0], losses[best], margin=0.0, confidence=0.9, comparisons=counted).lower > 0
    assert 0.035 <= wrong / n_runs <= 0.065


def test_units_to_find_are_those_of_the_scatter() -> None:
    rng = np.random.default_rng(7)
    apart = rng.normal(0, 3.0, 5_000)
    std = float(apart.std(ddof=1))
    assert units_to_find(apart, np.zeros(5_000), 0.2) == units_needed(std, 0.2)
    assert units_to_find(apart * 1e200, np.zeros(5_000), 0.2e200) == pytest.approx(units_needed(std, 0.2), abs=1)
    several = units_to_find(apart, np.zeros(5_000), 0.2, comparisons=4)
    assert several == units_needed(std, 0.2, confidence=1 - 0.05 / 4)


def test_units_in_groups_take_more_of_them() -> None:
    groups = np.repeat(np.arange(200), 10)
    apart = np.repeat(np.random.default_rng(8).normal(size=200), 10)
    grouped = units_to_find(apart, np.zeros(2_000), 0.1, groups=groups)
    assert grouped == 10 * units_needed(float(apart[::10].std(ddof=1)), 0.1)


def test_units_to_find_are_not_told_where_nothing_is_known() -> None:
    assert units_to_find([1.0], [0.0], 0.1) is None
    assert units_to_find(np.arange(9.0), np.zeros(9), 0.1, groups=np.zeros(9)) is None
    assert units_to_find(np.arange(9.0), np.zeros(9), 1e-9) is None

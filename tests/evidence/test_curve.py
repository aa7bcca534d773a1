"""Curves carried on: exact where they are a power law, covered where they scatter, nothing where nothing is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from cauce.evidence.curve import extrapolate

SHARES = np.array([0.125, 0.25, 0.5, 1.0])
Floats = npt.NDArray[np.float64]


def drawn(
    exponent: float, rng: np.random.Generator, *, n: int = 300, noise: float = 0.3, models: float = 0.0
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Losses of three folds that fall from 1.5 + … by a power law, with noise by unit and by model."""
    level = 1.0 + 0.2 * SHARES**-exponent
    folds = np.repeat(np.arange(3), n)
    drift = models * SHARES**-0.5 * rng.normal(size=(3, 4))
    return level + drift[folds] + noise * rng.normal(size=(3 * n, 1)) + 0.1 * noise * rng.normal(size=(3 * n, 4)), folds


@pytest.mark.parametrize("exponent", [0.3, 0.7, 1.5])
def test_an_exact_power_law_is_carried_on(exponent: float) -> None:
    losses, folds = drawn(exponent, np.random.default_rng(0), noise=1e-3)
    found = extrapolate(losses, SHARES, folds)
    assert found is not None
    assert found.exponent == pytest.approx(exponent, rel=0.1)
    assert found.gain.value == pytest.approx(0.2 * (1 - 2**-exponent), rel=0.05)
    assert found.floor.value == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("models", [0.0, 0.01])
@pytest.mark.parametrize("exponent", [0.4, 0.7, 1.2])
def test_the_interval_covers_the_gain_and_the_floor(exponent: float, models: float) -> None:
    gains, floors = [], []
    for seed in range(40):
        found = extrapolate(*_args(exponent, seed, models))
        assert found is not None
        gains.append(found.gain.lower <= 0.2 * (1 - 2**-exponent) <= found.gain.upper)
        floors.append(found.floor.lower <= 1.0 <= found.floor.upper)
    assert np.mean(gains) >= 0.9
    assert np.mean(floors) >= 0.8  # the prior draws a floor that is far away towards the curve


def _args(exponent: float, seed: int, models: float) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    losses, folds = drawn(exponent, np.random.default_rng(seed), models=models)
    return losses, SHARES, folds


def test_a_flat_curve_seldom_promises_a_gain() -> None:
    promised = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        losses = 1.0 + rng.normal(size=(600, 1)) + 0.2 * rng.normal(size=(600, 4))
        found = extrapolate(losses, SHARES, np.repeat(np.arange(3), 200))
        assert found is not None
        promised += found.gain.lower > 0
    assert promised <= 5


def test_units_that_resemble_each_other_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    folds = np.repeat(np.arange(2), 200)
    groups = np.arange(400) // 20
    shared = rng.normal(size=(20, 4))[groups] * 0.3
    losses = 1.0 + 0.1 * SHARES**-0.7 + shared + 0.1 * rng.normal(size=(400, 4))
    plain, grouped = extrapolate(losses, SHARES, folds), extrapolate(losses, SHARES, folds, groups=groups)
    assert plain is not None
    assert grouped is not None
    assert grouped.gain.half > plain.gain.half


def test_models_that_differ_between_folds_widen_it_and_more_so_where_folds_share_rows() -> None:
    halves = []
    for models, overlap in ((0.0, 0.0), (0.05, 0.0), (0.05, 0.75)):
        losses, folds = drawn(0.7, np.random.default_rng(1), models=models)
        found = extrapolate(losses, SHARES, folds, overlap=overlap)
        assert found is not None
        halves.append(found.gain.half)
    assert halves == sorted(halves)
    assert len(set(halves)) == 3


def test_two_sizes_or_one_fold_tell_nothing() -> None:
    losses, folds = drawn(0.7, np.random.default_rng(0))
    assert extrapolate(losses[:, 2:], SHARES[2:], folds) is None
    assert extrapolate(losses, SHARES, np.zeros_like(folds)) is None


def test_losses_of_any_size_are_carried_on_alike() -> None:
    losses, folds = drawn(0.7, np.random.default_rng(0))
    one, other = extrapolate(losses, SHARES, folds), extrapolate(losses * 1e90, SHARES, folds)
    assert one is not None
    assert other is not None
    assert other.gain.value == pytest.approx(one.gain.value * 1e90, rel=1e-6)
    assert other.gain.upper == pytest.approx(one.gain.upper * 1e90, rel=1e-6)

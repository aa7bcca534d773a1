from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from cauce.core.artefacts import Comparison
from cauce.core.files import from_json, to_json
from cauce.evidence import WIDEST, independent, sample_ratio, split
from cauce.evidence.mixture import START, radius, unseen

Floats = npt.NDArray[np.float64]


def arms(n: int, m: int, gap: float = 0.0, seed: int = 0) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    return rng.normal(2.0 + gap, 1.0, n), rng.normal(2.0, 1.5, m)


def test_interval_is_welchs_with_the_radius_of_all_looks() -> None:
    ours, theirs = arms(300, 120)
    ours, theirs = np.concatenate([ours, 4.0 - ours]), np.concatenate([theirs, 4.0 - theirs])  # no skew
    found, once = split(ours, theirs, margin=0.01), independent(ours, theirs, margin=0.01)
    oracle = stats.ttest_ind(ours, theirs, equal_var=False)
    share = 4 * 600 * 240 / 840 / 1_000
    wanted = radius(float(oracle.df), share, 0.05) / -float(stats.t.ppf(0.025, oracle.df))
    assert found.provable / once.provable == pytest.approx(wanted, rel=1e-6)
    assert found.difference == pytest.approx(once.difference)
    assert found.n_units == 840


def test_adjusted_figure_and_its_error_are_those_of_least_squares() -> None:
    rng = np.random.default_rng(1)
    n = 400
    known = rng.normal(size=(2 * n, 2))
    shown = np.repeat([1.0, 0.0], n)
    losses = 0.2 * shown + known @ np.array([0.7, -0.5]) + rng.normal(size=2 * n)
    found = split(losses[:n], losses[n:], margin=0.01, candidate_covariate=known[:n], reference_covariate=known[n:])
    design = np.column_stack([np.ones(2 * n), shown, known])
    fit, rest = np.linalg.lstsq(design, losses, rcond=None)[:2]
    error = math.sqrt(rest[0] / (2 * n - 4) * np.linalg.inv(design.T @ design)[1, 1])
    assert found.difference == pytest.approx(fit[1])
    # Variances of the arms are not pooled, and skew moves the ends a little.
    assert found.provable / radius(2 * n - 4, 2 * n / 1_000, 0.05) == pytest.approx(error, rel=0.03)
    plain = split(losses[:n], losses[n:], margin=0.01)
    assert found.provable / plain.provable == pytest.approx(1 / math.sqrt(1.74), rel=0.1)


@pytest.mark.parametrize(("gap", "verdict"), [(0.5, "worse"), (-0.5, "better"), (0.0, "undecided")])
def test_verdict(gap: float, verdict: str) -> None:
    found = split(*arms(2_000, 2_000, gap), margin=0.01)
    assert found.verdict == verdict
    assert from_json(to_json(found), Comparison) == found


def test_a_guardrail_is_read_from_the_same_comparison() -> None:
    fine, poor = split(*arms(4_000, 4_000), margin=0.1), split(*arms(4_000, 4_000, 0.4), margin=0.1)
    assert fine.not_worse
    assert not poor.not_worse


@pytest.mark.parametrize(("n", "m"), [(1, 1), (START - 1, 5_000), (5_000, 1)])
def test_a_small_arm_proves_nothing(n: int, m: int) -> None:
    found = split(*arms(n, m, 9.0), margin=0.01)
    assert (found.verdict, found.lower, found.provable) == ("undecided", -WIDEST, WIDEST)


def test_an_arm_without_a_single_loss_is_not_certain() -> None:
    rare = np.zeros(5_000)
    rare[:100] = 1.0  # one in fifty; of fifty units, a third of arms see none
    found = split(np.zeros(60), rare, margin=0.01)
    assert found.verdict == "undecided"
    assert split(np.zeros(3_000), rare, margin=0.01).verdict == "better"


def test_arms_that_never_vary() -> None:
    assert split(np.zeros(90), np.zeros(90), margin=0.01).verdict == "equivalent"
    assert split(np.ones(90), np.zeros(90), margin=0.01).verdict == "worse"


def test_a_bound_counts_in_what_each_arm_did_not_show() -> None:
    ours, theirs = arms(100, 900)
    free, bounded = split(ours, theirs, margin=0.01), split(ours, theirs, margin=0.01, bound=3.0)
    assert bounded.upper - free.upper == pytest.approx(unseen(3.0, 100, 0.05))
    assert free.lower - bounded.lower == pytest.approx(unseen(3.0, 900, 0.05))


@given(st.integers(0, 1_000), st.floats(1e-120, 1e120))
@settings(max_examples=50, deadline=None)
def test_the_unit_of_the_loss_and_of_the_covariate_does_not_matter(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    ours, theirs = arms(70, 110, seed=seed)
    known = (rng.normal(size=70) + ours, rng.normal(size=110) + theirs)
    one = split(ours, theirs, margin=0.01, candidate_covariate=known[0], reference_covariate=known[1])
    far = split(
        ours * scale,
        theirs * scale,
        margin=0.01,
        candidate_covariate=known[0] * scale,
        reference_covariate=known[1] * scale,
    )
    assert (far.lower / scale, far.upper / scale) == pytest.approx((one.lower, one.upper))
    back = split(theirs, ours, margin=0.01, candidate_covariate=known[1], reference_covariate=known[0])
    assert (back.lower, back.upper) == pytest.approx((-one.upper, -one.lower))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"candidate": []}, "at least one"),
        ({"reference": [math.inf]}, "reference is inf"),
        ({"margin": -1.0}, "margin is -1.0"),
        ({"candidate_covariate": [1.0, 2.0]}, "both arms or of neither"),
        ({"candidate_covariate": [1.0], "reference_covariate": [1.0, 2.0, 3.0]}, "candidate_covariate has 1 units"),
        ({"candidate_covariate": np.ones((2, 2)), "reference_covariate": np.ones((3, 1))}, "columns"),
    ],
)
def test_wrong_input_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split(**{"candidate": [1.0, 2.0], "reference": [1.0, 2.0, 4.0], "margin": 0.01, **arguments})


def test_share_of_arms_is_one_over_the_bayes_factor() -> None:
    ours, theirs, share = 480, 620, 0.5
    prior = stats.beta(1_000 * share, 1_000 * (1 - share))

    def likelihood(p: float) -> float:
        return float(prior.pdf(p)) * math.exp(ours * math.log(p / share) + theirs * math.log((1 - p) / (1 - share)))

    factor = integrate.quad(likelihood, 0.3, 0.7)[0]
    assert sample_ratio(ours, theirs, share) == pytest.approx(1 / factor, rel=1e-6)


def test_right_shares_are_seldom_doubted_and_wrong_ones_found() -> None:
    rng = np.random.default_rng(0)

    def lowest(truth: float) -> float:
        ours = rng.binomial(100, truth, 100).cumsum()
        return min(sample_ratio(int(own), 100 * (i + 1) - int(own), 0.1) for i, own in enumerate(ours))

    assert np.mean([lowest(0.1) < 0.05 for _ in range(400)]) < 0.05
    assert np.mean([lowest(0.12) < 0.01 for _ in range(50)]) > 0.9


def test_shares_before_anyone_came_and_after_millions() -> None:
    assert sample_ratio(0, 0, 0.3) == 1.0
    assert 0 < sample_ratio(10**9, 10**8, 0.5) < 1e-300
    assert sample_ratio(0, 300, 0.1) < sample_ratio(0, 100, 0.1) <= 1.0


@pytest.mark.parametrize(("counts", "share"), [((-1, 2), 0.5), ((1, 2), 0.0), ((1, 2), 1.0)])
def test_counts_and_shares_that_are_none_are_named(counts: tuple[int, int], share: float) -> None:
    with pytest.raises(ValueError, match=r"counts are|it lies between"):
        sample_ratio(*counts, share)

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import integrate, special, stats

from cauce.core.artefacts import Comparison
from cauce.core.files import from_json, to_json
from cauce.evidence import WIDEST, Running, paired, sequential
from cauce.evidence.mixture import START, Estimate, interval, radius, strength, unseen
from cauce.evidence.running import Sums

Floats = npt.NDArray[np.float64]
LOSS = st.floats(0, 1e6, allow_nan=False, allow_infinity=False, allow_subnormal=False)
TWO = st.integers(START, 90).flatmap(lambda n: hnp.arrays(np.float64, (2, n), elements=LOSS))


def draw(n: int, seed: int = 0, gap: float = 0.0) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    reference = rng.exponential(size=n)
    return reference + gap + rng.normal(0, 0.3, n), reference


def bayes_factor(t: float, n: int, tau: float) -> float:
    """Normal units, effect in standard deviations N(0, tau²) against none, right Haar prior on the deviation."""
    df, root = n - 1, math.sqrt(n)
    none = stats.t.pdf(t, df)
    effects = np.linspace(-12 * tau, 12 * tau, 4_001)
    dense = stats.nct.pdf(t, df, root * effects) * stats.norm.pdf(effects, 0, tau)
    return float(integrate.simpson(dense, x=effects) / none)


@pytest.mark.parametrize(("n", "share"), [(5, 1.0), (20, 0.5), (50, 2.0)])
def test_boundary_is_where_the_mixture_of_t_statistics_says_one_in_twenty(n: int, share: float) -> None:
    tau = math.sqrt(strength(0.05) * share / n)
    assert bayes_factor(radius(n - 1, share, 0.05), n, tau) == pytest.approx(20.0, rel=1e-3)


def test_many_units_give_the_asymptotic_sequence_of_robbins_mixture() -> None:
    for share in (0.01, 1.0, 30.0):
        prior = strength(0.05) * share
        oracle = math.sqrt((1 + prior) / prior * math.log((1 + prior) / 0.05**2))
        assert radius(1e12, share, 0.05) == pytest.approx(oracle, rel=1e-5)


def test_it_is_tightest_at_the_units_it_was_tuned_for() -> None:
    at_one = radius(1e9, 1.0, 0.05)
    assert all(radius(1e9, share, 0.05) > at_one for share in (0.5, 0.9, 1.1, 2.0))
    assert max(radius(1e9, share, 0.05) for share in (0.25, 4.0)) < 1.11 * at_one


def test_interval_is_the_figure_and_its_radius() -> None:
    ours, theirs = draw(200, gap=0.05)
    found, apart = sequential(ours, theirs, margin=0.01), ours - theirs
    error, skewed = stats.sem(apart), stats.skew(apart)
    reach = radius(199, 0.2, 0.05)
    moved = skewed * (199 / 200) * np.std(apart) * (1 + 2 * reach**2) / 6 / 200
    assert found.lower == pytest.approx(apart.mean() - reach * error + min(0.0, moved))
    assert found.upper == pytest.approx(apart.mean() + reach * error + max(0.0, moved))
    assert found.provable == pytest.approx((found.upper - found.lower) / 2)


def test_looking_at_any_time_costs_width() -> None:
    ours, theirs = draw(1_000)
    once, ever = paired(ours, theirs, margin=0.01), sequential(ours, theirs, margin=0.01)
    assert 1.4 < ever.provable / once.provable < 1.7


@pytest.mark.parametrize(
    ("gap", "noise", "margin", "verdict"),
    [
        (0.0, 0.001, 0.05, "equivalent"),
        (0.2, 0.01, 0.01, "worse"),
        (-0.2, 0.01, 0.01, "better"),
        (0.002, 0.0001, 0.05, "equivalent"),
        (0.0, 2.0, 0.01, "undecided"),
    ],
)
def test_verdict(gap: float, noise: float, margin: float, verdict: str) -> None:
    rng = np.random.default_rng(0)
    theirs = rng.exponential(size=400)
    assert sequential(theirs + gap + rng.normal(0, noise, 400), theirs, margin=margin).verdict == verdict


@pytest.mark.parametrize("n", [1, 2, START - 1])
def test_few_units_prove_nothing_and_are_still_json(n: int) -> None:
    ours, theirs = draw(n, gap=5.0)
    found = sequential(ours, theirs, margin=0.01)
    assert (found.verdict, found.lower, found.upper, found.provable) == ("undecided", -WIDEST, WIDEST, WIDEST)
    assert from_json(to_json(found), Comparison) == found
    assert "Infinity" not in json.dumps(json.loads(to_json(found)))


def test_units_of_few_groups_prove_nothing() -> None:
    ours, theirs = draw(600, gap=5.0)
    assert sequential(ours, theirs, margin=0.01, groups=np.full(600, "north")).verdict == "undecided"
    assert sequential(ours, theirs, margin=0.01, groups=np.arange(600) % 9).verdict == "undecided"
    assert sequential(ours, theirs, margin=0.01, groups=np.arange(600) % 12).verdict == "worse"


def test_equal_losses_are_equivalent_once_enough_of_them_were_seen() -> None:
    losses = np.random.default_rng(0).exponential(size=20_000)
    early, late = sequential(losses[:60], losses[:60], margin=0.01), sequential(losses, losses, margin=0.01)
    assert (early.difference, early.verdict, late.verdict) == (0.0, "undecided", "equivalent")
    grouped = sequential(losses, losses, margin=0.01, groups=np.arange(20_000) // 4)
    assert (grouped.lower, grouped.upper) == pytest.approx((late.lower, late.upper), rel=0.01)


@pytest.mark.parametrize("value", [0.0, 3.5])
def test_losses_that_never_vary_are_equivalent(value: float) -> None:
    losses = np.full(80, value)
    found = sequential(losses, losses, margin=0.01)
    assert (found.lower, found.upper, found.verdict) == (0.0, 0.0, "equivalent")


def test_a_constant_difference_is_seen_and_never_certain() -> None:
    found = sequential(np.ones(60), np.zeros(60), margin=0.01)
    assert found.verdict == "worse"
    assert found.lower < found.difference < found.upper


def test_a_bound_counts_in_what_was_not_seen() -> None:
    ours, theirs = draw(200)
    free, bounded = sequential(ours, theirs, margin=0.01), sequential(ours, theirs, margin=0.01, bound=2.0)
    assert bounded.upper - free.upper == pytest.approx(unseen(2.0, 200, 0.05))
    assert free.lower - bounded.lower == pytest.approx(2.0 * math.log(40.0) / 200)


def test_copies_of_a_unit_in_its_group_add_no_certainty() -> None:
    ours, theirs = draw(60)
    once = sequential(ours, theirs, margin=0.01, tuned_for=60)
    often, groups = (np.repeat(own, 7) for own in (ours, theirs)), np.repeat(np.arange(60), 7)
    copied = sequential(*often, margin=0.01, groups=groups, tuned_for=420)
    assert (copied.lower, copied.upper) == pytest.approx((once.lower, once.upper))


def with_covariate(seed: int, n: int, m: int) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    everyone = rng.normal(3.0, 1.0, (m, 2))
    apart = everyone[:n] @ np.array([0.8, -0.3]) + 0.4 * rng.normal(size=n)
    return apart, everyone[:n], everyone


def test_everyone_with_an_outcome_leaves_nothing_to_adjust() -> None:
    apart, known, _ = with_covariate(0, 300, 300)
    zeros = np.zeros(300)
    plain = sequential(apart, zeros, margin=0.01)
    found = sequential(apart, zeros, margin=0.01, covariate=known, everyone=known)
    assert found.difference == pytest.approx(plain.difference)
    assert (found.lower, found.upper) == pytest.approx((plain.lower, plain.upper), rel=0.05)
    assert sequential(apart, zeros, margin=0.01, covariate=known) == plain


def test_covariates_of_units_without_outcome_narrow_the_interval_as_theory_says() -> None:
    apart, known, everyone = with_covariate(1, 1_000, 10_000)
    plain = sequential(apart, np.zeros(1_000), margin=0.01)
    found = sequential(apart, np.zeros(1_000), margin=0.01, covariate=known, everyone=everyone)
    explained = 0.8**2 + 0.3**2
    theory = math.sqrt((0.16 + explained / 10) / (0.16 + explained))
    assert found.provable / plain.provable == pytest.approx(theory, rel=0.06)
    fit = np.linalg.lstsq(np.column_stack([np.ones(1_000), known]), apart, rcond=None)[0]
    assert found.difference == pytest.approx(float(fit[0] + everyone.mean(axis=0) @ fit[1:]))


def test_covariates_set_right_whose_outcomes_came_first() -> None:
    rng = np.random.default_rng(2)
    everyone = rng.normal(size=8_000)
    apart = everyone + 0.3 * rng.normal(size=8_000)  # equal models on average
    came = np.flatnonzero(rng.random(8_000) < 1 / (1 + np.exp(2 - 2 * everyone)))
    zeros = np.zeros(len(came))
    assert sequential(apart[came], zeros, margin=0.0).verdict == "worse"
    found = sequential(apart[came], zeros, margin=0.0, covariate=everyone[came], everyone=everyone)
    assert found.lower < 0 < found.upper


def test_constant_and_doubled_covariates_change_nothing() -> None:
    apart, known, everyone = with_covariate(3, 200, 900)
    zeros = np.zeros(200)
    found = sequential(apart, zeros, margin=0.01, covariate=known, everyone=everyone)
    wide = [np.column_stack([own, own[:, 0] * 2, np.full(len(own), 7.0)]) for own in (known, everyone)]
    again = sequential(apart, zeros, margin=0.01, covariate=wide[0], everyone=wide[1])
    assert (again.lower, again.upper) == pytest.approx((found.lower, found.upper))


def test_groups_and_covariates_together() -> None:
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(80), 5)
    shared = rng.normal(size=80)[groups]
    known = rng.normal(size=400)
    apart = shared + known + 0.1 * rng.normal(size=400)
    zeros, everyone = np.zeros(400), np.concatenate([known, rng.normal(size=4_000)])
    alone = sequential(apart, zeros, margin=0.01, covariate=known, everyone=everyone)
    grouped = sequential(apart, zeros, margin=0.01, covariate=known, everyone=everyone, groups=groups)
    assert grouped.n_clusters == 80
    assert 1.8 < grouped.provable / alone.provable < 2.8  # about √5: units of a group resemble each other


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reference": [1.0, 2.0]}, "reference has shape"),
        ({"groups": np.arange(2)}, "groups has shape"),
        ({"candidate": []}, "at least one"),
        ({"candidate": [math.nan, 1.0, 2.0]}, "candidate is nan at unit 0"),
        ({"margin": -0.1}, "margin is -0.1"),
        ({"confidence": 1.0}, "confidence is 1.0"),
        ({"tuned_for": 0}, "tuned_for is 0"),
        ({"bound": -1.0}, "bound is -1.0"),
        ({"covariate": [1.0, 2.0]}, "covariate has shape"),
        ({"covariate": [1.0, math.inf, 2.0]}, "not finite"),
        ({"everyone": [1.0, 2.0]}, "give both or neither"),
        ({"covariate": [1.0, 2.0, 3.0], "everyone": [1.0, 2.0]}, "everyone has 2 units"),
        ({"covariate": [1.0, 2.0, 3.0], "everyone": np.ones((4, 2))}, "columns"),
    ],
)
def test_wrong_input_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sequential(**{"candidate": [1.0, 2.0, 3.0], "reference": [1.0, 2.0, 4.0], "margin": 0.01, **arguments})


@given(TWO, st.floats(1e-150, 1e150))
@settings(max_examples=60, deadline=None)
def test_the_unit_of_the_loss_does_not_matter(losses: Floats, scale: float) -> None:
    one = sequential(losses[0], losses[1], margin=0.01)
    other = sequential(losses[0] * scale, losses[1] * scale, margin=0.01)
    assert other.provable / scale == pytest.approx(one.provable, rel=1e-6, abs=1e-9)
    assert other.lower <= other.difference <= other.upper


@given(TWO, st.booleans())
@settings(max_examples=60, deadline=None)
def test_swapping_the_models_mirrors_the_interval(losses: Floats, grouped: bool) -> None:
    groups = np.arange(losses.shape[1]) // 3 if grouped else None
    there = sequential(losses[0], losses[1], margin=0.0, groups=groups)
    back = sequential(losses[1], losses[0], margin=0.0, groups=groups)
    assert (back.lower, back.upper) == pytest.approx((-there.upper, -there.lower))


@given(TWO)
@settings(max_examples=60, deadline=None)
def test_every_comparison_is_json(losses: Floats) -> None:
    for n in (1, losses.shape[1]):
        found = sequential(losses[0, :n], losses[1, :n], margin=0.01)
        assert from_json(to_json(found), Comparison) == found


@given(
    hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e3, 1e3)), st.integers(0, 40), st.integers(0, 40)
)
@settings(max_examples=200, deadline=None)
def test_sums_of_parts_are_the_sums_of_all(values: Floats, first: int, second: int) -> None:
    cuts = np.split(values, sorted((min(first, len(values)), min(second, len(values)))))
    merged = Sums.of(cuts[0]).merge(Sums.of(cuts[1]).merge(Sums.of(cuts[2])))
    whole = Sums.of(values)
    size = max(1.0, float(np.abs(values).max()))
    assert (merged.n, merged.low, merged.high) == (whole.n, whole.low, whole.high)
    assert merged.mean == pytest.approx(whole.mean, abs=1e-12 * size)
    assert merged.second == pytest.approx(whole.second, rel=1e-9, abs=1e-9 * size**2)
    assert merged.third == pytest.approx(whole.third, rel=1e-9, abs=1e-9 * size**3)


def test_sums_are_the_central_moments() -> None:
    values = np.random.default_rng(5).exponential(size=300)
    sums = Sums.of(values)
    assert sums.second == pytest.approx(300 * stats.moment(values, 2))
    assert sums.third == pytest.approx(300 * stats.moment(values, 3))
    assert (sums.mean, sums.breadth) == pytest.approx((values.mean(), np.ptp(values)))


def test_what_a_watcher_keeps_says_what_all_units_say() -> None:
    ours, theirs = draw(500, gap=-0.05)
    so_far = Running()
    for part in np.array_split(np.arange(500), 7):
        so_far = from_json(to_json(so_far.add(ours[part], theirs[part])), Running)
    kept = so_far.compare(margin=0.01, bound=1.0, tuned_for=300)
    whole = sequential(ours, theirs, margin=0.01, bound=1.0, tuned_for=300)
    assert (kept.lower, kept.upper, kept.mean_reference) == pytest.approx(
        (whole.lower, whole.upper, whole.mean_reference)
    )
    assert (kept.verdict, kept.n_units) == (whole.verdict, 500)


def test_nothing_kept_is_no_comparison() -> None:
    with pytest.raises(ValueError, match="no units so far"):
        Running().compare(margin=0.01)
    with pytest.raises(ValueError, match="reference has shape"):
        Running().add([1.0, 2.0], [1.0])


def test_an_interval_without_freedom_has_no_end() -> None:
    assert interval(Estimate(1.0, 0.0, 0.0, 0.0), share=1.0, confidence=0.95) == (WIDEST, WIDEST)
    assert radius(1.0, 1.0, 0.05) == math.inf


def test_strength_solves_its_equation() -> None:
    for error in (0.01, 0.05, 0.2):
        g = strength(error)
        assert g == pytest.approx(math.log1p(g) - 2 * math.log(error), rel=1e-9)  # where the width's slope is zero
    assert special.lambertw(-(0.05**2) / math.e, -1).real == pytest.approx(-1 - strength(0.05))

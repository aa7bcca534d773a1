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
from scipy import stats

from cauce.core.artefacts import Comparison
from cauce.core.files import from_json, to_json
from cauce.evidence import WIDEST, independent, paired

Floats = npt.NDArray[np.float64]
LOSS = st.floats(0, 1e6, allow_nan=False, allow_infinity=False, allow_subnormal=False)
TWO = st.integers(2, 40).flatmap(lambda n: hnp.arrays(np.float64, (2, n), elements=LOSS))


def draw(n: int, seed: int = 0, gap: float = 0.0) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    reference = rng.exponential(size=n)
    return reference + gap + rng.normal(0, 0.3, n), reference


def test_plain_interval_is_that_of_the_paired_t_test() -> None:
    ours, theirs = draw(80, gap=0.05)
    found = paired(ours, theirs, margin=0.01, confidence=0.9)
    oracle = stats.ttest_rel(ours, theirs).confidence_interval(0.9)
    assert (found.lower, found.upper) == pytest.approx((oracle.low, oracle.high))
    assert found.difference == pytest.approx(ours.mean() - theirs.mean())
    assert found.provable == pytest.approx((oracle.high - oracle.low) / 2)


def test_several_comparisons_share_the_error() -> None:
    ours, theirs = draw(80)
    found = paired(ours, theirs, margin=0.01, comparisons=4)
    oracle = stats.ttest_rel(ours, theirs).confidence_interval(1 - 0.05 / 4)
    assert (found.lower, found.upper) == pytest.approx((oracle.low, oracle.high))
    assert found.confidence == 0.95


def test_independent_interval_is_welchs() -> None:
    rng = np.random.default_rng(1)
    ours, theirs = rng.exponential(2.0, 40), rng.exponential(1.0, 300)
    found = independent(ours, theirs, margin=0.01)
    oracle = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    assert (found.lower, found.upper) == pytest.approx((oracle.low, oracle.high))
    assert (found.n_units, found.verdict) == (340, "worse")


def test_groups_of_one_unit_are_no_groups() -> None:
    ours, theirs = draw(50)
    alone = paired(ours, theirs, margin=0.01, groups=np.arange(50))
    free = paired(ours, theirs, margin=0.01)
    assert alone.lower == pytest.approx(free.lower)
    assert alone.upper == pytest.approx(free.upper)


def test_groups_of_one_size_are_the_t_test_of_their_means() -> None:
    ours, theirs = draw(60)
    groups = np.repeat(np.arange(12), 5)
    found = paired(ours, theirs, margin=0.01, groups=groups)
    means = (ours - theirs).reshape(12, 5).mean(axis=1)
    oracle = stats.ttest_1samp(means, 0.0).confidence_interval(0.95)
    assert (found.lower, found.upper) == pytest.approx((oracle.low, oracle.high))
    assert (found.n_units, found.n_clusters) == (60, 12)


def test_copies_of_a_unit_in_its_group_add_no_certainty() -> None:
    ours, theirs = draw(30)
    once = paired(ours, theirs, margin=0.01)
    copied = paired(np.repeat(ours, 7), np.repeat(theirs, 7), margin=0.01, groups=np.repeat(np.arange(30), 7))
    assert copied.provable == pytest.approx(once.provable)
    assert paired(np.repeat(ours, 7), np.repeat(theirs, 7), margin=0.01).provable < once.provable / 2


def test_folds_that_disagree_give_the_interval_of_nadeau_and_bengio() -> None:
    # Five folds far apart, units within them alike: nothing but the fold means counts.
    means = np.array([0.0, 4.0, -3.0, 8.0, 2.0])
    apart = np.repeat(means, 200)
    found = paired(apart, np.zeros(1000), margin=0.01, folds=np.repeat(np.arange(5), 200))
    half = stats.t.ppf(0.975, 4) * math.sqrt((1 / 5 + 1 / 4) * means.var(ddof=1))
    assert found.provable == pytest.approx(half, rel=0.01)


def test_folds_that_agree_widen_by_the_overlap_alone() -> None:
    rng = np.random.default_rng(3)
    apart = rng.normal(size=(200, 5))
    apart -= apart.mean(axis=0)
    folds = np.tile(np.arange(5), 200)
    plain = paired(apart.ravel(), np.zeros(1000), margin=0.01)
    found = paired(apart.ravel(), np.zeros(1000), margin=0.01, folds=folds)
    assert found.provable == pytest.approx(plain.provable * math.sqrt(1 + 5 / 4))
    wide = paired(apart.ravel(), np.zeros(1000), margin=0.01, folds=folds, test_per_train=1.0)
    assert wide.provable == pytest.approx(plain.provable * math.sqrt(6))


def test_one_fold_is_one_model_and_nothing_overlaps() -> None:
    ours, theirs = draw(50)
    assert paired(ours, theirs, margin=0.01, folds=np.zeros(50)) == paired(ours, theirs, margin=0.01)


@pytest.mark.parametrize(
    ("gap", "noise", "margin", "verdict"),
    [
        (0.0, 0.001, 0.05, "equivalent"),
        (0.2, 0.01, 0.01, "worse"),
        (-0.2, 0.01, 0.01, "better"),
        (0.002, 0.0001, 0.05, "equivalent"),  # a gap that is certain and does not matter
        (0.0, 2.0, 0.01, "undecided"),
    ],
)
def test_verdict(gap: float, noise: float, margin: float, verdict: str) -> None:
    rng = np.random.default_rng(0)
    theirs = rng.exponential(size=400)
    found = paired(theirs + gap + rng.normal(0, noise, 400), theirs, margin=margin)
    assert found.verdict == verdict
    assert found.not_worse == (found.upper < found.margin)


def test_margin_is_relative_to_the_reference() -> None:
    ours, theirs = draw(50)
    assert paired(ours, theirs, margin=0.02).margin == pytest.approx(0.02 * theirs.mean())
    assert paired(ours, -theirs, margin=0.02).margin == pytest.approx(0.02 * theirs.mean())


@pytest.mark.parametrize("losses", [np.zeros(5), np.full(5, 3.5), np.arange(5.0)])
def test_equal_losses_are_equivalent(losses: Floats) -> None:
    for found in (
        paired(losses, losses, margin=0.0),
        paired(losses, losses, margin=0.01, groups=np.array([0, 0, 1, 1, 2]), folds=np.array([0, 1, 0, 1, 0])),
    ):
        assert (found.difference, found.lower, found.upper, found.verdict) == (0.0, 0.0, 0.0, "equivalent")


def test_constant_difference_is_certain() -> None:
    assert paired(np.full(9, 1.5), np.ones(9), margin=0.01).verdict == "worse"
    assert paired(np.full(9, 0.5), np.ones(9), margin=0.01).verdict == "better"
    assert independent(np.full(9, 1.5), np.ones(4), margin=0.01).verdict == "worse"


@pytest.mark.parametrize("groups", [None, np.zeros(1)])
def test_one_unit_proves_nothing_and_is_still_json(groups: Any) -> None:
    found = paired([0.1], [0.9], margin=0.01, groups=groups, folds=np.zeros(1))
    assert (found.verdict, found.provable, found.not_worse) == ("undecided", WIDEST, False)
    assert found.difference == pytest.approx(-0.8)
    assert from_json(to_json(found), Comparison) == found
    assert "null" not in json.dumps(json.loads(to_json(found)))


def test_one_group_proves_nothing() -> None:
    ours, theirs = draw(50, gap=5.0)
    found = paired(ours, theirs, margin=0.01, groups=np.full(50, "north"))
    assert (found.verdict, found.n_clusters) == ("undecided", 1)


def test_a_sample_of_one_unit_proves_nothing() -> None:
    assert independent([3.0], np.arange(9.0), margin=0.01).verdict == "undecided"
    assert independent(np.arange(9.0), [3.0], margin=0.01).verdict == "undecided"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_losses_that_are_not_finite_are_named(bad: float) -> None:
    with pytest.raises(ValueError, match=r"reference is .* at unit 1"):
        paired([1.0, 2.0, 3.0], [1.0, bad, 2.0], margin=0.01)
    with pytest.raises(ValueError, match=r"candidate is .* at unit 0"):
        independent([bad, 2.0], [1.0, 2.0], margin=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reference": [1.0, 2.0]}, "reference has shape"),
        ({"groups": np.arange(2)}, "groups has shape"),
        ({"folds": np.arange(4)}, "folds has shape"),
        ({"candidate": []}, "at least one"),
        ({"candidate": [[1.0], [2.0], [3.0]]}, "one loss per unit"),
        ({"margin": -0.1}, "margin is -0.1"),
        ({"margin": math.nan}, "margin is nan"),
        ({"confidence": 1.0}, "confidence is 1.0"),
        ({"comparisons": 0}, "comparisons is 0"),
    ],
)
def test_wrong_input_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        paired(**{"candidate": [1.0, 2.0, 3.0], "reference": [1.0, 2.0, 4.0], "margin": 0.01, **arguments})


@given(TWO, st.booleans(), st.booleans())
@settings(max_examples=200, deadline=None)
def test_swapping_the_models_mirrors_the_interval(losses: Floats, grouped: bool, folded: bool) -> None:
    n = losses.shape[1]
    groups, folds = np.arange(n) // 3 if grouped else None, np.arange(n) % 2 if folded else None
    there = paired(losses[0], losses[1], margin=0.0, groups=groups, folds=folds)
    back = paired(losses[1], losses[0], margin=0.0, groups=groups, folds=folds)
    assert (back.difference, back.lower, back.upper) == (-there.difference, -there.upper, -there.lower)
    mirrored = {"better": "worse", "worse": "better"}
    assert back.verdict == mirrored.get(there.verdict, there.verdict)


@given(TWO, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_units_does_not_matter(losses: Floats, random: Any) -> None:
    n = losses.shape[1]
    order = np.array(random.sample(range(n), n))
    groups, folds = np.array([f"g{i % 4}" for i in range(n)]), np.arange(n) % 3
    before = paired(losses[0], losses[1], margin=0.01, groups=groups, folds=folds)
    after = paired(losses[0][order], losses[1][order], margin=0.01, groups=groups[order], folds=folds[order])
    # Absolute tolerance: sums of losses of up to 1e6 in another order differ by about 1e-9.
    assert (after.lower, after.upper) == pytest.approx((before.lower, before.upper), rel=1e-6, abs=1e-6)


@given(TWO, st.floats(1e-150, 1e150))
@settings(max_examples=100, deadline=None)
def test_the_unit_of_the_loss_does_not_matter(losses: Floats, scale: float) -> None:
    one = paired(losses[0], losses[1], margin=0.01)
    other = paired(losses[0] * scale, losses[1] * scale, margin=0.01)
    assert other.provable / scale == pytest.approx(one.provable, rel=1e-6, abs=1e-9)
    assert other.lower <= other.difference <= other.upper


@given(TWO)
@settings(max_examples=100, deadline=None)
def test_every_comparison_is_json(losses: Floats) -> None:
    found = paired(losses[0], losses[1], margin=0.01)
    assert from_json(to_json(found), Comparison) == found

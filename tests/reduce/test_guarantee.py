"""The guarantee's promise by simulation, and what it says where the units cannot tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from benchmarks.reduce.guarantee.simulate import SHARES, Model, World, judge, true_margin

from cauce.core.choice import Comparison
from cauce.core.files import from_json, to_json
from cauce.core.reduction import Reduction
from cauce.evidence import paired
from cauce.evidence.shares import Interval, wilson
from cauce.reduce import guarantee
from cauce.reduce.guarantee import Judges, Terms, prove
from cauce.reduce.noninferior import Plan, not_worse
from cauce.reduce.rows import Floats, Kept, Learner, Rows

RUNS = 1_000
ALLOWED = 0.05

PLAIN = World(1_000, (Model(0.5),))
HEAVY = World(1_500, (Model(1.5),), Model(0.5), spread=6.0)
CLUSTERED = World(2_000, (Model(0.7),), cluster=4)
ONE_GROUP = World(2_400, (Model(0.6), Model(0.1), Model(0.1)))
LESS_SURE = World(1_000, (Model(0.0, 0.3),))
EQUAL = World(2_000)


def accepted(world: World, terms: Terms, runs: int = RUNS) -> Interval:
    """Share of runs in which the kept rows are accepted, with a 99 % interval."""
    hits = sum(judge(world, seed, terms).accepted for seed in range(runs))
    return wilson(hits, runs, confidence=0.99)


def at_the_margin(world: World) -> Terms:
    """Terms by which every one of four shares, or one group in each, is truly worse by exactly the margin."""
    return Terms(margin=true_margin(world), shares=SHARES)


@pytest.mark.parametrize(
    "world",
    [
        PLAIN,
        pytest.param(HEAVY, marks=pytest.mark.slow),
        pytest.param(CLUSTERED, marks=pytest.mark.slow),
        pytest.param(ONE_GROUP, marks=pytest.mark.slow),
        pytest.param(LESS_SURE, marks=pytest.mark.slow),
    ],
    ids=["plain", "heavy tails", "clustered", "one group", "less sure"],
)
def test_rows_worse_by_the_margin_are_accepted_in_at_most_one_run_of_twenty(world: World) -> None:
    assert accepted(world, at_the_margin(world)).lower <= ALLOWED


def _one_try(*losses: Floats, tries: int = 1, **options: Any) -> Comparison:
    return not_worse(*losses, **options)


def _by_means(*losses: Floats, **options: Any) -> Comparison:
    found = not_worse(*losses, **options)
    return replace(found, upper=found.difference)


def _unclustered(*losses: Floats, clusters: object = None, **options: Any) -> Comparison:
    return not_worse(*losses, **options)


def _known_reference(
    candidate: Floats, reference: Floats, *, margin: float, confidence: float, tries: int, clusters: None
) -> Comparison:
    two_sided = 1.0 - 2.0 * (1.0 - confidence)
    return paired(candidate, reference, margin=margin, confidence=two_sided, comparisons=tries)


@pytest.mark.parametrize(
    ("broken", "world", "shares"),
    [
        (_one_try, PLAIN, SHARES),
        (_by_means, PLAIN, SHARES[:1]),
        (_unclustered, CLUSTERED, SHARES),
        (_known_reference, LESS_SURE, SHARES[:1]),
    ],
    ids=["each try as if alone", "means alone", "clusters forgotten", "margin of an estimate"],
)
def test_the_simulation_catches_a_broken_guarantee(
    monkeypatch: pytest.MonkeyPatch, broken: Callable[..., Comparison], world: World, shares: tuple[float, ...]
) -> None:
    monkeypatch.setattr(guarantee, "not_worse", broken)
    assert accepted(world, replace(at_the_margin(world), shares=shares), 400).lower > ALLOWED


def test_without_its_groups_a_group_that_loses_goes_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judges, "masks", lambda self: {})
    assert accepted(ONE_GROUP, at_the_margin(ONE_GROUP), 100).lower > 0.5


@pytest.mark.parametrize("world", [EQUAL, replace(EQUAL, n_families=2)], ids=["one family", "two families"])
def test_an_equal_model_is_accepted_in_four_of_five_runs_at_the_units_stated(world: World) -> None:
    terms = Terms(margin=0.02, shares=SHARES[:1])
    needed = judge(world, 0, terms).units_for_margin
    assert needed is not None
    assert accepted(replace(world, n_units=needed), terms, 500).upper >= 0.8
    assert accepted(replace(world, n_units=needed // 4), terms, 100).upper < 0.8


ROWS = 200


def rows_of(n: int, *, groups: Any = None) -> Rows:
    return Rows(np.zeros((n, 1), np.float32), np.zeros(n, np.int64), np.ones(n), n_classes=2, groups=groups)


def learner(n: int, loss: Callable[[int], float], noise: float = 0.1) -> Learner:
    """Learn nothing: exponential losses on n units, `loss` times as large by the number of rows kept."""
    base = np.random.default_rng(0).exponential(size=n)

    def losses(rows: Rows, kept: Kept, judge: Rows, seed: int) -> Floats:
        chance = np.random.default_rng([seed, len(kept.indices)]).normal(size=n)
        found: Floats = base * loss(len(kept.indices)) + noise * chance
        return found

    return losses


def first(share: float) -> Kept:
    n = round(share * ROWS)
    return Kept(np.arange(n), np.full(n, ROWS / n))


def run(n: int, loss: Callable[[int], float], terms: Terms, *, groups: Any = None, **options: Any) -> Reduction:
    families = {"boosting": learner(n, loss, **options)}
    found = prove(rows_of(ROWS), Judges(rows_of(n, groups=groups)), families=families, propose=first, terms=terms)
    assert (len(found.kept.indices) == ROWS) == (not found.record.accepted)
    assert from_json(to_json(found.record), Reduction) == found.record
    assert found.record.reason["en"]
    assert found.record.reason["es"]
    assert "{" not in found.record.reason["en"] + found.record.reason["es"]
    return found.record


def test_the_smallest_share_that_passes_is_kept() -> None:
    record = run(20_000, lambda n: 1.0 if n >= 80 else 1.1, Terms(shares=(0.4, 0.1, 0.2)))
    assert (record.verdict, record.n_kept, record.share) == ("not_worse", 80, 0.4)
    assert [(a.share, a.passed) for a in record.attempts] == [(0.1, False), (0.2, False), (0.4, True)]
    assert "80 of 200 rows stay (40%)" in record.reason["en"]


def test_a_better_model_is_said_to_be_better() -> None:
    record = run(20_000, lambda n: 0.9 if n < ROWS else 1.0, Terms(shares=(0.1,)))
    assert record.accepted
    assert "even better" in record.reason["en"]
    assert "mejor" in record.reason["es"]


def test_where_all_rows_win_the_reduction_is_refused_with_its_numbers() -> None:
    record = run(20_000, lambda n: 1.03 if n < ROWS else 1.0, Terms(keep=0.1))
    assert record.verdict == "refused"
    assert record.n_kept == ROWS
    assert [a.share for a in record.attempts] == [0.1, 0.2, 0.4]
    assert "3% higher" in record.reason["en"]
    assert "3\u00a0% mayor" in record.reason["es"]


def test_few_units_leave_it_undecided_before_anything_is_searched() -> None:
    def never(share: float) -> Kept:
        raise AssertionError("searched in vain")

    families = {"boosting": learner(100, lambda n: 1.0)}
    record = prove(rows_of(ROWS), Judges(rows_of(100)), families=families, propose=never).record
    assert record.verdict == "undecided"
    assert record.provable_margin
    assert record.provable_margin > 0.01
    assert record.units_for_margin
    assert record.units_for_margin > 100
    assert f"{record.units_for_margin:,} units" in record.reason["en"]


def test_the_provable_margin_is_tested_where_the_user_accepts_it() -> None:
    record = run(100, lambda n: 0.97 if n < ROWS else 1.0, Terms(shares=(0.1,), accept_provable=True))
    assert record.accepted
    assert record.margin == 0.01
    assert record.tested_margin is not None
    assert 0.01 < record.tested_margin == record.provable_margin
    assert "1%, is smaller than these units can prove" in record.reason["en"]


def test_a_group_too_small_to_prove_anything_leaves_it_undecided_and_is_named() -> None:
    groups = np.repeat([0, 1], [19_950, 50])
    record = run(20_000, lambda n: 1.0, Terms(shares=(0.1,)), groups=groups)
    assert record.verdict == "undecided"
    assert record.unproven_groups == ("1",)
    assert not record.attempts
    again = run(20_000, lambda n: 0.97 if n < ROWS else 1.0, Terms(shares=(0.1,), accept_provable=True), groups=groups)
    assert again.accepted
    assert again.tested_groups["0"] == 0.01
    assert again.tested_groups["1"] > 0.01


def test_a_group_of_one_unit_is_never_proven() -> None:
    groups = np.repeat([0, 1], [19_999, 1])
    record = run(20_000, lambda n: 1.0, Terms(shares=(0.1,), accept_provable=True), groups=groups)
    assert record.accepted
    assert record.provable_groups["1"] is None
    assert "1" not in record.tested_groups
    assert "Too few units to prove anything: 1." in record.reason["en"]


def test_one_unit_proves_nothing() -> None:
    record = run(1, lambda n: 1.0, Terms(accept_provable=True))
    assert record.verdict == "undecided"
    assert record.provable_margin is None
    assert not record.attempts


def test_a_learner_that_knows_no_chance_is_judged_by_rows_drawn_again() -> None:
    drawn: list[Kept] = []

    def steady(rows: Rows, kept: Kept, judge: Rows, seed: int) -> Floats:
        drawn.append(kept)
        base = np.random.default_rng(0).exponential(size=len(judge))
        found: Floats = base + 0.1 * np.random.default_rng(len(kept.indices)).normal(size=len(judge))
        return found

    found = prove(rows_of(ROWS), Judges(rows_of(20_000)), families={"linear": steady}, propose=first)
    assert found.record.noise_by == {"linear": "resampled"}
    assert found.record.provable_margin
    assert found.record.provable_margin > 0
    again = drawn[2]
    assert 0.5 * ROWS < len(again.indices) < 0.75 * ROWS
    assert again.weights.sum() == pytest.approx(ROWS)
    assert (np.diff(again.indices) > 0).all()


def test_rows_drawn_again_hold_every_class() -> None:
    target = np.repeat([0, 1], [99, 1])
    rows = Rows(np.zeros((100, 1), np.float32), target, np.ones(100), n_classes=2)
    kept = guarantee._resampled(rows, np.random.default_rng(0))
    assert 99 in kept.indices


def test_weights_of_judging_units_count() -> None:
    units = replace(rows_of(2_000), weights=np.repeat([1.0, 9.0], 1_000))

    def losses(rows: Rows, kept: Kept, judge: Rows, seed: int) -> Floats:
        bad = np.repeat([2.0, 1.0] if len(kept.indices) < ROWS else [1.0, 2.0], 1_000)
        found: Floats = bad + 0.01 * np.random.default_rng(seed).normal(size=2_000)
        return found

    terms = Terms(margin=0.3, shares=(0.1,))
    found = prove(rows_of(ROWS), Judges(units), families={"x": losses}, propose=first, terms=terms).record
    assert found.accepted
    assert found.attempts[0].families["x"].mean_candidate == pytest.approx(1.1, abs=0.01)


def test_progress_ends_where_it_said() -> None:
    told: list[tuple[int, int]] = []
    families = {"boosting": learner(20_000, lambda n: 1.0)}
    prove(
        rows_of(ROWS),
        Judges(rows_of(20_000)),
        families=families,
        propose=first,
        terms=Terms(shares=(0.5,)),
        progress=lambda stage, done, total, note="": told.append((done, total)),
    )
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (Terms(margin=0.0), "margin is 0.0"),
        (Terms(confidence=0.4), "confidence is 0.4"),
        (Terms(shares=(1.0,)), "has to be tried"),
    ],
)
def test_terms_out_of_range_are_refused(terms: Terms, message: str) -> None:
    families = {"boosting": learner(10, lambda n: 1.0)}
    with pytest.raises(ValueError, match=message):
        prove(rows_of(ROWS), Judges(rows_of(10)), families=families, propose=first, terms=terms)


def test_equal_losses_prove_that_nothing_is_lost() -> None:
    loss = np.random.default_rng(0).exponential(size=5_000)
    found = not_worse(loss, loss, margin=0.01)
    assert found.not_worse
    assert found.verdict == "equivalent"
    assert found.difference == 0
    nothing = np.zeros(50)
    assert not_worse(nothing, nothing, margin=0.01).not_worse


def test_the_plan_says_what_the_test_then_does() -> None:
    rng = np.random.default_rng(1)
    reference = rng.exponential(size=4_000)
    apart = rng.normal(0, 0.2, 4_000)
    plan = Plan(apart, reference, None, 0.9)
    margin = plan.margin(0.8)
    assert margin is not None
    hits = [
        not_worse(reference + rng.permutation(apart - apart.mean()) + shift, reference, margin=margin).not_worse
        for shift in rng.normal(0, 0.2 / np.sqrt(4_000), 400)
    ]
    assert 0.74 <= np.mean(hits) <= 0.86
    units = plan.units(margin, 0.8)
    assert units is not None
    assert 3_800 <= units <= 4_400

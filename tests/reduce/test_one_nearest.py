"""The 1-NN mode: increments agree with slow twins in plain numpy, and prototypes are few, good and the same again."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.core.errors import UserError
from cauce.reduce import moves, nearest, one_nearest
from cauce.reduce.one_nearest import nearest_prototypes
from cauce.reduce.rows import Ints, Rows


def made(n_rows: int, seed: int = 0, n_classes: int = 3) -> Rows:
    """Return rows with numbers on a coarse grid, so with copies and ties, gaps, a category and weights."""
    rng = np.random.default_rng(seed)
    inputs = rng.integers(0, 4, size=(n_rows, 3)).astype(np.float32)
    inputs[rng.random(inputs.shape) < 0.1] = np.nan
    target = rng.integers(0, n_classes, n_rows).astype(np.int64)
    return Rows(inputs, target, rng.uniform(0.5, 2.0, n_rows), n_classes, categorical=(2,))


def heaps(n_rows: int, seed: int = 0, noise: float = 0.0) -> Rows:
    """Return four heaps of two classes, crosswise, a share of the labels wrong."""
    rng = np.random.default_rng(seed)
    heap = rng.integers(0, 4, n_rows)
    inputs = (np.column_stack([heap % 2, heap // 2]) * 6 + rng.normal(size=(n_rows, 2))).astype(np.float32)
    label = (heap % 2) ^ (heap // 2) ^ (rng.random(n_rows) < noise)
    return Rows(inputs, label.astype(np.int64), np.ones(n_rows), 2)


def ground_of(rows: Rows, judges: Ints, candidates: Ints) -> Any:
    mass = rows.weights / rows.weights.mean()
    labels = rows.target.astype(np.int64)
    seen = one_nearest._Labelled(nearest.encode(rows), labels, rows.n_classes, mass)
    return one_nearest._ground(seen, judges, candidates)[0]


def twin_told(ground: Any, kept: list[int]) -> tuple[npt.NDArray[np.int64], int]:
    """Return each row's two nearest prototypes, -1 for nobody, and the worth of what the nearest ones say."""
    n_rows, worth = ground.to_rows.shape[1], 0
    who = np.full((2, n_rows), -1)
    for row in range(n_rows):
        there = [one for one in kept if np.isfinite(ground.to_rows[one, row])]
        for place, one in enumerate(sorted(there, key=lambda one: (ground.to_rows[one, row], ground.ranks[one]))[:2]):
            who[place, row] = one
        if there:
            worth += int(ground.worth[row, ground.labels[who[0, row]]])
    return who, worth


@pytest.mark.parametrize("square", [True, False])
@settings(max_examples=30, deadline=None)
@given(st.integers(4, 25), st.integers(0, 10_000), st.lists(st.integers(0, 24), min_size=1, max_size=25))
def test_whatever_joins_and_goes_all_figures_are_those_of_the_slow_twin(
    square: bool, n_rows: int, seed: int, turns: list[int]
) -> None:
    candidates = np.arange(0, n_rows, 1 if square else 2)
    ground = ground_of(made(n_rows, seed), np.arange(n_rows), candidates)
    kept: list[int] = list(dict.fromkeys(turn % len(candidates) for turn in turns[len(turns) // 2 :]))
    stand = moves.seeded(ground, np.array(kept, dtype=np.int64))
    for turn in turns:
        one = turn % len(candidates)
        if one in kept:
            kept.remove(one)
            moves.drop(ground, stand, one)
        else:
            kept.append(one)
            moves.add(ground, stand, one)
    who, worth = twin_told(ground, kept)
    assert sorted(stand.kept[: stand.size[0]]) == sorted(kept)
    assert np.array_equal(stand.who, who)
    assert moves.score(stand, 7) == worth - 7 * len(kept)
    for one in range(len(candidates)):
        gained = 0 if one in kept else twin_told(ground, [*kept, one])[1] - worth
        assert stand.gains[one] == gained


@settings(max_examples=30, deadline=None)
@given(st.integers(4, 40), st.integers(0, 10_000), st.integers(1, 4_000))
def test_settling_never_loses_and_ends_where_no_candidate_is_worth_its_price(
    n_rows: int, seed: int, price: int
) -> None:
    ground = ground_of(made(n_rows, seed), np.arange(n_rows), np.arange(n_rows))
    stand = moves.seeded(ground, np.random.default_rng(seed).permutation(n_rows)[: n_rows // 3])
    before = moves.score(stand, price)
    moves.settle(ground, stand, price, 20, seed)
    assert moves.score(stand, price) >= before
    assert stand.gains.max() <= price
    who, worth = twin_told(ground, list(stand.kept[: stand.size[0]]))
    assert moves.score(stand, price) == worth - price * stand.size[0]
    assert np.array_equal(stand.who, who)


def test_a_union_holds_both_and_leaves_them_as_they_are() -> None:
    ground = ground_of(made(30), np.arange(30), np.arange(30))
    one, other = moves.seeded(ground, np.array([0, 1, 2])), moves.seeded(ground, np.array([2, 5]))
    child = moves.united(ground, one, other)
    assert sorted(child.kept[: child.size[0]]) == [0, 1, 2, 5]
    assert np.array_equal(child.who, twin_told(ground, [0, 1, 2, 5])[0])
    assert (one.size[0], other.size[0]) == (3, 2)


def test_each_heap_gets_its_prototypes() -> None:
    rows, others = heaps(400, noise=0.05), heaps(400, seed=1)
    kept = nearest_prototypes(rows, np.random.default_rng(0))
    assert 4 <= len(kept.indices) <= 8
    assert (nearest.predict(rows, kept.indices, others) == others.target).mean() > 0.98


@pytest.mark.parametrize("n_rows", [1, 2, 50, 5_000])
def test_weights_are_the_mass_of_what_lies_nearest_and_a_seed_gives_the_same_again(n_rows: int) -> None:
    rows = made(n_rows)
    kept = nearest_prototypes(rows, np.random.default_rng(3))
    again = nearest_prototypes(rows, np.random.default_rng(3))
    assert np.array_equal(kept.indices, again.indices)
    assert np.array_equal(kept.weights, again.weights)
    assert (np.diff(kept.indices) > 0).all()
    assert (kept.weights > 0).all()
    assert kept.weights.sum() == pytest.approx(rows.weights.sum())


def test_strata_keep_little_more_than_one_would() -> None:
    rows, others = heaps(9_000, noise=0.05), heaps(2_000, seed=1)
    kept = nearest_prototypes(rows, np.random.default_rng(0))
    assert len(kept.indices) <= 12
    assert (nearest.predict(rows, kept.indices, others) == others.target).mean() > 0.98


def test_prototypes_are_sorted_out_in_bundles_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, others = heaps(9_000, noise=0.05), heaps(2_000, seed=1)
    monkeypatch.setattr(one_nearest, "MOST_CELLS", 200_000)
    kept = nearest_prototypes(rows, np.random.default_rng(0))
    assert kept.weights.sum() == pytest.approx(9_000)
    assert (nearest.predict(rows, kept.indices, others) == others.target).mean() > 0.97


def test_one_class_needs_one_row() -> None:
    rows = Rows(made(50).inputs, np.zeros(50, dtype=np.int64), np.ones(50), 1)
    assert len(nearest_prototypes(rows, np.random.default_rng(0)).indices) <= 2


def test_a_class_without_rows_does_no_harm() -> None:
    rows = heaps(200)
    wider = Rows(rows.inputs, rows.target * 2, rows.weights, 4)
    kept = nearest_prototypes(wider, np.random.default_rng(0))
    assert set(wider.target[kept.indices]) == {0, 2}


def test_copies_with_other_labels_go_by_their_weight() -> None:
    inputs = np.repeat([[0.0], [1.0]], 10, axis=0).astype(np.float32)
    target = np.array([0] * 6 + [1] * 4 + [1] * 6 + [0] * 4)
    rows = Rows(inputs, target, np.ones(20), 2)
    kept = nearest_prototypes(rows, np.random.default_rng(0), price=0.5)
    assert nearest.predict(rows, kept.indices, rows).tolist() == [0] * 10 + [1] * 10


def test_heavy_rows_decide() -> None:
    rows = heaps(300, noise=0.2)
    clean = heaps(300)
    heavy = np.where(rows.target == clean.target, 50.0, 0.01)
    kept = nearest_prototypes(Rows(rows.inputs, rows.target, heavy, 2), np.random.default_rng(0))
    assert np.average(nearest.predict(rows, kept.indices, rows) == clean.target) > 0.98


def test_a_dearer_prototype_leaves_fewer() -> None:
    rows = heaps(600, noise=0.2)
    sizes = [len(nearest_prototypes(rows, np.random.default_rng(0), price=price).indices) for price in (1.0, 3.0, 20.0)]
    assert sizes[0] > sizes[1] >= sizes[2]


def test_a_spent_budget_still_gives_prototypes() -> None:
    rows, others = heaps(5_000, noise=0.05), heaps(500, seed=1)
    kept = nearest_prototypes(rows, np.random.default_rng(0), budget_s=0.0, clock=iter(range(1_000)).__next__)
    assert kept.weights.sum() == pytest.approx(5_000)
    assert (nearest.predict(rows, kept.indices, others) == others.target).mean() > 0.95


@pytest.mark.parametrize("n_rows", [0, 20])
def test_numbers_to_predict_and_no_rows_are_refused(n_rows: int) -> None:
    rows = Rows(np.zeros((n_rows, 1), dtype=np.float32), np.zeros(n_rows), np.ones(n_rows), 0 if n_rows else 2)
    with pytest.raises(UserError, match="needs rows with classes"):
        nearest_prototypes(rows, np.random.default_rng(0))

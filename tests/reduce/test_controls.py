"""Controls keep what they say: sizes, shares and weights; those for 1-NN agree with slow twins in plain numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.core.errors import UserError
from cauce.reduce import nearest, oracles
from cauce.reduce.controls import CONTROLS, OWN_SIZE, voted
from cauce.reduce.rows import Floats, Ints, Rows

FOR_CLASSES = {"condensed", "edited", "ssma", "chc"}


def made(n_rows: int, seed: int = 0, n_classes: int = 3) -> Rows:
    """Return rows with numbers on a coarse grid, so with copies and ties, gaps, a category and weights."""
    rng = np.random.default_rng(seed)
    inputs = rng.integers(0, 4, size=(n_rows, 3)).astype(np.float32)
    inputs[rng.random(inputs.shape) < 0.1] = np.nan
    labels = rng.integers(0, max(1, n_classes), n_rows).astype(np.int64)
    target: Ints | Floats = labels if n_classes else rng.normal(size=n_rows)
    return Rows(inputs, target, rng.uniform(0.5, 2.0, n_rows), n_classes, categorical=(2,))


def twin_distances(rows: Rows) -> Floats:
    """Return squared distances, column by column and pair by pair."""
    n_rows, total = len(rows), np.zeros((len(rows), len(rows)))
    for column in range(rows.inputs.shape[1]):
        values = rows.inputs[:, column].astype(np.float64)
        for i in range(n_rows):
            for j in range(n_rows):
                a, b = values[i], values[j]
                if column in rows.categorical:
                    total[i, j] += float(not (a == b or (np.isnan(a) and np.isnan(b))))
                elif not np.isnan(values).all():
                    span = np.nanmax(values) - np.nanmin(values)
                    mean = np.nanmean(values)
                    gap = (mean if np.isnan(a) else a) - (mean if np.isnan(b) else b)
                    total[i, j] += (gap / span) ** 2 if span else 0.0
    return total


@pytest.mark.parametrize("name", CONTROLS)
@pytest.mark.parametrize("n_classes", [0, 1, 3])
@pytest.mark.parametrize("n_keep", [1, 7, 60])
def test_a_control_keeps_rows_that_weigh_what_all_do(name: str, n_classes: int, n_keep: int) -> None:
    if name in FOR_CLASSES and not n_classes:
        with pytest.raises(UserError, match="needs classes"):
            CONTROLS[name](made(60, n_classes=0), n_keep, np.random.default_rng(0))
        return
    rows = made(60, n_classes=n_classes)
    kept = CONTROLS[name](rows, n_keep, np.random.default_rng(1))
    again = CONTROLS[name](rows, n_keep, np.random.default_rng(1))
    assert (np.diff(kept.indices) > 0).all()
    assert len(kept.weights) == len(kept.indices) >= 1
    assert (kept.weights > 0).all()
    assert kept.weights.sum() == pytest.approx(rows.weights.sum())
    assert np.array_equal(kept.indices, again.indices)
    assert np.array_equal(kept.weights, again.weights)
    if name not in OWN_SIZE:
        assert len(kept.indices) == n_keep


@pytest.mark.parametrize("name", sorted(set(CONTROLS) - OWN_SIZE))
@pytest.mark.parametrize("n_keep", [0, 61])
def test_a_number_that_cannot_be_kept_is_refused(name: str, n_keep: int) -> None:
    with pytest.raises(UserError, match="rows to keep of 60"):
        CONTROLS[name](made(60), n_keep, np.random.default_rng(0))


@pytest.mark.parametrize("name", CONTROLS)
def test_two_rows_are_enough(name: str) -> None:
    rows = made(2, n_classes=2)
    kept = CONTROLS[name](rows, 2, np.random.default_rng(0))
    assert kept.weights.sum() == pytest.approx(rows.weights.sum())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=200), st.data())
def test_stratified_shares_are_exact_to_a_row(labels: list[int], data: st.DataObject) -> None:
    target = np.array(labels)
    n_keep = data.draw(st.integers(1, len(target)))
    rows = Rows(np.zeros((len(target), 1), dtype=np.float32), target, np.ones(len(target)), 5)
    kept = CONTROLS["stratified"](rows, n_keep, np.random.default_rng(data.draw(st.integers(0, 99))))
    counts = np.bincount(target[kept.indices], minlength=5)
    assert (np.abs(counts - np.bincount(target, minlength=5) * n_keep / len(target)) < 1.0 + 1e-9).all()


def test_numbers_are_spread_over_tenths() -> None:
    rows = made(1_000, n_classes=0)
    kept = CONTROLS["stratified"](rows, 50, np.random.default_rng(0))
    tenth = np.argsort(np.argsort(rows.target))[kept.indices] // 100
    assert np.bincount(tenth, minlength=10).tolist() == [5] * 10


def test_k_centre_takes_one_row_of_each_heap() -> None:
    rng = np.random.default_rng(0)
    heap = np.repeat(np.arange(8), 20)
    inputs = (np.column_stack([heap % 4, heap // 4]) * 20 + rng.normal(size=(160, 2))).astype(np.float32)
    rows = Rows(inputs, heap % 2, np.ones(160), 2)
    kept = CONTROLS["k_centre"](rows, 8, rng)
    assert sorted(heap[kept.indices]) == list(range(8))
    assert kept.weights.tolist() == [20.0] * 8


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 30), st.integers(0, 10_000))
def test_distances_are_those_of_the_slow_twin(n_rows: int, seed: int) -> None:
    rows = made(n_rows, seed)
    found = nearest.apart(nearest.encode(rows))
    np.fill_diagonal(found, 0.0)
    np.testing.assert_allclose(found, twin_distances(rows), atol=1e-5)


def test_other_rows_are_told_on_the_scale_of_the_first() -> None:
    rows = Rows(np.array([[0.0], [10.0]], dtype=np.float32), np.array([0, 1]), np.ones(2), 2)
    others = Rows(
        np.array([[4.0], [6.0], [100.0], [np.nan]], dtype=np.float32), np.zeros(4, dtype=np.int64), np.ones(4), 2
    )
    assert nearest.predict(rows, np.array([0, 1]), others).tolist() == [0, 1, 1, 0]  # equally near: the first


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 60), st.integers(0, 10_000))
def test_condensed_rows_tell_all_that_are_left_out(n_rows: int, seed: int) -> None:
    rows = made(n_rows, seed)
    kept = CONTROLS["condensed"](rows, 1, np.random.default_rng(seed)).indices
    left = np.setdiff1d(np.arange(n_rows), kept)
    assert np.array_equal(nearest.predict(rows, kept, rows)[left], rows.target[left])


def twin_edited(apart: Floats, labels: Ints) -> Ints:
    kept = []
    for i in range(len(labels)):
        others = [j for j in sorted(range(len(labels)), key=lambda j: (apart[i, j], j)) if j != i][:3]
        said = [int(labels[j]) for j in others]
        winner = max(said, key=lambda label: (said.count(label), -said.index(label))) if said else labels[i]
        if winner == labels[i]:
            kept.append(i)
    return np.array(kept or range(len(labels)))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(0, 10_000))
def test_edited_rows_are_those_of_the_slow_twin(n_rows: int, seed: int) -> None:
    rows = made(n_rows, seed)
    kept = CONTROLS["edited"](rows, 1, np.random.default_rng(0)).indices
    apart = nearest.apart(nearest.encode(rows)).astype(np.float64)
    assert np.array_equal(kept, twin_edited(apart, rows.target.astype(np.int64)))


def test_a_vote_that_nobody_wins_goes_to_the_nearest() -> None:
    assert voted(np.array([0, 1, 2, 2]), np.array([[1, 2, 3], [2, 3, 0], [0, 1, 3], [0, 1, -1]]), 3).tolist() == [
        2,
        2,
        0,
        0,
    ]


def twin_evaluate(apart: npt.NDArray[np.float32], labels: Ints, genes: npt.NDArray[np.bool_]) -> tuple[int, Ints]:
    """Return how many rows their nearest kept other row tells rightly, and who that is."""
    who = np.full(len(labels), -1)
    for j in range(len(labels)):
        kept = [i for i in np.flatnonzero(genes) if i != j]
        if kept:
            who[j] = min(kept, key=lambda i: (apart[j, i], i))
    return int(sum(w >= 0 and labels[w] == labels[j] for j, w in enumerate(who))), who


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 40), st.integers(0, 10_000))
def test_the_oracles_score_sets_and_deletions_as_the_slow_twin_does(n_rows: int, seed: int) -> None:
    rows, rng = made(n_rows, seed), np.random.default_rng(seed)
    labels = rows.target.astype(np.int64)
    apart = nearest.apart(nearest.encode(rows))
    genes = rng.random(n_rows) < 0.4
    genes[rng.integers(n_rows)] = True
    kept, who, moved, to = np.zeros((4, n_rows), dtype=np.int64)
    n_right, n_kept = oracles.evaluate(apart, labels, genes, kept, who)
    right, nearest_kept = twin_evaluate(apart, labels, genes)
    assert (n_right, n_kept) == (right, genes.sum())
    assert np.array_equal(who, nearest_kept)
    one = int(rng.choice(np.flatnonzero(genes)))
    change, n_moved = oracles.without(apart, labels, kept, n_kept, who, one, moved, to)
    genes[one] = False
    right_after, nearest_after = twin_evaluate(apart, labels, genes)
    assert change == right_after - right
    who[moved[:n_moved]] = to[:n_moved]
    assert np.array_equal(who, nearest_after)


@pytest.mark.parametrize("search", [oracles.ssma, oracles.chc])
def test_the_oracles_find_two_heaps(search: Callable[..., tuple[npt.NDArray[np.bool_], float]]) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 60).astype(np.int64)
    inputs = (labels[:, None] * 6 + rng.normal(size=(120, 2))).astype(np.float32)
    apart = nearest.apart(nearest.encode(Rows(inputs, labels, np.ones(120), 2)))
    genes, spent = search(apart, labels, 3, 2_000)
    right, _ = twin_evaluate(apart, labels, genes)
    assert 2_000 <= spent < 2_200
    assert right >= 118
    assert genes.sum() <= 6

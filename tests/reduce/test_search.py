"""The search: draws keep to their chances, swaps bring down what they say, weights and labels stay whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cauce.reduce import cells, doubt, quotas
from cauce.reduce.learners import boosting
from cauce.reduce.rows import Floats, Kept, Rows
from cauce.reduce.search import Effort, Search
from reduce import made


def search(rows: Rows, seed: int = 0) -> tuple[Search, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return Search(rows, rng), rng


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=60), st.floats(0.01, 1.0))
def test_chances_sum_to_what_is_kept_and_none_is_above_one(mass: list[float], share: float) -> None:
    chances = quotas.inclusion(np.array(mass), share * len(mass))
    assert chances.sum() == pytest.approx(share * len(mass))
    assert (chances <= 1 + 1e-12).all()
    free = chances < 1 - 1e-9
    ratio = chances[free] / np.array(mass)[free]
    assert ratio == pytest.approx(np.full(len(ratio), ratio[0] if len(ratio) else 0.0))


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=50), st.integers(0, 2**31))
def test_a_draw_has_as_many_rows_as_the_chances_sum_to(chances: list[float], seed: int) -> None:
    drawn = quotas.systematic(np.array(chances), np.arange(len(chances)), np.random.default_rng(seed))
    assert abs(len(drawn) - sum(chances)) < 1
    assert len(np.unique(drawn)) == len(drawn)


def test_draws_take_each_row_as_often_as_its_chance_says() -> None:
    chances = np.array([0.9, 0.1, 0.5, 0.3, 0.2])
    rng = np.random.default_rng(0)
    counts = np.zeros(5)
    for _ in range(4_000):
        counts[quotas.systematic(chances, np.array([3, 1, 4, 0, 2]), rng)] += 1
    assert counts / 4_000 == pytest.approx(chances, abs=0.03)


def test_weighted_draws_sum_to_all_rows_in_the_mean() -> None:
    rows = made.classes(600)
    found, rng = search(rows)
    chances = found.chances(1.0, 120)
    drawn = [found.draw(chances, rng) for _ in range(300)]
    total = np.mean([found.cells.gap(one, 1.0 / chances[one]) for one in drawn], axis=0)
    spread = np.std([found.cells.gap(one, 1.0 / chances[one]) for one in drawn], axis=0) / 300**0.5
    assert np.mean(np.abs(total) <= 4 * spread + 1e-6) > 0.99


def plain_discrepancy(found: cells.Cells, indices: np.ndarray, weights: np.ndarray) -> float:
    """The same figure by loops."""
    total = 0.0
    for cell in range(len(found.sums)):
        for channel in range(found.brings.shape[1]):
            ours = sum(
                w * float(found.brings[i, channel])
                for i, w in zip(indices, weights, strict=True)
                if cell in found.leaves[i]
            )
            total += float(found.scale[cell, channel]) * (ours - float(found.sums[cell, channel])) ** 2
    return total


def test_discrepancy_is_what_loops_find() -> None:
    rows = made.classes(150)
    found, rng = search(rows)
    chances = found.chances(1.0, 30)
    kept = found.keep(found.draw(chances, rng), chances)
    assert found.cells.discrepancy(*kept) == pytest.approx(plain_discrepancy(found.cells, *kept), rel=1e-6)


def test_all_rows_leave_no_gap() -> None:
    rows = made.classes(300, n_classes=3)
    found, _ = search(rows)
    assert found.cells.discrepancy(np.arange(300), rows.weights) == pytest.approx(0.0, abs=1e-6)


def test_what_the_kernel_says_of_a_swap_is_what_the_discrepancy_does() -> None:
    from cauce.reduce import swaps

    rows = made.classes(300, n_classes=3)
    found, rng = search(rows)
    chances = found.chances(1.0, 60)
    chosen = found.draw(chances, rng)
    weight = rows.weights / chances
    fixed = (found.cells.leaves, found.cells.brings, found.cells.scale)
    for out in chosen[:20]:
        into = int(rng.choice(np.setdiff1d(np.arange(300), chosen)))
        gap = found.cells.gap(chosen, weight[chosen])
        before = found.cells.discrepancy(chosen, weight[chosen])
        told = swaps._change(*fixed, gap, out, weight[out], into, weight[into])
        swapped = np.append(np.setdiff1d(chosen, [out]), into)
        assert found.cells.discrepancy(swapped, weight[swapped]) - before == pytest.approx(told, rel=1e-5, abs=1e-5)
        swaps._exchange(*fixed[:2], gap, out, weight[out], into, weight[into])
        assert gap == pytest.approx(found.cells.gap(swapped, weight[swapped]), abs=1e-6)


@pytest.mark.parametrize("rows", [made.classes(1_000), made.classes(1_000, n_classes=5), made.numbers(1_000)])
def test_swaps_lower_the_discrepancy_and_keep_every_label_its_number(rows: Rows) -> None:
    found, rng = search(rows)
    chances = found.chances(1.0, 150)
    drawn = found.draw(chances, rng)
    better = found.improve(drawn, chances, rng, tries=200)
    assert len(np.unique(better)) == len(drawn)
    counts = [np.bincount(found.kinds[one], minlength=20).tolist() for one in (better, drawn)]
    assert counts[0] == counts[1]
    before, after = (found.cells.discrepancy(*found.keep(one, chances)) for one in (drawn, better))
    assert after < 0.5 * before


@pytest.mark.parametrize("rows", [made.classes(500, n_classes=3), made.numbers(500)])
def test_kept_rows_weigh_what_all_rows_weigh_and_come_again_by_the_seed(rows: Rows) -> None:
    rows = replace(rows, weights=np.random.default_rng(1).uniform(0.5, 2.0, 500))
    found = [search(rows)[0].run(100, np.random.default_rng(3), effort=Effort(60, 1, 2)) for _ in range(2)]
    assert found[0].kept.indices.tolist() == found[1].kept.indices.tolist()
    assert found[0].kept.weights.sum() == pytest.approx(rows.weights.sum())
    assert abs(len(found[0].kept.indices) - 100) <= 1
    assert (np.diff(found[0].kept.indices) > 0).all()


def test_a_class_of_three_rows_keeps_one_at_least() -> None:
    rows = made.classes(2_000)
    target = rows.target.copy()
    target[:3] = 2
    rows = replace(rows, target=target, n_classes=3)
    found, rng = search(rows)
    for _ in range(20):
        assert (rows.target[found.run(100, rng).kept.indices] == 2).any()


def test_the_panel_sees_rows_that_were_not_kept_and_its_families_decide() -> None:
    rows = made.classes(800)
    seen: list[int] = []

    def watching(rows: Rows, kept: Kept, judge: Rows, seed: int) -> Floats:
        seen.append(len(judge))
        taught = {row.tobytes() for row in rows.inputs[kept.indices]}
        assert not any(row.tobytes() in taught for row in judge.inputs)
        return np.full(len(judge), 1.0 + len(kept.indices) / len(rows))

    found, rng = search(rows)
    told = found.run(160, rng, panel={"watching": watching}, effort=Effort(60, 2, 4))
    assert told.n_fits == len(seen) > 10
    assert set(told.panel) == {0.0, 0.5, 1.0, 1.5}


def test_a_budget_of_nothing_still_keeps_rows() -> None:
    found, rng = search(made.classes(400))
    told = found.run(80, rng, panel={"boosting": boosting}, effort=Effort(0.0))
    assert abs(len(told.kept.indices) - 80) <= 1


def test_searched_rows_serve_boosting_better_than_one_shot_quotas_and_random_ones() -> None:
    rows, judge = made.classes(4_000), made.classes(4_000, seed=1)
    losses: dict[str, list[float]] = {"random": [], "one shot": [], "search": []}
    for seed in range(5):
        found, rng = search(rows, seed)
        drawn = rng.choice(4_000, 400, replace=False)
        ways = {
            "random": Kept(np.sort(drawn), np.full(400, 10.0)),
            "one shot": quotas.one_shot(rows, 400, rng, found.doubt),
            "search": found.run(400, rng).kept,
        }
        for name, kept in ways.items():
            losses[name].append(float(boosting(rows, kept, judge, seed).mean()))
    means = {name: float(np.mean(each)) for name, each in losses.items()}
    assert means["search"] < means["one shot"] < means["random"]


def test_doubt_is_large_where_classes_mix_and_small_where_they_do_not() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.uniform(size=(2_000, 2)).astype(np.float32)
    mixed = inputs[:, 0] > 0.5
    target = np.where(mixed, rng.integers(0, 2, 2_000), 0)
    told = doubt.cross_fit(Rows(inputs, target, np.ones(2_000), 2), rng)
    assert told.doubt[mixed].mean() > 3 * told.doubt[~mixed].mean()
    noisy = np.where(mixed, rng.normal(size=2_000), 0.0)
    told = doubt.cross_fit(Rows(inputs, noisy, np.ones(2_000)), rng)
    assert told.doubt[mixed].mean() > 3 * told.doubt[~mixed].mean()

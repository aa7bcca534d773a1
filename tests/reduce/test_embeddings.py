"""Items known by embeddings: near-duplicates go, what stays covers every meaning by its weight."""

from __future__ import annotations

import numpy as np
import pytest

from cauce.reduce.embeddings import SAME, keep_items, near_duplicates


def meanings(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Five meanings of 400, 200, 100, 50 and 10 items."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(5), [400, 200, 100, 50, 10])
    return rng.normal(size=(5, 32))[label] + 0.6 * rng.normal(size=(len(label), 32)), label


def test_near_duplicates_are_found_as_by_all_pairs() -> None:
    vectors, _ = meanings()
    rng = np.random.default_rng(1)
    again = vectors[::4] * rng.uniform(0.5, 2.0, (len(vectors[::4]), 1)) + 0.01 * rng.normal(size=vectors[::4].shape)
    everything = np.vstack([vectors, again])
    found = near_duplicates(everything, rng)
    unit = everything / np.linalg.norm(everything, axis=1, keepdims=True)
    close = np.tril(unit @ unit.T >= SAME, -1).any(axis=1)
    assert len(found.indices) == pytest.approx((~close).sum(), abs=4)
    assert found.weights.sum() == len(everything)
    assert set(range(len(vectors))) - set(found.indices.tolist()) <= set(np.flatnonzero(close).tolist())


def test_weights_of_duplicates_go_to_the_first() -> None:
    vectors = np.vstack([np.eye(4), np.eye(4)[:1] * 3])
    found = near_duplicates(vectors, np.random.default_rng(0), weights=[1, 1, 1, 1, 5])
    assert found.indices.tolist() == [0, 1, 2, 3]
    assert found.weights.tolist() == [6, 1, 1, 1]


def test_kept_items_cover_every_meaning_by_its_weight_better_than_random_ones() -> None:
    vectors, label = meanings()
    off: dict[str, list[float]] = {"kept": [], "random": []}
    for seed in range(10):
        rng = np.random.default_rng(seed)
        kept = keep_items(vectors, 76, rng)
        assert len(kept.indices) in {75, 76, 77}
        assert kept.weights.sum() == pytest.approx(len(vectors))
        drawn = rng.choice(len(vectors), 76, replace=False)
        for name, numbers, weights in (("kept", *kept), ("random", drawn, np.full(76, 10.0))):
            share = np.bincount(label[numbers], weights, 5)
            off[name].append(float(np.abs(share - np.bincount(label)).sum()))
    assert np.mean(off["kept"]) < 0.5 * np.mean(off["random"])


def test_the_same_seed_keeps_the_same_items() -> None:
    vectors, _ = meanings()
    kept = [keep_items(vectors, 50, np.random.default_rng(3)).indices.tolist() for _ in range(2)]
    assert kept[0] == kept[1]


@pytest.mark.parametrize("vectors", [np.zeros((0, 3)), np.zeros(3), np.array([[np.nan, 1.0]])])
def test_what_are_no_vectors_is_refused(vectors: np.ndarray) -> None:
    with pytest.raises(ValueError, match="n_items, n_dimensions"):
        near_duplicates(vectors, np.random.default_rng(0))

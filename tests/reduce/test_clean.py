"""Probably wrong rows against labels that were flipped on purpose, with random rows as the naive control."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from cauce.reduce import doubt
from cauce.reduce.clean import MOST_OF_CLASS, Rule, leave_out, probably_wrong
from cauce.reduce.rows import Floats, Ints, Rows

RULES: tuple[Rule, ...] = ("surest", "joint")


def classes(n: int, share: float, seed: int, n_classes: int = 2, sharp: float = 6.0) -> tuple[Rows, Ints]:
    """Return rows of classes that overlap a little, and the numbers of those whose label was flipped."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, 4)).astype(np.float32)
    score = sharp * np.column_stack([inputs[:, c % 4] * (1 if c < 4 else -1) for c in range(n_classes)])
    true = (score + rng.gumbel(size=score.shape)).argmax(axis=1)
    wrong = np.sort(rng.choice(n, round(share * n), replace=False))
    given = true.copy()
    given[wrong] = (true[wrong] + rng.integers(1, n_classes, len(wrong))) % n_classes
    return Rows(inputs, given, np.ones(n), n_classes=n_classes), wrong


def numbers(n: int, share: float, seed: int) -> tuple[Rows, Ints]:
    """Return rows with heavy-tailed errors, and the numbers of those with a digit too many."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, 4)).astype(np.float32)
    target = 200 + 10 * inputs[:, 0].astype(np.float64) + 5 * inputs[:, 1] + rng.standard_t(4, n)
    wrong = np.sort(rng.choice(n, round(share * n), replace=False))
    target[wrong] *= 10
    return Rows(inputs, target, np.ones(n)), wrong


def out_of_fold(rows: Rows, seed: int = 0) -> Floats:
    return doubt.cross_fit(rows, np.random.default_rng(seed)).predicted


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_flipped_labels_are_found_far_more_often_than_by_chance(rule: Rule, n_classes: int) -> None:
    rows, wrong = classes(3_000, 0.1, 0, n_classes)
    found = probably_wrong(rows, out_of_fold(rows), rule=rule)
    chance = np.random.default_rng(0).choice(len(rows), len(found), replace=False)
    hits = np.isin(found, wrong).mean()
    assert hits > 0.5 > 4 * np.isin(chance, wrong).mean()
    assert np.isin(wrong, found).mean() > 0.5


@pytest.mark.parametrize("seed", range(5))
def test_overlapping_classes_are_not_taken_for_wrong_labels(seed: int) -> None:
    rows, _ = classes(3_000, 0.0, seed, sharp=0.7)
    said = out_of_fold(rows)
    assert not len(probably_wrong(rows, said))
    assert len(probably_wrong(rows, said, rule="joint")) > 0.05 * len(rows)


def test_right_labels_of_separate_classes_are_left_alone() -> None:
    rows, _ = classes(3_000, 0.0, 0, sharp=30.0)
    assert len(probably_wrong(rows, out_of_fold(rows))) <= 3


def test_a_digit_too_many_is_found_and_heavy_tails_are_left_alone() -> None:
    rows, wrong = numbers(3_000, 0.02, 0)
    found = probably_wrong(rows, out_of_fold(rows))
    assert np.isin(found, wrong).all()
    assert np.isin(wrong, found).mean() > 0.7
    rows, _ = numbers(3_000, 0.0, 1)
    assert len(probably_wrong(rows, out_of_fold(rows)[:, 0])) <= 3


@pytest.mark.parametrize("rule", RULES)
def test_no_class_loses_more_than_half_of_its_rows(rule: Rule) -> None:
    target = np.repeat([0, 1], [980, 20])
    said = np.tile([0.99, 0.01], (1_000, 1))
    rows = Rows(np.zeros((1_000, 1), np.float32), target, np.ones(1_000), n_classes=2)
    found = probably_wrong(rows, said, rule=rule)
    assert np.bincount(target[found], minlength=2)[1] <= MOST_OF_CLASS * 20


def test_row_numbers_ascend_and_the_rest_weighs_what_all_did() -> None:
    rows, _ = classes(1_000, 0.1, 3)
    found = probably_wrong(rows, out_of_fold(rows))
    assert (np.diff(found) > 0).all()
    kept = leave_out(rows, found)
    assert len(kept.indices) == len(rows) - len(found)
    assert not np.isin(found, kept.indices).any()
    assert kept.weights.sum() == pytest.approx(rows.weights.sum())


@pytest.mark.parametrize("said", [np.zeros((9, 2)), np.zeros((10, 3)), np.zeros(10)])
def test_predictions_of_another_shape_are_refused(said: npt.NDArray[np.float64]) -> None:
    rows = Rows(np.zeros((10, 1), np.float32), np.zeros(10, np.int64), np.ones(10), n_classes=2)
    with pytest.raises(ValueError, match="predicted has shape"):
        probably_wrong(rows, said)

"""CBPE against brute force: truths drawn from the probabilities, figures by scikit-learn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score

from cauce.watch.truths import cbpe

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
TRUE = cbpe.Calibration((0.0, 1.0), (), ((1e-7, 0.0), (0.0, 1e-7)))
"""Probabilities are what they say, for certain."""


def drawn(shares: Floats, rng: np.random.Generator) -> Codes:
    """A class for every row, by its probabilities."""
    return np.asarray((rng.random(len(shares))[:, None] > shares.cumsum(axis=1)[:, :-1]).sum(axis=1), np.int64)


def by_scikit(truth: Codes, shares: Floats, said: Codes) -> dict[str, float]:
    n_classes = shares.shape[1]
    areas = [roc_auc_score(truth == k, shares[:, k]) for k in ([1] if n_classes == 2 else range(n_classes))]
    f1 = f1_score(truth, said) if n_classes == 2 else f1_score(truth, said, average="macro")
    right = float(accuracy_score(truth, said))
    loss = float(log_loss(truth, shares, labels=list(range(n_classes))))
    return {"roc_auc": float(np.mean(areas)), "accuracy": right, "f1": f1, "zero_one": 1 - right, "log_loss": loss}


def rows(n: int, n_classes: int, seed: int) -> tuple[Floats, Codes]:
    """Probabilities with many ties, and the class said by a threshold of its own."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(20, rng.dirichlet(np.ones(n_classes)), n) + 1
    shares = counts / counts.sum(axis=1, keepdims=True)
    return shares, np.asarray((shares * np.linspace(1, 1.3, n_classes)).argmax(axis=1), np.int64)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_what_is_expected_is_the_mean_of_drawn_truths_and_their_scatter(n_classes: int) -> None:
    shares, said = rows(400, n_classes, 1)
    positive = 1 if n_classes == 2 else None
    counted = (1,) if n_classes == 2 else (0, 1, 2)
    maps = (TRUE,) * len(counted)
    found = cbpe.expect(maps, shares[None], shares, said, positive, counted)
    rng = np.random.default_rng(2)
    draws = [by_scikit(drawn(shares, rng), shares, said) for _ in range(600)]
    for name, one in found.items():
        values = np.array([draw[name] for draw in draws])
        assert abs(one.value - values.mean()) < 4 * values.std() / np.sqrt(len(values)) + 1e-3, name
        assert one.sampling**0.5 == pytest.approx(values.std(), rel=0.12), name
        assert one.calibration < 1e-9, name


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 4), st.integers(30, 120), st.integers(0, 10**6))
def test_realised_figures_are_scikit_learns(n_classes: int, n: int, seed: int) -> None:
    shares, said = rows(n, n_classes, seed)
    truth = drawn(shares, np.random.default_rng(seed))
    counted = cbpe.counted_classes(truth, n_classes)
    if len(counted) < (1 if n_classes == 2 else n_classes):
        return
    positive = 1 if n_classes == 2 else None
    assert cbpe.realise(truth, shares, said, positive, counted) == pytest.approx(by_scikit(truth, shares, said))


def test_a_class_that_the_model_does_not_know_costs_what_the_task_says() -> None:
    shares, said = rows(50, 2, 0)
    truth = np.full(50, -1)
    found = cbpe.realise(truth, shares, said, 1, ())
    assert found["log_loss"] == pytest.approx(-np.log(1e-15))
    assert found["accuracy"] == 0.0
    assert "roc_auc" not in found


def test_a_model_that_is_too_sure_is_calibrated_and_its_auc_expected() -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 1.5, 40_000)
    p = 1 / (1 + np.exp(-odds))
    said = 1 / (1 + np.exp(-2 * odds - 0.7))
    truth = (rng.random(len(p)) < p).astype(np.int64)
    shares = np.column_stack([1 - said, said])
    held, window = slice(0, 3000), slice(3000, None)
    maps = cbpe.fit_calibrations(shares[held], truth[held])
    found = cbpe.expect(maps, shares[window][None], shares[window], shares[window].argmax(axis=1), 1, (1,))
    naive = cbpe.expect((TRUE,), shares[window][None], shares[window], shares[window].argmax(axis=1), 1, (1,))
    came = cbpe.realise(truth[window], shares[window], shares[window].argmax(axis=1), 1, (1,))
    for name in ("roc_auc", "log_loss", "accuracy"):
        off = abs(found[name].value - came[name])
        assert off < 4 * (found[name].sampling + found[name].calibration) ** 0.5, name
        assert off < abs(naive[name].value - came[name]) / 3, name


def test_the_uncertainty_of_calibration_is_that_of_other_held_out_rows() -> None:
    rng = np.random.default_rng(3)
    p = rng.beta(2, 3, 2000)
    window = np.column_stack([1 - p, p])
    values, told = [], []
    for _ in range(60):
        q = rng.beta(2, 3, 300)
        maps = cbpe.fit_calibrations(np.column_stack([1 - q, q]), (rng.random(300) < q).astype(np.int64))
        one = cbpe.expect(maps, window[None], window, window.argmax(axis=1), 1, (1,))["accuracy"]
        values.append(one.value)
        told.append(one.calibration**0.5)
    # The prior holds the maps near the identity, so they scatter less than their posterior says: never much more.
    assert np.std(values) < 1.2 * np.mean(told)
    assert np.std(values) > 0.4 * np.mean(told)


def test_the_maps_of_three_classes_err_together() -> None:
    rng = np.random.default_rng(3)

    def world(n: int) -> tuple[Floats, Codes]:
        p = np.exp(rng.normal(0, 1.2, (n, 3)))
        p /= p.sum(axis=1, keepdims=True)
        return p, drawn(p, rng)

    shares, _ = world(2000)
    values, told, apart = [], [], []
    for _ in range(50):
        p, truth = world(500)
        maps = cbpe.fit_calibrations(p, truth)
        alone = [np.asarray(cbpe.fit_calibration(p[:, k], (truth == k) * 1.0).root) for k in range(3)]
        for k in range(3):  # one class's covariance is its own, however it is spread over the causes
            root = np.asarray(maps[k].root)
            assert root @ root.T == pytest.approx(alone[k] @ alone[k].T, rel=1e-6, abs=1e-9)
        single = [
            cbpe.Calibration(
                maps[k].line,
                maps[k].knots,
                tuple(map(tuple, np.hstack([np.zeros((4, 4 * k)), alone[k], np.zeros((4, 8 - 4 * k))]).tolist())),
            )
            for k in range(3)
        ]
        rest = (shares[None], shares, shares.argmax(axis=1), None, (0, 1, 2))
        one = cbpe.expect(maps, *rest)["log_loss"]
        values.append(one.value)
        told.append(one.calibration**0.5)
        apart.append(cbpe.expect(single, *rest)["log_loss"].calibration ** 0.5)
    scatter = float(np.std(values))
    assert abs(np.mean(told) - scatter) < abs(np.mean(apart) - scatter)
    assert scatter == pytest.approx(np.mean(told), rel=0.25)


def test_few_held_out_rows_leave_a_model_as_it_is() -> None:
    p = np.array([0.2, 0.5, 0.9])
    found = cbpe.fit_calibration(p, np.array([0.0, 1.0, 1.0]))
    assert np.abs(cbpe.calibrated(found, p) - p).max() < 0.1

"""Alarms that may be looked at at any time: the error holds with many looks, and shifts are found soon."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom

from cauce.watch.drift.alarms import ODDS, Bets, Stakes, log_mean, weights
from cauce.watch.drift.events import of_column, of_share, upper_limits


@given(st.integers(1, 200), st.floats(1e-6, 0.3), st.data())
@settings(deadline=None)
def test_limits_are_those_of_clopper_and_pearson(n: int, risk: float, data: st.DataObject) -> None:
    happened = data.draw(st.integers(0, n))
    (limit,) = upper_limits(np.array([happened]), n, log_risk=np.log(risk))
    expected = 1.0 if happened == n else beta.ppf(1 - risk, happened + 1, n - happened)
    assert limit == pytest.approx(expected)
    # What the name says: with that share, so few would happen with probability `risk`.
    if happened < n:
        assert binom.cdf(happened, n, limit) == pytest.approx(risk, rel=1e-5)


@given(st.lists(st.integers(0, 500), min_size=3, max_size=14), st.booleans(), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_no_bet_gains_on_average_while_the_limits_hold(reference: list[int], ordered: bool, seed: int) -> None:
    events = of_column(np.array(reference), ordered=ordered, risk=0.01)
    bets, rng = Bets(events), np.random.default_rng(seed)
    for _ in range(20):
        p = rng.dirichlet(np.array(reference) + 0.5)
        growth = bets.growth(np.eye(len(reference), dtype=np.int64))  # one row in each bin
        expected = np.einsum("b,beo->eo", p, np.exp(growth))
        held = events.members @ p <= events.at_most
        assert (expected[held] <= 1 + 1e-9).all()


def test_events_of_an_ordered_column_hold_bins_halves_tails_and_complements() -> None:
    members = of_column(np.array([10, 10, 10, 10, 10, 0]), ordered=True, risk=0.01).members
    sets = {tuple(np.flatnonzero(row).tolist()) for row in members}
    assert {(0,), (4,), (5,), (0, 1), (0, 1, 2), (0, 4), (0, 1, 3, 4), (2, 5)} <= sets
    assert all(tuple(sorted(set(range(6)) - set(one))) in sets for one in sets)


def drawn(rng: np.random.Generator, p: np.ndarray, n: int) -> np.ndarray:
    return rng.multinomial(n, p)


def test_peeking_after_every_fifty_rows_keeps_the_error() -> None:
    # 400 columns for 60 days, looked at 20 times a day: the bound for any alarm is risk * (1 + days) each.
    rng, risk, days = np.random.default_rng(1), 0.001, 60
    p = np.full(10, 0.1)
    false = naive = 0
    for _ in range(400):
        reference = np.append(drawn(rng, p, 2000), 0)
        bets = Bets(of_column(reference, ordered=True, risk=risk))
        stakes = Stakes.begin(bets)
        alarmed = alarmed_naive = False
        for _ in range(days):
            parts = np.column_stack([rng.multinomial(50, p, size=20), np.zeros(20, dtype=np.int64)])
            growth = bets.growth(np.cumsum(parts, axis=0)) + stakes.logs
            alarmed |= any(log_mean(each) >= -np.log(risk) for each in growth)
            # Control: a stake that takes training's shares for the truth instead of their limits.
            expected = np.cumsum(parts, axis=0)[:, :10].sum(axis=1, keepdims=True) * reference[:10] / reference.sum()
            chi = ((np.cumsum(parts, axis=0)[:, :10] - expected) ** 2 / expected).sum(axis=1)
            alarmed_naive |= bool((chi > 27.88).any())  # 0.999 of chi-square with 9 degrees
            stakes = stakes.seen(parts.sum(axis=0)).staked(bets, 1.0)
        false += alarmed
        naive += alarmed_naive
    bound = risk * (1 + days)
    assert false / 400 <= bound + 3 * np.sqrt(bound / 400)
    assert naive / 400 > 2 * bound  # the harness has teeth


@pytest.mark.parametrize("n_reference", [1000, 10_000])
def test_half_a_deviation_is_found_within_three_windows(n_reference: int) -> None:
    delays = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        cuts = np.quantile(rng.normal(size=n_reference), np.arange(1, 10) / 10)
        bets = Bets(of_column(np.append(np.full(10, n_reference // 10), 0), ordered=True, risk=0.005 / 30))
        stakes = Stakes.begin(bets)
        for day in range(30):
            rows = rng.normal(0.5 if day >= 10 else 0.0, 1, 1000)
            stakes = stakes.seen(np.append(np.bincount(np.searchsorted(cuts, rows), minlength=10), 0))
            if stakes.evidence(bets) >= np.log(30 / 0.005):
                delays.append(day - 9)
                break
            stakes = stakes.staked(bets, 1.0)
    assert len(delays) == 20
    assert min(delays) > 0
    assert np.mean(delays) <= 3


def test_a_share_that_rises_from_nothing_is_found_in_one_window() -> None:
    bets = Bets(of_share((0, 5000), risk=1e-4))
    assert Stakes.begin(bets).seen(np.array([0, 1000])).evidence(bets) < 1
    assert Stakes.begin(bets).seen(np.array([50, 950])).evidence(bets) > np.log(1e6)


def test_stakes_survive_their_plain_form() -> None:
    bets = Bets(of_column(np.array([30, 50, 20]), ordered=False, risk=0.01))
    stakes = Stakes.begin(bets).seen(np.array([5, 5, 5])).staked(bets, 0.5).seen(np.array([1, 2, 3]))
    back = Stakes.from_plain(stakes.to_plain(), bets)
    assert back is not None
    assert back.evidence(bets) == pytest.approx(stakes.evidence(bets), abs=1e-5)
    assert Stakes.from_plain(stakes.to_plain(), Bets(of_share((1, 9), risk=0.1))) is None


def test_weights_add_up_and_leave_nobody_out() -> None:
    found = weights(["a", "b", "c"], {"a": 3.0, "b": 1.0, "z": 9.0})
    assert sum(found.values()) == pytest.approx(1)
    assert found["a"] > found["b"] > found["c"] > 0
    assert len(ODDS) == 4

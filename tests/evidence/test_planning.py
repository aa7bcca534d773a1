from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cauce.evidence import paired, provable_margin, units_needed


def power(n: int, difference: float) -> float:
    """The t test's power, from the noncentral t distribution."""
    bound = stats.t.ppf(0.975, n - 1)
    return float(stats.nct.sf(bound, n - 1, difference * np.sqrt(n)))


@pytest.mark.parametrize("difference", [0.05, 0.2, 0.5, 1.0])
def test_units_needed_reach_the_power(difference: float) -> None:
    n = units_needed(1.0, difference)
    assert 0.89 <= power(n, difference) <= 0.925
    assert units_needed(1.0, -difference) == n


def test_units_needed_find_the_difference_in_nine_of_ten_samples() -> None:
    rng = np.random.default_rng(0)
    n = units_needed(2.0, 0.5)
    found = [paired(row, np.zeros(n), margin=0.01).lower > 0 for row in rng.normal(0.5, 2.0, (2_000, n))]
    assert 0.87 <= np.mean(found) <= 0.93


def test_provable_margin_is_proven_by_a_model_that_is_as_good() -> None:
    rng = np.random.default_rng(1)
    margin = provable_margin(1.0, 300, power=0.8)
    found = [paired(row + 1.0, np.ones(300), margin=margin).not_worse for row in rng.normal(size=(2_000, 300))]
    assert 0.77 <= np.mean(found) <= 0.83


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="difference is 0"):
        units_needed(1.0, 0.0)
    with pytest.raises(ValueError, match="would not find it"):
        units_needed(1.0, 1e-9)
    with pytest.raises(ValueError, match="n_units is 1"):
        provable_margin(1.0, 1)


def test_no_scatter_takes_two_units() -> None:
    assert units_needed(0.0, 0.1) == 2

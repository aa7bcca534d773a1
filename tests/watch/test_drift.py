"""Drift reports of two tables: no false alarms, real shifts found, causes told apart."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from cauce.core.errors import UserError
from cauce.watch import DriftReport, drift_report
from cauce.watch.drift.counts import psi
from cauce.watch.drift.report import measure


def people(n: int, seed: int, *, shift: float = 0.0, scale: float = 1.0) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "age": rng.normal(40 + 10 * shift, 10, n) * scale,
            "visits": rng.poisson(3, n),
            "plan": rng.choice(["free", "basic", "pro"], n, p=[0.6, 0.3, 0.1]),
        }
    )


def stationary_looks(n_looks: int, n_rows: int, *, seed: int) -> float:
    """Return the share of looks with any alarm over 20 stationary columns: 10 of tenths, 10 of uneven categories."""
    rng = np.random.default_rng(seed)
    even, uneven = np.full(10, 0.1), 0.5 ** np.arange(1, 16) / (1 - 0.5**15)
    columns = {f"c{i}": (even if i < 10 else uneven) for i in range(20)}
    labels = {name: tuple(map(str, range(len(p) + 1))) for name, p in columns.items()}
    alarms = 0
    for _ in range(n_looks):
        reference = {name: np.append(rng.multinomial(5000, p), 0) for name, p in columns.items()}
        current = {name: np.append(rng.multinomial(n_rows, p), 0) for name, p in columns.items()}
        # Any index counts: the test alone has to hold the rate.
        found = measure(reference, current, labels, threshold=0.0, confidence=0.95)
        alarms += any(column.drifted for column in found)
    return alarms / n_looks


@pytest.mark.parametrize("n_rows", [200, 1000])
def test_stationary_columns_alarm_no_more_often_than_stated(n_rows: int) -> None:
    n_looks = 150
    assert stationary_looks(n_looks, n_rows, seed=3) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / n_looks)


@pytest.mark.slow
@pytest.mark.parametrize("n_rows", [200, 1000])
def test_stationary_columns_alarm_no_more_often_than_stated_over_many_looks(n_rows: int) -> None:
    n_looks = 2000
    assert stationary_looks(n_looks, n_rows, seed=4) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / n_looks)


def test_a_shift_of_one_standard_deviation_is_found() -> None:
    before = people(5000, 0)
    found = [drift_report(before, people(1000, seed, shift=1.0)).drifted == ("age",) for seed in range(1, 21)]
    assert np.mean(found) >= 0.95


def test_stationary_tables_do_not_drift() -> None:
    report = drift_report(people(5000, 0), people(300, 1))
    assert report.drifted == ()
    assert isinstance(report, DriftReport)
    assert (report.n_reference, report.n_current) == (5000, 300)


def test_the_report_names_the_bins_that_moved_and_puts_drift_first() -> None:
    now = people(1000, 1).set_column(2, "plan", pa.array(["pro"] * 1000))
    report = drift_report(people(5000, 0), now)
    assert report.columns[0].column == "plan"
    assert report["plan"].movers[0].label == "pro"
    assert report["plan"].movers[0].now == 1.0


def test_a_few_rows_with_a_large_index_are_no_drift() -> None:
    before = pa.table({"x": ["a", "b"] * 500})
    column = drift_report(before, pa.table({"x": ["a", "a", "a", "a", "a", "b"]}))["x"]
    assert column.psi > 0.2
    assert not column.drifted


def test_missing_values_are_told_apart_from_drift() -> None:
    before = people(4000, 0)
    ages = pa.array([None if i % 2 else age for i, age in enumerate(people(1000, 1)["age"].to_pylist())])
    column = drift_report(before, people(1000, 1).set_column(0, "age", ages))["age"]
    assert not column.drifted
    assert column.missing_before == 0
    assert column.missing_now == 0.5


def test_a_column_that_is_all_missing_now_gives_no_drift() -> None:
    now = people(500, 1).set_column(0, "age", pa.nulls(500, pa.float64()))
    column = drift_report(people(1000, 0), now)["age"]
    assert (column.drifted, column.missing_now, column.movers) == (False, 1.0, ())


def test_tables_without_rows_or_common_columns_are_refused() -> None:
    with pytest.raises(UserError, match="current: has no rows"):
        drift_report(people(10, 0), people(0, 0))
    with pytest.raises(UserError, match="no column in common"):
        drift_report(people(10, 0), pa.table({"z": [1]}))


def test_a_report_of_many_rows_is_that_of_bins_cut_from_all_of_them() -> None:
    before, now = people(120_000, 0), people(60_000, 1, shift=0.2)
    report = drift_report(before, now)
    ages = np.asarray(before["age"])
    cuts = np.quantile(ages, np.arange(1, 10) / 10)
    counts = [np.bincount(np.searchsorted(cuts, np.asarray(t["age"])), minlength=10) for t in (before, now)]
    assert report["age"].psi == pytest.approx(psi(*counts), rel=0.05)
    assert report["age"].wasserstein == pytest.approx(0.2, rel=0.15)
    assert report["plan"].psi == pytest.approx(0, abs=0.001)
    assert sum(mover.now for mover in report["plan"].movers) <= 1

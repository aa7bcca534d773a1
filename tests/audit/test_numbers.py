"""Numbers that cannot be, that stand for something else, or lie apart; tails and centred columns are quiet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from cauce.audit import AuditContext
from cauce.audit.outliers import outliers
from cauce.core.artefacts import Audit, Finding

Auditor = Callable[..., Audit]
Floats = npt.NDArray[np.float64]
N = 600
RNG = np.random.default_rng


def of(audit: Audit, *codes: str) -> list[Finding]:
    return [finding for finding in audit.findings if finding.code in codes]


NUMERIC = ("impossible_values", "stray_negatives", "sentinel_values", "outliers")
DRAWS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": lambda rng, n: rng.normal(5, 2, n),
    "around zero": lambda rng, n: rng.normal(0, 1, n),
    "nearly positive": lambda rng, n: rng.normal(2.5, 1, n),
    "lognormal": lambda rng, n: rng.lognormal(0, 1.5, n),
    "exponential": lambda rng, n: rng.exponential(3, n),
    "pareto": lambda rng, n: rng.pareto(1.1, n),
    "student 3": lambda rng, n: rng.standard_t(3, n),
    "cauchy": lambda rng, n: rng.standard_cauchy(n),
    "poisson": lambda rng, n: rng.poisson(3, n).astype(float),
    "zero-inflated": lambda rng, n: np.where(rng.random(n) < 0.9, 0.0, rng.lognormal(6, 1, n)),
    "two humps": lambda rng, n: np.where(rng.random(n) < 0.5, rng.normal(0, 1, n), rng.normal(9, 1, n)),
    "up to 999": lambda rng, n: rng.integers(0, 1000, n).astype(float),
}


@pytest.mark.parametrize("name", DRAWS)
def test_clean_numbers_of_any_shape_are_quiet(audit: Auditor, name: str) -> None:
    alarms = sum(bool(of(audit(pa.table({"x": DRAWS[name](RNG(seed), 2_000)})), *NUMERIC)) for seed in range(10))
    assert alarms <= 1


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("age", 230.0), ("edad", -4.0), ("unit_price", -3.5), ("precioFinal", -3.5), ("n_visits", -1.5),
        ("duración", -20.0), ("Latitude", 94.0), ("longitud", 181.0), ("percentage_done", 130.0), ("probabilidad", 1.2),
        ("month", 13.0),
    ],
)  # fmt: skip
def test_a_name_says_what_cannot_be(audit: Auditor, name: str, wrong: float) -> None:
    values = RNG(0).uniform(0.01, 0.99, N) if name == "probabilidad" else RNG(0).uniform(1, 12, N)
    values[[4, 90]] = wrong
    (found,) = of(audit(pa.table({name: values})), "impossible_values")
    assert (found.severity, found.columns, found.n_rows, found.rows) == ("warn", (name,), 2, (4, 90))


@pytest.mark.parametrize("name", ["price_change", "age_zscore", "age", "saldo_horas", "longitud", "village"])
def test_centred_columns_and_differences_are_quiet(audit: Auditor, name: str) -> None:
    assert not of(audit(pa.table({name: RNG(0).normal(0, 1, N)})), "impossible_values")


def test_wrong_signs_are_seen_without_a_name(audit: Auditor) -> None:
    values = RNG(0).gamma(20, 3, N)
    values[[10, 20, 30]] *= -1
    (found,) = of(audit(pa.table({"v": values})), "stray_negatives")
    assert (found.n_rows, found.rows) == (3, (10, 20, 30))


@pytest.mark.parametrize("mark", [-999.0, -99.0, 9999.0, 99999.0, 2147483647.0, -1.0])
def test_marks_for_missing_numbers_are_seen(audit: Auditor, mark: float) -> None:
    values = RNG(0).gamma(20, 3, N)
    values[::100] = mark
    (found,) = of(audit(pa.table({"v": values})), *NUMERIC)
    assert (found.code, found.n_rows, found.rows) == ("sentinel_values", 6, tuple(range(0, N, 100)))
    assert "−999 in" in found.message["en"] or mark != -999


def test_a_mark_within_the_range_is_seen_by_how_often_it_comes(audit: Auditor) -> None:
    values = RNG(0).lognormal(9, 1, 3_000)
    values[::100] = 9999.0
    (found,) = of(audit(pa.table({"v": values})), "sentinel_values")
    assert found.n_rows == 30


def test_codes_and_signs_are_no_marks(audit: Auditor) -> None:
    table = pa.table({"sign": RNG(0).choice([-1, 1], N), "code": RNG(0).choice([1, 2, 3, 99], N)})
    assert not of(audit(table), "sentinel_values")


def test_a_default_date_is_seen(audit: Auditor) -> None:
    days = [datetime(2023, 1, 1) + timedelta(days=i % 365) for i in range(N)]  # noqa: DTZ001 - the column has no zone
    days[5] = days[6] = datetime(1900, 1, 1)  # noqa: DTZ001
    (found,) = of(audit(pa.table({"at": days})), "sentinel_values")
    assert (found.n_rows, found.rows) == (2, (5, 6))
    assert found.message["en"].startswith("1900-01-01 in")


def test_a_birthday_of_1970_is_a_birthday(audit: Auditor) -> None:
    days = [datetime(1950, 1, 1) + timedelta(days=20 * i) for i in range(N)]  # noqa: DTZ001
    days[5] = datetime(1970, 1, 1)  # noqa: DTZ001
    assert not of(audit(pa.table({"born": days})), "sentinel_values")


@pytest.mark.parametrize("share", [0.002, 0.01, 0.03])
@pytest.mark.parametrize("shape", ["normal", "two humps"])
def test_numbers_apart_are_seen(audit: Auditor, shape: str, share: float) -> None:
    values = DRAWS[shape](RNG(1), 3_000)
    at = np.sort(RNG(2).choice(3_000, int(3_000 * share), replace=False))
    values[at] = 60 + 5 * RNG(3).random(len(at))
    (found,) = of(audit(pa.table({"v": values})), "outliers")
    assert (found.n_rows, found.rows) == (len(at), tuple(at[:20].tolist()))


def test_a_sample_that_misleads_does_not_accuse_the_rest(make_context: Callable[..., AuditContext]) -> None:
    table = pa.table({"v": np.arange(30_000.0)})
    context = make_context(table, size=10_000)
    assert outliers(replace(context, sample=table.slice(0, 6_000)), 8.0) == []

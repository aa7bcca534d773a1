"""Slices that went wrong are named; seasons, growth and chance are not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from cauce.audit import AuditContext
from cauce.audit.drift import chance, inner_drift
from cauce.audit.histograms import stability_index, total_variation
from cauce.audit.slices import slices_of
from cauce.core.artefacts import Audit, Finding
from cauce.core.specs import DataSpec

Auditor = Callable[..., Audit]
Maker = Callable[..., AuditContext]
MONTHS = [f"2023-{m:02d}" for m in range(1, 13)]
BY_MONTH = DataSpec(source="x", partition_by=("month",))
PER = 150
OF_SLICES = {
    "cut_slice", "shifted_columns", "stuck_column", "rising_missing", "unit_jump", "inner_drift", "new_categories",
    "gone_categories",
}  # fmt: skip


def table(n_slices: int = 12, per: int = PER, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = n_slices * per
    return {
        "month": np.repeat([f"20{22 + i // 12}-{1 + i % 12:02d}" for i in range(n_slices)], per),
        "height": rng.normal(170, 10, n),
        "weight": rng.normal(70, 8, n),
        "spend": rng.lognormal(3, 0.6, n),
        "plan": rng.choice(["basic", "plus", "pro"], n, p=[0.5, 0.3, 0.2]).astype("U9"),
        "city": rng.choice(["Lugo", "Vigo", "Jaén"], n).astype("U9"),
    }


def of_slices(audit: Audit) -> list[Finding]:
    return [finding for finding in audit.findings if finding.code in OF_SLICES]


def audited(audit: Auditor, columns: object, spec: DataSpec = BY_MONTH) -> list[Finding]:
    return of_slices(audit(pa.table(columns), data=spec))


def test_without_time_and_partitions_nothing_applies(audit: Auditor) -> None:
    result = audit(pa.table(table()))
    assert set(result.not_applicable) >= OF_SLICES


def test_partitions_without_an_order_in_time_are_only_compared(audit: Auditor) -> None:
    columns = table()
    columns["spend"][columns["city"] == "Vigo"] *= 100
    result = audit(pa.table(columns), data=DataSpec(source="x", partition_by=("city",)))
    assert {"inner_drift", "stuck_column", "cut_slice"} <= set(result.not_applicable)
    ((found),) = of_slices(result)
    assert (found.code, found.columns, found.examples) == ("unit_jump", ("spend",), (found.examples[0],))
    assert found.examples[0].startswith("Vigo: ×")


@pytest.mark.parametrize("n_slices", [2, 3, 6, 12, 40])
def test_chance_alarms_in_fewer_than_one_audit_in_a_hundred(make_context: Maker, n_slices: int) -> None:
    alarms = 0
    for seed in range(15):
        columns = table(n_slices, per=max(60, 600 // n_slices), seed=seed)
        columns |= {
            f"x{i}": np.random.default_rng(seed + 1_000 * i).lognormal(0, 1, len(columns["plan"])) for i in range(10)
        }
        alarms += bool(inner_drift(make_context(pa.table(columns), data=BY_MONTH, size=5_000), 0.2))
    assert alarms == 0  # of 15; of 2,000 simulated audits of 16 columns 3 alarmed (0.15 %)


def test_seasons_and_growth_are_quiet(audit: Auditor) -> None:
    rng = np.random.default_rng(0)
    days = np.arange(1_095)
    level = 10 + 8 * np.sin(2 * np.pi * days / 365.25) + days / 100
    rows = np.repeat(days, rng.poisson(5 + days / 200))
    start = datetime(2021, 1, 1)  # noqa: DTZ001 - the column has no zone
    columns = {
        "at": [start + timedelta(days=int(day)) for day in rows],
        "temperature": level[rows] + rng.normal(0, 2, len(rows)),
        "sales": np.exp(level[rows] / 10 + rng.normal(0, 0.3, len(rows))),
        "season": np.array(["winter", "spring", "summer", "autumn"])[(rows % 365) // 92],
    }
    assert audited(audit, columns, DataSpec(source="x", time="at")) == []


def test_the_newest_slice_that_differs_is_named(audit: Auditor) -> None:
    columns = table()
    columns["height"][-PER:] += 25
    (found,) = audited(audit, columns)
    assert (found.code, found.severity, found.columns, found.n_rows) == ("inner_drift", "warn", ("height",), PER)
    assert found.rows[0] == 11 * PER
    assert found.examples[0].startswith("height: 170 → 19") or found.examples[0].startswith("height: 169")


def test_a_change_that_came_three_slices_ago_is_named(audit: Auditor) -> None:
    columns = table()
    columns["plan"][-3 * PER :] = np.random.default_rng(1).choice(["basic", "pro"], 3 * PER, p=[0.1, 0.9])
    found = {f.code: f for f in audited(audit, columns)}
    assert found["inner_drift"].columns == ("plan",)


def test_parts_of_the_date_do_not_drift(audit: Auditor) -> None:
    days = np.repeat(np.arange(38), 60)
    at = np.datetime64("2023-03-06") + days
    x = np.random.default_rng(0).normal(5, 1, len(days))
    columns = {"at": at, "weekday": days % 7, "month": np.where(days < 26, 3, 4), "x": x}
    assert audited(audit, columns, DataSpec(source="x", time="at")) == []
    columns["colour"] = columns.pop("month")
    assert [f.columns for f in audited(audit, columns, DataSpec(source="x", time="at"))] == [("colour",)]


def test_two_partitions_are_enough_for_drift(audit: Auditor) -> None:
    columns = table(2, per=400)
    columns["spend"][-400:] += 40
    assert [f.code for f in audited(audit, columns)] == ["inner_drift"]


def test_new_and_lost_categories_are_told(audit: Auditor) -> None:
    columns = table()
    newest = columns["plan"][-PER:]
    newest[newest == "pro"] = "business"
    found = {f.code: f for f in audited(audit, columns)}
    assert {code: f.examples for code, f in found.items() if code != "inner_drift"} == {
        "new_categories": ("business",),
        "gone_categories": ("pro",),
    }
    assert {f.severity for code, f in found.items() if code != "inner_drift"} == {"info"}


@pytest.mark.parametrize("factor", [100.0, 0.001, 1.609344, 0.45359237, 166.386])
@pytest.mark.parametrize("places", [(5,), (10, 11), (3, 7)])
def test_a_change_of_unit_is_named_with_its_slices(audit: Auditor, factor: float, places: tuple[int, ...]) -> None:
    columns = table()
    for place in places:
        columns["weight"][place * PER : (place + 1) * PER] *= factor
    (found,) = [f for f in audited(audit, columns) if f.code == "unit_jump"]
    assert (found.columns, found.n_rows, found.rows[0]) == (("weight",), PER * len(places), places[0] * PER)
    assert found.value == pytest.approx(max(factor, 1 / factor), rel=0.05)


def test_a_level_that_moves_by_no_unit_is_no_change_of_unit(audit: Auditor) -> None:
    columns = table()
    columns["weight"][5 * PER : 6 * PER] *= 1.3
    columns["spend"][5 * PER : 6 * PER] += 200
    assert "unit_jump" not in {f.code for f in audited(audit, columns)}


def test_a_slice_cut_short_is_named(audit: Auditor) -> None:
    columns = table()
    kept = np.ones(len(columns["plan"]), bool)
    kept[6 * PER + 20 : 7 * PER] = False
    (found,) = audited(audit, {name: values[kept] for name, values in columns.items()})
    assert (found.code, found.n_rows, found.rows[0]) == ("cut_slice", 20, 6 * PER)
    assert "2022-07" in found.message["en"]


def test_an_end_of_several_small_slices_is_named(audit: Auditor) -> None:
    columns = table()
    kept = np.random.default_rng(1).random(12 * PER) < np.where(np.arange(12 * PER) < 9 * PER, 1.0, 0.15)
    found = {f.code: f for f in audited(audit, {name: values[kept] for name, values in columns.items()})}
    assert found["cut_slice"].n_rows == kept[9 * PER :].sum()
    assert "2022-10" in found["cut_slice"].message["en"]


def test_a_slow_end_of_the_year_is_not_cut(audit: Auditor) -> None:
    columns = table(24)
    usual = np.where(np.arange(24 * PER) // PER % 12 < 9, 1.0, 0.3)  # as every year
    kept = np.random.default_rng(1).random(24 * PER) < usual
    found = audited(audit, {name: values[kept] for name, values in columns.items()})
    assert not [f for f in found if f.code == "cut_slice" and "2023" in f.message["en"].partition(":")[0]]


def test_a_day_of_rest_is_not_cut_and_a_lost_day_is(audit: Auditor) -> None:
    days = np.repeat(np.arange(42), 80)
    rest = (days % 7 == 5) & (np.arange(len(days)) % 80 > 2)
    lost = (days == 23) & (np.arange(len(days)) % 80 > 2)
    x = np.random.default_rng(0).normal(5, 1, len(days))
    at = np.datetime64("2023-03-06") + days
    spec = DataSpec(source="x", time="at")
    assert audited(audit, {"at": at[~rest], "x": x[~rest]}, spec) == []
    kept = ~rest & ~lost
    (found,) = audited(audit, {"at": at[kept], "x": x[kept]}, spec)
    assert (found.code, found.n_rows) == ("cut_slice", 3)
    assert "2023-03-29" in found.message["en"]


def test_a_month_that_has_only_begun_is_not_cut(audit: Auditor) -> None:
    start = datetime(2023, 1, 1)  # noqa: DTZ001 - the column has no zone
    at = [start + timedelta(hours=6 * i) for i in range(4 * 334 + 12)]
    x = np.random.default_rng(0).normal(5, 1, len(at))
    assert audited(audit, {"at": at, "x": x}, DataSpec(source="x", time="at")) == []


@pytest.mark.parametrize(("one", "other"), [("height", "weight"), ("plan", "city")])
def test_swapped_columns_are_named(audit: Auditor, one: str, other: str) -> None:
    columns = table()
    columns[one], columns[other] = columns[one].copy(), columns[other].copy()
    part = slice(4 * PER, 5 * PER)
    columns[one][part], columns[other][part] = columns[other][part].copy(), columns[one][part].copy()
    (found,) = [f for f in audited(audit, columns) if f.code == "shifted_columns"]
    assert (set(found.columns), found.n_rows, found.rows[0]) == ({one, other}, PER, 4 * PER)


def test_a_column_that_stands_still_is_named(audit: Auditor) -> None:
    columns = table()
    columns["weight"][-PER:] = 71.5
    found = {f.code: f for f in audited(audit, columns)}
    assert found["stuck_column"].columns == ("weight",)
    assert "'71.5'" in found["stuck_column"].message["en"]


@pytest.mark.parametrize(("part", "when"), [((8, 12), "since month = 2022-09,"), ((4, 6), "2022-05 until 2022-06,")])
def test_a_column_that_stands_still_for_several_slices_is_named(
    audit: Auditor, part: tuple[int, int], when: str
) -> None:
    columns = table()
    columns["weight"][part[0] * PER : part[1] * PER] = 71.5
    found = {f.code: f for f in audited(audit, columns)}
    assert (found["stuck_column"].columns, found["stuck_column"].n_rows) == (("weight",), (part[1] - part[0]) * PER)
    assert when in found["stuck_column"].message["en"]


def test_a_column_with_a_value_here_and_there_does_not_stand_still(audit: Auditor) -> None:
    columns: dict[str, object] = dict(table())
    columns["note"] = pa.array([f"n{row}" if row in {400, 900, 950} else None for row in range(12 * PER)])
    assert not [f for f in audited(audit, columns) if f.code == "stuck_column"]


def test_a_column_that_is_not_yet_in_use_is_not_named(audit: Auditor) -> None:
    columns = table()
    columns["weight"][: 4 * PER] = 0.0
    assert not [f for f in audited(audit, columns) if f.code == "stuck_column"]


def test_a_column_that_often_stands_still_is_not_named(audit: Auditor) -> None:
    columns = {**table(), "holiday": np.zeros(12 * PER)}
    columns["holiday"][PER : PER + 40] = 1
    assert audited(audit, columns) == []


def test_values_gone_missing_are_named(audit: Auditor) -> None:
    columns: dict[str, object] = dict(table())
    gaps = np.random.default_rng(0).random(12 * PER) < np.where(np.arange(12 * PER) < 11 * PER, 0.03, 0.4)
    columns["city"] = pa.array(columns["city"], mask=gaps)
    columns["weight"] = np.where(gaps, np.nan, table()["weight"])
    (found,) = audited(audit, columns)
    assert (found.code, set(found.columns)) == ("rising_missing", {"city", "weight"})


@pytest.mark.parametrize("share", [0.4, 1.0])
def test_values_gone_missing_some_slices_ago_are_named_with_the_day(audit: Auditor, share: float) -> None:
    columns: dict[str, object] = dict(table())
    gaps = np.random.default_rng(0).random(12 * PER) < np.where(np.arange(12 * PER) < 8 * PER, 0.03, share)
    columns["city"] = pa.array(columns["city"], mask=gaps)
    found = {f.code: f for f in audited(audit, columns)}
    assert found["rising_missing"].columns == ("city",)
    assert "from 2022-09" in found["rising_missing"].message["en"]


def test_gaps_that_come_every_year_are_not_named(audit: Auditor) -> None:
    columns: dict[str, object] = dict(table(24))
    often = np.where(np.arange(24 * PER) // PER % 12 >= 9, 0.5, 0.02)
    columns["city"] = pa.array(columns["city"], mask=np.random.default_rng(0).random(24 * PER) < often)
    assert not [f for f in audited(audit, columns) if f.code == "rising_missing"]


def test_time_is_cut_by_the_calendar_and_text_is_read_as_dates(make_context: Maker) -> None:
    start = datetime(2023, 1, 5)  # noqa: DTZ001 - the column has no zone
    at = [start + timedelta(days=i / 3) for i in range(1_000)]
    for values in (at, [moment.isoformat() for moment in at]):
        context = make_context(pa.table({"at": values, "x": np.arange(1_000)}), data=DataSpec(source="x", time="at"))
        slices = slices_of(context)
        assert slices is not None
        assert slices.labels == (*MONTHS[:11], "2023-12")
        assert int(slices.counts.sum()) == 1_000
        assert slices.covered[0] == pytest.approx(27 / 31, abs=0.01)


def test_the_sample_is_the_same_each_time(make_context: Maker) -> None:
    given = pa.table(table(3, per=5_000))
    first, again = (slices_of(make_context(given, data=BY_MONTH, size=size)) for size in (64, 10_000))
    assert first is not None
    assert again is not None
    assert first.table.equals(again.table)
    assert np.bincount(first.of)[:2] == pytest.approx([2_000, 2_000], rel=0.1)


def test_the_figures_are_those_of_the_textbook() -> None:
    from scipy.stats import chi2_contingency

    new, old = np.array([30, 50, 20]), np.array([500, 300, 200])
    assert total_variation(new, old) == pytest.approx(0.2)
    p, q = (new + 0.5) / 101.5, (old + 0.5) / 1001.5
    assert stability_index(new, old) == pytest.approx(float(((p - q) * np.log(p / q)).sum()))
    assert chance(new, old) == pytest.approx(chi2_contingency([new, old], correction=False).pvalue)

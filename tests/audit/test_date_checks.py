"""Dates that cannot be read or cannot be true."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from cauce.core.artefacts import Audit, Finding
from cauce.core.specs import AuditSpec, CheckSpec, DataSpec

Auditor = Callable[..., Audit]
N = 200
DAYS = [date(2023, 1, 1) + timedelta(days=i) for i in range(N)]


def table_of(days: object) -> pa.Table:
    return pa.table({"x": np.random.default_rng(0).normal(size=N), "day": pa.array(days)})


def found(audit: Audit, code: str) -> list[Finding]:
    return [finding for finding in audit.findings if finding.code == code]


@pytest.mark.parametrize("bad", ["2023-02-30", "soon", ""])
@pytest.mark.parametrize("written", ["%Y-%m-%d", "%d/%m/%Y"])
def test_text_among_dates_is_found_with_its_rows(audit: Auditor, written: str, bad: str) -> None:
    texts: list[str | None] = [day.strftime(written) for day in DAYS]
    texts[5], texts[150], texts[7] = bad, bad, None
    (finding,) = found(audit(table_of(texts)), "unparsable_dates")
    assert (finding.columns, finding.severity, finding.n_rows, finding.rows) == (("day",), "warn", 2, (5, 150))


def test_a_column_of_words_with_a_few_dates_is_no_date_column(audit: Auditor) -> None:
    assert "unparsable_dates" in audit(table_of(["2023-01-01"] * 100 + ["word"] * 100)).passed


def test_an_unreadable_time_column_blocks(audit: Auditor) -> None:
    data = DataSpec(source="rows.csv", time="day")
    texts = [day.isoformat() for day in DAYS]
    assert audit(table_of(texts), data=data).findings == ()
    (finding,) = found(audit(table_of(["yesterday", *texts[1:]]), data=data), "unparsable_dates")
    assert (finding.severity, finding.rows) == ("block", (0,))
    (finding,) = found(audit(table_of(["Q1", "Q2"] * 100), data=data), "unparsable_dates")
    assert (finding.severity, finding.n_rows) == ("block", N)
    (finding,) = found(audit(table_of([True, False] * 100), data=data), "unparsable_dates")
    assert finding.severity == "block"


def test_missing_times_warn_and_block_from_half(audit: Auditor) -> None:
    data = DataSpec(source="rows.csv", time="day")
    (finding,) = found(audit(table_of([None, None, *DAYS[2:]]), data=data), "missing_time")
    assert (finding.severity, finding.rows) == ("warn", (0, 1))
    (finding,) = found(audit(table_of([None] * 120 + DAYS[120:]), data=data), "missing_time")
    assert finding.severity == "block"


@pytest.mark.parametrize("as_text", [False, True])
def test_far_dates_are_found_with_their_rows(audit: Auditor, as_text: bool) -> None:
    days = [*DAYS]
    days[3], days[9] = date(9999, 12, 31), date(1899, 12, 31)
    values: list[object] = [day.isoformat() for day in days] if as_text else [*days]
    (finding,) = found(audit(table_of(values)), "impossible_dates")
    assert (finding.severity, finding.n_rows, finding.rows) == ("warn", 2, (3, 9))
    assert "impossible_dates" in audit(table_of(DAYS)).passed


def test_dates_kept_as_text_are_named(audit: Auditor) -> None:
    (finding,) = found(audit(table_of([day.isoformat() for day in DAYS])), "dates_as_text")
    assert finding.columns == ("day",)
    assert "dates_as_text" in audit(table_of(DAYS)).passed


def test_the_threshold_says_what_a_date_column_is(audit: Auditor) -> None:
    texts = [day.isoformat() for day in DAYS[:120]] + ["word"] * 80
    assert found(audit(table_of(texts)), "unparsable_dates") == []
    spec = AuditSpec(checks={"unparsable_dates": CheckSpec(threshold=0.5)})
    assert found(audit(table_of(texts), spec=spec), "unparsable_dates")[0].n_rows == 80

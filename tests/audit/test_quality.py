"""Planted faults of columns and rows are found; the clean table beside them is not blamed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from cauce.core.artefacts import Audit, Finding
from cauce.core.specs import AuditSpec, CheckSpec, DataSpec, ModelSpec

Auditor = Callable[..., Audit]
N = 400


def clean() -> pa.Table:
    rng = np.random.default_rng(0)
    hours = np.abs(rng.normal(10, 3, N))
    return pa.table(
        {
            "id": np.arange(N),
            "hours": hours,
            "level": rng.choice(["basic", "middle", "high"], N),
            "at": pa.array(1_700_000_000 + 3_600 * np.arange(N), pa.timestamp("s", tz="UTC")),
            "passed": (hours + rng.normal(0, 3, N) > 10).astype(np.int64),
        }
    )


def put(table: pa.Table, name: str, values: object) -> pa.Table:
    array = values if isinstance(values, pa.Array) else pa.array(values)
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, array)
    return table.append_column(name, array)


def only(audit: Audit, code: str) -> Finding:
    found = [finding for finding in audit.findings if finding.code == code]
    assert len(found) == 1, [f.code for f in audit.findings]
    return found[0]


MODEL = ModelSpec(task="classify", data="rows", target="passed")
DATA = DataSpec(source="rows.csv", key="id", time="at")


def test_a_clean_table_has_no_findings(audit: Auditor) -> None:
    result = audit(clean(), data=DATA, model=MODEL)
    assert result.findings == ()
    assert {"too_few_rows", "inner_drift", "impossible_values", "target_leakage"} <= set(result.passed)
    assert (result.data, result.model, result.n_rows) == ("rows", "m", N)


def test_a_data_set_alone_skips_the_checks_of_targets(audit: Auditor) -> None:
    result = audit(clean(), data=DATA)
    assert result.findings == ()
    of_targets = {"missing_target", "target_type", "one_class", "rare_class", "target_leakage"}
    assert of_targets <= set(result.not_applicable)


def test_an_empty_table_is_blocked_and_not_crashed_on(audit: Auditor) -> None:
    result = audit(clean().slice(0, 0), data=DATA, model=MODEL)
    assert [finding.code for finding in result.blocking] == ["too_few_rows"]


def test_nineteen_rows_are_too_few_and_twenty_are_not(audit: Auditor) -> None:
    assert only(audit(clean()[:19]), "too_few_rows").severity == "block"
    assert "too_few_rows" in audit(clean()[:20]).passed


def test_rows_without_a_target_do_not_count(audit: Auditor) -> None:
    table = put(clean()[:30], "passed", pa.array([None] * 14 + [0, 1] * 8))
    assert only(audit(table, model=MODEL), "too_few_rows").n_rows == 16


def test_an_empty_column_is_named(audit: Auditor) -> None:
    finding = only(audit(put(clean(), "notes", pa.nulls(N, pa.string()))), "all_missing")
    assert (finding.columns, finding.severity, finding.n_rows) == (("notes",), "warn", N)


def test_half_missing_columns_are_named_worst_first(audit: Auditor) -> None:
    some = pa.array(np.arange(float(N)), mask=np.arange(N) % 2 == 0)
    more = pa.array(np.arange(float(N)), mask=np.arange(N) % 10 != 0)
    few = pa.array(np.arange(float(N)), mask=np.arange(N) % 10 == 0)
    table = put(put(put(clean(), "some", some), "more", more), "few", few)
    finding = only(audit(table), "missing_values")
    assert finding.columns == ("more", "some")
    assert finding.value == pytest.approx(0.9)
    assert finding.rows[:3] == (0, 1, 2)


def test_nan_counts_as_missing(audit: Auditor) -> None:
    assert only(audit(put(clean(), "hours", np.full(N, np.nan))), "all_missing").columns == ("hours",)


def test_a_constant_column_is_named_with_its_value(audit: Auditor) -> None:
    finding = only(audit(put(clean(), "school", ["Cádiz"] * N), model=MODEL), "constant_column")
    assert finding.columns == ("school",)
    assert "Cádiz" in finding.message["es"]


def test_a_constant_column_with_gaps_says_something_and_passes(audit: Auditor) -> None:
    values = pa.array(["yes" if i % 3 == 0 else None for i in range(N)])
    assert "constant_column" in audit(put(clean(), "flag", values)).passed


def test_a_threshold_below_one_sees_almost_constant_columns(audit: Auditor) -> None:
    table = put(clean(), "school", ["A"] * (N - 2) + ["B"] * 2)
    assert "constant_column" in audit(table).passed
    spec = AuditSpec(checks={"constant_column": CheckSpec(threshold=0.99)})
    assert only(audit(table, spec=spec), "constant_column").value == pytest.approx(0.995)


def test_infinite_numbers_warn_and_block_in_the_target(audit: Auditor) -> None:
    values = np.arange(float(N))
    values[[3, 7]] = np.inf, -np.inf
    finding = only(audit(put(clean(), "hours", values)), "infinite_values")
    assert (finding.severity, finding.n_rows, finding.rows) == ("warn", 2, (3, 7))
    model = ModelSpec(task="regress", data="rows", target="hours")
    assert only(audit(put(clean(), "hours", values), model=model), "infinite_values").severity == "block"


def test_added_columns_inform_and_gone_ones_warn(audit: Auditor) -> None:
    finding = only(audit(clean(), changes=("added: level",)), "schema_changed")
    assert (finding.severity, finding.columns) == ("info", ("level",))
    changes = ("gone: my age", "retyped: z z int64 → string")
    finding = only(audit(clean(), changes=changes), "schema_changed")
    assert (finding.severity, finding.columns) == ("warn", ("my age", "z z"))
    assert "desaparecida: my age" in finding.message["es"]


def test_hostile_column_names_are_named_on_one_line(audit: Auditor) -> None:
    name = "two\nlines \"and\" 'quotes' 🙂; DROP TABLE x"
    finding = only(audit(put(clean(), name, ["same"] * N), model=MODEL), "constant_column")
    assert finding.columns == (name,)
    assert all("\n" not in text and "🙂" in text for text in finding.message.values())


def test_thousands_of_columns_make_one_finding_a_check(audit: Auditor) -> None:
    table = pa.table({f"c{i}": ["same"] * 30 for i in range(1_000)})
    finding = only(audit(table), "constant_column")
    assert len(finding.columns) == 1_000
    assert "995 more" in finding.message["en"]

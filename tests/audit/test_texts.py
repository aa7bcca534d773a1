"""Numbers that a word turned into text, and words that stand for nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from cauce.core.artefacts import Audit, Finding
from cauce.core.specs import ModelSpec

Auditor = Callable[..., Audit]


def of(audit: Audit, code: str) -> list[Finding]:
    return [finding for finding in audit.findings if finding.code == code]


def written(n: int) -> list[str]:
    return [f"{i},5" for i in range(n)]


def test_one_word_among_numbers_is_named_with_its_row(audit: Auditor) -> None:
    (found,) = of(audit(pa.table({"x": [*written(150), "n/d", *written(20)]})), "numbers_as_text")
    assert (found.severity, found.columns, found.rows, found.n_rows) == ("warn", ("x",), (150,), 1)
    assert "1 value among numbers: 'n/d' (row 150)" in found.message["en"]
    assert "1 valor entre números: «n/d» (fila 150)" in found.message["es"]


def test_numbers_that_could_not_be_read_are_told(audit: Auditor) -> None:
    (found,) = of(audit(pa.table({"x": ["1,234", "2.5", None, "1.272,24"] * 30})), "numbers_as_text")
    assert found.value == 1.0
    assert "Every value" in found.message["en"]


@pytest.mark.parametrize(
    "values",
    [
        ["1", "2", "a", "b"],
        ["007", "012"],
        ["2024-01-01", "2024-01-02"],
        ["Madrid", "Lugo"],
        [f"{i}th" for i in range(4)] + ["A12", "B13"],
    ],
    ids=["too many words", "codes", "dates", "words", "names that end in many ways"],
)
def test_other_text_passes(audit: Auditor, values: list[str]) -> None:
    assert "numbers_as_text" in audit(pa.table({"x": values * 30})).passed


@pytest.mark.parametrize(
    ("write", "unit"),
    [("{} kg", "kg"), ("{}%", "%"), ("{} km/h", "km/h"), ("€ {}", "€"), ("EUR {}", "EUR"), ("{} EUR.", "EUR")],
)
def test_numbers_that_carry_a_unit_are_named_with_it(audit: Auditor, write: str, unit: str) -> None:
    values = [*(write.format(i / 4) for i in range(195)), "unknown", None]
    (found,) = of(audit(pa.table({"x": values})), "numbers_as_text")
    assert f"carry a unit: '{unit}'" in found.message["en"]
    assert found.rows == (195,)


def test_names_of_one_letter_and_a_number_pass(audit: Auditor) -> None:
    assert "numbers_as_text" in audit(pa.table({"room": [f"A{i}" for i in range(1, 120)]})).passed


def test_a_label_of_digits_passes_and_a_target_of_regress_blocks(audit: Auditor) -> None:
    table = pa.table({"x": np.arange(100), "y": ["1", "0"] * 50})
    classify = ModelSpec(task="classify", data="rows", target="y")
    assert not of(audit(table, model=classify), "numbers_as_text")
    regress = ModelSpec(task="regress", data="rows", target="y")
    assert [f.severity for f in of(audit(table, model=regress), "numbers_as_text")] == ["block"]


def test_marks_for_missing_values_are_counted(audit: Auditor) -> None:
    (found,) = of(audit(pa.table({"work": ["private", "state"] * 95 + [" ?"] * 10})), "missing_markers")
    assert (found.severity, found.n_rows, found.value) == ("info", 10, 0.05)
    assert "' ?' (10): 10 rows (5.0%)" in found.message["en"] or "' ?' (10): 10 rows (5%)" in found.message["en"]


def test_blanks_in_place_of_a_value_are_counted(audit: Auditor) -> None:
    (found,) = of(audit(pa.table({"work": ["private", "state"] * 95 + ["  ", ""] * 5})), "missing_markers")
    assert (found.n_rows, found.value) == (10, 0.05)
    assert "'  ' (5)" in found.message["en"]


def test_a_rare_mark_passes(audit: Auditor) -> None:
    assert "missing_markers" in audit(pa.table({"work": ["private"] * 500 + ["-"]})).passed

"""Functions of the project are checks like any other, and one that fails does not stop the others."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cauce.audit import CHECKS, AuditContext, NotApplicable, finding, load_own, own_check, rows_where, run
from cauce.core.artefacts import Audit
from cauce.core.errors import UserError
from cauce.core.files import to_json
from cauce.core.specs import AuditSpec, CheckSpec

from .conftest import context_of

TABLE = pa.table({"price": np.arange(100.0), "refund": [500.0 if i % 25 == 0 else 0.0 for i in range(100)]})
HEAD = "from cauce.audit import NotApplicable, finding, own_check, rows_where\n"
REFUNDS = """
@own_check("refunds", severity="warn", threshold=2.0, title={"en": "refunds", "es": "devoluciones"})
def refunds(context, threshold):
    n, rows = rows_where(context, ["refund", "price"], lambda t: t["refund"] > t["price"] + threshold)
    if n:
        return finding(f"{n} refunds.", columns=["refund"], n_rows=n, rows=rows, value=n, examples=["ana@mail.example"])
"""


def audited(folder: Path, text: str, spec: AuditSpec | None = None) -> Audit:
    (folder / "checks.py").write_text(HEAD + text, encoding="utf-8")
    own = load_own(folder, ["checks.py"], known=CHECKS, where="cauce.toml:3, [audit] own")
    now = datetime(2024, 5, 1, tzinfo=UTC)
    return run(context_of(TABLE), spec or AuditSpec(), fingerprint="f", now=now, own=own)


def test_a_function_makes_a_finding(tmp_path: Path) -> None:
    result = audited(tmp_path, REFUNDS)
    (found,) = [f for f in result.findings if f.code == "refunds"]
    assert (found.severity, found.n_rows, found.rows, found.threshold) == ("warn", 4, (0, 25, 50, 75), 2.0)
    assert found.message == {"en": "4 refunds.", "es": "4 refunds."}
    assert found.examples == ("a***@…",)
    assert "own_check_failed" in result.not_applicable
    assert "ana@mail" not in to_json(result).decode()


def test_settings_hold_for_it(tmp_path: Path) -> None:
    checks = {"refunds": CheckSpec(severity="block", threshold=600.0)}
    assert "refunds" in audited(tmp_path, REFUNDS, AuditSpec(checks=checks)).passed
    checks = {"refunds": CheckSpec(severity="block", accept="Agreed with Ana on 3 May.")}
    result = audited(tmp_path, REFUNDS, AuditSpec(checks=checks))
    assert (result.findings[0].severity, result.blocking) == ("block", ())
    off = audited(tmp_path, REFUNDS, AuditSpec(checks={"refunds": CheckSpec(severity="off")}))
    assert "refunds" in off.not_applicable


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("return context.profile.column('nope')", "UserError: not a column"),
        ("return 1 / 0", "ZeroDivisionError"),
        ("return 'a text'", "TypeError: a check returned str"),
        ("return rows_where(context, ['price'], lambda t: [True])", "another shape"),
        ("raise SystemError('call ana@mail.example')", "SystemError: call a***@…"),
    ],
)
def test_a_failing_function_is_told_with_its_line(tmp_path: Path, body: str, what: str) -> None:
    result = audited(tmp_path, f"\n@own_check('bad')\ndef bad(context):\n    {body}\n{REFUNDS}")
    (found,) = [f for f in result.findings if f.code == "own_check_failed"]
    assert found.severity == "warn"
    assert what in found.message["en"]
    assert "bad (checks.py:" in found.message["es"]
    assert "bad" in result.not_applicable
    assert [f.code for f in result.findings if f.code == "refunds"] == ["refunds"]
    assert "ana@mail" not in to_json(result).decode()


def test_it_may_give_several_findings_none_or_say_it_does_not_apply(tmp_path: Path) -> None:
    text = """
@own_check("many")
def many(context):
    return [finding("One.", severity="info"), finding("Two.", rows=range(40), why="So.", remedy="Mend it.")]

@own_check("none")
def none(context):
    return None

@own_check("not_here")
def not_here(context):
    return NotApplicable("no orders")
"""
    result = audited(tmp_path, text)
    many = [f for f in result.findings if f.code == "many"]
    assert [(f.severity, f.n_rows, len(f.rows)) for f in many] == [("info", 0, 0), ("warn", 40, 20)]
    assert many[1].remedy["es"] == "Mend it."
    assert "none" in result.passed
    assert result.not_applicable["not_here"] == {"en": "no orders", "es": "no orders"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x = 1", "no check in it"),
        ("@own_check('outliers')\ndef f(context): ...", "another check has this code"),
        ("@own_check('a')\ndef f(context): ...\n@own_check('a')\ndef g(context): ...", "another check has this code"),
        ("@own_check('No Code')\ndef f(context): ...", "not a code of a check"),
        ("@own_check('a')\ndef f(): ...", "takes one or two arguments"),
        ("import nowhere_at_all", "imports nowhere_at_all"),
        ("x = (", "not Python"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        audited(tmp_path, text)


@pytest.mark.parametrize("name", ["../checks.py", "/etc/passwd", "absent.py", "checks.txt"])
def test_files_lie_in_the_project(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"cauce\.toml:3"):
        load_own(tmp_path, [name], known=(), where="cauce.toml:3")


def test_rows_where_sees_numbers_dates_and_text(tmp_path: Path) -> None:
    table = pa.table(
        {
            "n": pa.array([1, None, 3]),
            "at": pa.array([0, None, 86_400], pa.timestamp("s")),
            "text": pa.array(["a", None, "b"]).dictionary_encode(),
        }
    )
    context = context_of(table, size=2)
    assert rows_where(context, ["n"], lambda t: np.isnan(t["n"])) == (1, (1,))
    assert rows_where(context, ["at"], lambda t: t["at"] > np.datetime64("1970-01-01T12:00")) == (1, (2,))
    assert rows_where(context, ["text", "n"], lambda t: (t["text"] == "b") & (t["n"] > 2)) == (1, (2,))
    with pytest.raises(UserError, match="not a column"):
        rows_where(context, ["m"], lambda t: t["m"] > 2)


def test_a_check_can_be_called_in_a_test_of_the_project() -> None:
    @own_check("small")
    def small(context: AuditContext) -> NotApplicable | None:
        return NotApplicable("few") if context.profile.n_rows < 10 else None

    assert small.function(context_of(TABLE), 0.0) == ()
    assert finding("x").severity == "warn"


def test_a_check_keeps_to_the_data_sets_that_it_names(tmp_path: Path) -> None:
    name = context_of(TABLE).data_name
    text = f"""
@own_check("elsewhere", data=["payments", "bookings"])
def elsewhere(context):
    return finding("seen")

@own_check("here", data={name!r})
def here(context):
    return finding("seen")
"""
    result = audited(tmp_path, text)
    assert [one.code for one in result.findings if one.code in {"elsewhere", "here"}] == ["here"]

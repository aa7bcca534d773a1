"""The gate applies cauce.toml, reports its progress, and every check is described."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cauce.audit import CHECKS, AuditContext, codes, run, settle
from cauce.core.artefacts import Audit
from cauce.core.files import from_json, to_json
from cauce.core.specs import AuditSpec, CheckSpec, ModelSpec

Auditor = Callable[..., Audit]
DOCS = Path(__file__).parents[2] / "docs" / "checks.md"
MODEL = ModelSpec(task="classify", data="rows", target="y")
TABLE = pa.table({"x": np.arange(100) / 7, "same": ["s"] * 100, "y": ["a"] * 100})


def severities(audit: Audit) -> dict[str, str]:
    return {finding.code: finding.severity for finding in audit.findings}


def test_severities_are_those_of_the_file(audit: Auditor) -> None:
    checks = {"constant_column": CheckSpec(severity="block"), "one_class": CheckSpec(severity="off")}
    result = audit(TABLE, model=MODEL, spec=AuditSpec(checks=checks))
    assert severities(result) == {"constant_column": "block"}
    assert result.not_applicable["one_class"]["es"] == "desactivada en cauce.toml"


def test_what_does_not_apply_is_told_in_both_languages(audit: Auditor) -> None:
    for model in (None, MODEL):
        for reason in audit(TABLE, model=model).not_applicable.values():
            assert reason["en"] != reason["es"]


def test_an_accepted_finding_stays_and_does_not_block(audit: Auditor) -> None:
    reason = "A rehearsal with one class, agreed with Ana."
    result = audit(TABLE, model=MODEL, spec=AuditSpec(checks={"one_class": CheckSpec(accept=reason)}))
    assert result.blocking == ()
    assert [f.accepted for f in result.findings if f.code == "one_class"] == [reason]
    assert [f.code for f in audit(TABLE, model=MODEL).blocking] == ["one_class"]


def test_a_tasks_own_findings_are_settled_alike(audit: Auditor) -> None:
    found = audit(TABLE, model=MODEL).findings
    reason = "Agreed with Ana on 3 May."
    checks = {"constant_column": CheckSpec(severity="off"), "one_class": CheckSpec(accept=reason)}
    settled = settle(found, AuditSpec(checks=checks))
    assert [(finding.code, finding.accepted) for finding in settled] == [("one_class", reason)]


def test_every_code_has_one_outcome(audit: Auditor) -> None:
    result = audit(TABLE, model=MODEL)
    told = [*severities(result), *result.passed, *result.not_applicable]
    assert sorted(told) == sorted(codes())


def test_the_seconds_of_each_check_are_told(audit: Auditor) -> None:
    checks = {"constant_column": CheckSpec(severity="off")}
    result = audit(TABLE, model=MODEL, spec=AuditSpec(checks=checks))
    assert set(result.check_seconds) == set(codes()) - {"constant_column"}
    assert set(result.check_seconds.values()) == {0.5}  # the clock of these tests goes on by half a second a look
    assert result.seconds > sum(result.check_seconds.values())


def test_progress_counts_the_checks(make_context: Callable[..., AuditContext]) -> None:
    told: list[tuple[str, int, int, str]] = []

    def progress(stage: str, done: int, total: int, note: str = "") -> None:
        told.append((stage, done, total, note))

    run(make_context(TABLE), AuditSpec(), fingerprint="f", now=datetime(2024, 1, 1, tzinfo=UTC), progress=progress)
    assert [done for _, done, _, _ in told] == list(range(len(CHECKS) + 1))
    assert told[0][3] == "too_few_rows"


def test_an_audit_comes_back_from_json(audit: Auditor) -> None:
    result = audit(TABLE, model=MODEL)
    assert from_json(to_json(result), Audit) == result


def test_findings_speak_both_languages(audit: Auditor) -> None:
    for finding in audit(TABLE, model=MODEL).findings:
        for words in (finding.message, finding.why, finding.remedy):
            assert set(words) == {"en", "es"}
            assert all(text.strip().endswith(".") for text in words.values())
            assert words["en"] != words["es"]


@pytest.mark.parametrize("code", codes())
def test_every_check_has_its_section(code: str) -> None:
    sections = re.split(r"^## ", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    (section,) = [text for text in sections if text.startswith(f"{code}\n")]
    for part in ("**Sees**", "**Severity**", "**Threshold**", "**Why**", "**What to do**", "```"):
        assert part in section


def test_the_page_and_its_index_follow_the_gate() -> None:
    page = DOCS.read_text(encoding="utf-8")
    assert re.findall(r"^## (\w+)$", page, flags=re.MULTILINE) == list(codes())
    (index,) = re.findall(r"^## All checks at a glance$(.*?)^## ", page, flags=re.DOTALL | re.MULTILINE)
    listed = re.findall(r"\[(\w+)\]\(#(\w+)\) (\w+)", index)
    assert listed == [(code, code, check.severity) for code, check in CHECKS.items()]


def test_every_check_is_titled_in_both_languages() -> None:
    for check in CHECKS.values():
        assert set(check.title) == {"en", "es"}
        assert check.docs == f"docs/checks.md#{check.code}"

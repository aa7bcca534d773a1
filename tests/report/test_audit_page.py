"""An audit as a page: for people who do not write code, in both languages, safe whatever the data hold."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from cauce.core.artefacts import Audit, Finding, GroupFigure, Snapshot
from cauce.core.views import AuditView, ShownRows
from cauce.profile import Profile, summarise
from cauce.report import audit_page

AT = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>' \x07 {{ 7*7 }}"


def finding(code: str, severity: str, **given: object) -> Finding:
    words = [{"en": f"{part} of {code}", "es": f"{part} de {code}"} for part in ("message", "why", "remedy")]
    kept = {"columns": ("pay",), "n_rows": 3, "rows": (1, 2), **given}
    return Finding(code, severity, message=words[0], why=words[1], remedy=words[2], **kept)  # type: ignore[arg-type]


def table() -> pa.Table:
    rng = np.random.default_rng(0)
    mails = pa.array([f"ana{i}@example.com" for i in range(200)])
    days = pa.array(np.arange(200) * 86_400_000_000, pa.timestamp("us"))
    pays = pa.array(rng.exponential(1000, 200).round())
    return pa.table({"mail": mails, "pay": pays, "day": days, "sex": ["f", "m"] * 100, HOSTILE: ["x"] * 200})


def view(*findings: Finding, private: tuple[str, ...] = ()) -> AuditView:
    types = {name: str(table().schema.field(name).type) for name in table().column_names}
    audit = Audit(
        "rows",
        "pay_model",
        "f",
        200,
        findings,
        ("one_class",),
        {"rare_class": {"en": "no model", "es": "sin modelo"}},
        0.3,
        AT,
    )
    shown = tuple(ShownRows(("pay",), (1, 2), (("10",), ("",))) if one.rows else None for one in findings)
    titles = {"one_class": {"en": "one class", "es": "una sola clase"}}
    return AuditView("pay_model", audit, Snapshot("rows", 4, "f", 200, types, AT), titles, shown, private)


@pytest.fixture(scope="module")
def profile() -> Profile:
    return summarise(table().to_batches())


@pytest.mark.parametrize(
    ("severities", "english", "spanish"),
    [
        (("warn", "block", "block"), "No. 2 findings stop the training.", "No. 2 avisos detienen el entrenamiento."),
        (("info", "warn"), "Yes, with one reservation.", "Sí, con una reserva."),
        ((), "Yes. No check saw anything", "Sí. Ninguna comprobación ha visto nada"),
    ],
)
def test_the_first_line_answers(severities: tuple[str, ...], english: str, spanish: str) -> None:
    found = [finding(f"code_{place}", severity) for place, severity in enumerate(severities)]
    for language, text in (("en", english), ("es", spanish)):
        page = audit_page(view(*found), None, language, project="school")
        headline = re.search(r'class="headline">(.*?)</p>', page)
        assert headline is not None
        assert text in headline[1]


def test_findings_that_stop_come_first_and_accepted_ones_last(profile: Profile) -> None:
    found = [finding("a", "info"), finding("b", "block", accepted="Agreed in May."), finding("c", "block")]
    page = audit_page(view(*found), profile, "en", project="school")
    assert page.index("message of c") < page.index("message of a") < page.index("message of b")
    assert "Agreed in May." in page


def test_rows_examples_and_groups_are_shown(profile: Profile) -> None:
    groups = (GroupFigure("sex = f", 100, 0.25, 0.2, 0.31), GroupFigure("sex = m", 90, 0.5, 0.4, 0.6))
    page = audit_page(view(finding("gap", "warn", examples=("0.25",), groups=groups)), profile, "en", project="s")
    assert "sex = f" in page
    assert 'class="interval"' in page
    assert re.search(r'<th scope="row" class="n">1</th><td data-label="pay">10</td>', page)


def test_values_of_personal_columns_are_never_shown(profile: Profile) -> None:
    page = audit_page(view(private=("mail",)), profile, "es", project="school")
    assert "@example.com" not in page
    assert "datos personales" in page
    assert "@example.com" in audit_page(view(), profile, "es", project="school")


def test_whatever_the_data_hold_stays_text(profile: Profile) -> None:
    bad = {"en": HOSTILE, "es": HOSTILE}
    found = replace(finding("x", "block", examples=(HOSTILE,)), message=bad)
    page = audit_page(view(found), profile, "en", project=HOSTILE)
    assert "<script>" not in page
    assert "49" not in re.findall(r"\{\{|49", page)


def test_the_file_asks_nothing_of_any_network(profile: Profile) -> None:
    page = audit_page(view(finding("x", "warn")), profile, "en", project="school")
    assert not re.findall(r'(?:src|href)="(?!#)', page)
    console = audit_page(view(finding("x", "warn")), profile, "en", project="school", alone=False)
    assert set(re.findall(r'(?:src|href)="([^"#]+)', console)) == {
        "/console", "/console/static/console.css", "/console/static/icon.svg",
    }  # fmt: skip

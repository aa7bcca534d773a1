"""The audit's page on real rows: what the finding names is what the page shows, and personal data are not."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from cauce import Loop, load_project
from cauce.core.artefacts import Finding
from cauce.loop.audit import audit, recorded, with_findings
from cauce.loop.audit_page import MASK, audit_page_of
from cauce.loop.load import load
from cauce.report import audit_page

TOML = '[project]\nname = "s"\n\n[data.rows]\nsource = "rows.csv"\nkey = "id"\n'


def project(folder: Path) -> Loop:
    n = 120
    mails = [f"persona{i}@example.es" if i % 4 == 0 else "sin correo" for i in range(n)]
    hours = [float(i) for i in range(n - 2)] + [7.0, 8.0]  # the last two rows repeat earlier ones but for their key
    mails[-2:] = mails[7:9]
    pyarrow.csv.write_csv(
        pa.table({"id": [f"r{i}" for i in range(n)], "hours": hours, "contact": mails}), folder / "rows.csv"
    )
    (folder / "cauce.toml").write_text(TOML, encoding="utf-8")
    return Loop(load_project(folder / "cauce.toml", {}))


def test_the_page_shows_the_rows_that_findings_name(tmp_path: Path) -> None:
    loop = project(tmp_path)
    found = audit(loop, load(loop, "rows"))
    page = audit_page_of(loop, "rows")
    assert page is not None
    repeated = next(at for at, one in enumerate(found.findings) if one.code == "duplicated_rows")
    shown = page.view.shown[repeated]
    assert shown is not None
    assert shown.columns == ("id", "hours", "contact")
    assert dict(zip(shown.numbers, shown.values, strict=True)) == {
        118: ("r118", "7", MASK),  # a column with personal data in some rows is hidden in all
        119: ("r119", "8", MASK),
    }


def test_personal_data_stand_nowhere_on_the_page(tmp_path: Path) -> None:
    loop = project(tmp_path)
    audit(loop, load(loop, "rows"))
    page = audit_page_of(loop, "rows")
    assert page is not None
    assert "contact" in page.view.private
    html = audit_page(page.view, page.profile, "es", project="s")
    assert "@example.es" not in html
    kept = (loop.record("rows") / "audit.json").read_text(encoding="utf-8")
    assert "@example.es" not in kept.replace("***@", "")


def test_the_page_shows_the_rows_that_were_audited_although_newer_ones_were_loaded(tmp_path: Path) -> None:
    loop = project(tmp_path)
    audit(loop, load(loop, "rows"))
    before = audit_page_of(loop, "rows")
    table = pyarrow.csv.read_csv(tmp_path / "rows.csv")
    pyarrow.csv.write_csv(table.slice(2), tmp_path / "rows.csv")
    newer = load(loop, "rows")
    after = audit_page_of(loop, "rows")
    assert before is not None
    assert after is not None
    assert after.view.snapshot.version < newer.version
    assert after.view.shown == before.view.shown


def test_without_an_audit_there_is_no_page(tmp_path: Path) -> None:
    assert audit_page_of(project(tmp_path), "rows") is None


def test_the_record_of_an_earlier_cauce_is_made_anew(tmp_path: Path) -> None:
    loop = project(tmp_path)
    snapshot = load(loop, "rows")
    told = audit(loop, snapshot)
    path = loop.record("rows") / "audit.json"
    record = json.loads(path.read_bytes())
    record["not_applicable"] = {code: words["en"] for code, words in record["not_applicable"].items()}
    path.write_text(json.dumps(record), encoding="utf-8")
    assert audit_page_of(loop, "rows") is None
    assert audit(loop, snapshot).not_applicable == told.not_applicable
    assert audit_page_of(loop, "rows") is not None


def test_what_blocked_a_renewal_does_not_block_the_next_one(tmp_path: Path) -> None:
    loop = project(tmp_path)
    snapshot = load(loop, "rows")
    found = audit(loop, snapshot)
    words = {"en": "a gap", "es": "una diferencia"}
    gap = Finding("model_gap", "block", ("id",), 1, words, words, words)
    assert with_findings(loop, found, (gap,), taught="rows of the ledger").blocking
    told = recorded(loop.record("rows") / "audit.json")
    assert told is not None
    assert told.blocking  # the page tells it until then
    assert not audit(loop, snapshot).blocking
    assert with_findings(loop, found, (gap,)).blocking  # of the snapshot alone: the same training ends the same way
    assert audit(loop, snapshot).blocking

"""Personal data from end to end: kept out of the ledger without false alarms, and erased by one command."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cauce import Loop, load_project
from cauce.core.names import uuid7
from cauce.core.registry import task
from cauce.ledger import Truth, records
from cauce.loop.check import check
from cauce.loop.renew import renew
from cauce.loop.stages import run_stages
from cauce.loop.watch import ledger_of, watch
from e2e.school import TOML, Cauce, students

RENEW = '\n[watch]\nmin_rows = 100\n\n[renew]\nmin_truths = 200\ncool_down = "0s"\n'
LOG = '\n[models.passed.log]\nhours = false\ncourse = "hash"\n'
WHY = "To see what a retraining would bring."


def open_loop(folder: Path) -> Loop:
    return Loop(load_project(folder / "cauce.toml", {}))


def live(loop: Loop, rows: pa.Table, truths: list[str], *, unit: str | None = None) -> list[str]:
    """Serve rows as the service does, about a unit, and let their truths come."""
    release, package = loop.tracker.open("passed", 1)
    schema = release.training.spec.schema
    ledger = ledger_of(loop, "passed")
    predicted = package.fitted.predict(rows)
    outputs = {name: predicted[name].to_pylist() for name in predicted.column_names}
    kinds = [(name, "text" if name == "prediction" else "float") for name in outputs]
    head = ledger.head(1, [(column.name, records.TYPE_OF_KIND[column.kind]) for column in schema], kinds)
    at = records.microseconds(loop.now())
    ids = [uuid7(at // 1000) for _ in range(rows.num_rows)]
    values = [list(row.values()) for row in rows.select(list(schema.names)).to_pylist()]
    ledger.append([head.line(ids=ids, at=at, rows=values, outputs=outputs, units=[unit] * len(ids))]).result()
    ledger.truths([Truth(*pair) for pair in zip(ids, truths, strict=True)], now=loop.now())
    ledger.close()
    return ids


def holding(folder: Path, text: str) -> list[Path]:
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content += repr(pq.ParquetFile(path).read().to_pylist()).encode()
        if text.encode() in content:
            found.append(path)
    return found


@pytest.mark.slow
def test_columns_kept_out_alarm_nobody_and_teach_nothing(project: Path) -> None:
    (project / "cauce.toml").write_text(TOML + LOG + RENEW, encoding="utf-8")
    loop = open_loop(project)
    (first,) = run_stages(loop)
    assert first.error is None
    calm = students(600, seed=1)
    live(loop, calm, calm["passed"].to_pylist())
    seen = watch(loop, "passed")
    assert seen is not None
    assert [signal for signal in seen.signals if signal.alarming] == []
    assert not {"hours", "course"} & {signal.column for signal in seen.signals}
    assert "grade" in {signal.column for signal in seen.signals}
    assert seen.n_truths == 600
    release, package = loop.tracker.open("passed", 1)
    known = task("classify").losses(package.fitted, calm, release.training.spec)
    assert seen.realised_loss == pytest.approx(known.values.mean())
    renewed = renew(loop, "passed", force=WHY)
    assert renewed is not None
    assert renewed.outcome is not None
    assert renewed.outcome.action == "wait"
    assert "course, hours" in renewed.outcome.reason["en"]
    assert "course, hours" in renewed.outcome.reason["es"]
    assert not (project / ".cauce" / "lake" / "students.passed").exists()
    assert loop.tracker.versions("passed") == (1,)
    # Without the policy the rows that come are whole, and teach; those written meanwhile still do not.
    (project / "cauce.toml").write_text(TOML + RENEW, encoding="utf-8")
    loop = open_loop(project)
    live(loop, calm, calm["passed"].to_pylist())
    renewed = renew(loop, "passed", force=WHY)
    assert renewed is not None
    assert renewed.challenger is not None
    assert renewed.challenger.training.n_ledger == 300


def test_a_column_that_is_none_is_named_before_anything_is_kept(project: Path) -> None:
    (project / "cauce.toml").write_text(TOML + "\n[models.passed.log]\nhuors = false\nunit = false\n", encoding="utf-8")
    problems = check(open_loop(project))
    assert [(problem.received, problem.hint) for problem in problems] == [("huors", "Did you mean 'hours'?")]


@pytest.mark.slow
def test_forget_erases_what_the_ledger_holds_about_a_unit(project: Path, cauce: Cauce) -> None:
    (project / "cauce.toml").write_text(TOML + RENEW, encoding="utf-8")
    loop = open_loop(project)
    run_stages(loop)
    calm = students(400, seed=1)
    live(loop, calm, calm["passed"].to_pylist())
    ana = live(loop, calm.slice(0, 5), ["yes"] * 5, unit="ana of Lugo")
    renew(loop, "passed", force=WHY)
    state = project / ".cauce"
    assert any("students.passed" in str(path) for path in holding(state / "lake", ana[0]))

    def run(*arguments: str) -> Any:
        done = cauce("forget", "passed", *arguments, "--json")
        return done.returncode, json.loads(done.stdout)

    code, told = run("--unit", "ana of Lugo", "--dry-run")
    assert (code, told["predictions"], told["truths"], told["dry_run"]) == (0, 5, 5, True)
    code, told = run("--unit", "ana of Lugo")
    assert (code, told["exit_code"]) == (4, 4)
    code, told = run("--column", "huors", "--value", "1", "--yes")
    assert (code, told["error"][0]["received"]) == (2, "huors")
    code, told = run("--unit", "ana of Lugo", "--yes")
    assert (code, told["predictions"], told["truths"], told["training_rows"]) == (0, 5, 5, 5)
    assert told["taught"] == [2]
    assert any("backups" in words["en"] for words in told["remains"])
    for text in ("ana of Lugo", *ana):
        assert holding(state / "ledger", text) == []
        assert [path for path in holding(state / "lake", text) if "students.passed" in str(path)] == []
    assert ledger_of(loop, "passed").traffic(loop.now()).n_predictions == 400
    noted = (state / "record" / "passed" / "forgotten.jsonl").read_text(encoding="utf-8")
    assert "ana" not in noted
    assert json.loads(noted)["predictions"] == 5
    again = cauce("forget", "passed", "--unit", "ana of Lugo", "--yes")
    assert again.returncode == 0
    assert "0 predictions" in again.stdout


@pytest.mark.slow
def test_a_look_lets_go_what_is_older_than_it_may_be(project: Path) -> None:
    (project / "cauce.toml").write_text(TOML + RENEW + "\n[serve]\nretention_days = 30\n", encoding="utf-8")
    loop = open_loop(project)
    run_stages(loop)
    calm = students(300, seed=1)
    old = live(loop, calm, calm["passed"].to_pylist())
    renew(loop, "passed", force=WHY)
    assert holding(project / ".cauce" / "lake" / "students.passed", old[0])
    late = Loop(loop.project, now=lambda: loop.now() + timedelta(days=32))
    seen = watch(late, "passed")
    assert seen is not None
    assert seen.n_predictions == 0
    assert holding(project / ".cauce" / "ledger", old[0]) == []
    assert holding(project / ".cauce" / "lake" / "students.passed", old[0]) == []

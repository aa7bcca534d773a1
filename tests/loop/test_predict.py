"""Batch prediction: the same rows whatever the batches and the format; all of them or none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.csv
import pytest

from cauce import Loop, data, load_project
from cauce.core.errors import UserError
from cauce.loop import predict as room
from cauce.loop.predict import predict
from cauce.loop.stages import run_stages
from cauce.loop.watch import ledger_of
from cauce.rows import RowFailed
from e2e.school import TOML, students

COLUMNS = ["id", "prediction", "prob_no", "prob_yes"]


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    """A school with a champion."""
    folder = tmp_path_factory.mktemp("school")
    pyarrow.csv.write_csv(students(400), folder / "students.csv")
    (folder / "cauce.toml").write_text(
        TOML.replace("trials = 0", 'trials = 0\nmust_use = ["linear"]'), encoding="utf-8"
    )
    made = Loop(load_project(folder / "cauce.toml", {}))
    run_stages(made)
    return made


@pytest.fixture(scope="module")
def wanted(loop: Loop) -> list[dict[str, Any]]:
    """What the champion says of all rows at once."""
    champion = loop.tracker.alias("passed", "champion")
    assert champion is not None
    found = loop.tracker.open("passed", champion)[1].fitted.predict(rows())
    answers = found.to_pylist()
    return [{"id": number, **one} for number, one in enumerate(answers)]


def rows() -> pa.Table:
    return students(1000, seed=5).drop_columns(["passed"])


def source(folder: Path, ending: str, table: pa.Table | None = None) -> Path:
    table = rows() if table is None else table
    path = folder / f"rows.{ending}"
    if ending == "xlsx":
        book = openpyxl.Workbook()
        sheet = book.active
        sheet.append(table.column_names)
        for row in table.to_pylist():
            sheet.append(list(row.values()))
        book.save(path)
        return path
    with data.outgoing(path) as write:
        write(table)
    return path


def read(path: Path) -> pa.Table:
    with data.incoming(path) as found:
        return pa.concat_tables(found.batches(found.schema.names))


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl", "xlsx", "delta"])
@pytest.mark.parametrize("out", ["csv", "parquet", "jsonl", "delta"])
def test_every_format_gives_the_same_rows_in_their_order(
    ending: str, out: str, loop: Loop, wanted: list[dict[str, Any]], tmp_path: Path
) -> None:
    done = predict(loop, "passed", source(tmp_path, ending), tmp_path / f"out.{out}", size=64)
    found = read(tmp_path / f"out.{out}")
    assert found.column_names == COLUMNS
    assert done.n_rows == found.num_rows == 1000
    for one, other in zip(found.to_pylist(), wanted, strict=True):
        assert (one["id"], one["prediction"]) == (other["id"], other["prediction"])
        assert one["prob_yes"] == pytest.approx(other["prob_yes"], abs=1e-12)


def test_unseen_categories_of_all_batches_are_counted(loop: Loop, tmp_path: Path) -> None:
    table = rows()
    course = ["magic" if number % 100 == 0 else "algebra" for number in range(1000)]
    path = source(tmp_path, "csv", table.set_column(2, "course", pa.array(course)))
    assert predict(loop, "passed", path, tmp_path / "out.csv", size=64).unseen == {"course": 10}


def test_no_rows_are_an_output_without_rows(loop: Loop, tmp_path: Path) -> None:
    done = predict(loop, "passed", source(tmp_path, "parquet", rows().slice(0, 0)), tmp_path / "out.csv")
    assert done.n_rows == 0
    assert (tmp_path / "out.csv").read_text().replace('"', "").strip() == ",".join(COLUMNS)


def test_progress_counts_rows(loop: Loop, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    watched = replace(loop, progress=lambda stage, done, total, note="": told.append((stage, done, total)))
    predict(watched, "passed", source(tmp_path, "csv"), tmp_path / "out.csv", size=400)
    assert {(stage, total) for stage, _, total in told} == {("predict passed", 1000)}
    assert [done for _, done, _ in told] == [400, 800, 1000]


def test_recorded_ids_are_those_of_the_output(loop: Loop, tmp_path: Path) -> None:
    before = ledger_of(loop, "passed").window(10_000).num_rows
    predict(loop, "passed", source(tmp_path, "csv"), tmp_path / "out.parquet", record=True, size=64)
    found, kept = read(tmp_path / "out.parquet"), ledger_of(loop, "passed").window(10_000)
    assert found.column_names == ["id", "prediction_id", *COLUMNS[1:]]
    assert kept.num_rows == before + 1000
    by_id = dict(zip(kept["id"].to_pylist(), kept["hours"].to_pylist(), strict=True))
    assert [by_id[one] for one in found["prediction_id"].to_pylist()] == rows()["hours"].to_pylist()


@pytest.mark.parametrize("ending", ["csv", "jsonl", "delta"])
def test_a_bad_value_in_the_last_row_refuses_all(ending: str, loop: Loop, tmp_path: Path) -> None:
    before = ledger_of(loop, "passed").window(10_000).num_rows
    hours = ["1.5"] * 999 + ["many"]
    path = source(tmp_path, ending, rows().set_column(1, "hours", pa.array(hours)))
    with pytest.raises(UserError, match=r"row 1000.*'many'"):
        predict(loop, "passed", path, tmp_path / "out.csv", record=True, size=64)
    assert not (tmp_path / "out.csv").exists()
    assert ledger_of(loop, "passed").window(10_000).num_rows == before


def test_a_row_that_fails_in_a_later_batch_has_its_place_in_the_file(loop: Loop) -> None:
    def fails(table: pa.Table) -> pa.Table:
        raise RowFailed("ValueError", where="f.py:3, price, row 4", received=None, hint="Mend.", function="p", row=3)

    champion = loop.tracker.alias("passed", "champion")
    assert champion is not None
    release = loop.tracker.open("passed", champion)[0]
    fitted: Any = SimpleNamespace(predict=fails)
    batches = room._Batches(loop, release, fitted, ledger_of(loop, "passed"), n_rows=100)
    with pytest.raises(RowFailed) as caught:
        batches.answer(rows())
    assert caught.value.row == 103
    assert "f.py:3, price, row 104" in str(caught.value)
    assert "The 100 rows before are in the ledger" in str(caught.value)


def test_an_error_while_predicting_leaves_no_output(
    loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    whole = room._Batches.answer

    def breaks(self: Any, table: pa.Table) -> pa.Table:
        calls.append(table.num_rows)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return whole(self, table)

    monkeypatch.setattr(room._Batches, "answer", breaks)
    with pytest.raises(KeyboardInterrupt):
        predict(loop, "passed", source(tmp_path, "parquet", students(5000)), tmp_path / "out.delta", size=2048)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.parquet"]
    assert len(calls) == 2

"""Why one prediction, two months, two releases: through a real project, its ledger and its registry."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from cauce import Loop, load_project
from cauce.core.errors import UserError
from cauce.ledger.known import Truth
from cauce.loop import why as room
from cauce.loop.periods import Period, period
from cauce.loop.stages import run_stages
from cauce.loop.train import train
from cauce.loop.watch import ledger_of
from cauce.loop.why import why_between, why_prediction, why_row
from cauce.report.why import prediction_page, why_page
from e2e.school import TOML, students

MARCH, APRIL = datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 4, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    """A school with a champion, March as trained on, and an April in which biology is no longer what it was."""
    folder = tmp_path_factory.mktemp("school")
    pyarrow.csv.write_csv(students(800), folder / "students.csv")
    (folder / "cauce.toml").write_text(TOML.replace("trials = 0", 'trials = 0\nmust_use = ["linear"]'), "utf-8")
    made = Loop(load_project(folder / "cauce.toml", {}))
    run_stages(made)
    record(made, students(900, seed=5), MARCH)
    april = students(900, seed=6)
    turned = [
        ("no" if passed == "yes" else "yes") if course == "biology" else passed
        for course, passed in zip(april["course"].to_pylist(), april["passed"].to_pylist(), strict=True)
    ]
    record(made, april.set_column(april.column_names.index("passed"), "passed", pa.array(turned)), APRIL)
    return made


def record(loop: Loop, rows: pa.Table, at: datetime, *, truths: bool = True) -> list[str]:
    version = loop.tracker.alias("passed", "champion")
    assert version is not None
    fitted = loop.tracker.open("passed", version)[1].fitted
    inputs = rows.select(list(fitted.schema.names))
    ledger = ledger_of(loop, "passed")
    ids = ledger.record(inputs, fitted.predict(inputs), version=version, at=at).to_pylist()
    if truths:
        ledger.truths([Truth(i, t, None) for i, t in zip(ids, rows["passed"].to_pylist(), strict=True)], now=at)
    ledger.close()
    return [str(one) for one in ids]


def test_a_prediction_in_the_ledger_is_taken_apart_by_the_release_that_gave_it(loop: Loop) -> None:
    (id_,) = record(loop, students(1, seed=9), datetime(2026, 5, 1, tzinfo=UTC), truths=False)
    why = why_prediction(loop, "passed", id_)
    assert why.prediction_id == id_
    assert not why.differs
    assert {one.column for one in why.added} == {"hours", "course", "grade"}
    assert why.base + sum(one.amount for one in why.added) == pytest.approx(why.score, abs=1e-6)
    assert why.n_reference > 0
    assert str(why.prediction) in why.reason["en"]
    assert "because" in why.reason["en"]
    assert "porque" in why.reason["es"]
    assert json.loads(json.dumps(asdict(why)))["version"] == why.version


def test_a_row_by_hand_may_leave_columns_out_and_a_wrong_name_is_told(loop: Loop) -> None:
    why = why_row(loop, "passed", {"hours": 20, "course": "biology"})
    assert why.added[0].column == "hours"
    assert why.added[0].amount * (1 if why.prediction == "yes" else -1) > 0
    assert next(one for one in why.added if one.column == "grade").value is None
    with pytest.raises(UserError, match="not a column"):
        why_row(loop, "passed", {"hour": 3})
    for wrong in ({"hours": "many"}, {"course": 3}, {"course": True}):
        with pytest.raises(UserError, match="not a value of the column"):
            why_row(loop, "passed", wrong)
    with pytest.raises(UserError, match="twice the same stretch"):
        why_between(loop, "passed", windows=("2026-03", "2026-03"))
    with pytest.raises(UserError, match="twice the same version"):
        why_between(loop, "passed", releases=(1, 1))
    with pytest.raises(UserError, match="no prediction"):
        why_prediction(loop, "passed", "nothing")


def test_two_months_name_the_kind_of_rows_that_became_worse(loop: Loop) -> None:
    why = why_between(loop, "passed", windows=("2026-03", "2026-04"))
    assert why.loss is not None
    assert why.loss.proven
    assert sum(part.amount for part in why.loss.parts) == pytest.approx(why.loss.after - why.loss.before, abs=1e-12)
    relation = next(part for part in why.loss.parts if part.cause == "relation")
    assert relation.column == "course"
    assert [segment.label["en"] for segment in relation.segments] == ["course = biology"]
    assert not [part for part in why.loss.parts if part.cause == "mix" and part.proven]
    assert "“course = biology”" in why.loss.reason["en"]
    assert "se predicen peor" in why.loss.reason["es"]
    assert len(why.rows) == 10
    assert why.rows[0].loss[1] == max(row.loss[1] or 0 for row in why.rows)
    assert why.predictions[0].figure == "yes"
    assert not why.predictions[0].proven
    assert json.dumps(asdict(why))


def test_two_months_are_pages_in_both_languages(loop: Loop) -> None:
    why = why_between(loop, "passed", windows=("2026-03", "2026-04"))
    for language, words in (("en", "Why it changed"), ("es", "Por qué cambió")):
        page = why_page(why, language, project="school")
        assert words in page
        assert "<svg" in page
        assert "course = biology" in page
        assert f'lang="{language}"' in page
    one = why_row(loop, "passed", {"hours": 20, "course": "<b>biology</b>"})
    page = prediction_page(one, "es", project="school")
    assert "<b>biology" not in page
    assert "Lo que aporta cada columna" in page


def test_a_sample_of_too_many_rows_says_that_it_is_one(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cauce.loop.why.MOST_ROWS", 150)
    why = why_between(loop, "passed", windows=("2026-03", "2026-04"))
    assert ["150 drawn by chance" in said["en"] for said in why.untold] == [True, True]


def test_with_few_truths_nothing_is_said_of_the_loss_but_the_predictions_are_explained(loop: Loop) -> None:
    record(loop, students(300, seed=11, shift=4.0), datetime(2026, 6, 3, tzinfo=UTC), truths=False)
    why = why_between(loop, "passed", windows=("2026-03", "2026-06"))
    assert why.loss is None
    assert "cannot be told" in why.untold[0]["en"]
    assert why.predictions[0].proven
    assert any(part.cause == "mix" and part.column == "hours" for part in why.predictions[0].parts)
    with pytest.raises(UserError, match=r"no predictions in this stretch.*from 2026-03-05T00 to 2026-"):
        why_between(loop, "passed", windows=("2020", "2026-03"))


def test_two_releases_on_the_same_rows_say_which_rows_moved_and_by_which_columns(loop: Loop) -> None:
    rows = students(800)
    hours = np.asarray(rows["hours"]) * np.where(np.asarray(rows["course"].to_pylist()) == "algebra", 3.0, 1.0)
    changed = rows.set_column(1, "hours", pa.array(hours))
    pyarrow.csv.write_csv(changed, loop.project.folder / "students.csv")
    trained = train(loop, "passed")
    older, newer = 1, trained.release.version
    assert newer > older
    why = why_between(loop, "passed", releases=(older, newer))
    assert why.kind == "releases"
    assert why.loss is not None
    assert why.loss.n_before == why.loss.n_after > 100
    assert sum(part.amount for part in why.loss.parts) == pytest.approx(why.loss.after - why.loss.before, abs=1e-12)
    assert all(part.cause != "mix" for part in why.loss.parts)
    assert why.rows[0].by
    assert None not in why.rows[0].loss
    moved = [abs((row.loss[1] or 0) - (row.loss[0] or 0)) for row in why.rows]
    assert moved == sorted(moved, reverse=True)
    assert "columns that moved it" in why_page(why, "en", project="school")


def test_what_the_ledger_must_not_keep_is_said_to_be_unknown(tmp_path: Path) -> None:
    pyarrow.csv.write_csv(students(400), tmp_path / "students.csv")
    toml = TOML.replace("trials = 0", 'trials = 0\nmust_use = ["linear"]') + "\n[models.passed.log]\ncourse = false\n"
    (tmp_path / "cauce.toml").write_text(toml, "utf-8")
    made = Loop(load_project(tmp_path / "cauce.toml", {}))
    run_stages(made)
    (id_,) = record(made, students(1, seed=9), MARCH, truths=False)
    why = why_prediction(made, "passed", id_)
    assert "`course`" in why.untold[0]["en"]
    assert {one.column for one in why.added} <= {"hours", "grade"}
    assert not why.differs


def test_it_is_told_that_other_releases_answered(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_between(loop, "passed", windows=("2026-03", "2026-04")).untold == ()
    whole = room._of_window

    def other(loop: Loop, model: str, when: Period) -> room._Seen:
        return replace(whole(loop, model, when), versions=frozenset({when.start.month}))

    monkeypatch.setattr(room, "_of_window", other)
    (told,) = why_between(loop, "passed", windows=("2026-03", "2026-04")).untold
    assert "(2026-03: 3; 2026-04: 4)" in told["en"]
    assert "(2026-03: 3; 2026-04: 4)" in told["es"]


def test_stretches_of_time_are_read_as_people_write_them() -> None:
    assert period("2026").end == datetime(2027, 1, 1, tzinfo=UTC)
    assert period("2026-12").end == datetime(2027, 1, 1, tzinfo=UTC)
    assert period("2026-02-28").end == datetime(2026, 3, 1, tzinfo=UTC)
    both = period("2026-02-01..2026-02-10")
    assert (both.start, both.end) == (datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 11, tzinfo=UTC))
    hour = period("2026-02-28T23")
    assert (hour.start, hour.end) == (datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))
    assert period("2026-02-28T08..2026-02-28T09").end == datetime(2026, 2, 28, 10, tzinfo=UTC)
    for wrong in ("", "yesterday", "2026-13", "2026-02..2026-01", "2026-02-28T24", "2026-02T08"):
        with pytest.raises(UserError):
            period(wrong)

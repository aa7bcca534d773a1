"""A small project rehearsed: the loop's own code decides, nothing looks ahead, nothing but `runs/` is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cauce import project
from cauce.core.errors import UserError
from cauce.core.files import from_json, read_artefact, to_json
from cauce.core.rehearsing import Job, Rehearsal, Replayed, Scenario, Settings
from cauce.loop.context import Loop
from cauce.loop.rehearse import Asked, Plan, do, rehearse
from cauce.loop.rehearse_history import History, history_of
from cauce.report import rehearsal_page, rehearsal_rows, rehearsal_svg

N = 1600
TOML = """[project]
name = "small"

[data.rows]
source = "rows.parquet"
{time}

[models.m]
task = "classify"
data = "rows"
target = "y"
must_use = ["linear"]
never_use = ["additive", "forest", "boosting", "tuned", "mlp"]

[watch]
window = 200
min_rows = 50

[renew]
min_truths = 60
cool_down = "1d"
"""


def lay(folder: Path, *, time: bool = True) -> Loop:
    """Two years in which what the columns mean turns about in the middle of the replay."""
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=N), rng.normal(size=N)
    turned = np.arange(N) > 0.3 * N + 0.35 * N
    label = np.where((x + 0.3 * noise > 0) ^ turned, "yes", "no")
    days = pa.array((np.arange(N) * 86_400_000_000 // 2) + 1_600_000_000_000_000, pa.timestamp("us", "UTC"))
    table = pa.table({"x": x, "z": rng.choice(["a", "b", "c"], N), "y": label, "at": days})
    pq.write_table(table, folder / "rows.parquet")
    (folder / "cauce.toml").write_text(TOML.format(time='time = "at"' if time else ""), encoding="utf-8")
    return Loop(project.load(folder / "cauce.toml"))


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rehearsal]:
    folder = tmp_path_factory.mktemp("rehearsed")
    return folder, rehearse(lay(folder), "m", Asked(quick=True, workers=1))


def without_seconds(found: Replayed) -> Replayed:
    return replace(found, courses=tuple(replace(each, cpu_seconds=0.0) for each in found.courses))


def replays(folder: Path) -> list[Replayed]:
    places = sorted(folder.glob(".cauce/runs/rehearse/m-*/replays/*.json"))
    return [from_json(place.read_bytes(), Replayed) for place in places]


def test_the_loop_notices_a_turn_and_beats_a_model_that_is_never_renewed(rehearsed: tuple[Path, Rehearsal]) -> None:
    _, found = rehearsed
    past = next(one for one in found.outcomes if one.scenario.kind == "history")
    against = {one.strategy: one for one in past.against}
    assert past.loop_promoted >= 1
    never = against["never"].comparison
    assert never.difference < -0.2 * never.mean_reference  # one turn in one history: its interval proves nothing
    assert against["oracle"].comparison.difference >= 0
    assert "always" in against
    assert past.cost_share is not None
    assert past.cost_share < 0.5
    still = next(one for one in found.outcomes if one.scenario.kind == "still")
    assert still.false_alarms_month is not None
    unit = next(one for one in found.outcomes if one.scenario.kind == "unit")
    assert unit.acted == 1.0, "a unit change asks to fix the data"
    assert {one.scenario.kind for one in found.outcomes} == {"history", "still", "mean", "label", "unit", "outage"}
    assert found.rung == "linear"
    assert found.rung_from == "ladder"


def test_nothing_but_runs_is_written(rehearsed: tuple[Path, Rehearsal]) -> None:
    folder, _ = rehearsed
    assert {each.name for each in folder.iterdir()} == {"cauce.toml", "rows.parquet", ".cauce"}
    assert {each.name for each in (folder / ".cauce").iterdir()} <= {"format", ".gitignore", "runs"}
    assert not list(folder.rglob("history.arrow")), "a copy of people's rows stayed behind"


def test_an_interrupted_rehearsal_goes_on_and_processes_come_to_the_same(rehearsed: tuple[Path, Rehearsal]) -> None:
    folder, found = rehearsed
    before = replays(folder)
    places = sorted(folder.glob(".cauce/runs/rehearse/m-*/replays/*.json"))
    for place in places[:2]:
        place.unlink()
    told: list[int] = []
    loop = replace(
        Loop(project.load(folder / "cauce.toml")),
        progress=lambda stage, done, total, note="": told.append(done) if stage == "rehearse" else None,
    )
    again = rehearse(loop, "m", Asked(quick=True, workers=2))
    assert told[0] == len(places) - 2
    assert [without_seconds(each) for each in replays(folder)] == [without_seconds(each) for each in before]
    assert again.fingerprint == found.fingerprint
    assert from_json(to_json(again), Rehearsal) == again


def test_a_poisoned_future_changes_nothing_before_it(rehearsed: tuple[Path, Rehearsal]) -> None:
    folder, _ = rehearsed
    plan = read_artefact(next(folder.glob(".cauce/runs/rehearse/m-*/plan.json")), Plan)
    assert plan is not None
    history = history_of(Loop(project.load(folder / "cauce.toml")), "m", n_rows=50_000, step_s=600.0)
    row = round(0.7 * N)
    y = np.asarray(history.table["y"].to_pylist())
    x = history.table["x"].to_numpy()
    late = np.arange(N) >= row
    poisoned = history.table.set_column(history.table.column_names.index("y"), "y",
                                        pa.array(np.where(late, "yes", y)))  # fmt: skip
    poisoned = poisoned.set_column(poisoned.column_names.index("x"), "x", pa.array(np.where(late, 1e6, x)))
    job = Job(Scenario("history"), 0, Settings(200, 0.2, 60, "1d"), round(0.3 * N), N, ("loop", "never", "always"))
    clean, dirty = (do(plan, table, history.times, job) for table in (history.table, poisoned))
    until = history.times[row]
    before = [look for look in clean.looks if look.at < until]
    assert len(before) > 5
    assert before == [look for look in dirty.looks if look.at < until]
    for ours, theirs in zip(clean.courses, dirty.courses, strict=True):
        assert ours.look_losses[: len(before)] == theirs.look_losses[: len(before)]
    assert clean.looks != dirty.looks


def test_rows_without_a_time_are_replayed_in_order_with_a_warning(tmp_path: Path) -> None:
    history = history_of(lay(tmp_path, time=False), "m", n_rows=1000, step_s=60.0)
    assert np.diff(history.times).tolist() == [60.0] * 999
    assert history.step_s == 60.0
    assert any("order of the file" in words["en"] for words in history.warnings)
    assert any("1,000" in words["en"] for words in history.warnings)
    whole = pq.read_table(tmp_path / "rows.parquet")
    assert history.table["x"].to_pylist() == whole["x"].to_pylist()[-1000:]


def test_rows_survive_the_way_to_a_process(tmp_path: Path) -> None:
    history = history_of(lay(tmp_path), "m", n_rows=50_000, step_s=60.0)
    (tmp_path / "h.arrow").write_bytes(history.to_bytes())
    table, times = History.from_file(tmp_path / "h.arrow")
    assert table.equals(history.table)
    assert np.array_equal(times, history.times)


@pytest.mark.parametrize("wrong", [{"every": "0s"}, {"every": "soon"}, {"pace": "0s"}, {"delay": "-1d"}])
def test_lengths_of_time_that_are_none_are_refused_before_anything_is_read(wrong: dict[str, str]) -> None:
    (option,) = wrong
    with pytest.raises(UserError, match=f"--{option}: "):
        Asked(**wrong)  # type: ignore[arg-type]


def test_a_short_history_is_refused(tmp_path: Path) -> None:
    loop = lay(tmp_path)
    with pytest.raises(UserError, match="too few rows to rehearse"):
        rehearse(loop, "m", Asked(rows=300))


@pytest.mark.parametrize("language", ["en", "es"])
def test_it_is_told_in_both_languages(rehearsed: tuple[Path, Rehearsal], language: str) -> None:
    _, found = rehearsed
    page = rehearsal_page(found, language, project="small & <co>")
    assert f'lang="{language}"' in page
    assert "small &amp; &lt;co&gt;" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "None" not in page
    header, rows, sentences = rehearsal_rows(found, language)
    assert all(len(row) == len(header) for row in rows)
    assert len(sentences) == len(found.outcomes)
    assert ("nothing changes" if language == "en" else "nada cambia") in page
    svg = rehearsal_svg(found, language).decode()
    assert svg.startswith("<svg")
    assert "polyline" in svg

"""What `keep` removes, what it never does, and that readers are not disturbed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cauce import data
from cauce.core.artefacts import Snapshot
from cauce.core.errors import UserError
from cauce.core.specs import DataSpec
from cauce.data import readers, retention
from cauce.data.lake import read_table
from cauce.data.log import last_version
from cauce.data.recovery import recover

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def load(place: Any, day: int, **keys: Any) -> Snapshot:
    """Load other rows than ever before, `day` days after the start."""
    place.put("n\n" + "".join(f"{day * 100 + i}\n" for i in range(50)))
    spec = DataSpec(source="rows.csv", **keys)
    return data.load("rows", spec, place.folder, place.lake, now=START + day * DAY, where=lambda *_: "")


def vacuum(place: Any, day: int, *, keep: str | None = "30d", pinned: Any = (), dry_run: bool = False) -> Any:
    return data.vacuum(place.lake, "rows", keep=keep, now=START + day * DAY, pinned=pinned, dry_run=dry_run)


def parts(place: Any) -> int:
    return len(list((place.lake / "rows").rglob("part-*")))


def test_a_time_longer_than_the_calendar_keeps_all(place: Any) -> None:
    load(place, 0)
    load(place, 1)
    assert vacuum(place, 1000, keep="1000000d").forgotten == ()


def test_versions_replaced_longer_ago_go_and_take_their_files(place: Any) -> None:
    for day in (0, 10, 100, 120):
        load(place, day)
    assert parts(place) == 4
    done = vacuum(place, 125)
    # version 1 was the newest until day 100, 25 days ago: it is still a way back
    assert (done.forgotten, done.n_files, done.released, done.read_now) == ((0,), 1, (), ())
    assert done.n_bytes > 0
    assert parts(place) == 3
    with pytest.raises(UserError, match=r"removed by `keep`.*cauce data log rows"):
        place.read(version=0)
    assert place.read(version=1)["n"].to_pylist()[0] == 1000
    assert [e.version for e in data.entries(place.lake, "rows")] == [3, 2, 1]
    assert vacuum(place, 125).forgotten == ()
    again = vacuum(place, 1000)
    assert (again.forgotten, parts(place)) == ((1, 2), 1)
    assert place.read()["n"].to_pylist()[0] == 12000


def test_the_newest_and_pinned_versions_stay_for_ever(place: Any) -> None:
    for day in range(5):
        load(place, day)
    done = vacuum(place, 1000, keep="0s", pinned={1, 77})
    assert (done.forgotten, done.released) == ((0, 2, 3), (1,))
    assert place.read(version=1)["n"].to_pylist()[0] == 100
    told = {e.version: e.readable for e in data.entries(place.lake, "rows")}
    assert told == {4: True, 3: False, 2: False, 1: True}, "the log keeps what it needs: from the pinned version on"
    with pytest.raises(UserError, match="removed by `keep`"):
        data.restore(place.lake, "rows", 2, now=START)
    later = vacuum(place, 1001, keep="0s")
    assert later.forgotten == (1,), "once no release names it"
    assert [e.version for e in data.entries(place.lake, "rows")] == [4]


def test_a_version_that_was_restored_keeps_its_files(place: Any) -> None:
    for day in range(3):
        load(place, day)
    before = place.read(version=0)
    data.restore(place.lake, "rows", 0, now=START + 3 * DAY)
    assert vacuum(place, 1000).forgotten == (0, 1, 2)
    assert parts(place) == 1
    assert place.read().equals(before)
    assert load(place, 4).version == 4
    assert load(place, 5).version == 5


def test_a_dry_run_says_it_and_changes_nothing(place: Any) -> None:
    for day in range(3):
        load(place, day)
    there = sorted(path for path in place.lake.rglob("*") if path.is_file())
    dry = vacuum(place, 1000, dry_run=True)
    assert sorted(path for path in place.lake.rglob("*") if path.is_file()) == there
    done = vacuum(place, 1000)
    assert (dry.forgotten, dry.n_files, dry.n_bytes) == (done.forgotten, done.n_files, done.n_bytes)


def test_without_keep_every_version_stays(place: Any) -> None:
    for day in range(3):
        load(place, day)
    done = vacuum(place, 100_000, keep=None)
    assert (done.forgotten, parts(place)) == ((), 3)


def test_a_reader_of_an_old_version_reads_it_to_the_end(place: Any) -> None:
    load(place, 0)
    wanted = place.read()["n"].to_pylist()
    load(place, 1)
    load(place, 2)
    stream = data.batches(place.lake, "rows", version=0, size=10)
    first = next(stream)
    done = vacuum(place, 1000)
    assert (done.forgotten, done.read_now) == ((1,), (0,))
    got = first["n"].to_pylist() + [n for batch in stream for n in batch["n"].to_pylist()]
    assert got == wanted
    assert vacuum(place, 1000).forgotten == (0,)


def test_a_stream_that_was_never_begun_holds_nothing_for_ever(place: Any) -> None:
    load(place, 0)
    load(place, 1)
    stream = data.batches(place.lake, "rows", version=0)
    assert vacuum(place, 1000).read_now == (0,)
    del stream
    assert vacuum(place, 1000).forgotten == (0,)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("place_of_death", ["_note", "_sweep", "_expire_log", "_unlink_before"])
def test_a_vacuum_killed_anywhere_is_finished_by_the_next(
    place: Any, monkeypatch: pytest.MonkeyPatch, place_of_death: str
) -> None:
    for day in range(6):
        load(place, day)
    kept = {version: place.read(version=version) for version in (2, 5)}

    def dies(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(retention, place_of_death, dies)
        with pytest.raises(Killed):
            vacuum(place, 1000, pinned={2})
    for version, rows in kept.items():
        assert place.read(version=version).equals(rows)
    vacuum(place, 1000, pinned={2})
    for version, rows in kept.items():
        assert place.read(version=version).equals(rows)
    assert parts(place) == 2
    assert load(place, 7).version == 6


def test_a_version_that_a_power_cut_tore_is_written_anew(place: Any) -> None:
    """What a power cut between Delta's commit and our sync may leave: each was never acknowledged."""
    first = load(place, 0)
    table = place.lake / "rows"
    newest = table / "_delta_log" / f"{1:020}.json"
    damages: list[Any] = [
        lambda: newest.write_bytes(b""),
        lambda: newest.write_bytes(newest.read_bytes()[:-40]),
        lambda: newest.write_bytes(bytes(newest.stat().st_size)),
        lambda: part(table, 1).write_bytes(b""),
        lambda: part(table, 1).write_bytes(bytes(part(table, 1).stat().st_size)),
        lambda: part(table, 1).unlink(),
    ]
    for damage in damages:
        second = load(place, 1)
        (table / "_acknowledged").write_text("0\n")
        damage()
        known = data.latest(place.lake, "rows")
        assert known is not None, "a torn commit does not keep anybody from looking"
        again = load(place, 1)
        assert (again.version, again.fingerprint) == (1, second.fingerprint)
        assert place.read().num_rows == 50
        assert place.read(version=0).num_rows == first.n_rows
        newest.unlink()
        (table / "_acknowledged").write_text("0\n")


def part(table: Path, version: int) -> Path:
    from cauce.data.log import actions

    log = table / "_delta_log" / f"{version:020}.json"
    return next(table / str(a["add"]["path"]) for a in actions(log) if "add" in a)


def test_a_whole_version_that_was_not_acknowledged_is_kept_and_acknowledged(place: Any) -> None:
    load(place, 0)
    second = load(place, 1)
    (place.lake / "rows" / "_acknowledged").unlink()
    recover(place.lake / "rows")
    assert data.latest(place.lake, "rows") == second
    assert (place.lake / "rows" / "_acknowledged").read_text() == "1\n"


def test_a_torn_summary_of_the_log_is_thrown_away(place: Any) -> None:
    load(place, 0)
    load(place, 1)
    table = place.lake / "rows"
    log = table / "_delta_log"
    (log / f"{1:020}.checkpoint.parquet").write_bytes(b"PAR1 and no more")
    (log / "_last_checkpoint").write_text('{"version":1,"size":3}')
    (table / "_acknowledged").write_text("0\n")
    assert load(place, 2).version == 2
    assert read_table(table, 1, None, order="__cauce_row").num_rows == 50
    assert not (log / f"{1:020}.checkpoint.parquet").exists()


def test_an_acknowledged_version_is_never_taken_out(place: Any) -> None:
    load(place, 0)
    load(place, 1)
    part(place.lake / "rows", 1).write_bytes(b"")
    recover(place.lake / "rows")
    assert last_version(place.lake / "rows") == 1


def test_locks_of_forgotten_versions_are_removed(place: Any) -> None:
    for day in range(3):
        load(place, day)
        place.read()
    folder = place.lake / ".readers" / "rows"
    assert {path.name for path in folder.iterdir()} == {"0", "1", "2"}
    vacuum(place, 1000)
    assert {path.name for path in folder.iterdir()} == {"2"}
    held = readers.begin(place.lake / "rows", 99)
    held.close()
    assert {path.name for path in folder.iterdir()} == {"2"}

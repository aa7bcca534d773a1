"""Batches of a load: computed in order, by processes where that is slow, taken up again after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from cauce.core.errors import UserError
from cauce.rows import RowFailed, computing, staging
from cauce.rows.pool import Pool
from rows.texts import RATIO, functions

SLOW = "def slow(price):\n    return pa.array([sum(range(int(one) % 50)) for one in price.to_pylist()], pa.int64())\n"


def table(n_rows: int = 30_000, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table({"price": rng.integers(1, 10**6, n_rows), "area": rng.gamma(3.0, 10.0, n_rows)})


@pytest.fixture
def always_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "SLOW_S", 0.0)


def made(text: str, rows: pa.Table, size: int = 10_000, **settings: object) -> pa.Table:
    reader = computing(rows.to_reader(max_chunksize=size), functions(text), **settings)  # type: ignore[arg-type]
    return reader.read_all()


def test_batches_come_out_with_the_new_columns_behind_their_own() -> None:
    rows = table()
    out = made(RATIO, rows)
    assert out.column_names == ["price", "area", "ratio"]
    assert out.select(["price", "area"]).equals(rows)
    assert np.allclose(out["ratio"], np.array(rows["price"]) / np.array(rows["area"]))


def test_no_rows_and_no_functions_pass_through() -> None:
    assert made(RATIO, table(0)).column_names == ["price", "area"]
    from cauce.rows import RowFunctions

    assert computing(table(5).to_reader(), RowFunctions()).read_all().equals(table(5))


@pytest.mark.slow
def test_processes_give_the_same_in_the_same_order(always_slow: None) -> None:
    rows = table()
    alone = made(SLOW + RATIO, rows, workers=1)
    assert made(SLOW + RATIO, rows, workers=3).equals(alone)
    assert made(SLOW + RATIO, rows, workers=2, size=1234).combine_chunks().equals(alone.combine_chunks())


@pytest.mark.slow
def test_a_failing_row_in_a_process_is_named_as_everywhere(always_slow: None) -> None:
    rows = pa.concat_tables([table(20_000), pa.table({"price": [0], "area": [1.0]}), table(3000)])
    text = "def f(price):\n    return pa.array([1 / one for one in price.to_pylist()], pa.float64())\n"
    for workers in (1, 2):
        with pytest.raises(RowFailed, match="row 20001: ZeroDivisionError") as failed:
            made(text, rows, workers=workers)
        assert "price = 0" in str(failed.value)


@pytest.mark.slow
def test_what_a_function_prints_does_not_reach_the_answers(
    always_slow: None, capfd: pytest.CaptureFixture[str]
) -> None:
    text = "def f(price):\n    print('here')\n    return price\n"
    assert made(text, table(), workers=2)["f"].to_pylist() == table()["price"].to_pylist()
    assert "here" in capfd.readouterr().err, "processes answer through their output: what is printed goes elsewhere"


@pytest.mark.slow
def test_a_worker_that_dies_is_told(always_slow: None) -> None:
    text = "import os\ndef f(price):\n    if len(price) > 1500:\n        os._exit(9)\n    return price\n"
    with pytest.raises(UserError, match=r"ended by itself.*exit code 9"):
        made(text, table(30_000), workers=2, size=30_000)


@pytest.mark.slow
def test_a_reader_that_is_left_leaves_no_process(always_slow: None, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Pool] = []
    keep = Pool.__init__

    def noted(pool: Pool, *given: Any) -> None:
        started.append(pool)
        keep(pool, *given)

    monkeypatch.setattr(Pool, "__init__", noted)
    reader = computing(table().to_reader(max_chunksize=5000), functions(SLOW), workers=2)
    reader.read_next_batch()
    processes = list(started[0]._workers)
    assert all(process.poll() is None for process in processes)
    del reader
    assert [process.poll() for process in processes] == [-signal.SIGKILL] * 2


def test_finished_pieces_are_found_again_and_old_ones_removed(
    always_slow: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = table(40_000)
    first = made(SLOW, rows, workers=1, kept=tmp_path)
    assert len(list(tmp_path.iterdir())) == 64
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    grown = pa.concat_tables([rows, table(10_000, seed=1)])
    again = made(SLOW, grown, workers=1, kept=tmp_path)
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert before.items() <= after.items()
    assert again.slice(0, 40_000).equals(first)
    torn = next(tmp_path.iterdir())
    sound = torn.read_bytes()
    torn.write_bytes(sound[:100])
    assert made(SLOW, grown, workers=1, kept=tmp_path).equals(again)
    assert torn.read_bytes() == sound
    made(SLOW + "# another text\n", rows.slice(0, 10_000), workers=1, kept=tmp_path)
    assert not set(before) & {path.name for path in tmp_path.iterdir()}


@pytest.mark.slow
def test_a_killed_load_goes_on_from_its_pieces(tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        import numpy as np, pyarrow as pa
        from cauce.core.scripts import Script
        from cauce.rows import computing, staging
        from cauce.rows.functions import compile_functions
        staging.SLOW_S = 0.0
        text = '''
        import pyarrow as pa, time
        from pathlib import Path
        def slow(price):
            if len(price) > 256:
                with Path(r"FOLDER/calls").open("a") as file:
                    file.write("x")
                time.sleep(float(Path(r"FOLDER/pause").read_text()))
            return price
        '''.replace("FOLDER", sys.argv[1])
        import textwrap
        found = compile_functions(["f.py"], [Script("f.py", textwrap.dedent(text))])
        rows = pa.table({"price": np.arange(40_000)})
        reader = computing(rows.to_reader(max_chunksize=20_000), found, kept=Path(sys.argv[1]) / "kept", workers=2)
        assert reader.read_all()["slow"].to_pylist() == list(range(40_000))
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    (tmp_path / "pause").write_text("0.1")
    environment = {**os.environ, "ROWS_TEST": str(tmp_path)}
    process = subprocess.Popen(command, env=environment)
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "kept").glob("*.arrow"))) < 8 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(_workers_of(tmp_path)) == 3
    process.kill()
    process.wait()
    finished = len(list((tmp_path / "kept").glob("*.arrow")))
    assert 8 <= finished < 32
    deadline = time.monotonic() + 30
    while _workers_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _workers_of(tmp_path), "workers outlived their parent"
    (tmp_path / "pause").write_text("0")
    (tmp_path / "calls").write_text("")
    subprocess.run(command, check=True, timeout=60)
    looks = 4  # the promise, and the time, are measured on whole samples
    assert len((tmp_path / "calls").read_text()) <= 32 - finished + looks + 2


def _workers_of(folder: Path) -> list[str]:
    """Return the processes that were started under this test's mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"ROWS_TEST={folder}".encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found

"""What goes in comes out, in its order and format; whole or not at all; in memory that does not grow with the rows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from cauce import data
from cauce.core.errors import UserError

OUTPUTS = ("out.csv", "out.parquet", "out.jsonl", "out.delta")


def table(n_rows: int = 10) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "id": np.arange(n_rows),
            "amount": rng.normal(size=n_rows),
            "name": [f'n,{i} "ñ"' if i % 3 else None for i in range(n_rows)],
            "member": rng.random(n_rows) > 0.5,
            "day": [date(2024, 1, 1 + i % 28) for i in range(n_rows)],
        }
    )


def written(path: Path, rows: pa.Table, *, size: int = 3) -> None:
    with data.outgoing(path) as write:
        for start in range(0, max(1, rows.num_rows), size):
            write(rows.slice(start, size))


def found(path: Path, names: list[str] | None = None, *, size: int = 4) -> pa.Table:
    with data.incoming(path) as rows:
        every = pa.concat_tables(rows.batches(names or rows.schema.names, size=size))
        assert rows.n_rows == every.num_rows
        return every


def there(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", OUTPUTS)
def test_rows_come_back_in_their_order(name: str, tmp_path: Path) -> None:
    rows = table(5000)
    written(tmp_path / name, rows, size=700)
    assert found(tmp_path / name).to_pylist() == rows.to_pylist()
    assert there(tmp_path) == [name]


@pytest.mark.parametrize("name", OUTPUTS)
def test_no_rows_are_columns_all_the_same(name: str, tmp_path: Path) -> None:
    written(tmp_path / name, table(9).slice(0, 0))
    assert (tmp_path / name).exists()
    if name != "out.jsonl":  # a line is a row: without rows there are no names
        assert found(tmp_path / name).column_names == table(0).column_names


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(name: str, error: type[BaseException], tmp_path: Path) -> None:
    written(tmp_path / name, table(4))
    before = found(tmp_path / name)

    def broken(path: Path) -> None:
        with data.outgoing(path) as write:
            write(table(9).slice(5))
            raise error

    for path in (tmp_path / name, tmp_path / f"new-{name}"):
        with pytest.raises(error):
            broken(path)
    assert there(tmp_path) == [name]
    assert found(tmp_path / name) == before


def test_a_delta_table_gets_one_version_and_keeps_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "predictions"
    write_deltalake(str(folder), pa.table({"other": [1, 2]}))
    written(folder, table())
    assert found(folder).to_pylist() == table().to_pylist()
    assert DeltaTable(str(folder)).version() == 1
    assert DeltaTable(str(folder), version=0).to_pyarrow_dataset().schema.names == ["other"]
    assert there(folder)[0] == "_delta_log"
    assert all(name.endswith(".parquet") for name in there(folder)[1:])


def test_a_partitioned_table_is_replaced_too(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / "rows"), pa.table({"year": [1, 2], "x": [1, 2]}), partition_by=["year"])
    written(tmp_path / "rows", table())
    assert found(tmp_path / "rows").to_pylist() == table().to_pylist()


def test_columns_that_delta_does_not_tell_apart_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="differ only in case"):
        written(tmp_path / "out.delta", pa.table({"prob_Yes": [1.0], "prob_yes": [0.0]}))
    assert there(tmp_path) == []


def test_a_delta_table_is_written_as_one_commit(tmp_path: Path) -> None:
    written(tmp_path / "out.delta", table(20), size=2)
    assert DeltaTable(str(tmp_path / "out.delta")).version() == 0


@pytest.mark.parametrize("name", ["out.xls", "out", "folder", "full.delta", "folder.csv"])
def test_a_name_that_says_no_format_is_refused(name: str, tmp_path: Path) -> None:
    for folder in ("folder", "full.delta", "folder.csv"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a").write_text("mine")
    with pytest.raises(UserError):
        data.check_output(tmp_path / name)
    assert (tmp_path / "full.delta" / "a").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((UserError, OSError)):
        written(tmp_path / "file" / "out.csv", table())


def test_decimals_and_moments_keep_their_digits(tmp_path: Path) -> None:
    rows = pa.table({"price": [Decimal("12345678901234567.89")], "at": [datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)]})
    written(tmp_path / "out.jsonl", rows)
    assert (tmp_path / "out.jsonl").read_text() == (
        '{"price":"12345678901234567.89","at":"2026-01-02T03:04:05.000006+00:00"}\n'
    )


@pytest.mark.parametrize("partition_by", [[], ["course"]])
@pytest.mark.parametrize("struck", [False, True])
def test_a_delta_table_of_many_files_is_read_in_their_order(
    partition_by: list[str], struck: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "rows"
    for start in range(0, 4000, 1000):
        rows = pa.table({"id": np.arange(start, start + 1000), "course": ["a", "b"] * 500})
        write_deltalake(str(folder), rows, mode="append", partition_by=partition_by or None)
    if struck:
        DeltaTable(str(folder)).delete("id % 10 = 3")
    read = found(folder, ["id", "course"], size=2048)
    assert read.num_rows == (3600 if struck else 4000)
    # By file: those of a name come before those of a later one, whole.
    paths = sorted(DeltaTable(str(folder)).file_uris())
    by_file = [pq.ParquetFile(path).read(columns=["id"])["id"].to_pylist() for path in paths]
    assert read["id"].to_pylist() == [one for ids in by_file for one in ids]


def test_some_columns_may_be_read_and_read_again(tmp_path: Path) -> None:
    written(tmp_path / "out.csv", table())
    with data.incoming(tmp_path / "out.csv") as rows:
        for _ in range(2):
            assert pa.concat_tables(rows.batches(["day", "id"])).column_names == ["day", "id"]


PROBE = """
import os, resource, sys
from pathlib import Path
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])  # each thread has buffers of its own
from cauce import data
with data.incoming(Path(sys.argv[1])) as rows, data.outgoing(Path(sys.argv[2])) as write:
    for some in rows.batches(rows.schema.names):
        write(some)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak_mb(source: Path, output: Path) -> int:
    probe = source.with_suffix(".py")
    probe.write_text(PROBE)
    done = subprocess.run([sys.executable, str(probe), str(source), str(output)], capture_output=True, check=True)
    return int(done.stdout)


def many(n_rows: int) -> Iterator[pa.Table]:
    rng = np.random.default_rng(0)
    for _ in range(0, n_rows, 100_000):
        yield pa.table({f"x{i}": rng.normal(size=100_000) for i in range(10)})


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "few"), [("csv", 1_000_000), ("jsonl", 500_000), ("delta", 1_500_000)])
def test_memory_does_not_grow_with_the_rows(ending: str, few: int, tmp_path: Path) -> None:
    peaks = []
    for n_rows in (few, 4 * few):  # the fewer are enough to fill the buffers once
        source = tmp_path / f"{n_rows}.{ending}"
        with data.outgoing(source) as write:
            for some in many(n_rows):
                write(some)
        peaks.append(peak_mb(source, tmp_path / f"out.{ending}"))
    more_mb = 3 * few * 10 * 8 / 1e6
    assert peaks[1] - peaks[0] < more_mb / 2, peaks

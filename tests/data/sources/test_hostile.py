"""Files made to harm: a clear error or a correct load, in bounded time and memory; nothing executed, nothing lost."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cauce.core.errors import UserError

BOUND = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
from pathlib import Path
from cauce import data
from cauce.core.errors import UserError
from cauce.core.specs import DataSpec
folder = Path(sys.argv[1])
for source in sys.argv[2:]:
    try:
        data.inspect("rows", DataSpec(source=source), folder, where=lambda *keys: ".".join(keys))
        print("loaded")
    except UserError as error:
        print("refused", error)
# Not ru_maxrss, which begins with what the process that started this one held.
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def apart(folder: Path, *sources: str, seconds: float = 60) -> tuple[list[str], int]:
    """Look at sources in a process of its own, which may take 6 GB of addresses; return what it said and its kB."""
    command = [sys.executable, "-c", textwrap.dedent(BOUND), str(folder), *sources]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    *said, peak = done.stdout.splitlines()
    return said, int(peak)


def one_line(path: Path, size: int) -> None:
    piece = b"1234567,abcdefg," * 65_536
    with path.open("wb") as file:
        for _ in range(size // len(piece)):
            file.write(piece)


def test_a_csv_of_one_line_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    one_line(tmp_path / "line.csv", 60_000_000)
    said, peak = apart(tmp_path, "line.csv")
    assert "the first line is longer than 4,000,000 characters" in said[0]
    assert peak < 700_000


@pytest.mark.slow
def test_a_csv_of_one_gigabyte_in_one_line_is_refused_in_seconds(tmp_path: Path) -> None:
    one_line(tmp_path / "line.csv", 1_000_000_000)
    (tmp_path / "rows.csv").write_bytes(b"a,b\n" + (tmp_path / "line.csv").read_bytes())
    said, peak = apart(tmp_path, "line.csv", "rows.csv", seconds=120)
    assert [line.split()[0] for line in said] == ["refused", "refused"]
    assert peak < 1_500_000
    for name in ("line.csv", "rows.csv"):
        (tmp_path / name).unlink()


def test_a_second_line_that_never_ends_is_refused(tmp_path: Path) -> None:
    one_line(tmp_path / "line.csv", 40_000_000)
    (tmp_path / "rows.csv").write_bytes(b"a,b\n" + (tmp_path / "line.csv").read_bytes())
    said, _ = apart(tmp_path, "rows.csv")
    assert "line 2 is longer than 16,000,000 bytes" in said[0]


def test_a_json_line_that_never_ends_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b'{"a": "' + b"x" * 40_000_000)
    said, _ = apart(tmp_path, "rows.jsonl")
    assert "line 1 is longer than 16,000,000 bytes" in said[0]


@pytest.mark.slow
def test_a_gzip_bomb_is_refused(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "rows.csv.gz", "wb", compresslevel=9) as file:
        file.write(b"a,b\n")
        for _ in range(1200):
            file.write(b"0,0\n" * 262_144)
    assert (tmp_path / "rows.csv.gz").stat().st_size < 4_000_000
    said, peak = apart(tmp_path, "rows.csv.gz")
    assert "unpacks to more than 1,000,000,000" in said[0]
    assert peak < 700_000


def test_an_honest_gz_loads(place: Any) -> None:
    raw = b"a,b\n" + b"".join(b"%d,x\n" % i for i in range(1000))
    place.load(place.put(gzip.compress(raw), "rows.csv.gz"))
    assert place.read().num_rows == 1000


def workbook(path: Path, sheet: bytes) -> None:
    import openpyxl

    plain = path.with_suffix(".plain.xlsx")
    book = openpyxl.Workbook()
    book.active["A1"] = "a"
    book.save(plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for part in source.infolist():
            target.writestr(part, sheet if part.filename == "xl/worksheets/sheet1.xml" else source.read(part))


def sheet_of(cells: bytes) -> bytes:
    space = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return b'<?xml version="1.0"?><worksheet xmlns="' + space + b'"><sheetData>' + cells + b"</sheetData></worksheet>"


@pytest.mark.slow
def test_a_zip_bomb_in_a_workbook_is_refused(tmp_path: Path) -> None:
    workbook(tmp_path / "rows.xlsx", sheet_of(b'<row r="1"><c r="A1"><v>1</v></c></row>' + b" " * 400_000_000))
    said, peak = apart(tmp_path, "rows.xlsx")
    assert "unpack to more than" in said[0]
    assert peak < 900_000


def test_cells_at_the_far_corner_are_refused_not_allocated(tmp_path: Path) -> None:
    far = b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    workbook(tmp_path / "rows.xlsx", sheet_of(far))
    said, peak = apart(tmp_path, "rows.xlsx")
    assert "the sheet's cells span 17,179,869,184 places" in said[0]
    assert peak < 900_000


def test_a_workbook_that_lies_about_its_sizes_is_refused(tmp_path: Path) -> None:
    workbook(tmp_path / "rows.xlsx", sheet_of(b'<row r="1"><c r="A1"><v>1</v></c></row>' + b" " * 300_000_000))
    raw = bytearray((tmp_path / "rows.xlsx").read_bytes())
    size = (300_000_000).to_bytes(4, "little")[2:]
    for at in range(len(raw) - 4):  # the unpacked size in local header and directory, whatever its low bytes
        if raw[at + 2 : at + 4] == size:
            raw[at : at + 4] = (99).to_bytes(4, "little")
    (tmp_path / "rows.xlsx").write_bytes(raw)
    said, peak = apart(tmp_path, "rows.xlsx")
    assert said[0].startswith("refused")
    assert peak < 900_000


@pytest.mark.parametrize("content", [b"PK\x03\x04 no zip", b"\xd0\xcf\x11\xe0 an old one", b"", b"a,b\n1,2\n"])
def test_what_is_no_workbook_is_refused(place: Any, content: bytes) -> None:
    with pytest.raises(UserError, match=r"not a readable \.xlsx|is empty"):
        place.load(place.put(content, "rows.xlsx"))


def test_crafted_parquet_footers_load_or_are_refused(tmp_path: Path) -> None:
    table = pa.table({"a": list(range(1000)), "b": [f"text {i}" for i in range(1000)]})
    hostile = table.replace_schema_metadata({"pandas": json.dumps({"index_columns": ["__import__('os').system('x')"]})})
    pq.write_table(hostile, tmp_path / "meta.parquet")
    pq.write_table(table, tmp_path / "rows.parquet")
    raw = (tmp_path / "rows.parquet").read_bytes()
    length = int.from_bytes(raw[-8:-4], "little")
    rng, names = np.random.default_rng(0), ["meta.parquet"]
    for i in range(120):
        changed = bytearray(raw)
        for at in rng.integers(len(raw) - 8 - length, len(raw) - 4, size=1 + i % 3):
            changed[at] = rng.integers(256)
        names.append(f"changed{i}.parquet")
        (tmp_path / names[-1]).write_bytes(changed)
    for i, claim in enumerate((0, 1, 2**31 - 1, 2**32 - 1)):  # the footer's length lies
        names.append(f"length{i}.parquet")
        (tmp_path / names[-1]).write_bytes(raw[:-8] + claim.to_bytes(4, "little") + b"PAR1")
    said, peak = apart(tmp_path, *names)
    assert said[0] == "loaded"
    assert len(said) == len(names)
    assert all(line.startswith("refused") for line in said[-4:])
    assert peak < 1_500_000


def test_a_duckdb_view_cannot_read_files(place: Any, tmp_path: Path) -> None:
    import duckdb

    (tmp_path / "secret.csv").write_text("a\n1\n")
    with duckdb.connect(str(tmp_path / "rows.duckdb")) as connection:
        connection.execute(f"CREATE VIEW evil AS FROM read_csv('{tmp_path}/secret.csv')")
    with pytest.raises(UserError, match="reads something outside of its database"):
        place.load("rows.duckdb", table="evil")


def test_a_delta_log_cannot_name_a_file_elsewhere(place: Any, tmp_path: Path) -> None:
    from deltalake import write_deltalake

    write_deltalake(tmp_path / "table", pa.table({"a": [1]}))
    pq.write_table(pa.table({"a": [42]}), tmp_path / "secret.parquet")
    log = tmp_path / "table" / "_delta_log" / f"{0:020}.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        if "add" in line:
            line["add"]["path"] = "../secret.parquet"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(UserError):
        place.load("table")


@pytest.mark.slow
def test_ten_thousand_columns_of_parquet(place: Any, tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(10_000)]
    pq.write_table(pa.table({name: [1, 2] for name in names}), tmp_path / "wide.parquet")
    assert place.inspect("wide.parquet").schema.names == names

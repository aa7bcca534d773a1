"""Every bad input gets an error that says what, where, what was received and what to do."""

from __future__ import annotations

import gzip
import re
from typing import Any

import pyarrow as pa
import pytest

from cauce.core.errors import UserError

AT_SOURCE = "cauce.toml:7, [data.rows] source"

BAD: dict[str, tuple[bytes | str, str, dict[str, object], str, str]] = {
    # name: content, file name, keys, what it says, where
    "zero bytes": (b"", "rows.csv", {}, r"empty \(0 bytes\)", "source"),
    "blank only": (b"\n \n", "rows.csv", {}, r"empty", "source"),
    "header only": ("a,b\n", "rows.csv", {}, r"column names and no rows", "source"),
    "wrong delimiter": (
        "a;b\n1;2\n",
        "rows.csv",
        {"delimiter": ","},
        r"name contains ';'.*delimiter = ';'",
        "delimiter",
    ),
    "same name twice": ("a,b,a\n1,2,3\n", "rows.csv", {}, r"two columns have the same name.*\['a', 'a'\]", "source"),
    "names differ in case": ("Age,age\n1,2\n", "rows.csv", {}, r"differ only in case.*\['Age', 'age'\]", "source"),
    "reserved name": ("__cauce_row,b\n1,2\n", "rows.csv", {}, r"__cauce are kept", "source"),
    "latin-1 early": (b"a,b\n1,caf\xe9\n", "rows.csv", {}, r"byte 9 is not; it looks like Latin-1", "source"),
    "latin-1 late": (b"a,b\n" + b"1,x\n" * 50_000 + b"2,caf\xe9\n", "rows.csv", {}, r"byte 200009 is not", "source"),
    "utf-16": ("a,b\n1,2\n".encode("utf-16"), "rows.csv", {}, r"looks like UTF-16", "source"),
    "utf-16 without mark": ("a,b\n1,2\n".encode("utf-16-le"), "rows.csv", {}, r"looks like UTF-16", "source"),
    "binary as csv": (b"PK\x03\x04" + bytes(range(256)), "rows.csv", {}, r"a binary file", "source"),
    "too many values": ("a,b\n1,2\n3,4,5\n", "rows.csv", {}, r"line 3 has 3 values, the header has 2", "source"),
    "too few values": ("a,b\n1,2\n3\n", "rows.csv", {}, r"line 3 has 1 values, the header has 2", "source"),
    "every row longer": ("a,b\n1,2,9\n3,4,5\n", "rows.csv", {}, r"line 2 has 3 values, the header has 2", "source"),
    "quote left open": ('a,b\n1,"x\n2,3\n', "rows.csv", {}, r"line 3 cannot be read.*[Qq]uote", "source"),
    "broken parquet": (b"PAR1 not really PAR1", "rows.parquet", {}, r"cannot be read", "source"),
    "csv as parquet": ("a,b\n1,2\n", "rows.csv", {"format": "parquet"}, r"cannot be read", "source"),
    "broken json line": ('{"a": 1}\n{"a":\n', "rows.jsonl", {}, r"line 2 is not JSON", "source"),
    "late broken json": ('{"a": 1}\n' * 3000 + '{"a" 1}\n', "rows.jsonl", {}, r"line 3001 is not JSON", "source"),
    "json array": ("[1, 2]\n", "rows.jsonl", {}, r"line 1 is not a JSON object", "source"),
    "json key twice": ('{"a": 1, "a": 2}\n', "rows.jsonl", {}, r"line 1: two columns have the same name", "source"),
    "json keys in two cases": ('{"a": 1, "A": 2}\n', "rows.jsonl", {}, r"differ only in case", "source"),
    "not gzip": (b"a,b\n1,2\n", "rows.csv.gz", {}, r"not a readable gzip file", "source"),
    "cut gzip": (gzip.compress(b"a,b\n" + bytes(range(48, 58)) * 99_999)[:-9], "rows.csv.gz", {}, r"gzip", "source"),
    "unknown ending": ("a,b\n1,2\n", "rows.doc", {}, r"ending says no known format", "source"),
    "missing key column": (
        "ident,b\n1,2\n",
        "rows.csv",
        {"key": "idnt"},
        r"no such column.*Did you mean 'ident'",
        "key",
    ),
    "missing time column": ("a,b\n1,2\n", "rows.csv", {"time": "when"}, r"no such column.*Known: a, b", "time"),
    "missing group column": ("a,b\n1,2\n", "rows.csv", {"group": "g"}, r"no such column", "group"),
    "missing partition": ("a,b\n1,2\n", "rows.csv", {"partition_by": ("p",)}, r"no such column", "partition_by"),
    "missing cluster": ("a,b\n1,2\n", "rows.csv", {"cluster_by": ("p",)}, r"no such column", "cluster_by"),
    "no row left": ("a,b\n1,2\n", "rows.csv", {"where": "a > 5"}, r"no row fulfils the condition.*a > 5", "where"),
    "key twice": ("k\nx\ny\nx\nx\n", "rows.csv", {"key": "k"}, r"not unique: 2 of 4 rows.*'x' \(3 times\)", "key"),
    "key missing": ("k,b\n1,2\n,3\n", "rows.csv", {"key": "k"}, r"no value in 1 of 2 rows", "key"),
    "partition by fractions": ("a,b\n1.5,2\n", "rows.csv", {"partition_by": ("a",)}, r"type DOUBLE", "partition_by"),
    "too many partitions": (
        "a,b\n" + "".join(f"{i},1\n" for i in range(1001)),
        "rows.csv",
        {"partition_by": ("a",)},
        r"1,001 values; at most 1,000",
        "partition_by",
    ),
    "partition and cluster": (
        "a,b\n1,2\n",
        "rows.csv",
        {"partition_by": ("a",), "cluster_by": ("a",)},
        r"partition_by and in",
        "cluster_by",
    ),
    "partition name as path": (
        "../a,b\n1,2\n",
        "rows.csv",
        {"partition_by": ("../a",)},
        r"name cannot be",
        "partition_by",
    ),
    "empty text partition": (
        '{"a": ""}\n{"a": "x"}\n',
        "rows.jsonl",
        {"partition_by": ("a",)},
        r"1 rows have an empty text",
        "partition_by",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_source_says_what_and_where(place: Any, name: str) -> None:
    content, file, keys, what, key = BAD[name]
    source = place.put(content, file)
    with pytest.raises(UserError) as caught:
        place.load(source, **keys)
    assert re.search(what, str(caught.value), re.S), str(caught.value)
    assert caught.value.where == f"cauce.toml:7, [data.rows] {key}"
    assert caught.value.hint
    assert caught.value.received is not None
    assert not (place.lake / "rows").exists()
    assert not list((place.lake / ".load").iterdir())


@pytest.mark.parametrize(
    "name", [n for n in BAD if not n.startswith(("key ", "partition by", "too many p", "empty text", "partition and"))]
)
def test_inspect_refuses_what_load_refuses(place: Any, name: str) -> None:
    content, file, keys, what, _ = BAD[name]
    with pytest.raises(UserError) as caught:
        place.inspect(place.put(content, file), **keys)
    assert re.search(what, str(caught.value), re.S), str(caught.value)


def test_missing_file_names_the_nearest(place: Any) -> None:
    place.put("a\n1\n", "students.csv")
    with pytest.raises(
        UserError, match=r"no such file. Received 'student.csv'. Did you mean 'students.csv'\?"
    ) as caught:
        place.load("student.csv")
    assert caught.value.where == AT_SOURCE
    with pytest.raises(UserError, match="There is no folder"):
        place.load("nowhere/student.csv")


def test_folder_as_source_is_refused(place: Any) -> None:
    (place.folder / "parts").mkdir()
    (place.folder / "parts" / "one.csv").write_text("a\n1\n")
    with pytest.raises(UserError, match=r"a folder, not a file.*Name one file in it: one.csv"):
        place.load("parts")


def test_nul_in_the_source_name_is_refused(place: Any) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        place.load("a\0b.csv")


def test_parquet_with_names_twice_is_refused(place: Any) -> None:
    place.put_table(pa.table([pa.array([1]), pa.array([2])], names=["a", "A"]))
    with pytest.raises(UserError, match="differ only in case"):
        place.load("rows.parquet")


def test_parquet_cut_in_the_middle_is_refused(place: Any) -> None:
    source = place.put_table(pa.table({"a": list(range(10_000))}))
    raw = (place.folder / source).read_bytes()
    place.put(raw[:200] + bytes(len(raw) - 400) + raw[-200:], source)
    with pytest.raises(UserError, match="cannot be read"):
        place.load(source)


def test_bytes_cannot_be_stored(place: Any) -> None:
    place.put_table(pa.table({"odd": pa.nulls(2, pa.binary()), "a": [1, 2]}))
    with pytest.raises(UserError, match=r"column 'odd' has a type that cannot be stored. Received 'BLOB'"):
        place.load("rows.parquet")


def test_failed_load_leaves_the_version_before(place: Any) -> None:
    before = place.load_csv("a,b\n1,2\n")
    with pytest.raises(UserError):
        place.load(place.put("a,b\n1,2,3\n"))
    assert place.read().equals(before)

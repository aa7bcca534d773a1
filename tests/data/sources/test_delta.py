"""Delta tables that others write: partitions, deletion vectors, changed schemas, what is refused."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from cauce.core.errors import UserError

CITIES = ["A Coruña", "a/b c", "x=y&z", "100%", None, "it's"]


def test_partition_values_come_from_the_log(place: Any) -> None:
    rows = pa.table({"id": range(6), "city": CITIES, "year": [2023, 2024, 2023, 2024, 2023, 2024]})
    write_deltalake(place.folder / "table", rows, partition_by=["city", "year"])
    place.load("table", key="id")
    found = {row["id"]: (row["city"], row["year"]) for row in place.read().to_pylist()}
    assert found == {row["id"]: (row["city"], row["year"]) for row in rows.to_pylist()}


def test_only_the_newest_version_is_read(place: Any) -> None:
    for ids in ([1, 2, 3], [4, 5]):
        write_deltalake(place.folder / "table", pa.table({"id": ids}), mode="overwrite")
    place.load("table")
    assert place.read()["id"].to_pylist() == [4, 5]


def test_a_column_that_came_later_is_missing_before(place: Any) -> None:
    write_deltalake(place.folder / "table", pa.table({"id": [1]}))
    write_deltalake(place.folder / "table", pa.table({"id": [2], "new": ["x"]}), mode="append", schema_mode="merge")
    place.load("table")
    assert {row["id"]: row["new"] for row in place.read().to_pylist()} == {1: None, 2: "x"}


def test_rows_that_a_deletion_vector_strikes_out_are_gone(place: Any) -> None:
    folder = place.folder / "table"
    write_deltalake(folder, pa.table({"id": list(range(10))}))
    strike(folder, [0, 3, 9])
    place.load("table")
    assert place.read()["id"].to_pylist() == [1, 2, 4, 5, 6, 7, 8]


def test_rows_that_are_struck_out_are_gone_behind_a_link_too(place: Any) -> None:
    folder = place.folder / "elsewhere"
    write_deltalake(folder, pa.table({"id": list(range(10))}))
    strike(folder, [0, 3, 9])
    (place.folder / "table").symlink_to(folder, target_is_directory=True)
    place.load("table")
    assert place.read()["id"].to_pylist() == [1, 2, 4, 5, 6, 7, 8]


def strike(folder: Path, rows: list[int]) -> None:
    """Add a commit whose deletion vector, written into the log itself, strikes out rows of the only file."""
    first = [json.loads(line) for line in (folder / "_delta_log" / f"{0:020}.json").read_text().splitlines()]
    add = next(line["add"] for line in first if "add" in line)
    bitmap = struct.pack("<IIHHI", 12346, 1, 0, len(rows) - 1, 16) + struct.pack(f"<{len(rows)}H", *rows)
    vector = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    raw = vector + bytes(-len(vector) % 4)
    text = base64_85(raw)
    descriptor = {"storageType": "i", "pathOrInlineDv": text, "sizeInBytes": len(vector), "cardinality": len(rows)}
    needed = ["deletionVectors"]
    actions = [
        {
            "protocol": {
                "minReaderVersion": 3,
                "minWriterVersion": 7,
                "readerFeatures": needed,
                "writerFeatures": needed,
            }
        },
        {"remove": {"path": add["path"], "deletionTimestamp": 1, "dataChange": True}},
        {"add": add | {"deletionVector": descriptor}},
    ]
    (folder / "_delta_log" / f"{1:020}.json").write_text("".join(json.dumps(action) + "\n" for action in actions))


def base64_85(raw: bytes) -> str:
    """Return Z85 text, as the Delta protocol writes vectors into its log."""
    python = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
    z85 = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    return base64.b85encode(raw).translate(bytes.maketrans(python, z85)).decode()


def test_a_table_with_mapped_columns_is_refused(place: Any) -> None:
    folder = place.folder / "table"
    write_deltalake(folder, pa.table({"id": [1]}))
    log = folder / "_delta_log" / f"{0:020}.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        if "metaData" in line:
            line["metaData"]["configuration"]["delta.columnMapping.mode"] = "name"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(UserError, match="columnMapping"):
        place.load("table")


def test_a_folder_without_a_log_is_refused(place: Any) -> None:
    (place.folder / "table").mkdir()
    with pytest.raises(UserError, match="no Delta table"):
        place.load("table", format="delta")

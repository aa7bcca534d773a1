"""CSV files in the encodings that spreadsheets save."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from cauce.core.errors import UserError
from cauce.core.specs import DataSpec
from cauce.data.inspection import inspect

TEXT = "curso;población;precio\n" + "".join(f"Química {i};Ávila – «ñ»;{i},50 €\n" for i in range(5))


def rows(folder: Path, content: bytes, name: str = "rows.csv", **keys: Any) -> list[dict[str, Any]]:
    (folder / name).write_bytes(content)
    spec = DataSpec(source=name, **keys)
    head = inspect("rows", spec, folder, where=lambda *path: ".".join(map(str, path))).head
    found: list[dict[str, Any]] = head.to_pylist()
    return found


@pytest.mark.parametrize("encoding", ["windows-1252", "utf-16"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_is_read_in_the_encoding_that_it_has(tmp_path: Path, encoding: Any, packed: bool) -> None:
    content = TEXT.encode(encoding)
    if packed:
        found = rows(tmp_path, gzip.compress(content), "rows.csv.gz", encoding=encoding)
    else:
        found = rows(tmp_path, content, encoding=encoding)
    assert found == rows(tmp_path, TEXT.encode(), "utf8.csv")
    assert found[0]["población"] == "Ávila – «ñ»"


def test_latin_1_is_read(tmp_path: Path) -> None:
    assert rows(tmp_path, "año,n\nñandú,1\n".encode("latin-1"), encoding="latin-1") == [{"año": "ñandú", "n": 1}]


def test_a_file_that_is_not_utf8_names_the_key(tmp_path: Path) -> None:
    with pytest.raises(UserError, match='encoding = "windows-1252"'):
        rows(tmp_path, TEXT.encode("windows-1252"))
    with pytest.raises(UserError, match='encoding = "utf-16"'):
        rows(tmp_path, TEXT.encode("utf-16"))


def test_a_byte_that_the_encoding_has_not_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.rows\.encoding: byte 4 is none of windows-1252"):
        rows(tmp_path, b"a,b\n\x81,1\n", encoding="windows-1252")


def test_the_key_means_nothing_for_other_kinds(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`encoding` means nothing for a JSON Lines file"):
        rows(tmp_path, b'{"a": 1}\n', "rows.jsonl", encoding="latin-1")


def test_a_packed_bomb_is_refused_in_any_encoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cauce.data import faults

    monkeypatch.setattr(faults, "UNPACKED_FREE", 1000)
    bomb = gzip.compress(b"a,b\n" + b"0" * 2_000_000)
    with pytest.raises(UserError, match="unpacks to more than"):
        rows(tmp_path, bomb, "rows.csv.gz", encoding="latin-1")

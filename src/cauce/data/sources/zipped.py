"""A zipped office file, looked at before a parser is let near it: what it unpacks to, and how far its cells reach.

Readers of .xlsx hold a sheet as a full rectangle from the first cell to the last, and trust the sizes that the archive
states. Both are the file's to say, so both are measured here, in bounded memory.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from cauce.data.duck import memory_bytes

RATIO = 200
"""Most bytes that a workbook may unpack to for each of its own, beyond the first 100 MB."""
MEMORY_SHARE = 0.3
"""Most that it may unpack to as a share of the memory, whatever its size."""
_FREE = 100_000_000
_PIECE = 1 << 20
_CELL = re.compile(rb"\br\s{0,99}=\s{0,99}[\"']\$?([A-Za-z]{1,3})\$?([0-9]{1,7})")
_LONGEST = 256  # bytes that such a text may have


class Oversized(Exception):
    """The archive unpacks to more than it should; the message says how much."""


def measured(path: Path) -> int:
    """Unpack every part of an archive, keeping nothing, and return the cells of the rectangle that its sheets span.

    Raises
    ------
    Oversized
        It is a bomb.
    zipfile.BadZipFile, zlib.error, EOFError
        It is no sound archive.
    """
    packed, total, reach = path.stat().st_size, 0, _Reach()
    limit = max(_FREE, min(int(memory_bytes() * MEMORY_SHARE), packed * RATIO))
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        for part in archive.infolist():
            for piece in _unpacked(file, part):
                total += len(piece)
                if total > limit:
                    raise Oversized(f"{packed:,} bytes that unpack to more than {limit:,}")
                reach.add(piece)
    return reach.cells


def _unpacked(file: IO[bytes], part: zipfile.ZipInfo) -> Iterator[bytes]:
    """Unpack one part by its packed size: the unpacked size is a claim that zipfile believes and others do not."""
    if part.flag_bits & 1:
        raise zipfile.BadZipFile("it is encrypted")
    if part.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise zipfile.BadZipFile(f"it is packed by method {part.compress_type}")
    file.seek(part.header_offset)
    header = file.read(30)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise zipfile.BadZipFile("a part is not where the archive says")
    file.seek(sum(struct.unpack("<HH", header[26:30])), 1)
    left, engine = part.compress_size, zlib.decompressobj(-15)
    while left > 0:
        packed = file.read(min(_PIECE, left))
        if not packed:
            raise EOFError("the archive is cut off")
        left -= len(packed)
        if part.compress_type == zipfile.ZIP_STORED:
            yield packed
            continue
        while packed:
            yield engine.decompress(packed, _PIECE)
            packed = engine.unconsumed_tail


class _Reach:
    """The rectangle from A1 to the last row and column of any sheet, from the pieces of their XML."""

    def __init__(self) -> None:
        self._tail = b""
        self._columns: set[bytes] = set()
        self._last_row = 0

    def add(self, piece: bytes) -> None:
        text = self._tail + piece
        found = _CELL.findall(text)
        self._tail = text[-_LONGEST:]
        if found:
            self._columns.update({column for column, _ in found})
            self._last_row = max(self._last_row, *(int(row) for _, row in found))

    @property
    def cells(self) -> int:
        return self._last_row * max(map(_number, self._columns), default=0)


def _number(letters: bytes) -> int:
    """Return a column's number: A is 1, Z 26, AA 27."""
    total = 0
    for letter in letters.upper():
        total = total * 26 + letter - 64
    return total

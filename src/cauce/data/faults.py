"""What is wrong with a source file, said before DuckDB complains or in place of its complaint.

A file is looked at twice: its first bytes before it is opened, and the whole of it only after DuckDB has refused it, to
say where the fault lies.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cauce.core.errors import UserError, did_you_mean

DELIMITERS = ",;\t|"
HEADER_LIMIT = 4_000_000
"""Longest header in characters: 10,000 columns with long names stay well under it."""
LINE_LIMIT = 16_000_000
"""Longest line in bytes of what is not Parquet: DuckDB takes no longer JSON object."""
_HEAD = 1 << 16
UNPACKED_FREE = 1_000_000_000
"""Bytes that any .gz may unpack to."""
UNPACKED_RATIO = 250
"""Bytes that a larger one may unpack to for each of its own; text packs to a tenth, log files to a fiftieth."""


def find_file(folder: Path, source: str, *, where: str) -> Path:
    """Return the source's path, which is an existing file with content.

    Raises
    ------
    UserError
        Not there (with the nearest names), a folder, not readable, or empty.
    """
    path = folder / source
    try:
        if path.is_dir():
            raise UserError("the source is a folder, not a file", where=where, received=source, hint=_listing(path))
        with path.open("rb") as file:
            if not file.read(1):
                hint = "Export it again, or name another file."
                raise UserError("the source file is empty (0 bytes)", where=where, received=source, hint=hint)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError("no such file", where=where, received=source, hint=_nearest(path)) from error
    except (OSError, ValueError) as error:
        raise UserError(
            f"the source cannot be read: {error}", where=where, received=source, hint="Check its name, owner and mode."
        ) from error
    return path.absolute()


def _nearest(path: Path) -> str:
    if not path.parent.is_dir():
        return f"There is no folder {path.parent}."
    names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    return did_you_mean(path.name, names) or f"The folder {path.parent} holds no file."


def _listing(path: Path) -> str:
    names = sorted(entry.name for entry in path.iterdir() if entry.is_file())[:5]
    return f"Name one file in it: {', '.join(names)}." if names else "Name one file."


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file, unpacked when its name ends in .gz."""
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def check_text(path: Path, *, where: str) -> None:
    """Refuse a file whose first bytes are no UTF-8 text, or which unpacks to absurdly much.

    Raises
    ------
    UserError
        A gzip bomb, UTF-16, a binary file, a broken .gz, or bytes of another encoding with their offset.
    """
    try:
        with open_bytes(path) as file:
            head = file.read(_HEAD)
    except (OSError, EOFError) as error:
        hint = "Pack it again, or take the ending .gz away if it is not packed."
        raise UserError(f"not a readable gzip file: {error}", where=where, received=path.name, hint=hint) from error
    check_unpacked(path, where)
    if not head.strip():
        raise UserError(
            "the source file is empty (only blank)",
            where=where,
            received=path.name,
            hint="Export it again, or name another file.",
        )
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _not_utf8(path, 0, "UTF-16", where)
    if b"\0" in head:
        offset = head.index(b"\0")
        guess = "UTF-16" if head[:200].count(b"\0") > len(head[:200]) // 4 else "a binary file"
        raise _not_utf8(path, offset, guess, where)
    offset_or_none = _first_bad_byte(iter([head]), final=len(head) < _HEAD)
    if offset_or_none is not None:
        raise _not_utf8(path, offset_or_none, "Latin-1 or Windows-1252", where)


def check_unpacked(path: Path, where: str) -> None:
    """Refuse a gzip bomb: unpacked once, keeping nothing, and only where it could be one (1 byte makes 1,032)."""
    if not path.name.lower().endswith(".gz"):
        return
    packed = path.stat().st_size
    limit = max(UNPACKED_FREE, packed * UNPACKED_RATIO)
    if packed * 1100 < limit:
        return
    total = 0
    try:
        with open_bytes(path) as file:
            while piece := file.read(1 << 20):
                total += len(piece)
                if total > limit:
                    what = f"a .gz of {packed:,} bytes that unpacks to more than {limit:,}"
                    hint = "Unpack it yourself if it is to be trusted, and name the unpacked file."
                    raise UserError(what, where=where, received=path.name, hint=hint)
    except (OSError, EOFError, zlib.error) as error:
        hint = "The file is cut off: copy or pack it again."
        raise UserError(f"not a readable gzip file: {error}", where=where, received=path.name, hint=hint) from error


def _first_bad_byte(chunks: Iterator[bytes], *, final: bool = True) -> int | None:
    decoder, before = codecs.getincrementaldecoder("utf-8")(), 0
    for chunk in chunks:
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError as error:
            return before - pending + error.start
        before += len(chunk)
    try:
        decoder.decode(b"", final=final)
    except UnicodeDecodeError:
        return before - len(decoder.getstate()[0])
    return None


def _not_utf8(path: Path, offset: int, guess: str, where: str) -> UserError:
    said = "utf-16" if guess == "UTF-16" else "windows-1252"
    hint = f'If it is a CSV file, set encoding = "{said}"; or save it as UTF-8.'
    if guess == "a binary file":
        hint = "Name a CSV, Parquet or JSON Lines file, and set `format` if its ending says another one."
    what = f"the file is not UTF-8 text: byte {offset} is not; it looks like {guess}"
    return UserError(what, where=where, received=path.name, hint=hint)


def read_header(path: Path, delimiter: str | None, *, where: str) -> tuple[list[str], str]:
    """Return the column names of a CSV file and its delimiter, found in the first line when None.

    A column without a name is called ``column0``, ``column1``… by its place.

    Raises
    ------
    UserError
        The line is too long, or holds one column whose name contains another delimiter.
    """
    with open_bytes(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
        start = _first_row(text)
    if len(start) >= HEADER_LIMIT:
        hint = "The first line must hold the column names, and end. Export the file again, with line breaks."
        what = f"the first line is longer than {HEADER_LIMIT:,} characters"
        raise UserError(what, where=where, received=path.name, hint=hint)
    if delimiter is None:
        unquoted = "".join(start.split('"')[::2])
        delimiter = max(DELIMITERS, key=unquoted.count)
    rows = csv.reader(io.StringIO(start, newline=""), delimiter=delimiter, strict=True)
    try:
        names = next(row for row in rows if row)
    except (csv.Error, StopIteration) as error:
        hint = "The first line must hold the column names."
        raise UserError(f"the header cannot be read: {error}", where=where, received=path.name, hint=hint) from error
    broken = next((name for name in names if "\n" in name or "\r" in name), None)
    if broken is not None:
        raise UserError("a column name contains a line break", where=where, received=broken, hint="Rename the column.")
    if len(names) == 1 and (other := [d for d in DELIMITERS if d != delimiter and d in names[0]]):
        hint = f"Set delimiter = {other[0]!r} in cauce.toml, or leave the key out: it is then found by itself."
        raise UserError(
            f"one column only, and its name contains {other[0]!r}: the delimiter seems wrong",
            where=where,
            received=delimiter,
            hint=hint,
        )
    return [name or f"column{i}" for i, name in enumerate(names)], delimiter


def _first_row(text: io.TextIOWrapper) -> str:
    """Return lines up to the first one that is not blank and closes all its quotes, at most HEADER_LIMIT characters."""
    row = ""
    while len(row) < HEADER_LIMIT:
        line = text.readline(HEADER_LIMIT - len(row))
        row += line
        if not line or (row.strip() and row.count('"') % 2 == 0 and line.endswith(("\n", "\r"))):
            break
    return row


def json_keys(path: Path, *, where: str, lines: int = 1000) -> None:
    """Refuse a JSON Lines file one of whose first lines is no object, or names a key twice."""
    with open_bytes(path) as file:
        for number, line in enumerate(_lines(file, path, where), 1):
            if number > lines:
                return
            if line.strip():
                _check_line(line, number, where)


def _lines(file: IO[bytes], path: Path, where: str) -> Iterator[bytes]:
    """Give lines, none of them longer than fits into memory."""
    number = 0
    while line := file.readline(LINE_LIMIT):
        number += 1
        if len(line) == LINE_LIMIT and not line.endswith(b"\n"):
            what = f"line {number} is longer than {LINE_LIMIT:,} bytes"
            raise UserError(what, where=where, received=path.name, hint="Write one row a line.")
        yield line


def _check_line(line: bytes, number: int, where: str) -> None:
    try:
        pairs = json.loads(line, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        hint = "Every line must be one JSON object."
        raise UserError(f"line {number} is not JSON: {error}", where=where, received=_cut(line), hint=hint) from error
    if not isinstance(pairs, _Pairs):
        raise UserError(
            f"line {number} is not a JSON object",
            where=where,
            received=_cut(line),
            hint='Every line must be one object, such as {"age": 31, "city": "Vigo"}.',
        )
    seen: dict[str, str] = {}
    for name, _ in pairs:
        if name.lower() in seen:
            both = [seen[name.lower()], name]
            what = "two columns have the same name, or names that differ only in case"
            raise UserError(
                f"line {number}: {what}", where=where, received=both, hint="Rename one of them in the file."
            )
        seen[name.lower()] = name


class _Pairs(list[tuple[str, object]]):
    """A JSON object with all its pairs, repeated names included."""


def _cut(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip()[:60]


@contextmanager
def duckdb_errors(path: Path, kind: str, delimiter: str | None, *, where: str) -> Iterator[None]:
    """Translate DuckDB's complaint about a source into a UserError that says where in the file the fault lies."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        text = str(error)
        if "No space left" in text or "max_temp_directory_size" in text:
            hint = "Free some space and run the same command again."
            raise UserError("the disk is full; what was there before is untouched", where=where, hint=hint) from error
        if isinstance(error, duckdb.OutOfMemoryException):
            hint = "Close other programs, or load fewer rows with `where`."
            raise UserError(
                "not enough memory to read the source", where=where, received=path.name, hint=hint
            ) from error
        raise (_diagnosed(path, kind, delimiter, where) or _plain(path, text, where)) from error


@contextmanager
def condition_errors(condition: str | None, *, where: str) -> Iterator[None]:
    """Lay a failed conversion of a value at the condition: the source's own types hold for all its rows."""
    import duckdb

    try:
        yield
    except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
        if condition is None:
            raise
        raise refused_condition(error, condition, where=where) from error


def refused_condition(error: Exception, condition: str, *, where: str) -> UserError:
    """Say that DuckDB refuses a condition, in DuckDB's words."""
    message = str(error).splitlines()[0].split("Error: ", 1)[-1].rstrip(".")
    hint = "Write one condition on the columns, such as age >= 18."
    return UserError(f"DuckDB refuses the condition: {message}", where=where, received=condition, hint=hint)


def _diagnosed(path: Path, kind: str, delimiter: str | None, where: str) -> UserError | None:
    if kind == "parquet":
        return None
    try:
        with open_bytes(path) as file:
            offset = _first_bad_byte(iter(lambda: file.read(1 << 20), b""))
        if offset is not None:
            return _not_utf8(path, offset, "Latin-1 or Windows-1252", where)
        return _bad_json_line(path, where) if kind == "jsonl" else _bad_row(path, delimiter or ",", where)
    except (OSError, EOFError) as error:
        hint = "The file is cut off: copy or pack it again."
        return UserError(f"not a readable gzip file: {error}", where=where, received=path.name, hint=hint)


def _bad_json_line(path: Path, where: str) -> UserError | None:
    try:
        json_keys(path, where=where, lines=1 << 62)
    except UserError as error:
        return error
    return None


def _bad_row(path: Path, delimiter: str, where: str) -> UserError | None:
    with open_bytes(path) as file:
        lines = (line.decode("utf-8-sig" if i == 0 else "utf-8") for i, line in enumerate(_lines(file, path, where)))
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        width = 0
        try:
            for row in rows:
                if row and width and len(row) != width:
                    what = f"line {rows.line_num} has {len(row)} values, the header has {width}"
                    hint = "Put quotes around values that contain the delimiter or a line break, or mend the line."
                    return UserError(what, where=where, received=delimiter.join(row)[:60], hint=hint)
                width = width or len(row)
        except UserError as error:
            return error
        except csv.Error as error:
            hint = "A quote is opened and not closed, or stands inside a value: double it."
            return UserError(
                f"line {rows.line_num} cannot be read: {error}", where=where, received=path.name, hint=hint
            )
    return None


def _plain(path: Path, text: str, where: str) -> UserError:
    first = next((line for line in text.splitlines() if line.strip()), "unknown fault")
    message = first.split("Error: ", 1)[-1].replace(str(path), path.name).rstrip(".")
    return UserError(
        f"the source cannot be read: {message}",
        where=where,
        received=path.name,
        hint="Check that the file is whole and of the format that its ending says.",
    )

"""Files that survive `kill -9` and a full disk: written to a temporary name, synced, moved into place."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any, TypeVar

from cauce.core.errors import UserError

T = TypeVar("T")


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Translate a full disk, a read-only folder or a quota into a UserError that names the path."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            hint = "Free some space (`cauce doctor` lists what can be cleaned) and run the same command again."
            what = "the disk is full; what was there before is untouched"
            raise UserError(what, where=str(path), hint=hint) from error
        if error.errno in {errno.EACCES, errno.EROFS, errno.EPERM}:
            hint = "Check the folder's owner and mode."
            raise UserError("may not be written", where=str(path), hint=hint) from error
        raise


def write_bytes(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace `path` by `content`: after a crash the old or the new content is there, never a part.

    Raises
    ------
    UserError
        The disk is full or the folder may not be written.
    """
    with disk_errors(path), replaced(path, mode=mode) as file:
        file.write(content)


@contextmanager
def replaced(path: Path, *, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """Give a file to write that takes the place of `path` at the end of the block; on any error nothing does.

    Raises
    ------
    OSError
        The disk is full or the folder may not be written: `disk_errors` says it to people.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Sync a folder's entries, so that a rename survives a power loss."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def append_line(path: Path, line: bytes) -> None:
    """Append one line, synced before this returns; what a crash left of the line before stays a line of its own."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            torn = file.tell() > 0 and _last_byte(file) != b"\n"
            file.write((b"\n" if torn else b"") + line.rstrip(b"\n") + b"\n")
            file.flush()
            os.fsync(file.fileno())


def whole_lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Give (line number, line) of every line that is JSON, newest first: a line torn by a crash is not."""
    lines = list(enumerate(content.split(b"\n"), start=1))
    for place, line in reversed(lines):
        try:
            json.loads(line)
        except ValueError:
            continue
        yield place, line


def _last_byte(file: IO[bytes]) -> bytes:
    file.seek(-1, os.SEEK_END)
    return file.read(1)


def to_json(artefact: object, *, indent: int | None = 2) -> bytes:
    """Return any artefact of `core.artefacts` as JSON, in one line where `indent` is None."""
    kind: Any = type(artefact)
    content: bytes = _adapter(kind).dump_json(artefact, indent=indent)
    return content


@cache
def _adapter(kind: type) -> Any:
    """Return what reads and writes a class; making one takes a millisecond, and a log has thousands of records."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def from_json(content: bytes | str, kind: type[T], *, where: str = "") -> T:
    """Read an artefact of class `kind`, validated.

    Raises
    ------
    UserError
        The content is not one: cut off, edited by hand, or of another version.
    """
    from pydantic import ValidationError

    wanted: Any = kind
    try:
        read: T = _adapter(wanted).validate_json(content)
        return read
    except ValidationError as error:
        first = error.errors()[0]
        what = f"not a readable {kind.__name__}: {'.'.join(map(str, first['loc']))} {first['msg']}"
        raise UserError(what, where=where, hint="Delete the file; Cauce makes it again.") from error


def write_artefact(path: Path, artefact: object) -> None:
    """Write an artefact as JSON, atomically."""
    write_bytes(path, to_json(artefact))


def read_artefact(path: Path, kind: type[T]) -> T | None:
    """Read an artefact, or None when the file is not there."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return from_json(content, kind, where=str(path))


def read_kept(path: Path, kind: type[T]) -> T | None:
    """Read what was kept to spare work; None too where it is cut off or of another Cauce: it is then made anew."""
    try:
        return read_artefact(path, kind)
    except UserError:
        return None


def fingerprint(*parts: object) -> str:
    """Return a SHA-256 of `parts`: artefacts by their JSON, bytes as they are, the rest by repr.

    Examples
    --------
    >>> fingerprint("a", 1) == fingerprint("a", 1) != fingerprint("a1")
    True
    """
    digest = hashlib.sha256()
    for part in parts:
        raw = part if isinstance(part, bytes) else _stable_bytes(part)
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()


def _stable_bytes(part: object) -> bytes:
    from pydantic import BaseModel

    if isinstance(part, BaseModel):
        return part.model_dump_json().encode()
    if hasattr(part, "__dataclass_fields__"):
        return to_json(part)
    return repr(part).encode()


def file_digest(path: Path) -> str:
    """Return a file's SHA-256, hexadecimal, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""CSV files that are not UTF-8: written anew as UTF-8 before anything reads them, every byte accounted for."""

from __future__ import annotations

import codecs
from pathlib import Path

from cauce.data.faults import check_unpacked, open_bytes
from cauce.data.sources.source import Asked

_PIECE = 1 << 20


def as_utf8(asked: Asked, path: Path) -> Path:
    """Return the file, or a copy of it in UTF-8 and unpacked where `encoding` names another one.

    Raises
    ------
    UserError
        A byte means nothing in that encoding; told with its place. A gzip bomb.
    """
    encoding = asked.spec.encoding
    if encoding in {None, "utf-8"}:
        return path
    check_unpacked(path, asked.at("source"))
    folder = asked.spill / "utf8"
    folder.mkdir(exist_ok=True)
    copy = folder / path.name.removesuffix(".gz")
    decoder, done = codecs.getincrementaldecoder(str(encoding))(), 0
    with open_bytes(path) as source, copy.open("w", encoding="utf-8", newline="") as sink:
        while True:
            piece = source.read(_PIECE)
            try:
                sink.write(decoder.decode(piece, final=not piece))
            except UnicodeDecodeError as error:
                what = f"byte {done + error.start} is none of {encoding}"
                hint = "Look into the file with a text editor that shows its encoding, and name that one."
                raise asked.fault(what, key="encoding", hint=hint) from error
            if not piece:
                return copy
            done += len(piece)

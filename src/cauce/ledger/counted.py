"""Counts of the ledger's rows, kept per file: a look over a long stretch reads counts and not rows.

The tables' files never change, so what was counted of one stays true as long as it is there. Counts of several files
add up. A file that was compacted or from which rows were erased is another file: it is counted anew, and what was
kept of the old one is deleted. Who counts, and in what, is the caller's affair: the ledger knows no bins.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from cauce.core.files import write_bytes
from cauce.core.names import check_name
from cauce.ledger import public
from cauce.ledger.reading import View, rows_of_file, unseen

if TYPE_CHECKING:
    import pyarrow as pa

Counts = dict[str, list[int]]
"""Column → counts of its bins."""
FOLDER = "counts"


def by_day(
    folder: Path, view: View, count: Callable[[pa.Table], Mapping[str, list[int]]], *, name: str, version: int
) -> dict[str, Counts]:
    """Return day (UTC) → counts of a release's predictions; see `Ledger.counts`."""
    kept, found = folder / FOLDER / check_name(name), dict[str, Counts]()
    wanted = {}
    for file in view.prediction_files:
        place = kept / f"{file.day}.{file.path.stem}.json"
        wanted[place.name] = place
        try:
            counted = orjson.loads(place.read_bytes())
        except (FileNotFoundError, ValueError):
            counted = dict(count(public.columns(rows_of_file(file, version))))
            write_bytes(place, orjson.dumps(counted))
        _add(found, file.day, counted)
    for path in kept.glob("*.json"):
        if path.name not in wanted:
            path.unlink(missing_ok=True)
    for day, rows in unseen(view, version).items():
        _add(found, day, dict(count(public.columns(rows))))
    return dict(sorted(found.items()))


def _add(found: dict[str, Counts], day: str, counted: Counts) -> None:
    into = found.setdefault(day, {})
    for column, counts in counted.items():
        before = into.get(column)
        into[column] = counts if before is None else [a + b for a, b in zip(before, counts, strict=True)]


def forget(folder: Path) -> None:
    """Delete all that is kept: rows were erased."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)

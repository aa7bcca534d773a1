"""Folding closed journal segments into Delta tables, each segment exactly once.

The order survives a kill or a power cut at any point: write down which segments are fold number N, commit them to the
tables with N as the application's transaction, delete the segments, delete the note. A table that has N is not written
again.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson

from cauce.core.files import disk_errors, sync_folder, write_bytes
from cauce.core.locks import hold
from cauce.ledger import delta, records, segments

BYTES_PER_FOLD = 32_000_000
TABLES: tuple[str, ...] = ("predictions", "shadow", "truths")


@dataclass(frozen=True)
class Folded:
    """What one call folded."""

    n_predictions: int = 0
    n_truths: int = 0
    n_shadows: int = 0
    n_segments: int = 0
    corrupt: tuple[segments.Corrupt, ...] = ()
    """Damaged lines, now in ``aside/``."""


def fold(folder: Path, now: datetime, *, wait_s: float = 30.0) -> Folded:
    """Fold every closed segment under `folder`, then compact; see `Ledger.fold`."""
    if not (folder / "journal").is_dir():
        return Folded()
    total = Folded()
    with hold(folder / "fold.lock", wait_s=wait_s), disk_errors(folder):
        total = fold_all(folder, now)
        if total.n_segments:
            for name in TABLES:
                delta.compact(folder / name)
            _give_memory_back()
    return total


def _give_memory_back() -> None:
    """Hand the memory that folding took back to the system: a watcher lives on for weeks after it."""
    import ctypes

    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's alone
    if trim is not None:
        trim(0)


def fold_all(folder: Path, now: datetime) -> Folded:
    """Fold every segment that is closed now; the caller holds `fold.lock`.

    Those that are closed meanwhile are left: else busy writers would keep it going for ever.
    """
    total, wanted = Folded(), set(segments.names(folder / "journal"))
    while (done := _fold_once(folder, now, wanted)).n_segments:
        total = _add(total, done)
    return total


def _fold_once(folder: Path, now: datetime, wanted: Collection[str]) -> Folded:
    journal, note = folder / "journal", folder / "folding.json"
    with ExitStack() as stack:
        for name in TABLES:
            delta.recover(folder / name)
        if note.exists():
            plan = orjson.loads(note.read_bytes())
        else:
            plan = {"fold": _last(folder) + 1, "at": now.isoformat(), "segments": _closed(journal, stack, wanted)}
            if not plan["segments"]:
                return Folded()
            write_bytes(note, orjson.dumps(plan))
        folded = _commit(folder, plan["segments"], plan["fold"])
        for name in plan["segments"]:
            (journal / name).unlink(missing_ok=True)
        sync_folder(journal)
        note.unlink()
        sync_folder(folder)
    return folded


def _closed(journal: Path, stack: ExitStack, wanted: Collection[str]) -> list[str]:
    """Return closed segments among those wanted, up to a size that fits in memory, and hold them."""
    taken: list[str] = []
    n_bytes = 0
    for name in segments.names(journal):
        if n_bytes >= BYTES_PER_FOLD:
            break
        if name not in wanted:
            continue
        if stack.enter_context(segments.held(journal / name)):
            taken.append(name)
            n_bytes += (journal / name).stat().st_size
    return taken


def _last(folder: Path) -> int:
    """Return the number of the last fold that reached any table."""
    tables = (delta.open_table(folder / name) for name in TABLES)
    return max((table.transaction_version(delta.APP) or 0 for table in tables if table is not None), default=0)


def _commit(folder: Path, names: list[str], number: int) -> Folded:
    found = [lines for name in names if (lines := segments.read(folder / "journal" / name)) is not None]
    corrupt = tuple(line for lines in found for line in lines.corrupt)
    for line in corrupt:
        write_bytes(folder / "aside" / f"{line.segment}.{line.line}", line.content + b"\n")
    content = [record for lines in found for record in lines.records]
    tables = {
        "predictions": records.predictions(content),
        "shadow": records.shadows(content),
        "truths": records.truths(content),
    }
    for name, rows in tables.items():
        if rows is not None:
            delta.append(folder / name, rows, number=number)
    n_rows = {name: rows.num_rows if rows is not None else 0 for name, rows in tables.items()}
    return Folded(n_rows["predictions"], n_rows["truths"], n_rows["shadow"], len(names), corrupt)


def _add(one: Folded, other: Folded) -> Folded:
    return Folded(
        one.n_predictions + other.n_predictions,
        one.n_truths + other.n_truths,
        one.n_shadows + other.n_shadows,
        one.n_segments + other.n_segments,
        one.corrupt + other.corrupt,
    )

"""Erasing from a ledger for good: what is about somebody, and days that are older than they may be.

The order survives a kill at any point, and the same command goes on: truths and shadows go before the predictions,
by whose content alone the ids are found; then every older file and version of the tables is deleted. Whoever erases
holds ``fold.lock``; the service goes on writing its journals, and readers whose files are gone look again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cauce.core.errors import Locked, UserError
from cauce.core.files import disk_errors, sync_folder
from cauce.core.locks import hold
from cauce.ledger import counted, delta, journal, reading, records, segments
from cauce.ledger.fold import TABLES, fold_all

if TYPE_CHECKING:
    import pyarrow as pa

CLOSE_S = 60.0
"""How long to wait for writers to close their segments; they do within a second, those of an earlier Cauce in 30."""
POLL_S = 0.05


@dataclass(frozen=True)
class About:
    """Which predictions to erase.

    Parameters
    ----------
    unit
        Those of requests about this unit.
    column, value
        Those with this value, as text, in this input column.
    key
        Secret of the hashes: a value that stands as its hash is found by it.
    """

    unit: str | None = None
    column: str | None = None
    value: str | None = None
    key: bytes = b""

    def __post_init__(self) -> None:
        """Refuse what names nothing."""
        if (self.unit is None) == (self.column is None) or (self.column is None) != (self.value is None):
            raise UserError("either a unit, or a column and its value", hint="--unit U, or --column C --value V.")

    def columns(self, names: Sequence[str]) -> dict[str, list[Any]]:
        """Return for columns with disk names the values that are meant."""
        if self.unit is not None:
            hashed = [records.keyed_hash(self.key, "unit", self.unit)] if self.key else []
            return {"unit": [self.unit, *hashed]} if "unit" in names else {}
        found = {name: records.plain_name(name) for name in names if name.startswith("in:")}
        return {name: self._values(kind) for name, (_, kind, plain) in found.items() if plain == self.column}

    def _values(self, kind: str) -> list[Any]:
        assert self.value is not None
        assert self.column is not None
        if kind == "hash":
            texts = {self.value, *(records.written(v) for k in READ for v in _read(k, self.value))}
            return [records.keyed_hash(self.key, self.column, text) for text in sorted(texts)] if self.key else []
        return _read(kind, self.value) if kind in READ else [self.value]

    def texts(self, names: Sequence[str]) -> list[bytes]:
        """Return what a damaged line about it may hold."""
        plain = self.unit if self.unit is not None else self.value
        found = {str(value) for values in self.columns(names).values() for value in values} | {str(plain)}
        return [text.encode() for text in sorted(found)]


@dataclass(frozen=True)
class Erased:
    """What was erased, or would be."""

    n_predictions: int
    n_shadows: int
    n_truths: int
    n_aside: int
    """Damaged lines that named it, deleted."""
    n_unreadable: int
    """Damaged lines that stay: nobody can say what they held."""
    n_columns: int
    """Columns that were looked at: 0 where no prediction has such a column, or a unit."""
    ids: tuple[str, ...]
    """Of the predictions."""


def find(folder: Path, about: About) -> Erased:
    """Count what `erase` would erase, journals included; nothing is written."""
    return reading.again(lambda: _find(folder, about))


def _find(folder: Path, about: About) -> Erased:
    view = reading.look(folder)
    ids = _ids(view.prediction_files, view.predictions, about)
    n_aside, n_left = _aside(folder, about, ids, delete=False)
    n_shadows = _count(view.shadow_files, view.shadows, ids)
    n_truths, n_columns = _count(view.truth_files, view.truths, ids), _n_columns(view, about)
    return Erased(len(ids), n_shadows, n_truths, n_aside, n_left, n_columns, tuple(ids))


def _n_columns(view: reading.View, about: About) -> int:
    import pyarrow.parquet as pq

    names = {name for file in view.prediction_files for name in pq.read_schema(file.path).names}
    names |= set(view.predictions.column_names) if view.predictions is not None else set()
    return len(about.columns(sorted(names)))


def erase(
    folder: Path, now: datetime, about: About, *, wait_s: float, elsewhere: Callable[[Sequence[str]], None] | None
) -> Erased:
    """Erase predictions, their shadows and truths: all that were written when this began.

    Parameters
    ----------
    wait_s
        Seconds to wait for another process that is folding.
    elsewhere
        Erases copies that are kept elsewhere, by id; called before the ids can no longer be found here.
    """
    if not folder.is_dir():
        return Erased(0, 0, 0, 0, 0, 0, ())
    close_segments(folder / "journal")
    with hold(folder / "fold.lock", wait_s=wait_s), disk_errors(folder):
        fold_all(folder, now)
        present = [name for name in TABLES if delta.begin_erasure(folder / name)]
        view = reading.look(folder)
        ids, n_columns = _ids(view.prediction_files, None, about), _n_columns(view, about)
        n_aside, n_left = _aside(folder, about, ids, delete=True)
        if elsewhere is not None:
            elsewhere(ids)
        n_rows = dict.fromkeys(TABLES, 0)
        for name in ("truths", "shadow", "predictions"):
            if name in present:
                n_rows[name] = delta.erase(folder / name, ids)
        for name in present:
            delta.purge(folder / name)
        counted.forget(folder)
    return Erased(n_rows["predictions"], n_rows["shadow"], n_rows["truths"], n_aside, n_left, n_columns, tuple(ids))


def retain(folder: Path, days: int, now: datetime, *, wait_s: float) -> int:
    """Erase days that ended more than `days` days ago; return how many rows went."""
    if not folder.is_dir():
        return 0
    first = (now - timedelta(days=days)).date().isoformat()
    n_rows = 0
    with hold(folder / "fold.lock", wait_s=wait_s), disk_errors(folder):
        for name in TABLES:
            delta.recover(folder / name)
            table = delta.open_table(folder / name)
            if table is None:
                continue
            stale = {file.day for file in delta.files(table)}
            conditions = [f"day < '{first}'"] if any(day < first for day in stale) else []
            if name == "truths" and "unknown" in stale and _oldest(folder / name, "unknown") < first:
                conditions.append(f"day = 'unknown' AND received < TIMESTAMP '{first}T00:00:00Z'")
            if conditions and delta.begin_erasure(folder / name):
                n_rows += sum(delta.erase_where(folder / name, condition) for condition in conditions)
            if (folder / name / delta.PURGING).exists():
                delta.purge(folder / name)
        if n_rows:
            counted.forget(folder)
    return n_rows


def _oldest(folder: Path, day: str) -> str:
    """Return the day on which the oldest truth in a partition came."""
    import pyarrow.compute as pc

    table = delta.open_table(folder)
    assert table is not None
    moments = [
        pc.min(delta.read(file.path, ["received"])["received"]).as_py()
        for file in delta.files(table)
        if file.day == day
    ]
    return min((moment.date().isoformat() for moment in moments if moment is not None), default="9")


def close_segments(folder: Path, *, wait_s: float = CLOSE_S) -> None:
    """Wait until every segment that is there now is closed, which its writer is asked to do.

    Raises
    ------
    Locked
        A writer keeps one open.
    """
    waiting = segments.names(folder)
    if not waiting:
        return
    with disk_errors(folder):
        journal.rotate(folder)
    deadline = time.monotonic() + wait_s
    while waiting := [name for name in waiting if not _is_closed(folder / name)]:
        if time.monotonic() >= deadline:
            hint = "Stop the service, or wait until it answers again, and give the same command."
            raise Locked("a process keeps its journal open", where=str(folder / waiting[0]), hint=hint)
        time.sleep(POLL_S)


def _is_closed(path: Path) -> bool:
    with segments.held(path) as closed:
        return closed or not path.exists()


def _ids(files: Sequence[delta.DataFile], unfolded: pa.Table | None, about: About) -> list[str]:
    import pyarrow.parquet as pq

    found: set[str] = set()
    for file in files:
        columns = about.columns(pq.read_schema(file.path).names)
        if columns:
            found.update(_matching(delta.read(file.path, ["id", *columns]), columns))
    if unfolded is not None:
        found.update(_matching(unfolded, about.columns(unfolded.column_names)))
    return sorted(found)


def _matching(rows: pa.Table, columns: dict[str, list[Any]]) -> list[str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    found: list[str] = []
    for name, values in columns.items():
        wanted = pa.array(values, rows[name].type)
        found += rows.filter(pc.is_in(rows[name], value_set=wanted, skip_nulls=True))["id"].to_pylist()
    return found


def _count(files: Sequence[delta.DataFile], unfolded: pa.Table | None, ids: Sequence[str]) -> int:
    """Return how many rows are of these ids; one that is being folded counts twice."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not ids:
        return 0
    days = {records.day_of(id_) for id_ in ids}
    parts = [delta.read(file.path, ["id"])["id"] for file in files if file.day in days]
    parts += [unfolded["id"]] if unfolded is not None else []
    wanted = pa.array(ids, pa.string())
    return sum(int(pc.sum(pc.is_in(part, value_set=wanted)).as_py() or 0) for part in parts)


def _aside(folder: Path, about: About, ids: Sequence[str], *, delete: bool) -> tuple[int, int]:
    """Delete damaged lines that name it or one of the ids; return how many those are, and how many others stay."""
    paths = sorted((folder / "aside").glob("*"))
    if not paths:
        return 0, 0
    texts = about.texts([f"in:{kind}:{about.column}" for kind in ("text", "hash", *READ)] + ["unit"])
    named = []
    for path in paths:
        content = path.read_bytes()
        if any(text in content for text in [*texts, *(id_.encode() for id_ in ids)]):
            named.append(path)
    if delete and named:
        for path in named:
            path.unlink()
        sync_folder(folder / "aside")
    return len(named), len(paths) - len(named)


def _read(kind: str, text: str) -> list[Any]:
    """Return a text as a value of a ledger type; nothing where it is none."""
    try:
        return [READ[kind](text)]
    except ValueError:
        return []


def _bool(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError(text)
    return text.lower() == "true"


def _time(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return records.microseconds(moment if moment.tzinfo else moment.replace(tzinfo=records.EPOCH.tzinfo))


READ: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "bool": _bool, "time": _time}
"""Types in the ledger that are no text → how a text is read as one."""

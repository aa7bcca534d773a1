"""Which ids were ever answered, and the last truth of each: what tells `accepted` from `duplicate` or `unknown`.

Journals not yet folded are followed in memory, by offset. For what is folded, the Parquet files of the day that an id
names are looked up; their ids are kept as sorted 16-byte arrays, the least recently used dropped first, so that memory
stays bounded however old the ledger is.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.serve import delta, records, segments

if TYPE_CHECKING:
    from deltalake import DeltaTable

Status = Literal["accepted", "duplicate", "corrected", "unknown"]
CACHE_BYTES = 64_000_000


class Truth(NamedTuple):
    """A truth as it was sent."""

    id: str
    value: str | float
    """Text for classify, a finite number for regress."""
    at: int | None = None
    """When it was true, in microseconds since the epoch."""


@dataclass
class _Segment:
    end: int = 0
    ids: set[str] = field(default_factory=set)
    truths: dict[str, tuple[int, str | float]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Truths:
    ids: npt.NDArray[np.bytes_]
    rows: Any
    """Arrow table: id, received, text, number; sorted as `ids`."""


class Known:
    """The index of one ledger. Not safe for several threads at once: the ledger holds a lock around it."""

    def __init__(self, folder: Path, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._folder = folder
        self._segments: dict[str, _Segment] = {}
        self._tables: dict[str, DeltaTable] = {}
        self._files: dict[str, tuple[int, list[delta.DataFile]]] = {}
        self._cache: OrderedDict[Path, tuple[int, Any]] = OrderedDict()
        self._cache_bytes = cache_bytes

    def judge(self, truths: Sequence[Truth], *, now: int) -> list[tuple[Status, int]]:
        """Return what each truth is, and when it counts as received: after the one before it, whatever the clock says.

        A truth earlier in the list counts for the later ones. `now` and the moments in microseconds since the epoch.
        """
        self._follow()
        ids = {truth.id for truth in truths}
        answered, last = self._answered(ids), self._last(ids)
        found: list[tuple[Status, int]] = []
        for truth in truths:
            moment, before = last.get(truth.id, (0, None))
            received = max(now, moment + 1)
            found.append((_status(truth, before, truth.id in answered), received))
            last[truth.id] = (received, truth.value)
        return found

    def _follow(self) -> None:
        """Read what journals got since the last time, and forget segments that were folded."""
        journal = self._folder / "journal"
        present = segments.names(journal)
        for name in self._segments.keys() - set(present):
            del self._segments[name]
        for name in present:
            seen = self._segments.setdefault(name, _Segment())
            lines = segments.read(journal / name, start=seen.end)
            if lines is None:
                continue
            seen.end = lines.end
            for record in lines.records:
                if record["k"] == "p":
                    seen.ids.update(record["ids"])
                else:
                    seen.truths[record["id"]] = (record["r"], record["v"])

    def _answered(self, ids: set[str]) -> set[str]:
        found = {id_ for id_ in ids if any(id_ in segment.ids for segment in self._segments.values())}
        rest = ids - found
        for file in self._candidates("predictions", rest):
            known = self._load(file, _read_ids)
            found.update(id_ for id_ in rest if _place(known, id_) is not None)
        return found

    def _last(self, ids: set[str]) -> dict[str, tuple[int, str | float]]:
        moments: dict[str, tuple[int, str | float]] = {}
        for file in self._candidates("truths", ids):
            known = self._load(file, _read_truths)
            for id_ in ids:
                _take_newest(moments, id_, _values(known, id_))
        for segment in self._segments.values():
            for id_ in ids & segment.truths.keys():
                _take_newest(moments, id_, [segment.truths[id_]])
        return moments

    def _candidates(self, name: str, ids: Iterable[str]) -> list[delta.DataFile]:
        """Return the files in which any of `ids` may stand."""
        wanted = sorted(ids)
        if not wanted:
            return []
        by_day: dict[str, list[str]] = {}
        for id_ in wanted:
            by_day.setdefault(records.day_of(id_), []).append(id_)
        return [
            file
            for file in self._current(name)
            if file.day in by_day and by_day[file.day][-1] >= file.first and by_day[file.day][0] <= file.last
        ]

    def _current(self, name: str) -> list[delta.DataFile]:
        table = self._tables.get(name) or delta.open_table(self._folder / name)
        if table is None:
            return []
        if name in self._tables:
            table.update_incremental()
        self._tables[name] = table
        version, files = self._files.get(name, (-1, []))
        if version != table.version():
            files = delta.files(table)
            self._files[name] = (table.version(), files)
        return files

    def _load(self, file: delta.DataFile, read: Any) -> Any:
        if file.path in self._cache:
            self._cache.move_to_end(file.path)
            return self._cache[file.path][1]
        content, n_bytes = read(file.path)
        self._cache[file.path] = (n_bytes, content)
        while len(self._cache) > 1 and sum(size for size, _ in self._cache.values()) > self._cache_bytes:
            self._cache.popitem(last=False)
        return content


def _status(truth: Truth, before: str | float | None, answered: bool) -> Status:
    if not answered:
        return "unknown"
    if before is None:
        return "accepted"
    return "duplicate" if before == truth.value else "corrected"


def _take_newest(
    moments: dict[str, tuple[int, str | float]], id_: str, found: Iterable[tuple[int, str | float]]
) -> None:
    for moment, value in found:
        if id_ not in moments or moment >= moments[id_][0]:
            moments[id_] = (moment, value)


def _key(id_: str) -> bytes:
    """Return an id as 16 bytes; what is no UUID becomes its hash."""
    try:
        return uuid.UUID(id_).bytes
    except ValueError:
        return uuid.uuid5(uuid.NAMESPACE_OID, id_).bytes


def _place(known: npt.NDArray[np.bytes_], id_: str) -> int | None:
    key = np.bytes_(_key(id_))
    place = int(np.searchsorted(known, key))
    return place if place < len(known) and known[place] == key else None


def _keys(ids: Sequence[str]) -> npt.NDArray[np.bytes_]:
    return np.frombuffer(b"".join(_key(id_) for id_ in ids), dtype="S16") if ids else np.empty(0, dtype="S16")


def _read_ids(path: Path) -> tuple[npt.NDArray[np.bytes_], int]:
    import pyarrow.parquet as pq

    keys = np.sort(_keys(pq.read_table(path, columns=["id"], partitioning=None)["id"].to_pylist()))
    return keys, keys.nbytes


def _read_truths(path: Path) -> tuple[_Truths, int]:
    import pyarrow.parquet as pq

    rows = pq.read_table(path, columns=["id", "received", "text", "number"], partitioning=None)
    keys = _keys(rows["id"].to_pylist())
    order = np.argsort(keys, kind="stable")
    rows = rows.take(order).combine_chunks()
    return _Truths(keys[order], rows), keys.nbytes + rows.nbytes


def _values(known: _Truths, id_: str) -> list[tuple[int, str | float]]:
    place = _place(known.ids, id_)
    found: list[tuple[int, str | float]] = []
    while place is not None and place < len(known.ids) and known.ids[place] == np.bytes_(_key(id_)):
        row = known.rows.slice(place, 1).to_pylist()[0]
        value = row["text"] if row["text"] is not None else row["number"]
        found.append((records.microseconds(row["received"]), value))
        place += 1
    return found

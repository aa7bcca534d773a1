"""Which ids were ever answered, and the last truth of each: what tells `accepted` from `duplicate` or `unknown`.

Journals not yet folded are followed in memory, by offset. For what is folded, the Parquet files of the day that an id
names are looked up; their ids are kept as sorted 16-byte arrays, the least recently used dropped first, so that memory
stays bounded however old the ledger is.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.ledger import delta, reading, records, segments

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
    received: npt.NDArray[np.int64]
    """Microseconds since the epoch, in the order of `ids`."""
    rows: Any
    """Arrow table: text, number; in the order of `ids`."""

    def values(self, place: int) -> Iterator[tuple[int, str | float]]:
        """Yield all truths of the id at `place`, its first one."""
        key = self.ids[place]
        while place < len(self.ids) and self.ids[place] == key:
            text = self.rows["text"][place].as_py()
            yield int(self.received[place]), text if text is not None else self.rows["number"][place].as_py()
            place += 1


class Known:
    """The index of one ledger. Not safe for several threads at once: the ledger holds a lock around it."""

    def __init__(self, folder: Path, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._folder = folder
        self._segments: dict[str, _Segment] = {}
        self._files: dict[str, tuple[int, list[delta.DataFile]]] = {}
        self._cache: OrderedDict[Path, tuple[int, Any]] = OrderedDict()
        self._cache_bytes = cache_bytes

    def judge(self, truths: Sequence[Truth], *, now: int) -> list[tuple[Status, int]]:
        """Return what each truth is, and when it counts as received: after the one before it, whatever the clock says.

        A truth earlier in the list counts for the later ones. `now` and the moments in microseconds since the epoch.
        """
        ids = {truth.id for truth in truths}
        answered, last = reading.again(lambda: self._looked_up(ids))
        found: list[tuple[Status, int]] = []
        for truth in truths:
            moment, before = last.get(truth.id, (0, None))
            received = max(now, moment + 1)
            found.append((_status(truth, before, truth.id in answered), received))
            last[truth.id] = (received, truth.value)
        return found

    def _looked_up(self, ids: set[str]) -> tuple[set[str], dict[str, tuple[int, str | float]]]:
        # Journals first: a segment that is folded in between is then seen twice, never missed.
        self._follow()
        return self._answered(ids), self._last(ids)

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
                if records.is_answer(record):
                    seen.ids.update(record["ids"])
                elif record["k"] == "t":
                    seen.truths[record["id"]] = (record["r"], record["v"])

    def _answered(self, ids: set[str]) -> set[str]:
        found = {id_ for id_ in ids if any(id_ in segment.ids for segment in self._segments.values())}
        rest = sorted(ids - found)
        keys = np.asarray([_key(id_) for id_ in rest], dtype="S16")
        for file in self._candidates("predictions", rest):
            places = _places(self._load(file, _read_ids), keys)
            found.update(rest[position] for position in np.flatnonzero(places >= 0))
        return found

    def _last(self, ids: set[str]) -> dict[str, tuple[int, str | float]]:
        moments: dict[str, tuple[int, str | float]] = {}
        wanted = sorted(ids)
        keys = np.asarray([_key(id_) for id_ in wanted], dtype="S16")
        for file in self._candidates("truths", wanted):
            known: _Truths = self._load(file, _read_truths)
            places = _places(known.ids, keys)
            for position in np.flatnonzero(places >= 0):
                _take_newest(moments, wanted[position], known.values(int(places[position])))
        for segment in self._segments.values():
            for id_ in ids & segment.truths.keys():
                _take_newest(moments, id_, [segment.truths[id_]])
        return moments

    def _candidates(self, name: str, wanted: Sequence[str]) -> list[delta.DataFile]:
        """Return the files in which any of the ids `wanted`, sorted, may stand."""
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
        version, files = self._files.get(name, (-2, []))
        newest = delta.acknowledged(self._folder / name)
        if newest is not None and newest == version:
            return files
        table = delta.open_table(self._folder / name)
        if table is None:
            return []
        files = delta.files(table)
        self._files[name] = (table.version(), files)
        for path in self._cache.keys() - {file.path for _, found in self._files.values() for file in found}:
            del self._cache[path]
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
    """Return an id as 16 bytes; what is not a UUID as we write them becomes its hash."""
    try:
        found = uuid.UUID(id_)
    except ValueError:
        return uuid.uuid5(uuid.NAMESPACE_OID, id_).bytes
    return found.bytes if str(found) == id_ else uuid.uuid5(uuid.NAMESPACE_OID, id_).bytes


def _keys(ids: Sequence[str]) -> npt.NDArray[np.bytes_]:
    """Return the keys of the ids in a file: ours, all of one shape, are read at once."""
    joined = "".join(ids)
    if len(joined) == 36 * len(ids) and joined.count("-") == 4 * len(ids) and joined == joined.lower():
        try:
            content = bytes.fromhex(joined.replace("-", ""))
        except ValueError:
            content = b""
        if len(content) == 16 * len(ids):
            return np.frombuffer(content, dtype="S16")
    return np.asarray([_key(id_) for id_ in ids], dtype="S16")


def _places(known: npt.NDArray[np.bytes_], keys: npt.NDArray[np.bytes_]) -> npt.NDArray[np.int64]:
    """Return where each key stands first in the sorted `known`, −1 where it does not; shape (n_keys,)."""
    if not len(known):
        return np.full(len(keys), -1, dtype=np.int64)
    places = np.searchsorted(known, keys)
    inside = np.minimum(places, len(known) - 1)
    return np.where(known[inside] == keys, inside, -1).astype(np.int64)


def _read_ids(path: Path) -> tuple[npt.NDArray[np.bytes_], int]:
    keys = np.sort(_keys(delta.read(path, ["id"])["id"].to_pylist()))
    return keys, keys.nbytes


def _read_truths(path: Path) -> tuple[_Truths, int]:
    import pyarrow as pa

    rows = delta.read(path, ["id", "received", "text", "number"])
    keys = _keys(rows["id"].to_pylist())
    order = np.argsort(keys, kind="stable")
    rows = rows.take(order).combine_chunks()
    # A file's times may be nanoseconds or microseconds; ours are microseconds.
    received = rows["received"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    kept = rows.select(["text", "number"])
    return _Truths(keys[order], received, kept), keys.nbytes + received.nbytes + kept.nbytes

"""Which ids were ever answered, and the last truth of each: what tells `accepted` from `duplicate` or `unknown`.

Journals not yet folded are followed in memory, by offset. For what is folded, the Parquet files of the day that an id
names are looked up, the least recently used dropped first, so that memory stays bounded however old the ledger is.
Ids of both are kept as sorted arrays of 16 bytes an id: a text in a set takes eight times as much.
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
LATEST = 1_000
"""Ids of a segment that stay texts until they are so many."""
Keys = npt.NDArray[np.bytes_]
"""Ids as 16 bytes, shape (n,)."""


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
    latest: set[str] = field(default_factory=set)
    keys: Keys = field(default_factory=lambda: np.empty(0, dtype="S16"))
    """Of all ids before those, sorted."""
    truths: dict[str, tuple[int, str | float]] = field(default_factory=dict)

    def add(self, ids: Sequence[str]) -> None:
        self.latest.update(ids)
        if len(self.latest) >= LATEST:
            keys = np.sort(_keys(list(self.latest)))
            self.keys = np.insert(self.keys, np.searchsorted(self.keys, keys), keys)
            self.latest = set()

    def has(self, id_: str, key: bytes) -> bool:
        if id_ in self.latest:
            return True
        key = key.rstrip(b"\0")  # as numpy gives them back
        # Ids are in the order of time, so that most segments are passed over here.
        if not len(self.keys) or not self.keys[0] <= key <= self.keys[-1]:
            return False
        return bool(self.keys[np.searchsorted(self.keys, key)] == key)


@dataclass(frozen=True, eq=False)
class _Truths:
    ids: Keys
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
                    seen.add(record["ids"])
                elif record["k"] == "t":
                    seen.truths[record["id"]] = (record["r"], record["v"])

    def _answered(self, ids: set[str]) -> set[str]:
        keys_of = {id_: _key(id_) for id_ in ids}
        found = {id_ for id_, key in keys_of.items() if any(one.has(id_, key) for one in self._segments.values())}
        rest = sorted(ids - found)
        keys = np.asarray([keys_of[id_] for id_ in rest], dtype="S16")
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


def _keys(ids: Sequence[str]) -> Keys:
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


def _places(known: Keys, keys: Keys) -> npt.NDArray[np.int64]:
    """Return where each key stands first in the sorted `known`, −1 where it does not; shape (n_keys,)."""
    if not len(known):
        return np.full(len(keys), -1, dtype=np.int64)
    places = np.searchsorted(known, keys)
    inside = np.minimum(places, len(known) - 1)
    return np.where(known[inside] == keys, inside, -1).astype(np.int64)


def _keys_in(path: Path) -> Keys:
    """Return the keys of a file's ids, in its order; in parts, since a file holds a whole day, and a text is large."""
    return np.concatenate([np.empty(0, dtype="S16"), *(_keys(ids) for ids in delta.ids(path))])


def _read_ids(path: Path) -> tuple[Keys, int]:
    keys = _keys_in(path)
    keys.sort()
    return keys, keys.nbytes


def _read_truths(path: Path) -> tuple[_Truths, int]:
    import pyarrow as pa

    keys = _keys_in(path)
    order = np.argsort(keys, kind="stable")
    rows = delta.read(path, ["received", "text", "number"]).take(order).combine_chunks()
    # A file's times may be nanoseconds or microseconds; ours are microseconds.
    received = rows["received"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    kept = rows.select(["text", "number"])
    return _Truths(keys[order], received, kept), keys.nbytes + received.nbytes + kept.nbytes

"""Reading the ledger: Delta tables and the journals not yet folded, together, so that nothing is invisible.

Journals are read before the tables: a segment that is folded in between is then read twice and told apart by its ids,
never missed. Nothing is written, so any process may read while the service writes. Where rows are erased under a
reader, so that a file it was about to read is gone, it looks again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from cauce.core.names import uuid7
from cauce.core.views import Traffic
from cauce.ledger import delta, public, records, segments

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
MINUTES = 60
LOOKS = 20
"""Times that a reader looks again before it believes that a file is missing."""


@dataclass(frozen=True, eq=False)
class View:
    """The ledger at one moment."""

    predictions: pa.Table | None
    """Predictions in journals, disk names."""
    truths: pa.Table | None
    prediction_files: list[delta.DataFile]
    """Newest ids first."""
    truth_files: list[delta.DataFile]
    shadows: pa.Table | None = None
    """What challengers in shadow said, in journals, disk names."""
    shadow_files: Sequence[delta.DataFile] = ()


def again(read: Callable[[], T]) -> T:
    """Return what `read` gives, called again where files were erased while it was reading."""
    for _ in range(LOOKS):
        try:
            return read()
        except Exception as error:  # deltalake is not imported here, and its errors are asked about
            if not delta.gone(error):
                raise
    return read()


def look(folder: Path) -> View:
    """Read the journals, then list the tables' files."""
    content = unfolded(folder)
    return View(
        records.predictions(content),
        records.truths(content),
        _files(folder / "predictions"),
        _files(folder / "truths"),
        records.shadows(content),
        _files(folder / "shadow"),
    )


def unfolded(folder: Path) -> list[dict[str, Any]]:
    """Return all records of the segments not yet deleted."""
    found = (segments.read(folder / "journal" / name) for name in segments.names(folder / "journal"))
    return [record for lines in found if lines is not None for record in lines.records]


def _files(folder: Path) -> list[delta.DataFile]:
    table = delta.open_table(folder)
    return delta.files(table) if table is not None else []


def window(view: View, n: int, before: datetime | None = None) -> pa.Table:
    """Return the newest `n` predictions, of those made before `before` where it is given, oldest first."""
    chosen, cutoff = newest_files(view, n, id_at(before) if before is not None else None)
    rows = prediction_rows(view, chosen, cutoff)
    if before is not None and rows is not None:
        rows = _until(rows, id_at(before))
    rows = rows.slice(max(0, rows.num_rows - n)) if rows is not None else None
    if rows is None or not rows.num_rows:
        return public.empty()
    days = set(rows["day"].unique().to_pylist())
    return public.table(rows, last_truths(view, lambda file: file.day in days))


def since(view: View, id_: str, most: int | None) -> pa.Table:
    """Return the predictions with ids above `id_`, oldest first; see `Ledger.since`."""
    import pyarrow.compute as pc

    rows = prediction_rows(view, [file for file in view.prediction_files if file.last > id_], id_)
    rows = rows.filter(pc.greater(rows["id"], id_)) if rows is not None else None
    if rows is None or not rows.num_rows:
        return public.empty()
    return public.table(rows.slice(0, most) if most is not None else rows, None)


def inputs(view: View, columns: Sequence[str], after: datetime | None, version: int | None) -> pa.Table:
    """Return some columns of all predictions, in no order; see `Ledger.inputs`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    low = id_at(after) if after is not None else ""
    parts = []
    for file in view.prediction_files:
        if file.last >= low:
            wanted = [*_named(delta.columns(file.path), columns), "version"]
            parts.append(delta.read(file.path, wanted, low=low if low > file.first else ""))
    fresh = _fresh(view)
    if fresh is not None:
        fresh = fresh.filter(pc.greater_equal(fresh["id"], low))
        parts.append(fresh.select([*_named(fresh.column_names, columns), "version"]))
    if not parts:
        return pa.table({})
    rows = pa.concat_tables(parts, promote_options="default")
    if version is not None:
        rows = rows.filter(pc.equal(rows["version"], version))
    return public.columns(rows)


def _fresh(view: View) -> pa.Table | None:
    """Return the journals' predictions without those that were folded while we looked."""
    import pyarrow.compute as pc

    fresh = view.predictions
    if fresh is None or not fresh.num_rows:
        return fresh
    first = pc.min(fresh["id"]).as_py()
    for file in view.prediction_files:
        if file.last >= first:
            ids = delta.read(file.path, ["id"])["id"].combine_chunks()
            fresh = fresh.filter(pc.invert(pc.is_in(fresh["id"], value_set=ids)))
    return fresh


def rows_of_file(file: delta.DataFile, version: int) -> pa.Table:
    """Return a file's predictions of a release, with disk names."""
    import pyarrow.compute as pc

    rows = delta.read(file.path)
    return rows.filter(pc.equal(rows["version"], version))


def unseen(view: View, version: int) -> dict[str, pa.Table]:
    """Return day → a release's predictions that no file holds yet, with disk names."""
    import pyarrow.compute as pc

    fresh = _fresh(view)
    if fresh is None or not fresh.num_rows:
        return {}
    fresh = fresh.filter(pc.equal(fresh["version"], version))
    return {day: fresh.filter(pc.equal(fresh["day"], day)) for day in fresh["day"].unique().to_pylist()}


def _named(written: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return the disk names, of inputs and outputs, that hold the columns with plain names."""
    found = []
    for name in written:
        if name.startswith(("in:", "out:")) and not name.startswith("in:hash:"):
            side, _, plain = records.plain_name(name)
            if plain in wanted and (side == "in" or plain == "prediction"):
                found.append(name)
    return found


def _until(rows: pa.Table, high: str) -> pa.Table:
    import pyarrow.compute as pc

    return rows.filter(pc.less(rows["id"], high))


def newest_files(view: View, n: int, high: str | None = None) -> tuple[list[delta.DataFile], str]:
    """Return the files that hold the newest `n` ids, of those below `high`, and the smallest of those ids."""
    chosen: list[delta.DataFile] = []
    ids = np.asarray(view.predictions["id"].to_pylist() if view.predictions is not None else [], dtype="S36")
    ids = ids[ids < high.encode()] if high is not None else ids
    cutoff = ""
    for file in view.prediction_files:
        if high is not None and file.first >= high:
            continue
        if len(ids) >= n and file.last < cutoff:
            break
        chosen.append(file)
        found = np.asarray(read_files([file], ["id"])["id"].to_pylist(), dtype="S36")
        ids = np.unique(np.concatenate([ids, found[found < high.encode()] if high is not None else found]))[-n:]
        cutoff = ids[0].decode() if len(ids) >= n else ""
    return chosen, cutoff


def labelled(view: View, after: datetime | None, *, whole: bool = False) -> pa.Table:
    """Return every prediction made after `after` whose truth came, oldest first; see `Ledger.labelled`."""
    truths = _truths_after(view, after)
    rows = _with_truth(view, truths, after) if truths is not None else None
    rows = _whole(rows) if whole and rows is not None else rows
    return public.table(rows, truths) if rows is not None and rows.num_rows else public.empty()


def _whole(rows: pa.Table) -> pa.Table:
    """Return the rows, with disk names, none of whose inputs were kept out of the ledger."""
    import pyarrow.compute as pc

    return rows.filter(pc.is_null(rows["withheld"])) if "withheld" in rows.column_names else rows


def paired(view: View, after: datetime | None) -> pa.Table:
    """Return the predictions made after `after` that a challenger made too, oldest first; see `Ledger.paired`."""
    low = id_at(after) if after is not None else ""
    shadows = _once([file for file in view.shadow_files if file.last >= low], view.shadows, low)
    if shadows is None or not shadows.num_rows:
        return public.empty()
    rows = _with_truth(view, shadows, after)
    if rows is None or not rows.num_rows:
        return public.empty()
    return public.beside(public.table(rows, _truths_after(view, after)), shadows)


def unknown_truths(view: View, n: int) -> pa.Table:
    """Return the newest `n` truths whose id no prediction here had when they came, oldest first."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = [read_files(view.truth_files, None)] if view.truth_files else []
    parts += [view.truths] if view.truths is not None else []
    if not parts:
        return public.no_truths()
    rows = pa.concat_tables(parts, promote_options="default")
    rows = rows.filter(pc.equal(rows["status"], "unknown")).sort_by("received")
    numbered = rows.select(["id", "received"]).append_column("row", pa.array(np.arange(rows.num_rows)))
    once = numbered.group_by(["id", "received"]).aggregate([("row", "min")])["row_min"].combine_chunks().sort()
    return public.truths(rows.take(once)).slice(max(0, len(once) - n))


def n_labelled(view: View, after: datetime) -> int:
    """Count what `labelled` returns, reading ids and times alone."""
    truths = _truths_after(view, after)
    rows = _with_truth(view, truths, after, ["id", "at"]) if truths is not None else None
    return rows.num_rows if rows is not None else 0


def _truths_after(view: View, after: datetime | None) -> pa.Table | None:
    low = id_at(after) if after is not None else ""
    return last_truths(view, lambda file: file.last >= low)


def _with_truth(
    view: View, truths: pa.Table, after: datetime | None, columns: list[str] | None = None
) -> pa.Table | None:
    """Return the predictions made after `after` that `truths` speaks of, sorted by id."""
    import pyarrow.compute as pc

    low = id_at(after) if after is not None else ""
    oldest, newest = pc.min(truths["id"]).as_py(), pc.max(truths["id"]).as_py()
    chosen = [file for file in view.prediction_files if file.last >= max(low, oldest) and file.first <= newest]
    rows = prediction_rows(view, chosen, low, columns)
    if rows is None:
        return None
    wanted = pc.is_in(rows["id"], value_set=truths["id"].combine_chunks())
    if after is not None:
        wanted = pc.and_(wanted, pc.greater(rows["at"], after))
    return rows.filter(wanted)


def prediction_rows(
    view: View, chosen: Sequence[delta.DataFile], low: str, columns: list[str] | None = None
) -> pa.Table | None:
    """Return predictions of the files and of the journals, each once, sorted by id."""
    return _once(chosen, view.predictions, low, columns)


def _once(
    chosen: Sequence[delta.DataFile], unfolded: pa.Table | None, low: str, columns: list[str] | None = None
) -> pa.Table | None:
    """Return the rows of files and of journals with ids from `low` on, each once, sorted by id."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = [read_files(chosen, columns, low)] if chosen else []
    if unfolded is not None:
        fresh = unfolded.select(columns) if columns is not None else unfolded
        fresh = fresh.filter(pc.greater_equal(fresh["id"], low))
        if parts:
            fresh = fresh.filter(pc.invert(pc.is_in(fresh["id"], value_set=parts[0]["id"].combine_chunks())))
        parts.append(fresh)
    if not parts:
        return None
    return pa.concat_tables(parts, promote_options="default").sort_by("id")


def last_truths(view: View, wanted: Callable[[delta.DataFile], bool]) -> pa.Table | None:
    """Return the last truth of each id."""
    import pyarrow as pa

    chosen = [file for file in view.truth_files if wanted(file)]
    parts = [read_files(chosen, None)] if chosen else []
    if view.truths is not None:
        parts.append(view.truths)
    if not parts:
        return None
    rows = pa.concat_tables(parts, promote_options="default").sort_by("received")
    numbered = rows.select(["id"]).append_column("row", pa.array(np.arange(rows.num_rows)))
    last = numbered.group_by("id").aggregate([("row", "max")])
    return rows.take(last["row_max"].combine_chunks())


def read_files(chosen: Iterable[delta.DataFile], columns: list[str] | None, low: str = "") -> pa.Table:
    """Return the rows with ids from `low` on; the day stands in the file's path, so it is added."""
    import pyarrow as pa

    parts = []
    for file in chosen:
        part = delta.read(file.path, columns, low=low if low > file.first else "")
        parts.append(part.append_column("day", pa.repeat(pa.scalar(file.day), part.num_rows)))
    return pa.concat_tables(parts, promote_options="default")


def id_at(moment: datetime) -> str:
    """Return the smallest id that may have been made at `moment`."""
    return uuid7(records.microseconds(moment) // 1000)[:13]


def traffic(view: View, now: datetime) -> Traffic:
    """Return what was answered over the whole ledger; the minutes are those before `now`."""
    begin = now - timedelta(minutes=MINUTES)
    fresh = view.predictions["id"].to_pylist() if view.predictions is not None else []
    low = min([id_at(begin), *fresh])
    recent = [file for file in view.prediction_files if file.last >= low]
    folded = set(read_files(recent, ["id"], low)["id"].to_pylist()) if recent else set()
    unseen = set(fresh) - folded
    ends = [id_ for file in view.prediction_files for id_ in (file.first, file.last)] + list(unseen)
    moments = [moment for id_ in ends if (moment := records.milliseconds_of(id_)) is not None]
    return Traffic(
        n_predictions=sum(file.n_rows for file in view.prediction_files) + len(unseen),
        n_truths=_n_ids(view, "accepted"),
        n_unknown_truths=_n_ids(view, "unknown"),
        first=records.EPOCH + timedelta(milliseconds=min(moments)) if moments else None,
        last=records.EPOCH + timedelta(milliseconds=max(moments)) if moments else None,
        per_minute=_per_minute(folded | unseen, begin),
    )


def _n_ids(view: View, status: str) -> int:
    """Return how many ids have a truth of this status. A first one is `accepted`, later ones are `corrected`."""
    folded = _of_status(read_files(view.truth_files, ["id", "status"]), status) if view.truth_files else None
    fresh = _of_status(view.truths, status) if view.truths is not None else None
    if status == "unknown":  # whatever comes again for an unknown id is unknown too
        return len({id_ for ids in (folded, fresh) if ids is not None for id_ in ids.to_pylist()})
    if folded is None or fresh is None:
        return len(folded or fresh or ())
    return len(set(fresh.to_pylist()) - set(_among(folded, fresh))) + len(folded)


def _of_status(truths: pa.Table, status: str) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return truths.filter(pc.equal(truths["status"], status))["id"]


def _among(ids: pa.ChunkedArray, wanted: pa.ChunkedArray) -> list[str]:
    import pyarrow.compute as pc

    found: list[str] = ids.filter(pc.is_in(ids, value_set=wanted.combine_chunks())).to_pylist()
    return found


def _per_minute(ids: Iterable[str], begin: datetime) -> tuple[int, ...]:
    start = records.microseconds(begin) // 1000
    moments = [moment for id_ in ids if (moment := records.milliseconds_of(id_)) is not None]
    minutes = (np.asarray(moments, dtype=np.int64) - start) // 60_000
    inside = minutes[(minutes >= 0) & (minutes < MINUTES)]
    return tuple(int(n) for n in np.bincount(inside, minlength=MINUTES))

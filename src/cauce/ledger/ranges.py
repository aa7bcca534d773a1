"""Predictions of a stretch of time, one by its id, what the newest waited for: from the files that may hold them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cauce.ledger import public
from cauce.ledger.reading import View, _id_at, _last_truths, _newest, _predictions, _read, again, look

if TYPE_CHECKING:
    import pyarrow as pa


def between(folder: Path, start: datetime, end: datetime) -> pa.Table:
    """Return the predictions made from `start` on and before `end`, oldest first; columns as `Ledger.window`.

    Parameters
    ----------
    folder
        The ledger's.
    start, end
        With a zone.
    """
    return again(lambda: _between(look(folder), start, end))


def _between(view: View, start: datetime, end: datetime) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    low, high = _id_at(start), _id_at(end)
    chosen = [file for file in view.prediction_files if file.last >= low and file.first <= high + "~"]
    rows = _predictions(view, chosen, low)
    if rows is None:
        return public.empty()
    first, last = (pa.scalar(moment, pa.timestamp("us", "UTC")) for moment in (start, end))
    rows = rows.filter(pc.and_(pc.greater_equal(rows["at"], first), pc.less(rows["at"], last)))
    if not rows.num_rows:
        return public.empty()
    return public.table(rows, _last_truths(view, lambda file: file.last >= low))


def prediction(folder: Path, id_: str) -> pa.Table:
    """Return one prediction by its id: one row, or none; columns as `Ledger.window`."""
    return again(lambda: _prediction(look(folder), id_))


def _prediction(view: View, id_: str) -> pa.Table:
    import pyarrow.compute as pc

    chosen = [file for file in view.prediction_files if file.first <= id_ <= file.last]
    rows = _predictions(view, chosen, "")
    rows = rows.filter(pc.equal(rows["id"], id_)) if rows is not None else None
    if rows is None or not rows.num_rows:
        return public.empty()
    return public.table(rows, _last_truths(view, lambda file: file.first <= id_ <= file.last))


def arrivals(folder: Path, n: int) -> pa.Table:
    """Return of the newest `n` predictions, oldest first, what they waited for; see `Ledger.arrivals`."""
    return again(lambda: _arrivals(look(folder), n))


def _arrivals(view: View, n: int) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    chosen, cutoff = _newest(view, n)
    rows = _predictions(view, chosen, cutoff, ["id", "at", "version"])
    rows = rows.slice(max(0, rows.num_rows - n)) if rows is not None else None
    utc = pa.timestamp("us", "UTC")
    if rows is None or not rows.num_rows:
        columns = {"id": pa.string(), "at": utc, "version": pa.int64(), "received": utc}
        return pa.schema(columns).empty_table()
    rows = rows.select(["id", "at", "version"])
    oldest = rows["id"][0].as_py()
    files = [file for file in view.truth_files if file.last >= oldest]
    parts = [_read(files, ["id", "received"])] if files else []
    parts += [view.truths.select(["id", "received"])] if view.truths is not None else []
    if not parts:
        return rows.append_column("received", pa.nulls(rows.num_rows, utc))
    truths = pa.concat_tables([part.select(["id", "received"]) for part in parts], promote_options="default")
    first = truths.group_by("id").aggregate([("received", "min")])
    place = pc.index_in(rows["id"], value_set=first["id"].combine_chunks())
    return rows.append_column("received", first["received_min"].take(place))

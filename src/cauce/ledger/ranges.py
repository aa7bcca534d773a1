"""Predictions of a stretch of time, and one by its id: only the files that may hold them are read."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cauce.ledger import public
from cauce.ledger.reading import View, _id_at, _last_truths, _predictions, again, look

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

"""How many rows come, by time and by frequent value: the running state that tells missing rows from other rows.

Counted in buckets of an hour, which become six hours and a day as history grows, so that the state stays small: at most
512 buckets. Rows of every release count: what comes does not depend on who answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cauce.core.files import write_bytes
from cauce.watch.drift.counts import Counts
from cauce.watch.window import OUTPUT

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.profile import Bins

Value = tuple[str, str]
"""Column, and one of its values as text."""
WIDTHS = (3_600, 21_600, 86_400)
"""Seconds of a bucket; each divides a day."""
N_BUCKETS = 512
BUSY = 100
"""Mean rows from which a bucket of six hours is not widened: then the oldest ones are let go, after 128 days."""
FREQUENT = 0.05
"""Share at training from which a value is counted."""
MOST_VALUES = 100
"""Values that are counted anew for a release, the most frequent first."""
FORMAT = 1


@dataclass(frozen=True, eq=False)
class Flow:
    """Rows in each bucket, the oldest first."""

    cursor: str = ""
    """Id of the newest row that was counted."""
    width: int = WIDTHS[0]
    first: int = 0
    """Number of the first bucket since the epoch."""
    total: Counts = field(default_factory=lambda: np.empty(0, np.int64))
    """Rows, shape (n_buckets,)."""
    values: Mapping[Value, Counts] = field(default_factory=dict)
    """Rows of a value in the newest buckets: as many as have been counted since it became frequent."""


def frequent(bins: Bins, reference: Mapping[str, Counts]) -> tuple[Value, ...]:
    """Return the values that were frequent at training, the most frequent first.

    Categories, booleans and small whole numbers: other columns are cut into ranges, elsewhere by each release.
    """
    found = [
        (-n / max(1, reference[name].sum()), (name, value))
        for name, column in bins.columns.items()
        if name != OUTPUT and name in reference
        for n, value in zip(reference[name], column.values, strict=False)
    ]
    return tuple(value for share, value in sorted(found)[:MOST_VALUES] if -share >= FREQUENT)


def counted(flow: Flow, rows: pa.Table, bins: Bins, reference: Mapping[str, Counts]) -> Flow:
    """Return the flow with more rows in it.

    Parameters
    ----------
    rows
        That came since, with ``at`` and ``id``, in order of their ids. Of a column that they lack (kept out of the
        ledger) nothing is known until it comes again.
    reference
        Counts of training in `bins`: say what is frequent.
    """
    import pyarrow as pa

    from cauce.profile import Bins

    if not rows.num_rows:
        return flow
    micros = rows["at"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    moments, before = micros // (flow.width * 1_000_000), len(flow.total)
    first = flow.first if before else int(moments.min())
    size, fits = max(before, int(moments.max()) - first + 1), moments >= first
    at = moments[fits] - first
    wanted = dict.fromkeys((*flow.values, *frequent(bins, reference)))
    names = {column for column, _ in wanted}
    present = {name: each for name, each in bins.columns.items() if name in names and name in rows.column_names}
    places = {name: each[fits] for name, each in Bins(present).places(rows).items()}
    values: dict[Value, Counts] = {}
    for column, value in wanted:
        if column not in present or value not in present[column].values:
            continue  # gone from the bins, or hidden: begins anew
        came = np.bincount(at[places[column] == present[column].values.index(value)], minlength=size)
        old = flow.values.get((column, value), flow.total[:0])  # a new one begins after the bucket that is open
        values[column, value] = _longer(old, size - before) + came[before - len(old) :]
    total = _longer(flow.total, size - before) + np.bincount(at, minlength=size)
    return _shorter(Flow(str(rows["id"][rows.num_rows - 1].as_py()), flow.width, first, total, values))


def _longer(counts: Counts, more: int) -> Counts:
    return np.concatenate([counts, np.zeros(more, np.int64)])


def _shorter(flow: Flow) -> Flow:
    """Widen the buckets, or let go of the oldest, until there are no more than may be."""
    while (n := len(flow.total)) > N_BUCKETS:
        place = WIDTHS.index(flow.width)
        if flow.width == WIDTHS[-1] or (place and flow.total.mean() >= BUSY):
            kept = {value: counts[-N_BUCKETS:] for value, counts in flow.values.items()}
            return replace(flow, first=flow.first + n - N_BUCKETS, total=flow.total[-N_BUCKETS:], values=kept)
        width, end = WIDTHS[place + 1], flow.first + n
        factor = width // flow.width
        merged = {value: _merged(counts, end, factor) for value, counts in flow.values.items()}
        flow = Flow(flow.cursor, width, flow.first // factor, _merged(flow.total, end, factor), merged)
    return flow


def _merged(counts: Counts, end: int, factor: int) -> Counts:
    """Add buckets up by `factor`; `end` is the number of the one after the last."""
    padded = np.pad(counts, ((end - len(counts)) % factor, -end % factor))
    return np.asarray(padded.reshape(-1, factor).sum(axis=1), np.int64)


def save(flow: Flow, path: Path) -> None:
    """Write the state into one file, atomically."""
    values = [[*value, counts.tolist()] for value, counts in flow.values.items()]
    plain = {"format": FORMAT, "cursor": flow.cursor, "width": flow.width, "first": flow.first}
    write_bytes(path, json.dumps(plain | {"total": flow.total.tolist(), "values": values}).encode())


def load(path: Path) -> Flow | None:
    """Read what `save` wrote; None where there is nothing of this format."""
    try:
        plain = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    if plain.get("format") != FORMAT:
        return None
    values = {(column, value): np.asarray(counts, np.int64) for column, value, counts in plain["values"]}
    return Flow(plain["cursor"], plain["width"], plain["first"], np.asarray(plain["total"], np.int64), values)

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
"""Column, and the label of one of its bins."""
WIDTHS = (3_600, 21_600, 86_400)
"""Seconds of a bucket; each divides a day."""
N_BUCKETS = 512
BUSY = 100
"""Mean rows from which a bucket of six hours is not widened: then the oldest ones are let go, after 128 days."""
FREQUENT = 0.05
"""Share at training from which a value is counted."""
MOST_VALUES = 100
"""Values that are counted anew for a release, the most frequent first."""
COUNTED = frozenset({"category", "boolean", "integer", "number"})
UNKNOWN = -1
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
    """Rows of a value, shape (n_buckets,); `UNKNOWN` in the first buckets, before anybody counted them."""


def frequent(bins: Bins, reference: Mapping[str, Counts]) -> dict[Value, int]:
    """Return the values that were frequent at training, and their bin's place; ranges of numbers are values too."""
    found: list[tuple[float, Value, int]] = []
    for name, column in bins.columns.items():
        if column.kind not in COUNTED or name == OUTPUT or name not in reference:
            continue
        shares = reference[name] / max(1, reference[name].sum())
        for place, label in enumerate(bins.labels(name)[:-2]):
            if shares[place] >= FREQUENT:
                found.append((-float(shares[place]), (name, label), place))
    return {value: place for _, value, place in sorted(found)[:MOST_VALUES]}


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
    moments = micros // (flow.width * 1_000_000)
    first = flow.first if len(flow.total) else int(moments.min())
    size, before = max(len(flow.total), int(moments.max()) - first + 1), len(flow.total)
    fits = moments >= first
    at = moments[fits] - first
    total = _longer(flow.total, size) + np.bincount(at, minlength=size)
    wanted = dict.fromkeys(flow.values) | frequent(bins, reference)
    names = {column for column, _ in wanted}
    present = {name: each for name, each in bins.columns.items() if name in names and name in rows.column_names}
    places = {name: each[fits] for name, each in Bins(present).places(rows).items()}
    labels = {name: {label: at for at, label in enumerate(bins.labels(name)[:-2])} for name in present}
    values: dict[Value, Counts] = {}
    for column, label in wanted:
        place = labels.get(column, {}).get(label)
        if place is None:
            continue  # gone from the bins, or hidden: begins anew
        old = flow.values.get((column, label))
        begun = before if old is None and before else 0  # the open bucket is known in part: not to a new value
        known = _longer(old, size) if old is not None else np.where(np.arange(size) < begun, UNKNOWN, 0)
        came = np.bincount(at[places[column] == place], minlength=size)
        values[column, label] = np.where(known == UNKNOWN, UNKNOWN, known + came)
    cursor = str(rows["id"][rows.num_rows - 1].as_py())
    return _shorter(Flow(cursor, flow.width, first, total, values))


def _longer(counts: Counts, size: int) -> Counts:
    return np.concatenate([counts, np.zeros(size - len(counts), np.int64)])


def _shorter(flow: Flow) -> Flow:
    """Widen the buckets, or let go of the oldest, until there are no more than may be."""
    while len(flow.total) > N_BUCKETS:
        place = WIDTHS.index(flow.width)
        if flow.width == WIDTHS[-1] or (place and flow.total.mean() >= BUSY):
            cut = len(flow.total) - N_BUCKETS
            kept = {value: counts[cut:] for value, counts in flow.values.items()}
            return replace(flow, first=flow.first + cut, total=flow.total[cut:], values=kept)
        factor = WIDTHS[place + 1] // flow.width
        pad = flow.first % factor
        merged = {value: _merged(counts, pad, factor) for value, counts in flow.values.items()}
        total = _merged(flow.total, pad, factor)
        flow = Flow(flow.cursor, WIDTHS[place + 1], flow.first // factor, total, merged)
    return flow


def _merged(counts: Counts, pad: int, factor: int) -> Counts:
    whole = -(-(pad + len(counts)) // factor) * factor
    spread = np.zeros(whole, np.int64)
    spread[pad : pad + len(counts)] = counts
    parts = spread.reshape(-1, factor)
    return np.where((parts == UNKNOWN).any(axis=1), UNKNOWN, parts.sum(axis=1))


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
    values = {(column, label): np.asarray(counts, np.int64) for column, label, counts in plain["values"]}
    return Flow(plain["cursor"], plain["width"], plain["first"], np.asarray(plain["total"], np.int64), values)

"""The running evidence of a release: rows that came since the last look in, evidence of every stream out.

A stream is a column's drift, or one kind of fault in it. Which stretches rows are counted in depends on how many came
and when, never on their values, as `alarms.py` asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cauce.core.files import write_bytes
from cauce.core.names import uuid7
from cauce.watch.drift.alarms import Alarms, Bets, Stakes, weights
from cauce.watch.drift.counts import Counts
from cauce.watch.drift.events import of_column, of_share
from cauce.watch.drift.quality import Share, count_outside, shares
from cauce.watch.drift.report import bin_positions
from cauce.watch.window import OUTPUT, Evidence

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.profile import Bins, ColumnBins

DRIFT_SHARE, JOINT_SHARE, FAULT_SHARE = 0.4, 0.1, 0.25
"""Shares of the whole risk: half to drift, most of it to single columns, a quarter to faults; the rest is for
performance."""
MOST_STRETCHES = 64
"""Stretches that the rows of one look are cut into at most: a watch that slept for a month wakes up quickly."""
FORMAT = 1


@dataclass(frozen=True, eq=False)
class Training:
    """What a release says about its rows: fixed for its life."""

    bins: Bins
    reference: Mapping[str, Counts]
    """Column, and ``prediction``, → counts of training."""
    importance: Mapping[str, float]
    window: int
    """Rows after which stakes are made anew."""
    risk: float
    """Chance of a false alarm a day, all kinds of signals together."""


@dataclass(frozen=True, eq=False)
class Stream:
    """One thing that is bet on."""

    bets: Bets
    limit: float
    """Logarithm of the evidence that rules chance out."""


def streams(training: Training) -> dict[str, Stream]:
    """Return what is bet on, by name: ``drift:<column>`` and ``<kind of fault>:<column>``.

    Predictions weigh as much as all inputs together over their number, or as the weightiest input, whichever is more.
    """
    names = list(training.reference)
    importance = dict(training.importance)
    if OUTPUT in training.reference:
        importance[OUTPUT] = max([*importance.values(), 1 / len(names)])
    share_of = weights(names, importance)
    found = {}
    for name, weight in share_of.items():
        counts, bins = training.reference[name][:-1], training.bins.columns[name]
        risk = training.risk * DRIFT_SHARE * weight
        ordered = bin_positions(bins) is not None
        events = of_column(counts, ordered=ordered, risk=risk, chosen=_chosen(bins))
        found[f"drift:{name}"] = Stream(Bets(events), -np.log(risk))
    inputs = [name for name in names if name != OUTPUT]
    columns = {name: training.bins.columns[name] for name in inputs}
    before = shares(columns, training.reference, training.reference, {})
    share_of = weights(inputs, importance)
    kinds = {name: sum(share.column == name for share in before) for name in inputs}
    for share in before:
        risk = training.risk * FAULT_SHARE * share_of[share.column] / kinds[share.column]
        chosen = _chosen(columns[share.column]) if share.code == "new_category" else 0
        events = of_share(_edge_case(share), risk=risk, chosen=chosen)
        found[_name(share)] = Stream(Bets(events), -np.log(risk))
    return found


def _chosen(bins: ColumnBins) -> int:
    """Count the values with bins of their own that training's rows chose: `false` and `true` are nobody's choice."""
    return 0 if bins.kind == "boolean" else len(bins.values)


def _edge_case(share: Share) -> tuple[int, int]:
    """Return what happened at training, where the smallest and largest number *are* the range: one counts as outside.

    The population's share outside the range of n values has the law Beta(2, n - 1) (Wilks 1941), whose upper limit is
    that of one in n.
    """
    happened, n = share.before
    return (happened + 1, max(n, happened + 1)) if share.code == "out_of_range" else (happened, n)


def _name(share: Share) -> str:
    return f"{share.code}:{share.column}"


def begin(training: Training, *, version: int, after: datetime | None = None) -> Alarms:
    """Return the state of a release of which no row was counted.

    Parameters
    ----------
    after
        When it was made: rows of earlier ids need not be read. With a zone.
    """
    cursor = uuid7(int(after.timestamp() * 1000))[:13] if after is not None else ""
    return Alarms(version, training.risk, cursor)


def advance(
    kept: Alarms, rows: pa.Table, training: Training, *, seen: pa.Table | None = None
) -> tuple[Alarms, dict[str, Evidence]]:
    """Count rows into the stakes and return these, to be kept, with the evidence as it stands.

    Pure: who writes what it returns in one piece counts every row once, whatever crashes in between.

    Parameters
    ----------
    kept
        Of the last look, or of `begin`.
    rows
        Predictions of the release since, with ``id`` and ``at``, in order of their ids. Columns that are missing
        (kept out of the ledger) are not bet on.
    seen
        All that was read, rows of other releases too: how far the cursor goes. `rows` where None.

    Returns
    -------
    tuple[Alarms, dict[str, Evidence]]
        The new state; stream → evidence.
    """
    bets = streams(training)
    stakes = {name: kept.stakes.get(name) or Stakes.begin(bets[name].bets) for name in bets}
    open_rows, last = kept.n_rows, kept.at
    for part in _stretches(rows, training.window, open_rows):
        moment, last = part["at"][part.num_rows - 1].as_py(), last or part["at"][0].as_py().isoformat()
        counted = _counted(part, training, bets)
        stakes = {name: stakes[name].seen(counted[name]) if name in counted else stakes[name] for name in stakes}
        open_rows += part.num_rows
        if open_rows >= training.window:
            days = (moment - datetime.fromisoformat(last)).total_seconds() / 86_400
            stakes = {name: each.staked(bets[name].bets, max(0.0, days)) for name, each in stakes.items()}
            open_rows, last = 0, moment.isoformat()
    read = rows if seen is None else seen
    cursor = read["id"][read.num_rows - 1].as_py() if read.num_rows else kept.cursor
    state = replace(kept, cursor=cursor, at=last, n_rows=open_rows, stakes=stakes)
    return state, {name: Evidence(stakes[name].evidence(each.bets), each.limit) for name, each in bets.items()}


def _stretches(rows: pa.Table, window: int, begun: int) -> Iterator[pa.Table]:
    """Cut rows where stakes are made anew; the first stretch ends where the open one does."""
    size, start = max(window, -(-rows.num_rows // MOST_STRETCHES)), 0
    stop = max(1, size - begun)
    while start < rows.num_rows:
        yield rows.slice(start, stop - start)
        start, stop = stop, stop + size


def _counted(rows: pa.Table, training: Training, bets: Mapping[str, Stream]) -> dict[str, Counts]:
    """Return the rows in each stream's bins."""
    present = {name for name in training.reference if name in rows.column_names}
    counts = {name: values for name, values in training.bins.count(rows).items() if name in present}
    found = {f"drift:{name}": values[:-1] for name, values in counts.items()}
    columns = {name: training.bins.columns[name] for name in counts if name != OUTPUT}
    for share in shares(columns, training.reference, counts, count_outside(rows, training.bins)):
        happened, n = share.now
        found[_name(share)] = np.array([happened, n - happened])
    return {name: values for name, values in found.items() if name in bets}


def save(alarms: Alarms, path: Path) -> None:
    """Write the state into one file, atomically."""
    import json

    stakes = {name: each.to_plain() for name, each in alarms.stakes.items()}
    plain = {"format": FORMAT, "version": alarms.version, "risk": alarms.risk, "cursor": alarms.cursor}
    plain |= {"at": alarms.at, "n_rows": alarms.n_rows, "stakes": stakes}
    write_bytes(path, json.dumps(plain).encode())


def load(path: Path, training: Training) -> Alarms | None:
    """Read what `save` wrote; None where nothing fits bins and risk: the watch begins anew."""
    import json

    try:
        plain = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    if plain.get("format") != FORMAT or plain["risk"] != training.risk:
        return None
    bets = streams(training)
    stakes = {}
    for name, kept in plain["stakes"].items():
        read = Stakes.from_plain(kept, bets[name].bets) if name in bets else None
        if read is None:
            return None
        stakes[name] = read
    return Alarms(plain["version"], plain["risk"], plain["cursor"], plain["at"], plain["n_rows"], stakes)

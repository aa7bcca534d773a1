"""All columns together, asked of a classifier at most once a day: training's rows, and those that came since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from cauce.core.artefacts import JointDrift, Release
from cauce.core.files import read_artefact, write_artefact
from cauce.loop.context import Loop
from cauce.loop.material import source_rows, unit_names_of

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from cauce.profile import Bins
    from cauce.track import Package

EVERY = timedelta(days=1)
"""Of the rows' own time, between two questions."""


@dataclass(frozen=True)
class Asked:
    """The newest answer: `joint.json` in the model's record."""

    version: int
    at: datetime
    """When the newest row of it was predicted."""
    drift: JointDrift
    p_value: float


def joint(loop: Loop, release: Release, package: Package, rows: pa.Table, bins: Bins) -> Asked | None:
    """Return the newest answer, asked anew where a day of rows has come since; None while there are too few.

    Each answer rests on rows that no earlier one had seen.

    Parameters
    ----------
    rows
        The window.
    """
    from cauce.watch.drift import joint as room

    training = release.training
    path = loop.record(training.model) / "joint.json"
    kept = read_artefact(path, Asked)
    if kept is not None and kept.version != release.version:
        kept = None
    if rows.num_rows < room.FEWEST_ROWS:
        return kept
    newest = rows["at"][rows.num_rows - 1].as_py()
    if kept is not None:
        if newest - kept.at < EVERY:
            return kept
        rows = _after(rows, kept.at)
    reference = _reference(loop, release, package)
    if reference is None:
        return kept
    rng = np.random.default_rng(training.spec.seed + int(newest.timestamp()))
    told = room.tell_apart(reference, rows, bins, rng)
    if told is None:
        return kept
    asked = Asked(release.version, newest, told.drift, told.p_value)
    write_artefact(path, asked)
    return asked


def _after(rows: pa.Table, moment: datetime) -> pa.Table:
    import pyarrow.compute as pc

    return rows.filter(pc.greater(rows["at"], moment))


def _reference(loop: Loop, release: Release, package: Package) -> pa.Table | None:
    """Return a sample of the population that the release was accepted on, kept under `runs/`.

    None where it was accepted on rows of the ledger: those come selectively, with their truths.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from cauce.watch.drift.joint import MOST_ROWS

    training = release.training
    if training.n_ledger:
        return None
    path: Path = loop.state.runs / "joint" / f"{training.model}.{release.version}.arrow"
    if path.is_file():
        with pa.memory_map(str(path)) as file:
            return pa.ipc.open_file(file).read_all()
    table = source_rows(loop, training.snapshot, training.spec)
    if training.split == "time":
        judged = package.units.filter(pc.equal(package.units["role"], "held_out"))["unit"].to_pylist()
        newer = np.isin(unit_names_of(loop, training.snapshot.data, table, training.spec), judged)
        table = table.filter(pa.array(newer)) if newer.sum() >= MOST_ROWS // 4 else table
    columns = [name for name in training.spec.schema.names if name in table.column_names]
    rng = np.random.default_rng(training.spec.seed)
    chosen = np.sort(rng.permutation(table.num_rows)[:MOST_ROWS])
    sample = table.select(columns).take(chosen).combine_chunks()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    with pa.ipc.new_file(str(draft), sample.schema) as sink:
        sink.write_table(sample)
    draft.replace(path)
    return sample

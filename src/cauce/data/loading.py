"""Loading: a source becomes the next version of its table in the lake, when its content or its settings changed.

The source is read once, in batches, into a staged Parquet file beside the tables; what is fingerprinted and checked
there is what is committed. Nothing of the lake changes before all checks have passed, and a killed load leaves only
what the next one removes. Where a watermark is named, only what is new is read, and merged with what is there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from cauce.core.artefacts import Snapshot
from cauce.core.files import disk_errors
from cauce.core.names import check_name
from cauce.core.progress import Progress, silent
from cauce.core.specs import DataSpec
from cauce.data.columns import ROW
from cauce.data.compaction import settle
from cauce.data.inspection import no_rows
from cauce.data.joins import Other
from cauce.data.lake import cluster, partitions, write
from cauce.data.log import Record, encode, records
from cauce.data.merging import Merge, check_arrived, merged, newest_seen, settled
from cauce.data.prepare import read_steps
from cauce.data.recovery import recover
from cauce.data.staging import BATCH, Asked, Computed, rows_of, settings_of, stage
from cauce.data.versions import Stored, open_version

_STEPS = 4
_MOST_REWRITTEN = 100
"""Partitions from which on the whole table is rewritten: the condition that names them stays short."""


@dataclass(frozen=True)
class _Staged:
    """Rows ready to be committed."""

    path: Path
    content: str
    """Fingerprint of the whole table with them."""
    n_rows: int
    """Of the whole table with them."""
    mode: Literal["overwrite", "append"] = "overwrite"
    operation: Literal["load", "merge"] = "load"
    late: int = 0
    missed: int = 0
    within: str | None = None
    """The partitions that the rows replace; None for all."""


def load(
    name: str,
    spec: DataSpec,
    folder: Path,
    lake: Path,
    *,
    now: datetime,
    where: Callable[..., str],
    others: Mapping[str, Other] | None = None,
    computed: Computed | None = None,
    code: str = "",
    full: bool = False,
    progress: Progress = silent,
) -> Snapshot:
    """Load a data set and return its newest snapshot; a new version only when content or settings changed.

    Callers hold the project's lock: one writer.

    Parameters
    ----------
    name
        The data set's.
    spec
        Its table in cauce.toml.
    folder
        The project's; `source` is relative to it.
    lake
        `.cauce/lake`.
    now
        Recorded as the time of loading.
    where
        Keys of cauce.toml → place, for errors.
    others
        The snapshots of the data sets that are joined.
    computed
        Adds columns to the batches on their way into the snapshot; nothing is added when absent.
    code
        Digest of the code that `computed` runs; a change makes a new version.
    full
        Whether the whole source is read even where a watermark would spare most of it.

    Raises
    ------
    UserError
        The source or its settings are wrong, or the disk is full; the versions before stay as they are.
    """
    table = lake / check_name(name)
    steps = read_steps(name, spec, folder, where=where)
    settings = settings_of(spec, steps, others or {}, code=code)
    with _workshop(lake, name) as shop:
        recover(table)
        asked = Asked(name, spec, folder, lake, shop, where, steps, others or {}, computed, progress)
        before = next(records(table), None)
        incremental = spec.watermark is not None and not full and before is not None and not before.held
        staged = None
        if before is not None and incremental and before.settings == settings:
            staged = _increment(asked, table, before)
        if staged is None:
            staged = _whole(asked)
        if before is None or not before.stands_for(staged.content, settings):
            record = _record(asked, staged, settings, now, before)
            progress(f"load {name}", 2, _STEPS, f"writing {record.snapshot.n_rows:,} rows")
            before = _commit(table, staged, record, spec)
        if before.to_cluster:
            progress(f"load {name}", 3, _STEPS, "clustering")
            before = _clustered(table, before, now)
        before = settle(table, before, cluster_by=spec.cluster_by, now=now)
    progress(f"load {name}", _STEPS, _STEPS)
    return before.snapshot


@contextmanager
def _workshop(lake: Path, name: str) -> Iterator[Path]:
    """Give an empty folder for staged rows and spilled memory, gone at the end; a killed load's is emptied first."""
    shop = lake / ".load" / name  # no data set's name starts with a dot
    with disk_errors(lake):
        shutil.rmtree(shop, ignore_errors=True)
        shop.mkdir(parents=True)
        try:
            yield shop
        finally:
            shutil.rmtree(shop, ignore_errors=True)


def _whole(asked: Asked) -> _Staged:
    """Stage the whole source."""
    from cauce.data.content import Content, RowSums
    from cauce.data.staged import check_staged

    spec, staged = asked.spec, asked.shop / "staged.parquet"
    merges = spec.watermark is not None or spec.deleted is not None
    arrived = asked.shop / "arrived.parquet"
    with rows_of(asked) as reader:
        content: Content | RowSums = Content(reader.schema)
        n_rows = stage(asked, reader, arrived if merges else staged, None if merges else content)
    if merges and n_rows:
        asked.progress(f"load {asked.name}", 1, _STEPS, f"merging {n_rows:,} rows")
        check_arrived(arrived, asked.name, spec, where=asked.where, spill=asked.shop)
        with settled(arrived, spec, spill=asked.shop, size=BATCH) as reader:
            content = RowSums(reader.schema) if spec.watermark else Content(reader.schema)
            n_rows = stage(asked, reader, staged, content)
    if n_rows == 0:
        raise no_rows(asked.name, spec, asked.where)
    asked.progress(f"load {asked.name}", 1, _STEPS, "checking")
    check_staged(staged, asked.name, spec, where=asked.where, spill=asked.shop)
    return _Staged(staged, content.hexdigest(), n_rows)


def _increment(asked: Asked, table: Path, before: Record) -> _Staged | None:
    """Stage what is new since the version `before`; None where only a load of the whole will do."""
    from cauce.data.content import RowSums
    from cauce.data.staged import check_staged

    spec, snapshot = asked.spec, before.snapshot
    stored = open_version(table, snapshot.version)
    bound = newest_seen(stored, spec, snapshot.loaded_at, spill=asked.shop)
    if bound is None:
        return None
    arrived, staged = asked.shop / "arrived.parquet", asked.shop / "staged.parquet"
    beyond = asked.shop / "beyond.parquet"
    with rows_of(asked, bound, beyond=beyond) as reader:
        types = {field.name: str(field.type) for field in reader.schema if field.name != spec.deleted}
        if list(types.items()) != list(snapshot.types.items()):
            return None
        n_arrived = stage(asked, reader, arrived, None)
    asked.progress(f"load {asked.name}", 1, _STEPS, f"merging {n_arrived:,} rows")
    check_arrived(arrived, asked.name, spec, where=asked.where, spill=asked.shop)
    with merged(arrived, stored, spec, bound, spill=asked.shop) as merge:
        missed = merge.missed(beyond) if beyond.exists() else 0
        if missed:
            asked.progress(f"load {asked.name}", 1, _STEPS, f"{missed:,} rows too late, not read")
        come = merge.come(BATCH)
        sums = RowSums(come.schema.remove(come.schema.get_field_index(ROW)), snapshot.fingerprint)
        n_rows = snapshot.n_rows + merge.new - merge.deleted
        if n_rows == 0:
            raise no_rows(asked.name, spec, asked.where)
        if not stage(asked, come, staged, sums) and merge.only_new:
            return _Staged(staged, snapshot.fingerprint, n_rows)
        for batch in merge.gone(BATCH):
            sums.take(batch)
        within = None
        if not merge.only_new:
            within = _within(merge, stored, spec)
            n_staged = stage(asked, merge.whole(BATCH, within or "true"), staged, None)
    if merge.only_new or n_staged:  # else partitions were emptied
        check_staged(staged, asked.name, spec, where=asked.where, spill=asked.shop)
    mode: Literal["append", "overwrite"] = "append" if merge.only_new else "overwrite"
    return _Staged(staged, sums.hexdigest(), n_rows, mode, "merge", merge.late, missed, within)


def _within(merge: Merge, stored: Stored, spec: DataSpec) -> str | None:
    """Return the condition on the partitions that are to be rewritten; None where all are, or a table has none."""
    if not spec.partition_by or spec.cluster_by:  # clustering rewrites all of them anyway
        return None
    touched = merge.touched(spec.partition_by)
    held = {tuple(file.values[name] for name in spec.partition_by) for file in stored.files}
    return partitions(touched) if touched.num_rows < min(len(held), _MOST_REWRITTEN) else None


def _record(asked: Asked, staged: _Staged, settings: str, now: datetime, before: Record | None) -> Record:
    import pyarrow.parquet as pq

    with pq.ParquetFile(staged.path) as file:
        types = {field.name: str(field.type) for field in file.schema_arrow if field.name != ROW}
    changes = changed(before.snapshot.types, types) if before else ()
    snapshot = Snapshot(asked.name, -1, staged.content, staged.n_rows, types, now, changes)
    to_cluster = asked.spec.cluster_by if staged.mode == "overwrite" else ()
    return Record(
        snapshot, settings, to_cluster, operation=staged.operation, at=now, late=staged.late, missed=staged.missed
    )


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Say how the columns differ.

    Examples
    --------
    >>> changed({"a": "int64", "b": "string"}, {"a": "string", "c": "bool"})
    ('added: c', 'gone: b', 'retyped: a int64 → string')
    """
    added = [f"added: {name}" for name in after if name not in before]
    gone = [f"gone: {name}" for name in before if name not in after]
    other = [
        f"retyped: {name} {before[name]} → {kind}"
        for name, kind in after.items()
        if name in before and before[name] != kind
    ]
    return (*added, *gone, *other)


def _commit(table: Path, staged: _Staged, record: Record, spec: DataSpec) -> Record:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(staged.path, pre_buffer=False) as file:
        rows: pa.RecordBatchReader = pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches(BATCH))
        version = write(
            table, rows, mode=staged.mode, partition_by=spec.partition_by, record=encode(record), within=staged.within
        )
    return replace(record, snapshot=replace(record.snapshot, version=version))


def _clustered(table: Path, record: Record, now: datetime) -> Record:
    """Z-order the version that `record` names; also one whose load was killed between the two commits."""
    done = replace(record, to_cluster=(), operation="cluster", at=now, late=0, missed=0)
    version = cluster(table, record.to_cluster, record=encode(done))
    return replace(done, snapshot=replace(done.snapshot, version=version))

"""Loading: a source becomes the next version of its table in the lake, when its content or its settings changed.

The source is read once, in batches, into a staged Parquet file beside the tables; what is fingerprinted and checked
there is what is committed. Nothing of the lake changes before all checks have passed, and a killed load leaves only
what the next one removes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cauce.core.artefacts import Snapshot
from cauce.core.files import disk_errors, fingerprint
from cauce.core.names import check_name
from cauce.core.progress import Progress, silent
from cauce.core.specs import DataSpec
from cauce.data.columns import ROW
from cauce.data.compaction import settle
from cauce.data.inspection import no_rows
from cauce.data.lake import cluster, write
from cauce.data.log import Record, encode, records
from cauce.data.recovery import recover

if TYPE_CHECKING:
    import pyarrow as pa

Computed = Callable[["pa.RecordBatchReader"], "pa.RecordBatchReader"]
"""Gives the batches of a reader with more columns."""

BATCH = 65_536
_STEPS = 4


def load(
    name: str,
    spec: DataSpec,
    folder: Path,
    lake: Path,
    *,
    now: datetime,
    where: Callable[..., str],
    computed: Computed | None = None,
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
    computed
        Adds columns to the batches on their way into the snapshot; nothing is added when absent.

    Raises
    ------
    UserError
        The source or its settings are wrong, or the disk is full; the versions before stay as they are.
    """
    table = lake / check_name(name)
    with _workshop(lake, name) as shop:
        recover(table)
        staged, content = _stage(name, spec, folder, shop, where, computed, progress)
        progress(f"load {name}", 1, _STEPS, "checking")
        from cauce.data.staged import check_staged

        check_staged(staged, name, spec, where=where, spill=shop)
        before = next(records(table), None)
        settings = fingerprint(spec.where, spec.partition_by, spec.cluster_by)
        if before is None or not before.stands_for(content, settings):
            record = _record(name, staged, content, settings, now, before)
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


def _stage(
    name: str,
    spec: DataSpec,
    folder: Path,
    shop: Path,
    where: Callable[..., str],
    computed: Computed | None,
    progress: Progress,
) -> tuple[Path, str]:
    """Write the source's rows with their numbers into one Parquet file; return it and the content's fingerprint."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from cauce.data.content import Content
    from cauce.data.sources import opened

    staged = shop / "staged.parquet"
    with opened(name, spec, folder, where=where, spill=shop) as source:
        reader = source.batches(BATCH)
        if computed is not None:
            reader = computed(reader)
        content = Content(reader.schema)
        schema = reader.schema.append(pa.field(ROW, pa.int64()))
        with pq.ParquetWriter(staged, schema, compression="snappy") as writer:
            for batch in reader:
                progress(f"load {name}", 0, _STEPS, f"reading: {content.n_rows:,} rows")
                numbers = pa.array(np.arange(content.n_rows, content.n_rows + batch.num_rows, dtype=np.int64))
                content.add(batch)
                writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns, numbers], schema=schema))
    if content.n_rows == 0:
        raise no_rows(name, spec, where)
    return staged, content.hexdigest()


def _record(name: str, staged: Path, content: str, settings: str, now: datetime, before: Record | None) -> Record:
    import pyarrow.parquet as pq

    with pq.ParquetFile(staged) as file:
        types = {field.name: str(field.type) for field in file.schema_arrow if field.name != ROW}
        n_rows = file.metadata.num_rows
    changes = changed(before.snapshot.types, types) if before else ()
    return Record(Snapshot(name, -1, content, n_rows, types, now, changes), settings, at=now)


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


def _commit(table: Path, staged: Path, record: Record, spec: DataSpec) -> Record:
    import pyarrow as pa
    import pyarrow.parquet as pq

    record = replace(record, to_cluster=spec.cluster_by)
    with pq.ParquetFile(staged) as file:
        rows: pa.RecordBatchReader = pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches(BATCH))
        version = write(table, rows, mode="overwrite", partition_by=spec.partition_by, record=encode(record))
    return replace(record, snapshot=replace(record.snapshot, version=version))


def _clustered(table: Path, record: Record, now: datetime) -> Record:
    """Z-order the version that `record` names; also one whose load was killed between the two commits."""
    done = replace(record, to_cluster=(), operation="cluster", at=now)
    version = cluster(table, record.to_cluster, record=encode(done))
    return replace(done, snapshot=replace(done.snapshot, version=version))

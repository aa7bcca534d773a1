"""A source's rows on their way into the lake: prepared, joined, computed, and numbered in a staged Parquet file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cauce.core.errors import UserError
from cauce.core.files import fingerprint
from cauce.core.progress import Progress
from cauce.core.scripts import read_script
from cauce.core.specs import DataSpec
from cauce.data.columns import ROW, normal_form, quoted
from cauce.data.joins import Other, joined, plan
from cauce.data.merging import Bound, before, since
from cauce.data.prepare import Step, prepared, step_errors

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.data.content import Content, RowSums

Computed = Callable[["pa.RecordBatchReader"], "pa.RecordBatchReader"]
"""Gives the batches of a reader with more columns."""
BATCH = 65_536


@dataclass(frozen=True)
class Asked:
    """One load: whose rows are wanted, and what they pass through."""

    name: str
    spec: DataSpec
    folder: Path
    lake: Path
    shop: Path
    """An empty folder for staged rows and spilled memory."""
    where: Callable[..., str]
    steps: tuple[Step, ...]
    others: Mapping[str, Other]
    computed: Computed | None
    progress: Progress

    def at(self, key: str) -> str:
        """Return the place of a key of the data set's table."""
        return self.where("data", self.name, key)


def settings_of(spec: DataSpec, steps: tuple[Step, ...], others: Mapping[str, Other], *, code: str = "") -> str:
    """Return a fingerprint of everything but the source that a snapshot depends on: a change makes a new version.

    A data set without preparation, joins and increments has the fingerprint it always had.

    Parameters
    ----------
    code
        Digest of the row functions.
    """
    more: list[object] = []
    if steps:
        more.append([(step.script.path, step.script.text, step.function) for step in steps])
    if spec.join:
        joins = [(n, j.model_dump_json(), others[n].snapshot.fingerprint, others[n].time) for n, j in spec.join.items()]
        more.append([*joins, spec.time])
    if spec.deleted:
        more.append(("deleted", spec.deleted))
    if spec.watermark:  # rows that were read under other settings stay: all that shaped them must be as it was
        more.append((spec.source, spec.format, spec.table, spec.delimiter, spec.key, spec.watermark))
    if code:
        more.append(("code", code))
    return fingerprint(spec.where, spec.partition_by, spec.cluster_by, *more)


@contextmanager
def rows_of(asked: Asked, bound: Bound | None = None, *, beyond: Path | None = None) -> Iterator[pa.RecordBatchReader]:
    """Stream the source's rows as the snapshot would hold them, but for those marked as deleted.

    Parameters
    ----------
    bound
        Only rows whose watermark is at least this; all where None.
    beyond
        File that gets the keys of the other rows, where the source is read whole anyway; not made where it is not.
    """
    from cauce.data.sources import Raw, opened, spares_rows

    spec = asked.spec

    def prepare(rows: Raw) -> object:
        order = [name for name in (spec.time, spec.key) if name is not None]
        table = prepared(rows, asked.steps, order=order)
        if bound is None or spec.watermark is None:
            return table
        if beyond is not None and spec.key is not None and rows.engine == "duckdb" and not spared:
            _write_keys(rows.backend, before(table, spec.watermark, bound), spec, beyond)
        return since(table, spec.watermark, bound)

    passes = prepare if asked.steps or bound is not None else None
    # Beneath a step the bound would change what the step makes of its rows: it stands outside of all of them.
    spared = not asked.steps and spares_rows(asked.name, spec, asked.folder, where=asked.where)
    below = None if bound is None or spec.watermark is None or asked.steps else (spec.watermark, bound)
    with (
        opened(
            asked.name,
            spec,
            asked.folder,
            where=asked.where,
            spill=asked.shop,
            prepare=passes,
            progress=asked.progress,
            since=below,
        ) as source,
        step_errors(spec, where=asked.at("prepare")),
        _joined(asked, source.batches(BATCH)) as reader,
    ):
        yield reader if asked.computed is None else asked.computed(reader)


def _write_keys(backend: Any, table: Any, spec: DataSpec, path: Path) -> None:
    """Write the keys of rows, in the form that the lake has, and whether each is marked as deleted."""
    import pyarrow.parquet as pq

    from cauce.data.sources.backend import described

    view = "__cauce_beyond"
    backend.create_view(view, table)
    key = normal_form(spec.key or "", described(backend, view)[spec.key or ""], where="")
    gone = f"coalesce(CAST({quoted(spec.deleted)} AS BOOLEAN), false)" if spec.deleted else "false"
    reader = backend.con.sql(f"SELECT {key} AS key, {gone} AS gone FROM {view}").to_arrow_reader(BATCH)  # noqa: S608
    with pq.ParquetWriter(path, reader.schema, compression="snappy") as writer:
        for batch in reader:
            writer.write_batch(batch)


@contextmanager
def _joined(asked: Asked, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatchReader]:
    if not asked.spec.join:
        yield reader
        return
    types = {field.name: str(field.type) for field in reader.schema}
    joins, _ = plan(asked.name, asked.spec, types, asked.others, where=asked.where)
    path = asked.shop / "prepared.parquet"
    stage(asked, reader, path, None)
    with joined(path, joins, asked.others, asked.lake, spill=asked.shop, size=BATCH) as wider:
        yield wider


def stage(asked: Asked, reader: pa.RecordBatchReader, path: Path, content: Content | RowSums | None) -> int:
    """Write rows into a Parquet file, numbered from 0 where they have no numbers yet; return how many.

    Parameters
    ----------
    content
        Takes the rows in, without their numbers.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    n_rows, numbered = 0, ROW in reader.schema.names
    schema = reader.schema if numbered else reader.schema.append(pa.field(ROW, pa.int64()))
    with pq.ParquetWriter(path, schema, compression="snappy") as writer:
        for batch in reader:
            asked.progress(f"load {asked.name}", 0, 4, f"reading: {n_rows:,} rows")
            if content is not None:
                content.add(batch.drop_columns([ROW]) if numbered else batch)
            numbers = pa.array(np.arange(n_rows, n_rows + batch.num_rows, dtype=np.int64))
            columns = batch.columns if numbered else [*batch.columns, numbers]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
            n_rows += batch.num_rows
    return n_rows


def shape(spec: DataSpec, folder: Path, lake: Path) -> str:
    """Return a text that changes with the files of `prepare` and with the newest snapshots of what is joined."""
    from cauce.data.lake import latest

    texts = []
    for step in spec.prepare:
        path = step.partition(":")[0]
        try:
            texts.append(read_script(path, folder, where="", suffix=Path(path).suffix).text)
        except UserError:
            texts.append("")  # the load says what is wrong
    found = [latest(lake, other) for other in spec.join]
    if not texts and not found:
        return ""
    return fingerprint(*texts, *(one.fingerprint if one else "" for one in found))

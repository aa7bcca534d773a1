"""A data set's source, opened: raw rows, then `where`, then a preparation, then the types that a snapshot holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cauce.core.progress import Progress, silent
from cauce.core.specs import DataSpec
from cauce.data.columns import HUGE, check_names, check_spec_columns, normal_form, quoted
from cauce.data.condition import check_condition
from cauce.data.faults import condition_errors, refused_condition
from cauce.data.sources.backend import described
from cauce.data.sources.kinds import format_of, source_of
from cauce.data.sources.source import Asked, Raw

if TYPE_CHECKING:
    import pyarrow as pa
    from ibis.backends.duckdb import Backend

Prepare = Callable[[Raw], Any]
"""What stands between raw rows and the snapshot's types: takes the rows, gives an Ibis table on the same backend."""
_FILTERED = "__cauce_filtered"
_PREPARED = "__cauce_prepared"


@dataclass(frozen=True)
class Opened:
    """A source with its condition, preparation and normal forms applied: ready to be streamed."""

    backend: Backend
    query: str
    names: tuple[str, ...]

    def batches(self, size: int, *, limit: int | None = None) -> pa.RecordBatchReader:
        """Stream the rows in the order of the source, `size` at a time."""
        query = self.query if limit is None else f"{self.query} LIMIT {limit}"
        # Not Ibis 12's to_pyarrow_batches: it calls fetch_record_batch, which DuckDB 2.0 has no more. Not raw_sql: it
        # holds the whole result in memory.
        return self.backend.con.sql(query).to_arrow_reader(size)

    def only(self, names: Sequence[str]) -> Opened:
        """Return these columns of it."""
        query = f"SELECT {', '.join(map(quoted, names))} FROM ({self.query})"  # noqa: S608 - names are quoted
        return Opened(self.backend, query, tuple(names))

    def schema(self) -> pa.Schema:
        """Return the columns' types; no row is read."""
        return self.batches(1, limit=0).schema

    def count(self) -> int:
        """Return the number of rows: what no format tells, one more pass finds."""
        return int(self.backend.con.sql(f"SELECT count(*) FROM ({self.query})").fetchall()[0][0])  # noqa: S608


def mark(name: str, spec: DataSpec, folder: Path, *, where: Callable[..., str]) -> str:
    """Return a text that changes whenever the source's rows may have changed; empty where only reading them tells.

    Raises
    ------
    UserError
        The source's kind, its address or its keys are wrong.
    """
    asked = Asked(name, spec, folder, where, spill=folder)  # nothing is spilled at a glance
    return source_of(asked).mark(asked)


def spares_rows(name: str, spec: DataSpec, folder: Path, *, where: Callable[..., str]) -> bool:
    """Say whether the source's kind may leave out rows below a watermark: a file is read whole anyway."""
    return format_of(Asked(name, spec, folder, where, spill=folder)) in {"postgres", "bigquery", "sqlite"}


@contextmanager
def raw(
    name: str,
    spec: DataSpec,
    folder: Path,
    *,
    where: Callable[..., str],
    spill: Path,
    reads: Sequence[Path] = (),
    progress: Progress = silent,
    since: tuple[str, object] | None = None,
    most: int | None = None,
) -> Iterator[Raw]:
    """Open a data set's source: the rows that fulfil `where`, under the source's own column names and types.

    Parameters
    ----------
    name
        The data set's.
    folder
        The project's; `source` is relative to it.
    where
        Keys of cauce.toml → place.
    spill
        Existing folder in which DuckDB may put what does not fit into memory.
    reads
        Further folders whose files the backend may read, for joins.
    since
        A column and the least value that is wanted: a server is asked for no rows below, where it can be; others may
        come too.
    most
        Rows that are enough for a first look, before `where`; others may come too.

    Raises
    ------
    UserError
        The source, its keys, or the condition on its columns is wrong. DuckDB's complaints within the block too.
    """
    asked = Asked(name, spec, folder, where, spill, tuple(reads), progress, since=since, most=most)
    with source_of(asked).opened(asked) as rows:
        yield rows if spec.where is None else _filtered(rows, spec.where, asked)


@contextmanager
def opened(
    name: str,
    spec: DataSpec,
    folder: Path,
    *,
    where: Callable[..., str],
    spill: Path,
    prepare: Prepare | None = None,
    reads: Sequence[Path] = (),
    progress: Progress = silent,
    since: tuple[str, object] | None = None,
    most: int | None = None,
) -> Iterator[Opened]:
    """Open a data set's source in the types that a snapshot holds; parameters and errors as `raw`.

    Parameters
    ----------
    prepare
        Called with the raw rows; what it returns is checked and streamed in their place.
    """
    asked = Asked(name, spec, folder, where, spill, tuple(reads), progress, since=since, most=most)
    with (
        raw(
            name, spec, folder, where=where, spill=spill, reads=reads, progress=progress, since=since, most=most
        ) as rows,
        _prepared(rows, prepare, asked) as ready,
        condition_errors(spec.where, where=asked.at("where")),
    ):
        yield _checked(ready, asked, at_columns=asked.at("prepare" if spec.prepare else "source"))


@contextmanager
def _prepared(rows: Raw, prepare: Prepare | None, asked: Asked) -> Iterator[Raw]:
    """Put the preparation in between, and bring the rows to DuckDB where they are elsewhere."""
    table = rows.table if prepare is None else prepare(rows)
    if rows.engine == "bigquery":
        from cauce.data.sources.bigquery import fetched

        with fetched(rows, table, asked) as here:
            yield here
    else:
        # A preparation's result is viewed under a name of ours: expressions have none.
        view = table if prepare is None else rows.backend.create_view(_PREPARED, table)
        yield Raw(rows.backend, view, rows.engine)


def _filtered(rows: Raw, condition: str, asked: Asked) -> Raw:
    names = list(rows.table.columns)
    checked = check_condition(condition, names, where=asked.at("where"), dialect=rows.engine)
    if rows.engine == "bigquery":
        from cauce.data.sources.bigquery import filtered

        return Raw(rows.backend, filtered(rows, checked), rows.engine)
    source = quoted(rows.table.get_name())
    query = f"SELECT * FROM {source} WHERE {checked}"  # noqa: S608 - checked above
    _try_condition(rows.backend, query, condition, asked)
    rows.backend.raw_sql(f"CREATE VIEW {quoted(_FILTERED)} AS {query}")
    return Raw(rows.backend, rows.backend.table(_FILTERED), rows.engine)


def _try_condition(backend: Backend, query: str, condition: str, asked: Asked) -> None:
    import duckdb

    try:
        backend.raw_sql(f"EXPLAIN {query}")
    except duckdb.Error as error:
        raise refused_condition(error, condition, where=asked.at("where")) from error


def _checked(rows: Raw, asked: Asked, *, at_columns: str) -> Opened:
    """Check the columns that cauce.toml names and bring every column to a type that a snapshot holds."""
    relation = quoted(rows.table.get_name())
    kinds = described(rows.backend, relation)
    names = list(kinds)
    check_names(names, where=at_columns)
    check_spec_columns(_named(asked.spec), names, asked.at)
    # A sum of whole numbers is a HUGEINT in DuckDB: after a preparation it is a whole number again, or an error.
    kinds = {name: "INTEGER" if kind in HUGE else kind for name, kind in kinds.items()}
    forms = ", ".join(f"{normal_form(n, kind, where=at_columns)} AS {quoted(n)}" for n, kind in kinds.items())
    query = f"SELECT {forms} FROM {relation}"  # noqa: S608 - names are quoted
    return Opened(rows.backend, query, tuple(names))


def _named(spec: DataSpec) -> list[tuple[str, str]]:
    one = [
        (key, column)
        for key in ("key", "time", "group", "watermark", "deleted")
        if (column := getattr(spec, key)) is not None
    ]
    many = [(key, column) for key in ("partition_by", "cluster_by") for column in getattr(spec, key)]
    return one + many

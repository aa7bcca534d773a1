"""A first look at a source: does it open, which columns of which types, what do its first rows say."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cauce.core.errors import UserError
from cauce.core.specs import DataSpec

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Inspection:
    """What a source holds, in the types that a snapshot would have."""

    schema: pa.Schema
    head: pa.Table
    """The first rows that fulfil `where`, at most `n` of them."""


def inspect(name: str, spec: DataSpec, folder: Path, *, where: Callable[..., str], n: int = 1000) -> Inspection:
    """Open the source, check the columns that `spec` names, and return its schema and first rows.

    Parameters
    ----------
    name
        The data set's.
    spec
        Its table in cauce.toml.
    folder
        The project's; `source` is relative to it.
    where
        Keys of cauce.toml → place, for errors.
    n
        Rows at most.

    Raises
    ------
    UserError
        The file cannot be read, its columns are not those of `spec`, or no row is left.
    """
    import pyarrow as pa

    from cauce.data.sources import opened

    with (
        tempfile.TemporaryDirectory(prefix="cauce-") as spill,
        opened(name, spec, folder, where=where, spill=Path(spill)) as source,
    ):
        reader = source.batches(n, limit=n)
        head = pa.Table.from_batches(reader, reader.schema)
    if head.num_rows == 0:
        raise no_rows(name, spec, where)
    return Inspection(schema=head.schema, head=head)


def read_file(path: Path) -> pa.Table:
    """Read a whole CSV, Parquet or JSON Lines file, in the types that a snapshot would have.

    Raises
    ------
    UserError
        The file cannot be read. One with a header and no rows is an empty table.
    """
    import pyarrow as pa

    from cauce.data.sources import opened

    spec = DataSpec(source=str(path.absolute()))
    with (
        tempfile.TemporaryDirectory(prefix="cauce-") as spill,
        opened(path.name, spec, path.parent, where=lambda *_: str(path), spill=Path(spill)) as source,
    ):
        reader = source.batches(65_536)
        return pa.Table.from_batches(reader, reader.schema)


def no_rows(name: str, spec: DataSpec, where: Callable[..., str]) -> UserError:
    """Say that a source, or what its condition leaves of it, has no rows."""
    if spec.where is None:
        hint = "Export it again, or name another file."
        return UserError(
            "the source has column names and no rows",
            where=where("data", name, "source"),
            received=spec.source,
            hint=hint,
        )
    return UserError(
        "no row fulfils the condition",
        where=where("data", name, "where"),
        received=spec.where,
        hint="Check the condition's values against the source, or leave `where` out.",
    )

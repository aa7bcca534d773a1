"""A first look at a source: does it open, which columns of which types, what do its first rows say."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cauce.core.errors import UserError
from cauce.core.specs import DataSpec

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.data.joins import Other


@dataclass(frozen=True, eq=False)
class Inspection:
    """What a source holds, in the types that a snapshot would have."""

    schema: pa.Schema
    head: pa.Table
    """The first rows that fulfil `where`, at most `n` of them."""


def inspect(
    name: str,
    spec: DataSpec,
    folder: Path,
    *,
    where: Callable[..., str],
    others: Mapping[str, Other] | None = None,
    n: int = 1000,
) -> Inspection:
    """Open the source, prepare its first rows, check the columns that `spec` names, and return schema and rows.

    Nothing is read beyond what the first rows need. Columns of joined data sets are there, and empty.

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
    others
        The data sets that are joined; without them no join is looked at.
    n
        Rows at most.

    Raises
    ------
    UserError
        The file cannot be read, its columns are not those of `spec`, or no row is left.
    """
    head = _first_rows(name, spec, folder, where, n, most=n)
    if head.num_rows == 0 and (spec.where is not None or spec.prepare):  # the first rows held none of those wanted
        head = _first_rows(name, spec, folder, where, n, most=None)
    if head.num_rows == 0:
        raise no_rows(name, spec, where)
    if spec.deleted in head.column_names:
        head = head.drop_columns([spec.deleted])
    if others is not None:
        head = _with_joined(name, spec, head, others, where)
    return Inspection(schema=head.schema, head=head)


def _first_rows(
    name: str, spec: DataSpec, folder: Path, where: Callable[..., str], n: int, *, most: int | None
) -> pa.Table:
    import pyarrow as pa

    from cauce.data.prepare import prepared, read_steps, step_errors
    from cauce.data.sources import opened

    steps = read_steps(name, spec, folder, where=where)
    with (
        tempfile.TemporaryDirectory(prefix="cauce-") as spill,
        opened(
            name,
            spec,
            folder,
            where=where,
            spill=Path(spill),
            prepare=(lambda rows: prepared(rows, steps)) if steps else None,
            most=most,
        ) as source,
        step_errors(spec, where=where("data", name, "prepare")),
    ):
        reader = source.batches(n, limit=n)
        return pa.Table.from_batches(reader, reader.schema)


def _with_joined(
    name: str, spec: DataSpec, head: pa.Table, others: Mapping[str, Other], where: Callable[..., str]
) -> pa.Table:
    import pyarrow as pa

    from cauce.data.joins import plan

    types = {field.name: str(field.type) for field in head.schema}
    for join in plan(name, spec, types, others, where=where)[0]:
        for old, new in join.columns.items():
            kind = arrow_type(others[join.other].snapshot.types[old])
            head = head.append_column(new, pa.nulls(head.num_rows, kind))
    return head


def arrow_type(text: str) -> pa.DataType:
    """Return the Arrow type that a snapshot's `types` writes as `text`."""
    import pyarrow as pa

    if text.startswith("decimal128("):
        digits, scale = text[len("decimal128(") : -1].split(",")
        return pa.decimal128(int(digits), int(scale))
    if text.startswith("timestamp["):
        return pa.timestamp("us", "UTC")
    return pa.type_for_alias({"date32[day]": "date32"}.get(text, text))


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

"""A profile as one Arrow IPC file: a row for each column, sketches as binary. Heavy: imported inside functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import datasketches as ds
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cauce.core.errors import UserError
from cauce.profile.column import ColumnProfile
from cauce.profile.profile import FORMAT, Profile
from cauce.profile.text import TextFacts
from cauce.profile.together import Together

_COUNTS = pa.list_(pa.struct([pa.field("value", pa.string()), pa.field("count", pa.int64())]))
_SIMPLE = {
    "str": pa.string(),
    "Family": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "float | None": pa.float64(),
    "bytes": pa.binary(),
    "bytes | None": pa.binary(),
    "bool": pa.bool_(),
    "Mapping[str, int]": _COUNTS,
    "tuple[int, int, int]": pa.list_(pa.int64()),
}
_TEXT = pa.struct([pa.field(item.name, _SIMPLE[str(item.type)]) for item in fields(TextFacts)])
_TYPES = _SIMPLE | {"TextFacts | None": _TEXT}
_FIRST = [pa.field(item.name, _TYPES[str(item.type)]) for item in fields(ColumnProfile) if item.name != "text"]
_MOMENTS = ("n_rows", "means", "squares", "products")
_PAIRS = [pa.field(f"together_{name}", pa.list_(pa.float64())) for name in _MOMENTS]
SCHEMA = pa.schema([*_FIRST, pa.field("text", _TEXT), *_PAIRS])
_SCHEMAS = {b"1": pa.schema(_FIRST), str(FORMAT).encode(): SCHEMA}


def to_bytes(profile: Profile) -> bytes:
    """Return the profile as the bytes of an Arrow IPC file."""
    pairs = _packed(profile.together)
    rows = [_row(column) | pairs.get(column.name, {}) for column in profile.columns.values()]
    metadata = {b"cauce.profile": str(FORMAT).encode(), b"n_rows": str(profile.n_rows).encode()}
    if profile.together is None:
        metadata[b"pairs"] = b"unknown"
    schema = SCHEMA.with_metadata(metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _row(column: ColumnProfile) -> dict[str, object]:
    row = {item.name: getattr(column, item.name) for item in fields(column)}
    facts = column.text
    text = None
    if facts is not None:
        text = {item.name: getattr(facts, item.name) for item in fields(facts)} | {"words": _listed(facts.words)}
    return row | {"counts": _listed(column.counts), "text": text}


def _listed(counts: Mapping[str, int]) -> list[dict[str, object]]:
    return [{"value": value, "count": n} for value, n in counts.items()]


def _packed(together: Together | None) -> dict[str, dict[str, npt.NDArray[np.float64]]]:
    """Return each column's part of the moments: symmetric ones from the diagonal on, equal numbers once."""
    if together is None:
        return {}
    packed = {}
    for place, name in enumerate(together.names):
        parts = (
            together.n_rows[place, place:],
            together.means[place],
            together.squares[place],
            together.products[place, place:],
        )
        packed[name] = {f"together_{kind}": _once(part) for kind, part in zip(_MOMENTS, parts, strict=True)}
    return packed


def _once(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return values[:1] if (values == values[0]).all() else values


def from_bytes(content: bytes, *, where: str) -> Profile:
    """Read a profile of this format or an older one; every sketch is opened once, so that a broken one shows here."""
    hint = "Run the audit again; it makes the profile."
    try:
        table = pa.ipc.open_file(pa.BufferReader(content)).read_all()
        table.validate(full=True)
        metadata = table.schema.metadata or {}
        known = _SCHEMAS.get(metadata.get(b"cauce.profile", b""))
        if known is None or table.schema.names != known.names:
            raise UserError("not a profile that this Cauce reads", where=where, hint=hint)
        together = _together(table, metadata) if known is SCHEMA else None
        rows = table.select([name for name in known.names if not name.startswith("together_")]).to_pylist()
        columns = [_column(row) for row in rows]
        return Profile(int(metadata[b"n_rows"]), {column.name: column for column in columns}, together)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, RuntimeError, IndexError) as error:
        raise UserError("not a readable profile", where=where, hint=hint) from error


def _column(row: dict[str, Any]) -> ColumnProfile:
    first, second, third = row.pop("dates")
    row |= {"counts": _counts(row["counts"]), "dates": (first, second, third)}
    facts = row.pop("text", None)
    text = None if facts is None else TextFacts(**facts | {"words": _counts(facts["words"])})
    column = ColumnProfile(**row, text=text)
    ds.kll_doubles_sketch.deserialize(column.kll)
    if column.hll is not None:
        ds.hll_sketch.deserialize(column.hll)
    if column.frequent is not None:
        ds.frequent_strings_sketch.deserialize(column.frequent)
    if text is not None:
        _ = text.languages
    return column


def _counts(items: list[dict[str, Any]]) -> dict[str, int]:
    return {item["value"]: item["count"] for item in items}


def _together(table: pa.Table, metadata: Mapping[bytes, bytes]) -> Together | None:
    if metadata.get(b"pairs") == b"unknown":
        return None
    mine = table.filter(table["together_means"].is_valid())
    names = tuple(mine["name"].to_pylist())
    matrices = []
    for kind in _MOMENTS:
        matrix = np.zeros((len(names), len(names)))
        for place, part in enumerate(mine[f"together_{kind}"]):
            symmetric = kind in {"n_rows", "products"}
            matrix[place, place if symmetric else 0 :] = part.values.to_numpy()
            if symmetric:
                matrix[place:, place] = matrix[place, place:]
        matrices.append(matrix)
    return Together(names, *matrices)

"""The tables that readers of the ledger get: plain column names, one column a name, the truth beside the prediction.

Columns: ``id``, ``at``, ``version``, the inputs, ``prediction``, ``prob_<class>`` or ``lower`` and ``upper``,
``truth``, ``truth_at``. An input that bears one of these names is shown as ``in.<name>``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cauce.serve import records

if TYPE_CHECKING:
    import pyarrow as pa

OWN = ("id", "at", "version", "day", "truth", "truth_at")


def empty() -> pa.Table:
    """Return a table without rows."""
    import pyarrow as pa

    utc = pa.timestamp("us", "UTC")
    columns = {"id": pa.string(), "at": utc, "version": pa.int64(), "prediction": pa.string()}
    return pa.schema(columns | {"truth": pa.string(), "truth_at": utc}).empty_table()


def table(rows: pa.Table, truths: pa.Table | None) -> pa.Table:
    """Return predictions with disk names as readers get them, with the truth of each where there is one."""
    import pyarrow as pa

    columns = {name: rows[name] for name in ("id", "at", "version")}
    outputs = _merged(rows, "out")
    for name, values in _merged(rows, "in").items():
        columns[f"in.{name}" if name in OWN or name in outputs else name] = values
    columns |= outputs
    columns["truth"], columns["truth_at"] = _truth(rows, truths, columns["prediction"].type)
    return pa.table(columns)


def _merged(rows: pa.Table, side: str) -> dict[str, pa.ChunkedArray]:
    """Return one column per name: where releases disagreed on the type, the widest of those in use."""
    by_name: dict[str, list[tuple[str, pa.ChunkedArray]]] = {}
    for written in rows.column_names:
        if written.startswith(f"{side}:"):
            _, kind, name = records.plain_name(written)
            by_name.setdefault(name, []).append((kind, rows[written]))
    return {name: _one(found) for name, found in by_name.items()}


def _one(found: Sequence[tuple[str, pa.ChunkedArray]]) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    used = [(kind, values) for kind, values in found if values.null_count < len(values)] or found[:1]
    kinds = {kind for kind, _ in used}
    if len(kinds) == 1:
        return used[0][1]
    target = records.arrow_type("float" if kinds == {"int", "float"} else "text")
    return pc.coalesce(*(values.cast(target) for _, values in used))


def _truth(rows: pa.Table, truths: pa.Table | None, prediction: pa.DataType) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    import pyarrow as pa
    import pyarrow.compute as pc

    numeric = pa.types.is_floating(prediction)
    if truths is None:
        n = rows.num_rows
        return (
            pa.chunked_array([pa.nulls(n, pa.float64() if numeric else pa.string())]),
            pa.chunked_array([pa.nulls(n, pa.timestamp("us", "UTC"))]),
        )
    place = pc.index_in(rows["id"], value_set=truths["id"].combine_chunks())
    value = truths["number"] if numeric else pc.coalesce(truths["text"], truths["number"].cast(pa.string()))
    return value.take(place), pc.coalesce(truths["at"], truths["received"]).take(place)

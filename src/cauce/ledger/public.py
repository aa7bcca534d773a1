"""The tables that readers of the ledger get: plain column names, one column a name, the truth beside the prediction.

Columns: ``id``, ``at``, ``version``, the inputs, ``prediction``, ``prob_<class>`` or ``lower`` and ``upper``,
``truth``, ``truth_at``, ``variant``, ``unit``, ``ms``. An input that bears one of these names is shown as
``in.<name>``; but where it is one of the last three, the ledger's own column gives way to it, as ``ledger.<name>``.

A hashed input is shown as ``hash.<name>``: under its own name it would be taken for a value. `withheld` tells which
inputs some rows lack because `[models.NAME.log]` keeps them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson

from cauce.ledger import records

if TYPE_CHECKING:
    import pyarrow as pa

OWN = ("id", "at", "version", "day", "truth", "truth_at")
BESIDE = ("variant", "unit", "ms")
WITHHELD = b"cauce.withheld"
"""Key of the table's metadata that lists inputs which some rows lack, as JSON."""


def empty() -> pa.Table:
    """Return a table without rows."""
    import pyarrow as pa

    utc = pa.timestamp("us", "UTC")
    columns = {"id": pa.string(), "at": utc, "version": pa.int64(), "prediction": pa.string()}
    columns |= {"truth": pa.string(), "truth_at": utc}
    return pa.schema(columns | {"variant": pa.string(), "unit": pa.string(), "ms": pa.float64()}).empty_table()


def table(rows: pa.Table, truths: pa.Table | None) -> pa.Table:
    """Return predictions with disk names as readers get them, with the truth of each where there is one."""
    import pyarrow as pa

    columns = {name: rows[name] for name in ("id", "at", "version")}
    outputs = _merged(rows, "out")
    for name, values in _merged(rows, "in").items():
        columns[f"in.{name}" if name in OWN or name in outputs else name] = values
    columns |= outputs
    columns["truth"], columns["truth_at"] = _truth(rows, truths, columns["prediction"].type)
    for name, values in _beside(rows).items():
        columns[f"ledger.{name}" if name in columns else name] = values
    for name, values in _hashed(rows).items():
        columns.setdefault(f"hash.{name}", values)
    made = pa.table(columns)
    hidden = _withheld(rows)
    return made.replace_schema_metadata({WITHHELD: orjson.dumps(hidden)}) if hidden else made


def columns(rows: pa.Table) -> pa.Table:
    """Return inputs and outputs of rows with disk names under plain names, and nothing else."""
    import pyarrow as pa

    outputs = _merged(rows, "out")
    inputs = {f"in.{name}" if name in OWN or name in outputs else name: v for name, v in _merged(rows, "in").items()}
    return pa.table({**inputs, **outputs})


def without_beside(found: pa.Table) -> pa.Table:
    """Return a table that `Ledger` gave without variant, unit and latency, which no model learns from."""
    own = [f"ledger.{name}" if f"ledger.{name}" in found.column_names else name for name in BESIDE]
    return found.drop_columns([name for name in own if name in found.column_names])


def withheld(found: pa.Table) -> frozenset[str]:
    """Return the inputs that `[models.NAME.log]` kept out of some rows of a table that `Ledger` gave."""
    return frozenset(orjson.loads((found.schema.metadata or {}).get(WITHHELD, b"[]")))


def beside(found: pa.Table, shadows: pa.Table) -> pa.Table:
    """Put what challengers said beside predictions: ``shadow.version``, ``shadow.prediction`` and so on."""
    import pyarrow.compute as pc

    place = pc.index_in(found["id"], value_set=shadows["id"].combine_chunks())
    columns = {"version": shadows["version"], **_merged(shadows, "out"), "ms": shadows["ms"]}
    for name, values in columns.items():
        found = found.append_column(f"shadow.{name}", values.take(place))
    return found


def truths(rows: pa.Table) -> pa.Table:
    """Return truths as readers get them: ``id``, ``value`` (text), ``received``, ``at``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    value = pc.coalesce(rows["text"], rows["number"].cast(pa.string()))
    return pa.table({"id": rows["id"], "value": value, "received": rows["received"], "at": rows["at"]})


def no_truths() -> pa.Table:
    """Return a table of truths without rows."""
    import pyarrow as pa

    utc = pa.timestamp("us", "UTC")
    columns = {"id": pa.string(), "value": pa.string(), "received": utc, "at": utc}
    return pa.schema(columns).empty_table()


def _withheld(rows: pa.Table) -> list[str]:
    if "withheld" not in rows.column_names:
        return []
    said = [text for text in rows["withheld"].unique().to_pylist() if text is not None]
    return sorted({name for text in said for name in orjson.loads(text)})


def _beside(rows: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Return variant, unit and latency; rows of an earlier Cauce have none, and were all the champion's."""
    import pyarrow as pa
    import pyarrow.compute as pc

    types = {"variant": pa.string(), "unit": pa.string(), "ms": pa.float64()}
    found = {
        name: rows[name] if name in rows.column_names else pa.chunked_array([pa.nulls(rows.num_rows, kind)])
        for name, kind in types.items()
    }
    return found | {"variant": pc.fill_null(found["variant"], "champion")}


def _hashed(rows: pa.Table) -> dict[str, pa.ChunkedArray]:
    side = "in:hash:"
    return {records.plain_name(name)[2]: rows[name] for name in rows.column_names if name.startswith(side)}


def _merged(rows: pa.Table, side: str) -> dict[str, pa.ChunkedArray]:
    """Return one column per name: where releases disagreed on the type, the widest of those in use."""
    by_name: dict[str, list[tuple[str, pa.ChunkedArray]]] = {}
    for written in rows.column_names:
        if written.startswith(f"{side}:") and not written.startswith(f"{side}:hash:"):
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

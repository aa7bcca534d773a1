"""Batch prediction: a file in, a file out, through the champion; on request also into the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from cauce.core.artefacts import Release
from cauce.core.errors import Refused, UserError
from cauce.loop.context import Loop

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.track import Package

SUFFIXES = (".csv", ".parquet", ".jsonl")


@dataclass(frozen=True)
class Predicted:
    """What a batch came to."""

    output: Path
    n_rows: int
    model: str
    version: int
    unseen: Mapping[str, int]
    """Column → rows with a category that training never saw: predicted, and less to be trusted."""


def predict(loop: Loop, model: str, source: Path, output: Path, *, record: bool = False) -> Predicted:
    """Predict every row of `source` with the champion and write `output`: the key first, where the file has it.

    Parameters
    ----------
    source
        CSV, Parquet or JSON Lines, with at least the model's input columns.
    output
        ``.csv``, ``.parquet`` or ``.jsonl``. Written whole or not at all.
    record
        Write the predictions to the ledger too; the output then has a column ``prediction_id``.

    Raises
    ------
    Refused
        The model has no champion.
    UserError
        The file lacks a column, holds text where numbers were, or cannot be read.
    """
    from cauce import data

    if output.suffix not in SUFFIXES:
        raise UserError("not a format for predictions", received=str(output), hint=f"End it in {', '.join(SUFFIXES)}.")
    loop.model(model)
    champion = loop.tracker.alias(model, "champion")
    if champion is None:
        raise Refused(f"model {model!r} has no champion", hint=f"Train it first: `cauce train {model}`.")
    release, package = loop.tracker.open(model, champion)
    rows = _rows(release, source)
    answer = _answer(loop, release, package, rows, record=record)
    _write(answer, output)
    unseen = data.count_unseen(rows, release.training.spec.schema)
    return Predicted(output, answer.num_rows, model, champion, unseen)


def _rows(release: Release, source: Path) -> pa.Table:
    from cauce import data

    rows = data.read_file(source)
    missing = [name for name in release.training.spec.schema.names if name not in rows.column_names]
    if missing:
        what = f"lacks the column{'' if len(missing) == 1 else 's'} {', '.join(missing)}"
        raise UserError(what, where=str(source), hint=_renamed(missing, rows.column_names))
    data.check_kinds(rows, release.training.spec.schema, where=str(source))
    return rows


def _renamed(missing: Sequence[str], found: Sequence[str]) -> str:
    """Say which columns of the file have nearly a missing one's name; a list of all the others helps nobody."""
    near = [(name, get_close_matches(name, found, n=1)) for name in missing]
    pairs = ", ".join(f"{other[0]!r} to {name!r}" for name, other in near if other)
    return f"Rename {pairs}?" if pairs else "Add what is missing; an unknown value may be left empty."


def _answer(loop: Loop, release: Release, package: Package, rows: pa.Table, *, record: bool) -> pa.Table:
    from cauce.loop.watch import ledger_of

    predictions = package.fitted.predict(rows)
    spec = release.training.spec
    names, columns = list(predictions.column_names), list(predictions.columns)
    if record:
        inputs = rows.select(list(spec.schema.names))
        ledger = ledger_of(loop, spec.model)
        ids = ledger.record(inputs, predictions, version=release.version, at=loop.now())
        ledger.close()
        names, columns = ["prediction_id", *names], [ids, *columns]
    if spec.key and spec.key in rows.column_names:
        names, columns = [spec.key, *names], [rows[spec.key], *columns]
    import pyarrow as pa

    return pa.table(dict(zip(names, columns, strict=True)))


def _write(table: pa.Table, output: Path) -> None:
    import io

    import pyarrow.csv
    import pyarrow.parquet

    from cauce.core.files import write_bytes

    sink = io.BytesIO()
    if output.suffix == ".csv":
        pyarrow.csv.write_csv(table, sink)
    elif output.suffix == ".parquet":
        pyarrow.parquet.write_table(table, sink)
    else:
        import orjson

        option = orjson.OPT_APPEND_NEWLINE
        sink.writelines(orjson.dumps(row, option=option) for row in table.to_pylist())
    write_bytes(output, sink.getvalue())

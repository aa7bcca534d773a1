"""One predict request from body to answer, by one release: no disk, no network, run in a thread."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from cauce.core.names import uuid7
from cauce.core.specs import ServeSpec
from cauce.rows import RowFailed
from cauce.serve import payload, records
from cauce.serve.body import parse
from cauce.serve.problem import Problem
from cauce.serve.service import Served

if TYPE_CHECKING:
    import pyarrow as pa

PROBABILITY = "prob_"


@dataclass(frozen=True, eq=False)
class Answer:
    """What is to be written, and then sent."""

    lines: list[bytes]
    body: bytes
    n_rows: int
    faults: list[payload.Fault]
    """Where there are any, nothing is written and the answer is their 422."""


def answer(served: Served, body: bytes, spec: ServeSpec, *, now: datetime) -> Answer:
    """Predict the rows of a request.

    Raises
    ------
    Problem
        The body is no JSON, or not of the shape that is asked for.
    """
    rows = payload.items(parse(body), "rows", most=spec.max_rows)
    inputs, faults = payload.validate(rows, served.schema, unseen=spec.unseen_categories)
    if faults:
        return Answer([], b"", len(rows), faults)
    try:
        predictions = served.fitted.predict(inputs.table())
    except RowFailed as error:
        return _not_computed(error, rows)
    if predictions.num_rows != inputs.n_rows:
        raise RuntimeError(f"{served.model} {served.version} gave {predictions.num_rows} rows for {inputs.n_rows}")
    at = records.microseconds(now)
    ids = [uuid7(at // 1000) for _ in range(inputs.n_rows)]
    outputs = {name: _column(predictions[name]) for name in predictions.column_names}
    lines = records.prediction_lines(ids, at, served.version, inputs=inputs.columns, outputs=outputs)
    sent = {"model": served.model, "version": served.version, "predictions": _sent(ids, outputs)}
    return Answer(lines, orjson.dumps(sent), inputs.n_rows, [])


def _not_computed(error: RowFailed, rows: list[Any]) -> Answer:
    """Return the fault of a row that the release's own functions cannot take."""
    if error.row is None:
        raise Problem(422, f"The row function {error.function!r} cannot take these rows: {error.what}.") from error
    expected = f"values that the row function {error.function!r} can take: {error.what}"
    return Answer([], b"", len(rows), [payload.Fault(error.row, None, rows[error.row], expected, "function")])


def _column(values: pa.ChunkedArray) -> tuple[str, list[Any]]:
    import pyarrow as pa

    return ("float" if pa.types.is_floating(values.type) else "text"), values.to_pylist()


def _sent(ids: list[str], outputs: records.Columns) -> list[dict[str, Any]]:
    """Return a prediction per row, its probabilities under their classes' own names."""
    classes = [name.removeprefix(PROBABILITY) for name in outputs if name.startswith(PROBABILITY)]
    plain = [name for name in outputs if not name.startswith(PROBABILITY)]
    rows = [
        {"id": id_, **dict(zip(plain, values, strict=True))}
        for id_, *values in zip(ids, *(outputs[name][1] for name in plain), strict=True)
    ]
    if classes:
        chances = zip(*(outputs[PROBABILITY + name][1] for name in classes), strict=True)
        for row, shares in zip(rows, chances, strict=True):
            row["probabilities"] = dict(zip(classes, shares, strict=True))
    return rows

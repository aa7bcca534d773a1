"""The first prediction of a release, before it answers anybody: made from its schema, judged as an answer.

Two rows: one of ordinary values, one with null wherever training saw it missing. What comes out is nobody's, is written
nowhere, and must be what an answer is: a prediction a row, numbers finite, probabilities that sum to 1. This finds a
release that cannot answer at all (a library of another version, a damaged model); whether it answers well is decided
before, by evidence.
"""

from __future__ import annotations

import math
import time
from typing import Any

import orjson

from cauce.core.artefacts import Column, Schema
from cauce.rows import RowFailed
from cauce.serve.live import Live, Outputs

ORDINARY: dict[str, Any] = {
    "integer": 1,
    "number": 1.0,
    "boolean": False,
    "datetime": "2026-01-01T00:00:00Z",
    "category": "a",
    "text": "a",
}


class Unfit(RuntimeError):
    """A release that does not answer as it must."""


def probe(live: Live) -> float:
    """Let a release predict the example rows of its schema; return how long one row took, seconds.

    Raises
    ------
    Unfit
        The release fails on them, what it gives is no answer, or its quick way says something else than its plain one.
    """
    where = f"model {live.served.model} version {live.served.version}"
    rows, faults = live.plan.read(examples(live.served.schema))
    if faults:
        raise Unfit(f"{where}: its own schema refuses {faults[0].field!r}: {faults[0].expected}")
    begun = time.perf_counter()
    try:
        outputs = live.predict(rows)
        took = time.perf_counter() - begun
        plain = live.predict_plainly(rows)
        predictions = orjson.loads(live.body(["id"] * len(rows), outputs))["predictions"]
    except RowFailed:  # its row functions may refuse rows that are made up
        return time.perf_counter() - begun
    except Exception as error:  # whatever it raises here it would raise for requests
        raise Unfit(f"{where} fails on a row made from its schema: {type(error).__name__}: {error}") from error
    if len(predictions) != len(rows):
        raise Unfit(f"{where} gave {len(predictions)} predictions for {len(rows)} rows made from its schema")
    for prediction in predictions:
        if fault := _fault(prediction, live.served.fitted.classes):
            raise Unfit(f"{where} gave {fault} for a row made from its schema")
    if not _alike(outputs, plain):
        raise Unfit(f"{where} predicts one row otherwise than many: {dict(outputs)} and {dict(plain)}")
    return took / len(rows)


def _alike(quick: Outputs, plain: Outputs) -> bool:
    """Return whether both ways gave the same, numbers to nine digits."""
    return quick.keys() == plain.keys() and all(
        one == other or (isinstance(one, float) and math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12))
        for name in plain
        for one, other in zip(quick[name], plain[name], strict=True)
    )


def examples(schema: Schema) -> list[dict[str, Any]]:
    """Return a row of ordinary values, and one of nulls where they are allowed.

    Examples
    --------
    >>> examples(Schema((Column("age", "integer", nullable=False), Column("plan", "category", categories=("free",)))))
    [{'age': 1, 'plan': 'free'}, {'age': 1, 'plan': None}]
    """
    ordinary = {column.name: _ordinary(column) for column in schema}
    return [ordinary, {column.name: None if column.nullable else ordinary[column.name] for column in schema}]


def _ordinary(column: Column) -> Any:
    return column.categories[0] if column.categories else ORDINARY[column.kind]


def _fault(prediction: dict[str, Any], classes: tuple[str, ...]) -> str:
    """Say what is wrong with one prediction; nothing where nothing is. JSON has null where a number is not finite."""
    value = prediction.get("prediction")
    if value is None:
        return "no prediction, or one that is not finite"
    if not classes:
        ends = [prediction[name] for name in ("lower", "upper") if name in prediction]
        return "an interval that is not finite" if None in ends else ""
    if value not in classes:
        return f"the class {str(value)[:80]!r}, which is none of its own"
    shares = list(prediction.get("probabilities", {}).values())
    if any(share is None or not -1e-9 <= share <= 1 + 1e-9 for share in shares):
        return "a probability outside 0 to 1"
    return "" if not shares or math.isclose(sum(shares), 1.0, abs_tol=1e-3) else "probabilities that do not sum to 1"

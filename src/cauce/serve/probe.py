"""The first prediction of a release, before it answers anybody: made from its schema, judged as an answer.

Two rows: one of ordinary values, one with null wherever training saw it missing. What comes out is nobody's, is written
nowhere, and must be what an answer is: a prediction a row, numbers finite, probabilities that sum to 1. This finds a
release that cannot answer at all (a library of another version, a damaged model); whether it answers well is decided
before, by evidence.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from cauce.core.artefacts import Column, Schema
from cauce.core.specs import ServeSpec
from cauce.serve import answer
from cauce.serve.problem import Problem
from cauce.serve.service import Served

ORDINARY: dict[str, Any] = {
    "integer": 1,
    "number": 1.0,
    "boolean": False,
    "datetime": "2026-01-01T00:00:00Z",
    "category": "a",
    "text": "a",
}
Respond = Callable[[Served, bytes], bytes | None]
"""A request's body → the answer's; None where the release's row functions refuse the rows, which are made up."""


class Unfit(RuntimeError):
    """A release that does not answer as it must."""


def probe(served: Served, respond: Respond | None = None) -> None:
    """Let a release predict the example rows of its schema.

    Parameters
    ----------
    respond
        The way that requests take; that of `answer.answer` where None.

    Raises
    ------
    Unfit
        The release fails on them, or what it gives is no answer.
    """
    where = f"model {served.model} version {served.version}"
    rows = examples(served.schema)
    try:
        body = (respond or _respond)(served, orjson.dumps({"rows": rows}))
    except Exception as error:  # whatever it raises here it would raise for requests
        raise Unfit(f"{where} fails on a row made from its schema: {type(error).__name__}: {error}") from error
    if body is None:
        return
    predictions = orjson.loads(body)["predictions"]
    if len(predictions) != len(rows):
        raise Unfit(f"{where} gave {len(predictions)} predictions for {len(rows)} rows made from its schema")
    for prediction in predictions:
        if fault := _fault(prediction, served.fitted.classes):
            raise Unfit(f"{where} gave {fault} for a row made from its schema")


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


def _respond(served: Served, body: bytes) -> bytes | None:
    try:
        made = answer.answer(served, body, ServeSpec(), now=datetime.now(UTC))
    except Problem:  # its row functions cannot take the rows together
        return None
    if all(fault.reason == "function" for fault in made.faults):
        return None if made.faults else made.body
    raise ValueError(f"its own schema refuses {made.faults[0].field!r}: {made.faults[0].expected}")


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

"""The OpenAPI document: a path per model, with the fields, types and categories of the release that answers now."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import orjson

from cauce.core.artefacts import Column, Schema
from cauce.core.specs import ServeSpec
from cauce.serve import truths
from cauce.serve.payload import LONGEST_UNIT, describe
from cauce.serve.problem import MEDIA_TYPE
from cauce.serve.service import Served, Service

Json = dict[str, Any]
TYPES: dict[str, Json] = {
    "integer": {"type": "integer", "format": "int64"},
    "number": {"type": "number", "format": "double"},
    "boolean": {"type": "boolean"},
    "category": {"type": "string"},
    "text": {"type": "string"},
    "datetime": {"type": "string", "format": "date-time"},
}
REFUSALS = {
    "400": "not JSON",
    "401": "no token, or a wrong one",
    "403": "a token without the scope that the route asks for",
    "408": "the request did not arrive in time",
    "413": "body too large",
    "415": "not JSON by its media type",
    "422": "faults, each with its row and field",
    "429": "too many requests in flight, or of this token: try again after Retry-After",
    "500": "our fault; the log has it under `request_id`",
    "503": "no champion answers yet, the deadline passed, or the ledger cannot be written",
    "507": "the disk is full, nothing was kept",
}
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 255},
    "description": "The same key and body of the same token get the same answer, for a day.",
}


DEADLINE = {
    "name": "Cauce-Deadline-Ms",
    "in": "header",
    "required": False,
    "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
    "description": "How long the client will wait for the request's turn, in milliseconds.",
}
UNIT = {
    "oneOf": [{"type": "string", "minLength": 1, "maxLength": LONGEST_UNIT}, {"type": "integer"}, {"type": "null"}],
    "description": "Whom the rows are about: an A/B split deals by it, and what is kept can be found and erased by it.",
}


def document(service: Service, served: Sequence[Served]) -> bytes:
    """Return the document as JSON."""
    paths: Json = {}
    for one in served:
        where = f"/v1/models/{one.model}"
        paths[f"{where}/predict"] = {"post": _predict(one, service.spec)}
        paths[f"{where}/truth"] = {"post": _truth(one, service.spec)}
    paths |= {
        "/v1/models": {"get": _get("List the models that answer")},
        "/metrics": {"get": _get("Prometheus metrics")},
    }
    for path, summary in (("/healthz", "Whether the process answers"), ("/readyz", "Whether models answer")):
        paths[path] = {"get": _get(summary) | {"security": []}}
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": service.project, "version": version("cauce")},
            "security": [{"token": []}],
            "paths": paths,
            "components": {
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
                "schemas": {
                    "Problem": PROBLEM,
                    **{f"{one.model}.Row": row_schema(one.schema, service.spec) for one in served},
                },
            },
        }
    )


def row_schema(schema: Schema, spec: ServeSpec) -> Json:
    """Return the JSON Schema of one row of a request."""
    return {
        "type": "object",
        "properties": {column.name: _field(column, spec) for column in schema},
        "required": list(schema.names),
        "additionalProperties": False,
    }


def _field(column: Column, spec: ServeSpec) -> Json:
    field = dict(TYPES[column.kind])
    if column.nullable:
        field["type"] = [field["type"], "null"]
    if column.categories is not None and spec.unseen_categories == "refuse":
        field["enum"] = [*column.categories, *([None] if column.nullable else [])]
    return field | {"description": describe(column)}


def _predict(served: Served, spec: ServeSpec) -> Json:
    row = {"$ref": f"#/components/schemas/{served.model}.Row"}
    ask = _object({"rows": {"type": "array", "items": row, "minItems": 1, "maxItems": spec.max_rows}, "unit": UNIT})
    ask["required"] = ["rows"]
    prediction: Json = {"id": {"type": "string", "format": "uuid"}}
    if served.task == "regress":
        prediction |= {name: {"type": "number"} for name in ("prediction", "lower", "upper")}
    else:
        classes = list(served.fitted.classes)
        prediction["prediction"] = {"type": "string", "enum": classes}
        prediction["probabilities"] = _object({name: {"type": "number"} for name in classes})
    give = {
        "model": {"const": served.model},
        "version": {"type": "integer"},
        "predictions": {"type": "array", "items": _object(prediction)},
    }
    made = _post(served, f"Predict {served.target}", ask, _object(give))
    made["parameters"].append(DEADLINE)
    return made


def _truth(served: Served, spec: ServeSpec) -> Json:
    value: Json = {"type": "number"} if served.task == "regress" else {"type": ["string", "number", "boolean"]}
    if served.task != "regress" and spec.unseen_categories == "refuse":
        value = {"enum": [spelling for label in served.fitted.classes for spelling in _spellings(label)]}
    truth = _object({"id": {"type": "string"}, "value": value, "at": {"type": "string", "format": "date-time"}})
    truth["required"] = ["id", "value"]
    ask = _object({"truths": {"type": "array", "items": truth, "minItems": 1, "maxItems": spec.max_rows}})
    states = ["accepted", "duplicate", "corrected", "unknown"]
    result = _object({"id": {"type": "string"}, "status": {"type": "string", "enum": states}})
    give = _object({"results": {"type": "array", "items": result}})
    return _post(served, f"Tell what {served.target} turned out to be", ask, give)


def _spellings(label: str) -> list[str | float | bool]:
    """Return the JSON values that are taken for a label; see `truths.value`.

    Examples
    --------
    >>> _spellings("yes"), _spellings("1"), _spellings("true")
    (['yes'], ['1', 1], ['true', True])
    """
    found: list[str | float | bool] = [label]
    try:
        other = orjson.loads(label)
    except orjson.JSONDecodeError:
        return found
    if isinstance(other, bool | int | float) and truths.value(other, "classify") == label:
        found.append(other)
    return found


def _object(properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _post(served: Served, summary: str, ask: Json, give: Json) -> Json:
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        "summary": summary,
        "tags": [served.model],
        "parameters": [KEY],
        "requestBody": {"required": True, "content": {"application/json": {"schema": ask}}},
        "responses": {
            "200": {"description": "done", "content": {"application/json": {"schema": give}}},
            **{status: {"description": why, "content": problem} for status, why in REFUSALS.items()},
        },
    }


def _get(summary: str) -> Json:
    return {"summary": summary, "responses": {"200": {"description": "done"}}}


PROBLEM: Json = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string", "description": "of a failure: what the log knows stands under it"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "row": {"type": "integer"},
                    "field": {"type": ["string", "null"]},
                    "received": {},
                    "expected": {"type": "string"},
                    "reason": {"type": "string"},
                },
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}

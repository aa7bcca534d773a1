"""Requests as data: which method, which path, which bytes. Nothing is sent here."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import quote

from cauce.client.answers import Truth
from cauce.core.errors import UserError


class Route(NamedTuple):
    """One route of the service."""

    method: str
    path: str
    """`{name}` stands for the model's."""


ROUTES: Mapping[str, Route] = {
    "predict": Route("POST", "/v1/models/{name}/predict"),
    "truth": Route("POST", "/v1/models/{name}/truth"),
    "models": Route("GET", "/v1/models"),
    "metrics": Route("GET", "/metrics"),
    "healthy": Route("GET", "/healthz"),
    "ready": Route("GET", "/readyz"),
    "openapi": Route("GET", "/openapi.json"),
}
"""Method of the client → route. A test holds it against the service's own document."""


@dataclass(frozen=True)
class Call:
    """One request, the same however often it is sent."""

    method: str
    path: str
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


def predict(model: str, rows: Iterable[Mapping[str, Any]], *, unit: str | None = None, key: str | None = None) -> Call:
    """Ask for predictions.

    Parameters
    ----------
    unit
        Who the request is about.
    key
        Idempotency-Key; made anew where None.

    Raises
    ------
    UserError
        The rows are no list of objects, or hold a value that JSON cannot.
    """
    if isinstance(rows, Mapping | str | bytes):
        hint = "Give a list of rows; `predict_one` takes a single one."
        raise UserError("not a list of rows", where=f"predict {model}", received=type(rows).__name__, hint=hint)
    content: dict[str, Any] = {"rows": rows if isinstance(rows, list) else list(rows)}
    if unit is not None:
        content["unit"] = unit
    return _post("predict", model, content, key)


def truth(model: str, truths: Sequence[Truth], *, key: str | None = None) -> Call:
    """Tell truths; parameters and errors as `predict`."""
    told = [
        {"id": one.id, "value": one.value} | ({} if one.at is None else {"at": one.at.isoformat()}) for one in truths
    ]
    return _post("truth", model, {"truths": told}, key)


def get(name: str) -> Call:
    """Ask for one of the routes that take nothing."""
    return Call(*ROUTES[name])


def _post(name: str, model: str, content: dict[str, Any], key: str | None) -> Call:
    route = ROUTES[name]
    headers = {"Content-Type": "application/json", "Idempotency-Key": key or str(uuid.uuid4())}
    path = route.path.format(name=quote(model, safe=""))
    return Call(route.method, path, _json(content, where=f"{name} {model}"), headers)


def _json(content: dict[str, Any], *, where: str) -> bytes:
    """Return JSON; numpy's values pass, and NaN becomes null: a missing value."""
    import orjson

    try:
        return orjson.dumps(content, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z)
    except (orjson.JSONEncodeError, TypeError) as error:
        hint = "Rows hold texts, numbers, true and false, None, dates and times."
        raise UserError(f"not a value that JSON can hold: {error}", where=where, hint=hint) from error


def _plain(value: object) -> object:
    """Return what orjson does not know as something that it does."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date):  # a subclass, as pandas has one
        return value.isoformat()
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return list(value)
    raise TypeError(type(value).__name__)

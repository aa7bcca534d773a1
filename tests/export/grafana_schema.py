"""Dashboards held against the types that Grafana publishes, its foundation SDK: unknown keys, wrong types.

The SDK reads a dashboard without complaint and drops what it does not know. So it is read, written again and compared
(what is gone was unknown); and every value of what was read is held against the annotation of its attribute.
"""

from __future__ import annotations

import enum
import importlib
import json
import types
import typing
from collections.abc import Iterator
from typing import Any


def faults(found: dict[str, Any]) -> list[str]:
    """Return what Grafana's types do not allow in a dashboard, each with its place."""
    package = "grafana_foundation_sdk"
    models = importlib.import_module(f"{package}.models.dashboard")
    importlib.import_module(f"{package}.cog.plugins").register_default_plugins()
    encoder = importlib.import_module(f"{package}.cog.encoder").JSONEncoder
    read = models.Dashboard.from_json(json.loads(json.dumps(found)))
    again = json.loads(json.dumps(read, cls=encoder))
    return [*lost(found, again, "dashboard"), *mistyped(read, models.Dashboard, "dashboard")]


def lost(ours: object, theirs: object, place: str) -> Iterator[str]:
    """Yield what of ours is gone or changed once the SDK read and wrote it."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            if key not in theirs:
                if value is not None:  # null is absent
                    yield f"{place}.{key}: not known"
            else:
                yield from lost(value, theirs[key], f"{place}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for at, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from lost(one, other, f"{place}[{at}]")
    elif ours != theirs:
        yield f"{place}: {ours!r} became {theirs!r}"


def mistyped(value: object, hint: Any, place: str) -> Iterator[str]:
    """Yield the places whose value is not of the annotated type."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or hint is object:
        yield from _attributes(value, place)  # of a panel's options: known once its type is
    elif origin in {typing.Union, types.UnionType}:
        if all(list(mistyped(value, one, place)) for one in inner):
            # Said for the alternative that comes closest: of a row and a panel the one whose type it has.
            near = [one for one in inner if isinstance(one, type) and isinstance(value, one)]
            yield from mistyped(value, near[0], place) if near else iter([f"{place}: {value!r} is not {hint}"])
    elif origin is typing.Literal:
        if value not in inner:
            yield f"{place}: {value!r} is none of {inner}"
    elif origin in {list, dict}:
        if not isinstance(value, origin):
            yield f"{place}: {value!r} is no {origin.__name__}"
        else:
            for at, one in value.items() if isinstance(value, dict) else enumerate(value):
                yield from mistyped(one, inner[-1], f"{place}[{at}]")
    elif isinstance(hint, type):
        yield from _of_class(value, hint, place)


def _of_class(value: object, hint: type, place: str) -> Iterator[str]:
    if issubclass(hint, enum.Enum):
        if value not in [one.value for one in hint]:
            yield f"{place}: {value!r} is no {hint.__name__}"
    elif hint is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield f"{place}: {value!r} is no number"
    elif hint is int:
        if isinstance(value, bool) or not isinstance(value, int):
            yield f"{place}: {value!r} is no whole number"
    elif not isinstance(value, hint):
        yield f"{place}: {value!r} is no {hint.__name__}"
    else:
        yield from _attributes(value, place)


def _attributes(value: object, place: str) -> Iterator[str]:
    if type(value).__module__.startswith("grafana_foundation_sdk"):
        for name, inner in typing.get_type_hints(type(value)).items():
            yield from mistyped(getattr(value, name, None), inner, f"{place}.{name}")

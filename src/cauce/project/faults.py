"""What pydantic refuses, told the way the user wrote it: line, table, key, what is valid, what was perhaps meant."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import date, time
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from cauce.core.errors import UserError, did_you_mean
from cauce.core.specs import File
from cauce.project.keys import Place, place
from cauce.project.origins import KeyPath, Origins, header

SYNONYMS = {
    "exclude": ("ignore",),
    "drop": ("ignore",),
    "label": ("target",),
    "y": ("target",),
    "target_column": ("target",),
    "file": ("source",),
    "path": ("source",),
    "id": ("key",),
    "date": ("time",),
    "timestamp": ("time",),
    "eval_metric": ("loss", "metric"),
}
"""What other programs call a key → its name here, offered where the table knows it."""


class Checked(NamedTuple):
    """What became of a document."""

    file: File | None
    """The file, or None where anything was wrong."""
    sound: File | None
    """What is left when every faulty key is taken out: the references within it can still be judged."""
    touched: frozenset[KeyPath]
    """Paths of the faulty keys."""
    faults: tuple[UserError, ...]


def check(document: dict[str, Any], origins: Origins) -> Checked:
    """Hold a document against the specs; every fault is told, and the sound rest is kept."""
    try:
        file = _validated(document)
    except ValidationError as error:
        found: dict[KeyPath, ErrorDetails] = {}
        for detail in error.errors():
            found.setdefault(_path(detail, document), detail)
        faults = tuple(_fault(path, detail, document, origins) for path, detail in found.items())
        return Checked(None, _sound(document), frozenset(found), faults)
    return Checked(file, file, frozenset(), ())


def _validated(document: dict[str, Any]) -> File:
    # Through JSON, since strict Python input takes neither lists for tuples nor tables for models.
    return File.model_validate_json(json.dumps(document, default=_odd), strict=True)


def _odd(moment: object) -> dict[str, str]:
    """Dates belong nowhere in the file: a table with a key that cannot be one is refused at their place."""
    return {"": str(moment)}


def _path(detail: ErrorDetails, document: object) -> KeyPath:
    """Return the path within the document: pydantic adds the branch of a union, or ``[key]`` behind a table's name."""
    path: KeyPath = ()
    for part in detail["loc"]:
        if _holds(document, part):
            document = document[part]  # type: ignore[index]
        elif detail["type"] != "missing":
            break
        path = (*path, part)
    # A bad name must not hide what is wrong inside its table, nor the other way round.
    return (*path, "[key]") if detail["loc"][-1:] == ("[key]",) else path


def _fault(path: KeyPath, detail: ErrorDetails, document: object, origins: Origins) -> UserError:
    if path[-1:] == ("[key]",):
        hint = "Use a-z, 0-9, _ and -, a letter first, at most 63."
        return UserError("not a name", where=origins.where(*path[:-1]), received=path[-2], hint=hint)
    if detail["type"] == "extra_forbidden":
        return _unknown(path, document, origins)
    here = place(path)
    if here is None:  # pragma: no cover - pydantic knows no place that the schema does not
        return UserError(detail["msg"], where=origins.where(*path))
    if detail["type"] == "missing":
        return _missing(path, here, origins)
    return _wrong(path, here, _value(document, path), origins)


def _unknown(path: KeyPath, document: object, origins: Origins) -> UserError:
    around = place(path[:-1])
    known = around.keys if around else ()
    kind = "table" if isinstance(_value(document, path), dict) else "key"
    word = str(path[-1])
    meant = [name for name in SYNONYMS.get(word.lower(), ()) if name in known]
    hint = f"Did you mean {meant[0]!r}?" if meant else did_you_mean(word, known)
    return UserError(f"unknown {kind}", where=origins.where(*path), hint=hint)


def _missing(path: KeyPath, here: Place, origins: Origins) -> UserError:
    if here.is_table:
        needed = " and ".join(here.node.get("required", ()))
        return UserError(f"{header(path)} is missing", where=origins.file, hint=f"Add {header(path)} with {needed}.")
    hint = f"Add {path[-1]} = {here.valid()}. {here.meaning}"
    return UserError(f"{path[-1]} is missing", where=origins.where(*path[:-1]), hint=hint)


def _wrong(path: KeyPath, here: Place, received: object, origins: Origins) -> UserError:
    where = origins.where(*path)
    if here.choices and isinstance(received, str):
        return UserError("not one of the choices", where=where, received=received, hint=_choice_hint(received, here))
    shown = str(received) if isinstance(received, date | time) else received
    return UserError(_misfit(received, here), where=where, received=shown, hint=f"Write {here.valid()}.")


def _misfit(received: object, here: Place) -> str:
    """Say in which way a value is wrong: its kind, or its size."""
    kind = here.node.get("type")
    numbers = {"integer": int, "number": int | float}
    if kind in numbers and isinstance(received, numbers[kind]) and not isinstance(received, bool):
        return "out of range"
    if kind == "string" and isinstance(received, str) and "pattern" not in here.node:
        return "not of the right length"
    return f"not {here.valid().partition(',')[0].partition(':')[0]}"


def _choice_hint(received: str, here: Place) -> str:
    near = did_you_mean(received, here.choices)
    return near if near.startswith("Did") else f"Write {here.valid()}."


def _holds(document: object, part: str | int) -> bool:
    if isinstance(document, list):
        return isinstance(part, int) and part < len(document)
    return isinstance(document, dict) and part in document


def _value(document: object, path: KeyPath) -> object:
    for key in path:
        if isinstance(document, dict):
            document = document.get(key)
        elif isinstance(document, list) and isinstance(key, int):
            document = document[key]
    return document


def _sound(document: dict[str, Any]) -> File | None:
    """Take out what is wrong, again and again, until the rest passes; None where nothing is left to take."""
    rest = copy.deepcopy(document)
    while True:
        try:
            return _validated(rest)
        except ValidationError as error:
            paths = list(_to_remove(error, rest))
            removed = [_remove(rest, path) for path in paths]  # all of them, not up to the first
            if not any(removed):
                return None


def _to_remove(error: ValidationError, rest: object) -> Iterator[KeyPath]:
    for detail in error.errors():
        path = _path(detail, rest)
        whole = detail["type"] == "missing" or path[-1:] == ("[key]",)
        yield path[:-1] if whole else path


def _remove(document: dict[str, Any], path: KeyPath) -> bool:
    """Take the key at `path` out; an array goes as a whole. A project that cannot be read is stood in for."""
    if not path or path == ("project",):
        document["project"] = {"name": "unnamed"}
        return True
    table = _value(document, path[:-1])
    if isinstance(table, list):
        return _remove(document, path[:-1])
    if not isinstance(table, dict) or path[-1] not in table:
        return False
    del table[path[-1]]
    return True

"""What may stand at a place of cauce.toml, in words: read from the JSON Schema of the specs, so that it stands once."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cauce.core.registry import TASKS
from cauce.core.specs import File
from cauce.project.origins import KeyPath

TITLE = "cauce.toml"
DESCRIPTION = "A Cauce project: its data sets, its models, and when to audit, watch, renew and serve them."

_PATTERNS = {
    "^[a-z][a-z0-9_-]{0,62}$": "a name: a-z, 0-9, _ and -, a letter first, at most 63",
    r"^[0-9]+(\.[0-9]+)?(s|m|h|d)$": 'a duration such as "30s", "10m", "1.5h" or "2d"',
}


@dataclass(frozen=True)
class Place:
    """One place in the file: its node of the JSON Schema, references followed."""

    node: Mapping[str, Any]

    @property
    def is_table(self) -> bool:
        """Whether a table belongs here."""
        return self.node.get("type") == "object"

    @property
    def keys(self) -> tuple[str, ...]:
        """Fixed keys of the table here."""
        return tuple(self.node.get("properties", ()))

    @property
    def open(self) -> bool:
        """Whether the user names the keys of the table here: data sets, models, checks."""
        return self.is_table and "properties" not in self.node

    def child(self, key: str | int) -> Place | None:
        """Return the place under `key`, or None when nothing may stand there."""
        if isinstance(key, int):
            found = self.node.get("items")
        elif key in self.node.get("properties", ()):
            found = self.node["properties"][key]
        elif self.open:
            found = self.node.get("additionalProperties") or next(iter(self.node["patternProperties"].values()))
        else:
            found = None
        return Place(_resolved(found)) if found else None

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that may stand here, where they are listed."""
        return tuple(self.node.get("enum", ()))

    @property
    def meaning(self) -> str:
        """The key's description, first sentence."""
        text = " ".join(str(self.node.get("description", "")).split())
        return text.partition(". ")[0].rstrip(".") + "." if text else ""

    def valid(self) -> str:
        """Say what may stand here: ``"a number, at least 0 and under 1"``."""
        kind = self.node.get("type")
        if self.choices:
            return f"one of {', '.join(self.choices)}" + (", or a table of keys" if self.is_table else "")
        if "pattern" in self.node:
            return _PATTERNS[self.node["pattern"]]
        if kind == "array":
            one = "text between quotes, or " if self.node.get("single") else ""
            return f'{one}a list of texts, such as ["a", "b"]'
        if kind in {"integer", "number"}:
            return ("a whole number" if kind == "integer" else "a number") + _limits(self.node)
        if kind == "object":
            return "a table of keys"
        return {"boolean": "true or false"}.get(str(kind), "text between quotes" + _length(self.node))


@cache
def root() -> Place:
    """Return the place of the whole file."""
    return Place(_resolved(file_schema()))


def place(path: KeyPath) -> Place | None:
    """Return what may stand at `path`, or None for an unknown key.

    Examples
    --------
    >>> place(("models", "dropout", "margin")).valid()
    'a number, at least 0 and under 1'
    """
    here: Place | None = root()
    for key in path:
        here = here.child(key) if here else None
    return here


@cache
def file_schema() -> dict[str, Any]:
    """Return the JSON Schema of the specs, with the task table's names as the choices of `task`."""
    schema = File.model_json_schema()
    schema["$defs"]["ModelSpec"]["properties"]["task"]["enum"] = list(TASKS)
    return schema


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of cauce.toml.

    Examples
    --------
    >>> json_schema()["title"]
    'cauce.toml'
    """
    schema = copy.deepcopy(file_schema())
    for name in ("data", "models"):
        schema["properties"][name]["additionalProperties"] = False
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return draft | schema | {"title": TITLE, "description": DESCRIPTION}


def _resolved(node: Mapping[str, Any]) -> dict[str, Any]:
    """Follow a reference, drop null, and merge the listed values of a union."""
    own = {key: value for key, value in node.items() if key not in {"$ref", "anyOf"}}
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        return {**_resolved(file_schema()["$defs"][name]), **own}
    options = [_resolved(option) for option in node.get("anyOf", ()) if option.get("type") != "null"]
    if arrays := [option for option in options if option.get("type") == "array"]:
        return {**arrays[0], **own, "single": True}  # one text may stand for a list of one
    if len(options) > 1:
        tables = [option for option in options if option.get("type") == "object"]  # a word may stand for a table
        others = [option for option in options if option not in tables]
        enum = [value for option in others for value in option.get("enum", [option.get("const")])]
        return {**(tables[0] if tables else {"type": "string"}), **own, "enum": enum}
    return {**(options[0] if options else {}), **own}


def _limits(node: Mapping[str, Any]) -> str:
    words = {"minimum": "at least", "exclusiveMinimum": "over", "maximum": "at most", "exclusiveMaximum": "under"}
    found = [f"{word} {node[key]:g}" for key, word in words.items() if key in node]
    return f", {' and '.join(found)}" if found else ""


def _length(node: Mapping[str, Any]) -> str:
    least, most = node.get("minLength"), node.get("maxLength")
    if least is not None and least == most:
        return f", {least} character" + ("" if least == 1 else "s")
    return f", at least {least} characters" if least else ""

"""Overrides from the environment: CAUCE_MODELS__DROPOUT__MARGIN=0.02 takes the place of a key of cauce.toml.

A name is compared in upper case with - read as _. Only what the file knows can be overridden: no new data set or model.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from cauce.core.errors import UserError, did_you_mean
from cauce.core.specs import File
from cauce.project.keys import Place, root
from cauce.project.origins import KeyPath

PREFIX = "CAUCE_"
_SECTIONS = frozenset(name.upper() for name in File.model_fields)


def overrides(
    env: Mapping[str, str], document: Mapping[str, Any], checks: Collection[str] = ()
) -> tuple[dict[KeyPath, str], list[UserError]]:
    """Find the variables that mean a key of this file.

    Parameters
    ----------
    env
        The environment.
    document
        The file as tomllib read it: its data sets and models can be named.
    checks
        Codes of the audit's checks, which can be named though the file has no table for them.

    Returns
    -------
    tuple[dict[KeyPath, str], list[UserError]]
        Path of the key → name of the variable, and the faults: unknown keys, names that two tables share.
    """
    found: dict[KeyPath, str] = {}
    faults = []
    for variable in sorted(env):
        section, separator, rest = variable.removeprefix(PREFIX).partition("__")
        if not variable.startswith(PREFIX) or not separator or section not in _SECTIONS:
            continue
        paths = tuple(_paths(f"{section}__{rest}", root(), document, checks))
        if len(paths) == 1 and paths[0] not in found:
            found[paths[0]] = variable
        else:
            faults.append(_fault(variable, paths, document, checks))
    return found, faults


def value(raw: str) -> object:
    """Read a variable's text as a TOML value, or take it as it is.

    Examples
    --------
    >>> value("0.02"), value("10m"), value('["a", "b"]')
    (0.02, '10m', ['a', 'b'])
    """
    try:
        read = tomllib.loads(f"value = {raw}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return raw
    return read["value"] if set(read) == {"value"} else raw


def put(document: dict[str, Any], path: KeyPath, new: object) -> None:
    """Set `path` in a document, making the tables on the way; a path through something else is left alone."""
    table = document
    for key in path[:-1]:
        table = table.setdefault(str(key), {})
        if not isinstance(table, dict):
            return
    table[str(path[-1])] = new


def _paths(text: str, here: Place, table: object, checks: Collection[str]) -> Iterator[KeyPath]:
    """Give every path of a value that `text` can mean from `here` on: names may hold `__` themselves."""
    for key in _names(here, table, checks):
        below = here.child(key)
        rest = text.removeprefix(_shout(key))
        if below is None or rest == text:
            continue
        if not rest and (not below.is_table or below.choices):
            yield (key,)
        if rest.startswith("__") and below.is_table:
            inner = table.get(key, {}) if isinstance(table, Mapping) else {}
            yield from ((key, *path) for path in _paths(rest[2:], below, inner, checks))


def _names(here: Place, table: object, checks: Collection[str]) -> tuple[str, ...]:
    if not here.open:
        return here.keys
    known = tuple(table) if isinstance(table, Mapping) else ()
    # The checks' table is the one open table whose keys the program knows, not the user.
    of_checks = here.node.get("title") == "Checks"
    return tuple(dict.fromkeys((*known, *(checks if of_checks else ()))))


def _shout(name: str) -> str:
    return name.upper().replace("-", "_")


def _fault(
    variable: str, paths: tuple[KeyPath, ...], document: Mapping[str, Any], checks: Collection[str]
) -> UserError:
    where = f"environment variable {variable}"
    if len(paths) > 1:
        meant = " and ".join(".".join(map(str, path)) for path in paths)
        return UserError(f"means {meant}", where=where, hint="Rename one of them in cauce.toml.")
    if paths:
        return UserError(
            f"{'.'.join(map(str, paths[0]))} is set by another variable too", where=where, hint="Unset one."
        )
    known = [PREFIX + "__".join(map(_shout, path)) for path in _every_path(root(), document, checks)]
    section = variable.partition("__")[0] + "__"
    near = [name for name in known if name.startswith(section)]
    return UserError("no such key in cauce.toml", where=where, hint=did_you_mean(variable, near or known))


def _every_path(here: Place, table: object, checks: Collection[str]) -> Iterator[tuple[str, ...]]:
    for key in _names(here, table, checks):
        below = here.child(key)
        if below is not None and below.is_table:
            inner = table.get(key, {}) if isinstance(table, Mapping) else {}
            yield from ((key, *path) for path in _every_path(below, inner, checks))
        else:
            yield (key,)

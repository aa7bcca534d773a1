"""The codes of the project's own checks, read from its files without running them: `[audit.checks.CODE]` names them."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cauce.core.errors import UserError
from cauce.core.scripts import Script, read_script
from cauce.project.origins import Origins

DECORATOR = "own_check"
HINT = 'Write it as text in the decorator: @own_check("refund_over_price").'


class Declared(NamedTuple):
    """One check as a file declares it."""

    code: str | None
    """None where it is not written as text."""
    file: str
    line: int


def names(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the files that `[audit] own` names in a document not yet checked; none where it holds something else."""
    audit = document.get("audit")
    own = audit.get("own") if isinstance(audit, Mapping) else None
    listed = [own] if isinstance(own, str) else own
    return tuple(listed) if isinstance(listed, list | tuple) and all(isinstance(n, str) for n in listed) else ()


def codes(document: Mapping[str, Any], folder: Path) -> tuple[str, ...]:
    """Return the codes that can be read; what cannot is told by `faults`."""
    found: list[str] = []
    for name in names(document):
        try:
            script = read_script(name, folder, where="[audit] own")
            found += [check.code for check in declared(script) if check.code is not None]
        except UserError:  # told by `faults`, with the line of the key
            continue
    return tuple(dict.fromkeys(found))


def declared(script: Script) -> tuple[Declared, ...]:
    """Return the checks of a file: functions under `@own_check("code")`.

    Raises
    ------
    UserError
        The file is not Python; with its line.
    """
    try:
        tree = ast.parse(script.text, script.path)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        what = f"not Python: {getattr(error, 'msg', error)}"
        raise UserError(what, where=f"{script.path}:{line}", hint="Mend the line.") from error
    calls = (
        call
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for call in node.decorator_list
        if isinstance(call, ast.Call) and _name(call.func) == DECORATOR
    )
    found = (Declared(_text(call), script.path, call.lineno) for call in calls)
    return tuple(sorted(found, key=lambda check: check.line))


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _text(call: ast.Call) -> str | None:
    given = [*call.args[:1], *(word.value for word in call.keywords if word.arg == "code")]
    first = given[0] if given else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def faults(
    document: Mapping[str, Any], folder: Path, origins: Origins, taken: Collection[str] | None
) -> Iterator[UserError]:
    """Give what is wrong with the files of `[audit] own`: not there, outside the project, no check, a code used twice.

    Parameters
    ----------
    document
        The file's keys.
    folder
        The project's.
    origins
        Where its keys stand.
    taken
        Codes of Cauce's own checks; None leaves them unexamined.
    """
    known = dict.fromkeys(taken or (), "a check of Cauce")
    for index, name in enumerate(names(document)):
        where = origins.where("audit", "own", index)
        try:
            checks = declared(read_script(name, folder, where=where))
        except UserError as error:
            yield error
            continue
        if not checks:
            yield UserError("no check in it", where=where, received=name, hint=f"Put one above a function. {HINT}")
        for check in checks:
            place = f"{check.file}:{check.line}"
            if check.code is None:
                yield UserError("a check's code is not written as text", where=place, received=DECORATOR, hint=HINT)
            elif check.code in known:
                what = f"another check has this code: {known[check.code]}"
                yield UserError(what, where=place, received=check.code, hint="Give the check another code.")
            else:
                known[check.code] = place

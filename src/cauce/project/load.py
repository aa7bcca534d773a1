"""cauce.toml → Project: read, overridden from the environment, checked as a whole, every fault told at once."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cauce.core.addresses import is_address
from cauce.core.errors import Problems, UserError, did_you_mean
from cauce.core.specs import DataSpec, File
from cauce.core.state import State
from cauce.project import environment, faults, own_checks, references, syntax
from cauce.project.origins import Origins, lines_of, tables_of

MISSING = "Put the file there, or mend `source`: it is relative to the folder of cauce.toml."


@dataclass(frozen=True)
class Project:
    """A project file that is free of contradictions.

    Parameters
    ----------
    file
        All keys, with defaults filled in.
    path
        Of cauce.toml, absolute.
    origins
        Where each key came from.
    """

    file: File
    path: Path
    origins: Origins

    @property
    def folder(self) -> Path:
        """The folder of cauce.toml; sources are relative to it."""
        return self.path.parent

    @property
    def state(self) -> State:
        """What the project remembers, beside cauce.toml. Nothing is made yet: `State.open` does."""
        return State(self.folder)

    def where(self, *keys: str | int) -> str:
        """Say where a key came from, for `UserError.where`.

        Returns
        -------
        str
            ``"cauce.toml:7, [models.dropout] task"`` or ``"environment variable CAUCE_MODELS__DROPOUT__MARGIN"``; for
            a key that stands nowhere, the nearest table around it.
        """
        return self.origins.where(*keys)

    def data_of(self, model: str) -> tuple[str, DataSpec]:
        """Return the name and the spec of a model's data set.

        Raises
        ------
        UserError
            No such model in the file.
        """
        if model not in self.file.models:
            hint = did_you_mean(model, self.file.models) or f"Add [models.{model}] to {self.path.name}."
            raise UserError("no such model", where=self.path.name, received=model, hint=hint)
        name = self.file.models[model].data
        return name, self.file.data[name]


def load(path: Path, env: Mapping[str, str] = os.environ, *, checks: Collection[str] | None = None) -> Project:
    """Read and check a project file.

    Parameters
    ----------
    path
        Of cauce.toml.
    env
        The environment: ``CAUCE_SECTION__NAME__KEY`` overrides a key.
    checks
        Codes of Cauce's checks; those that the files of ``[audit] own`` declare are added, and ``[audit.checks.CODE]``
        is held against both. None leaves them unexamined.

    Returns
    -------
    Project
        Nothing was opened beyond this file: whether sources and columns exist, the data room says.

    Raises
    ------
    Problems
        All faults of the file and of the variables, in the order of the lines.
    """
    try:
        text = syntax.read(path)
        document = syntax.parse(text, path.name)
        lines = lines_of(text)
    except UserError as error:
        raise Problems([error]) from error
    except RecursionError as error:
        hint = "Nothing in cauce.toml needs more than four levels."
        raise Problems([UserError("nested too deeply", where=path.name, hint=hint)]) from error
    known = checks if checks is None else (*checks, *own_checks.codes(document, path.parent))
    variables, wrong_names = environment.overrides(env, document, known or ())
    for keys, variable in variables.items():
        environment.put(document, keys, environment.value(env[variable]))
    origins = Origins(path.name, lines, frozenset(tables_of(document)), variables)
    checked = faults.check(document, origins)
    own = list(own_checks.faults(document, path.parent, origins, checks)) if checks is not None else []
    known = None if own else known  # a code that a faulty file may well declare is not held against the list
    found = [*wrong_names, *checked.faults, *own, *_references(document, checked, origins, known)]
    if found:
        found.extend(_missing_sources(checked, origins, path.parent))
    if checked.file is None or found:
        raise Problems(sorted(found, key=_place))
    return Project(checked.file, path.absolute(), origins)


def _references(
    document: Mapping[str, Any], checked: faults.Checked, origins: Origins, checks: Collection[str] | None
) -> list[UserError]:
    if checked.sound is None:
        return []
    tables = document.get("data", {})
    names = [str(name) for name in tables] if isinstance(tables, dict) else []
    unreliable = {str(path[1]) for path in checked.touched if path[0] == "data" and len(path) > 1}
    found = references.faults(checked.sound, origins, data_names=names, unreliable=unreliable, checks=checks)
    return list(found)


def _missing_sources(checked: faults.Checked, origins: Origins, folder: Path) -> list[UserError]:
    """Tell, where something must be mended anyway, which sources are not there; else the data room says so."""
    return [
        UserError("no such file", where=origins.where("data", name, "source"), received=data.source, hint=MISSING)
        for name, data in (checked.sound.data if checked.sound else {}).items()
        if not is_address(data.source) and not os.path.exists(folder / data.source)  # noqa: PTH110 - a name that no file can have is missing too
    ]


def _place(fault: UserError) -> tuple[int, int]:
    """Sort by line; what has none comes first, variables last."""
    if fault.where.startswith("environment"):
        return (1, 0)
    line = fault.where.partition(",")[0].rpartition(":")[2]
    return (0, int(line) if line.isdigit() else 0)

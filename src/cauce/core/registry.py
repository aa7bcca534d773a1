"""The table of tasks: adding one is a folder under `tasks/` and a line here."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, cast

from cauce.core.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from cauce.core.protocols import Fitted, Task

TASKS = {
    "classify": "cauce.tasks.tabular.task:Classify",
    "regress": "cauce.tasks.tabular.task:Regress",
}


def task(name: str, *, where: str = "") -> Task:
    """Return the task called `name`, importing its room now.

    Raises
    ------
    UserError
        No such task; the hint names the nearest.
    """
    if name not in TASKS:
        raise UserError("not a task", where=where, received=name, hint=did_you_mean(name, TASKS))
    module, _, attribute = TASKS[name].partition(":")
    return cast("Task", getattr(importlib.import_module(module), attribute)())


WRAPPERS = {
    "rows.json": "cauce.rows.fitted:load",
    "mitigation.json": "cauce.fairness.fitted:load",
    "finish.json": "cauce.tasks.tabular.finished:load",
}
"""File in a saved model's folder → what loads it: a model around another, which is loaded by `load_fitted` in turn."""


def load_fitted(name: str, folder: Path, *, where: str = "") -> Fitted:
    """Load a model that a task saved, with what stands around it, outermost first.

    A wrapper is a function of a folder and of what loads the models within it.
    """
    for marker, path in WRAPPERS.items():
        if (folder / marker).is_file():
            module, _, attribute = path.partition(":")
            load = cast("Callable[[Path, Callable[[Path], Fitted]], Fitted]", _attribute(module, attribute))
            return load(folder, lambda inner: load_fitted(name, inner, where=where))
    return task(name, where=where).fitted.load(folder)


def _attribute(module: str, name: str) -> object:
    return getattr(importlib.import_module(module), name)

"""The table of tasks: adding one is a folder under `tasks/` and a line here."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from cauce.core.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from cauce.core.protocols import Task

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

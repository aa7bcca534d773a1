"""Cauce keeps machine-learning models alive: one file, one command, one loop from data to renewal.

The names below load lazily, so that ``import cauce`` brings no heavy library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cauce.core.errors import UserError as UserError
    from cauce.loop.context import Loop as Loop
    from cauce.project import Project as Project
    from cauce.project import load as load_project
    from cauce.rows import row as row

__version__ = "0.1.0"

_WHERE = {
    "Loop": ("cauce.loop.context", "Loop"),
    "Project": ("cauce.project", "Project"),
    "UserError": ("cauce.core.errors", "UserError"),
    "load_project": ("cauce.project", "load"),
    "row": ("cauce.rows.declare", "row"),
}

__all__ = ["Loop", "Project", "UserError", "__version__", "load_project", "row"]


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module 'cauce' has no attribute {name!r}")
    module, attribute = _WHERE[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)

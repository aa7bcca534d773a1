"""Heavy libraries, imported where they are used, with the line that installs them, or what they need, when absent."""

from __future__ import annotations

import importlib
from types import ModuleType

from cauce.core.errors import MissingExtra


def need(module: str, *, extra: str, what: str) -> ModuleType:
    """Import `module`, or say which extra brings it.

    Parameters
    ----------
    module
        Importable name: ``"statsforecast"``.
    extra
        Cauce's extra: ``"forecast"``.
    what
        Who asks: ``"forecast"``.

    Raises
    ------
    MissingExtra
        It is not installed, or a system library that it needs is not.

    Examples
    --------
    >>> need("no_such_library", extra="forecast", what="the forecast task")
    Traceback (most recent call last):
    ...
    cauce.core.errors.MissingExtra: the forecast task needs no_such_library. pip install 'cauce[forecast]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # A part of a shared namespace (google.cloud) can be missing while its first part is there.
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise MissingExtra(f"{what} needs {module}", hint=f"pip install 'cauce[{extra}]'") from error
    except OSError as error:  # LightGBM's wheel expects the system's OpenMP library
        hint = "On Debian and Ubuntu: apt-get install libgomp1. On macOS: brew install libomp."
        raise MissingExtra(f"{what} needs {module}, which cannot be loaded ({error})", hint=hint) from error

"""`@row`: the names of columns that are no Python names, and of a new column that is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from cauce.core.errors import UserError

F = TypeVar("F", bound=Callable[..., Any])
MARK = "__cauce_row__"


@dataclass(frozen=True)
class Declared:
    """What the decorator was told."""

    columns: tuple[str, ...]
    name: str | None


def row(*columns: str, name: str | None = None) -> Callable[[F], F]:
    """Say which columns a row function takes, and what its own is called, where Python's grammar has no such name.

    Without it the parameters' names are the columns, and the function's name is the new column's.

    Parameters
    ----------
    columns
        One for each parameter, in order; none where the parameters' names are right.
    name
        The new column's; the function's own when absent.

    Raises
    ------
    UserError
        A name is empty or no text.

    Examples
    --------
    >>> @row("precio total", "área", name="precio por m²")
    ... def per_m2(price, area):
    ...     return [p / a for p, a in zip(price, area)]
    >>> per_m2([300.0], [100.0])
    [3.0]
    """
    for given in (*columns, *(() if name is None else (name,))):
        if not isinstance(given, str) or not given:
            hint = 'Write @row("precio total", "área") above the function.'
            raise UserError("not a column's name", where="@row", received=given, hint=hint)

    def mark(function: F) -> F:
        setattr(function, MARK, Declared(columns, name))
        return function

    return mark

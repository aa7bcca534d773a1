"""What tuning may vary: small ranges that a task declares and that any search can read."""

from __future__ import annotations

from dataclasses import dataclass

Value = int | float | str | bool


@dataclass(frozen=True)
class Real:
    """A number between `low` and `high`, both included."""

    low: float
    high: float
    log: bool = False
    """Whether factors matter, not differences; `low` is above 0 then."""


@dataclass(frozen=True)
class Whole:
    """A whole number between `low` and `high`, both included."""

    low: int
    high: int
    log: bool = False


@dataclass(frozen=True)
class Options:
    """One of a few values, without an order."""

    values: tuple[Value, ...]


Range = Real | Whole | Options

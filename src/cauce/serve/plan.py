"""How one release reads rows: made once when it is loaded, so that a request pays for its values alone.

A row whose every value is of the expected type passes in one loop; any other goes to `payload`, which either converts
it (``3.0`` for an integer) or names every fault. Both give the same values: a test holds them together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from cauce.core.artefacts import Column, Schema
from cauce.ledger import records
from cauce.serve import payload

Values = Sequence[Any]
"""One row in the order of the schema: int, float, bool, text, microseconds since the epoch, or None."""
EXACT: dict[str, type] = {"number": float, "integer": int, "boolean": bool, "text": str, "category": str}


class Plan:
    """Reads rows by a schema. Immutable; threads may share it.

    Parameters
    ----------
    unseen
        ``"refuse"`` or ``"accept"``: what becomes of a category that a closed list lacks.

    Examples
    --------
    >>> plan = Plan(Schema((Column("age", "integer"), Column("plan", "category", categories=("free",)))), "refuse")
    >>> plan.read([{"plan": "free", "age": 3.0}])[0]
    [[3, 'free']]
    """

    def __init__(self, schema: Schema, unseen: str) -> None:
        self.schema, self._unseen = schema, unseen
        self.kinds = tuple((column.name, records.TYPE_OF_KIND[column.kind]) for column in schema)
        self._steps = tuple((column.name, *_step(column, unseen), column.nullable) for column in schema)
        names = schema.names
        self._values = itemgetter(*names) if len(names) > 1 else _only(names[0])
        self._types = tuple(exact for _, exact, _, _ in self._steps)
        self._checked = tuple((place, known) for place, (_, _, known, _) in enumerate(self._steps) if known is not None)

    def read(self, rows: Sequence[Any]) -> tuple[Sequence[Values], list[payload.Fault]]:
        """Return the rows' values, and every fault; the values are whole only where there is no fault."""
        found = []
        for row in rows:
            values = self._quick(row)
            if values is None:
                return payload.validate(rows, self.schema, unseen=self._unseen)
            found.append(values)
        return found, []

    def _quick(self, row: Any) -> Values | None:
        """Return the values of a row in which nothing is unusual, else None."""
        if type(row) is not dict or len(row) != len(self._steps):
            return None
        try:
            at_once: Values = self._values(row)
        except KeyError:
            return None
        # Mostly all types are the expected ones: told for the whole row at once.
        if tuple(map(type, at_once)) == self._types:
            for place, allowed in self._checked:
                if not allowed(at_once[place]):
                    return None
            return at_once
        values: list[Any] = []
        try:
            for name, exact, known, nullable in self._steps:
                value = row[name]
                if type(value) is not exact:
                    if value is None and nullable:
                        values.append(None)
                        continue
                    if exact is not float or type(value) is not int:
                        return None
                    value = float(value)
                elif known is not None and not known(value):
                    return None
                values.append(value)
        except KeyError:
            return None
        return values


def _only(name: str) -> Callable[[dict[str, Any]], Values]:
    """Return what gives the one value of a row as a row of values."""
    return lambda row: (row[name],)


def _step(column: Column, unseen: str) -> tuple[type | None, Callable[[Any], bool] | None]:
    """Return the type that passes at once, and what else must hold."""
    if column.kind == "category" and column.categories is not None and unseen == "refuse":
        return str, frozenset(column.categories).__contains__
    if column.kind == "integer":
        return int, _fits
    return EXACT.get(column.kind), None


def _fits(value: int) -> bool:
    return -payload.INT64 <= value < payload.INT64

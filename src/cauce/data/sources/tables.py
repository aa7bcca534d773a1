"""What is said about the key `table`: needed and not there, or naming none of those that are there."""

from __future__ import annotations

from collections.abc import Sequence

from cauce.core.errors import UserError, did_you_mean
from cauce.data.sources.source import Asked


def table_needed(asked: Asked, known: Sequence[str], *, what: str = "table") -> UserError:
    """Say that `table` is missing, and what it could be."""
    hint = f'Add table = "{known[0]}", or another one. {listed(known)}' if known else f"It holds no {what}."
    return asked.fault(f"a database needs the key `table`, which says which {what} to read", hint=hint)


def no_such_table(asked: Asked, known: Sequence[str], *, what: str = "table") -> UserError:
    """Say that there is no such table, and which there are."""
    hint = did_you_mean(asked.spec.table or "", known) if known else f"It holds no {what}."
    return asked.fault(f"no such {what} in the source", key="table", hint=hint)


def listed(known: Sequence[str], *, most: int = 12) -> str:
    """Return ``"Known: a, b."``, cut after `most` names."""
    return f"Known: {', '.join(known[:most])}{', …' if len(known) > most else ''}." if known else ""

"""How decisions write columns in English and Spanish."""

from __future__ import annotations

from collections.abc import Sequence

from cauce.core.figures import listed

MOST_NAMED = 3
"""Names that a sentence lists before it says how many more there are."""


def named(columns: Sequence[str]) -> tuple[str, str]:
    """Return column names as a list in English and Spanish.

    Examples
    --------
    >>> named(["age", "income"])
    ('`age` and `income`', '`age` e `income`')
    >>> named(["a", "b", "c", "d", "e"])
    ('`a`, `b`, `c` and 2 more', '`a`, `b`, `c` y 2 más')
    """
    quoted, n_more = [f"`{name}`" for name in columns[:MOST_NAMED]], max(0, len(columns) - MOST_NAMED)
    return listed(quoted, "en", n_more=n_more), listed(quoted, "es", n_more=n_more)

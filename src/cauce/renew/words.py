"""How decisions write columns and durations in English and Spanish."""

from __future__ import annotations

from collections.abc import Sequence

from cauce.core.figures import figures, listed

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


def duration(seconds: float) -> tuple[str, str]:
    """Return a duration in its natural unit, in English and Spanish.

    Examples
    --------
    >>> duration(40.0), duration(60.0), duration(5400.0), duration(172_800.0)
    (('40 seconds', '40 segundos'), ('1 minute', '1 minuto'), ('1.5 hours', '1,5 horas'), ('2 days', '2 días'))
    """
    units = ((86_400.0, "day", "día"), (3600.0, "hour", "hora"), (60.0, "minute", "minuto"), (1.0, "second", "segundo"))
    size, unit, unidad = next((each for each in units if seconds >= each[0]), units[-1])
    text = f"{seconds / size:.2g}" if seconds / size < 100 else f"{seconds / size:.0f}"
    plural = "" if text == "1" else "s"
    return f"{text} {unit}{plural}", f"{figures(text, 'es')} {unidad}{plural}"

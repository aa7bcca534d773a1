"""Numbers and dates that stand for something else: -999, 9999, 1900-01-01."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cauce.audit.check import AuditContext, Check, NotApplicable, Outcome
from cauce.audit.words import named, percent, rows_in
from cauce.core.artefacts import Finding
from cauce.core.figures import listed, number

if TYPE_CHECKING:
    from cauce.audit.magnitudes import Magnitudes

LARGE = (999, 9999, 99999, 999999, 9999999, 99999999, 999999999, 9999999999, 888, 8888, 88888, 777, 7777, 99)
EXTREME = (2147483647.0, 4294967295.0, 32767.0, 65535.0, 1.7976931348623157e308, 9.223372036854775807e18)
SENTINELS = frozenset(
    [float(v) for v in LARGE] + [-float(v) for v in LARGE] + list(EXTREME) + [-v for v in EXTREME]
    + [-2147483648.0, -32768.0, -9.223372036854775808e18, 1e20, -1e20, 1e30, -1e30, -1.0, -9.0]
)  # fmt: skip
"""Numbers that people and programs write for "not known"."""
DATES = frozenset(
    datetime(y, m, d, tzinfo=UTC).timestamp()
    for y, m, d in (
        (1900, 1, 1), (1970, 1, 1), (1899, 12, 30), (1899, 12, 31), (1753, 1, 1), (1601, 1, 1), (1600, 1, 1),
        (1, 1, 1), (1111, 11, 11), (9999, 12, 31), (2999, 12, 31), (2099, 12, 31), (2100, 1, 1), (3000, 1, 1),
        (1901, 1, 1), (1800, 1, 1), (1960, 1, 1), (1980, 1, 1), (2000, 1, 1),
    )
)  # fmt: skip
_EVEN = 10
"""Fewest distinct other numbers: with less, the column is a list of codes."""
_APART = 0.5
"""How far apart an outermost number must lie, as a share of the range of the others."""
_SPIKE = 10.0
"""How often a number must be seen more often than the others are."""


def sentinel_values(context: AuditContext, threshold: float) -> Outcome:
    """See numbers and dates that stand for a missing value, apart from the others or far too frequent."""
    columns = _columns(context)
    if not columns:
        return NotApplicable("no column of numbers or dates", "ninguna columna de números ni de fechas")
    found = []
    for name in columns:
        values = sentinels_of(context, name)
        if values:
            finding = _finding(context, name, values, threshold)
            found += [finding] if finding else []
    return found


def _columns(context: AuditContext) -> list[str]:
    roles = {context.data.key, context.data.time}
    families = {"integer", "number", "datetime"}
    return [n for n, c in context.profile.columns.items() if c.family in families and c.n_numbers and n not in roles]


def sentinels_of(context: AuditContext, name: str) -> tuple[float, ...]:
    """Return the numbers of a column that stand for something else (dates as seconds since 1970)."""
    return context.once(f"sentinels {name}", lambda given: _look(given, name))


def _look(context: AuditContext, name: str) -> tuple[float, ...]:
    import numpy as np

    from cauce.audit.magnitudes import magnitudes_of

    column = context.profile.column(name)
    dates = column.family == "datetime"
    known = DATES if dates else SENTINELS
    seen = magnitudes_of(context, name)
    marks = np.isin(seen.values, np.array(sorted(known)))
    if not marks.any() or len(seen.values) - int(marks.sum()) < _EVEN:
        return ()
    found: list[float] = []
    for _ in range(3):  # -999 may hide behind -9999
        outer = [value for value in _outer(seen) if value in known and _apart(seen, value, dates=dates)]
        if not outer:
            break
        found += outer
        seen = seen.without(np.isin(seen.values, outer))
    found += [] if dates else _spikes(seen, known)
    return tuple(sorted(found))


def _outer(seen: Magnitudes) -> tuple[float, ...]:
    return (float(seen.values[0]), float(seen.values[-1])) if len(seen.values) > 2 else ()


def _apart(seen: Magnitudes, value: float, *, dates: bool) -> bool:
    """Say whether an outermost number lies apart: the only negative one, or far beyond the others."""
    low = value == seen.values[0]
    others = seen.values[1:] if low else seen.values[:-1]
    nearest = others[0] if low else others[-1]
    width = others[-1] - others[0]
    if value < 0 <= others[0] and not dates:
        often = seen.counts[0] >= 2 or value < -1
        return bool(often and (value <= -9 or seen.counts[0] >= 0.002 * seen.n))
    if abs(value) < 99 and not dates:
        return False
    heavy = seen.counts[0 if low else -1] >= 2
    return bool(abs(value - nearest) > (_APART if heavy else 2.0) * width)


def _spikes(seen: Magnitudes, known: frozenset[float]) -> list[float]:
    """Return the known numbers, however deep among the others, that are far more frequent than those around them."""
    import numpy as np

    if len(seen.values) < 3 * _EVEN:
        return []
    usual = float(np.quantile(seen.counts, 0.99))
    often = seen.counts >= max(_SPIKE * usual, 0.001 * seen.n, 5.0)
    return [float(value) for value in seen.values[often] if value in known and abs(value) >= 99]


def _finding(context: AuditContext, name: str, values: tuple[float, ...], threshold: float) -> Finding | None:
    import numpy as np

    from cauce.audit.magnitudes import count_where

    wanted = np.array(values)
    n, rows = count_where(context, name, lambda numbers: np.isin(numbers, wanted))
    column = context.profile.column(name)
    share = n / column.n_present
    if not n or share < threshold:
        return None
    texts = [_written(value, dates=column.family == "datetime") for value in values]
    message = {
        "en": f"{listed([text[0] for text in texts], 'en')} in column {named([name], 'en')} seems to stand for a "
        f"missing value: {rows_in(n, 'en')} ({percent(share, 'en')}).",
        "es": f"{listed([text[1] for text in texts], 'es')} en la columna {named([name], 'es')} parece indicar un "
        f"valor ausente: {rows_in(n, 'es')} ({percent(share, 'es')}).",
    }
    why = {
        "en": "Taken for a number, it pulls means and lines towards itself, and gaps are not counted as gaps.",
        "es": "Tomado por un número, arrastra medias y rectas hacia sí, y los huecos no se cuentan como huecos.",
    }
    remedy = {
        "en": "Leave such cells empty at the source or in `prepare` (SQL: NULLIF); if the value is true, accept the "
        "finding in `[audit.checks.sentinel_values]`.",
        "es": "Deja esas celdas vacías en el origen o en `prepare` (en SQL: NULLIF); si el valor es cierto, acepta "
        "el aviso en `[audit.checks.sentinel_values]`.",
    }
    return Finding("sentinel_values", "warn", (name,), n, message, why, remedy, rows, share, threshold)


def _written(value: float, *, dates: bool) -> tuple[str, str]:
    if dates:
        import numpy as np

        day = str(np.datetime64(round(value), "s"))[:10]
        return day, day
    if abs(value) < 1e15 and value == int(value):
        return str(int(value)).replace("-", "−"), str(int(value)).replace("-", "−")
    return number(value, "en"), number(value, "es")


CHECKS = (
    Check(
        "sentinel_values",
        "warn",
        0.0,
        {"en": "numbers that mean missing", "es": "números que indican ausencia"},
        sentinel_values,
    ),
)

"""Numbers that cannot be: by what the column's name says, and by what nearly all its other values say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cauce.audit.check import AuditContext, Check, NotApplicable, Outcome
from cauce.audit.names import tokens
from cauce.audit.words import named, percent, rows_in
from cauce.core.artefacts import Finding
from cauce.core.figures import number

MOSTLY = 0.8
"""Share of a column's numbers that must lie within the range, or the name means something else."""


LARGE = 0.5
"""Size of the median negative number, against the median of the others, from which it is no end of a tail."""


class Range(NamedTuple):
    """What a name says of a column's numbers."""

    low: float
    high: float
    what: tuple[str, str]


_ANY = float("inf")
_NOT_NEGATIVE = ("cannot be negative", "no puede ser negativo")
_SIZES = (
    "price precio prices precios cost coste costo costs costes fee tarifa importe salary salario sueldo wage "
    "count counts cantidad quantity qty unidades units visits visitas clicks clics views orders pedidos reviews "
    "subscribers duration duracion hours horas minutes minutos seconds segundos elapsed weight peso height altura "
    "estatura distance distancia area superficie population poblacion rooms habitaciones bedrooms households hogares"
)
_BETWEEN: tuple[tuple[str, float, float, str, str], ...] = (
    ("age edad", 0, 120, "an age", "una edad"),
    ("lat latitude latitud", -90, 90, "a latitude", "una latitud"),
    ("lon lng long longitude longitud", -180, 180, "a longitude", "una longitud"),
    ("prob probability probabilidad", 0, 1, "a probability", "una probabilidad"),
    ("percent percentage pct porcentaje porciento humidity humedad", 0, 100, "a percentage", "un porcentaje"),
    ("month mes mnth", 0, 12, "a month", "un mes"),
    ("weekday", 0, 7, "a day of the week", "un día de la semana"),
)


def _between(known: tuple[str, float, float, str, str]) -> Range:
    _, low, high, english, spanish = known
    left, right = f"{low:g}".replace("-", "−"), f"{high:g}"
    return Range(low, high, (f"{english} lies between {left} and {right}", f"{spanish} está entre {left} y {right}"))


_RANGES: Mapping[str, Range] = {
    **{word: Range(0, _ANY, _NOT_NEGATIVE) for word in _SIZES.split()},
    **{word: _between(known) for known in _BETWEEN for word in known[0].split()},
}
_DIFFERENCES = (
    "change diff difference delta growth variation variacion crecimiento net neto balance saldo z zscore std scaled "
    "log offset lag residual error gain loss vs relative"
)
_SIGNED = frozenset(_DIFFERENCES.split())
"""Words that say that a column may well be negative, or beyond 100 %."""


def range_named(name: str) -> Range | None:
    """Return what a column's name says of its numbers.

    Examples
    --------
    >>> range_named("edad_alumno").high, range_named("price_change"), range_named("percentage")[:2]
    (120, None, (0, 100))
    """
    words = tokens(name)
    if any(word in _SIGNED for word in words):
        return None
    return next((_RANGES[word] for word in reversed(words) if word in _RANGES), None)


def impossible_values(context: AuditContext, threshold: float) -> Outcome:
    """See numbers outside what the column's name allows: a negative price, an age of 230, a share of 130 %."""
    named_columns = {name: known for name in _numeric(context) if (known := range_named(name))}
    if not named_columns:
        return NotApplicable(
            "no column's name says what its numbers can be", "ningún nombre de columna dice qué números caben en ella"
        )
    found = []
    for name, known in named_columns.items():
        finding = _impossible(context, name, known, threshold)
        found += [finding] if finding else []
    return found


def _numeric(context: AuditContext) -> list[str]:
    columns = context.profile.columns.items()
    return [name for name, c in columns if c.family in {"integer", "number"} and c.n_numbers]


def _impossible(context: AuditContext, name: str, known: Range, threshold: float) -> Finding | None:
    column = context.profile.column(name)
    low, high = known.low, known.high
    if (column.minimum or 0.0) >= low and (column.maximum or 0.0) <= high:
        return None
    import numpy as np

    from cauce.audit.magnitudes import count_where, magnitudes_of

    seen = magnitudes_of(context, name)
    within = seen.share((seen.values >= low) & (seen.values <= high))
    if within < MOSTLY or not low <= seen.quantile(0.5) <= high:
        return None
    sentinels = _sentinels(context, name)
    n, rows = count_where(
        context, name, lambda v: ((v < low) | (v > high)) & np.isfinite(v) & ~np.isin(v, np.array(sentinels))
    )
    share = n / column.n_present
    if not n or share < threshold:
        return None
    outer = [float(v) for v in (seen.values[0], seen.values[-1]) if not low <= v <= high]
    examples = tuple(number(value, "en") for value in outer)
    message = {
        "en": f"Column {named([name], 'en')} holds numbers that cannot be in {rows_in(n, 'en')} "
        f"({percent(share, 'en')}), such as {number(outer[0], 'en')}: {_because(known, 'en')}.",
        "es": f"La columna {named([name], 'es')} tiene números imposibles en {rows_in(n, 'es')} "
        f"({percent(share, 'es')}), por ejemplo {number(outer[0], 'es')}: {_because(known, 'es')}.",
    }
    why = {
        "en": "A model learns from them as from any other; a wrong sign or unit is likely.",
        "es": "Un modelo aprende de ellos como de los demás; es probable un signo o una unidad mal puestos.",
    }
    remedy = {
        "en": "Correct those rows at the source, leave them empty, or leave the rows out with `where`; if true "
        "(a refund), accept the finding in `[audit.checks.impossible_values]`.",
        "es": "Corrige esas filas en el origen, déjalas vacías o exclúyelas con `where`; si son ciertas (una "
        "devolución, una corrección), acepta el aviso en `[audit.checks.impossible_values]`.",
    }
    return Finding(
        "impossible_values", "warn", (name,), n, message, why, remedy, rows, share, threshold, examples=examples
    )


def _because(known: Range, language: str) -> str:
    return known.what[0 if language == "en" else 1]


def _sentinels(context: AuditContext, name: str) -> tuple[float, ...]:
    from cauce.audit.sentinels import sentinels_of

    return sentinels_of(context, name)


def stray_negatives(context: AuditContext, threshold: float) -> Outcome:
    """See a few negative numbers, as large as the others, in a column that is otherwise above zero."""
    numeric = _numeric(context)
    if not numeric:
        return NotApplicable("no column of numbers", "ninguna columna de números")
    found = []
    for name in numeric:
        column = context.profile.column(name)
        known = range_named(name)
        if (column.minimum or 0.0) >= 0 or (known and known.low == 0) or not _stray(context, name, threshold):
            continue
        found.append(_negatives(context, name, threshold))
    return found


def _stray(context: AuditContext, name: str, threshold: float) -> bool:
    """Say whether the negatives are few, and no tail that crosses zero: those would be small beside the others."""
    import numpy as np

    from cauce.audit.magnitudes import magnitudes_of

    seen = magnitudes_of(context, name)
    seen = seen.without(np.isin(seen.values, np.array(_sentinels(context, name))))
    below = seen.values < 0
    if not below.any() or seen.share(below) > threshold or len(seen.values) < 10:
        return False
    above = seen.without(seen.values <= 0)
    negatives = seen.without(~below)
    if above.n < 10 * negatives.n:
        return False
    return -negatives.quantile(0.5) >= LARGE * above.quantile(0.5)


def _negatives(context: AuditContext, name: str, threshold: float) -> Finding:
    from cauce.audit.magnitudes import count_where

    n, rows = count_where(context, name, lambda v: v < 0)
    share = n / context.profile.column(name).n_present
    least = context.profile.column(name).minimum or 0.0
    message = {
        "en": f"Column {named([name], 'en')} is above zero but for {rows_in(n, 'en')} ({percent(share, 'en')}), "
        f"down to {number(least, 'en')}.",
        "es": f"La columna {named([name], 'es')} es positiva salvo en {rows_in(n, 'es')} ({percent(share, 'es')}), "
        f"hasta {number(least, 'es')}.",
    }
    why = {
        "en": "A few negatives as large as the others are mostly wrong signs, refunds or corrections.",
        "es": "Unos pocos negativos tan grandes como los demás suelen ser signos erróneos o devoluciones.",
    }
    remedy = {
        "en": "Ask what they mean: correct the sign at the source, or leave those rows out with `where`.",
        "es": "Averigua qué significan: corrige el signo en el origen, o excluye esas filas con `where`.",
    }
    return Finding("stray_negatives", "warn", (name,), n, message, why, remedy, rows, share, threshold)


CHECKS = (
    Check(
        "impossible_values",
        "warn",
        0.0,
        {"en": "impossible numbers", "es": "números imposibles"},
        impossible_values,
    ),
    Check(
        "stray_negatives",
        "warn",
        0.05,
        {"en": "stray negative numbers", "es": "números negativos sueltos"},
        stray_negatives,
    ),
)

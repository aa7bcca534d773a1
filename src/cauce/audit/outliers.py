"""Numbers far from all others, told from a heavy tail.

Two rules. **A gap:** the outermost numbers lie so much farther from the median than the next one that neither an
exponential tail nor (for positive numbers, on the scale of logarithms) a power tail has such gaps. In a tail like an
exponential's, the gap above the i-th largest of n numbers is longer than K times the distance of the bulk with
probability (2i/n)^(K·i) (Rényi's representation of exponential order statistics); K is chosen to make that 1e-5, and
is at least 1. **A light tail:** where the middle of a column falls off at least as fast as a normal distribution's,
numbers beyond `threshold` robust standard deviations (from the quartiles) are outliers without any gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cauce.audit.categories import is_coded
from cauce.audit.check import AuditContext, Check, NotApplicable, Outcome
from cauce.audit.words import named, percent, rows_in
from cauce.core.artefacts import Finding
from cauce.core.figures import number, numbers

if TYPE_CHECKING:
    from cauce.audit.magnitudes import Floats, Magnitudes, Mask

LEAST_ROWS = 50
LEAST_DISTINCT = 20
MOST = 0.05
"""Share of the numbers that can be outliers; more are a part of the distribution."""
CHANCE = 1e-5
STEP = 1.3
"""How much farther than the one before some number beyond three deviations must be, in a light tail."""
LIGHT = 2.05
"""Ratio of the distances median–90th and median–75th percentile: 1.9 for a normal distribution, 2.3 for an
exponential one."""
_QUARTILE = 0.6745
"""Distance of a normal distribution's quartile from its median, in standard deviations."""


def outliers(context: AuditContext, threshold: float) -> Outcome:
    """See numbers that lie apart from all others, and not as the end of a heavy tail."""
    names = [n for n, c in context.profile.columns.items() if _worth(context, n) and c.n_numbers >= LEAST_ROWS]
    if not names:
        return NotApplicable("no column of numbers with enough different values")
    found = []
    for name in names:
        limits = _limits(context, name, threshold)
        if limits is not None:
            finding = _finding(context, name, limits, threshold)
            found += [finding] if finding else []
    return found


def _worth(context: AuditContext, name: str) -> bool:
    column = context.profile.column(name)
    roles = {context.data.key, context.data.time, context.data.group}
    is_number = column.family in {"integer", "number"} and name not in roles
    return is_number and column.n_distinct >= LEAST_DISTINCT and not is_coded(column)


def _limits(context: AuditContext, name: str, threshold: float) -> tuple[float, float] | None:
    """Return the lowest and the highest number that are no outliers; None where all are."""
    import numpy as np

    from cauce.audit.magnitudes import magnitudes_of
    from cauce.audit.sentinels import sentinels_of

    seen = magnitudes_of(context, name)
    seen = seen.without(np.isin(seen.values, np.array(sentinels_of(context, name))))
    if len(seen.values) < LEAST_DISTINCT:
        return None
    high = min(_upper(seen.values, seen.counts), _beyond(seen, threshold))
    mirrored = type(seen)(-seen.values[::-1], seen.counts[::-1])
    low = -min(_upper(mirrored.values, mirrored.counts), _beyond(mirrored, threshold))
    out = seen.share((seen.values > high) | (seen.values < low))
    return (low, high) if out > 0 else None


def _upper(values: Floats, counts: Floats) -> float:
    """Return the largest number before the first gap too wide for a tail; infinity where there is none."""
    import numpy as np

    ends = np.cumsum(counts)
    n = float(ends[-1])
    middle = float(values[int(np.searchsorted(ends, n / 2))])
    first = max(int(np.searchsorted(ends, n * (1 - MOST))), int(np.searchsorted(values, middle, "right")))
    if first >= len(values) - 1:
        return float("inf")
    wide = _gaps(values[first:] - middle, n - ends[first:-1], n)
    if values[first] > 0:
        inner = values[(values > 0) & (values <= values[first])]
        above = np.log(values[first:]) - np.log(np.median(inner) if middle <= 0 else middle)
        wide = wide & _gaps(above, n - ends[first:-1], n)
    at = np.flatnonzero(wide)
    return float(values[first + int(at[0])]) if len(at) else float("inf")


def _gaps(distances: Floats, beyond: Floats, n: float) -> Mask:
    """Say after which of the rising distances from the median a gap follows that no exponential tail has.

    `beyond` counts the numbers after each; shape one less than that of `distances`.
    """
    import numpy as np

    usual = np.log(np.maximum(n / (2 * beyond), 1.0 + 1e-9))
    least = np.maximum(1.0, -np.log(CHANCE) / np.maximum(beyond * usual, 1e-9))
    gaps: Mask = np.diff(distances) > least * np.maximum(distances[:-1], 1e-300)
    return gaps


def _beyond(seen: Magnitudes, threshold: float) -> float:
    """Return the largest number within `threshold` robust deviations, where the column's tail is a light one."""
    middle, inner, outer = (seen.quantile(rank) for rank in (0.5, 0.75, 0.9))
    quarter = seen.quantile(0.25)
    spread = max(inner - middle, middle - quarter)
    if (
        inner <= middle
        or outer - middle > LIGHT * (inner - middle)
        or spread > 1.5 * min(inner - middle, middle - quarter)
    ):
        return float("inf")
    limit = middle + threshold * spread / _QUARTILE
    within = seen.values[seen.values <= limit]
    out = seen.share(seen.values > limit)
    apart = _has_step((seen.values - middle) * _QUARTILE / spread)
    return float(within[-1]) if 0 < out <= MOST and len(within) and apart else float("inf")


def _has_step(distances: Floats) -> bool:
    """Say whether the rising distances, in deviations, make a step somewhere beyond three."""
    far = distances[max(int((distances <= 3).sum()) - 1, 0) :]
    return bool((far[1:] > STEP * abs(far[:-1])).any())


def _finding(context: AuditContext, name: str, limits: tuple[float, float], threshold: float) -> Finding | None:
    import numpy as np

    from cauce.audit.magnitudes import count_where, magnitudes_of
    from cauce.audit.sentinels import sentinels_of

    low, high = limits
    sentinels = np.array(sentinels_of(context, name))
    n, rows = count_where(context, name, lambda v: ((v < low) | (v > high)) & np.isfinite(v) & ~np.isin(v, sentinels))
    if not 0 < n <= 1.5 * MOST * context.profile.column(name).n_present:
        return None  # the sample said otherwise
    seen = magnitudes_of(context, name)
    out = seen.values[((seen.values < low) | (seen.values > high)) & ~np.isin(seen.values, sentinels)]
    farthest = float(out[np.argmax(np.abs(out - seen.quantile(0.5)))])
    bulk = seen.values[(seen.values >= low) & (seen.values <= high) & ~np.isin(seen.values, sentinels)]
    share = n / context.profile.column(name).n_present
    (left, right), (izquierda, derecha) = (
        (number(float(bulk[0]), language), number(float(bulk[-1]), language)) for language in ("en", "es")
    )
    message = {
        "en": f"Column {named([name], 'en')} has {rows_in(n, 'en')} ({percent(share, 'en')}) far from all others, up "
        f"to {number(farthest, 'en')}; the others lie between {left} and {right}.",
        "es": f"La columna {named([name], 'es')} tiene {rows_in(n, 'es')} ({percent(share, 'es')}) muy lejos del "
        f"resto, hasta {number(farthest, 'es')}; los demás valores están entre {izquierda} y {derecha}.",
    }
    why = {
        "en": "A few such numbers decide a mean and a squared loss; wrong units and extra digits look like this.",
        "es": "Unos pocos números así deciden una media, una recta y un error cuadrático; así se ven una unidad "
        "equivocada o un dígito de más.",
    }
    remedy = {
        "en": "Look at those rows: correct them at the source, leave them out with `where`, or accept them as true.",
        "es": "Mira esas filas: corrígelas en el origen, exclúyelas con `where`, o acéptalas si son ciertas.",
    }
    examples = tuple(dict.fromkeys(numbers(float(value), digits=6)[0] for value in (*out[:2], *out[-2:])))[:5]
    return Finding("outliers", "warn", (name,), n, message, why, remedy, rows, farthest, threshold, examples=examples)


CHECKS = (Check("outliers", "warn", 10.0, {"en": "outliers", "es": "valores atípicos"}, outliers),)

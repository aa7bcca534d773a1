"""Numbers far from all others, told from a heavy tail.

Three rules, each on either side of the median. **A gap:** the outermost numbers lie so much farther out than the next
one that neither an exponential tail nor (for positive numbers, on the scale of logarithms) a power tail has such gaps:
above the i-th largest of n numbers a gap longer than K times the distance of the bulk has probability (2i/n)^(K·i)
(Rényi's representation of exponential order statistics); K is at least 1. **A jump:** in a power tail of index α the
i-th largest number is more than s times as far as the next with probability s^(-α·i); α is measured between the 75th
and the 95th percentile, where tails lighter than a power's seem heavier than they are, so the rule is a careful one.
**A light tail:** where the middle of a column falls off at least as fast as a normal distribution's, numbers beyond
`threshold` robust standard deviations (from the quartiles) are outliers, after a step that Student's distribution
with 3 degrees of freedom seldom makes.
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
LEAST_DISTINCT = 10
MOST = 0.05
"""Share of the numbers that can be outliers; more are a part of the distribution."""
CHANCE = 1e-5
LEAST_JUMP = 1.5
"""How many times farther than the number before, at least, whatever the tail."""
STEP = 1.3
"""How much farther than the one before some number beyond three deviations must be, at least, in a light tail."""
STEP_CHANCE, TAIL = 0.05, 3.0
"""Chance of so wide a step above the i-th largest number in a tail like Student's with 3 degrees of freedom."""
LIGHT = ((0.9, 2.05), (0.95, 2.7))
"""Rank → the largest ratio of its distance from the median and that of the 75th percentile: 1.9 and 2.4 for a normal
distribution, 2.3 and 3.3 for an exponential one."""
_QUARTILE = 0.6745
"""Distance of a normal distribution's quartile from its median, in standard deviations."""


def outliers(context: AuditContext, threshold: float) -> Outcome:
    """See numbers that lie apart from all others, and not as the end of a heavy tail."""
    names = [n for n, c in context.profile.columns.items() if _worth(context, n) and c.n_numbers >= LEAST_ROWS]
    if not names:
        return NotApplicable(
            "no column of numbers with enough different values",
            "ninguna columna de números con suficientes valores distintos",
        )
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
    middle, quarter, outer = (float(values[int(np.searchsorted(ends, n * rank))]) for rank in (0.5, 0.75, 0.95))
    first = max(int(np.searchsorted(ends, n * (1 - MOST))), int(np.searchsorted(values, middle, "right")))
    if first >= len(values) - 1:
        return float("inf")
    beyond = n - ends[first:-1]
    wide = _gaps(values[first:] - middle, beyond, n)
    if values[first] > 0:
        inner = values[(values > 0) & (values <= values[first])]
        above = np.log(values[first:]) - np.log(np.median(inner) if middle <= 0 else middle)
        wide = wide & _gaps(above, beyond, n)
    if outer > quarter > middle:
        index = np.log(0.25 / 0.05) / np.log((outer - middle) / (quarter - middle))
        far = np.diff(values[first:]) > 2 * (quarter - middle)  # whole numbers jump by one, however few there are
        wide = wide | (_jumps(values[first:] - middle, beyond, float(index)) & far)
    at = np.flatnonzero(wide)
    return float(values[first + int(at[0])]) if len(at) else float("inf")


def _jumps(distances: Floats, beyond: Floats, index: float) -> Mask:
    """Say after which of the rising distances a jump follows that no power tail of this index has."""
    import numpy as np

    least = np.maximum(np.log(LEAST_JUMP), -np.log(CHANCE) / (index * np.maximum(beyond, 1)))
    jumps: Mask = np.diff(np.log(np.maximum(distances, 1e-300))) > least
    return jumps


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
    quarter, middle, inner = (seen.quantile(rank) for rank in (0.25, 0.5, 0.75))
    spread = max(inner - middle, middle - quarter)
    if inner <= middle or spread > 1.5 * min(inner - middle, middle - quarter):
        return float("inf")
    if any(seen.quantile(rank) - middle > most * (inner - middle) for rank, most in LIGHT):
        return float("inf")
    limit = middle + threshold * spread / _QUARTILE
    within = seen.values[seen.values <= limit]
    out = seen.share(seen.values > limit)
    apart = _has_step((seen.values - middle) * _QUARTILE / spread, seen.counts)
    return float(within[-1]) if 0 < out <= MOST and len(within) and apart else float("inf")


def _has_step(distances: Floats, counts: Floats) -> bool:
    """Say whether the rising distances, in deviations, make a step somewhere beyond three that no tail has."""
    import numpy as np

    first = max(int((distances <= 3).sum()) - 1, 0)
    beyond = counts[::-1].cumsum()[::-1][first + 1 :]
    least = np.maximum(STEP, STEP_CHANCE ** (-1 / (TAIL * np.maximum(beyond, 1))))
    return bool((distances[first + 1 :] > least * np.abs(distances[first:-1])).any())


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
        "en": "Look at those rows: correct them at the source, leave them out with `where`, or accept the finding in "
        "`[audit.checks.outliers]`.",
        "es": "Mira esas filas: corrígelas en el origen, exclúyelas con `where`, o acepta el aviso en "
        "`[audit.checks.outliers]`.",
    }
    examples = tuple(dict.fromkeys(numbers(float(value), digits=6)[0] for value in (*out[:2], *out[-2:])))[:5]
    return Finding("outliers", "warn", (name,), n, message, why, remedy, rows, farthest, threshold, examples=examples)


CHECKS = (Check("outliers", "warn", 8.0, {"en": "outliers", "es": "valores atípicos"}, outliers),)

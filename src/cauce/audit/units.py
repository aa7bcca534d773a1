"""Columns whose unit changes from one slice to another: euros and cents, miles and kilometres, Fahrenheit and Celsius.

A slice is compared with the typical one by five quantiles on the scale of logarithms. A change of unit moves all five
by the same known amount; drift moves them unevenly, by an amount that no unit has. How far slices move by themselves
(the median absolute deviation of their medians) sets what is a jump.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cauce.audit.check import AuditContext, Check, Outcome
from cauce.audit.words import named, visible
from cauce.core.artefacts import Finding
from cauce.core.figures import listed, number

if TYPE_CHECKING:
    from cauce.audit.histograms import Histogram
    from cauce.audit.slices import Floats, Mask, Slices

FACTORS = (
    1.609344, 2.20462262, 2.54, 3.28084, 3.785411784, 4.184, 10.0, 12.0, 16.0, 24.0, 25.4, 28.349523, 30.48, 60.0, 86.4,
    100.0, 166.386, 453.59237, 1000.0, 1024.0, 1440.0, 3600.0, 10_000.0, 86_400.0, 100_000.0, 1e6, 1_048_576.0, 1e9,
)  # fmt: skip
"""Miles, pounds, inches, feet, gallons, calories, tens, dozens, ounces, days, pesetas, thousands, hours …"""
LARGE = 8.0
"""Factor from which any is taken for a change of unit (a currency, a wrong scale), known or not."""
RANKS = (0.1, 0.25, 0.5, 0.75, 0.9)
LEAST_VALUES, LEAST_DISTINCT = 30, 10
SPREADS = 6.0
UNEVEN = 0.12
"""How far the quantiles' shifts may differ, as a share of the shift."""
FEW_SLICES = 4
"""Below, nobody knows how far slices move by themselves: only factors of `LARGE` on count."""


class _Jump(NamedTuple):
    place: int
    factor: float
    """New numbers over usual ones."""


def unit_jump(context: AuditContext, threshold: float) -> Outcome:
    """See numeric columns that are multiplied by a unit's factor in some slices."""
    from cauce.audit.histograms import histograms_of
    from cauce.audit.slices import NONE, slices_of

    slices = slices_of(context)
    if slices is None:
        return NONE
    found = []
    for histogram in histograms_of(context):
        column = context.profile.column(histogram.name)
        if histogram.kind != "number" or column.family == "datetime" or column.n_distinct < LEAST_DISTINCT:
            continue
        jumps = _jumps(slices, histogram, threshold)
        found += [_finding(slices, histogram, jumps, threshold)] if jumps else []
    return found


def _jumps(slices: Slices, histogram: Histogram, threshold: float) -> list[_Jump]:
    """Return the slices whose quantiles all lie the same factor from the usual ones; none where half the slices do."""
    import numpy as np

    levels = _levels(slices, histogram)
    positive = np.isfinite(levels) & (levels > 0)
    known = np.asarray(positive.all(axis=1), dtype=np.bool_)
    if known.sum() < 2:
        return []
    logs = np.log(np.where(positive, levels, 1.0))
    usual = _usual(logs, known)
    moves = logs - usual
    middle = moves[:, 2]
    spread = 1.4826 * float(np.median(np.abs(middle[known] - np.median(middle[known]))))
    few = int(known.sum()) < FEW_SLICES
    found = []
    for place in np.flatnonzero(known):
        move = moves[place]
        size = abs(float(np.median(move)))
        even = float(np.ptp(move)) <= 2 * UNEVEN * max(size, 1e-9) + 0.02
        if size < np.log(threshold) or not even or size < SPREADS * spread:
            continue
        factor = float(np.exp(np.median(move)))
        if max(factor, 1 / factor) >= LARGE or (not few and _is_known(factor, spread)):
            found.append(_Jump(int(place), factor))
    return found if len(found) <= known.sum() / 2 else []


def _usual(logs: Floats, known: Mask) -> Floats:
    """Return the typical slice's quantiles: the median one, or the first of two or three."""
    import numpy as np

    if known.sum() < FEW_SLICES:
        return np.asarray(logs[int(np.flatnonzero(known)[0])])
    return np.asarray(np.median(logs[known], axis=0))


def _is_known(factor: float, spread: float) -> bool:
    import numpy as np

    size = abs(np.log(factor))
    near = np.min(np.abs(np.log(FACTORS) - size))
    return bool(near <= min(0.03 + 2 * spread, 0.1))


def _levels(slices: Slices, histogram: Histogram) -> Floats:
    """Return the quantiles of each slice's numbers, shape (n_slices, 5); NaN where they are few."""
    import numpy as np

    levels = np.full((slices.n, len(RANKS)), np.nan)
    present = ~np.isnan(histogram.values)
    if present.any() and histogram.values[present].min() >= 0:
        present &= histogram.values > 0  # where most are zero, the others say what the unit is
    order = np.argsort(slices.of[present], kind="stable")
    values, of = histogram.values[present][order], slices.of[present][order]
    bounds = np.searchsorted(of, np.arange(slices.n + 1))
    for place in range(slices.n):
        inside = values[bounds[place] : bounds[place + 1]]
        if len(inside) >= LEAST_VALUES:
            levels[place] = np.quantile(inside, RANKS)
    return levels


def _finding(slices: Slices, histogram: Histogram, jumps: list[_Jump], threshold: float) -> Finding:
    worst = max(jumps, key=lambda jump: max(jump.factor, 1 / jump.factor))
    labels = [slices.labels[jump.place] for jump in jumps]
    n = int(sum(slices.counts[jump.place] for jump in jumps))
    more = max(len(labels) - 5, 0)
    factor = max(worst.factor, 1 / worst.factor)
    times, veces = ("times as large", "veces mayor") if worst.factor > 1 else ("times smaller", "veces menor")
    message = {
        "en": f"Column {named([histogram.name], 'en')} is {number(factor, 'en')} {times} at {visible(slices.by)} = "
        f"{listed(labels[:5], 'en', n_more=more)} than elsewhere, over its whole range.",
        "es": f"La columna {named([histogram.name], 'es')} es {number(factor, 'es')} {veces} en {visible(slices.by)} = "
        f"{listed(labels[:5], 'es', n_more=more)} que en el resto, en todo su recorrido.",
    }
    why = {
        "en": "The unit seems to change (cents, thousands, miles, another currency): one column then says two things.",
        "es": "Parece que cambia la unidad (céntimos, miles, millas, otra moneda): la columna dice entonces dos cosas.",
    }
    remedy = {
        "en": "Bring those rows to one unit at the source or in `prepare`.",
        "es": "Lleva esas filas a una sola unidad en el origen o en `prepare`.",
    }
    rows = tuple(row for jump in jumps for row in slices.first_rows[jump.place])[:20]
    examples = tuple(f"{visible(slices.labels[j.place])}: × {j.factor:.4g}" for j in jumps[:5])
    columns = (histogram.name,)
    return Finding("unit_jump", "warn", columns, n, message, why, remedy, rows, factor, threshold, examples=examples)


CHECKS = (Check("unit_jump", "warn", 1.5, {"en": "units that change", "es": "unidades que cambian"}, unit_jump),)

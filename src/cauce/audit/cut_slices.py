"""Slices with far fewer rows than those around them: a load that broke off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cauce.audit.check import AuditContext, NotApplicable, Outcome
from cauce.audit.words import percent, visible
from cauce.core.artefacts import Finding
from cauce.core.figures import listed, number

if TYPE_CHECKING:
    from cauce.audit.slices import Floats, Mask, Slices

FEWEST = 4
"""Slices from which the usual number of rows is known."""
SPREADS = 4.0
NEIGHBOURS = 3
PERIODS = {13: (24,), 10: (7,), 7: (4, 12)}
"""Length of a slice's label (2024-03-01T08, 2024-03-01, 2024-03) → after how many slices a day, a week or a year is
over."""
LOWEST = 0.8
"""Share of the rows of the smallest earlier slice that a whole end of small ones must stay under."""


def cut_slice(context: AuditContext, threshold: float) -> Outcome:
    """See slices with far fewer rows than those around them."""
    import numpy as np

    from cauce.audit.slices import NONE, UNORDERED, slices_of

    slices = slices_of(context)
    if slices is None:
        return NONE
    if not slices.ordered:
        return UNORDERED
    if np.isnan(slices.covered).any() or slices.n < FEWEST:
        return NotApplicable(
            f"fewer than {FEWEST} slices, or slices cut to have equal numbers of rows",
            f"menos de {FEWEST} tramos, o tramos cortados con el mismo número de filas",
        )
    ratios = _against_neighbours(slices)
    logs = np.log(np.maximum(ratios, 1e-9))
    usual = logs[np.isfinite(logs)]
    spread = 1.4826 * float(np.median(np.abs(usual - np.median(usual))))
    enough = slices.covered >= 0.2
    low = enough & (ratios < threshold) & (logs < np.median(usual) - SPREADS * max(spread, 0.1))
    low &= ~_recurring(slices, ratios < threshold)
    low |= _low_end(slices, ratios, threshold)
    places = np.flatnonzero(low)
    return [_cut(slices, [int(p) for p in places], ratios, threshold)] if len(places) else ()


def _recurring(slices: Slices, low: Mask) -> Mask:
    """Mark slices that are low every week, day or year: the one a period before, or after, is low as well."""
    import numpy as np

    marks = np.zeros(slices.n, np.bool_)
    for period in PERIODS.get(len(slices.labels[-1]), ()):
        marks[period:] |= low[:-period]
        marks[:-period] |= low[period:]
    return marks & low


def _low_end(slices: Slices, ratios: Floats, threshold: float) -> Mask:
    """Mark the last slices where all of them, at most a third, have fewer rows than any before, and far fewer.

    Beside one another they look usual; `ratios` of theirs become shares of what the slices before them had.
    """
    import numpy as np

    rates = slices.counts / np.maximum(slices.covered, 0.05)
    marks = np.zeros(slices.n, np.bool_)
    for first in range(max(slices.n - slices.n // 3, FEWEST), slices.n):
        before, last = rates[1:first], rates[first:]
        judged = last[slices.covered[first:] >= 0.2]
        usual = np.median(before[-2 * NEIGHBOURS :])
        if len(judged) >= 2 and judged.max() < threshold * usual and judged.max() < LOWEST * before[before > 0].min():
            marks[first:] = slices.covered[first:] >= 0.2
            ratios[first:] = last / max(usual, 1.0)
            break
    return marks


def _against_neighbours(slices: Slices) -> Floats:
    """Return each slice's rows as a share of what the slices before, and those after, would lead to expect."""
    import numpy as np

    rates = slices.counts / np.maximum(slices.covered, 0.05)
    found = np.full(slices.n, np.nan)
    for place in range(1, slices.n):
        before, after = rates[max(place - NEIGHBOURS, 0) : place], rates[place + 1 : place + 1 + NEIGHBOURS]
        expected = min(np.median(before), np.median(after)) if len(after) else np.median(before)
        found[place] = rates[place] / max(expected, 1.0)
    found[0] = 1.0
    return found


def _cut(slices: Slices, places: list[int], ratios: Floats, threshold: float) -> Finding:
    n = int(slices.counts[places].sum())
    worst = min(places, key=lambda place: float(ratios[place]))
    labels = [slices.labels[place] for place in places]
    few = number(int(slices.counts[worst]), "en"), number(int(slices.counts[worst]), "es")
    more = max(len(labels) - 5, 0)
    message = {
        "en": f"Far fewer rows than around them at {visible(slices.by)} = {listed(labels[:5], 'en', n_more=more)}: "
        f"{few[0]} at {labels[places.index(worst)]}, {percent(float(ratios[worst]), 'en')} of the usual.",
        "es": f"Hay muchas menos filas que alrededor en {visible(slices.by)} = "
        f"{listed(labels[:5], 'es', n_more=more)}: {few[1]} en {labels[places.index(worst)]}, el "
        f"{percent(float(ratios[worst]), 'es')} de lo habitual.",
    }
    why = {
        "en": "A load that broke off leaves rows out, and not at random: the last ones, or those of one source.",
        "es": "Una carga interrumpida deja fuera filas, y no al azar: las últimas, o las de un solo origen.",
    }
    remedy = {
        "en": "Load that stretch again. If there was less to tell (a holiday, a summer), accept the finding in "
        "`[audit.checks.cut_slice]`.",
        "es": "Vuelve a cargar ese tramo. Si de verdad hubo menos (un festivo, un verano), acepta el aviso en "
        "`[audit.checks.cut_slice]`.",
    }
    rows = tuple(row for place in places for row in slices.first_rows[place])[:20]
    value = float(ratios[worst])
    return Finding("cut_slice", "warn", slices.columns, n, message, why, remedy, rows, value, threshold)

"""The newest rows against the earlier ones: whether the data changed before a model was even trained.

A column counts as drifted where three things hold: the change is large (population stability index from the
threshold on), chance is no explanation (Pearson's test, at 0.01 over all columns and windows together, by Bonferroni),
and, from three earlier stretches on, the newest differs half as much again as any earlier one differed from the rest,
so that seasons are quiet. Over columns without drift the share of audits that alarm is under 0.01.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cauce.audit.check import AuditContext, Check, Outcome
from cauce.audit.names import tokens
from cauce.audit.partitions import newest
from cauce.audit.patterns import mask
from cauce.audit.words import columns_in, named, percent, visible
from cauce.core.artefacts import Finding
from cauce.core.figures import listed, number

if TYPE_CHECKING:
    from cauce.audit.histograms import Histogram, Ints
    from cauce.audit.slices import Slices

ALPHA = 0.01
"""Chance of an alarm over all columns together where nothing drifted."""
BEYOND = 1.5
"""How much farther than any earlier stretch the newest must differ."""
CALIBRATED = 3
"""Earlier stretches from which on they say what is usual."""
FEWEST_EXPECTED = 20.0
SHOWN = 5
_PARTS = (
    "year yr month mnth week weekday day dow doy quarter season holiday hour hr period ano anio mes semana dia "
    "trimestre estacion festivo hora periodo"
)
CALENDAR = frozenset(_PARTS.split())
MOST_DAYS = 366


class _Drift(NamedTuple):
    name: str
    psi: float
    window: int
    """Slices that make the newest stretch."""


def inner_drift(context: AuditContext, threshold: float) -> Outcome:
    """See columns whose newest rows differ from the earlier ones by more than earlier ones did among themselves."""
    from cauce.audit.histograms import histograms_of
    from cauce.audit.slices import NONE, UNORDERED, slices_of

    slices = slices_of(context)
    if slices is None:
        return NONE
    if not slices.ordered:
        return UNORDERED
    histograms = [
        h for h in histograms_of(context) if not (_names_rows(context, h.name) or _is_calendar(context, h.name))
    ]
    windows = _windows(slices)
    level = ALPHA / max(len(histograms) * len(windows), 1)
    found = []
    for histogram in histograms:
        seen = [drift for w in windows if (drift := _drift(histogram, w, threshold, level)) is not None]
        found += [max(seen, key=lambda drift: drift.psi)] if seen else []
    return [_finding(context, slices, sorted(found, key=lambda d: -d.psi), threshold)] if found else ()


def _names_rows(context: AuditContext, name: str) -> bool:
    """Say whether a column gives rows a number: new ones are then new by nature."""
    column = context.profile.column(name)
    return column.family == "datetime" or (column.family == "integer" and column.share_distinct > 0.9)


def _is_calendar(context: AuditContext, name: str) -> bool:
    """Say whether a column is a part of the date, by its name: two days of June have no Sunday and no March."""
    column = context.profile.column(name)
    return column.n_distinct <= MOST_DAYS and any(token in CALENDAR for token in tokens(name))


def _windows(slices: Slices) -> tuple[int, ...]:
    """Return how many of the last slices are held against those before: the newest, and the newest quarter."""
    return tuple(dict.fromkeys((newest(slices), max(newest(slices), slices.n // 4))))


def _drift(histogram: Histogram, w: int, threshold: float, level: float) -> _Drift | None:
    from cauce.audit.histograms import stability_index

    new, old = histogram.counts[-w:].sum(axis=0), histogram.counts[:-w].sum(axis=0)
    if new.sum() < 20 or old.sum() < 20 or len(new) < 2:
        return None
    index = float(stability_index(new, old))
    if index < threshold or chance(new, old) > level:
        return None
    earlier = histogram.counts[:-w]
    pieces = [earlier[i : i + w].sum(axis=0) for i in range(len(earlier) - w, -1, -w)]
    indices = [float(stability_index(piece, old - piece)) for piece in pieces if piece.sum() >= 20]
    if len(indices) >= CALIBRATED and index <= BEYOND * max(indices):
        return None
    return _Drift(histogram.name, index, w)


def chance(new: Ints, old: Ints) -> float:
    """Return the p-value of Pearson's test that two rows of counts come from one distribution.

    Bins that expect fewer than five are put together.

    Examples
    --------
    >>> import numpy as np
    >>> chance(np.array([50, 50]), np.array([500, 500])), chance(np.array([100, 0]), np.array([500, 500])) < 1e-9
    (1.0, True)
    """
    import numpy as np
    from scipy.stats import chi2

    table = np.array([new, old], dtype=np.float64)
    table = table[:, table.sum(axis=0) > 0]
    expected = table.sum(axis=0) * min(table.sum(axis=1)) / table.sum()
    rare = expected < 5
    if rare.any():
        table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
    if table.shape[1] < 2:
        return 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return float(chi2.sf(((table - expected) ** 2 / expected).sum(), table.shape[1] - 1))


def _finding(context: AuditContext, slices: Slices, found: list[_Drift], threshold: float) -> Finding:
    from cauce.audit.histograms import histograms_of

    columns = tuple(drift.name for drift in found)
    w = max(drift.window for drift in found)
    by_name = {histogram.name: histogram for histogram in histograms_of(context)}
    examples = tuple(_example(slices, by_name[drift.name], drift.window) for drift in found[:SHOWN])
    worst = found[0].psi
    since = slices.labels[-w]
    message = {
        "en": f"The newest rows ({visible(slices.by)} from {since}) differ from the earlier ones in "
        f"{columns_in(columns, 'en')}: stability index up to {number(worst, 'en')}.",
        "es": f"Las filas más recientes ({visible(slices.by)} desde {since}) difieren de las anteriores en "
        f"{columns_in(columns, 'es')}: índice de estabilidad de hasta {number(worst, 'es')}.",
    }
    why = {
        "en": "A model learns mostly from the earlier rows, and is judged on and used for rows like the newest.",
        "es": "Un modelo aprende sobre todo de las filas anteriores, y se juzga y se usa con filas como las recientes.",
    }
    remedy = {
        "en": "Ask what changed. If the source is wrong, mend it; if the world changed, leave old rows out with "
        "`where` or accept the finding in `[audit.checks.inner_drift]`.",
        "es": "Averigua qué ha cambiado. Si falla el origen, corrígelo; si ha cambiado el mundo, excluye filas "
        "antiguas con `where` o acepta el aviso en `[audit.checks.inner_drift]`.",
    }
    n = int(slices.counts[-w:].sum())
    rows = slices.first_rows[-w]
    return Finding("inner_drift", "warn", columns, n, message, why, remedy, rows, worst, threshold, examples=examples)


def _example(slices: Slices, histogram: Histogram, w: int) -> str:
    """Say in a few words how a column changed: its median, or its category that gained or lost most."""
    import numpy as np

    from cauce.audit.histograms import MOST_CATEGORIES

    new_rows = slices.of >= slices.n - w
    name = visible(histogram.name)
    if histogram.kind != "category":
        old, new = (float(np.nanmedian(histogram.values[rows])) for rows in (~new_rows, new_rows))
        return f"{name}: {old:.4g} → {new:.4g}"
    now, before = histogram.counts[-w:].sum(axis=0), histogram.counts[:-w].sum(axis=0)
    change = now / now.sum() - before / before.sum()
    place = int(np.argmax(np.abs(change[:MOST_CATEGORIES])))
    text = mask(visible(histogram.categories[place]))
    left, right = before[place] / before.sum(), now[place] / now.sum()
    return f"{name} = {text}: {percent(float(left), 'en')} → {percent(float(right), 'en')}"


def new_categories(context: AuditContext, threshold: float) -> Outcome:
    """See categories that only the newest rows have, in columns where new ones are rare."""
    return _categories(context, threshold, new=True)


def gone_categories(context: AuditContext, threshold: float) -> Outcome:
    """See categories that every earlier slice had and the newest rows have not."""
    return _categories(context, threshold, new=False)


def _categories(context: AuditContext, threshold: float, *, new: bool) -> Outcome:
    from cauce.audit.histograms import histograms_of
    from cauce.audit.slices import NONE, UNORDERED, slices_of

    slices = slices_of(context)
    if slices is None:
        return NONE
    if not slices.ordered:
        return UNORDERED
    look = _new if new else _gone
    found = {}
    for histogram in histograms_of(context):
        if histogram.kind == "category" and (values := look(slices, histogram, threshold)):
            found[histogram.name] = values
    return [_told(slices, name, values, threshold, new=new) for name, values in found.items()]


def _by_slice(slices: Slices, histogram: Histogram) -> Ints:
    """Count every category by slice, shape (n_slices, n_categories)."""
    import numpy as np

    present = ~np.isnan(histogram.values)
    n = len(histogram.categories)
    flat = slices.of[present] * n + histogram.values[present].astype(np.int64)
    return np.bincount(flat, minlength=slices.n * n).reshape(slices.n, n)


def _new(slices: Slices, histogram: Histogram, threshold: float) -> list[str]:
    import numpy as np

    counts, w = _by_slice(slices, histogram), newest(slices)
    old, now = counts[:-w].sum(axis=0), counts[-w:].sum(axis=0)
    share = now[old == 0].sum() / max(now.sum(), 1)
    seen = np.cumsum(counts[:-w], axis=0)
    fresh = [
        float(counts[i][seen[i - 1] == 0].sum() / max(counts[i].sum(), 1))
        for i in range((slices.n - w) // 3 + 1, slices.n - w)
    ]
    if share < threshold or (fresh and share <= 3 * max(fresh)):
        return []
    places = np.flatnonzero((old == 0) & (now >= max(3, threshold * now.sum())))
    return [histogram.categories[int(place)] for place in places[np.argsort(-now[places], kind="stable")]]


def _gone(slices: Slices, histogram: Histogram, threshold: float) -> list[str]:
    import numpy as np

    counts, w = _by_slice(slices, histogram), newest(slices)
    old, now = counts[:-w], counts[-w:].sum(axis=0)
    expected = old.sum(axis=0) / max(old.sum(), 1) * now.sum()
    places = np.flatnonzero(
        (now == 0) & (expected >= max(FEWEST_EXPECTED, threshold * now.sum())) & (old > 0).all(axis=0)
    )
    return [histogram.categories[int(place)] for place in places]


def _told(slices: Slices, name: str, values: list[str], threshold: float, *, new: bool) -> Finding:
    since, more = slices.labels[-newest(slices)], max(len(values) - 3, 0)
    examples = tuple(mask(visible(value)) for value in values[:SHOWN])
    english = listed([f"{text!r}" for text in examples[:3]], "en", n_more=more)
    spanish = listed([f"«{text}»" for text in examples[:3]], "es", n_more=more)
    n = int(slices.counts[-newest(slices) :].sum())
    code = "new_categories" if new else "gone_categories"
    message = {
        "en": f"Column {named([name], 'en')} has values since {visible(slices.by)} = {since} that it never had: "
        f"{english}.",
        "es": f"La columna {named([name], 'es')} tiene desde {visible(slices.by)} = {since} valores que nunca tuvo: "
        f"{spanish}.",
    }
    why = {
        "en": "A model knows a new value only from the newest rows; a new spelling of an old one looks the same.",
        "es": "Un modelo solo conoce un valor nuevo por las filas recientes; una grafía nueva se ve igual.",
    }
    if not new:
        message = {
            "en": f"Column {named([name], 'en')} has lost values since {visible(slices.by)} = {since}: {english}.",
            "es": f"La columna {named([name], 'es')} ha perdido valores desde {visible(slices.by)} = {since}: "
            f"{spanish}.",
        }
        why = {
            "en": "A value that every earlier slice had and the newest lacks was renamed, or its rows are not loaded.",
            "es": "Un valor que tenían todos los tramos anteriores y ahora falta se ha renombrado, o no se carga.",
        }
    remedy = {
        "en": "Ask what changed at the source; bring old and new names together in `prepare`.",
        "es": "Averigua qué ha cambiado en el origen; une los nombres viejos y nuevos en `prepare`.",
    }
    rows = slices.first_rows[-newest(slices)]
    return Finding(
        code, "info", (name,), n, message, why, remedy, rows, float(len(values)), threshold, examples=examples
    )


CHECKS = (
    Check(
        "inner_drift",
        "warn",
        0.2,
        {"en": "the newest rows differ", "es": "las filas recientes difieren"},
        inner_drift,
    ),
    Check("new_categories", "info", 0.01, {"en": "new categories", "es": "categorías nuevas"}, new_categories),
    Check("gone_categories", "info", 0.0, {"en": "lost categories", "es": "categorías perdidas"}, gone_categories),
)

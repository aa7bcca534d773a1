"""Slices that came out wrong: rows cut off, columns shifted, a column stuck, values gone missing."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from cauce.audit.check import AuditContext, Check, Outcome
from cauce.audit.cut_slices import FEWEST, cut_slice
from cauce.audit.words import columns_in, named, percent, rows_in, the_percent, visible
from cauce.core.artefacts import Finding
from cauce.core.figures import listed

if TYPE_CHECKING:
    from cauce.audit.histograms import Histogram
    from cauce.audit.slices import Floats, Slices

LEAST_NEW = 100
"""Sampled rows that the newest stretch must have: further slices are added until it does."""
UNLIKELY = 1e-6
OWN, OTHERS = 0.6, 0.25
"""A column is shifted where its slice differs from its other slices by more than the first (total variation), and
from another column by less than the second."""
MOST_PAIRED = 200
"""Columns beyond which shifts are not looked for: each is held against each."""


def rising_missing(context: AuditContext, threshold: float) -> Outcome:
    """See columns in which the newest slices lack far more values than any before."""
    from cauce.audit.histograms import histograms_of
    from cauce.audit.slices import NONE, UNORDERED, slices_of

    slices = slices_of(context)
    if slices is None:
        return NONE
    if not slices.ordered:
        return UNORDERED
    found: dict[int, dict[str, tuple[float, float]]] = defaultdict(dict)
    for histogram in histograms_of(context):
        rise = _rise(slices, histogram, threshold)
        if rise is not None:
            found[rise[0]][histogram.name] = rise[1:]
    return [_rising(slices, found[w], w, threshold) for w in sorted(found)]


def _rise(slices: Slices, histogram: Histogram, threshold: float) -> tuple[int, float, float] | None:
    """Return of how many slices the newest stretch with more missing is, and the shares before and in it.

    The stretch begins where the step is clearest, in the newer half: a fault of some weeks must not hide itself.
    """
    import numpy as np

    total = histogram.missing + histogram.present
    n, least = slices.n, newest(slices)
    best: tuple[float, int, float, float] | None = None
    for w in range(least, max(n // 2, least) + 1):
        n_new, n_old = int(total[-w:].sum()), int(total[:-w].sum())
        if n_new < 20 or n_old < 20:
            continue
        new, old = float(histogram.missing[-w:].sum() / n_new), float(histogram.missing[:-w].sum() / n_old)
        both = (histogram.missing.sum() + 1) / (n_new + n_old + 2)
        sure = (new - old) / float(np.sqrt(both * (1 - both) * (1 / n_new + 1 / n_old)))
        before = (histogram.missing / np.maximum(total, 1))[:-w]
        inside = _mixed_left_out(before) if w > least else before
        top = float(inside.max()) if (n - w) >= 3 else old
        if new - old >= threshold and sure > 5 and new > 1.25 * top + 0.02 and (best is None or sure > best[0]):
            best = (sure, w, old, new)
    return best[1:] if best else None


def _mixed_left_out(before: Floats) -> Floats:
    """Leave out the slice in which a change began: it is part old, part new."""
    return before[:-1] if len(before) > FEWEST else before


def newest(slices: Slices) -> int:
    """Return how many of the last slices make a newest stretch of at least 100 sampled rows, the first never."""
    import numpy as np

    sizes = np.bincount(slices.of, minlength=slices.n)[::-1].cumsum()
    return min(int(np.searchsorted(sizes, LEAST_NEW)) + 1, slices.n - 1)


def _rising(slices: Slices, found: dict[str, tuple[float, float]], w: int, threshold: float) -> Finding:
    columns = tuple(sorted(found, key=lambda name: found[name][0] - found[name][1]))
    old, new = found[columns[0]]
    n = round(new * int(slices.counts[-w:].sum()))
    message = {
        "en": f"The newest rows ({visible(slices.by)} from {slices.labels[-w]}) lack values in "
        f"{columns_in(columns, 'en')}: {percent(new, 'en')} missing, {percent(old, 'en')} before.",
        "es": f"A las filas más recientes ({visible(slices.by)} desde {slices.labels[-w]}) les faltan "
        f"valores en {columns_in(columns, 'es')}: {the_percent(new)}, antes {the_percent(old)}.",
    }
    why = {
        "en": "Something changed at the source; the newest rows are those that judge, and those most like the future.",
        "es": "Algo cambió en el origen; las filas recientes son las que juzgan y las más parecidas al futuro.",
    }
    remedy = {
        "en": "Ask whoever fills the column what changed; load those rows again once it is mended.",
        "es": "Pregunta a quien rellena la columna qué ha cambiado; vuelve a cargar esas filas cuando esté arreglado.",
    }
    rows = slices.first_rows[-w]
    examples = tuple(f"{visible(c)}: {percent(found[c][0], 'en')} → {percent(found[c][1], 'en')}" for c in columns[:5])
    return Finding(
        "rising_missing", "warn", columns, n, message, why, remedy, rows, new - old, threshold, examples=examples
    )


def stuck_column(context: AuditContext, threshold: float) -> Outcome:
    """See columns with one single value in a stretch of slices that never stand still elsewhere."""
    from cauce.audit.histograms import histograms_of
    from cauce.audit.slices import NONE, UNORDERED, slices_of

    slices = slices_of(context)
    if slices is None:
        return NONE
    if not slices.ordered:
        return UNORDERED
    stuck: dict[tuple[int, int], dict[str, str]] = defaultdict(dict)
    for histogram in histograms_of(context):
        run = None if histogram.name == context.target else _still(slices, histogram, threshold)
        if run is not None:
            stuck[run[0], run[1]][histogram.name] = _text_of(histogram, run[2])
    return [_stuck(slices, stuck[run], run, threshold) for run in sorted(stuck)]


def _still(slices: Slices, histogram: Histogram, threshold: float) -> tuple[int, int, float] | None:
    """Return the one stretch of slices, its end excluded, in which a column stands still, and the value.

    Not from the first slice on: what is not yet in use stands still by nature.
    """
    import numpy as np

    present = ~np.isnan(histogram.values)
    order = np.argsort(slices.of[present], kind="stable")
    values, of = histogram.values[present][order], slices.of[present][order]
    parts = np.split(values, np.searchsorted(of, np.arange(1, slices.n)))
    alone = [bool(len(part)) and bool((part == part[0]).all()) for part in parts]
    first = next((place for place, one in enumerate(alone) if one and len(parts[place]) >= 2), 0)
    if not first:
        return None
    end = first
    while end < slices.n and (not len(parts[end]) or (alone[end] and parts[end][0] == parts[first][0])):
        end += 1
    n_still = sum(len(part) for part in parts[first:end])
    if n_still < threshold:
        return None
    known = [top for part in parts[:first] + parts[end:] if (top := _top_share(part)) is not None]
    return (first, end, float(parts[first][0])) if known and max(known) ** n_still < UNLIKELY else None


def _top_share(values: Floats) -> float | None:
    """Return the most frequent value's share; None where there are too few values to say."""
    import numpy as np

    if len(values) < 10:
        return None
    _, counts = np.unique(values, return_counts=True)
    return float(counts.max() / len(values))


def _text_of(histogram: Histogram, value: float) -> str:
    return histogram.categories[int(value)] if histogram.kind == "category" else f"{value:g}"


def _stuck(slices: Slices, stuck: dict[str, str], run: tuple[int, int], threshold: float) -> Finding:
    columns = tuple(stuck)
    first, end = run
    n = int(slices.counts[first:end].sum())
    since, until = slices.labels[first], slices.labels[end - 1]
    when, cuando = f"since {visible(slices.by)} = {since}", f"desde {visible(slices.by)} = {since}"
    if end < slices.n:
        when, cuando = f"{when} until {until}", f"{cuando} hasta {until}"
    shown = [f"{named([name], 'en')} = {visible(stuck[name])!r}" for name in columns[:5]]
    spanish = [f"{named([name], 'es')} = «{visible(stuck[name])}»" for name in columns[:5]]
    more = len(columns) - len(shown)
    message = {
        "en": f"One value alone {when}, and many before: {listed(shown, 'en', n_more=more)}.",
        "es": f"Un solo valor {cuando}, y antes muchos: {listed(spanish, 'es', n_more=more)}.",
    }
    why = {
        "en": "A sensor, a form or an export that stands still looks like data; the model will be served the same.",
        "es": "Un sensor, un formulario o una exportación parados parecen datos; al modelo le llegará lo mismo.",
    }
    remedy = {
        "en": "Mend what fills the column and load those rows again, or name it under `ignore`.",
        "es": "Arregla lo que rellena la columna y vuelve a cargar esas filas, o ponla en `ignore`.",
    }
    rows = slices.first_rows[first]
    return Finding("stuck_column", "warn", columns, n, message, why, remedy, rows, float(end - first), threshold)


def shifted_columns(context: AuditContext, threshold: float) -> Outcome:
    """See slices in which the values of columns moved into other columns."""
    from cauce.audit.histograms import histograms_of
    from cauce.audit.slices import NONE, slices_of

    slices = slices_of(context)
    if slices is None:
        return NONE
    numeric = [h for h in histograms_of(context) if h.kind == "number" and h.counts.shape[1] > 1]
    words = [h for h in histograms_of(context) if h.kind == "category" and h.counts.shape[1] > 1]
    found = []
    for place in range(slices.n):
        moved = {
            name: other
            for group in (numeric, words)
            if len(group) <= MOST_PAIRED
            for name, other in _moved(slices, group, place, threshold).items()
        }
        if len(moved) >= 2:
            found.append(_shifted(slices, moved, place, threshold))
    return found


def _moved(slices: Slices, group: list[Histogram], place: int, threshold: float) -> dict[str, str]:
    """Return column → the column whose values it holds in this slice."""
    from cauce.audit.histograms import total_variation

    changed = []
    for histogram in group:
        rest = histogram.counts.sum(axis=0) - histogram.counts[place]
        if histogram.counts[place].sum() >= 20 and total_variation(histogram.counts[place], rest) > threshold:
            changed.append(histogram)
    if len(changed) < 2:
        return {}
    moved = {}
    for one in changed:
        near = min((_distance(slices, one, other, place), other.name) for other in changed if other is not one)
        if near[0] < OTHERS:
            moved[one.name] = near[1]
    return moved


def _distance(slices: Slices, one: Histogram, other: Histogram, place: int) -> float:
    """Return how far this slice of `one` is from the other slices of `other` (total variation)."""
    import numpy as np

    from cauce.audit.histograms import total_variation

    values = one.values[(slices.of == place) & ~np.isnan(one.values)]
    rest = other.counts.sum(axis=0) - other.counts[place]
    if one.kind == "number":
        bins = np.searchsorted(other.edges, values, "left")
    else:
        code = {text: number for number, text in enumerate(other.categories)}
        here = np.array([code.get(text, len(rest)) for text in one.categories])
        bins = np.minimum(here[values.astype(np.int64)], len(rest))
        rest = np.append(rest, 0)
    new = np.bincount(bins, minlength=len(rest))
    return float(total_variation(new, rest))


def _shifted(slices: Slices, moved: dict[str, str], place: int, threshold: float) -> Finding:
    columns = tuple(moved)
    pairs = [f"{named([name], 'en')} holds what {named([other], 'en')} held" for name, other in moved.items()][:3]
    pares = [f"{named([name], 'es')} contiene lo de {named([other], 'es')}" for name, other in moved.items()][:3]
    n = int(slices.counts[place])
    more = len(moved) - len(pairs)
    message = {
        "en": f"Columns are swapped or shifted at {visible(slices.by)} = {slices.labels[place]} ({rows_in(n, 'en')}): "
        f"{listed(pairs, 'en', n_more=more)}.",
        "es": f"Hay columnas intercambiadas o desplazadas en {visible(slices.by)} = {slices.labels[place]} "
        f"({rows_in(n, 'es')}): {listed(pares, 'es', n_more=more)}.",
    }
    why = {
        "en": "Every such row is wrong in several columns at once, and each value alone looks plausible.",
        "es": "Cada una de esas filas es errónea en varias columnas a la vez, y cada valor por separado parece normal.",
    }
    remedy = {
        "en": "Compare that file's header with the others' and load it again with its columns in order.",
        "es": "Compara la cabecera de ese fichero con la de los demás y vuelve a cargarlo con las columnas en orden.",
    }
    rows = slices.first_rows[place]
    return Finding("shifted_columns", "warn", columns, n, message, why, remedy, rows, float(len(moved)), threshold)


CHECKS = (
    Check("cut_slice", "warn", 0.4, {"en": "slices cut short", "es": "tramos con filas de menos"}, cut_slice),
    Check(
        "shifted_columns",
        "warn",
        OWN,
        {"en": "swapped columns", "es": "columnas intercambiadas"},
        shifted_columns,
    ),
    Check("stuck_column", "warn", 30.0, {"en": "columns that stand still", "es": "columnas paradas"}, stuck_column),
    Check(
        "rising_missing",
        "warn",
        0.05,
        {"en": "values gone missing", "es": "valores que empiezan a faltar"},
        rising_missing,
    ),
)

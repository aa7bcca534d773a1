"""Categories that are one to people and several to a model, types mixed in a column, codes that look like sizes."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from cauce.audit.check import AuditContext, Check, NotApplicable, Outcome
from cauce.audit.names import plainly, tokens
from cauce.audit.patterns import mask
from cauce.audit.words import columns_in, named, percent, rows_in, visible
from cauce.core.artefacts import Finding
from cauce.core.figures import listed, number

if TYPE_CHECKING:
    from cauce.audit.scan import Hits
    from cauce.profile import ColumnProfile

_BLANK = re.compile(r"\s+")
_HIDDEN = re.compile(r"[\u200b-\u200f\u2060\ufeff\u00ad]")
ALONE, FEW_NUMBERS = 0.9, 0.05
"""Share of a column that words and numbers make together where there is nothing else; and of few numbers in it."""
MOST_IDS = 0.5
"""Share of distinct values from which a column names things one by one: there, a case may well mean something."""
_CODE_NAMES = (
    "code codes codigo cod type tipo class clase category categoria kind mode method metodo status estado "
    "region zone zona province provincia weekday month mes season estacion quarter qualification occupation "
    "ocupacion nationality nacionalidad nacionality course curso dept department departamento group grupo job "
    "sector gender sexo sex"
)
CODE_NAMES = frozenset(_CODE_NAMES.split())


def folded(text: str) -> str:
    """Return a value without what people overlook: case, accents, white space at its ends and doubled within.

    Examples
    --------
    >>> folded(" MÁLAGA  capital"), folded("malaga capital ")
    ('malaga capital', 'malaga capital')
    """
    plain = plainly(unicodedata.normalize("NFKC", _HIDDEN.sub("", text))).casefold()
    return _BLANK.sub(" ", plain).strip()


def category_variants(context: AuditContext, threshold: float) -> Outcome:
    """See categories that differ only by case, accents or white space."""
    names = [
        name
        for name, c in context.profile.columns.items()
        if c.kind == "category" and c.n_present and c.share_distinct <= MOST_IDS and name != context.data.key
    ]
    if not names:
        return NotApplicable("no column of categories", "ninguna columna de categorías")
    found = []
    for name in names:
        groups = _variants(context.profile.column(name).counts)
        n = sum(sum(sorted(group.values())[:-1]) for group in groups)
        if groups and n >= threshold * context.profile.column(name).n_present:
            found.append(_finding(context, name, groups, n, threshold))
    return found


def _variants(counts: Mapping[str, int]) -> list[dict[str, int]]:
    """Return the groups of values that fold to the same one, largest first."""
    groups: dict[str, dict[str, int]] = defaultdict(dict)
    for value, n in counts.items():
        groups[folded(value)][value] = n
    several = [group for key, group in groups.items() if key and len(group) > 1]
    return sorted(several, key=lambda group: (-sum(group.values()), min(group)))


def _finding(context: AuditContext, name: str, groups: list[dict[str, int]], n: int, threshold: float) -> Finding:
    share = n / context.profile.column(name).n_present
    ordered = [sorted(group, key=lambda value: (-group[value], value)) for group in groups]
    rare = {value for group in ordered for value in group[1:]}
    shown = [" / ".join(visible(mask(value)) for value in group[:3]) for group in ordered[:3]]
    more = len(ordered) - len(shown)
    english = listed([f"{text!r}" for text in shown], "en", n_more=more)
    spanish = listed([f"«{text}»" for text in shown], "es", n_more=more)
    message = {
        "en": f"Values of column {named([name], 'en')} differ only by case, accents or white space: {english}.",
        "es": f"Hay valores de la columna {named([name], 'es')} que solo se distinguen por mayúsculas, acentos o "
        f"espacios: {spanish}.",
    }
    why = {
        "en": "To a model they are different values: each learns from a part of the rows.",
        "es": "Para un modelo son valores distintos: cada uno aprende solo de una parte de las filas.",
    }
    remedy = {
        "en": "Write each in one way at the source, or bring them together in `prepare` (trim, lower).",
        "es": "Escribe cada uno de una sola forma en el origen, o únelos en `prepare` (trim, lower).",
    }
    examples = tuple(" / ".join(visible(mask(value)) for value in group[:4]) for group in ordered[:5])
    rows = _rows_of(context, name, rare)
    return Finding(
        "category_variants", "warn", (name,), n, message, why, remedy, rows, share, threshold, examples=examples
    )


def _rows_of(context: AuditContext, name: str, values: set[str]) -> tuple[int, ...]:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa
    import pyarrow.compute as pc

    from cauce.audit.rows import first_rows
    from cauce.profile.arrays import to_strings

    wanted = pa.array(sorted(values), pa.string())

    def test(batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        found = pc.is_in(pc.cast(to_strings(batch.column(name)), pa.string()), value_set=wanted)
        return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.bool_)

    return first_rows(context, [name], test)


def mixed_types(context: AuditContext, threshold: float) -> Outcome:
    """See text columns that hold words and numbers, or dates in two orders, side by side."""
    from cauce.audit.scan import text_scan

    found = []
    for name, column in context.profile.columns.items():
        if column.family != "string" or column.kind != "category" or not column.n_present:
            continue
        ordered = sorted(column.dates, reverse=True)
        best = ordered[0] / column.n_present
        two = column.dates[0] and max(column.dates[1:]) and max(best, 0.01) < 0.99
        if two and column.dates[0] + max(column.dates[1:]) >= 0.95 * column.n_present:
            found.append(_dates(context, name, min(column.dates[0], max(column.dates[1:])), threshold))
            continue
        kinds = text_scan(context).get(name, {})
        words = _words_beside(kinds, column)
        few = min(kinds["number"].n, words.n) if words else 0
        if words and few >= max(threshold * column.n_present, 2) and kinds["number"].n < 0.9 * column.n_present:
            found.append(_mixed(context, name, words, threshold))
    return found


def _words_beside(kinds: Mapping[str, Hits], column: ColumnProfile) -> Hits | None:
    """Return the words of a column that has numbers and words alone.

    Beside few numbers, words may have digits in them (11th, LE3); beside many those would be codes (85123A, 22423).
    """
    numbers, words, letters = kinds.get("number"), kinds.get("word"), kinds.get("letters")
    if numbers is None or letters is None:
        return None
    n = column.n_present
    few = numbers.n <= FEW_NUMBERS * n
    if few and column.share_distinct > MOST_IDS:
        return None  # a title may well be 1984
    if few and numbers.n + letters.n >= ALONE * n:
        return letters
    return words if words is not None and numbers.n + words.n >= ALONE * n else None


def _mixed(context: AuditContext, name: str, words: Hits, threshold: float) -> Finding:
    from cauce.audit.scan import text_scan

    numbers = text_scan(context)[name]["number"]
    rarer = numbers if numbers.n <= words.n else words
    share = rarer.n / context.profile.column(name).n_present
    examples = tuple(visible(mask(text)) for text in rarer.examples)
    message = {
        "en": f"Column {named([name], 'en')} mixes words ({number(words.n, 'en')}) and numbers "
        f"({number(numbers.n, 'en')}).",
        "es": f"La columna {named([name], 'es')} mezcla palabras ({number(words.n, 'es')}) y números "
        f"({number(numbers.n, 'es')}).",
    }
    remedy = {
        "en": "Ask what the rarer ones mean (a code, a shifted cell, a mark for missing) and give them a column of "
        "their own, or leave them empty.",
        "es": "Averigua qué significan los menos frecuentes (un código, una celda desplazada, una marca de ausencia) y "
        "dales una columna propia, o déjalos vacíos.",
    }
    why = {
        "en": "A column with two kinds of values mostly comes from shifted cells or from two systems joined.",
        "es": "Una columna con dos clases de valores suele venir de celdas desplazadas o de dos sistemas unidos.",
    }
    rows = tuple(rarer.rows)
    return Finding(
        "mixed_types", "warn", (name,), rarer.n, message, why, remedy, rows, share, threshold, examples=examples
    )


def _dates(context: AuditContext, name: str, n: int, threshold: float) -> Finding:
    share = n / context.profile.column(name).n_present
    message = {
        "en": f"Column {named([name], 'en')} writes dates in two orders: {rows_in(n, 'en')} "
        f"({percent(share, 'en')}) differ from the others.",
        "es": f"La columna {named([name], 'es')} escribe las fechas de dos formas: {rows_in(n, 'es')} "
        f"({percent(share, 'es')}) se apartan de las demás.",
    }
    why = {
        "en": "03/04 is March to some and April to others: read in one order, part of the dates are wrong or missing.",
        "es": "03/04 es marzo para unos y abril para otros: leídas de una sola forma, parte de las fechas son falsas.",
    }
    remedy = {
        "en": "Write all dates as YYYY-MM-DD (ISO 8601) at the source.",
        "es": "Escribe todas las fechas como AAAA-MM-DD (ISO 8601) en el origen.",
    }
    return Finding("mixed_types", "warn", (name,), n, message, why, remedy, (), share, threshold)


def coded_integers(context: AuditContext, threshold: float) -> Outcome:
    """See whole numbers that are codes of categories: by their name, or few values scattered over a wide range."""
    profile = context.profile
    columns = tuple(
        name
        for name in context.features
        if is_coded(profile.column(name))
        and profile.column(name).n_present >= threshold * len(profile.column(name).counts)
    )
    if not columns:
        return ()
    message = {
        "en": f"Whole numbers look like codes of categories in {columns_in(columns, 'en')}.",
        "es": f"Hay números enteros que parecen códigos de categorías en {columns_in(columns, 'es')}.",
    }
    why = {
        "en": "As numbers, code 9 is more than code 3, and a linear model draws a line through them.",
        "es": "Como números, el código 9 es mayor que el 3, y un modelo lineal traza una recta entre ellos.",
    }
    remedy = {
        "en": "If they are codes, store them as text at the source or in `prepare`; if they are sizes, do nothing.",
        "es": "Si son códigos, guárdalos como texto en el origen o en `prepare`; si son cantidades, no hagas nada.",
    }
    n_rows = context.profile.n_rows
    return [Finding("coded_integers", "info", columns, n_rows, message, why, remedy, (), None, threshold)]


def is_coded(column: ColumnProfile) -> bool:
    """Say whether whole numbers are codes: by the column's name, or by the gaps between its few values."""
    n = len(column.counts)
    if column.family != "integer" or not column.exact or not 3 <= n <= 200:
        return False
    if any(token in CODE_NAMES for token in tokens(column.name)):
        return True
    values = sorted(int(value) for value in column.counts)
    gaps = sorted(right - left for left, right in pairwise(values))
    return 5 <= n <= 50 and gaps[len(gaps) // 2] >= 5 and len(set(gaps)) > n // 4 and values[0] >= 0


CHECKS = (
    Check(
        "category_variants",
        "warn",
        0.0,
        {"en": "categories written in several ways", "es": "categorías escritas de varias formas"},
        category_variants,
    ),
    Check("mixed_types", "warn", 0.0005, {"en": "mixed types", "es": "tipos mezclados"}, mixed_types),
    Check(
        "coded_integers",
        "info",
        20.0,
        {"en": "codes that look like numbers", "es": "códigos que parecen números"},
        coded_integers,
    ),
)

"""Text columns that hide something else: numbers beside a few words, and words that stand for a missing value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from cauce.audit.check import MOST_ROWS, AuditContext, Check, Outcome
from cauce.audit.words import named, percent, plural, rows_in, visible
from cauce.core.artefacts import Finding
from cauce.core.figures import listed, number
from cauce.core.specs import Severity
from cauce.profile.text import DIGITS, NUMBER

if TYPE_CHECKING:
    import pyarrow as pa

_BEHIND = rf"^\s*{DIGITS}\s*(?P<unit>[\pL%€$£°/²³]{{1,8}})\.?\s*$"
_BEFORE = rf"^\s*(?P<unit>[\pL€$£]{{1,4}})\s*{DIGITS}\s*$"
_SIGNS = "€$£"
LEAST_NUMBERS = 3
"""Different numbers that must stand beside a unit."""
MARKERS = frozenset(
    {"", "?", "-", "--", ".", "#n/a", "n.a.", "n/d", "nd", "s/d", "none", "unknown", "desconocido", "missing"}
)
"""What people write, in lower case and without blanks, for a value that they do not know; NA, NaN and NULL are read as
missing already."""
NEAR = 0.05
"""How far the sample's share may lie under the threshold for the whole column to be counted."""


class _Words(NamedTuple):
    """The values of a text column that are no numbers."""

    n: int
    first: dict[int, str]
    """Row number → value, at most 20."""


def numbers_as_text(context: AuditContext, threshold: float) -> Outcome:
    """See text columns most or all of whose values are numbers; in the target of a regression they block."""
    found = []
    for name in _wanted(context):
        n_present = context.profile.column(name).n_present
        sampled = context.sample.column(name)
        n_known = len(sampled) - sampled.null_count
        unit, pattern = "", NUMBER
        if n_known and _words_in(sampled).n > (1 - threshold + NEAR) * n_known:
            unit, pattern = _unit_in(sampled, threshold - NEAR)
            if not unit:
                continue
        words = _all_words(context, name, pattern)
        if words.n <= (1 - threshold) * n_present:
            found.append(_numbers(context, name, words, threshold, unit))
    return found


def _unit_in(array: pa.Array | pa.ChunkedArray, least: float) -> tuple[str, str]:
    """Return the unit that stands behind (`12 kg`) or before (`€ 12`) nearly every number, and what matches both.

    One unit for all: names of parts and streets (`85123A`, `12th`) end in many ways. Before a number, only a sign of
    money, or a word of capitals apart from it (`EUR 12`): `A12` is a name.
    """
    import pyarrow.compute as pc

    from cauce.profile.arrays import to_strings

    present = pc.drop_null(to_strings(array.combine_chunks() if hasattr(array, "combine_chunks") else array))
    with_digit = pc.sum(pc.match_substring_regex(present, "[0-9]")).as_py() or 0
    if with_digit < least * len(present):  # the patterns below take 20 ms to compile, for every column anew
        return "", NUMBER
    for pattern, ahead in ((_BEHIND, False), (_BEFORE, True)):
        units = pc.struct_field(pc.extract_regex(present, pattern), "unit")
        counted = {one["values"]: one["counts"] for one in pc.value_counts(units).to_pylist() if one["values"]}
        unit = max(counted, key=lambda one: counted[one], default="")
        if not unit or counted[unit] < least * len(present):
            continue
        written = re.escape(unit)
        gap = r"\s*" if unit in _SIGNS or not ahead else r"\s+"
        whole = rf"^\s*{written}{gap}{DIGITS}\s*$" if ahead else rf"^\s*{DIGITS}\s*{written}\.?\s*$"
        with_unit = present.filter(pc.match_substring_regex(present, whole))
        if len(with_unit) >= least * len(present) and pc.count_distinct(with_unit).as_py() >= LEAST_NUMBERS:
            return unit, whole
    return "", NUMBER


def _wanted(context: AuditContext) -> list[str]:
    """Return the text columns that the model reads as numbers could be; a label may well be a digit in text."""
    regress = context.model is not None and context.model.task == "regress"
    target = (context.target,) if regress and context.target else ()
    columns = {name: context.profile.column(name) for name in (*target, *context.features)}
    return [name for name, c in columns.items() if c.family == "string" and c.n_present and c.looks_like != "datetime"]


def _words_in(array: pa.Array | pa.ChunkedArray, pattern: str = NUMBER) -> _Words:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from cauce.profile.arrays import to_strings

    whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    strings = to_strings(whole)
    words = pc.fill_null(pc.invert(pc.match_substring_regex(strings, pattern)), False)
    places = np.flatnonzero(words.to_numpy(zero_copy_only=False))
    return _Words(len(places), {int(row): strings[int(row)].as_py() for row in places[:MOST_ROWS]})


def _all_words(context: AuditContext, name: str, pattern: str) -> _Words:
    n, start = 0, 0
    first: dict[int, str] = {}
    for batch in context.batches([name]):
        words = _words_in(batch.column(name), pattern)
        n += words.n
        first |= {start + row: value for row, value in list(words.first.items())[: MOST_ROWS - len(first)]}
        start += batch.num_rows
    return _Words(n, first)


def _numbers(context: AuditContext, name: str, words: _Words, threshold: float, unit: str) -> Finding:
    n_present = context.profile.column(name).n_present
    shown = list(words.first.items())[:3]
    more = words.n - len(shown)
    english = listed([f"{visible(value)!r} (row {row})" for row, value in shown], "en", n_more=more)
    spanish = listed([f"«{visible(value)}» (fila {row})" for row, value in shown], "es", n_more=more)
    message = {
        "en": f"Column {named([name], 'en')} is text because of {plural(words.n, 'value', 'values', 'en')} among "
        f"numbers: {english}.",
        "es": f"La columna {named([name], 'es')} es texto por {plural(words.n, 'valor', 'valores', 'es')} entre "
        f"números: {spanish}.",
    }
    remedy = {
        "en": "Correct those values at the source; leave an unknown one empty, or write NA.",
        "es": "Corrige esos valores en el origen; deja vacío el desconocido, o escribe NA.",
    }
    if unit:
        message = {
            "en": f"Column {named([name], 'en')} is text because its numbers carry a unit: {unit!r}.",
            "es": f"La columna {named([name], 'es')} es texto porque sus números llevan una unidad: «{unit}».",
        }
        remedy = {
            "en": "Write the numbers without their unit, at the source or in `prepare`, and the unit in the column's "
            "name.",
            "es": "Escribe los números sin su unidad, en el origen o en `prepare`, y la unidad en el nombre de la "
            "columna.",
        }
    elif not words.n:
        message = {
            "en": f"Every value of column {named([name], 'en')} looks like a number, and the column is text.",
            "es": f"Todos los valores de la columna {named([name], 'es')} parecen números, y la columna es texto.",
        }
        remedy = {
            "en": "Write all its numbers in one way at the source, best as 1234.5; if they are codes, set "
            "`severity` to `info` in `[audit.checks.numbers_as_text]`.",
            "es": "Escribe todos sus números de una sola forma en el origen, mejor como 1234.5; si son códigos, pon "
            "`severity` en `info` en `[audit.checks.numbers_as_text]`.",
        }
    why = {
        "en": "As text, each number is a category of its own: larger and smaller are lost.",
        "es": "Como texto, cada número es una categoría aparte: se pierde cuál es mayor y cuál menor.",
    }
    severity: Severity = "block" if name == context.target else "warn"
    share = 1 - words.n / n_present
    rows = tuple(words.first)
    n = words.n or n_present
    return Finding("numbers_as_text", severity, (name,), n, message, why, remedy, rows, share, threshold)


def missing_markers(context: AuditContext, threshold: float) -> Outcome:
    """See text columns in which `?`, `n/d` or the like stand for missing values."""
    found: dict[str, dict[str, int]] = {}
    for name in context.features:
        column = context.profile.column(name)
        if column.family != "string":
            continue
        markers = {value: n for value, n in column.counts.items() if value.strip().lower() in MARKERS}
        if markers and sum(markers.values()) >= threshold * column.n_present:
            found[name] = markers
    return [_markers(context, name, markers, threshold) for name, markers in found.items()]


def _markers(context: AuditContext, name: str, markers: dict[str, int], threshold: float) -> Finding:
    n = sum(markers.values())
    share = n / context.profile.column(name).n_present
    english = listed([f"{value!r} ({number(count, 'en')})" for value, count in markers.items()], "en")
    spanish = listed([f"«{value}» ({number(count, 'es')})" for value, count in markers.items()], "es")
    message = {
        "en": f"Column {named([name], 'en')} seems to mark missing values with {english}: {rows_in(n, 'en')} "
        f"({percent(share, 'en')}).",
        "es": f"La columna {named([name], 'es')} parece marcar valores ausentes con {spanish}: {rows_in(n, 'es')} "
        f"({percent(share, 'es')}).",
    }
    why = {
        "en": "The mark counts as a value like any other: gaps are neither counted nor watched as gaps.",
        "es": "La marca cuenta como un valor más: los huecos no se cuentan ni se vigilan como huecos.",
    }
    remedy = {
        "en": "Leave such cells empty at the source, or write NA; if the mark is an answer, nothing is to be done.",
        "es": "Deja esas celdas vacías en el origen, o escribe NA; si la marca es una respuesta, no hagas nada.",
    }
    return Finding("missing_markers", "info", (name,), n, message, why, remedy, (), share, threshold)


CHECKS = (
    Check(
        "numbers_as_text",
        "warn",
        0.9,
        {"en": "numbers as text", "es": "números como texto"},
        numbers_as_text,
    ),
    Check(
        "missing_markers",
        "info",
        0.005,
        {"en": "marks for missing values", "es": "marcas de valor ausente"},
        missing_markers,
    ),
)

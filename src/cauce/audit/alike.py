"""Texts that are nearly the same as an earlier one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cauce.audit.check import MOST_ROWS, AuditContext, Check, NotApplicable, Outcome
from cauce.audit.words import named, percent, rows_in, visible
from cauce.core.artefacts import Finding
from cauce.core.figures import number

if TYPE_CHECKING:
    import pyarrow as pa

MOST_TEXTS = 100_000
"""Different texts of a column that are compared, the first ones; 100,000 of 200 characters take 5 to 10 seconds."""
MOST_CHARACTERS = 40_000_000
"""Characters of a column that are compared."""
MOST_COLUMNS = 4
LEAST_LENGTH = 25
"""Mean length from which a column counts as text: codes and names resemble each other by nature."""
LEAST_SHARE = 0.01
"""Share of a column's rows under which nothing is said."""


def near_duplicates(context: AuditContext, threshold: float) -> Outcome:
    """See texts whose shingles have at least `threshold` Jaccard similarity with those of an earlier, other text."""
    columns = [name for name, column in context.profile.columns.items() if _is_text(context, name) and column.n_present]
    if not columns:
        return NotApplicable("no column of free text", "ninguna columna de texto libre")
    longest = sorted(columns, key=lambda name: -(context.profile.column(name).mean or 0.0))[:MOST_COLUMNS]
    return [found for name in longest for found in _in_column(context, name, threshold)]


def _is_text(context: AuditContext, name: str) -> bool:
    column = context.profile.column(name)
    roles = {context.data.key, context.data.time, context.target}
    long = (column.mean or 0.0) >= LEAST_LENGTH and column.share_distinct > 0.2
    if column.family != "string" or not long or name in roles or column.looks_like == "datetime":
        return False
    values = [value for value in _strings(_first(context, name)) if value is not None]
    return sum(" " in value.strip() for value in values) >= 0.5 * len(values)  # addresses and codes have no blanks


def _first(context: AuditContext, name: str) -> pa.Array:
    """Return the column's first 200 values of the sample."""
    return context.sample.column(name).slice(0, 200).combine_chunks()


def _in_column(context: AuditContext, name: str, threshold: float) -> list[Finding]:
    import numpy as np
    import pyarrow as pa

    from cauce.audit.near import similar_pairs

    texts, rows, n_looked_at = _different(context, name)
    pairs = similar_pairs(pa.array(texts, pa.large_string()), threshold)
    later = np.unique(pairs.later)
    n, share = len(later), len(later) / max(n_looked_at, 1)
    if share < LEAST_SHARE:
        return []
    best = np.argsort(-pairs.similarity, kind="stable")[:3]
    shown = tuple(
        f"{rows[int(pairs.earlier[i])]} ≈ {rows[int(pairs.later[i])]}: {visible(texts[int(pairs.later[i])])}"
        for i in best
    )
    message = {
        "en": f"{rows_in(n, 'en')} ({percent(share, 'en')} of {number(n_looked_at, 'en')} looked at) have in "
        f"{named([name], 'en')} nearly the text of an earlier row: at least {percent(threshold, 'en')} of their "
        "letter sequences are shared.",
        "es": f"{rows_in(n, 'es')} ({percent(share, 'es')} de {number(n_looked_at, 'es')} examinadas) tienen en "
        f"{named([name], 'es')} casi el mismo texto que una anterior: comparten al menos el "
        f"{percent(threshold, 'es')} de sus secuencias de letras.",
    }
    why = {
        "en": "A text that teaches and, a word apart, judges too makes a model of texts look better than it is; and "
        "the same case is counted twice.",
        "es": "Un texto que enseña y, con una palabra cambiada, también juzga hace que un modelo de textos parezca "
        "mejor de lo que es; además, el mismo caso cuenta dos veces.",
    }
    remedy = {
        "en": "Keep one text of each group at the source, or name a `group` that holds them together. If texts follow "
        "a pattern by nature, raise `threshold` in `[audit.checks.near_duplicates]`.",
        "es": "Conserva un texto de cada grupo en el origen, o indica un `group` que los mantenga juntos. Si los "
        "textos siguen una plantilla, sube `threshold` en `[audit.checks.near_duplicates]`.",
    }
    first = tuple(sorted(rows[int(i)] for i in later)[:MOST_ROWS])
    return [
        Finding("near_duplicates", "warn", (name,), n, message, why, remedy, first, share, threshold, examples=shown)
    ]


def _different(context: AuditContext, name: str) -> tuple[list[str], list[int], int]:
    """Return the column's first different texts, the row of each, and how many rows were read for them."""
    seen: dict[str, int] = {}
    start, n_characters = 0, 0
    for batch in context.batches([name]):
        for row, text in enumerate(_strings(batch.column(name))):
            if text is not None and text not in seen:
                seen[text] = start + row
                n_characters += len(text)
        start += batch.num_rows
        if len(seen) >= MOST_TEXTS or n_characters >= MOST_CHARACTERS:
            break
    texts = list(seen)[:MOST_TEXTS]
    return texts, [seen[text] for text in texts], start


def _strings(array: pa.Array) -> list[str | None]:
    from cauce.profile.arrays import to_strings

    strings: list[str | None] = to_strings(array).to_pylist()
    return strings


CHECKS = (
    Check(
        "near_duplicates",
        "warn",
        0.8,
        {"en": "texts nearly alike", "es": "textos casi iguales"},
        near_duplicates,
    ),
)

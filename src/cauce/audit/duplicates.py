"""Rows that repeat, and keys that do not name one row."""

from __future__ import annotations

from cauce.audit.check import AuditContext, Check, NotApplicable, Outcome
from cauce.audit.words import named, percent, plural, rows_in
from cauce.core.artefacts import Finding
from cauce.core.figures import number
from cauce.core.specs import Severity


def duplicated_rows(context: AuditContext, threshold: float) -> Outcome:
    """See rows equal to an earlier one in every column but the key.

    Above the threshold's share they block, unless the columns have too few values for all rows to differ.
    """
    columns = tuple(name for name in context.profile.columns if name != context.data.key)
    if not columns or context.profile.n_rows < 2:
        return NotApplicable(
            "fewer than two rows, or no column but the key", "menos de dos filas, o ninguna columna aparte de la clave"
        )
    from cauce.audit.hashing import repeats, row_hashes

    n, rows = repeats(row_hashes(context).whole)
    if not n:
        return ()
    share = n / context.profile.n_rows
    but = {"en": "", "es": ""}
    if context.data.key in context.profile.columns:
        key = context.data.key or ""
        but = {
            "en": f" (not counting the key {named([key], 'en')})",
            "es": f" (sin contar la clave {named([key], 'es')})",
        }
    equal = "igual" if n == 1 else "iguales"
    message = {
        "en": f"{rows_in(n, 'en')} ({percent(share, 'en')}) the same as an earlier row in every column{but['en']}.",
        "es": f"{rows_in(n, 'es')} ({percent(share, 'es')}) {equal} a una anterior en todas las columnas{but['es']}.",
    }
    why = {
        "en": "A row that both teaches and judges makes the model look better than it is.",
        "es": "Una fila que a la vez enseña y juzga hace que el modelo parezca mejor de lo que es.",
    }
    remedy = {
        "en": "Remove the copies at the source; if rows repeat by nature, accept the finding in "
        "`[audit.checks.duplicated_rows]` or name a `group`.",
        "es": "Elimina las copias en el origen; si es natural que se repitan, acepta el aviso en "
        "`[audit.checks.duplicated_rows]` o indica un `group`.",
    }
    natural = combinations(context, columns) < context.profile.n_rows
    severity: Severity = "block" if share > threshold and not natural else "warn"
    return [Finding("duplicated_rows", severity, (), n, message, why, remedy, rows, share, threshold)]


def combinations(context: AuditContext, columns: tuple[str, ...]) -> int:
    """Return how many different rows the columns' values could form at most: with fewer than rows, repeats must be."""
    total = 1
    for name in columns:
        column = context.profile.column(name)
        total *= max(column.n_distinct, 1) + (column.n_missing > 0)
        if total >= context.profile.n_rows:
            break
    return total


def duplicated_key(context: AuditContext, threshold: float) -> Outcome:
    """See a key that is missing or shared by several rows."""
    key = context.data.key
    if key is None:
        return NotApplicable("the data set names no key", "el conjunto de datos no indica ninguna clave")
    from cauce.audit.hashing import hashes_of, repeats
    from cauce.audit.rows import missing_rows

    n_missing = context.profile.n_missing(key)
    n, rows = repeats(hashes_of(context, key))
    n_repeated = n - max(n_missing - 1, 0)
    if not n and not n_missing:
        return ()
    message = {
        "en": f"The key {named([key], 'en')} does not name one row: {number(n_repeated, 'en')} repeated, "
        f"{number(n_missing, 'en')} missing.",
        "es": f"La clave {named([key], 'es')} no identifica cada fila: "
        f"{plural(n_repeated, 'repetida', 'repetidas', 'es')}, "
        f"{number(n_missing, 'es')} sin valor.",
    }
    why = {
        "en": "Rows that judge are recognised by their key; with a shared key a row can teach and judge at once.",
        "es": "Las filas que juzgan se reconocen por su clave; si se comparte, una misma fila puede enseñar y juzgar.",
    }
    remedy = {
        "en": "Name a column that is unique, remove `key`, or, if it names a user or a school, use it as `group`.",
        "es": "Indica una columna única, quita `key` o, si identifica a un usuario o un centro, úsala como `group`.",
    }
    shown = tuple(sorted({*rows, *missing_rows(context, [key])}))[:20] if n_missing else rows
    value = float(n_repeated + n_missing)
    return [Finding("duplicated_key", "block", (key,), n_repeated + n_missing, message, why, remedy, shown, value)]


CHECKS = (
    Check(
        "duplicated_key",
        "block",
        None,
        {"en": "repeated key", "es": "clave repetida"},
        duplicated_key,
    ),
    Check(
        "duplicated_rows",
        "warn",
        0.5,
        {"en": "duplicated rows", "es": "filas duplicadas"},
        duplicated_rows,
    ),
)

"""Rows that teach and rows that judge with the same columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cauce.audit.check import MOST_ROWS, AuditContext, Check, NotApplicable, Outcome
from cauce.audit.labels import NO_MODEL
from cauce.audit.words import percent, rows_in, the_percent
from cauce.core.artefacts import Finding
from cauce.core.specs import Severity

if TYPE_CHECKING:
    from cauce.audit.check import Sides


FEWEST = 3


def rows_on_both_sides(context: AuditContext, threshold: float) -> Outcome:
    """See rows set aside to judge whose columns a row that teaches has too."""
    if context.model is None:
        return NO_MODEL
    if not context.features:
        return NotApplicable("no column to predict from", "ninguna columna con la que predecir")
    sides = context.sides()
    if sides is None:
        return NotApplicable(
            "the rows cannot be split here: too few, too many, or no class",
            "las filas no se pueden repartir: son pocas, son demasiadas o falta la clase",
        )
    n, n_agree, n_held, rows = _shared(context, sides)
    share = n / max(n_held, 1)
    if n < FEWEST or share < threshold:
        return ()
    from cauce.audit.duplicates import combinations

    natural = combinations(context, context.features) < context.profile.n_rows
    agree = n_agree / n
    message = {
        "en": f"{rows_in(n, 'en')} of those set aside to judge ({percent(share, 'en')}) have the same columns as a row "
        f"that teaches; in {percent(agree, 'en')} of the cases one such row has the same target too.",
        "es": f"{rows_in(n, 'es')} de las reservadas para juzgar ({percent(share, 'es')}) coinciden en todas las "
        f"columnas con una que enseña; en {the_percent(agree)} de los casos coincide también el objetivo.",
    }
    why = {
        "en": "On such rows the model is asked what it was told: its figures are better than they will be in use.",
        "es": "En esas filas se pregunta al modelo lo que ya se le dijo: sus cifras son mejores de lo que serán.",
    }
    remedy = {
        "en": "Remove the copies at the source, or name a `group` that keeps them on one side. If such rows come up in "
        "use as often, nothing is to be done.",
        "es": "Elimina las copias en el origen o indica un `group` que las deje en un solo lado. Si en uso se repiten "
        "igual de a menudo, no hay nada que hacer.",
    }
    severity: Severity = "info" if natural else "warn"
    return [Finding("rows_on_both_sides", severity, (), n, message, why, remedy, rows, share, threshold)]


def _shared(context: AuditContext, sides: Sides) -> tuple[int, int, int, tuple[int, ...]]:
    """Return how many rows that judge are shared, how many with their target, how many judge, and the first rows."""
    import numpy as np

    from cauce.audit.hashing import row_hashes
    from cauce.profile.hashing import mix

    made = row_hashes(context)
    hashes = made.features
    teach = ~sides.held_out  # rows without a target are among them: too few to matter
    held = np.flatnonzero(sides.held_out)
    shared = held[np.isin(hashes[held], hashes[teach])]
    twins = np.flatnonzero(teach)[np.isin(hashes[teach], hashes[shared])]
    shared_whole, twin_whole = (mix(hashes[rows] ^ made.target[rows]) for rows in (shared, twins))
    n_agree = int(np.isin(shared_whole, twin_whole).sum())
    return len(shared), n_agree, len(held), tuple(shared[:MOST_ROWS].tolist())


CHECKS = (
    Check(
        "rows_on_both_sides",
        "warn",
        0.01,
        {"en": "rows that teach and judge", "es": "filas que enseñan y juzgan"},
        rows_on_both_sides,
    ),
)

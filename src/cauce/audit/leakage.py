"""Columns that give the target away alone: a copy, a rescaled copy, a code of it, a gap where it is missing."""

from __future__ import annotations

from cauce.audit.check import AuditContext, Check, NotApplicable, Outcome
from cauce.audit.labels import NO_MODEL
from cauce.audit.words import columns_in, named, percent
from cauce.core.artefacts import Finding
from cauce.core.figures import listed, number
from cauce.core.specs import Severity

SURE = 0.98
"""Share explained from which a column blocks."""
LEAST_ROWS = 50


def target_leakage(context: AuditContext, threshold: float) -> Outcome:
    """See columns that predict the target alone: at least `threshold` warns, at least 0.98 blocks.

    The figure is the share that a one-column model explains on rows it was not fitted on: of the log loss for
    classify, of the variance (R²) for regress.
    """
    model, target = context.model, context.target
    if model is None or target is None:
        return NO_MODEL
    if model.task not in {"classify", "regress"}:
        return NotApplicable(f"no one-column model for {model.task}", f"no hay modelo de una columna para {model.task}")
    from cauce.audit.single import judge_columns

    judged = judge_columns(
        context.sample, context.features, target, model.task, group=context.data.group, least=threshold
    )
    if judged.n_rows < LEAST_ROWS:
        return NotApplicable(
            f"fewer than {LEAST_ROWS} rows with a target of its task's type",
            f"menos de {LEAST_ROWS} filas con un objetivo del tipo que pide la tarea",
        )
    shares = {name: share for name, share in judged.shares.items() if share >= threshold}
    sure = max(threshold, SURE)
    blocking = [name for name, share in shares.items() if share >= sure]
    warning = [name for name, share in shares.items() if share < sure]
    found = []
    severity: Severity
    for columns, severity in ((blocking, "block"), (warning, "warn")):
        if columns:
            ordered = tuple(sorted(columns, key=lambda name: -shares[name]))
            held_against = sure if severity == "block" else threshold
            found.append(_finding(context, ordered, severity, shares, judged.n_rows, held_against))
    return found


def _finding(
    context: AuditContext,
    columns: tuple[str, ...],
    severity: Severity,
    shares: dict[str, float],
    n_rows: int,
    at: float,
) -> Finding:
    target = context.target or ""
    more = len(columns) - 5 if len(columns) > 5 else 0
    english = listed([f"{named([c], 'en')} {percent(shares[c], 'en')}" for c in columns[:5]], "en", n_more=more)
    spanish = listed([f"{named([c], 'es')} {percent(shares[c], 'es')}" for c in columns[:5]], "es", n_more=more)
    regress = context.model is not None and context.model.task == "regress"
    what = ("of its variance", "de su varianza") if regress else ("of its log loss", "de su pérdida logarítmica")
    message = {
        "en": f"The target {named([target], 'en')} can be told from one column alone ({english} {what[0]}, "
        f"on {number(n_rows, 'en')} sampled rows).",
        "es": f"El objetivo {named([target], 'es')} se deduce de una sola columna ({spanish} {what[1]}, "
        f"en una muestra de {number(n_rows, 'es')} filas).",
    }
    why = {
        "en": "A column this telling is mostly known only after the target: the model will shine here and fail in use.",
        "es": "Una columna tan reveladora casi siempre se conoce después del objetivo: el modelo brillará aquí y "
        "fallará en uso.",
    }
    can, put = ("puede", "ponla") if len(columns) == 1 else ("pueden", "ponlas")
    remedy = {
        "en": f"Ask whether {columns_in(columns, 'en')} can be known when predicting. If not, add to `ignore`; if so, "
        "accept the finding in `[audit.checks.target_leakage]` with the reason.",
        "es": f"Comprueba si se {can} conocer {columns_in(columns, 'es')} al predecir. Si no, {put} en `ignore`; si "
        "sí, acepta el aviso en `[audit.checks.target_leakage]` con el motivo.",
    }
    value = shares[columns[0]]
    return Finding("target_leakage", severity, columns, n_rows, message, why, remedy, (), value, at)


CHECKS = (
    Check(
        "target_leakage",
        "block",
        0.9,
        {"en": "a column that gives the target away", "es": "una columna que delata el objetivo"},
        target_leakage,
    ),
)

"""Two columns that give the target away together: paid and owed, casual and registered, a code in two parts."""

from __future__ import annotations

from typing import NamedTuple

from cauce.audit.check import AuditContext, Check, NotApplicable, Outcome
from cauce.audit.labels import NO_MODEL
from cauce.audit.words import named, percent, the_percent
from cauce.core.artefacts import Finding
from cauce.core.figures import number

LEAST_ROWS = 200
REPORTED = 3


class _Pair(NamedTuple):
    """Two columns, and how they give the target together."""

    columns: tuple[str, str]
    how: str
    """``a + b``, ``a × b`` (sums, differences, products and ratios alike), or ``(a, b)``."""
    share: float
    alone: float
    """The share that the better of the two explains alone."""


def pair_leakage(context: AuditContext, threshold: float) -> Outcome:
    """See pairs of columns that explain at least `threshold` of the target together, and neither alone."""
    model, target = context.model, context.target
    if model is None or target is None:
        return NO_MODEL
    if model.task not in {"classify", "regress"}:
        return NotApplicable(
            f"no two-column model for {model.task}", f"no hay modelo de dos columnas para {model.task}"
        )
    from cauce.audit.pair_search import search

    found, n_rows = search(
        context.sample, context.features, target, model.task, least=threshold, group=context.data.group
    )
    if n_rows < LEAST_ROWS:
        return NotApplicable(
            f"fewer than {LEAST_ROWS} rows with a target of its task's type",
            f"menos de {LEAST_ROWS} filas con un objetivo del tipo que pide la tarea",
        )
    pairs = [_Pair(*one) for one in found]
    return [_finding(context, pair, n_rows, threshold) for pair in pairs[:REPORTED]]


def _finding(context: AuditContext, pair: _Pair, n_rows: int, threshold: float) -> Finding:
    target = context.target or ""
    regress = context.model is not None and context.model.task == "regress"
    what = ("of its variance", "de su varianza") if regress else ("of its log loss", "de su pérdida logarítmica")
    message = {
        "en": f"The target {named([target], 'en')} can be told from {named(pair.columns, 'en')} together: as "
        f"{pair.how} they explain {percent(pair.share, 'en')} {what[0]} (the better one alone "
        f"{percent(pair.alone, 'en')}; {number(n_rows, 'en')} sampled rows).",
        "es": f"El objetivo {named([target], 'es')} se deduce de {named(pair.columns, 'es')} juntas: como {pair.how} "
        f"explican {the_percent(pair.share)} {what[1]} (la mejor por sí sola, {the_percent(pair.alone)}; "
        f"muestra de {number(n_rows, 'es')} filas).",
    }
    why = {
        "en": "A target that is a sum, a difference or a ratio of two columns was mostly computed from them: the model "
        "learns the formula, and fails where one of them is not yet known.",
        "es": "Si el objetivo es suma, diferencia o cociente de dos columnas, casi siempre se calculó con ellas: el "
        "modelo aprende la fórmula y falla cuando alguna aún no se conoce.",
    }
    remedy = {
        "en": "Ask whether both can be known when predicting. If not, add those that cannot to `ignore`.",
        "es": "Comprueba si ambas se conocen al predecir. Si no, pon en `ignore` las que no.",
    }
    return Finding("pair_leakage", "warn", pair.columns, n_rows, message, why, remedy, (), pair.share, threshold)


CHECKS = (
    Check(
        "pair_leakage",
        "warn",
        0.95,
        {"en": "two columns that give the target away", "es": "dos columnas que delatan el objetivo"},
        pair_leakage,
    ),
)

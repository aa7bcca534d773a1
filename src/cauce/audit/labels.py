"""The target: missing, of the wrong kind, with one class or with classes too small."""

from __future__ import annotations

from cauce.audit.check import AuditContext, Check, NotApplicable, Outcome
from cauce.audit.words import named, percent, rows_in, visible
from cauce.core.artefacts import Finding
from cauce.core.figures import listed, number
from cauce.core.specs import Severity

NO_MODEL = NotApplicable("no model: the data set is judged alone", "sin modelo: el conjunto de datos se juzga solo")
FOLDS = 5


def missing_target(context: AuditContext, threshold: float) -> Outcome:
    """See rows without a target: not used for training; above the threshold's share they block."""
    target, n_rows = context.target, context.profile.n_rows
    if target is None:
        return NO_MODEL
    n = context.profile.n_missing(target)
    if not n:
        return ()
    from cauce.audit.rows import missing_rows

    share = n / n_rows
    message = {
        "en": f"The target {named([target], 'en')} is missing in {rows_in(n, 'en')} ({percent(share, 'en')}).",
        "es": f"El objetivo {named([target], 'es')} falta en {rows_in(n, 'es')} ({percent(share, 'es')}).",
    }
    why = {
        "en": "Rows without a target are left out; if they differ from the others, the model learns a biased picture.",
        "es": "Las filas sin objetivo se descartan; si difieren del resto, el modelo aprende una imagen sesgada.",
    }
    remedy = {
        "en": "Find out why the target is missing; fill it in, or leave those rows out with `where`.",
        "es": "Averigua por qué falta el objetivo; complétalo, o excluye esas filas con `where`.",
    }
    severity: Severity = "block" if share > threshold or n == n_rows else "warn"
    rows = missing_rows(context, [target])
    return [Finding("missing_target", severity, (target,), n, message, why, remedy, rows, share, threshold)]


def target_type(context: AuditContext, threshold: float) -> Outcome:
    """See a target that its task cannot learn: text for regress, a different value in almost every row for classify."""
    model, target = context.model, context.target
    if model is None or target is None:
        return NO_MODEL
    column = context.profile.column(target)
    wrong_number = model.task == "regress" and column.kind not in {"integer", "number", "boolean"}
    scattered = model.task == "classify" and column.share_distinct > threshold and column.n_distinct > 50
    if not column.n_present or not (wrong_number or scattered):
        return ()
    n = number(column.n_distinct, "en"), number(column.n_distinct, "es")
    message = {
        "en": f"The target {named([target], 'en')} has {n[0]} distinct values in {rows_in(column.n_present, 'en')}: "
        "these are no classes.",
        "es": f"El objetivo {named([target], 'es')} tiene {n[1]} valores distintos en "
        f"{rows_in(column.n_present, 'es')}: no son clases.",
    }
    if wrong_number:
        message = {
            "en": f"The target {named([target], 'en')} holds {column.type}; regress needs numbers.",
            "es": f"El objetivo {named([target], 'es')} contiene {column.type}; regress necesita números.",
        }
    why = {
        "en": "The task and its target must fit, or there is nothing to learn.",
        "es": "La tarea y su objetivo deben encajar; si no, no hay nada que aprender.",
    }
    remedy = {
        "en": f"Use task = {'classify' if wrong_number else 'regress'!r}, or name another target.",
        "es": f"Usa task = {'classify' if wrong_number else 'regress'!r}, o indica otro objetivo.",
    }
    if wrong_number:
        remedy["en"] += " Numbers written as text must be stored as numbers."
        remedy["es"] += " Los números escritos como texto deben guardarse como números."
    return [
        Finding("target_type", "block", (target,), column.n_present, message, why, remedy, (), column.share_distinct)
    ]


def one_class(context: AuditContext, threshold: float) -> Outcome:
    """See a target with one value."""
    target = context.target
    if target is None:
        return NO_MODEL
    column = context.profile.column(target)
    if column.n_distinct != 1:
        return () if column.n_distinct else NotApplicable("the target has no values", "el objetivo no tiene valores")
    value = visible(next(iter(column.counts)))
    message = {
        "en": f"The target {named([target], 'en')} has one value in all rows: {value!r}.",
        "es": f"El objetivo {named([target], 'es')} tiene un único valor en todas las filas: «{value}».",
    }
    why = {
        "en": "Where every answer is the same there is nothing to predict.",
        "es": "Si todas las respuestas son iguales, no hay nada que predecir.",
    }
    remedy = {
        "en": "Check the data set's `where` condition and its source, or name another target.",
        "es": "Revisa la condición `where` del conjunto de datos y su origen, o indica otro objetivo.",
    }
    return [Finding("one_class", "block", (target,), column.n_present, message, why, remedy, value=1.0, threshold=2.0)]


def rare_class(context: AuditContext, threshold: float) -> Outcome:
    """See classes with fewer rows than the threshold; they block where fewer than two classes can be judged."""
    model, target = context.model, context.target
    if model is None or target is None:
        return NO_MODEL
    column = context.profile.column(target)
    if model.task != "classify":
        return NotApplicable("only classify has classes", "solo classify tiene clases")
    if not column.exact or column.n_distinct < 2:
        return NotApplicable(
            "the target has fewer than two classes, or values that are no classes",
            "el objetivo tiene menos de dos clases, o valores que no son clases",
        )
    rare = {value: n for value, n in column.counts.items() if n < threshold}
    if not rare:
        return ()
    smallest = sorted(rare.items(), key=lambda item: (item[1], item[0]))
    shown = [f"{visible(value)!r} ({n})" for value, n in smallest[:5]]
    spanish = [f"«{visible(value)}» ({n})" for value, n in smallest[:5]]
    more = len(rare) - len(shown)
    message = {
        "en": f"Classes with fewer than {number(threshold, 'en')} rows: {listed(shown, 'en', n_more=more)}.",
        "es": f"Clases con menos de {number(threshold, 'es')} filas: {listed(spanish, 'es', n_more=more)}.",
    }
    why = {
        "en": "Each part that teaches or judges holds a handful of such rows at most: their figures are luck.",
        "es": "En cada parte que enseña o juzga apenas hay filas de esas clases: sus cifras son casualidad.",
    }
    remedy = {
        "en": "Gather more rows of these classes, or join them with a neighbouring class.",
        "es": "Reúne más filas de esas clases, o únelas a una clase cercana.",
    }
    folds = model.split.folds or FOLDS
    judged = sum(n > folds for n in column.counts.values())
    severity: Severity = "block" if judged < 2 else "warn"
    n, value = sum(rare.values()), float(smallest[0][1])
    rows = _rows_of(context, target, list(rare))
    return [Finding("rare_class", severity, (target,), n, message, why, remedy, rows, value, threshold)]


def _rows_of(context: AuditContext, target: str, values: list[str]) -> tuple[int, ...]:
    """Return the first rows whose target is one of `values`."""
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa
    import pyarrow.compute as pc

    from cauce.audit.rows import first_rows
    from cauce.profile.arrays import to_strings

    wanted = pa.array(values, pa.string())

    def test(batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        found = pc.is_in(to_strings(batch.column(target)), value_set=wanted)
        return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.bool_)

    return first_rows(context, [target], test)


CHECKS = (
    Check(
        "missing_target",
        "warn",
        0.5,
        {"en": "missing target", "es": "objetivo sin valor"},
        missing_target,
    ),
    Check(
        "target_type",
        "block",
        0.5,
        {"en": "target of the wrong type", "es": "objetivo de tipo inadecuado"},
        target_type,
    ),
    Check("one_class", "block", None, {"en": "one class", "es": "una sola clase"}, one_class),
    Check(
        "rare_class",
        "warn",
        10.0,
        {"en": "classes with few rows", "es": "clases con pocas filas"},
        rare_class,
    ),
)

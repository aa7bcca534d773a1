"""Columns that carry little, nothing, or what no model can take: missing, constant, infinite; too few rows."""

from __future__ import annotations

from cauce.audit.check import AuditContext, Check, NotApplicable, Outcome
from cauce.audit.words import columns_in, named, percent, rows_in, the_percent, visible
from cauce.core.artefacts import Finding, changed_column
from cauce.core.figures import listed, number
from cauce.core.specs import Severity


def too_few_rows(context: AuditContext, threshold: float) -> Outcome:
    """See a data set, or its labelled part, too small to judge a model with."""
    n = context.profile.n_rows
    if n and context.target is not None:
        n -= context.profile.n_missing(context.target)
    if n >= threshold:
        return ()
    least = int(threshold)
    message = {
        "en": f"{rows_in(n, 'en')} can be used; the least is {number(least, 'en')}.",
        "es": f"Filas utilizables: {number(n, 'es')}; el mínimo son {number(least, 'es')}.",
    }
    why = {
        "en": "With so few rows nobody can tell a good model from luck.",
        "es": "Con tan pocas filas no se distingue un buen modelo de la casualidad.",
    }
    remedy = {
        "en": "Add rows, or check the data set's `where` condition and the target's missing values.",
        "es": "Añade filas, o revisa la condición `where` de los datos y los valores que faltan en el objetivo.",
    }
    return [Finding("too_few_rows", "block", (), n, message, why, remedy, value=float(n), threshold=threshold)]


def all_missing(context: AuditContext, threshold: float) -> Outcome:
    """See columns without a single value."""
    profile = context.profile
    empty = tuple(
        name for name, c in profile.columns.items() if c.n_missing == profile.n_rows and name != context.target
    )
    if not empty:
        return ()
    message = {
        "en": f"Not one value in {columns_in(empty, 'en')}.",
        "es": f"Ni un solo valor en {columns_in(empty, 'es')}.",
    }
    why = {
        "en": "An empty column teaches nothing, and often shows that a join or an export failed.",
        "es": "Una columna vacía no enseña nada, y a menudo delata un cruce o una exportación que falló.",
    }
    remedy = {
        "en": "Mend the source, or name the column under `ignore`.",
        "es": "Corrige el origen, o pon la columna en `ignore`.",
    }
    rows = tuple(range(min(profile.n_rows, 20)))
    return [Finding("all_missing", "warn", empty, profile.n_rows, message, why, remedy, rows)]


def missing_values(context: AuditContext, threshold: float) -> Outcome:
    """See columns in which the share of missing values reaches the threshold; the target has a check of its own."""
    n_rows = context.profile.n_rows
    shares = {
        name: c.n_missing / n_rows
        for name, c in context.profile.columns.items()
        if 0 < c.n_missing < n_rows and c.n_missing >= threshold * n_rows and name != context.target
    }
    if not shares:
        return ()
    from cauce.audit.rows import missing_rows

    columns = tuple(sorted(shares, key=lambda name: -shares[name]))
    worst = shares[columns[0]]
    message = {
        "en": f"Half-empty {columns_in(columns, 'en')}: up to {percent(worst, 'en')} of the values are missing.",
        "es": f"Faltan muchos valores en {columns_in(columns, 'es')}: hasta {the_percent(worst)}.",
    }
    if worst < 0.5:
        message["en"] = f"Values are missing in {columns_in(columns, 'en')}: up to {percent(worst, 'en')}."
    why = {
        "en": "The model leans on few rows there, and drifts when the reason for the gaps changes.",
        "es": "Ahí el modelo se apoya en pocas filas, y se desvía si cambia el motivo de los huecos.",
    }
    remedy = {
        "en": "Find out why values are missing; fill them at the source, or name the column under `ignore`.",
        "es": "Averigua por qué faltan; complétalos en el origen, o pon la columna en `ignore`.",
    }
    n = max(context.profile.n_missing(name) for name in columns)
    rows = missing_rows(context, columns)
    return [Finding("missing_values", "warn", columns, n, message, why, remedy, rows, worst, threshold)]


def constant_column(context: AuditContext, threshold: float) -> Outcome:
    """See columns in which one value has at least the threshold's share of the rows."""
    n_rows = context.profile.n_rows
    if n_rows < 2:
        return NotApplicable("fewer than two rows", "menos de dos filas")
    shares: dict[str, float] = {}
    value = {}
    for name, column in context.profile.columns.items():
        top = next(iter(column.counts.items()), None)
        if name != context.target and top is not None and top[1] >= threshold * n_rows:
            shares[name], value[name] = top[1] / n_rows, top[0]
    if not shares:
        return ()
    columns = tuple(shares)
    shown = [f"{named([name], 'en')} = {visible(value[name])!r}" for name in columns[:5]]
    more = len(columns) - len(shown)
    spanish = [f"{named([name], 'es')} = «{visible(value[name])}»" for name in columns[:5]]
    message = {
        "en": f"The same value in {percent(min(shares.values()), 'en')} of the rows: "
        f"{listed(shown, 'en', n_more=more)}.",
        "es": f"El mismo valor en {the_percent(min(shares.values()))} de las filas: "
        f"{listed(spanish, 'es', n_more=more)}.",
    }
    why = {
        "en": "A column that never changes cannot help to predict; the first new value will surprise the model.",
        "es": "Una columna que nunca cambia no ayuda a predecir; el primer valor nuevo sorprenderá al modelo.",
    }
    remedy = {
        "en": "Name the column under `ignore`, or check the filter or export that left one value.",
        "es": "Pon la columna en `ignore`, o revisa el filtro o la exportación que dejó un único valor.",
    }
    least = min(shares.values())
    return [Finding("constant_column", "warn", columns, n_rows, message, why, remedy, (), least, threshold)]


def infinite_values(context: AuditContext, threshold: float) -> Outcome:
    """See infinite numbers; in the target of a regression they block."""
    counts = {name: c.n_infinite for name, c in context.profile.columns.items() if c.n_infinite}
    if not counts:
        return ()
    from cauce.audit.rows import infinite_rows

    found = []
    target = [name for name in counts if name == context.target]
    others = [name for name in counts if name != context.target]
    severity: Severity
    for columns, severity in ((target, "block"), (others, "warn")):
        if not columns:
            continue
        n = max(counts[name] for name in columns)
        message = {
            "en": f"Infinite numbers in {columns_in(columns, 'en')}, up to {rows_in(n, 'en')}.",
            "es": f"Números infinitos en {columns_in(columns, 'es')}, hasta {rows_in(n, 'es')}.",
        }
        why = {
            "en": "Infinity mostly comes from a division by zero; means and losses with it are infinite too.",
            "es": "El infinito suele venir de dividir entre cero; con él, las medias y los errores también lo son.",
        }
        remedy = {
            "en": "Correct the computation at the source, or leave those rows out with `where`.",
            "es": "Corrige el cálculo en el origen, o excluye esas filas con `where`.",
        }
        rows = infinite_rows(context, columns)
        found.append(Finding("infinite_values", severity, tuple(columns), n, message, why, remedy, rows, float(n)))
    return found


def schema_changed(context: AuditContext, threshold: float) -> Outcome:
    """Explain columns that were added, gone or retyped since the version before."""
    if not context.changes:
        return ()
    grave = [change for change in context.changes if not change.startswith("added:")]
    columns = tuple(changed_column(change) for change in context.changes)
    message = {
        "en": f"The columns differ from the last version: {listed(list(map(visible, context.changes)), 'en')}.",
        "es": "Las columnas difieren de la versión anterior: "
        f"{listed([visible(_spanish(change)) for change in context.changes], 'es')}.",
    }
    why = {
        "en": "Models trained before expect the old columns; the next training uses the new ones.",
        "es": "Los modelos ya entrenados esperan las columnas anteriores; el próximo entrenamiento usará las nuevas.",
    }
    remedy = {
        "en": "If the change was meant, nothing: train again. If not, mend the source and load again.",
        "es": "Si el cambio era intencionado, basta con volver a entrenar. Si no, corrige el origen y vuelve a cargar.",
    }
    severity: Severity = "warn" if grave else "info"
    n_rows = context.profile.n_rows
    return [Finding("schema_changed", severity, columns, n_rows, message, why, remedy)]


def _spanish(change: str) -> str:
    for english, spanish in (("added: ", "nueva: "), ("gone: ", "desaparecida: "), ("retyped: ", "de otro tipo: ")):
        if change.startswith(english):
            return spanish + change.removeprefix(english)
    return change


CHECKS = (
    Check(
        "too_few_rows",
        "block",
        20.0,
        {"en": "too few rows", "es": "muy pocas filas"},
        too_few_rows,
    ),
    Check(
        "schema_changed",
        "warn",
        None,
        {"en": "changed columns", "es": "columnas cambiadas"},
        schema_changed,
    ),
    Check("all_missing", "warn", None, {"en": "empty columns", "es": "columnas vacías"}, all_missing),
    Check(
        "missing_values",
        "warn",
        0.5,
        {"en": "many missing values", "es": "muchos valores ausentes"},
        missing_values,
    ),
    Check(
        "constant_column",
        "warn",
        1.0,
        {"en": "constant columns", "es": "columnas constantes"},
        constant_column,
    ),
    Check(
        "infinite_values",
        "warn",
        None,
        {"en": "infinite numbers", "es": "números infinitos"},
        infinite_values,
    ),
)

"""Columns that name rows, targets in the order of the file, and people whose rows belong together undeclared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cauce.audit.check import AuditContext, Check, NotApplicable, Outcome
from cauce.audit.labels import NO_MODEL
from cauce.audit.words import columns_in, named, percent, rows_in, the_percent
from cauce.core.artefacts import Finding
from cauce.core.figures import number
from cauce.core.specs import Severity

if TYPE_CHECKING:
    import pyarrow as pa

LEAST_ROWS = 100
SKETCHED = 0.03
"""Relative error that is allowed a distinct count that was estimated, beyond 5,000 values."""
LONGEST_CODE = 64
LEAST_VALUES = 20
MOST_CANDIDATES = 12
PEOPLE = frozenset(
    {
        "user",
        "student",
        "pupil",
        "customer",
        "client",
        "patient",
        "person",
        "employee",
        "school",
        "teacher",
        "lecturer",
        "account",
        "household",
        "session",
        "device",
        "subject",
        "usuario",
        "alumno",
        "estudiante",
        "cliente",
        "paciente",
        "persona",
        "empleado",
        "escuela",
        "centro",
        "docente",
        "profesor",
        "cuenta",
        "hogar",
        "sesion",
        "dispositivo",
        "id",
        "code",
        "codigo",
        "uuid",
    }
)
"""Words in the name of a column that tells whose a row is."""


def id_like(context: AuditContext, threshold: float) -> Outcome:
    """See columns the model predicts from that are different in every row: running numbers and codes."""
    if context.profile.n_rows < LEAST_ROWS:
        return NotApplicable(f"fewer than {LEAST_ROWS} rows", f"menos de {LEAST_ROWS} filas")
    columns = tuple(name for name in context.features if _unique(context, name, threshold) and _names(context, name))
    if not columns:
        return ()
    several = len(columns) > 1
    message = {
        "en": f"A different value in nearly every row: {columns_in(columns, 'en')} "
        f"{'look' if several else 'looks'} like an identifier.",
        "es": f"Un valor distinto en casi todas las filas: {columns_in(columns, 'es')} "
        f"{'parecen identificadores' if several else 'parece un identificador'}.",
    }
    why = {
        "en": "A name teaches nothing about the next row; a running number tells the file's order, and with it "
        "whatever the file was sorted by.",
        "es": "Un nombre no enseña nada sobre la fila siguiente; un número correlativo revela el orden del fichero y, "
        "con él, aquello por lo que se ordenó.",
    }
    remedy = {
        "en": "Name one of them as `key` in `[data.NAME]`, and add the others to `ignore`.",
        "es": "Indica una como `key` en `[data.NAME]` y pon las demás en `ignore`.",
    }
    share = min(context.profile.column(name).share_distinct for name in columns)
    n = context.profile.n_rows
    return [Finding("id_like", "warn", columns, n, message, why, remedy, (), min(share, 1.0), threshold)]


def _unique(context: AuditContext, name: str, threshold: float) -> bool:
    column = context.profile.column(name)
    slack = 0.0 if column.exact else SKETCHED
    return column.n_present >= LEAST_ROWS and column.share_distinct >= threshold - slack


def _names(context: AuditContext, name: str) -> bool:
    """Say whether values that all differ name rows: codes without a blank, whole numbers that count or are dense."""
    column = context.profile.column(name)
    if column.family == "string":
        values = context.sample.column(name).drop_null()[:200].to_pylist()
        code = [value for value in values if 0 < len(str(value)) <= LONGEST_CODE and " " not in str(value).strip()]
        return column.looks_like != "datetime" and len(code) >= 0.9 * max(len(values), 1)
    if column.family != "integer" or column.minimum is None or column.maximum is None:
        return False
    dense = column.n_present / (column.maximum - column.minimum + 1) > 0.5
    return dense or _rises(context, name)


def _rises(context: AuditContext, name: str) -> bool:
    """Say whether the numbers rise, or fall, from row to row, but for one in a hundred."""
    import numpy as np

    from cauce.profile.arrays import to_floats

    values = to_floats(_one(context.sample, name))
    steps = np.diff(values[~np.isnan(values)])
    return len(steps) > 0 and max((steps > 0).mean(), (steps < 0).mean()) >= 0.99


def _one(table: pa.Table, name: str) -> pa.Array:
    import pyarrow as pa

    array = table.column(name)
    return pa.concat_arrays(array.chunks) if array.num_chunks != 1 else array.chunk(0)


COUNTED = 2 / 3
"""Part of the threshold of `row_order_leak` that is enough where a column tells the model the position."""


def row_order_leak(context: AuditContext, threshold: float) -> Outcome:
    """See a target that the position in the file tells: rows sorted by it, or written class by class."""
    model, target = context.model, context.target
    if model is None or target is None:
        return NO_MODEL
    if model.task not in {"classify", "regress"}:
        return NotApplicable(f"no order of a target of {model.task}", f"el objetivo de {model.task} no tiene orden")
    if context.profile.n_rows < LEAST_ROWS:
        return NotApplicable(f"fewer than {LEAST_ROWS} rows", f"menos de {LEAST_ROWS} filas")
    import numpy as np
    import pyarrow as pa

    from cauce.audit.single import judge_columns

    column = _one(context.sample.select([target]), target)
    table = pa.table({"row": np.arange(len(column)), "target": column})
    counting = tuple(
        name for name in context.features if context.profile.column(name).family == "integer" and _rises(context, name)
    )
    least = COUNTED * threshold if counting else threshold
    judged = judge_columns(table, ["row"], "target", model.task, least=least)
    share = judged.shares.get("row", 0.0)
    if share < least:
        return ()
    told = {
        "en": f", and {columns_in(counting, 'en')} can tell the model the position" if counting else "",
        "es": f", y {columns_in(counting, 'es')} puede revelar al modelo esa posición" if counting else "",
    }
    regress = model.task == "regress"
    what = ("of its variance", "de su varianza") if regress else ("of its log loss", "de su pérdida logarítmica")
    message = {
        "en": f"The rows lie in the order of the target {named([target], 'en')}: the position in the file tells "
        f"{percent(share, 'en')} {what[0]}{told['en']}.",
        "es": f"Las filas están en el orden del objetivo {named([target], 'es')}: la posición en el fichero explica "
        f"{the_percent(share)} {what[1]}{told['es']}.",
    }
    why = {
        "en": "Whatever follows the order of the file, a running number, a date of entry, then tells the target, and "
        "will not when predicting.",
        "es": "Todo lo que siga el orden del fichero, como un número correlativo o una fecha de alta, delata entonces "
        "el objetivo, y no lo hará al predecir.",
    }
    remedy = {
        "en": "Add columns that follow the order of the file to `ignore`; where rows came in time, name `time`.",
        "es": "Excluye con `ignore` las columnas que sigan el orden del fichero; si las filas llegaron con el tiempo, "
        "indica `time`.",
    }
    severity: Severity = "warn" if counting else "info"
    columns = (target, *counting)
    return [Finding("row_order_leak", severity, columns, judged.n_rows, message, why, remedy, (), share, threshold)]


def undeclared_group(context: AuditContext, threshold: float) -> Outcome:
    """See a column of people or places with several rows each, who tell the target, while no group is declared."""
    model, target = context.model, context.target
    if model is None or target is None:
        return NO_MODEL
    if context.data.group is not None:
        return NotApplicable("the data set names a group", "el conjunto de datos ya indica un grupo")
    if model.task not in {"classify", "regress"}:
        return NotApplicable(f"no figure of a group for {model.task}", f"no hay medida de grupos para {model.task}")
    candidates = [name for name in context.profile.columns if _may_group(context, name)][:MOST_CANDIDATES]
    sides = context.sides() if candidates else None
    if sides is None or sides.kind not in {"random", "stratified"}:
        return ()
    from cauce.audit.grouping import told_by_group

    found = []
    for name in candidates:
        gain = told_by_group(context.sample, name, target, model.task)
        if gain >= threshold:
            found.append((gain, name))
    return [_group(context, name, gain, threshold) for gain, name in sorted(found, reverse=True)[:3]]


def _may_group(context: AuditContext, name: str) -> bool:
    """Say whether a column could name people or places: whole numbers or short texts, several rows each."""
    from cauce.audit.names import tokens

    column = context.profile.column(name)
    roles = {context.data.key, context.data.time, context.target}
    if name in roles or column.family not in {"integer", "string"} or column.n_distinct < LEAST_VALUES:
        return False
    if column.looks_like == "datetime" or column.share_distinct > 0.5:
        return False
    short = column.family == "integer" or (column.mean or 0.0) <= LONGEST_CODE
    named_so = bool(PEOPLE.intersection(tokens(name)))
    return short and (named_so or (column.family == "string" and _coded(context, name)))


def _coded(context: AuditContext, name: str) -> bool:
    """Say whether most values hold a digit, as codes do: `u00017`, `ES-204`."""
    values = context.sample.column(name).drop_null()[:200].to_pylist()
    return sum(any(letter.isdigit() for letter in str(v)) for v in values) >= 0.9 * max(len(values), 1) > 0


def _group(context: AuditContext, name: str, gain: float, threshold: float) -> Finding:
    target = context.target or ""
    n_values = context.profile.n_distinct(name)
    n = context.profile.n_rows
    message = {
        "en": f"The {number(n_values, 'en')} values of {named([name], 'en')} tell {percent(gain, 'en')} of the target "
        f"{named([target], 'en')} and have rows on both sides of the split: {rows_in(n, 'en')} are no independent "
        "cases.",
        "es": f"Los {number(n_values, 'es')} valores de {named([name], 'es')} explican {the_percent(gain)} del "
        f"objetivo {named([target], 'es')} y tienen filas a ambos lados de la partición: las {rows_in(n, 'es')} no "
        "son casos independientes.",
    }
    why = {
        "en": "The model recognises whom it has seen, and is judged on the same ones: with new ones it will be worse "
        "than its figures say.",
        "es": "El modelo reconoce a quienes ya ha visto y se le juzga con ellos: con otros nuevos será peor de lo que "
        "dicen sus cifras.",
    }
    remedy = {
        "en": f'If predictions will be for new values, set `group = "{name}"` in `[data.{context.data_name}]`; else '
        "nothing is to be done.",
        "es": f'Si se va a predecir para valores nuevos, pon `group = "{name}"` en `[data.{context.data_name}]`; si '
        "no, no hay nada que hacer.",
    }
    return Finding("undeclared_group", "warn", (name,), n, message, why, remedy, (), gain, threshold)


CHECKS = (
    Check(
        "id_like",
        "warn",
        0.99,
        {"en": "identifiers among the columns", "es": "identificadores entre las columnas"},
        id_like,
    ),
    Check(
        "row_order_leak",
        "warn",
        0.75,
        {"en": "rows in the order of the target", "es": "filas en el orden del objetivo"},
        row_order_leak,
    ),
    Check("undeclared_group", "warn", 0.15, {"en": "undeclared group", "es": "grupo sin declarar"}, undeclared_group),
)

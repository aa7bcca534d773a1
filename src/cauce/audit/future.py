"""What was not yet known: dates after the row's own time, columns filled only once the outcome is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cauce.audit.check import MOST_ROWS, AuditContext, Check, NotApplicable, Outcome
from cauce.audit.labels import NO_MODEL
from cauce.audit.words import named, percent, rows_in, the_percent
from cauce.core.artefacts import Finding
from cauce.core.specs import Severity

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

DAY = 86_400.0
LEAST_PRESENT = 20
"""Fewest rows with a value, and without, from which anything is concluded."""
PURE = 0.995
"""Share of one class among the rows with a value (or without) that tells the class by itself."""
OUTCOMES = frozenset(
    {
        "outcome",
        "result",
        "closed",
        "closing",
        "cancelled",
        "canceled",
        "cancellation",
        "churn",
        "churned",
        "resolved",
        "settled",
        "paid",
        "refund",
        "refunded",
        "exit",
        "left",
        "ended",
        "end",
        "finished",
        "completed",
        "baja",
        "cierre",
        "cerrado",
        "cancelado",
        "cancelacion",
        "resultado",
        "resuelto",
        "pagado",
        "devolucion",
        "fin",
        "salida",
        "abandono",
    }
)
"""Words in the name of a column that is mostly filled in afterwards."""


def future_information(context: AuditContext, threshold: float) -> Outcome:
    """See date columns, among those the model predicts from, that lie after the row's own time."""
    time = context.data.time
    if time is None:
        return NotApplicable(
            "the data set names no time column", "el conjunto de datos no indica ninguna columna de tiempo"
        )
    columns = [name for name in context.features if _holds_dates(context, name)]
    if not columns or not _holds_dates(context, time):
        return ()
    found = []
    for name in columns:
        n_later, n_both, rows = _later(context, name, time)
        if n_both >= LEAST_PRESENT and n_later >= threshold * n_both:
            found.append(_future(context, name, n_later, n_both, rows, threshold))
    return found


def _holds_dates(context: AuditContext, name: str) -> bool:
    column = context.profile.column(name)
    return column.family == "datetime" or column.looks_like == "datetime"


def _seconds(context: AuditContext, name: str, array: pa.Array) -> npt.NDArray[np.float64]:
    from cauce.profile.arrays import to_seconds, to_strings
    from cauce.profile.dates import Order, parse_dates

    column = context.profile.column(name)
    if column.family == "datetime":
        return to_seconds(array)
    orders: tuple[Order, ...] = ("ymd", "dmy", "mdy")
    return parse_dates(to_strings(array), orders[max(range(3), key=lambda i: column.dates[i])])


def _later(context: AuditContext, name: str, time: str) -> tuple[int, int, tuple[int, ...]]:
    """Return how many rows have the column's date a day or more after the time, how many have both, and the first."""
    import numpy as np

    n_later, n_both, start = 0, 0, 0
    rows: list[int] = []
    for batch in context.batches([name, time]):
        distance = _seconds(context, name, batch.column(name)) - _seconds(context, time, batch.column(time))
        places = np.flatnonzero(distance >= DAY)
        n_both += int(np.isfinite(distance).sum())
        n_later += len(places)
        rows += (places[: max(MOST_ROWS - len(rows), 0)] + start).tolist()
        start += batch.num_rows
    return n_later, n_both, tuple(rows)


def _future(
    context: AuditContext, name: str, n_later: int, n_both: int, rows: tuple[int, ...], threshold: float
) -> Finding:
    share, time = n_later / n_both, context.data.time or ""
    source = next((other for other in context.data.join if name.startswith(f"{other}_")), None)
    joined = {
        "en": f" It comes from the joined data set {named([source], 'en')}." if source else "",
        "es": f" Procede del conjunto de datos unido {named([source], 'es')}." if source else "",
    }
    message = {
        "en": f"Column {named([name], 'en')} lies after the row's own time ({named([time], 'en')}) in "
        f"{rows_in(n_later, 'en')} ({percent(share, 'en')}).{joined['en']}",
        "es": f"La columna {named([name], 'es')} es posterior a la fecha de la propia fila ({named([time], 'es')}) en "
        f"{rows_in(n_later, 'es')} ({percent(share, 'es')}).{joined['es']}",
    }
    why = {
        "en": "What happens later is not known when predicting; only a date that was fixed beforehand is, such as a "
        "deadline.",
        "es": "Lo que ocurre después no se conoce al predecir; solo se conoce una fecha fijada de antemano, como un "
        "plazo.",
    }
    remedy = {
        "en": "Add the column to `ignore`; if the date was known beforehand, set `severity` to `info` in "
        "`[audit.checks.future_information]`.",
        "es": "Pon la columna en `ignore`; si la fecha se conocía de antemano, pon `severity` en `info` en "
        "`[audit.checks.future_information]`.",
    }
    return Finding("future_information", "warn", (name, time), n_later, message, why, remedy, rows, share, threshold)


def missingness_leak(context: AuditContext, threshold: float) -> Outcome:
    """See columns whose being filled in tells the target, whatever their values are."""
    model, target = context.model, context.target
    if model is None or target is None:
        return NO_MODEL
    if model.task not in {"classify", "regress"}:
        return NotApplicable(f"no figure of gaps for {model.task}", f"no hay medida de los huecos para {model.task}")
    n_rows = context.profile.n_rows
    columns = [
        name
        for name in context.features
        if min(context.profile.n_missing(name), n_rows - context.profile.n_missing(name)) >= LEAST_PRESENT
    ]
    if not columns:
        return ()
    from cauce.audit.gaps import told_by_gaps

    found = []
    for name, told in told_by_gaps(context.sample, columns, target, model.task).items():
        if told.distance >= threshold or (told.pure >= PURE and told.distance > 0.02):
            found.append(_gaps(context, name, told.distance, told.pure, threshold))
    return found


def _gaps(context: AuditContext, name: str, distance: float, pure: float, threshold: float) -> Finding:
    from cauce.audit.names import tokens

    target = context.target or ""
    n = context.profile.n_rows - context.profile.n_missing(name)
    afterwards = bool(OUTCOMES.intersection(tokens(name)))
    one_sided = distance < threshold
    told = {"en": "tells the target apart", "es": "permite separar el objetivo"}
    if one_sided:
        told = {
            "en": f"goes with one value of the target in {percent(pure, 'en')} of those rows",
            "es": f"coincide con un único valor del objetivo en {the_percent(pure)} de esas filas",
        }
    message = {
        "en": f"Whether column {named([name], 'en')} is filled in ({rows_in(n, 'en')} are) {told['en']} "
        f"({named([target], 'en')}).",
        "es": f"El hecho de que la columna {named([name], 'es')} tenga valor (lo tienen {rows_in(n, 'es')}) "
        f"{told['es']} ({named([target], 'es')}).",
    }
    why = {
        "en": "A column that is filled in once the outcome is known (a closing date, a reason for leaving) is empty "
        "for every new row.",
        "es": "Una columna que se rellena cuando ya se conoce el resultado (una fecha de cierre, un motivo de baja) "
        "está vacía en toda fila nueva.",
    }
    remedy = {
        "en": f"Find out when {named([name], 'en')} is filled in; if afterwards, add it to `ignore`.",
        "es": f"Averigua cuándo se rellena {named([name], 'es')}; si es después, ponla en `ignore`.",
    }
    if afterwards:
        why["en"] += " The column's name says so too."
        why["es"] += " También lo dice el nombre de la columna."
    severity: Severity = "warn"
    value = pure if one_sided else distance
    held_against = PURE if one_sided else threshold
    return Finding("missingness_leak", severity, (name,), n, message, why, remedy, (), value, held_against)


CHECKS = (
    Check(
        "future_information",
        "warn",
        0.1,
        {"en": "dates from the future", "es": "fechas del futuro"},
        future_information,
    ),
    Check(
        "missingness_leak",
        "warn",
        0.9,
        {"en": "gaps that tell the target", "es": "huecos que delatan el objetivo"},
        missingness_leak,
    ),
)

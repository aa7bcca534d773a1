"""Dates that cannot be read, cannot be true, or hide in text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.audit.check import AuditContext, Check, NotApplicable, Outcome
from cauce.audit.words import columns_in, named, percent, rows_in
from cauce.core.artefacts import Finding
from cauce.core.specs import Severity

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.profile import ColumnProfile
    from cauce.profile.dates import Order

_FIRST = datetime(1900, 1, 1, tzinfo=UTC).timestamp()
_END = datetime(2101, 1, 1, tzinfo=UTC).timestamp()


def _best(column: ColumnProfile) -> tuple[Order, int]:
    """Return the order of day, month and year in which most of the column parses, and how many values do."""
    orders: tuple[Order, ...] = ("ymd", "dmy", "mdy")
    at = max(range(3), key=lambda i: column.dates[i])
    return orders[at], column.dates[at]


def unparsable_dates(context: AuditContext, threshold: float) -> Outcome:
    """See text that is no date in a column of dates; in the data set's time column it blocks."""
    found = []
    for name, column in context.profile.columns.items():
        if column.family != "string" or not column.n_present:
            continue
        order, n_dates = _best(column)
        bad, share = column.n_present - n_dates, n_dates / column.n_present
        if bad and (name == context.data.time or share >= threshold):
            found.append(_unparsable(context, name, order, bad, threshold))
    time = context.data.time
    family = context.profile.column(time).family if time else "datetime"
    if time and family in {"boolean", "other"}:
        found.append(_not_a_time(context, time))
    return found


def _unparsable(context: AuditContext, name: str, order: Order, bad: int, threshold: float) -> Finding:
    from cauce.audit.rows import first_rows
    from cauce.profile.arrays import to_strings
    from cauce.profile.dates import parse_dates

    def test(batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        strings = to_strings(batch.column(name))
        unread = np.isnan(parse_dates(strings, order))
        return np.asarray(unread & strings.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)

    is_time = name == context.data.time
    share = bad / context.profile.column(name).n_present
    message = {
        "en": f"Column {named([name], 'en')} has no readable date in {rows_in(bad, 'en')} ({percent(share, 'en')}).",
        "es": f"La columna {named([name], 'es')} no tiene una fecha legible en {rows_in(bad, 'es')} "
        f"({percent(share, 'es')}).",
    }
    why = {
        "en": "The whole column then counts as text: each date becomes a category of its own.",
        "es": "La columna entera pasa a ser texto: cada fecha se convierte en una categoría aparte.",
    }
    if is_time:
        why = {
            "en": "It is the data set's time column: rows without a readable time cannot be put in order.",
            "es": "Es la columna de tiempo del conjunto de datos: sin fecha legible, una fila no se puede ordenar.",
        }
    remedy = {
        "en": "Correct those rows, or write all dates as YYYY-MM-DD (ISO 8601); leave an unknown date empty.",
        "es": "Corrige esas filas, o escribe todas las fechas como AAAA-MM-DD (ISO 8601); deja vacía la desconocida.",
    }
    rows = first_rows(context, [name], test)
    severity: Severity = "block" if is_time else "warn"
    return Finding("unparsable_dates", severity, (name,), bad, message, why, remedy, rows, 1 - share, threshold)


def _not_a_time(context: AuditContext, name: str) -> Finding:
    column = context.profile.column(name)
    message = {
        "en": f"The time column {named([name], 'en')} holds {column.type}, no dates.",
        "es": f"La columna de tiempo {named([name], 'es')} contiene {column.type}, no fechas.",
    }
    why = {
        "en": "Rows are ordered by this column: the oldest teach and the newest judge.",
        "es": "Esta columna ordena las filas: las más antiguas enseñan y las más recientes juzgan.",
    }
    remedy = {
        "en": "Name another column as `time`, or remove the key.",
        "es": "Indica otra columna en `time`, o quita esa clave.",
    }
    return Finding("unparsable_dates", "block", (name,), column.n_rows, message, why, remedy)


def missing_time(context: AuditContext, threshold: float) -> Outcome:
    """See rows without a value in the data set's time column."""
    time, n_rows = context.data.time, context.profile.n_rows
    if time is None:
        return NotApplicable(
            "the data set names no time column", "el conjunto de datos no indica ninguna columna de tiempo"
        )
    n = context.profile.n_missing(time)
    if not n:
        return ()
    from cauce.audit.rows import missing_rows

    share = n / n_rows
    message = {
        "en": f"The time column {named([time], 'en')} is empty in {rows_in(n, 'en')} ({percent(share, 'en')}).",
        "es": f"La columna de tiempo {named([time], 'es')} está vacía en {rows_in(n, 'es')} ({percent(share, 'es')}).",
    }
    why = {
        "en": "A row without a time may be older or newer than those that judge the model.",
        "es": "Una fila sin fecha puede ser anterior o posterior a las que juzgan el modelo.",
    }
    remedy = {
        "en": "Fill the times in at the source, or leave those rows out with `where`.",
        "es": "Completa las fechas en el origen, o excluye esas filas con `where`.",
    }
    severity: Severity = "block" if share > threshold else "warn"
    rows = missing_rows(context, [time])
    return [Finding("missing_time", severity, (time,), n, message, why, remedy, rows, share, threshold)]


def impossible_dates(context: AuditContext, threshold: float) -> Outcome:
    """See dates before 1900 or after 2100: defaults and typing errors."""
    found = []
    for name, column in context.profile.columns.items():
        text = column.family == "string" and column.n_present and _best(column)[1] >= threshold * column.n_present
        far = column.family == "datetime" and ((column.minimum or 0) < _FIRST or (column.maximum or 0) >= _END)
        if text or far:
            found += _impossible(context, name)
    return found


def _impossible(context: AuditContext, name: str) -> list[Finding]:
    from cauce.profile.arrays import to_seconds, to_strings
    from cauce.profile.dates import parse_dates

    column = context.profile.column(name)
    order, _ = _best(column)
    n, start, rows = 0, 0, list[int]()
    for batch in context.batches([name]):
        array = batch.column(name)
        is_time = column.family == "datetime"
        seconds = to_seconds(array) if is_time else parse_dates(to_strings(array), order)
        places = np.flatnonzero((seconds < _FIRST) | (seconds >= _END))
        n += len(places)
        rows += (places[: max(20 - len(rows), 0)] + start).tolist()
        start += batch.num_rows
    if not n:
        return []
    message = {
        "en": f"Column {named([name], 'en')} holds a date before 1900 or after 2100 in {rows_in(n, 'en')}.",
        "es": f"La columna {named([name], 'es')} tiene una fecha anterior a 1900 o posterior a 2100 en "
        f"{rows_in(n, 'es')}.",
    }
    why = {
        "en": "Such dates are mostly placeholders (1600-01-01, 9999-12-31) or typing errors, and stretch every scale.",
        "es": "Suelen ser valores de relleno (1600-01-01, 9999-12-31) o erratas, y deforman cualquier escala.",
    }
    remedy = {
        "en": "Leave unknown dates empty and correct the others; if they are true, accept the finding in "
        "`[audit.checks.impossible_dates]`.",
        "es": "Deja vacías las fechas desconocidas y corrige las demás; si son ciertas, acepta el aviso en "
        "`[audit.checks.impossible_dates]`.",
    }
    share = n / column.n_present
    return [Finding("impossible_dates", "warn", (name,), n, message, why, remedy, tuple(rows), share)]


def dates_as_text(context: AuditContext, threshold: float) -> Outcome:
    """See columns the model predicts from that hold dates written as text."""
    columns = tuple(
        name
        for name in context.features
        if context.profile.column(name).looks_like == "datetime"
        and _best(context.profile.column(name))[1] == context.profile.column(name).n_present
    )
    if not columns:
        return ()
    message = {
        "en": f"Dates are stored as text in {columns_in(columns, 'en')}.",
        "es": f"Hay fechas guardadas como texto en {columns_in(columns, 'es')}.",
    }
    why = {
        "en": "As text, each date is a category of its own; as a date it has an order, a month and a weekday.",
        "es": "Como texto, cada fecha es una categoría aparte; como fecha tiene orden, mes y día de la semana.",
    }
    remedy = {
        "en": "Store the column as a date at the source, or name it under `ignore`.",
        "es": "Guarda cada columna como fecha en el origen, o ponla en `ignore`.",
    }
    n = max(context.profile.column(name).n_present for name in columns)
    return [Finding("dates_as_text", "warn", columns, n, message, why, remedy)]


CHECKS = (
    Check(
        "unparsable_dates",
        "warn",
        0.8,
        {"en": "unreadable dates", "es": "fechas ilegibles"},
        unparsable_dates,
    ),
    Check("missing_time", "warn", 0.5, {"en": "missing times", "es": "filas sin fecha"}, missing_time),
    Check(
        "impossible_dates",
        "warn",
        0.8,
        {"en": "impossible dates", "es": "fechas imposibles"},
        impossible_dates,
    ),
    Check("dates_as_text", "warn", None, {"en": "dates as text", "es": "fechas como texto"}, dates_as_text),
)

"""What exports, spreadsheets and joins do to a table without anybody's ill will."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
from benchmarks.audit.corruption.kinds import (
    at,
    kind,
    newest,
    numbers_of,
    pick,
    put,
    some,
    values_of,
    with_values,
)
from benchmarks.audit.corruption.sets import Case

Rng = np.random.Generator


@kind("cut_texts")
def texts_cut(case: Case, s: int, rng: Rng) -> Case | None:
    """A field too short for its texts: everything behind some length is lost, in 5 to 80 % of the rows."""
    column = case.text
    if column is None:
        return None
    lengths = [len(value) for value in values_of(case, column) if value]
    most = int(np.quantile(lengths, 1 - at(s, 0.05, 0.1, 0.2, 0.5, 0.8)))
    return with_values(case, column, range(case.table.num_rows), lambda v: v and v[:most])


@kind("inner_drift", "future_information", "unit_jump")
def clock_one_hour_off(case: Case, s: int, rng: Rng) -> Case | None:
    """From some day on the hours are those of another time zone."""
    if case.date is None:
        return None
    hours, marks = int(at(s, 1, 1, 2, 5, 6)), newest(case, at(s, 0.1, 0.3, 0.3, 0.3, 0.3))
    if "hr" in case.table.column_names:
        hr = numbers_of(case, "hr").astype(int)
        hr[marks] = (hr[marks] + hours) % 24
        return put(case, "hr", pa.array(hr))
    values = values_of(case, case.date)
    if not isinstance(values[0], datetime):
        return None
    moved = [value + timedelta(hours=hours) if mark else value for value, mark in zip(values, marks, strict=True)]
    return put(case, case.date, pa.array(moved, case.table.schema.field(case.date).type))


@kind("outliers", "impossible_values", "unit_jump")
def decimal_comma_lost(case: Case, s: int, rng: Rng) -> Case | None:
    """Some numbers lost their decimal sign: 3.85 became 385."""
    names = [name for name in case.numbers if not (numbers_of(case, name) % 1 == 0).all()]
    column = pick(rng, names)
    if column is None:
        return None
    numbers = numbers_of(case, column)
    broken = np.flatnonzero((numbers % 1 != 0) & ~np.isnan(numbers))
    rows = rng.choice(broken, min(int(at(s, 3, 10, 30, 60, 120)), len(broken)), replace=False)
    numbers[rows] = [float(f"{number:.6g}".replace(".", "")) for number in numbers[rows]]
    return put(case, column, pa.array(numbers, from_pandas=True))


@kind("duplicated_rows", "rows_on_both_sides", "near_duplicates")
def block_loaded_again(case: Case, s: int, rng: Rng) -> Case | None:
    """An old stretch of rows came again as if it were new: other keys, other dates."""
    if case.date is None:
        return None
    n, size = case.table.num_rows, int(at(s, 0.02, 0.05, 0.1, 0.15, 0.2) * case.table.num_rows)
    start = int(rng.integers(n // 10, n // 2))
    latest = np.argsort(case.table[case.date].to_numpy(zero_copy_only=False), kind="stable")[-size:]
    dates = case.table[case.date].combine_chunks()
    again = replace(case, table=case.table.slice(start, size).combine_chunks())
    again = put(again, case.date, dates.take(pa.array(latest)))
    table = pa.concat_tables([case.table, again.table]).combine_chunks()
    return put(replace(case, table=table), "row_id", pa.array([f"r{i:06d}" for i in range(n + size)]), columns=())


@kind("new_categories", "gone_categories", "inner_drift")
def category_renamed(case: Case, s: int, rng: Rng) -> Case | None:
    """From some day on one category has another name."""
    column = pick(rng, case.categories)
    if case.date is None or column is None:
        return None
    values, marks = values_of(case, column), newest(case, at(s, 0.05, 0.1, 0.15, 0.2, 0.3))
    common = sorted({v for v in values if v}, key=lambda v: (-values.count(v), v))[0]
    rows = [row for row in np.flatnonzero(marks).tolist() if values[row] == common]
    return with_values(case, column, rows, lambda v: f"{v} (new)") if rows else None


@kind("stuck_column", "inner_drift", "unit_jump", "shifted_columns")
def join_gave_one_value(case: Case, s: int, rng: Rng) -> Case | None:
    """For one stretch of time, not the newest, a joined column holds one value in every row."""
    column = pick(rng, case.numbers)
    if case.date is None or column is None:
        return None
    order = np.argsort(case.table[case.date].to_numpy(zero_copy_only=False), kind="stable")
    n = len(order)
    rows = order[n // 3 : n // 3 + int(at(s, 0.1, 0.15, 0.2, 0.25, 0.3) * n)]
    numbers = numbers_of(case, column)
    numbers[rows] = numbers[rows[0]]
    return put(case, column, pa.array(numbers, from_pandas=True))


@kind("shifted_columns", "numbers_as_text", "mixed_types", "impossible_values", "outliers", exact=True)
def cells_moved_by_one(case: Case, s: int, rng: Rng) -> Case | None:
    """An unquoted comma: in some rows every cell stands one column too far to the right."""
    apart = {case.target, case.date, "row_id"}
    names = [name for name in case.table.column_names if name not in apart]
    rows = some(case, at(s, 0.001, 0.003, 0.01, 0.03, 0.06), rng, least=2)
    columns = {name: [None if v is None else str(v) for v in values_of(case, name)] for name in names}
    for row in rows:
        cells = [columns[name][row] for name in names]
        for name, cell in zip(names, [cells[-1], *cells[:-1]], strict=True):
            columns[name][row] = cell
    for name in names:
        case = put(case, name, columns[name])
    return replace(case, columns=tuple(names))


@kind("mixed_types", "unparsable_dates", "missing_time", exact=True)
def dates_in_two_orders(case: Case, s: int, rng: Rng) -> Case | None:
    """A part of the dates is written 31/12/2011."""
    if case.date is None:
        return None
    texts = [str(value)[:10] for value in values_of(case, case.date)]
    for row in some(case, at(s, 0.02, 0.05, 0.1, 0.3, 0.5), rng):
        year, month, day = texts[row].split("-")
        texts[row] = f"{day}/{month}/{year}"
    return put(case, case.date, texts)


@kind("numbers_as_text", "mixed_types", "unparsable_dates", "missing_time", "target_type", exact=True)
def header_in_the_middle(case: Case, s: int, rng: Rng) -> Case | None:
    """Files put behind one another, each with its header: rows that hold the columns' names."""
    n, names = case.table.num_rows, case.table.column_names
    rows = rng.integers(0, n, int(at(s, 1, 2, 3, 6, 12)))
    columns = {name: [None if v is None else str(v) for v in values_of(case, name)] for name in names}
    for place, row in enumerate(np.sort(rows)[::-1]):
        for name in names:
            columns[name].insert(int(row), name if name != "row_id" else f"{name}{place}")
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    return replace(case, table=table, columns=())


@kind("missing_markers", "category_variants", exact=True)
def blanks_for_missing(case: Case, s: int, rng: Rng) -> Case | None:
    """White space in place of a value."""
    column = pick(rng, case.categories)
    blank = (" ", "  ", " ", "   ", " ")[s]
    rows = some(case, at(s, 0.01, 0.02, 0.05, 0.1, 0.2), rng)
    return with_values(case, column, rows, lambda v: blank) if column else None


@kind("invisible_characters", "category_variants", exact=True)
def characters_nobody_sees(case: Case, s: int, rng: Rng) -> Case | None:
    """Zero-width spaces and marks of byte order, as copied pages and spreadsheets bring them."""
    column = case.text or pick(rng, case.categories)
    if column is None:
        return None
    mark = ("\u200b", "\ufeff", "\u00ad", "\u200e", "\u2060")[s]
    rows = some(case, at(s, 0.005, 0.01, 0.02, 0.05, 0.2), rng, least=8)
    return with_values(case, column, rows, lambda v: v and v[:1] + mark + v[1:])


@kind("unicode_forms", "category_variants", exact=True)
def accents_in_two_forms(case: Case, s: int, rng: Rng) -> Case | None:
    """The same accented word, composed in some rows and decomposed in others."""
    if not case.categories:
        return None
    words = np.array(["Málaga", "León", "Cádiz", "Lugo"])[rng.integers(0, 4, case.table.num_rows)].tolist()
    rows = some(case, at(s, 0.005, 0.01, 0.02, 0.1, 0.4), rng)
    return with_values(put(case, "city", words), "city", rows, lambda v: unicodedata.normalize("NFD", v))


@kind("personal_ip", exact=True)
def network_addresses(case: Case, s: int, rng: Rng) -> Case | None:
    """Addresses of the visitors' computers."""
    rows = some(case, at(s, 0.005, 0.02, 0.1, 0.5, 1.0), rng, least=5)
    values: list[str | None] = [None] * case.table.num_rows
    for row in rows:
        values[row] = f"{rng.integers(1, 224)}.{rng.integers(256)}.{rng.integers(256)}.{rng.integers(1, 255)}"
    return put(case, "origin", pa.array(values, pa.string()))

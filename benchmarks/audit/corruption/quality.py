"""Values that are missing, impossible, written wrongly, or changed their unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
from benchmarks.audit.corruption.kinds import (
    at,
    features,
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


@kind("missing_values", exact=True)
def mostly_missing(case: Case, s: int, rng: Rng) -> Case | None:
    """A feature loses more than half of its values."""
    column = pick(rng, features(case))
    return (
        with_values(case, column, some(case, at(s, 0.55, 0.6, 0.7, 0.8, 0.95), rng), lambda v: None) if column else None
    )


@kind("all_missing", exact=True)
def empty_columns(case: Case, s: int, rng: Rng) -> Case | None:
    """Columns arrive empty, as after a join that failed."""
    names = [str(name) for name in rng.permutation(features(case))[: s + 1]]
    for name in names:
        case = put(case, name, pa.nulls(case.table.num_rows, case.table.schema.field(name).type))
    return replace(case, columns=tuple(names))


@kind("constant_column", exact=True)
def constant_columns(case: Case, s: int, rng: Rng) -> Case | None:
    """Columns hold one value in every row."""
    names = [str(name) for name in rng.permutation(features(case))[: s + 1]]
    for name in names:
        value = next(value for value in values_of(case, name) if value is not None)
        case = put(case, name, pa.array([value] * case.table.num_rows, case.table.schema.field(name).type))
    return replace(case, columns=tuple(names))


@kind("infinite_values", exact=True)
def infinities(case: Case, s: int, rng: Rng) -> Case | None:
    """A division by zero upstream."""
    column = pick(rng, case.numbers)
    if column is None:
        return None
    numbers = numbers_of(case, column)
    numbers[some(case, 0, rng, least=int(at(s, 1, 3, 10, 30, 100)))] = np.inf
    return put(case, column, pa.array(numbers, from_pandas=True))


@kind("numbers_as_text", "mixed_types", exact=True)
def words_among_numbers(case: Case, s: int, rng: Rng) -> Case | None:
    """A column of numbers in which some cells hold a word."""
    column = pick(rng, case.numbers)
    rows = some(case, at(s, 0.001, 0.003, 0.01, 0.03, 0.06), rng)
    return with_values(case, column, rows, lambda v: "see note") if column else None


@kind("numbers_as_text", exact=True)
def numbers_with_units(case: Case, s: int, rng: Rng) -> Case | None:
    """Numbers written with a unit behind them."""
    column = pick(rng, case.numbers)
    unit = ("kg", "EUR", "%", "km/h", "h")[s]
    every = range(case.table.num_rows)
    return with_values(case, column, every, lambda v: None if v is None else f"{v} {unit}") if column else None


@kind("missing_markers", "numbers_as_text", exact=True)
def marks_for_missing(case: Case, s: int, rng: Rng) -> Case | None:
    """Words stand for missing values."""
    column = pick(rng, case.numbers)
    mark = ("?", "n/d", "-", "unknown", "#N/A")[s]
    return with_values(case, column, some(case, 0.03, rng), lambda v: mark) if column else None


@kind("sentinel_values", "impossible_values", "stray_negatives", exact=True)
def sentinel_numbers(case: Case, s: int, rng: Rng) -> Case | None:
    """A number stands for missing."""
    column = pick(rng, case.positive)
    rows = some(case, at(s, 0.005, 0.01, 0.02, 0.05, 0.1), rng, least=5)
    return with_values(case, column, rows, lambda v: -999) if column else None


@kind("impossible_values", "stray_negatives", exact=True)
def negatives(case: Case, s: int, rng: Rng) -> Case | None:
    """A sign flipped in a column that is positive by nature."""
    column = pick(rng, case.positive)
    rows = some(case, 0, rng, least=int(at(s, 1, 3, 10, 30, 60)))
    return with_values(case, column, rows, lambda v: -abs(v)) if column else None


@kind("impossible_values", exact=True)
def degrees_beyond_the_globe(case: Case, s: int, rng: Rng) -> Case | None:
    """Latitude and longitude that no place has."""
    if "latitude" not in case.table.column_names:
        return None
    rows = some(case, 0, rng, least=int(at(s, 1, 3, 10, 30, 100)))
    return with_values(case, "latitude", rows, lambda v: v + 90.0)


@kind("outliers", "impossible_values")
def decimal_points_lost(case: Case, s: int, rng: Rng) -> Case | None:
    """Single values a thousand times too large; not zeros, nor gaps, that stay what they are."""
    column = pick(rng, case.numbers)
    if column is None:
        return None
    numbers = numbers_of(case, column)
    able = np.flatnonzero(~np.isnan(numbers) & (numbers != 0))
    rows = np.sort(rng.choice(able, int(at(s, 1, 3, 8, 20, 50)), replace=False))
    return with_values(case, column, rows, lambda v: v * 1000)


@kind("broken_encoding", exact=True)
def wrong_code_page(case: Case, s: int, rng: Rng) -> Case | None:
    """UTF-8 read as Latin-1."""
    column = case.text or pick(rng, case.categories)
    rows = some(case, at(s, 0.002, 0.005, 0.01, 0.05, 0.2), rng, least=3)
    return with_values(case, column, rows, lambda v: f"{v or ''} educaciÃ³n") if column else None


@kind("broken_encoding", exact=True)
def replacement_characters(case: Case, s: int, rng: Rng) -> Case | None:
    """Letters that a reader could not decode."""
    column = case.text or pick(rng, case.categories)
    rows = some(case, at(s, 0.002, 0.005, 0.01, 0.05, 0.2), rng, least=3)
    return with_values(case, column, rows, lambda v: f"{v or ''}\N{REPLACEMENT CHARACTER}") if column else None


@kind("html_entities", exact=True)
def html_entities(case: Case, s: int, rng: Rng) -> Case | None:
    """A page's source in place of its text."""
    column = case.text or pick(rng, case.categories)
    rows = some(case, at(s, 0.005, 0.01, 0.02, 0.05, 0.2), rng, least=3)
    return with_values(case, column, rows, lambda v: f"{v or ''} &amp; m&aacute;s") if column else None


@kind("category_variants", exact=True)
def categories_in_capitals(case: Case, s: int, rng: Rng) -> Case | None:
    """One category written in two ways."""
    column = pick(rng, case.categories)
    if column is None:
        return None
    change = (str.upper, lambda v: f" {v}", lambda v: f"{v} ", str.swapcase, lambda v: v.replace("a", "á"))[s]
    values = values_of(case, column)
    common = max({v for v in values if v and "a" in v and v.upper() != v} or {""}, key=values.count)
    if not common:
        return None
    rows = [row for row in some(case, 0.3, rng) if values[row] == common]
    return with_values(case, column, rows, change) if rows else None


@kind("impossible_dates", exact=True)
def years_that_cannot_be(case: Case, s: int, rng: Rng) -> Case | None:
    """Dates of another century."""
    if case.date is None:
        return None
    year = ("1800", "1700", "2190", "2999", "2250")[s]
    text = replace(case, table=_as_text(case))
    rows = some(case, at(s, 0.001, 0.003, 0.01, 0.03, 0.05), rng, least=2)
    return with_values(text, case.date, rows, lambda v: year + v[4:])


@kind("unparsable_dates", "missing_time", exact=True)
def dates_that_do_not_exist(case: Case, s: int, rng: Rng) -> Case | None:
    """A thirtieth of February."""
    if case.date is None:
        return None
    text = replace(case, table=_as_text(case))
    rows = some(case, at(s, 0.001, 0.003, 0.01, 0.03, 0.1), rng, least=2)
    return with_values(text, case.date, rows, lambda v: "2012-02-30" + v[10:])


@kind("unparsable_dates", "missing_time", exact=True)
def words_for_dates(case: Case, s: int, rng: Rng) -> Case | None:
    """A note in place of a date."""
    if case.date is None:
        return None
    text = replace(case, table=_as_text(case))
    rows = some(case, at(s, 0.001, 0.003, 0.01, 0.03, 0.1), rng, least=2)
    return with_values(text, case.date, rows, lambda v: "pending")


def _as_text(case: Case) -> pa.Table:
    assert case.date is not None
    texts = pa.array([str(value)[:19] for value in values_of(case, case.date)])
    return case.table.set_column(case.table.column_names.index(case.date), case.date, texts)


@kind("unit_jump")
def unit_changed(case: Case, s: int, rng: Rng) -> Case | None:
    """From some day on a column comes in another unit."""
    column = pick(rng, case.positive or case.numbers)
    if case.date is None or column is None:
        return None
    factor = at(s, 2.54, 10.0, 0.01, 100.0, 1000.0)
    numbers = numbers_of(case, column)
    numbers[newest(case, 0.3)] *= factor
    return put(case, column, pa.array(numbers, from_pandas=True))


@kind("stuck_column", "inner_drift")
def column_stuck(case: Case, s: int, rng: Rng) -> Case | None:
    """A sensor or a form that repeats its last value."""
    column = pick(rng, case.numbers)
    if case.date is None or column is None:
        return None
    numbers = numbers_of(case, column)
    marks = newest(case, at(s, 0.05, 0.1, 0.15, 0.2, 0.3))
    numbers[marks] = numbers[np.flatnonzero(marks)[0]]
    return put(case, column, pa.array(numbers, from_pandas=True))


@kind("rising_missing", "inner_drift")
def feed_breaks_off(case: Case, s: int, rng: Rng) -> Case | None:
    """From some day on most values of a column are missing."""
    column = pick(rng, [name for name in features(case) if name != case.date])
    if case.date is None or column is None:
        return None
    marks = newest(case, 0.2) & (rng.random(case.table.num_rows) < at(s, 0.2, 0.4, 0.6, 0.8, 1.0))
    return with_values(case, column, np.flatnonzero(marks), lambda v: None)


@kind("shifted_columns", "inner_drift", "unit_jump")
def columns_swapped(case: Case, s: int, rng: Rng) -> Case | None:
    """From some day on two columns have changed places."""
    if case.date is None or len(case.numbers) < 2:
        return None
    one, other = (str(name) for name in rng.permutation(case.numbers)[:2])
    marks = newest(case, at(s, 0.1, 0.15, 0.2, 0.25, 0.3))
    a, b = numbers_of(case, one), numbers_of(case, other)
    a[marks], b[marks] = b[marks], a[marks].copy()
    case = put(case, one, pa.array(a, from_pandas=True))
    return put(case, other, pa.array(b, from_pandas=True), columns=(one, other))


@kind("cut_slice")
def day_half_loaded(case: Case, s: int, rng: Rng) -> Case | None:
    """The last stretch of time lost most of its rows."""
    if case.date is None:
        return None
    drop = newest(case, 0.15) & (rng.random(case.table.num_rows) < at(s, 0.7, 0.8, 0.9, 0.95, 0.98))
    return replace(case, table=case.table.filter(pa.array(~drop)).combine_chunks(), columns=())

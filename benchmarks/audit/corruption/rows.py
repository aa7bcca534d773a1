"""Rows that repeat, columns that give the target away, labels that are wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
from benchmarks.audit.corruption.kinds import (
    at,
    classes_of,
    kind,
    newest,
    numbers_of,
    put,
    some,
    take,
    values_of,
    with_values,
)
from benchmarks.audit.corruption.sets import Case

Rng = np.random.Generator


@kind("duplicated_rows", exact=True)
def copied_rows(case: Case, s: int, rng: Rng) -> Case | None:
    """An export that was appended twice in part, with new keys."""
    every = np.arange(case.table.num_rows)
    rows = np.concatenate([every, some(case, at(s, 0.01, 0.03, 0.1, 0.3, 0.6), rng)])
    doubled = take(case, rows)
    return put(doubled, "row_id", pa.array([f"r{i:06d}" for i in range(len(rows))]), columns=())


@kind("duplicated_key", "refused", exact=True)
def repeated_keys(case: Case, s: int, rng: Rng) -> Case | None:
    """Two rows under one key."""
    first = values_of(case, "row_id")[0]
    rows = some(case, 0, rng, least=int(at(s, 1, 2, 5, 20, 100)))
    rows = rows[rows > 0] if (rows > 0).any() else np.array([1])
    return with_values(case, "row_id", rows, lambda v: first)


@kind("duplicated_key", "refused", exact=True)
def keys_missing(case: Case, s: int, rng: Rng) -> Case | None:
    """Rows without a key."""
    rows = some(case, 0, rng, least=int(at(s, 1, 2, 5, 20, 100)))
    return with_values(case, "row_id", rows, lambda v: None)


@kind("near_duplicates", exact=True)
def texts_nearly_alike(case: Case, s: int, rng: Rng) -> Case | None:
    """Texts copied with a small change: an edited title, a corrected word."""
    if case.text is None:
        return None
    values = [value or "" for value in values_of(case, case.text)]
    long = [i for i, value in enumerate(values) if len(value) >= 25]
    n = int(at(s, 0.02, 0.04, 0.08, 0.15, 0.3) * len(values))
    rows = some(case, 0, rng, least=n)
    for row in rows:
        values[row] = values[long[int(rng.integers(len(long)))]] + " " + str(int(rng.integers(10)))
    return put(case, case.text, values)


@kind("target_leakage", exact=True)
def target_under_another_name(case: Case, s: int, rng: Rng) -> Case | None:
    """The target as codes, or in other units, with a few cells rubbed out."""
    missing = rng.random(case.table.num_rows) < at(s, 0.02, 0.01, 0.005, 0.002, 0.0)
    if case.classify:
        codes = np.unique(classes_of(case), return_inverse=True)[1] * 7 + 3
        return put(case, "status_code", pa.array(codes, mask=missing))
    numbers = numbers_of(case, case.target) * 1.21 + 4
    return put(case, "amount_due", pa.array(np.where(missing, np.nan, numbers), from_pandas=True))


@kind("target_leakage")
def target_blurred(case: Case, s: int, rng: Rng) -> Case | None:
    """The target with noise on it: a figure computed from the outcome."""
    share = at(s, 0.03, 0.02, 0.01, 0.005, 0.002)
    if case.classify:
        classes = np.unique(classes_of(case), return_inverse=True)[1]
        wrong = rng.random(len(classes)) < share
        return put(case, "stage", pa.array(np.where(wrong, rng.permutation(classes), classes)))
    numbers = numbers_of(case, case.target)
    return put(case, "estimate", pa.array(numbers + rng.normal(0, 3 * share * numbers.std(), len(numbers))))


@kind("pair_leakage", "target_leakage")
def target_in_two_parts(case: Case, s: int, rng: Rng) -> Case | None:
    """Two columns whose difference, or agreement, is the target: paid and owed, casual and registered."""
    n = case.table.num_rows
    if case.classify:
        classes, codes = np.unique(classes_of(case), return_inverse=True)
        one = rng.integers(0, len(classes), n)
        other = (codes - one) % len(classes)
    else:
        numbers = numbers_of(case, case.target)
        one = rng.normal(0, at(s, 1, 2, 3, 4, 5) * numbers.std(), n)
        other = numbers + one
    case = put(case, "part_a", pa.array(one))
    return put(case, "part_b", pa.array(other), columns=("part_a", "part_b"))


@kind("id_like", "row_order_leak", exact=True)
def number_that_counts_up(case: Case, s: int, rng: Rng) -> Case | None:
    """A running number among the features."""
    n = case.table.num_rows
    numbers = 1000 + np.arange(n) * int(at(s, 1, 2, 3, 7, 10))
    return put(case, "record_no", pa.array(numbers))


@kind("row_order_leak", "target_leakage")
def sorted_by_target(case: Case, s: int, rng: Rng) -> Case | None:
    """The file was written class by class, or by rising value, and a number counts its rows."""
    key = classes_of(case) if case.classify else numbers_of(case, case.target)
    order = np.argsort(key, kind="stable")
    loose = rng.random(len(order)) < at(s, 0.2, 0.1, 0.05, 0.02, 0.0)
    order[loose] = rng.permutation(order[loose])
    return put(take(case, order), "line", pa.array(np.arange(len(order))))


@kind("missingness_leak", "target_leakage")
def filled_for_one_outcome(case: Case, s: int, rng: Rng) -> Case | None:
    """A column that is filled in only once the outcome is known."""
    if case.classify:
        classes = classes_of(case)
        known = classes == np.unique(classes)[-1]
    else:
        numbers = numbers_of(case, case.target)
        known = numbers > np.median(numbers)
    known ^= rng.random(len(known)) < at(s, 0.02, 0.015, 0.01, 0.005, 0.0)
    return put(case, "closing_note", pa.array([f"n{i % 13}" if k else None for i, k in enumerate(known)]))


@kind("future_information", exact=True)
def date_after_the_fact(case: Case, s: int, rng: Rng) -> Case | None:
    """A date later than the moment that the row describes."""
    if case.date is None:
        return None
    days = np.array([np.datetime64(str(value)[:10]) for value in values_of(case, case.date)])
    later = days + rng.integers(1, 60, len(days)).astype("timedelta64[D]")
    filled = rng.random(len(days)) < at(s, 0.3, 0.5, 0.7, 0.9, 1.0)
    return put(case, "settled_on", pa.array([str(d) if k else None for d, k in zip(later, filled, strict=True)]))


@kind("rows_on_both_sides", "duplicated_rows", exact=True)
def features_repeated(case: Case, s: int, rng: Rng) -> Case | None:
    """Rows whose features repeat, so that some stand on both sides of the split."""
    every = np.arange(case.table.num_rows)
    rows = np.concatenate([every, some(case, at(s, 0.1, 0.2, 0.3, 0.5, 0.8), rng)])
    doubled = take(case, rng.permutation(rows) if case.date is None else np.sort(rows))
    return put(doubled, "row_id", pa.array([f"r{i:06d}" for i in range(len(rows))]), columns=())


@kind("undeclared_group")
def people_with_many_rows(case: Case, s: int, rng: Rng) -> Case | None:
    """Each person has many rows and nearly one outcome, and no group is named."""
    n, size = case.table.num_rows, int(at(s, 3, 4, 6, 8, 12))
    if case.date is not None:
        return None
    key = classes_of(case) if case.classify else numbers_of(case, case.target)
    order = np.argsort(key, kind="stable")
    people = np.empty(n, dtype=np.int64)
    people[order] = np.arange(n) // size
    names = rng.permutation(n // size + 1)
    return put(case, "student", pa.array([f"u{names[i]:05d}" for i in people]))


@kind("label_errors", "noise_ceiling")
def labels_confused(case: Case, s: int, rng: Rng) -> Case | None:
    """Some labels are another class."""
    return _confused(case, at(s, 0.05, 0.1, 0.15, 0.2, 0.3), rng, None) if case.classify else None


@kind("label_errors", "noise_ceiling")
def one_class_taken_for_another(case: Case, s: int, rng: Rng) -> Case | None:
    """A share of the commonest class is labelled as one other."""
    if not case.classify:
        return None
    classes, counts = np.unique(classes_of(case), return_counts=True)
    return _confused(case, at(s, 0.1, 0.15, 0.2, 0.3, 0.4), rng, str(classes[np.argmax(counts)]))


def _confused(case: Case, share: float, rng: Rng, only: str | None) -> Case:
    labels = classes_of(case).astype(object)
    classes = np.unique(labels.astype(str))
    for row in np.flatnonzero(rng.random(len(labels)) < share):
        if only is None or labels[row] == only:
            others = [label for label in classes if label != labels[row]]
            labels[row] = others[0 if only else int(rng.integers(len(others)))]
    return put(case, case.target, labels.tolist(), columns=())


@kind("label_errors", "outliers", "impossible_values")
def targets_typed_wrong(case: Case, s: int, rng: Rng) -> Case | None:
    """Targets with a digit too many."""
    if case.classify:
        return None
    rows = some(case, at(s, 0.002, 0.005, 0.01, 0.02, 0.05), rng)
    wrong = with_values(case, case.target, rows, lambda v: v * 10)
    return replace(wrong, columns=())


@kind("contradictory_labels", "rows_on_both_sides", exact=True)
def same_row_two_labels(case: Case, s: int, rng: Rng) -> Case | None:
    """Equal rows with different outcomes."""
    if not case.classify:
        return None
    rows = some(case, at(s, 0.02, 0.05, 0.1, 0.2, 0.3), rng)
    copies = replace(case, table=case.table.take(pa.array(rows)))
    copies = put(copies, "row_id", pa.array([f"c{i:06d}" for i in rows]))
    classes = np.unique(classes_of(case))
    turned = [str(classes[(np.flatnonzero(classes == label)[0] + 1) % len(classes)]) for label in classes_of(copies)]
    copies = put(copies, case.target, turned)
    table = pa.concat_tables([case.table, copies.table], promote_options="permissive").combine_chunks()
    return replace(case, table=table, columns=())


@kind("missing_target", exact=True)
def targets_missing(case: Case, s: int, rng: Rng) -> Case | None:
    """Outcomes that never came."""
    return with_values(case, case.target, some(case, at(s, 0.01, 0.05, 0.2, 0.5, 0.7), rng), lambda v: None)


@kind("one_class", "constant_column", exact=True)
def filter_left_one_class(case: Case, s: int, rng: Rng) -> Case | None:
    """A condition that keeps one outcome."""
    if not case.classify:
        return None
    classes = classes_of(case)
    return replace(case, table=case.table.filter(pa.array(classes == np.unique(classes)[0])), columns=(case.target,))


@kind("rare_class", exact=True)
def class_of_a_few_rows(case: Case, s: int, rng: Rng) -> Case | None:
    """A class nobody can learn: a spelling, a test entry."""
    if not case.classify:
        return None
    rows = some(case, 0, rng, least=int(at(s, 1, 2, 3, 5, 8)))
    return with_values(case, case.target, rows, lambda v: "otro")


@kind("target_type", "numbers_as_text", exact=True)
def words_in_the_target(case: Case, s: int, rng: Rng) -> Case | None:
    """A number to predict, with words in it."""
    if case.classify:
        return None
    rows = some(case, at(s, 0.002, 0.01, 0.05, 0.2, 0.6), rng)
    return replace(with_values(case, case.target, rows, lambda v: "n/a yet"), columns=(case.target,))


@kind("too_few_rows", exact=True)
def hardly_any_rows(case: Case, s: int, rng: Rng) -> Case | None:
    """An export that broke off."""
    return replace(case, table=case.table.slice(0, int(at(s, 15, 12, 9, 6, 3))), columns=())


@kind("schema_changed", exact=True)
def columns_gone(case: Case, s: int, rng: Rng) -> Case | None:
    """The next version lacks columns, or has them renamed."""
    apart = {case.target, *case.data.values(), *case.model.get("sensitive", ())}
    names = [name for name in case.table.column_names if name not in apart][: s + 1]
    renamed = [f"{name}_new" if name in names and s % 2 else name for name in case.table.column_names]
    table = case.table.rename_columns(renamed) if s % 2 else case.table.drop_columns(names)
    return replace(case, table=table, before=case.table, columns=())


@kind("inner_drift", "unit_jump")
def outcome_shifts(case: Case, s: int, rng: Rng) -> Case | None:
    """In the newest rows the target has another level."""
    if case.date is None or case.classify:
        return None
    numbers = numbers_of(case, case.target)
    numbers[newest(case, 0.25)] *= at(s, 1.5, 2.0, 3.0, 4.0, 6.0)
    return put(case, case.target, pa.array(np.round(numbers)))

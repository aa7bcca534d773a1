"""Groups that are missing, treated differently, or named; and a newest stretch of time that is unlike the rest."""

from __future__ import annotations

import string
from dataclasses import replace

import numpy as np
import pyarrow as pa
from benchmarks.audit.corruption.kinds import (
    at,
    classes_of,
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


@kind("class_balance", "rare_class")
def outcome_grows_rare(case: Case, s: int, rng: Rng) -> Case | None:
    """One class nearly vanishes."""
    if not case.classify:
        return None
    classes = classes_of(case)
    rare = classes == np.unique(classes)[-1]
    keep = ~rare | (rng.random(len(classes)) < at(s, 0.1, 0.07, 0.05, 0.03, 0.02))
    return replace(case, table=case.table.filter(pa.array(keep)), columns=())


def _sensitive(case: Case) -> str | None:
    return next(iter(case.model.get("sensitive", ())), None)


@kind("small_group")
def group_nearly_absent(case: Case, s: int, rng: Rng) -> Case | None:
    """A group of which hardly anybody is in the data."""
    column = _sensitive(case)
    if column is None:
        return None
    rows = some(case, 0, rng, least=int(at(s, 25, 18, 12, 8, 4)))
    return with_values(case, column, rows, lambda v: "X")


@kind("population_coverage")
def population_missed(case: Case, s: int, rng: Rng) -> Case | None:
    """One group is drawn less often than its share of the declared population."""
    column = _sensitive(case)
    if column is None:
        return None
    values = np.array(values_of(case, column), dtype=object)
    names, counts = np.unique(values.astype(str), return_counts=True)
    shares = {str(name): round(count / len(values), 4) for name, count in zip(names, counts, strict=True)}
    keep = (values != names[0]) | (rng.random(len(values)) < at(s, 0.7, 0.6, 0.5, 0.4, 0.25))
    data = {**case.data, "population": {"shares": {column: shares}}}
    return replace(case, table=case.table.filter(pa.array(keep)), data=data, columns=(column,))


@kind("outcome_gap", "model_gap")
def outcomes_withheld(case: Case, s: int, rng: Rng) -> Case | None:
    """The favoured outcome is taken from members of one group."""
    column = _sensitive(case)
    if column is None:
        return None
    labels = classes_of(case)
    names, counts = np.unique(labels, return_counts=True)
    favoured, other = names[np.argmin(counts)], names[np.argmax(counts)]
    members = np.array(values_of(case, column), dtype=object) == sorted(set(values_of(case, column)))[0]
    taken = members & (labels == favoured) & (rng.random(len(labels)) < at(s, 0.6, 0.7, 0.8, 0.9, 1.0))
    case = replace(case, model={**case.model, "fairness": {"favoured": str(favoured)}})
    return put(case, case.target, np.where(taken, other, labels).tolist(), columns=())


@kind("sensitive_proxy")
def column_that_stands_for_a_group(case: Case, s: int, rng: Rng) -> Case | None:
    """A harmless-looking column that tells the group."""
    column = _sensitive(case)
    if column is None:
        return None
    values = np.array(values_of(case, column), dtype=object)
    wrong = rng.random(len(values)) < at(s, 0.1, 0.07, 0.05, 0.02, 0.0)
    told = np.where(wrong, rng.permutation(values), values)
    codes = {value: f"z{place}" for place, value in enumerate(sorted(set(values)))}
    return put(case, "club", [codes[value] for value in told])


def _letter(number: int) -> str:
    return "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23]


def _iban(rng: Rng) -> str:
    account = "".join(str(d) for d in rng.integers(0, 10, 20))
    check = 98 - int(account + "142800") % 97
    return f"ES{check:02d}{account}"


def _card(rng: Rng) -> str:
    digits = [4, *rng.integers(0, 10, 14).tolist()]
    total = sum(d if place % 2 else (d * 2 - 9 if d > 4 else d * 2) for place, d in enumerate(digits))
    return "".join(map(str, [*digits, -total % 10]))


def _personal(case: Case, s: int, rng: Rng, values: list[str]) -> Case:
    """Put values into a notes column, or into a free text where the set has one, in a share of the rows."""
    rows = some(case, at(s, 0.005, 0.02, 0.1, 0.5, 1.0), rng, least=5)
    notes: list[str | None] = [None] * case.table.num_rows
    for place, row in enumerate(rows):
        notes[row] = values[place % len(values)]
    if case.text is not None and s < 3:
        texts = values_of(case, case.text)
        return put(case, case.text, [f"{t or ''} {n}" if n else t for t, n in zip(texts, notes, strict=True)])
    return put(case, "notes", pa.array(notes, pa.string()))


@kind("personal_email", exact=True)
def addresses_of_mail(case: Case, s: int, rng: Rng) -> Case | None:
    """E-mail addresses."""
    names = ["".join(rng.choice(list(string.ascii_lowercase), 7)) for _ in range(200)]
    return _personal(case, s, rng, [f"{name}@example.{'com' if i % 2 else 'es'}" for i, name in enumerate(names)])


@kind("personal_phone", exact=True)
def telephone_numbers(case: Case, s: int, rng: Rng) -> Case | None:
    """Telephone numbers as Spaniards and others write them."""
    n = rng.integers(0, 10_000_000, 200)
    return _personal(case, s, rng, [f"+34 6{d // 100000:02d} {d % 100000 // 100:03d} {d % 1000:03d}" for d in n])


@kind("personal_iban", exact=True)
def bank_accounts(case: Case, s: int, rng: Rng) -> Case | None:
    """IBANs with right check digits."""
    return _personal(case, s, rng, [_iban(rng) for _ in range(200)])


@kind("personal_card", exact=True)
def payment_cards(case: Case, s: int, rng: Rng) -> Case | None:
    """Card numbers with right check digits."""
    return _personal(case, s, rng, [_card(rng) for _ in range(200)])


@kind("personal_dni", exact=True)
def identity_numbers(case: Case, s: int, rng: Rng) -> Case | None:
    """DNI with its letter."""
    return _personal(case, s, rng, [f"{n:08d}{_letter(int(n))}" for n in rng.integers(0, 100_000_000, 200)])


@kind("personal_dni", exact=True)
def foreigners_numbers(case: Case, s: int, rng: Rng) -> Case | None:
    """NIE with its letter."""
    numbers = rng.integers(0, 10_000_000, 200)
    return _personal(case, s, rng, [f"{'XYZ'[n % 3]}{n:07d}{_letter(int(f'{n % 3}{n:07d}'))}" for n in numbers])


@kind("inner_drift", "unit_jump")
def level_shifts(case: Case, s: int, rng: Rng) -> Case | None:
    """The newest rows lie higher."""
    column = pick(rng, case.numbers)
    if case.date is None or column is None:
        return None
    numbers = numbers_of(case, column)
    middle = np.nanquantile(numbers, [0.25, 0.75])
    numbers[newest(case, 0.2)] += at(s, 0.75, 1.0, 1.5, 2.0, 3.0) * max(float(middle[1] - middle[0]), 1e-9)
    return put(case, column, pa.array(numbers, from_pandas=True))


@kind("inner_drift", "unit_jump", "outliers")
def spread_widens(case: Case, s: int, rng: Rng) -> Case | None:
    """The newest rows scatter more."""
    column = pick(rng, case.numbers)
    if case.date is None or column is None:
        return None
    numbers = numbers_of(case, column)
    marks, middle = newest(case, 0.2), np.nanmedian(numbers)
    numbers[marks] = middle + (numbers[marks] - middle) * at(s, 2.0, 2.5, 3.0, 4.0, 6.0)
    return put(case, column, pa.array(numbers, from_pandas=True))


@kind("new_categories", "inner_drift")
def category_appears(case: Case, s: int, rng: Rng) -> Case | None:
    """A category that the earlier rows never had."""
    column = pick(rng, case.categories)
    if case.date is None or column is None:
        return None
    marks = newest(case, 0.2) & (rng.random(case.table.num_rows) < at(s, 0.05, 0.1, 0.2, 0.4, 0.8))
    return with_values(case, column, np.flatnonzero(marks), lambda v: "Nuevo")


@kind("inner_drift")
def mixture_changes(case: Case, s: int, rng: Rng) -> Case | None:
    """In the newest rows one category takes over."""
    column = pick(rng, case.categories)
    if case.date is None or column is None:
        return None
    values = values_of(case, column)
    common = sorted({v for v in values if v}, key=lambda v: (-values.count(v), v))
    marks = newest(case, 0.2) & (rng.random(len(values)) < at(s, 0.3, 0.4, 0.5, 0.7, 0.9))
    return with_values(case, column, np.flatnonzero(marks), lambda v: common[min(1, len(common) - 1)])


@kind("inner_drift", "unit_jump", "outliers")
def rows_of_another_world(case: Case, s: int, rng: Rng) -> Case | None:
    """A column of the newest rows is shuffled to another column's scale."""
    column = pick(rng, [name for name in features(case) if name in case.numbers])
    if case.date is None or column is None:
        return None
    numbers = numbers_of(case, column)
    marks = newest(case, at(s, 0.1, 0.15, 0.2, 0.25, 0.3))
    numbers[marks] = rng.exponential(np.nanstd(numbers) * 3 + 1e-9, int(marks.sum())) + np.nanmax(numbers) / 2
    return put(case, column, pa.array(numbers, from_pandas=True))

"""Personal data is found by shape and check digits, and never told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cauce.audit.patterns import LETTERS, PATTERNS, is_card, is_dni, is_iban, is_nuss, mask
from cauce.audit.personal import by_chance
from cauce.core.artefacts import Audit, Finding
from cauce.core.files import to_json
from cauce.core.specs import DataSpec, ModelSpec

Auditor = Callable[..., Audit]
N = 200
WORDS = ["nothing to tell", "a good course", "muy bueno", "ni fu ni fa", "ok"]


def texts(seed: int = 0) -> list[str]:
    return [str(word) for word in np.random.default_rng(seed).choice(WORDS, N)]


def personal(audit: Audit) -> list[Finding]:
    return [finding for finding in audit.findings if finding.code.startswith("personal_")]


def luhn(digits: str) -> str:
    total = sum(int(c) if i % 2 else sum(divmod(2 * int(c), 10)) for i, c in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def dni(number: int) -> str:
    return f"{number:08d}{LETTERS[number % 23]}"


def iban(account: int) -> str:
    bban = f"{account:020d}"
    return f"ES{98 - int(bban + '142800') % 97:02d}{bban}"


HIDDEN = {
    "email": "jane.doe+news@mail.example.org",
    "phone": "+34 612 345 678",
    "iban": "ES91 2100 0418 4502 0005 1332",
    "card": "4111 1111 1111 1111",
    "nuss": "28/12345678/40",
    "ip": "192.168.1.20",
}


@pytest.mark.parametrize("kind", HIDDEN)
def test_one_cell_of_text_is_enough(audit: Auditor, kind: str) -> None:
    values = texts()
    values[17] = f"ask me: {HIDDEN[kind]}, thanks"
    (found,) = personal(audit(pa.table({"note": values, "x": np.arange(N) % 7})))
    assert (found.code, found.columns, found.n_rows, found.rows) == (f"personal_{kind}", ("note",), 1, (17,))
    assert found.severity == ("info" if kind == "ip" else "warn")


@pytest.mark.parametrize(
    "number", ["612 345 678", "91 345 67 89", "tel: 612345678", "(415) 555-2671", "0034 612345678"]
)
def test_telephones_are_known_in_their_usual_forms(number: str) -> None:
    assert PATTERNS["phone"].seen_in(f"call {number} today")[0]


@pytest.mark.parametrize(
    "text",
    ["2024-03-04 10:20:30", "612345678", "1.234.567,89", "978-84-376-0494-7", "650 000 000", "0.612345678", "v1.2.3"],
)
def test_numbers_are_no_telephones(text: str) -> None:
    assert not PATTERNS["phone"].seen_in(text)[0]


def test_bare_numbers_are_telephones_only_where_the_column_says_so(audit: Auditor) -> None:
    rng = np.random.default_rng(0)
    numbers = rng.integers(600_000_000, 799_999_999, N)
    assert personal(audit(pa.table({"order": numbers, "ref": numbers.astype(str)}))) == []
    for values in (numbers, numbers.astype(str)):
        (found,) = personal(audit(pa.table({"telefono_movil": pa.array(values.tolist())})))
        assert (found.code, found.n_rows) == ("personal_phone", N)


def test_ids_pass_though_some_hold_check_digits_by_chance(audit: Auditor) -> None:
    rng = np.random.default_rng(1)
    sixteen = [f"4{n:015d}" for n in rng.integers(0, 10**15, N)]
    assert sum(map(is_card, sixteen)) > 5
    letters = [f"{n:08d}{LETTERS[k]}" for n, k in zip(rng.integers(0, 10**8, N), rng.integers(0, 23, N), strict=True)]
    assert sum(map(is_dni, letters)) > 2
    table = pa.table({"order": sixteen, "code": letters, "n": pa.array([int(s) for s in sixteen])})
    assert personal(audit(table)) == []


def test_cards_in_whole_numbers_are_found(audit: Auditor) -> None:
    rng = np.random.default_rng(2)
    cards = [int(luhn(f"4{n:014d}")) for n in rng.integers(0, 10**14, N)]
    (found,) = personal(audit(pa.table({"payment": cards})))
    assert (found.code, found.n_rows) == ("personal_card", N)


def test_a_column_of_dnis_in_which_some_are_mistyped_is_found(audit: Auditor) -> None:
    rng = np.random.default_rng(3)
    values = [dni(int(n)) for n in rng.integers(1, 10**8, N)]
    values[:40] = [f"{value[:-1]}{LETTERS[(LETTERS.index(value[-1]) + 1) % 23]}" for value in values[:40]]
    (found,) = personal(audit(pa.table({"student": values})))
    assert (found.code, found.n_rows, found.rows[0]) == ("personal_dni", N - 40, 40)


def test_columns_the_model_does_not_use_only_inform(audit: Auditor) -> None:
    mails = [f"user{i}@mail.example" for i in range(N)]
    table = pa.table({"mail": mails, "x": np.arange(N) % 5, "y": ["a", "b"] * (N // 2)})
    model = ModelSpec(task="classify", data="rows", target="y", ignore=("mail",))
    assert [f.severity for f in personal(audit(table, model=model))] == ["info"]
    assert [f.severity for f in personal(audit(table, data=DataSpec(source="x", key="mail")))] == ["info"]


def test_the_audit_holds_no_value_in_full(audit: Auditor) -> None:
    rng = np.random.default_rng(4)
    secrets = {
        "mail": [f"jane{i}.doe@mail.example" for i in range(N)],
        "dni": [dni(int(n)) for n in rng.integers(1, 10**8, N)],
        "iban": [iban(int(n)) for n in rng.integers(1, 10**18, N)],
        "card": [luhn(f"5{1 + n % 5}{n:013d}") for n in rng.integers(0, 10**13, N).tolist()],
        "tel": [f"+34 6{n:08d}" for n in rng.integers(0, 10**8, N)],
        "same": ["ana@mail.example"] * N,
        "mixed": ["Ana@mail.example", "ana@mail.example"] * 90 + ["612 345 678"] * 20,
    }
    table = pa.table({**secrets, "month": [f"2024-0{1 + i * 6 // N}" for i in range(N)]})
    result = audit(table, data=DataSpec(source="x", partition_by=("month",)))
    assert {f.code for f in personal(result)} == {
        f"personal_{kind}" for kind in ("email", "phone", "iban", "card", "dni")
    }
    told = to_json(result).decode()
    for name, values in secrets.items():
        assert not [value for value in values if value in told], name


@given(st.integers(1, 99_999_999), st.integers(0, 7), st.integers(1, 9))
def test_a_changed_digit_of_a_dni_is_seen(number: int, place: int, change: int) -> None:
    good = dni(number)
    wrong = good[:place] + str((int(good[place]) + change) % 10) + good[place + 1 :]
    assert is_dni(good)
    assert not is_dni(wrong)


@given(st.integers(0, 10**18), st.integers(4, 23), st.integers(1, 9))
def test_a_changed_digit_of_an_iban_is_seen(account: int, place: int, change: int) -> None:
    good = iban(account)
    wrong = good[:place] + str((int(good[place]) + change) % 10) + good[place + 1 :]
    assert is_iban(good)
    assert not is_iban(wrong)


@given(st.integers(0, 10**14 - 1), st.integers(1, 15), st.integers(1, 9))
def test_a_changed_digit_of_a_card_is_seen(number: int, place: int, change: int) -> None:
    good = luhn(f"4{number:014d}")
    wrong = good[:place] + str((int(good[place]) + change) % 10) + good[place + 1 :]
    assert is_card(good)
    assert not is_card(wrong)


def test_social_security_numbers_of_both_lengths_hold() -> None:
    for number in (28 * 10**7 + 1234567, 28 * 10**8 + 12345678):
        middle = number % 10**8 if number > 10**9 else number % 10**7
        assert is_nuss(f"28{middle:08d}{number % 97:02d}")


def test_a_mask_leaves_other_text_alone() -> None:
    for text in (
        "812 rows of 1,234,567 (2.5%)",
        "from 2024-01-02 to 2024-02-03 10:00:00",
        "checks.py:9: KeyError: 'x'",
    ):
        assert mask(text) == text


@given(st.integers(0, 40), st.integers(1, 40), st.sampled_from([0.1, 1 / 23, 1 / 97]))
def test_the_chance_of_check_digits_is_the_binomial_tail(n_true: int, more: int, chance: float) -> None:
    from scipy.stats import binom

    n = n_true + more
    assert by_chance(n_true, n, chance) == pytest.approx(float(binom.sf(n_true - 1, n, chance)), abs=1e-9)

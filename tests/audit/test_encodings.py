"""Letters that were broken, hidden or written in two ways, and categories that only people take for one."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from cauce.core.artefacts import Audit, Finding
from cauce.core.specs import ModelSpec

Auditor = Callable[..., Audit]
CITIES = ["Málaga", "Cádiz", "León", "Madrid", "Coruña"]
UNDEFINED = {0x81, 0x8D, 0x8F, 0x90, 0x9D}
"""Bytes that mean nothing in Windows-1252: browsers and most programs keep them as they are."""
MINE = {
    "broken_encoding", "html_entities", "invisible_characters", "unicode_forms", "category_variants", "mixed_types",
    "coded_integers",
}  # fmt: skip


def cities(n: int = 300) -> list[str]:
    return [str(city) for city in np.random.default_rng(0).choice(CITIES, n)]


def of(audit: Audit, code: str) -> list[Finding]:
    return [finding for finding in audit.findings if finding.code == code]


def test_well_written_text_is_quiet(audit: Auditor) -> None:
    long = [
        f"São Paulo, {city}: «¿qué tal?» – AT&T, R&D & co; l’été à Âcre, niño, пример {i}"
        for i, city in enumerate(cities())
    ]
    result = audit(pa.table({"city": cities(), "text": long}))
    assert {f.code for f in result.findings} & MINE == set()


@pytest.mark.parametrize("city", ["Málaga", "Coruña", "León", "Ávila", "L’Hospitalet", "10 €"])
@pytest.mark.parametrize("wrong", ["cp1252", "latin-1"])
def test_utf8_read_as_something_else_is_seen(audit: Auditor, city: str, wrong: str) -> None:
    values = cities()
    values[7] = "".join(bytes([byte]).decode(wrong) if byte not in UNDEFINED else chr(byte) for byte in city.encode())
    (found,) = of(audit(pa.table({"city": values})), "broken_encoding")
    assert (found.columns, found.n_rows, found.rows) == (("city",), 1, (7,))


def test_lost_letters_are_seen(audit: Auditor) -> None:
    values = cities()
    values[3] = values[250] = "M�laga"
    (found,) = of(audit(pa.table({"city": values})), "broken_encoding")
    assert (found.n_rows, found.rows, found.examples) == (2, (3, 250), ("M�laga",))


def test_html_warns_in_categories_and_informs_in_text(audit: Auditor) -> None:
    values = cities()
    values[9] = "M&aacute;laga"
    (found,) = of(audit(pa.table({"city": values})), "html_entities")
    assert (found.severity, found.rows) == ("warn", (9,))
    long = [
        f"{city} and its surroundings, number {i}, with a long description &amp; more" for i, city in enumerate(values)
    ]
    assert [f.severity for f in of(audit(pa.table({"text": long})), "html_entities")] == ["info"]


@pytest.mark.parametrize("letter", ["\u200b", "\ufeff", "\u00ad", "\x07", "\u202e"])
def test_hidden_letters_are_seen_and_made_visible(audit: Auditor, letter: str) -> None:
    values = cities()
    values[5] = f"Mad{letter}rid"
    (found,) = of(audit(pa.table({"city": values})), "invisible_characters")
    assert (found.n_rows, found.rows) == (1, (5,))
    assert letter not in found.examples[0]


def test_two_forms_of_an_accent_are_seen(audit: Auditor) -> None:
    values = cities()
    values[11] = unicodedata.normalize("NFD", "Málaga")
    (found,) = of(audit(pa.table({"city": values})), "unicode_forms")
    assert (found.n_rows, found.rows) == (1, (11,))
    assert of(audit(pa.table({"city": [unicodedata.normalize("NFD", c) for c in values]})), "unicode_forms") == []


@pytest.mark.parametrize("other", ["madrid", "MADRID", " Madrid", "Madrid ", "Mádrid", "Ma\u200bdrid"])
def test_spellings_of_one_category_are_named(audit: Auditor, other: str) -> None:
    values = cities()
    values[4] = values[20] = other
    (found,) = of(audit(pa.table({"city": values})), "category_variants")
    assert (found.severity, found.n_rows, found.rows) == ("warn", 2, (4, 20))
    assert found.examples[0].startswith("Madrid / ")


def test_names_of_single_things_may_differ_by_case(audit: Auditor) -> None:
    ids = [f"{'aA'[i % 2]}{i // 2:05d}" for i in range(400)]
    assert "category_variants" in audit(pa.table({"id": ids, "city": cities(400)})).passed


def test_numbers_among_words_and_words_among_numbers_are_named(audit: Auditor) -> None:
    values = cities()
    values[2], values[8] = "28013", "41.5"
    (found,) = of(audit(pa.table({"city": values})), "mixed_types")
    assert (found.n_rows, found.rows, found.examples) == (2, (2, 8), ("28013", "41.5"))
    half = [str(i) if i % 3 else "none of them" for i in range(300)]
    assert [f.n_rows for f in of(audit(pa.table({"n": half})), "mixed_types")] == [100]


@pytest.mark.parametrize("values", [["85123A", "22423", "21730B"], ["<30", "30-40", ">40"], ["0", "1", "2", "3+"]])
def test_codes_and_bands_are_not_mixed(audit: Auditor, values: list[str]) -> None:
    assert "mixed_types" in audit(pa.table({"x": values * 60})).passed


def test_dates_in_two_orders_are_named(audit: Auditor) -> None:
    days = [f"2024-03-{1 + i % 28:02d}" if i % 3 else f"{1 + i % 28:02d}/03/2024" for i in range(300)]
    (found,) = of(audit(pa.table({"day": days})), "mixed_types")
    assert found.n_rows == 100


def test_codes_that_look_like_numbers_are_hinted_at(audit: Auditor) -> None:
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "course": rng.choice([33, 171, 8014, 9003, 9070, 9085], 600),
            "payment_type": rng.integers(1, 5, 600),
            "children": rng.poisson(1, 600),
            "age": rng.integers(18, 80, 600),
            "y": rng.choice(["a", "b"], 600),
        }
    )
    model = ModelSpec(task="classify", data="rows", target="y")
    assert [f.columns for f in of(audit(table, model=model), "coded_integers")] == [("course", "payment_type")]

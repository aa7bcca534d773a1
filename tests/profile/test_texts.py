"""What is known of a string column's values, against a slow twin that reads them one by one."""

from __future__ import annotations

import re
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.profile import TextFacts, summarise
from cauce.profile.text import NUMBER

AWKWARD = st.sampled_from(
    ["", " ", "\u00a0", "\u3000x", "x\u2003", "12", " 12 ", "1,5", "1.272,24", "007", "-.5", "1e3", "+7", "12€",
     "a\x00b", "a\tb", "caf\ufffd", "café", "cafÃ©", "aÃ\u00b1o", "â€œhiâ€\u009d", "SÃO", "Â", "🙂",
     "\x85", "\u200b", "n/a", "NaN", "inf"]
)  # fmt: skip
VALUES = st.lists(st.one_of(st.none(), AWKWARD, st.text(max_size=12)), max_size=40)


def facts_of(values: list[str | None], size: int = 5) -> TextFacts:
    facts = summarise(pa.table({"x": pa.array(values, pa.string())}).to_batches(max_chunksize=size)).column("x").text
    assert facts is not None
    return facts


def is_space(character: str) -> bool:
    # Arrow's trim: Unicode's separators, and the control characters that are white space in Unicode
    return unicodedata.category(character).startswith("Z") or character in "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85"


@given(VALUES.filter(bool), st.integers(1, 9))
@settings(max_examples=150, deadline=None)
def test_counts_equal_those_of_a_slow_twin(values: list[str | None], size: int) -> None:
    facts = facts_of(values, size)
    present = [value for value in values if value is not None]
    blank = [v for v in present if all(is_space(c) for c in v)]
    padded = [v for v in present if v not in blank and (is_space(v[0]) or is_space(v[-1]))]
    number = re.compile(NUMBER.replace(r"\s", r"[\t\n\f\r ]").replace("$", r"\Z"))
    assert facts.n_blank == len(blank)
    assert facts.n_padded == len(padded)
    assert facts.n_numeric == sum(bool(number.match(v)) for v in present)
    assert facts.n_non_ascii == sum(not v.isascii() for v in present)
    assert facts.n_replaced == sum("\ufffd" in v for v in present)
    assert facts.n_control == sum(bool(re.search(r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]", v)) for v in present)
    words = sorted({v for v in present if v not in blank and not number.match(v)}, key=str.encode)[:20]
    assert dict(facts.words) == {word: present.count(word) for word in words}


@given(VALUES, st.integers(0, 40), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_parts_give_the_facts_of_the_whole(values: list[str | None], cut: int, size: int) -> None:
    parts = [part for part in (values[:cut], values[cut:]) if part]
    if len(parts) == 2:
        assert facts_of(parts[0], size).merge(facts_of(parts[1])) == facts_of(values)
        assert facts_of(parts[1], size).merge(facts_of(parts[0])) == facts_of(values)


@pytest.mark.parametrize(
    "text", ["año", "café con leche", "“quotes”", "über", "El niño dijo: ¿qué?", "naïve – façade", "10 €"]
)
@pytest.mark.parametrize("wrong", ["cp1252", "latin-1"])
def test_utf8_read_as_another_encoding_is_seen_and_right_text_is_not(text: str, wrong: str) -> None:
    assert facts_of([text]).n_mojibake == 0
    read = text.encode("utf-8").decode(wrong, errors="replace")
    assert facts_of([read]).n_mojibake == 1, read


@pytest.mark.parametrize("text", ["SÃO PAULO", "ÂNGELA", "Â", "Ã", "MÃE", "âge", "â la carte", "Pâté – “Ça”"])
def test_letters_with_accents_are_no_damage(text: str) -> None:
    assert facts_of([text]).n_mojibake == 0


def test_other_columns_have_no_text_facts() -> None:
    profile = summarise(pa.table({"x": [1, 2], "at": pa.array([1, 2], pa.timestamp("s"))}).to_batches())
    assert [column.text for column in profile.columns.values()] == [None, None]


def test_a_column_of_numbers_names_the_values_that_are_none() -> None:
    facts = facts_of([*map(str, range(500)), "n/a", "n/a", "unknown", " "])
    assert (facts.n_numeric, facts.n_blank, dict(facts.words)) == (500, 1, {"n/a": 2, "unknown": 1})


def test_a_long_value_is_read_in_linear_time() -> None:
    assert facts_of(["Ã" * 2_000_000, "â€" * 500_000 + "œ"]).n_mojibake == 1

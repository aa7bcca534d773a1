"""Texts nearly alike, against every pair compared by brute force."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.audit.near import BINS, jaccard, normalised, sign, similar_pairs
from cauce.core.artefacts import Audit
from cauce.core.specs import AuditSpec, CheckSpec

Auditor = Callable[..., Audit]

SPANISH = (
    "El curso de matemáticas empieza el lunes a las nueve en el aula doce.",
    "Los alumnos de segundo año entregarán la práctica de programación antes del viernes.",
    "La biblioteca cerrará mañana por la tarde; las devoluciones se harán en conserjería.",
)
ENGLISH = (
    "The course on machine learning starts on Monday at nine in room twelve.",
    "Second year students will hand in their programming assignment before Friday.",
    "The library closes tomorrow afternoon; returns are taken at the front desk.",
)


@cache
def shingles(text: str) -> frozenset[bytes]:
    raw = " ".join(text.lower().split()).encode()
    return frozenset(raw[i : i + 5] for i in range(len(raw) - 4))


def similarity(one: str, other: str) -> float:
    a, b = shingles(one), shingles(other)
    return len(a & b) / len(a | b) if a | b else 0.0


WORDS = st.sampled_from("el la curso año niño data the model course señal 🙂 empieza lunes".split(" "))  # noqa: SIM905
TEXT = st.lists(WORDS, min_size=0, max_size=14).map(" ".join)


@given(st.lists(TEXT, min_size=2, max_size=12))
@settings(max_examples=60, deadline=None)
def test_similarity_is_that_of_sets(texts: list[str]) -> None:
    pairs = np.array([(i, j) for j in range(len(texts)) for i in range(j)])
    found = jaccard(normalised(pa.array(texts, pa.string())), pairs)
    assert found.tolist() == pytest.approx([similarity(texts[i], texts[j]) for i, j in pairs])


@given(st.lists(TEXT, min_size=2, max_size=20))
@settings(max_examples=60, deadline=None)
def test_nothing_below_the_threshold_is_ever_called_alike(texts: list[str]) -> None:
    found = similar_pairs(pa.array(texts, pa.string()), 0.8)
    for later, earlier, value in zip(found.later, found.earlier, found.similarity, strict=True):
        assert earlier < later
        assert value == pytest.approx(similarity(texts[later], texts[earlier]))
        assert value >= 0.8


def edited(rng: np.random.Generator, n: int) -> list[str]:
    """Give n texts and, behind them, each with up to three letters changed."""
    words = np.array(" ".join([*SPANISH, *ENGLISH]).split())
    texts = [" ".join(rng.choice(words, int(rng.integers(12, 40)))) for _ in range(n)]
    copies = []
    for text in texts:
        letters = list(text)
        for place in rng.integers(0, len(letters), int(rng.integers(1, 4))):
            letters[int(place)] = "x"
        copies.append("".join(letters))
    return texts + copies


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_recall_against_brute_force(seed: int) -> None:
    n = 150
    texts = edited(np.random.default_rng(seed), n)
    pairs = {(i, j) for j in range(2 * n) for i in range(j) if similarity(texts[i], texts[j]) >= 0.8}
    found = similar_pairs(pa.array(texts), 0.8, seed=seed)
    told = set(zip(found.earlier.tolist(), found.later.tolist(), strict=True))
    assert told <= pairs
    assert len(told) >= 0.98 * len(pairs)
    assert len(pairs) >= 100


def test_signatures_estimate_similarity_within_their_error() -> None:
    texts = edited(np.random.default_rng(3), 400)
    signatures = sign(normalised(pa.array(texts)))
    estimated = (signatures[:400] == signatures[400:]).mean(axis=1)
    true = np.array([similarity(texts[i], texts[i + 400]) for i in range(400)])
    error = estimated - true
    assert abs(error.mean()) < 0.01
    assert np.sqrt(np.square(error).mean()) < 1.5 * np.sqrt(0.25 / BINS)


def test_the_same_texts_give_the_same_pairs_whatever_stands_between() -> None:
    texts = [*SPANISH, *ENGLISH, *(text + "!" for text in SPANISH), None, "", "abc"]
    found = similar_pairs(pa.array(texts, pa.string()), 0.8)
    assert found.earlier.tolist() == [0, 1, 2]
    assert found.later.tolist() == [6, 7, 8]
    many = similar_pairs(pa.array([*texts, *(f"otro texto {i} {i * i} {i**3}" for i in range(500))], pa.string()), 0.8)
    assert {(0, 6), (1, 7), (2, 8)} <= set(zip(many.earlier.tolist(), many.later.tolist(), strict=True))


@pytest.mark.parametrize("texts", [[], [None, None], ["", "a"], ["abcd", "abcd"]])
def test_too_little_text_resembles_nothing(texts: list[str | None]) -> None:
    assert len(similar_pairs(pa.array(texts, pa.string()), 0.8).later) == 0


def test_a_thousand_copies_are_no_million_pairs() -> None:
    texts = pa.array([f"{SPANISH[0]} {SPANISH[1]} {i % 10}" for i in range(1_000)])
    found = similar_pairs(texts, 0.8)
    assert len(np.unique(found.later)) == 999
    assert len(found.later) < 5_000


@pytest.mark.slow
def test_twenty_thousand_texts_take_seconds_not_minutes() -> None:
    texts = edited(np.random.default_rng(0), 10_000)
    found = similar_pairs(pa.array(texts), 0.8)
    assert len(np.unique(found.later)) > 8_000


def notes(*more: str) -> pa.Table:
    rng = np.random.default_rng(0)
    texts = [f"{SPANISH[i % 3]} {rng.integers(10**9)} {ENGLISH[(i // 3) % 3]}" for i in range(60)]
    distinct = [" ".join(rng.permutation(text.split())) for text in texts]
    return pa.table({"note": [*distinct, *more], "x": rng.normal(size=60 + len(more))})


def test_edited_copies_are_found_with_their_rows(audit: Auditor) -> None:
    table = notes()
    first = table["note"][7].as_py()
    table = notes(f"{first}.", first.upper() + " ok", "Un texto que no se parece a ningún otro de la tabla.")
    (finding,) = [f for f in audit(table).findings if f.code == "near_duplicates"]
    assert (finding.severity, finding.columns, finding.rows) == ("warn", ("note",), (60, 61))
    assert finding.examples[0].startswith("7 ≈ 60")
    assert "casi el mismo texto" in finding.message["es"]


def test_different_texts_codes_and_addresses_pass(audit: Auditor) -> None:
    assert "near_duplicates" in audit(notes()).passed
    codes = pa.table({"url": [f"https://example.org/a/long/common/path/{i}" for i in range(200)]})
    assert "near_duplicates" in audit(codes).not_applicable


def test_the_threshold_is_the_similarity(audit: Auditor) -> None:
    table = notes()
    words = table["note"][7].as_py().split()
    near = " ".join([*words[:-4], "otras", "palabras", "bien", "distintas"])
    assert 0.65 < similarity(near, table["note"][7].as_py()) < 0.8
    spec = AuditSpec(checks={"near_duplicates": CheckSpec(threshold=0.65)})
    assert "near_duplicates" in audit(notes(near)).passed
    assert [f.code for f in audit(notes(near), spec=spec).findings] == ["near_duplicates"]

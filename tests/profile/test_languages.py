"""The language of texts: short made-up sentences, and real texts cut to so many words."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cauce.profile import summarise
from cauce.profile.language import language_of

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"

OTHERS = {
    "fr": "Le professeur explique les règles du jeu avant de commencer la leçon avec ses élèves",
    "pt": "O professor explica as regras do jogo antes de começar a aula com os seus alunos não é difícil",
    "it": "Il professore spiega le regole del gioco prima di cominciare la lezione con gli studenti della classe",
    "de": "Der Lehrer erklärt die Regeln des Spiels, bevor er mit der Stunde beginnt und die Schüler fragt",
    "nl": "De leraar legt de regels van het spel uit voordat hij met de les begint en dat is niet moeilijk",
    "ca": "El professor explica les regles del joc abans de començar la classe amb els seus alumnes i això és fàcil",
    "ru": "Учитель объясняет правила игры перед началом урока",
    "zh": "老师在上课之前解释游戏规则",
}


@pytest.mark.parametrize("code", OTHERS)
def test_other_languages_are_neither_english_nor_spanish(code: str) -> None:
    assert language_of(OTHERS[code]) == "other"


@pytest.mark.parametrize("text", ["", "12345", "AX-99 / 77", "kjsdf qwpoe zxmnv", "\x00\x01"])
def test_what_is_no_language_is_unknown(text: str) -> None:
    assert language_of(text) == "unknown"


def real_texts(name: str) -> tuple[str, list[str]]:
    """The language and the texts of one real source."""
    if not DATA.exists():
        pytest.skip("the real data sets are not here")
    if name == "quijote":
        whole = gzip.decompress((DATA / "quijote_es" / "quijote.txt.gz").read_bytes()).decode()
        return "es", [part for part in re.split(r"\n\s*\n", whole) if len(part) > 200]
    if name == "newsgroups":
        return "en", pq.read_table(DATA / "newsgroups20" / "newsgroups20.parquet")["Text"].to_pylist()[:3000]
    folder, language = name.split("-")
    file, column = {
        "xquad": ("xquad_en_es_dev/questions.parquet", "question"),
        "stsb": ("stsb_en_es_dev/stsb_train_dev.parquet", "sentence1"),
    }[folder]
    table = pq.read_table(DATA / file)
    return language, table.filter(pa.compute.equal(table["lang"], language))[column].to_pylist()


def pieces(texts: list[str], n_words: int) -> list[str]:
    rng = np.random.default_rng(0)
    found = []
    for words in (text.split() for text in texts):
        if len(words) >= n_words:
            start = rng.integers(0, len(words) - n_words + 1)
            found.append(" ".join(words[start : start + n_words]))
    return [piece for piece in found if len(piece) >= 20][:1500]


@pytest.mark.parametrize("name", ["quijote", "newsgroups", "xquad-en", "xquad-es", "stsb-en", "stsb-es"])
@pytest.mark.parametrize(("n_words", "right"), [(4, 0.6), (10, 0.9), (20, 0.97)])
def test_real_texts_are_told_by_their_length(name: str, n_words: int, right: float) -> None:
    language, texts = real_texts(name)
    parts = pieces(texts, n_words)
    if len(parts) < 30:
        pytest.skip("no texts that long")
    said = [language_of(part) for part in parts]
    assert np.mean([one == language for one in said]) >= right
    assert np.mean([one not in {language, "unknown"} for one in said]) <= 0.03, "wrong, rather than unsure"


def test_a_column_says_in_which_languages_its_texts_are() -> None:
    english = [f"This is the sentence number {i} of the course" for i in range(300)]
    spanish = [f"Esta es la frase número {i} de todo el curso" for i in range(100)]
    facts = summarise(pa.table({"x": [*english, *spanish]}).to_batches(max_chunksize=37)).column("x").text
    assert facts is not None
    assert facts.languages == {"en": 300, "es": 100, "other": 0, "unknown": 0}
    assert facts.language == "en"


def test_the_sample_of_languages_is_even_and_the_same_in_any_order() -> None:
    texts = [f"This is the sentence number {i} of the course" for i in range(6_000)]
    texts += [f"Esta es la frase número {i} de todo el curso" for i in range(2_000)]
    forwards = summarise(pa.table({"x": texts}).to_batches(max_chunksize=999)).column("x").text
    backwards = summarise(pa.table({"x": texts[::-1]}).to_batches(max_chunksize=500)).column("x").text
    assert forwards is not None
    assert backwards is not None
    assert forwards.language_sample == backwards.language_sample
    assert sum(forwards.languages.values()) == 400
    assert forwards.languages["es"] / 400 == pytest.approx(0.25, abs=0.09)  # four standard errors


def test_short_values_have_no_language() -> None:
    facts = summarise(pa.table({"x": ["the", "and", "los"]}).to_batches()).column("x").text
    assert facts is not None
    assert facts.language is None

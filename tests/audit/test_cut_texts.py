"""A field too short for its texts is named; codes, lists and texts that end by themselves are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from cauce.core.artefacts import Audit, Finding

Auditor = Callable[..., Audit]
TEXT = "a river runs through old towns and fields of maize where people cut wood in winter"
WORDS = TEXT.split()


def titles(n: int = 2_000, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, int(size))) for size in rng.poisson(7, n) + 1]


def found(audit: Auditor, values: list[str | None]) -> list[Finding]:
    return [one for one in audit(pa.table({"title": values})).findings if one.code == "cut_texts"]


@pytest.mark.parametrize("most", [30, 45, 60])
def test_texts_that_all_end_at_one_length_are_named(audit: Auditor, most: int) -> None:
    texts = [text[:most] for text in titles()]
    (finding,) = found(audit, [None, *texts])
    ended = [row for row, text in enumerate(texts, 1) if len(text) == most]
    assert (finding.columns, finding.n_rows, finding.rows) == (("title",), len(ended), tuple(ended[:20]))
    assert f"cut at {most} characters" in finding.message["en"]
    assert f"a los {most} caracteres" in finding.message["es"]


@pytest.mark.parametrize("seed", range(5))
def test_whole_texts_pass(audit: Auditor, seed: int) -> None:
    assert found(audit, list(titles(seed=seed))) == []


def test_codes_of_one_length_and_a_sentence_said_often_pass(audit: Auditor) -> None:
    codes = [f"A{i:07d}" for i in range(500)]
    assert found(audit, [*codes, *(word * 1 for word in WORDS)]) == []
    said = ["I would rather not say anything about this matter, which nobody but me can know of"] * 200
    assert found(audit, [*titles(300), *said]) == []

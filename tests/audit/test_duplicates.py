"""Repeated rows and keys, with Arrow's own comparison as the oracle of the hashes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.audit import AuditContext
from cauce.audit.hashing import hash_column, repeats, row_hashes, shared
from cauce.core.artefacts import Audit, Finding
from cauce.core.specs import DataSpec, ModelSpec
from cauce.profile import summarise

Auditor = Callable[..., Audit]


def found(audit: Audit, code: str) -> list[Finding]:
    return [finding for finding in audit.findings if finding.code == code]


CELL = st.one_of(st.none(), st.sampled_from(["", "a", "b", "ab", "ba", "aa", "🙂", "a\0"]))


@given(st.lists(st.tuples(CELL, CELL, st.sampled_from([None, 0.0, 1.5, float("nan")])), min_size=2, max_size=40))
@settings(max_examples=80, deadline=None)
def test_repeats_are_those_that_python_sees(rows: list[tuple[str | None, str | None, float | None]]) -> None:
    cleaned = [(a, b, None if c is None or c != c else c) for a, b, c in rows]
    table = pa.table({"a": [r[0] for r in rows], "b": [r[1] for r in rows], "c": pa.array([r[2] for r in rows])})
    table = table.append_column("id", pa.array(range(len(rows))))
    context = AuditContext(
        "d",
        DataSpec(source="x", key="id"),
        "m",
        ModelSpec(task="classify", data="d", target="a", ignore=("id",)),
        summarise(table.to_batches()),
        lambda columns: iter(table.select(columns).to_batches(max_chunksize=7)),
        table,
    )
    made = row_hashes(context)
    assert repeats(made.whole) == repeated(cleaned)
    assert repeats(made.features) == repeated([row[1:] for row in cleaned])
    assert repeats(made.target) == repeated([row[:1] for row in cleaned])
    assert made.has_target.tolist() == [row[0] is not None for row in cleaned]
    alike = [i for i, row in enumerate(cleaned) if cleaned.count(row) > 1]
    assert shared(made.whole).tolist() == alike


def repeated(rows: list[Any]) -> tuple[int, tuple[int, ...]]:
    seen: set[object] = set()
    later = [i for i, row in enumerate(rows) if row in seen or seen.add(row)]  # type: ignore[func-returns-value]
    return len(later), tuple(later[:20])


@pytest.mark.parametrize(
    "array",
    [
        pa.array([1, 2, None, 1], pa.int64()),
        pa.array([2**63 + 1, 2**63, None, 2**63 + 1], pa.uint64()),
        pa.array([1.5, -0.5, None, 1.5], pa.float32()),
        pa.array([True, False, None, True]),
        pa.array([1, 2, None, 1], pa.timestamp("ns")),
        pa.array([1, 2, None, 1], pa.date32()),
        pa.array([1, 2, None, 1], pa.decimal128(9, 2)),
        pa.array([1, 2, None, 1], pa.time64("us")),
        pa.array(["x", "y", None, "x"]),
        pa.array(["x", "y", None, "x"]).dictionary_encode(),
        pa.array([b"x", b"y\xff", None, b"x"]),
        pa.array([[1], [2, 3], None, [1]]),
        pa.array([{"a": 1}, {"a": 2}, None, {"a": 1}]),
        pa.array(["a", "b", "x", "y", None, "x"])[2:],
    ],
    ids=lambda array: str(array.type),
)
def test_equal_values_and_only_those_share_a_hash(array: pa.Array) -> None:
    first, second, missing, again = hash_column(array).tolist()
    assert first == again
    assert len({first, second, missing}) == 3


def test_minus_zero_is_zero_and_a_code_is_its_text() -> None:
    assert len(set(hash_column(pa.array([0.0, -0.0])).tolist())) == 1
    plain, coded = pa.array(["x", "y"]), pa.array(["y", "x"]).dictionary_encode()
    assert hash_column(plain).tolist() == hash_column(coded).tolist()[::-1]


def test_a_million_strings_do_not_collide() -> None:
    names = pa.array([f"{i}" for i in range(300_000)])
    assert len(np.unique(hash_column(names))) == 300_000


def test_long_texts_are_told_apart_at_their_end() -> None:
    texts = pa.array(["short", "x" * 200 + "a", "x" * 200 + "b", "", "x" * 200 + "a", "short"])
    hashes = hash_column(texts).tolist()
    assert (hashes[0], hashes[1]) == (hashes[5], hashes[4])
    assert len(set(hashes)) == 4
    assert hash_column(texts[2:]).tolist() == hashes[2:]


def rows_of(n: int) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table({"id": np.arange(n), "x": rng.normal(size=n), "c": rng.choice(["a", "b"], n)})


def test_later_copies_are_reported(audit: Auditor) -> None:
    table = rows_of(1_500)
    table = pa.concat_tables([table, table.slice(4, 3)])
    (finding,) = found(audit(table), "duplicated_rows")
    assert (finding.severity, finding.n_rows, finding.rows) == ("warn", 3, (1_500, 1_501, 1_502))
    assert "duplicated_rows" in audit(rows_of(1_500)).passed


def test_copies_under_a_new_key_are_seen(audit: Auditor) -> None:
    table = pa.concat_tables([rows_of(300), rows_of(300).slice(0, 10)])
    table = table.set_column(0, "id", pa.array(np.arange(310)))
    (finding,) = found(audit(table, data=DataSpec(source="x", key="id")), "duplicated_rows")
    assert finding.n_rows == 10
    assert "'id'" in finding.message["en"]


def test_more_than_half_copies_block(audit: Auditor) -> None:
    (finding,) = found(audit(pa.concat_tables([rows_of(100)] * 3)), "duplicated_rows")
    assert finding.severity == "block"


def test_repeats_that_must_be_only_warn(audit: Auditor) -> None:
    rng = np.random.default_rng(0)
    table = pa.table({"class": rng.choice(["1st", "2nd"], 500), "sex": rng.choice(["f", "m"], 500)})
    (finding,) = found(audit(table), "duplicated_rows")
    assert finding.severity == "warn"


def test_a_key_that_repeats_or_is_missing_blocks(audit: Auditor) -> None:
    ids = pa.array([0, 1, 1, None, None, *range(5, 300)])
    table = rows_of(300).set_column(0, "id", ids)
    (finding,) = found(audit(table, data=DataSpec(source="x", key="id")), "duplicated_key")
    assert (finding.severity, finding.n_rows, finding.rows) == ("block", 3, (2, 3, 4))
    assert "duplicated_key" in audit(rows_of(300), data=DataSpec(source="x", key="id")).passed

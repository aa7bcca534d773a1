"""Unit ids: unique in a table, the same for the same row of another one, on every machine and version."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cauce.core.errors import UserError
from cauce.data.units import shares, unit_ids
from cauce.profile import hashing
from cauce.profile.hashing import hash_texts, mix

MASK = (1 << 64) - 1


def slow_mix(value: int) -> int:
    z = (value + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def slow_hash(text: str, seed: int) -> int:
    salt, raw = slow_mix(seed), text.encode()
    total = sum(slow_mix((i << 8 | byte) ^ salt) for i, byte in enumerate(raw)) & MASK
    return slow_mix(total ^ slow_mix(len(raw) ^ salt))


@given(st.lists(st.text(max_size=12), max_size=20), st.integers(0, MASK), st.integers(0, 5))
def test_fast_hash_equals_its_slow_twin(texts: list[str], seed: int, start: int) -> None:
    array = pa.array(texts, pa.string())
    assert hash_texts(array, seed=seed).tolist() == [slow_hash(text, seed) for text in texts]
    assert hash_texts(array.slice(start), seed=seed).tolist() == [slow_hash(text, seed) for text in texts[start:]]


def test_hash_is_frozen_for_good() -> None:
    assert slow_mix(0) == 0xE220A8397B1DCDAF  # SplitMix64's published first output for seed 0
    assert mix(np.zeros(1, np.uint64))[0] == 0xE220A8397B1DCDAF
    table = pa.table({"a": [1, None], "b": ["x", "ñ"], "c": [0.5, None], "d": [True, None]})
    assert unit_ids(table, None).tolist() == FROZEN


FROZEN = ["9504ec5445a453ca3d54e52d7c674a74", "7262d995424c9c5e00f2dd4c31d8998d"]


def test_shares_are_even() -> None:
    got = shares(hash_texts(pa.array([str(i) for i in range(20_000)])))
    counts, _ = np.histogram(got, bins=10, range=(0, 1))
    assert counts.min() > 1800
    assert counts.max() < 2200


def test_key_is_the_id_as_text() -> None:
    assert unit_ids(pa.table({"k": [7, 8]}), "k").tolist() == ["7", "8"]
    assert unit_ids(pa.table({"k": pa.array(["x", "y"]).dictionary_encode()}), "k").tolist() == ["x", "y"]


def test_key_without_value_is_refused() -> None:
    with pytest.raises(UserError, match="1 rows have no value"):
        unit_ids(pa.table({"k": [7, None]}), "k")
    with pytest.raises(UserError, match="no such column"):
        unit_ids(pa.table({"k": [7]}), "q")


ROW = st.fixed_dictionaries(
    {"a": st.none() | st.integers(0, 2), "b": st.none() | st.sampled_from(["", "x"]), "c": st.none() | st.just(0.0)}
)
SCHEMA = pa.schema({"a": pa.int64(), "b": pa.string(), "c": pa.float64()})


@given(st.lists(ROW, min_size=1, max_size=30), st.randoms())
def test_content_ids_are_unique_and_agree_between_tables(rows: list[dict[str, object]], random: object) -> None:
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    ids = unit_ids(table, None)
    assert len(set(ids.tolist())) == len(rows)
    other = unit_ids(table.take(list(range(len(rows)))[::-1]).select(["c", "a", "b"]), None)
    assert sorted(other.tolist()) == sorted(ids.tolist())
    plain = [one.partition(".")[0] for one in ids.tolist()]
    for i, row in enumerate(rows):
        assert [plain[j] == plain[i] for j in range(len(rows))] == [other_row == row for other_row in rows]


def test_numbers_agree_whatever_their_width() -> None:
    wide = pa.table({"a": pa.array([1, 2], pa.int64()), "b": pa.array([0.5, -0.0], pa.float64())})
    narrow = pa.table({"a": pa.array([1, 2], pa.int8()), "b": pa.array([0.5, 0.0], pa.float32())})
    assert unit_ids(wide, None).tolist() == unit_ids(narrow, None).tolist()


def test_value_in_another_column_is_another_row() -> None:
    one, other = pa.table({"a": ["x"], "b": ["y"]}), pa.table({"a": ["y"], "b": ["x"]})
    assert unit_ids(one, None)[0] != unit_ids(other, None)[0]


def test_texts_longer_than_a_piece_hash_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pa.array(["", "a" * 100, "é" * 33, "", "b", "c" * 75, ""])
    whole = hash_texts(texts)
    monkeypatch.setattr(hashing, "_PIECE", 37)
    assert hash_texts(texts).tolist() == whole.tolist()

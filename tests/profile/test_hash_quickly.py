"""The quick hash tells texts apart as they are, and knows each again wherever it stands."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.profile.hashing import hash_quickly

TEXTS = st.one_of(
    st.text(max_size=20),
    st.integers(0, 40).map(lambda n: "a" * n),
    st.integers(0, 40).map(lambda n: "\x00" * n),
    st.tuples(st.integers(500, 1_100), st.sampled_from("abc")).map(lambda pair: "x" * pair[0] + pair[1]),
)


@given(st.lists(TEXTS, min_size=1, max_size=60), st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_hashes_are_equal_exactly_where_texts_are(texts: list[str], offset: int) -> None:
    hashes = hash_quickly(pa.array(["before"] * offset + texts, pa.string()).slice(offset)).tolist()
    assert len(set(hashes)) == len(set(texts))
    assert [hash_quickly(pa.array([text]))[0] for text in texts] == hashes


def test_nothing_has_no_hash() -> None:
    assert hash_quickly(pa.array([], pa.string())).tolist() == []
    assert len(hash_quickly(pa.array(["", ""]))) == 2


def test_many_texts_do_not_collide() -> None:
    texts = pa.array([f"{i:08d} {i % 7} and some more of the same text" for i in range(300_000)])
    assert len(set(hash_quickly(texts).tolist())) == 300_000

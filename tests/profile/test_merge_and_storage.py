"""Profiles of parts merge into the profile of the whole; one small file keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.core.errors import UserError
from cauce.profile import FORMAT, Profile, summarise
from cauce.profile.gather import gather


def table_of(n: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "hours": pa.array(rng.exponential(10, n), mask=rng.random(n) < 0.1),
            "level": pa.array(rng.choice(["a", "b", "c"], n)),
            "user": pa.array([f"u{i}" for i in rng.integers(0, 40_000, n)]),
            "visits": pa.array(rng.integers(0, 30, n)),
            "at": pa.array(rng.integers(1_600_000_000, 1_700_000_000, n), pa.timestamp("s")),
            "done": pa.array(rng.random(n) < 0.3),
        }
    )


@given(st.lists(st.integers(1, 400), min_size=2, max_size=5), st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_merge_order_is_irrelevant(sizes: list[int], random: object) -> None:
    table = table_of(sum(sizes))
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    parts = [summarise(table.slice(start, size).to_batches()) for start, size in zip(starts, sizes, strict=True)]
    whole = summarise(table.to_batches())
    random.shuffle(parts)  # type: ignore[attr-defined]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merge(part)
    assert merged.n_rows == whole.n_rows
    for name, expected in whole.columns.items():
        column = merged.columns[name]
        assert column.counts == expected.counts
        assert (column.n_missing, column.minimum, column.maximum) == (
            expected.n_missing,
            expected.minimum,
            expected.maximum,
        )
        assert column.mean == pytest.approx(expected.mean)
        assert column.variance == pytest.approx(expected.variance)


def test_merged_sketches_stay_inside_their_errors() -> None:
    table = table_of(60_000)
    parts = [summarise(table.slice(i * 20_000, 20_000).to_batches()) for i in (2, 0, 1)]
    merged = parts[0].merge(parts[1]).merge(parts[2])
    hours = table["hours"].drop_null().to_numpy()
    found = np.searchsorted(np.sort(hours), merged.quantiles("hours", [0.1, 0.5, 0.9])) / len(hours)
    assert np.abs(found - [0.1, 0.5, 0.9]).max() <= 2 * merged.columns["hours"].rank_error
    assert merged.n_distinct("user") == pytest.approx(len(table["user"].unique()), rel=0.05)
    assert dict(merged.columns["visits"].counts) == dict(summarise(table.to_batches()).columns["visits"].counts)


def test_a_sketched_part_merges_with_a_counted_one() -> None:
    many = summarise(pa.table({"x": [f"v{i}" for i in range(9_000)]}).to_batches())
    few = summarise(pa.table({"x": ["v1"] * 4_000}).to_batches())
    for merged in (many.merge(few), few.merge(many)):
        assert merged.n_rows == 13_000
        assert merged.n_distinct("x") == pytest.approx(9_000, rel=0.05)
        assert next(iter(merged.columns["x"].counts)) == "v1"


def test_a_column_that_one_part_lacks_is_missing_there() -> None:
    merged = summarise(pa.table({"x": [1, 2]}).to_batches()).merge(summarise(pa.table({"y": ["a"]}).to_batches()))
    assert (merged.n_rows, merged.n_missing("x"), merged.n_missing("y")) == (3, 1, 2)


def test_parts_of_different_types_are_refused() -> None:
    one, other = (summarise(pa.table({"x": pa.array([1], kind)}).to_batches()) for kind in (pa.int64(), pa.float64()))
    with pytest.raises(UserError, match="int64 and double"):
        one.merge(other)


def test_a_profile_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    profile = summarise(table_of(20_000).to_batches())
    profile.save(tmp_path / "profile.arrow")
    assert Profile.load(tmp_path / "profile.arrow") == profile
    assert (tmp_path / "profile.arrow").stat().st_size < 300_000
    again = Profile.load(tmp_path / "profile.arrow")
    assert again.merge(profile).n_rows == 40_000


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        Profile.load(tmp_path / "none.arrow")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_explained(tmp_path: Path, share: float) -> None:
    content = summarise(table_of(2_000).to_batches()).to_bytes()
    path = tmp_path / "profile.arrow"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match="not a readable profile"):
        Profile.load(path)


def test_another_arrow_file_is_no_profile(tmp_path: Path) -> None:
    path = tmp_path / "other.arrow"
    with pa.ipc.new_file(str(path), pa.schema([("x", pa.int64())])) as writer:
        writer.write_table(pa.table({"x": [1]}))
    with pytest.raises(UserError, match="not a profile"):
        Profile.load(path)


def as_format(profile: Profile, version: int) -> bytes:
    """The profile as another version of Cauce would have written it; 1 had fewer fields."""
    table = pa.ipc.open_file(pa.BufferReader(profile.to_bytes())).read_all()
    metadata = table.schema.metadata | {b"cauce.profile": str(version).encode()}
    if version == 1:
        table = table.select([name for name in table.schema.names if name != "text" and "together" not in name])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema.with_metadata(metadata)) as writer:
        writer.write_table(table.replace_schema_metadata(metadata))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def test_an_older_profile_is_read_without_what_it_did_not_know() -> None:
    profile = summarise(table_of(2_000).to_batches())
    old = Profile.from_bytes(as_format(profile, 1))
    assert old.together is None
    assert old.column("level").text is None
    assert old.correlation("hours", "visits") is None
    assert old.column("level").counts == profile.column("level").counts
    for merged in (old.merge(profile), profile.merge(old)):
        assert merged.n_rows == 4_000
        assert merged.column("level").text is None, "the facts of one part are not those of both"
        assert merged.together is None
        assert Profile.from_bytes(merged.to_bytes()) == merged


def test_a_newer_profile_is_refused() -> None:
    with pytest.raises(UserError, match="not a profile that this Cauce reads"):
        Profile.from_bytes(as_format(summarise(table_of(50).to_batches()), FORMAT + 1))


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_threads_change_nothing(n_threads: int) -> None:
    batches = table_of(30_000).to_batches(max_chunksize=2_000)
    n_rows, columns, together = gather(batches, n_threads=n_threads)
    again = Profile(n_rows, columns, together)
    whole = summarise(batches)
    assert again.together == whole.together
    for name, column in whole.columns.items():
        assert (again.columns[name].counts, again.columns[name].mean) == (column.counts, column.mean)
        assert again.columns[name].n_distinct == column.n_distinct


def test_what_goes_wrong_while_reading_is_not_hidden_by_the_threads() -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield from table_of(100).to_batches()
        raise UserError("the file ends early", where="x", received="y", hint="z")

    with pytest.raises(UserError, match="ends early"):
        summarise(broken())


@given(st.binary(max_size=300))
@settings(max_examples=40, deadline=None)
def test_any_bytes_are_refused_with_reason(content: bytes) -> None:
    with pytest.raises(UserError):
        Profile.from_bytes(content)


@pytest.mark.slow
def test_very_wide_tables_stay_small() -> None:
    rng = np.random.default_rng(0)
    table = pa.table({f"x{i}": rng.normal(size=1_000) for i in range(2_500)})
    profile = summarise(table.to_batches())
    assert not profile.column("x7").exact, "2,500 columns count 800 distinct values each"
    assert profile.n_distinct("x7") == pytest.approx(1_000, rel=0.05)
    assert len(profile.to_bytes()) < 2_500 * 10_000
    assert profile.merge(profile).n_rows == 2_000

"""Why a mean changed: parts that sum to it, errors that hold, planted causes that are found and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.core.artefacts import Column, Schema
from cauce.core.why import Change
from cauce.watch.why.change import Sample, cut, explain
from cauce.watch.why.parts import Side, apart, mix_error, moments, moments_paired, of_rows, split
from cauce.watch.why.segments import segments_of

Floats = npt.NDArray[np.float64]
SCHEMA = Schema((Column("kind", "category"), Column("size", "number"), Column("other", "category")))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 60))
def test_mix_and_relation_sum_to_the_change_whatever_is_empty(k: int, seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    mass = np.array([np.bincount(rng.integers(0, k, size), minlength=k) for size in (n, m)]).astype(np.float64)
    means = rng.normal(size=(2, k))
    found = split(mass, mass * means)
    wanted = np.average(means[1], weights=mass[1]) - np.average(means[0], weights=mass[0])
    assert found.mix.sum() + found.relation.sum() == pytest.approx(wanted, abs=1e-12)
    assert (found.relation[~found.both] == 0).all()


def test_simpsons_case_is_all_mix_where_no_kind_changed() -> None:
    """Every kind of rows fares better, and the whole fares worse, as in Berkeley: the two parts say so."""
    mass, means = np.array([[90.0, 10.0], [10.0, 90.0]]), np.array([[1.0, 5.0], [0.9, 4.9]])
    found = split(mass, mass * means)
    assert found.relation.sum() == pytest.approx(-0.1)
    assert found.mix.sum() == pytest.approx(0.8 * 4.0)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_parts_sum_to_the_change_on_any_rows(seed: int, paired: bool) -> None:
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(2, 300)), int(rng.integers(2, 300))
    m = n if paired else m
    before, after = _rows(rng, n), _rows(rng, m)
    rows = (before, before) if paired else (before, after)
    segments, _ = cut(*rows, SCHEMA)
    values = rng.exponential(size=n), rng.exponential(size=m) * rng.uniform(0.2, 3)
    samples = [Sample(name, row, value) for name, row, value in zip("ab", rows, values, strict=True)]
    found = explain("loss", samples, segments, paired=paired)
    assert sum(part.amount for part in found.parts) == pytest.approx(found.after - found.before, abs=1e-10)
    for part in found.parts:
        if part.cause == "mix":
            assert sum(segment.amount for segment in part.segments) == pytest.approx(part.amount, abs=1e-10)


def _rows(rng: np.random.Generator, n: int) -> pa.Table:
    kinds = np.array(["a", "b", "c", "d"])[rng.choice(4, n, p=rng.dirichlet(np.ones(4)))]
    size = pa.array(rng.normal(size=n), mask=rng.random(n) < 0.1)
    return pa.table({"kind": kinds, "size": size, "other": np.array(["x", "y"])[rng.integers(0, 2, n)]})


def test_the_error_of_the_mix_is_that_of_repeated_draws() -> None:
    rng, amounts, errors = np.random.default_rng(1), [], []
    for _ in range(600):
        sides, codes = zip(*(_drawn(rng, later) for later in (False, True)), strict=True)
        found = of_rows((sides[0], sides[1]), (codes[0], codes[1]), 3)
        amounts.append(found.mix.sum())
        errors.append(mix_error((sides[0], sides[1]), (codes[0], codes[1]), found))
    assert np.mean(errors) == pytest.approx(np.std(amounts), rel=0.12)


def _drawn(rng: np.random.Generator, later: bool) -> tuple[Side, npt.NDArray[np.int64]]:
    code = rng.choice(3, 400, p=[0.5, 0.2, 0.3] if later else [0.5, 0.3, 0.2]).astype(np.int64)
    values = np.array([0.5, 1.0, 2.0])[code] * rng.exponential(size=400)
    return Side(values, np.ones(400), None), code


def test_segments_that_all_changed_alike_are_named_as_often_as_was_asked_for() -> None:
    rng, smallest = np.random.default_rng(2), []
    for _ in range(800):
        (one, code), (other, codes) = _drawn(rng, False), _drawn(rng, True)
        other = other._replace(values=other.values + 0.3)  # everywhere alike
        smallest.append(apart(moments((one, other), (code, codes), 3))[0])
    share = np.mean(np.array(smallest) < 0.05)
    assert 0.03 < share < 0.075


def test_rows_of_one_person_count_once_in_the_error() -> None:
    rng = np.random.default_rng(3)
    people, codes = np.repeat(np.arange(100), 10), np.zeros(1000, np.int64)
    values = np.repeat(rng.normal(size=100), 10)
    plain = moments_paired(Side(values, np.ones(1000), None), codes, 1)
    grouped = moments_paired(Side(values, np.ones(1000), people), codes, 1)
    assert grouped.variance[0] / plain.variance[0] == pytest.approx(10, rel=0.02)
    assert grouped.df[0] == 99


def test_a_segment_with_few_rows_is_not_judged() -> None:
    one = Side(np.arange(40.0), np.ones(40), None)
    code = np.array([0] * 35 + [1] * 5)
    found = moments((one, one), (code, code), 2)
    assert np.isinf(found.variance[1])
    assert (apart(found)[0] == 1).all()


Cost = Callable[[pa.Table, bool], Floats]


def _seen(seed: int, cost: Cost, *, more_c: bool = False, n: int = 2500) -> Change:
    rng, samples = np.random.default_rng(seed), []
    tables = []
    for later in (False, True):
        share = 0.24 if later and more_c else 0.12
        rest = (1 - share) / 3
        kind = np.array(["a", "b", "c", "d"])[rng.choice(4, n, p=[rest, rest, share, rest])]
        other = np.array(["x", "y", "z"])[rng.integers(0, 3, n)]
        rows = pa.table({"kind": kind, "size": rng.normal(size=n), "other": other})
        losses = cost(rows, later) * rng.exponential(size=n)
        tables.append(rows)
        samples.append(Sample("April" if later else "March", rows, losses))
    segments, _ = cut(tables[0], tables[1], SCHEMA)
    return explain("loss", samples, segments, rng=rng)


def _base(rows: pa.Table) -> Floats:
    return np.where(np.asarray(rows["kind"].to_pylist()) == "c", 1.2, 0.4)


def _causes(change: Change) -> set[tuple[str, str | None]]:
    return {(part.cause, part.column) for part in change.parts if part.proven and part.cause != "everywhere"}


def test_a_kind_of_rows_that_came_twice_as_often_is_the_cause_in_nine_of_ten_seeds() -> None:
    found = [_seen(seed, lambda rows, later: _base(rows), more_c=True) for seed in range(20)]
    assert np.mean([_causes(change) == {("mix", "kind")} for change in found]) >= 0.9
    part = next(part for part in found[0].parts if part.cause == "mix")
    assert part.segments[0].label["en"] == "kind = c"
    assert part.segments[0].share[1] > 1.6 * part.segments[0].share[0]
    assert part.interval[0] < part.amount < part.interval[1]
    assert "such rows were harder all along" in found[0].reason["en"]
    assert "esas filas siempre fueron más difíciles" in found[0].reason["es"]
    assert found[0].columns[0].column == "kind"


def test_a_kind_of_rows_that_became_worse_is_the_cause_in_nine_of_ten_seeds() -> None:
    def cost(rows: pa.Table, later: bool) -> Floats:
        return _base(rows) * np.where((np.asarray(rows["other"].to_pylist()) == "y") & later, 1.6, 1.0)

    found = [_seen(seed, cost) for seed in range(20)]
    assert np.mean([_causes(change) == {("relation", "other")} for change in found]) >= 0.9
    part = next(part for part in found[0].parts if part.cause == "relation")
    assert [segment.label["en"] for segment in part.segments] == ["other = y"]
    assert "“other = y”" in found[0].reason["en"]


def test_both_at_once_are_told_apart_and_a_change_of_all_rows_names_no_column() -> None:
    def cost(rows: pa.Table, later: bool) -> Floats:
        return _base(rows) * np.where((np.asarray(rows["other"].to_pylist()) == "y") & later, 1.7, 1.0)

    both = [_seen(seed, cost, more_c=True) for seed in range(10)]
    assert np.mean([_causes(change) == {("mix", "kind"), ("relation", "other")} for change in both]) >= 0.9
    alike = [_seen(seed, lambda rows, later: _base(rows) * (1.25 if later else 1.0)) for seed in range(10)]
    assert np.mean([not _causes(change) and change.proven for change in alike]) >= 0.8


def test_where_nothing_changed_nothing_is_named() -> None:
    found = [_seen(seed, lambda rows, later: _base(rows)) for seed in range(40)]
    assert np.mean([bool(_causes(change)) for change in found]) <= 0.1
    quiet = next(change for change in found if not change.proven and not _causes(change))
    assert "no cause is named" in quiet.reason["en"]
    assert "no se nombra ninguna causa" in quiet.reason["es"]


def test_two_releases_on_the_same_rows_are_compared_row_by_row() -> None:
    rng = np.random.default_rng(0)
    rows = pa.table(
        {
            "kind": np.array(["a", "b", "c", "d"])[rng.integers(0, 4, 600)],
            "size": rng.normal(size=600),
            "other": np.array(["x", "y"])[rng.integers(0, 2, 600)],
        }
    )
    hard = 50 * rng.exponential(size=600)  # rows differ far more than releases: only pairing sees it
    newer = hard + np.where(np.asarray(rows["kind"].to_pylist()) == "b", 0.3, 0.0) + rng.normal(0, 0.2, 600)
    segments, _ = cut(rows, rows, SCHEMA)
    samples = [Sample("3", rows, hard), Sample("5", rows, newer)]
    found = explain("loss", samples, segments, paired=True)
    assert _causes(found) == {("relation", "kind")}
    assert found.proven
    unpaired = explain("loss", samples, segments)
    assert not unpaired.proven


def test_a_column_is_cut_by_its_kind_and_dates_are_left_out() -> None:
    numbers = pa.chunked_array([[float(i % 50) for i in range(200)] + [None, float("inf")]])
    found = segments_of("x", "number", numbers, numbers)
    assert found is not None
    assert found.labels[-1]["en"] == "x is missing"
    assert (found.before[-2:] == len(found.labels) - 1).all()
    assert np.bincount(found.before).min() >= 2
    few = segments_of("n", "integer", pa.chunked_array([[1, 2] * 50]), pa.chunked_array([[2] * 100]))
    assert few is not None
    assert [label["en"] for label in few.labels] == ["n = 1", "n = 2"]
    texts = pa.chunked_array([["a", "bb", "ccc", None] * 30])
    by_length = segments_of("t", "text", texts, texts)
    assert by_length is not None
    assert by_length.labels[0]["es"] == "longitud de t = 1"
    rare = pa.chunked_array([["common"] * 100 + [f"rare {i}" for i in range(30)]])
    named = segments_of("c", "category", rare, rare)
    assert named is not None
    assert [label["en"] for label in named.labels] == ["c = common", "c is another"]
    moments_ = pa.chunked_array([pa.array([0, 10**15], pa.timestamp("us", "UTC"))])
    assert segments_of("d", "datetime", moments_, moments_) is None
    _, skipped = cut(pa.table({"d": moments_}), pa.table({"d": moments_}), Schema((Column("d", "datetime"),)))
    assert "explains nothing" in skipped["d"]["en"]


def test_a_column_has_one_mix_also_where_the_columns_weighed_after_it_moved_it_again() -> None:
    def month(seed: int, often: float, worse: float, together: float) -> Sample:
        rng = np.random.default_rng(seed)
        a = rng.random(8000) < often
        b = np.where(rng.random(8000) < together, a, rng.random(8000) < often)
        losses = (0.3 + 0.8 * a + 0.6 * b + worse * a) * rng.exponential(size=8000)
        return Sample(str(seed), pa.table({"a": np.where(a, "x", "y"), "b": np.where(b, "u", "v")}), losses)

    before, after = month(0, 0.2, 0.0, 0.3), month(1, 0.55, 1.0, 0.0)
    schema = Schema((Column("a", "category"), Column("b", "category")))
    change = explain("loss", [before, after], cut(before.rows, after.rows, schema)[0])
    assert [(part.cause, part.column) for part in change.parts] == [
        ("mix", "a"), ("mix", "b"), ("relation", "a"), ("everywhere", None),
    ]  # fmt: skip
    assert sum(part.amount for part in change.parts) == pytest.approx(change.after - change.before)
    for part in change.parts[:2]:
        assert sum(one.amount for one in part.segments) == pytest.approx(part.amount)
        assert part.interval[0] < part.amount < part.interval[1]

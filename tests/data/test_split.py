"""Splits: every row once, nothing of the future, no group twice, and the same side tomorrow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce import data
from cauce.core.errors import UserError
from cauce.core.specs import SplitSpec


def split(
    table: pa.Table,
    *,
    task: str = "regress",
    key: str | None = None,
    time: str | None = None,
    group: str | None = None,
    **spec: object,
) -> data.Split:
    made = SplitSpec.model_validate(spec)
    return data.split(table, made, task=task, target="y", key=key, time=time, group=group)


def check_partition(parts: data.Split, n_rows: int) -> None:
    both = np.concatenate([parts.develop, parts.held_out])
    assert sorted(both.tolist()) == list(range(n_rows))
    assert len(parts.develop) >= 1
    assert len(parts.held_out) >= 1
    assert len(parts.units) == n_rows
    assert len(parts.folds) >= 1
    for train, test in parts.folds:
        assert len(train) >= 1
        assert len(test) >= 1
        assert not set(train) & set(test)
        assert set(train) | set(test) <= set(parts.develop)
        assert train.dtype == test.dtype == np.int64


def check_all_tested_once(parts: data.Split) -> None:
    tested = np.concatenate([test for _, test in parts.folds])
    assert sorted(tested.tolist()) == parts.develop.tolist()


GROUPS = st.lists(st.integers(0, 12), min_size=3, max_size=120).filter(lambda groups: len(set(groups)) >= 3)
YEARS = st.lists(st.integers(1990, 2010), min_size=4, max_size=120).filter(
    lambda years: len(set(years)) >= 2 and sum(year < max(years) for year in years) >= 2
)
SHARES = st.sampled_from([0.05, 0.2, 0.5, 0.85])


@settings(deadline=None)
@given(st.integers(3, 120), SHARES, st.integers(0, 99), st.none() | st.integers(2, 7))
def test_random_split_holds_every_row_once(n: int, share: float, seed: int, folds: int | None) -> None:
    parts = split(pa.table({"y": list(range(n))}), held_out=share, seed=seed, folds=folds)
    assert parts.kind == "random"
    check_partition(parts, n)
    check_all_tested_once(parts)
    sizes = [len(test) for _, test in parts.folds]
    assert max(sizes) - min(sizes) <= 1


@settings(deadline=None)
@given(st.lists(st.sampled_from("aaaabbc"), min_size=3, max_size=120), SHARES, st.integers(0, 9))
def test_stratified_split_gives_each_class_its_share(classes: list[str], share: float, seed: int) -> None:
    table = pa.table({"y": classes, "id": list(range(len(classes)))})
    parts = split(table, task="classify", key="id", held_out=share, seed=seed)
    assert parts.kind == "stratified"
    check_partition(parts, len(classes))
    check_all_tested_once(parts)
    held, labels = set(parts.held_out.tolist()), np.array(classes)
    for label in set(classes):
        rows = np.flatnonzero(labels == label)
        got = len(held & set(rows.tolist()))
        if len(classes) > 12:  # with fewer, one row more or less keeps both sides alive
            assert abs(got - len(rows) * share) <= 1.5
        spread = [int((labels[test] == label).sum()) for _, test in parts.folds]
        assert max(spread) - min(spread) <= 1


@settings(deadline=None)
@given(st.integers(20, 200), st.integers(1, 15), st.sampled_from(["classify", "regress"]), st.integers(0, 9))
def test_copies_of_a_row_go_to_one_side_of_everything(n: int, n_copied: int, task: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=n), rng.integers(0, 2, n).astype(str)
    again = rng.permutation(n)[:n_copied]
    of = np.concatenate([np.arange(n), again])
    table = pa.table({"id": np.arange(len(of)), "x": x[of], "y": y[of] if task == "classify" else x[of] ** 2})
    parts = split(table, task=task, key="id", seed=seed)
    check_partition(parts, len(of))
    check_all_tested_once(parts)
    for one, other in [(parts.develop, parts.held_out), *parts.folds]:
        assert not set(of[one]) & set(of[other])
    alone = split(table.slice(0, n), task=task, key="id", seed=seed)
    if task == "regress":  # rows without copies stay where they were
        assert set(parts.held_out) - set(again) - set(range(n, len(of))) == set(alone.held_out) - set(again)


def test_rows_that_must_repeat_or_are_frequent_are_no_copies() -> None:
    few = pa.table({"id": np.arange(400), "x": np.arange(400) % 5, "y": np.arange(400) % 3})
    frequent = np.random.default_rng(0).normal(size=400)
    frequent[:100] = 0.0
    for table in (few, pa.table({"id": np.arange(400), "x": frequent, "y": frequent})):
        sizes = [len(test) for _, test in split(table, key="id").folds]
        assert max(sizes) - min(sizes) <= 1


@settings(deadline=None)
@given(GROUPS, SHARES, st.integers(0, 9))
def test_split_by_group_never_shares_groups(groups: list[int], share: float, seed: int) -> None:
    parts = split(pa.table({"y": groups, "g": groups}), group="g", held_out=share, seed=seed)
    assert parts.kind == "group"
    check_partition(parts, len(groups))
    check_all_tested_once(parts)
    of = np.array(groups)
    for one, other in [(parts.develop, parts.held_out), *parts.folds]:
        assert not set(of[one]) & set(of[other])


@settings(deadline=None)
@given(YEARS, SHARES, st.integers(2, 6))
def test_split_by_time_keeps_the_order_of_time(years: list[int], share: float, folds: int) -> None:
    parts = split(pa.table({"y": years, "t": years}), time="t", held_out=share, folds=folds)
    when = np.array(years)
    assert parts.kind == "time"
    both = np.concatenate([parts.develop, parts.held_out])
    assert sorted(both.tolist()) == list(range(len(years)))
    assert when[parts.develop].max() < when[parts.held_out].min()
    distinct = np.unique(when[parts.develop])
    if len(distinct) > 1:
        assert min(2, len(distinct) - 1) <= len(parts.folds) <= folds
        for train, test in parts.folds:
            assert when[train].max() < when[test].min()
        starts = [len(train) for train, _ in parts.folds]
        assert starts == sorted(set(starts))
        if len(distinct) > 10:
            assert starts[0] >= 0.4 * len(parts.develop)


def test_split_by_time_cuts_near_the_share() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    rng = np.random.default_rng(0)
    times = [start + timedelta(minutes=int(m)) for m in rng.permutation(1000)]
    parts = split(pa.table({"y": list(range(1000)), "t": times}), time="t")
    assert len(parts.held_out) == 200
    assert [len(train) for train, _ in parts.folds] == [320, 416, 512, 608, 704]
    assert [len(test) for _, test in parts.folds] == [96] * 5


@pytest.mark.parametrize(
    ("times", "held"),
    [
        (["2019-01-01", "2020-01-01", "2021-01-01", "2018-05-05"], [2]),
        (["2019-Q1", "2019-Q4", "2019-Q2", "2019-Q3"], [1]),
        (["2019/20", "2020/21", "2021/22", "2018/19"], [2]),
        ([datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC), datetime(2019, 1, 1, tzinfo=UTC)], [1]),
        ([2.5, 1.5, 0.5], [0]),
        (["2021-03-04T10:30:00+02:00", "2021-03-04T09:00:00+00:00", "2021-03-04T10:45:00+03:00"], [1]),
    ],
)
def test_times_of_many_kinds_sort(times: list[object], held: list[int]) -> None:
    assert split(pa.table({"y": list(range(len(times))), "t": times}), time="t").held_out.tolist() == held


@pytest.mark.parametrize("times", [[1.5, 2.5, 3.5, None], ["2019-Q1", "2019-Q2", "2019-Q3", None]])
def test_ledger_rows_without_a_time_are_folded_as_the_newest(times: list[object]) -> None:
    table = pa.table({"y": [1.0] * 4, "t": times})
    parts = data.fold_all(table, SplitSpec(), task="regress", target="y", key=None, time="t", group=None)
    assert parts.folds[-1][1].tolist() == [3]
    assert all(3 not in train for train, _ in parts.folds)


def test_one_early_moment_falls_back_to_random_folds() -> None:
    parts = split(pa.table({"y": list(range(10)), "t": [1] * 8 + [2] * 2}), time="t")
    assert parts.held_out.tolist() == [8, 9]
    check_partition(parts, 10)
    check_all_tested_once(parts)


BAD = [
    ({"y": [1, 2, 3], "t": [5, 5, 5]}, {"time": "t"}, "same time"),
    ({"y": [1, 2, 3], "t": [5, None, None]}, {"time": "t"}, "2 rows have no time"),
    ({"y": [1, 2, 3], "t": ["1/2/2020", "3/4/2021", "5/6/2022"]}, {"time": "t"}, "do not sort as time"),
    ({"y": [1, 2, 3], "t": ["2020-01-01", "2020-1-1", "2021-01-01"]}, {"time": "t"}, "do not sort as time"),
    ({"y": [1, 2, 3], "t": [True, False, True]}, {"time": "t"}, "no times"),
    ({"y": [1, 2, 3], "g": ["a", None, "b"]}, {"group": "g"}, "1 rows have no group"),
    ({"y": [1, 2, 3], "g": ["a", "a", "b"]}, {"group": "g"}, "at least 3 groups"),
    ({"y": [1, 2]}, {}, "too few rows"),
    ({"y": [1, 2, 3]}, {"kind": "time"}, "needs a time column"),
    ({"y": [1, 2, 3]}, {"kind": "group"}, "needs a group column"),
    ({"y": [1.0, 2.0, 3.0]}, {"kind": "stratified"}, "no classes"),
    ({"y": [1, 2, 3], "id": [1, None, 3]}, {"key": "id"}, "1 rows have no value"),
]


@pytest.mark.parametrize(("columns", "keys", "what"), BAD)
def test_what_cannot_be_split_is_an_error(columns: dict[str, list[object]], keys: dict[str, str], what: str) -> None:
    with pytest.raises(UserError, match=what) as caught:
        split(pa.table(columns), **keys)
    assert caught.value.hint


def test_rows_without_target_are_the_callers_bug() -> None:
    with pytest.raises(ValueError, match="1 rows without target"):
        split(pa.table({"y": [1, None, 3]}))


def test_kind_wins_over_the_columns() -> None:
    table = pa.table({"y": list(range(20)), "t": list(range(20)), "g": list(range(20))})
    assert split(table, time="t", group="g").kind == "time"
    assert split(table, group="g").kind == "group"
    assert split(table, time="t", group="g", kind="group").kind == "group"
    assert split(table, time="t", group="g", kind="random").kind == "random"


def sides(parts: data.Split, names: npt.NDArray[np.str_]) -> dict[str, bool]:
    held = np.zeros(len(parts.units), bool)
    held[parts.held_out] = True
    return dict(zip(names.tolist(), held.tolist(), strict=True))


@settings(deadline=None, max_examples=30)
@given(st.integers(20, 200), st.integers(1, 200), st.integers(0, 9))
def test_units_and_groups_stay_on_their_side_when_rows_are_added(n: int, more: int, seed: int) -> None:
    ids = [f"id{i}" for i in range(n + more)]
    groups = [f"g{i % 17}" for i in range(n + more)]
    table = pa.table({"y": list(range(n + more)), "id": ids, "g": groups})
    shuffled = table.take(np.random.default_rng(seed).permutation(n + more))
    for group in (None, "g"):
        early = split(table.slice(0, n), key="id", group=group, seed=seed)
        late = split(shuffled, key="id", group=group, seed=seed)
        before, after = sides(early, early.units), sides(late, late.units)
        assert all(after[unit] == side for unit, side in before.items())


def test_seed_changes_the_sides() -> None:
    table = pa.table({"y": list(range(200))})
    assert split(table, seed=1).held_out.tolist() != split(table, seed=2).held_out.tolist()


def test_random_share_is_near_what_was_asked() -> None:
    assert abs(len(split(pa.table({"y": list(range(20_000))})).held_out) / 20_000 - 0.2) < 0.01


def test_three_folds_from_fifty_thousand_rows_on() -> None:
    assert len(split(pa.table({"y": np.arange(49_000) % 7}), key=None).folds) == 5
    assert len(split(pa.table({"y": np.arange(64_000) % 7}), key=None).folds) == 3


def test_equal_moments_of_a_large_share_stay_together() -> None:
    years = [2019] * 40 + [2020] * 30 + [2021] * 30
    parts = split(pa.table({"y": years, "t": years}), time="t")
    assert len(parts.held_out) == 30
    assert [(len(train), len(test)) for train, test in parts.folds] == [(40, 30)]

"""What a column can explain at most holds for every tree, and sparing trees changes no finding."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.audit import single
from cauce.audit.bounds import most_of_classes, most_of_variance
from cauce.audit.single import judge_columns


@given(st.integers(0, 2**32 - 1), st.integers(30, 300), st.integers(1, 12), st.integers(2, 4), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_no_grouping_into_runs_explains_more_than_the_bounds(
    seed: int, n: int, n_leaves: int, n_classes: int, signal: float
) -> None:
    rng = np.random.default_rng(seed)
    column = np.round(rng.normal(size=n), 1)  # with ties
    classes = np.where(rng.random(n) < signal, (column > 0) * 1, rng.integers(0, n_classes, n))
    numbers = rng.normal(size=n) + 3 * signal * np.sin(column * 3)
    order = np.argsort(column, kind="stable")
    cuts = np.sort(rng.choice(np.unique(column), size=min(n_leaves, len(np.unique(column))) - 1, replace=False))
    leaf = np.searchsorted(cuts, column)
    prior = np.bincount(classes, minlength=n_classes) / n
    base = -np.log(prior[classes]).mean()
    cells = np.zeros((leaf.max() + 1, n_classes))
    np.add.at(cells, (leaf, classes), 1)
    shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
    explained = 1 + np.log(shares[leaf, classes]).mean() / base if base > 0 else 0.0  # the best shares there are
    assert explained <= most_of_classes(order, classes, base, n_leaves=n_leaves) + 1e-9
    means = np.bincount(leaf, weights=numbers) / np.maximum(np.bincount(leaf), 1)
    left = np.square(numbers - means[leaf]).sum() / np.square(numbers - 0.1).sum()
    assert 1 - left <= most_of_variance(order, numbers - 0.1, n_leaves=n_leaves) + 1e-9


@pytest.mark.parametrize("task", ["classify", "regress"])
def test_columns_that_could_be_found_have_the_same_share_with_and_without_the_bound(task: str) -> None:
    rng = np.random.default_rng(4)
    n = 2_000
    target = rng.integers(0, 2, n) if task == "classify" else rng.normal(size=n)
    columns = {
        f"noise_{share}": np.where(rng.random(n) < share, rng.normal(size=n), target * 2.0 + 1)
        for share in (0.0, 0.01, 0.02, 0.05, 0.1, 0.3, 1.0)
    }
    table = pa.table({"target": target, **columns, "waves": np.where(target > 0, 1, 0) + 2 * rng.integers(0, 30, n)})
    names = [name for name in table.column_names if name != "target"]
    full = judge_columns(table, names, "target", task).shares
    spared = judge_columns(table, names, "target", task, least=0.9).shares
    assert {name: share for name, share in full.items() if share >= 0.88} == {
        name: share for name, share in spared.items() if share >= 0.88
    }
    assert max(full.values()) > 0.9


def test_a_wide_table_of_noise_fits_no_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    table = pa.table({"target": rng.integers(0, 2, 2_000), **{f"x{i}": rng.normal(size=2_000) for i in range(50)}})
    fitted = []
    leaves = single._leaves
    monkeypatch.setattr(single, "_leaves", lambda *args: fitted.append(1) or leaves(*args))  # type: ignore[func-returns-value]
    judge_columns(table, table.column_names[1:], "target", "classify", least=0.9)
    assert not fitted

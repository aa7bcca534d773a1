"""Sketches keep what they promise, in the orders that are hardest for them and however the rows are cut and merged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.profile import Profile, summarise

Floats = npt.NDArray[np.float64]
N = 60_000


def _organ(rng: np.random.Generator) -> Floats:
    values = np.sort(rng.normal(size=N))
    return np.concatenate([values[::2], values[1::2][::-1]])


ORDERS: dict[str, Callable[[np.random.Generator], Floats]] = {
    "sorted": lambda rng: np.sort(rng.normal(size=N)),
    "reversed": lambda rng: np.sort(rng.lognormal(size=N))[::-1],
    "up and down": _organ,
    "zipf": lambda rng: rng.zipf(1.3, N).astype(float),
    "two values, then many": lambda rng: np.concatenate([np.zeros(N // 2), np.ones(N // 4), rng.normal(size=N // 4)]),
    "constant": lambda rng: np.full(N, 7.0),
    "with gaps and infinities": lambda rng: np.where(
        rng.random(N) < 0.3, rng.choice([np.nan, np.inf, -np.inf], N), rng.normal(size=N)
    ),
    "huge and tiny": lambda rng: np.float64(10.0) ** rng.uniform(-300, 300, N) * rng.choice([-1.0, 1.0], N),
    "denormal": lambda rng: (rng.integers(1, 1 << 40, N) * 5e-324).astype(float),
    "huge whole numbers": lambda rng: (2**53 + rng.integers(0, 2**40, N)).astype(float),
}


def in_parts(table: pa.Table, rng: np.random.Generator) -> Profile:
    """Cut anywhere, summarise each part with its own batch size, merge in any order and shape."""
    cuts = np.sort(rng.integers(0, len(table) + 1, rng.integers(1, 6))).tolist()
    parts = [table.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, len(table)], strict=True)]
    made = [summarise(part.to_batches(max_chunksize=int(rng.integers(500, 40_000)))) for part in parts if len(part)]
    while len(made) > 1:
        one, other = (made.pop(int(rng.integers(len(made)))) for _ in range(2))
        made.append(one.merge(other))
    return made[0]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("merged", [False, True], ids=["in one pass", "in merged parts"])
def test_quantiles_keep_their_rank_error_in_hard_orders(order: str, merged: bool) -> None:
    rng = np.random.default_rng(5)
    values = ORDERS[order](rng)
    table = pa.table({"x": values})
    profile = in_parts(table, rng) if merged else summarise(table.to_batches(max_chunksize=8_192))
    column = profile.column("x")
    ordered = np.sort(values[np.isfinite(values)])
    ranks = np.linspace(0.005, 0.995, 100)
    found = np.array(column.quantiles(ranks.tolist()))
    low, high = (np.searchsorted(ordered, found, side) / len(ordered) for side in ("left", "right"))
    outside = np.maximum(np.maximum(low - ranks, ranks - high), 0.0)
    assert column.rank_error <= 0.007
    # The bound holds for one quantile with 99 %; the error of all together, at 99.9 %, is less than twice as large.
    assert np.mean(outside > column.rank_error + 1e-9) <= 0.05
    assert outside.max() <= 2 * column.rank_error + 1e-9
    assert (column.minimum, column.maximum) == (ordered[0], ordered[-1])
    assert column.quantiles([0.0, 1.0]) == (ordered[0], ordered[-1])


@pytest.mark.parametrize("n_distinct", [4_999, 5_001, 20_000, 60_000])
@pytest.mark.parametrize("kind", ["text", "whole", "decimal", "neighbours"])
def test_distinct_counts_keep_their_error(n_distinct: int, kind: str) -> None:
    errors = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        codes = np.concatenate([np.arange(n_distinct), rng.integers(0, n_distinct, N - n_distinct)])
        rng.shuffle(codes)
        made: dict[str, pa.Array] = {
            "text": pa.array(codes + 1_000 * seed).cast(pa.string()),
            "whole": pa.array(codes),
            "decimal": pa.array(codes / 7 + seed),
            "neighbours": pa.array(2**62 + codes),
        }
        errors.append(in_parts(pa.table({"x": made[kind]}), rng).n_distinct("x") / n_distinct - 1)
    assert max(map(abs, errors)) <= (0.0 if n_distinct <= 5_000 else 0.039)  # 3.8 % at three sigmas


@given(st.floats(1.05, 2.5), st.integers(0, 2**32 - 1))
@settings(max_examples=8, deadline=None)
def test_heaviest_values_keep_their_error(exponent: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"value {value}" for value in rng.zipf(exponent, 40_000)]
    rare = [f"rare {i}" for i in range(6_000)]
    rows = [*names, *rare] if seed % 2 else [*rare, *names]
    column = in_parts(pa.table({"x": rows}), rng).column("x")
    truth = Counter(rows)
    assert not column.exact
    assert column.count_error <= 0.00045 * len(rows)
    for value, n in column.counts.items():
        assert truth[value] <= n <= truth[value] + column.count_error
    heavy = {value for value, n in truth.items() if n > 2 * column.count_error}
    assert heavy <= set(column.counts)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_whatever_is_exact_is_the_same_for_every_cut_and_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 3_000))
    texts = [
        None,
        "a",
        " b",
        "12",
        "1,5",
        "café",
        "cafÃ©",
        "x\ufffd",
        "2024-02-30",
        "2024-02-28",
        "",
        "A long text to be read",
    ]
    table = pa.table(
        {
            "number": pa.array(rng.normal(size=n), mask=rng.random(n) < 0.2),
            "whole": pa.array(rng.integers(-5, 90, n), mask=rng.random(n) < 0.1),
            "flag": pa.array(rng.random(n) < 0.5),
            "text": pa.array([texts[i] for i in rng.integers(0, len(texts), n)], pa.string()),
            "at": pa.array(rng.integers(0, 10**9, n), pa.timestamp("s")),
        }
    )
    whole, merged = summarise(table.to_batches()), in_parts(table, rng)
    for name, expected in whole.columns.items():
        column = merged.columns[name]
        for fact in ("n_rows", "n_missing", "n_infinite", "n_numbers", "minimum", "maximum", "counts", "dates", "text"):
            assert getattr(column, fact) == getattr(expected, fact), (name, fact)
        if expected.mean is not None:
            assert column.mean == pytest.approx(expected.mean, rel=1e-9, abs=1e-9)
            assert column.sum_squares == pytest.approx(expected.sum_squares, rel=1e-9, abs=1e-9)
    assert whole.together is not None
    assert merged.together is not None
    assert np.allclose(merged.together.correlations(), whole.together.correlations(), atol=1e-9, equal_nan=True)
    assert np.array_equal(merged.together.n_rows, whole.together.n_rows)

"""How strongly columns go together, against textbook formulas and what chance gives."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from cauce.profile.associate import associate

RNG = np.random.default_rng(3)
N = 3_000


def test_two_numbers_are_correlated() -> None:
    x, noise = RNG.normal(size=N), RNG.normal(size=N)
    table = pa.table({"y": x, "up": 3 * x + noise, "down": -x, "huge": x * 1e300, "flat": np.ones(N)})
    found = associate(table, "y", ["up", "down", "huge", "flat"])
    assert found["up"].value == pytest.approx(np.corrcoef(x, 3 * x + noise)[0, 1])
    assert found["down"].value == pytest.approx(-1.0)
    assert found["huge"].value == pytest.approx(1.0)
    assert "flat" not in found


def test_two_categories_have_cramers_v_corrected_for_chance() -> None:
    codes = RNG.integers(0, 4, N)
    table = pa.table({"y": pa.array(codes).cast(pa.string()), "same": pa.array(codes * 2).cast(pa.string()),
                      "noise": pa.array(RNG.integers(0, 200, N)).cast(pa.string()),
                      "half": pa.array(np.where(RNG.random(N) < 0.5, codes, RNG.integers(0, 4, N))).cast(pa.string()),
                      })  # fmt: skip
    found = associate(table, "y", ["same", "noise", "half"])
    assert found["same"].value == pytest.approx(1.0)
    plain = stats.contingency.association(
        np.histogram2d(codes, table["noise"].cast(pa.int64()), [4, 200])[0].astype(int)
    )
    assert plain > 0.2, "without the correction, two unrelated columns look related"
    assert found["noise"].value < 0.06
    assert found["half"].value == pytest.approx(0.5, abs=0.06)
    assert found["same"].measure == "cramers_v"


def test_a_category_and_a_number_have_the_correlation_ratio_either_way() -> None:
    codes = RNG.integers(0, 5, N)
    numbers = codes**2 + RNG.normal(size=N)
    table = pa.table({"level": pa.array(codes).cast(pa.string()), "number": numbers,
                      "many": pa.array(RNG.integers(0, 900, N)).cast(pa.string())})  # fmt: skip
    groups = [numbers[codes == code] for code in range(5)]
    between = sum(len(g) * (g.mean() - numbers.mean()) ** 2 for g in groups)
    eta = np.sqrt(between / np.square(numbers - numbers.mean()).sum())
    one = associate(table, "number", ["level", "many"])
    other = associate(table, "level", ["number"])
    assert one["level"].value == pytest.approx(eta, abs=0.001)
    assert other["number"] == one["level"]
    assert one["many"].value < 0.15, "900 categories in 3,000 rows explain 30 % by chance"


def test_codes_are_categories_where_the_caller_says_so() -> None:
    codes = RNG.integers(0, 3, N)
    number = np.where(codes == 1, 5.0, 0.0) + RNG.normal(size=N)
    table = pa.table({"y": codes, "x": number})
    assert abs(associate(table, "y", ["x"])["x"].value) < 0.1
    assert associate(table, "y", ["x"], categories=["y"])["x"].value > 0.8


def test_missing_values_are_left_out_by_pair_and_what_cannot_be_told_is_absent() -> None:
    x = RNG.normal(size=N)
    table = pa.table({"y": pa.array(x, mask=np.arange(N) < 100), "x": pa.array(x, mask=np.arange(N) >= N - 50),
                      "empty": pa.nulls(N, pa.float64()), "id": [f"row {i}" for i in range(N)],
                      "list": pa.array([[1]] * N), "at": pa.array(np.arange(N), pa.timestamp("s"))})  # fmt: skip
    found = associate(table, "y", ["x", "empty", "id", "list", "at", "y"])
    assert set(found) == {"x", "at"}
    assert found["x"].n_rows == N - 150


def test_a_target_that_cannot_be_held_against_anything_gives_nothing() -> None:
    table = pa.table({"y": pa.array([[1]] * 20), "x": list(range(20))})
    assert associate(table, "y", ["x"]) == {}

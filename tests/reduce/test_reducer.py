"""The class that scikit-learn users meet: their own checks, mixed tables, sizes, refusals, evidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from cauce.core.files import from_json, to_json
from cauce.core.reduction import Reduction
from cauce.reduce import MemeticReducer
from cauce.reduce.encode import encode
from reduce import made

WEIGHTS = "check_sample_weight_equivalence_on_dense_data"
FAILING = {WEIGHTS: "a row of weight 2 is kept once, two rows may both stay; a weight of 0 is refused"}


@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [MemeticReducer(keep=0.5, judge=0.0, budget_s=1.0), MemeticReducer(budget_s=1.0)],
    expected_failed_checks=lambda estimator: FAILING,
)
def test_scikit_learn_has_nothing_to_complain_of(estimator: Any, check: Any) -> None:
    check(estimator)


def data(n_rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n_rows, 4))
    return inputs, np.where(inputs[:, 0] + inputs[:, 1] ** 2 + 0.5 * rng.normal(size=n_rows) > 0.7, "yes", "no")


@pytest.mark.parametrize(("keep", "n_kept"), [(0.2, 200), (150, 150), (1.0, 1_000), (1, 1)])
def test_keep_is_a_share_or_a_number(keep: float, n_kept: int) -> None:
    found = MemeticReducer(keep=keep, judge=0.0, budget_s=2).fit(*data(1_000))
    assert abs(len(found.indices_) - n_kept) <= 1
    assert found.weights_.sum() == pytest.approx(1_000)
    assert found.evidence_.verdict == ("off" if n_kept == 1_000 else "undecided")


@pytest.mark.parametrize("keep", [0.9, 1.0, 970])
def test_nearly_all_rows_may_be_asked_for(keep: float) -> None:
    found = MemeticReducer(keep=keep, budget_s=1).fit(*data(1_000))
    wanted = keep if keep > 1 else keep * 1_000
    assert abs(len(found.indices_) - wanted) <= 1
    assert found.evidence_.n_kept == len(found.indices_)


def test_rows_that_were_asked_for_stay_and_the_evidence_says_that_it_is_not_proven() -> None:
    found = MemeticReducer(keep=0.1, budget_s=2).fit(*data(1_500))
    assert abs(len(found.indices_) - 150) <= 1
    assert not found.evidence_.accepted
    assert found.evidence_.n_kept == len(found.indices_)
    assert "not because it was proven" in found.evidence_.reason["en"]


def test_prototypes_are_few_and_stand_for_all_rows() -> None:
    found = MemeticReducer(one_nearest=True, budget_s=10).fit(*data(1_500))
    assert len(found.indices_) < 150
    assert found.weights_.sum() == pytest.approx(1_500)


@pytest.mark.parametrize("keep", [0.0, -1, 1.5, 2_000])
def test_a_share_that_cannot_be_is_refused(keep: float) -> None:
    with pytest.raises(ValueError, match="keep is"):
        MemeticReducer(keep=keep, judge=0.0).fit(*data(1_000))


def test_without_judges_and_without_a_share_nothing_can_be_decided() -> None:
    with pytest.raises(ValueError, match="without judges nothing is proven"):
        MemeticReducer(judge=0.0).fit(*data(1_000))


def test_few_units_keep_all_rows_and_say_which_margin_they_could_prove() -> None:
    found = MemeticReducer(budget_s=5).fit(*data(1_000))
    assert found.evidence_.verdict == "undecided"
    assert len(found.indices_) == found.evidence_.n_kept == 1_000
    assert "All 1,000 rows stay" in found.evidence_.reason["en"]
    assert found.evidence_.provable_margin is not None
    assert found.evidence_.provable_margin > 0.01
    assert "200 units" in found.evidence_.reason["en"]
    assert "200 unidades" in found.evidence_.reason["es"]


def test_a_wide_margin_is_proven_and_judges_are_never_kept() -> None:
    inputs, target = data(6_000)
    found = MemeticReducer(margin=0.5, budget_s=5).fit(inputs, target)
    assert found.evidence_.verdict == "not_worse"
    assert len(found.indices_) < 3_000
    assert found.evidence_.n_judge == 1_200
    again = from_json(to_json(found.evidence_), Reduction)
    assert again == found.evidence_


def test_the_same_seed_gives_the_same_rows_and_another_does_not() -> None:
    inputs, target = data(800)
    kept = [
        MemeticReducer(keep=0.2, judge=0.0, budget_s=60, random_state=seed).fit(inputs, target).indices_.tolist()
        for seed in (0, 0, 1)
    ]
    assert kept[0] == kept[1] != kept[2]


def test_frames_and_arrow_tables_of_mixed_types_are_the_same_to_it() -> None:
    rows = made.classes(600)
    names = np.array(["north", "south", "east", "west"])[rows.inputs[:, 3].astype(int)]
    frame = pd.DataFrame({"a": rows.inputs[:, 0], "b": rows.inputs[:, 1], "where": names})
    frame["when"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(600), unit="D")
    frame.loc[3, "where"] = None
    table = pa.Table.from_pandas(frame)
    kept = [
        MemeticReducer(keep=0.3, judge=0.0, budget_s=60).fit(each, rows.target).indices_.tolist()
        for each in (frame, table)
    ]
    assert kept[0] == kept[1]
    made_of = encode(frame, rows.target).rows
    assert made_of.categorical == (2,)
    assert np.isnan(made_of.inputs[3, 2])


def test_any_estimator_may_be_the_model_and_its_weights_reach_a_pipeline() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression())
    found = MemeticReducer(keep=0.2, budget_s=10, margin=0.2, models={"line": model}).fit(*data(4_000))
    assert set(found.evidence_.attempts[0].families) == {"line"}


def test_groups_are_judged_one_by_one() -> None:
    inputs, target = data(6_000)
    groups = np.where(np.arange(6_000) % 3 == 0, "small", "large")
    found = MemeticReducer(margin=0.9, budget_s=5).fit(inputs, target, groups=groups)
    assert set(found.evidence_.attempts[0].groups) == {"0", "1"} or set(found.evidence_.attempts[0].groups) == {
        "small",
        "large",
    }


def test_cleaning_keeps_rows_out_that_are_probably_wrong() -> None:
    inputs, target = data(2_000)
    inputs[:, 0] *= 4
    wrong = np.arange(0, 2_000, 20)
    flipped = target.copy()
    flipped[wrong] = np.where(target[wrong] == "yes", "no", "yes")
    shares = [
        np.isin(
            wrong, MemeticReducer(keep=0.5, judge=0.0, budget_s=5, clean=clean).fit(inputs, flipped).indices_
        ).mean()
        for clean in (False, True)
    ]
    assert shares[1] < 0.8 * shares[0]


def test_encoding_keeps_texts_as_categories_and_finds_what_is_missing() -> None:
    codes = pa.array(["001", "01", "1", "inf", None, "001"])
    table = pa.table({"code": codes, "kind": pa.array(["a", "b", None, "a", "b", "c"]).dictionary_encode()})
    found = encode(table, [0, 1, 0, 1, 0, 1]).rows
    assert found.categorical == (0, 1)
    assert len(np.unique(found.inputs[[0, 1, 2, 3], 0])) == 4
    assert np.isnan(found.inputs[:, 0]).tolist() == [False] * 4 + [True, False]
    assert np.isnan(found.inputs[:, 1]).tolist() == [False, False, True, False, False, False]
    frame = pd.DataFrame(
        {"text": pd.array(["x", pd.NA, "y"], dtype="string"), "n": pd.array([1, pd.NA, 3], dtype="Int64")}
    )
    found = encode(frame, [0, 1, 0]).rows
    assert found.categorical == (0,)
    assert np.isnan(found.inputs[1]).all()


def test_one_long_text_does_not_make_all_of_them_long() -> None:
    table = pa.table({"text": ["x"] * 50_000 + ["y" * 200_000]})
    assert encode(table, np.arange(50_001) % 2).rows.inputs[-1, 0] == 1.0


def test_rows_of_no_weight_are_not_kept() -> None:
    inputs, target = data(1_000)
    weight = np.where(np.arange(1_000) % 10 == 0, 1.0, 1e-9)
    found = MemeticReducer(keep=0.05, judge=0.0, budget_s=2).fit(inputs, target, sample_weight=weight)
    assert (weight[found.indices_] == 1.0).all()

"""Mitigations do what their papers say, are saved without pickle, and refuse what they cannot do."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cauce.core.artefacts import Candidate, TaskSpec
from cauce.core.errors import UserError
from cauce.core.registry import load_fitted
from cauce.core.registry import task as task_named
from cauce.core.specs import FairnessMetric, FairnessSpec, Mitigation, ModelSpec
from cauce.evidence.gaps import of_metric
from cauce.fairness import Mitigated, Plan, Rows, compare, curve, make_plan, measure
from cauce.fairness.thresholds import choose
from cauce.fairness.weights import balanced, reweighed
from cauce.profile import summarise

LINEAR = Candidate("linear", {})


def people(n: int = 1600, *, seed: int = 0) -> pa.Table:
    """Give rows in which one group is hired more often, and a column that tells the groups apart."""
    rng = np.random.default_rng(seed)
    sex = rng.integers(0, 2, n)
    skill, proxy = rng.normal(size=n), sex + rng.normal(0, 0.7, n)
    hired = skill + 1.4 * sex + rng.normal(0, 0.8, n) > 0.9
    return pa.table(
        {
            "skill": skill,
            "proxy": proxy,
            "sex": np.array(["f", "m"])[sex],
            "hired": np.where(hired, "yes", "no"),
        }
    )


def plan_for(method: Mitigation, *, strength: float = 1.0, metric: FairnessMetric = "demographic_parity") -> Plan:
    spec = ModelSpec(
        task="classify",
        data="d",
        target="hired",
        sensitive=("sex",),
        ignore=("sex",),
        fairness=FairnessSpec(
            mitigate=method, favoured="yes", strength=strength, metric=metric, at_prediction=method == "thresholds"
        ),
    )
    plan = make_plan("m", spec, summarise(people().to_batches()))
    assert plan is not None
    return plan


def spec_for(plan: Plan) -> TaskSpec:
    names = ("skill", "proxy", *plan.hidden)
    return TaskSpec("m", "classify", "hired", summarise(people().to_batches()).schema(names), "log")


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=2, max_size=60))
def test_reweighing_makes_group_and_class_independent(rows: list[tuple[int, int]]) -> None:
    groups, classes = np.array(rows).T
    weights = reweighed(groups, classes)
    assert weights.mean() == pytest.approx(1)
    if len({*itertools.product(set(groups), set(classes))} - {*rows}) == 0:
        for group in set(groups):
            for label in set(classes):
                cell = weights[(groups == group) & (classes == label)].sum() / len(rows)
                assert cell == pytest.approx((groups == group).mean() * (classes == label).mean())


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=2, max_size=60))
def test_balancing_makes_classes_weigh_alike_within_groups(rows: list[tuple[int, int]]) -> None:
    groups, classes = np.array(rows).T
    weights = balanced(groups, classes)
    for group in set(groups):
        own = groups == group
        sums = [weights[own & (classes == label)].sum() for label in set(classes[own])]
        assert np.allclose(sums, sums[0])
        assert sum(sums) == pytest.approx(own.sum())


def test_rows_without_a_group_weigh_one() -> None:
    assert reweighed(np.array([-1, 0, 0, 1]), np.array([0, 1, 0, 0]))[0] == 1


@pytest.mark.parametrize("metric", ["demographic_parity", "equal_opportunity"])
@pytest.mark.parametrize("bound", [0.05, 0.15])
def test_thresholds_err_no_more_than_the_best_pair_tried_by_hand(metric: FairnessMetric, bound: float) -> None:
    rng = np.random.default_rng(3)
    groups = rng.integers(0, 2, 1000)  # both have rows enough to be told
    truth = rng.random(1000) < np.where(groups == 0, 0.3, 0.6)
    scores = rng.normal(size=1000) + 1.5 * truth + 0.5 * groups - 1

    def judged(at: np.ndarray) -> tuple[float, int]:
        said = scores > at[groups]
        return of_metric(metric, truth, said, groups, 2).gap.value, int((said != truth).sum())

    gap, errors = judged(choose(scores, truth, groups, 2, metric=metric, bound=bound))
    assert gap <= bound + 1e-9
    tried = np.linspace(scores.min(), scores.max(), 40)
    best = min(
        errors_
        for pair in itertools.product(tried, tried)
        for gap_, errors_ in [judged(np.array(pair))]
        if gap_ <= bound
    )
    assert errors <= best + 4


@pytest.mark.parametrize("method", ["reweigh", "thresholds", pytest.param("reductions", marks=pytest.mark.slow)])
def test_a_mitigation_closes_the_gap_on_new_rows(method: Mitigation) -> None:
    if method == "reductions":
        pytest.importorskip("fairlearn")
    plan, teach, judge = plan_for(method), people(), people(seed=1)
    spec, task = spec_for(plan), task_named("classify")
    plain = Mitigated(task, plan.without()).fit(LINEAR, {}, teach, spec=spec)
    fitted = Mitigated(task, plan).fit(LINEAR, {}, teach, spec=spec)
    losses = tuple(task.losses(one, judge, spec).values for one in (fitted, plain))
    done = compare(plan, fitted, plain, judge, spec, losses=losses)
    assert done.before is not None
    assert done.after is not None
    assert done.reduction is not None
    assert done.before.value > 0.15
    assert done.after.value < (0.14 if method == "reweigh" else 0.08)
    assert done.reduction.upper < 0
    assert done.errors.upper < 0.25


@pytest.mark.parametrize("method", ["thresholds", pytest.param("reductions", marks=pytest.mark.slow)])
def test_a_mitigated_model_comes_back_from_its_folder_the_same(method: Mitigation, tmp_path: Path) -> None:
    if method == "reductions":
        pytest.importorskip("fairlearn")
    plan, table = plan_for(method), people()
    fitted = Mitigated(task_named("classify"), plan).fit(LINEAR, {}, table, spec=spec_for(plan))
    fitted.save(tmp_path)
    loaded = load_fitted("classify", tmp_path)
    assert loaded.predict(table).equals(fitted.predict(table))
    assert (loaded.schema, loaded.classes) == (fitted.schema, fitted.classes)
    kinds = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert kinds <= {".json", ".arrow", ".txt"}
    predicted = fitted.predict(table)
    shares = np.column_stack([predicted[f"prob_{label}"].to_numpy() for label in fitted.classes])
    assert np.allclose(shares.sum(axis=1), 1)
    said = np.array(fitted.classes)[shares.argmax(axis=1)].tolist()
    assert predicted["prediction"].to_pylist() == said


def test_a_folder_whose_parts_do_not_belong_together_is_refused(tmp_path: Path) -> None:
    plan = plan_for("thresholds")
    Mitigated(task_named("classify"), plan).fit(LINEAR, {}, people(), spec=spec_for(plan)).save(tmp_path)
    marker = tmp_path / "mitigation.json"
    header = json.loads(marker.read_text())
    marker.write_text(json.dumps({**header, "thresholds": [0.0]}))
    with pytest.raises(UserError, match="do not belong together"):
        load_fitted("classify", tmp_path)


def test_thresholds_take_the_group_from_the_request_and_a_missing_one_is_served() -> None:
    plan = plan_for("thresholds")
    fitted = Mitigated(task_named("classify"), plan).fit(LINEAR, {}, people(), spec=spec_for(plan))
    assert "sex" in fitted.schema.names
    row = people().slice(0, 1).drop(["sex", "hired"])
    rows = [row.append_column("sex", pa.array([value], pa.string())) for value in ("f", "m", None, "other")]
    chances = [fitted.predict(one)["prob_yes"][0].as_py() for one in rows]
    assert chances[0] > chances[2] == chances[3] > chances[1]


def test_the_rung_within_never_sees_the_hidden_column() -> None:
    plan = plan_for("thresholds")
    fitted = Mitigated(task_named("classify"), plan.without()).fit(LINEAR, {}, people(), spec=spec_for(plan))
    assert set(fitted.importance) <= {"skill", "proxy"}


@pytest.mark.parametrize(
    ("keys", "fairness", "said"),
    [
        ({"sensitive": ()}, {"mitigate": "reweigh"}, "no sensitive column"),
        ({"task": "regress"}, {"mitigate": "reweigh"}, "only classify"),
        ({}, {"mitigate": "thresholds"}, "at prediction"),
        ({}, {"mitigate": "reweigh", "favoured": "yess"}, "Did you mean 'yes'"),
    ],
    ids=["nobody", "numbers", "not allowed", "misspelt"],
)
def test_what_cannot_be_mitigated_is_refused_with_the_key(
    keys: dict[str, object], fairness: dict[str, object], said: str
) -> None:
    given = {"task": "classify", "data": "d", "target": "hired", "sensitive": ("sex",), "ignore": ("sex",), **keys}
    spec = ModelSpec(**given, fairness=FairnessSpec(**fairness))
    with pytest.raises(UserError, match=said):
        make_plan("m", spec, summarise(people().to_batches()))


def test_reductions_of_three_classes_are_refused() -> None:
    pytest.importorskip("fairlearn")
    labels = pa.array((["yes", "no", "maybe"] * 534)[:1600])
    table = people().set_column(3, "hired", labels)
    plan = plan_for("reductions")
    with pytest.raises(UserError, match="two classes"):
        Mitigated(task_named("classify"), plan).fit(LINEAR, {}, table, spec=spec_for(plan))


@pytest.mark.slow
def test_the_curve_of_three_classes_leaves_reductions_out() -> None:
    labels = pa.array((["yes", "no", "maybe"] * 534)[:1600])
    plan = plan_for("thresholds")
    asking = spec_for(plan)
    teach, judge = (people(seed=seed).set_column(3, "hired", labels) for seed in (0, 1))
    rows = Rows(teach, judge, plan.within(asking), asking)
    found = curve(task_named("classify"), plan, LINEAR, rows, max_gap=0.1, at_prediction=False)
    assert {point.method for point in found.points} == {"off", "majority", "balance", "reweigh", "thresholds"}


@pytest.mark.slow
def test_the_curve_recommends_what_suffices_at_the_fewest_errors() -> None:
    pytest.importorskip("fairlearn")
    plan = plan_for("thresholds")
    asking = spec_for(plan)
    rows = Rows(people(), people(seed=1), plan.within(asking), asking)
    found = curve(task_named("classify"), plan, LINEAR, rows, max_gap=0.1, at_prediction=False)
    assert {point.method for point in found.points} == {
        "off", "majority", "balance", "reweigh", "thresholds", "reductions",
    }  # fmt: skip
    assert found.recommended is not None
    best = found.points[found.recommended]
    assert best.method == "reductions"  # thresholds are not allowed
    assert best.within
    rivals = [point for point in found.points if point.allowed and point.within and point.method != "majority"]
    assert best.errors.difference <= max(point.errors.difference for point in rivals)
    none = curve(task_named("classify"), plan, LINEAR, rows, max_gap=None, at_prediction=True)
    assert none.recommended is None


def test_a_gap_is_measured_as_evidence_does() -> None:
    plan, table = plan_for("reweigh"), people()
    fitted = Mitigated(task_named("classify"), replace(plan, method="off")).fit(LINEAR, {}, table, spec=spec_for(plan))
    found = measure(plan, fitted, table, "hired")
    said = np.array(fitted.predict(table)["prediction"].to_pylist()) == "yes"
    sex = np.array(table["sex"].to_pylist())
    assert found.gap.value == pytest.approx(abs(said[sex == "f"].mean() - said[sex == "m"].mean()))

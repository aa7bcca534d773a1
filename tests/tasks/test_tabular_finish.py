"""Calibration, decisions and intervals: learnt on out-of-fold predictions, adopted only where they pay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, matthews_corrcoef

from cauce.core.artefacts import Column, Finish, Schema, TaskSpec
from cauce.core.errors import UserError
from cauce.core.finishing import Figure
from cauce.core.protocols import Finished
from cauce.core.registry import load_fitted
from cauce.core.registry import task as task_named
from cauce.evidence import WIDEST
from cauce.select import Effort, climb
from cauce.tasks.tabular import calibrate, decide, intervals, reliability
from cauce.tasks.tabular.finish import finish_classes
from cauce.tasks.tabular.losses import log_losses

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
SCHEMA = Schema((Column("a", "number"), Column("b", "number")))


def sigmoid(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)), np.float64)


def overconfident(n: int, times: float, seed: int = 0, shift: float = 0.0) -> tuple[Array, Codes, Array]:
    """Probabilities whose log odds are `times` too large and `shift` too high, the codes, and the true ones."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 1.2, n)
    true = sigmoid(z)
    codes = (rng.random(n) < true).astype(np.int64)
    said = sigmoid(times * z + shift)
    return np.column_stack([1 - said, said]), codes, true


def parts(n: int) -> Codes:
    return np.random.default_rng(9).permutation(n) % 5


def test_temperature_finds_the_factor_that_was_put_in() -> None:
    shares, codes, true = overconfident(20_000, 2.5)
    repair = calibrate.fit_repair("temperature", shares, codes, np.ones(len(codes)))
    assert repair.x[0] == pytest.approx(1 / 2.5, rel=0.06)
    assert np.abs(repair.apply(shares)[:, 1] - true).max() < 0.03


def test_a_sigmoid_finds_slope_and_shift() -> None:
    shares, codes, _ = overconfident(20_000, 2.0, shift=1.0)
    slope, shift = calibrate.fit_repair("sigmoid", shares, codes, np.ones(len(codes))).x
    assert slope == pytest.approx(0.5, rel=0.08)
    assert shift == pytest.approx(-0.5, abs=0.06)


def test_a_sigmoid_equals_logistic_regression_without_penalty() -> None:
    from sklearn.linear_model import LogisticRegression

    shares, codes, _ = overconfident(800, 0.6, shift=-0.3)
    weights = np.random.default_rng(2).uniform(0.5, 2.0, len(codes))
    slope, shift = calibrate.fit_repair("sigmoid", shares, codes, weights).x
    oracle = LogisticRegression(C=np.inf, tol=1e-9).fit(
        calibrate.log_odds(shares)[:, None], codes, sample_weight=weights
    )
    assert slope == pytest.approx(float(oracle.coef_[0, 0]), rel=1e-3)
    assert shift == pytest.approx(float(oracle.intercept_[0]), abs=1e-3)


@pytest.mark.parametrize("method", ["temperature", "sigmoid", "isotonic"])
def test_repairs_keep_the_sum_and_the_order(method: calibrate.Method) -> None:
    shares, codes, _ = overconfident(3000, 3.0, seed=4)
    repaired = calibrate.fit_repair(method, shares, codes, np.ones(len(codes))).apply(shares)
    assert repaired.sum(axis=1) == pytest.approx(np.ones(len(codes)))
    assert repaired.min() > 0
    order = np.argsort(shares[:, 1], kind="stable")
    assert (np.diff(repaired[order, 1]) >= -1e-12).all()


def test_what_is_calibrated_is_left_as_it_is_and_what_is_not_is_repaired() -> None:
    ones = np.ones(4000)
    adopted = {1.0: 0, 2.5: 0}
    for seed in range(10):
        for times in adopted:
            shares, codes, _ = overconfident(4000, times, seed)
            method, said, _ = calibrate.choose(shares, codes, ones, parts(4000), None)
            adopted[times] += method is not None
            if times == 2.5:
                assert log_losses(said, codes).mean() < log_losses(shares, codes).mean() - 0.05
    assert adopted[2.5] == 10
    assert adopted[1.0] <= 2


def test_few_rows_are_not_repaired() -> None:
    shares, codes, _ = overconfident(150, 3.0)
    assert calibrate.choose(shares, codes, np.ones(150), parts(150), None)[0] is None


def error_of(sure: Array, hit: Array, seed: int = 0) -> Figure:
    rng = np.random.default_rng(seed)
    units = reliability.draw_units(len(sure), None, rng)
    return reliability.measure(sure, hit, np.ones(len(sure)), units, rng)[0]


def test_the_calibration_error_of_true_probabilities_is_small_and_of_others_is_their_distance() -> None:
    shares, codes, _ = overconfident(20_000, 1.0)
    found = error_of(shares[:, 1], codes.astype(np.float64))
    assert 0 == found.lower <= found.value <= found.upper < 0.03
    found = error_of(np.full(5000, 0.8), (np.arange(5000) % 2).astype(np.float64))
    assert found.value == pytest.approx(0.3, abs=0.02)


def test_the_interval_of_the_calibration_error_covers_it() -> None:
    """A model that says p where p² happens: its error is ∫ |p − p²| dp = 1/6. That of a calibrated one is 0."""
    wrong = right = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        p = rng.random(800)
        found = error_of(p, (rng.random(800) < p**2).astype(np.float64), seed)
        wrong += found.lower <= 1 / 6 <= found.upper
        right += error_of(p, (rng.random(800) < p).astype(np.float64), seed).lower == 0
    assert wrong >= 54
    assert right >= 54


def test_rows_of_one_group_are_drawn_together() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(50), 40)
    hit = np.repeat((rng.random(50) < 0.5).astype(np.float64), 40)  # a group succeeds or fails as a whole
    p = np.full(2000, 0.5)
    alone, _ = reliability.measure(p, hit, np.ones(2000), reliability.draw_units(2000, None, rng), rng)
    together, _ = reliability.measure(p, hit, np.ones(2000), reliability.draw_units(2000, group, rng), rng)
    assert together.upper - together.lower > 2.5 * (alone.upper - alone.lower)


def test_bins_hold_equally_many_rows() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(0.3, 3, 1000)
    units = reliability.draw_units(1000, None, rng)
    _, bins = reliability.measure(p, (rng.random(1000) < p).astype(np.float64), np.ones(1000), units, rng)
    sizes = [count for _, _, count in bins]
    assert sum(sizes) == 1000
    assert max(sizes) - min(sizes) <= 1
    assert [said for said, _, _ in bins] == sorted(said for said, _, _ in bins)


def test_the_rising_curve_meets_scikit_learn_at_every_step() -> None:
    from sklearn.isotonic import IsotonicRegression

    shares, codes, _ = overconfident(3000, 3.0)
    curve = calibrate.fit_repair("isotonic", shares, codes, np.ones(3000))
    levels = np.unique(IsotonicRegression().fit(shares[:, 1], codes).predict(shares[:, 1]))
    inner = (levels > 0) & (levels < 1)
    assert sigmoid(curve.y)[inner] == pytest.approx(levels[inner], abs=1e-9)


@pytest.mark.parametrize("method", ["temperature", "sigmoid", "isotonic"])
def test_repairs_tie_no_rows_and_never_say_never(method: calibrate.Method) -> None:
    shares, codes, _ = overconfident(400, 4.0, seed=1, shift=-1.0)
    repair = calibrate.fit_repair(method, shares, codes, np.ones(400))
    said = sigmoid(np.linspace(-30, 30, 2001))
    repaired = repair.apply(np.column_stack([1 - said, said]))
    extremes = repair.apply(np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert (np.diff(calibrate.log_odds(repaired)[400:-400]) > 0).all()  # 1 − said is 0 beyond, in floats
    for found in (repaired, extremes):
        assert (found > 0).all()
        assert found.sum(axis=1) == pytest.approx(1.0, abs=1e-12)


def test_no_repair_is_adopted_by_chance() -> None:
    """Of calibrated probabilities, at most 5 % of 100 runs are repaired."""
    adopted = 0
    for seed in range(100):
        shares, codes, _ = overconfident(1000, 1.0, 500 + seed)
        adopted += calibrate.choose(shares, codes, np.ones(1000), parts(1000), None)[0] is not None
    assert adopted <= 5


def test_aims_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    truth, said = rng.integers(0, 3, (2, 500))
    weights = rng.uniform(0.2, 3.0, 500)
    table = decide.counts(truth, said, 3, weights)
    given = {"sample_weight": weights}
    assert decide.Aim("balanced_accuracy", None).score(table) == pytest.approx(
        balanced_accuracy_score(truth, said, **given)
    )
    assert decide.Aim("f1", None).score(table) == pytest.approx(f1_score(truth, said, average="macro", **given))
    assert decide.Aim("f1", 2).score(table) == pytest.approx(f1_score(truth == 2, said == 2, average="binary", **given))
    assert decide.Aim("mcc", None).score(table) == pytest.approx(matthews_corrcoef(truth, said, **given))


@pytest.mark.parametrize("name", ["f1", "balanced_accuracy", "mcc", "accuracy"])
def test_without_samples_the_threshold_is_the_best_of_all(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shares, codes, _ = overconfident(400, 1.0, seed=7, shift=-1.5)
    shares = np.round(shares, 2)  # with ties
    aim = decide.Aim(name, 1)
    ones = np.ones(400)

    class Every(np.random.Generator):
        """Draws each row once."""

        def integers(self, low: object, high: object = None, size: object = None, **_: object) -> object:  # type: ignore[override]
            return np.arange(400)

    def worth(weights: Array) -> float:
        return float(aim.score(decide.counts(codes, decide.said_by(shares, weights), 2, ones)))

    found = worth(decide.search(aim, shares, codes, ones, Every(np.random.PCG64(0))))
    every = [worth(np.array([cut, 1 - cut])) for cut in np.linspace(0.001, 0.999, 2000)]
    assert found >= max(every) - 1e-9


def test_the_mean_of_samples_thresholds_follows_less_noise_than_the_best_of_all_rows() -> None:
    """On fresh rows: F1 of a threshold chosen on 300 rows, twenty times."""
    fresh, truth, _ = overconfident(50_000, 1.0, 99, shift=0.0)
    aim, ones = decide.Aim("mcc", 1), np.ones(50_000)

    def worth(weights: Array) -> float:
        return float(aim.score(decide.counts(truth, decide.said_by(fresh, weights), 2, ones)))

    cuts = []
    for seed in range(20):
        shares, codes, _ = overconfident(300, 1.0, seed)
        found = decide.search(aim, shares, codes, np.ones(300), np.random.default_rng(seed))
        cuts.append(found[0] / found.sum())
        assert worth(found) > worth(np.ones(2)) - 0.03
    assert np.std(cuts) < 0.06
    assert np.mean(cuts) == pytest.approx(0.5, abs=0.05)


def test_turns_over_classes_serve_balanced_accuracy() -> None:
    rng = np.random.default_rng(5)
    codes = rng.choice(4, 3000, p=[0.85, 0.08, 0.05, 0.02])
    scores = rng.normal(size=(3000, 4)) + 1.5 * np.eye(4)[codes] + np.log([0.85, 0.08, 0.05, 0.02])
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    aim = decide.Aim("balanced_accuracy", None)
    before, after, gain = decide.judge(aim, shares, codes, np.ones(3000), parts(3000), np.arange(3000) % 400, rng)
    assert after > before + 0.15
    assert gain.lower > 0.1


def test_stated_costs_are_the_weights() -> None:
    shares, codes, _ = overconfident(5000, 1.0, shift=-2.0)
    costs = np.array([1.0, 20.0])
    aim = decide.Aim("costs", None, costs)
    before, after, _ = decide.judge(
        aim, shares, codes, np.ones(5000), parts(5000), np.arange(5000) % 400, np.random.default_rng(0), fixed=costs
    )
    missed = shares.argmax(axis=1) != codes
    assert before == pytest.approx(-float(costs[codes[missed]].sum() / 5000))
    assert after > before


def noisy(n: int, seed: int, *, even: bool) -> pa.Table:
    """Numbers whose noise grows with a, or is the same everywhere."""
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0, 1, (2, n))
    y = 3 * b + rng.normal(size=n) * (0.5 if even else 0.1 + 2 * a**2)
    return pa.table({"a": a, "b": b, "y": y})


def finished(table: pa.Table, spec: TaskSpec, rung: str) -> Finished:
    named = task_named(spec.task)
    rows = np.arange(table.num_rows, dtype=np.int64)
    folds = tuple((rows[rows % 5 != k], rows[rows % 5 == k]) for k in range(5))
    from cauce.testing import TableProfile

    ladder = [one for one in named.candidates(spec, TableProfile(table)) if one.name == rung]
    found = climb(named, spec, ladder, table, folds, effort=Effort(trials=0))
    predicted = found.predicted(rung)
    assert predicted is not None
    assert found.rows is not None
    fitted = named.fit(ladder[0], ladder[0].params, table, spec=spec)
    return fitted.finish(table.take(found.rows), predicted, spec)


NUMBERS = TaskSpec("m", "regress", "y", SCHEMA, "squared")


def test_intervals_widen_where_errors_are_large_and_still_hold_nine_of_ten() -> None:
    fitted, finish = finished(noisy(3000, 0, even=False), NUMBERS, "linear")
    assert finish.intervals is not None
    assert finish.intervals.method == "adaptive"
    fresh = noisy(20_000, 1, even=False)
    said = fitted.predict(fresh)
    lower, upper, truth = (np.asarray(column) for column in (said["lower"], said["upper"], fresh["y"]))
    inside, a = (lower <= truth) & (truth <= upper), fresh["a"].to_numpy()
    assert inside.mean() == pytest.approx(0.9, abs=0.025)
    assert inside[a < 1 / 3].mean() == pytest.approx(0.9, abs=0.06)
    assert inside[a > 2 / 3].mean() == pytest.approx(0.9, abs=0.06)
    assert (upper - lower)[a > 0.9].mean() > 3 * (upper - lower)[a < 0.1].mean()
    assert finish.intervals.coverage == pytest.approx(0.9, abs=0.02)


def test_even_noise_keeps_one_width() -> None:
    fitted, finish = finished(noisy(1500, 2, even=True), NUMBERS, "linear")
    assert finish.intervals is not None
    assert finish.intervals.method == "constant"
    said = fitted.predict(noisy(50, 3, even=True))
    width = np.asarray(said["upper"]) - np.asarray(said["lower"])
    assert width == pytest.approx(np.full(50, 2 * 0.5 * 1.645), rel=0.08)


def test_without_a_proof_the_widths_are_constant_on_few_rows() -> None:
    _, finish = finished(noisy(120, 4, even=False), NUMBERS, "linear")
    assert finish.intervals is not None
    assert (finish.intervals.method, finish.intervals.gain) == ("constant", None)
    assert WIDEST > finish.intervals.mean_width > 0


def rare(n: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n))
    y = rng.random(n) < sigmoid(-3.2 + 1.6 * a)
    return pa.table({"a": a, "b": b, "y": np.where(y, "fraud", "fine").tolist()})


LABELS = TaskSpec("m", "classify", "y", SCHEMA, "log")


def test_the_data_ask_for_f1_of_a_rare_class_and_get_it() -> None:
    fitted, finish = finished(rare(6000), LABELS, "linear")
    assert finish.decision is not None
    assert (finish.decision.aim, finish.decision.why, finish.decision.adopted) == ("f1", "data", True)
    fresh = rare(20_000, 1)
    said = fitted.predict(fresh)
    truth = np.array(fresh["y"].to_pylist()) == "fraud"
    likeliest = said["prob_fraud"].to_numpy() > 0.5
    decided = np.array(said["prediction"].to_pylist()) == "fraud"
    assert f1_score(truth, decided) > f1_score(truth, likeliest) + 0.05


def test_costs_are_kept_to_and_the_zero_one_loss_judges_the_decision() -> None:
    spec = replace(LABELS, costs={"fraud": 30.0})
    fitted, finish = finished(rare(1500), spec, "linear")
    assert finish.decision is not None
    assert finish.decision.weights == {"fine": pytest.approx(1 / 30), "fraud": 1.0}
    fresh = rare(500, 2)
    said = fitted.predict(fresh)
    assert (np.array(said["prediction"].to_pylist()) == "fraud").tolist() == (
        said["prob_fraud"].to_numpy() * 30 > said["prob_fine"].to_numpy()
    ).tolist()
    values = task_named("classify").losses(fitted, fresh, replace(spec, loss="zero_one")).values
    assert values.tolist() == [
        float(p != t) for p, t in zip(said["prediction"].to_pylist(), fresh["y"].to_pylist(), strict=True)
    ]


def test_balanced_classes_are_decided_by_the_likeliest() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 900))
    table = pa.table({"a": a, "b": b, "y": np.where(a + rng.normal(size=900) > 0, "x", "z").tolist()})
    fitted, finish = finished(table, LABELS, "linear")
    assert finish.decision is None
    said = fitted.predict(table)
    assert (np.array(said["prediction"].to_pylist()) == "x").tolist() == (said["prob_x"].to_numpy() >= 0.5).tolist()


@pytest.mark.parametrize("spec", [NUMBERS, replace(LABELS, costs={"fraud": 5.0})])
def test_what_is_saved_predicts_the_same_and_what_is_edited_is_refused(spec: TaskSpec, tmp_path: Path) -> None:
    table = noisy(1500, 0, even=False) if spec is NUMBERS else rare(1500)
    fitted, finish = finished(table, spec, "linear")
    assert isinstance(finish, Finish)
    fitted.save(tmp_path)
    loaded = load_fitted(spec.task, tmp_path)
    assert loaded.predict(table).equals(fitted.predict(table))
    assert (loaded.schema, loaded.classes) == (fitted.schema, fitted.classes)
    text = (tmp_path / "finish.json").read_text()
    broken = (
        text.replace('"kind": "numbers"', '"kind": "classes"') if spec is NUMBERS else text.replace("0.2", "0.2, 1")
    )
    assert broken != text
    (tmp_path / "finish.json").write_text(broken)
    with pytest.raises(UserError):
        load_fitted(spec.task, tmp_path)


def test_the_sentences_stand_in_both_languages() -> None:
    for table, spec in ((rare(1500), LABELS), (noisy(600, 0, even=False), NUMBERS)):
        _, finish = finished(table, spec, "linear")
        assert finish.words
        for words in finish.words:
            assert words["en"] != words["es"]
            assert words["en"].endswith(".")


def test_interval_scores_are_gneitings() -> None:
    scores = intervals.interval_scores(np.array([0.0, 3.0, -3.0]), np.array([1.0, 1.0, 1.0]))
    assert scores.tolist() == pytest.approx([2.0, 2.0 + 20 * 2.0, 42.0])


def given(shares: Array, codes: Codes, names: tuple[str, ...], **more: object) -> tuple[pa.Table, pa.Table]:
    rows = pa.table({"y": [names[code] for code in codes], **more})
    return rows, pa.table({f"prob_{name}": shares[:, k] for k, name in enumerate(names)})


class Fixed:
    """A classifier that says what it was given; it has learnt something."""

    schema, classes, importance = SCHEMA, ("fine", "fraud"), {"a": 1.0}


def test_rows_of_a_class_that_no_fold_saw_teach_nothing() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(900, 3))
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    codes = (rng.random(900)[:, None] > shares.cumsum(axis=1)[:, :2]).sum(axis=1)
    lost = codes == 2
    shares[lost] = [0.5, 0.5, 0.0]
    model = Fixed()
    model.classes = ("a", "b", "c")  # type: ignore[assignment]
    _, finish = finish_classes(model, *given(shares, codes, ("a", "b", "c")), LABELS)  # type: ignore[arg-type]
    assert finish.calibration is not None
    assert sum(count for _, _, count in finish.calibration.bins_before) == (~lost).sum()


def test_intervals_draw_whole_groups() -> None:
    """Two of 40 groups hold nearly all rows of the rare class: by groups far less is known than by rows."""
    rng = np.random.default_rng(3)
    group = np.arange(2000) % 40
    fraud = rng.random(2000) < np.where(group < 2, 0.9, 0.005)
    second = np.clip(np.where(group < 2, 0.4, 0.05) + rng.normal(0, 0.02, 2000), 0.01, 0.99)
    shares = np.column_stack([1 - second, second])
    rows, said = given(shares, fraud.astype(np.int64), ("fine", "fraud"), g=group)
    widths = []
    for spec in (LABELS, replace(LABELS, group="g")):
        _, finish = finish_classes(Fixed(), rows, said, spec)  # type: ignore[arg-type]
        assert finish.calibration is not None
        widths.append(finish.calibration.before.upper - finish.calibration.before.lower)
    assert widths[1] > 2 * widths[0]


def test_what_says_the_same_of_every_row_is_left_alone_but_for_stated_costs() -> None:
    table = rare(600)
    _, finish = finished(table, LABELS, "prior")
    assert (finish.calibration, finish.decision) == (None, None)
    fitted, finish = finished(table, replace(LABELS, costs={"fraud": 1000.0}), "prior")
    assert finish.decision is not None
    assert set(fitted.predict(table)["prediction"].to_pylist()) == {"fraud"}


def test_rows_that_weigh_twice_count_twice() -> None:
    shares, codes, _ = overconfident(1500, 2.5)
    twice = np.concatenate([np.arange(1500), np.arange(500)])
    weights = np.where(np.arange(1500) < 500, 2.0, 1.0)
    for method in calibrate.methods_for(1500, 2):
        one = calibrate.fit_repair(method, shares, codes, weights).apply(shares)
        other = calibrate.fit_repair(method, shares[twice], codes[twice], np.ones(2000)).apply(shares)
        assert one == pytest.approx(other, abs=5e-3), method


def test_gaps_between_groups_are_those_of_the_decisions() -> None:
    from cauce.fairness.measure import say

    fitted, finish = finished(rare(6000), LABELS, "linear")
    assert finish.decision is not None
    assert finish.decision.adopted
    fresh = rare(2000, 5)
    said = say(fitted, fresh, "y").predictions
    decided = np.array(fitted.predict(fresh)["prediction"].to_pylist()) == "fraud"
    assert (said == 1.0).tolist() == decided.tolist()
    assert decided.sum() > (fitted.predict(fresh)["prob_fraud"].to_numpy() > 0.5).sum()


def test_a_metric_that_was_asked_for_takes_the_better_guess_and_accuracy_a_proof() -> None:
    table = rare(300, 3)
    for name, adopted in (("f1", True), ("accuracy", False)):
        _, finish = finished(table, replace(LABELS, metric=name), "linear")
        assert finish.decision is not None
        assert finish.decision.why == "asked"
        assert finish.decision.difference.lower <= 0, "nothing is proven on so few rows"
        assert finish.decision.adopted is adopted

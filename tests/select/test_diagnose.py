"""Diagnoses of data whose fault is known; what is said, and what it may cost."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from cauce.core.artefacts import Candidate, Column, Comparison, Diagnosis, Losses, Schema, TaskSpec
from cauce.core.figures import Language
from cauce.core.files import from_json, to_json
from cauce.core.registry import task as task_named
from cauce.select import Climb, Effort, climb, diagnose
from cauce.select.diagnosis_words import with_words
from cauce.select.nested import nested_parts
from cauce.select.remedy import settings_against
from cauce.testing import TableProfile

Floats = npt.NDArray[np.float64]
HASTY: dict[str, Any] = {"learning_rate": 0.3, "rounds": 50, "num_leaves": 31}
LANGUAGES: tuple[Language, ...] = ("en", "es")


def folded(n: int, k: int = 5, seed: int = 0) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    fold = np.random.default_rng(seed).permutation(n) % k
    return [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(k)]


def diagnosed(
    task: str,
    inputs: Floats,
    target: Sequence[Any],
    rung: str,
    *,
    params: Any = None,
    with_climb: bool = True,
    **options: Any,
) -> Diagnosis:
    named = task_named(task)
    names = tuple(f"x{i}" for i in range(inputs.shape[1]))
    table = pa.table({**dict(zip(names, inputs.T, strict=True)), "y": list(target)})
    schema = Schema(tuple(Column(name, "number") for name in names))
    spec = TaskSpec("m", task, "y", schema, named.losses_known[0])
    ladder = [c for c in named.candidates(spec, TableProfile(table)) if c.name in {"prior", "linear", "boosting"}]
    folds = folded(len(inputs))
    found: Climb | None = None
    if with_climb:
        found = climb(named, spec, ladder, table, folds, effort=Effort(trials=0))
    candidate = next(c for c in ladder if c.name == rung)
    return diagnose(named, spec, candidate, params or {}, table, folds, climb=found, **options)


def names_of(yes: npt.NDArray[np.bool_]) -> list[str]:
    named: list[str] = np.where(yes, "yes", "no").tolist()
    return named


@pytest.fixture(scope="module")
def overfit() -> Diagnosis:
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(400, 20))
    target = inputs.sum(axis=1) / 20**0.5 + 0.3 * rng.normal(size=400)
    return diagnosed("regress", inputs, target, "boosting", params=HASTY, with_climb=False)


@pytest.fixture(scope="module")
def ceiling() -> Diagnosis:
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(4_000, 3))
    inputs[:, 0] = inputs[:, 0] > 0
    return diagnosed("classify", inputs, names_of((inputs[:, 0] > 0) ^ (rng.random(4_000) < 0.2)), "linear")


@pytest.fixture(scope="module")
def underfit() -> Diagnosis:
    inputs = np.random.default_rng(2).normal(size=(400, 2))
    return diagnosed("classify", inputs, names_of((inputs[:, 0] > 0) ^ (inputs[:, 1] > 0)), "linear")


def test_trees_that_need_far_more_rows_overfit_and_simpler_settings_are_adopted(overfit: Diagnosis) -> None:
    assert "overfit" in overfit.conditions
    assert overfit.gap is not None
    assert overfit.gap.lower > 0
    remedy = next(r for r in overfit.remedies if r.rung is None and r.against == "overfit")
    assert remedy.adopted
    assert remedy.comparison is not None
    assert remedy.comparison.upper < 0
    assert overfit.params == {**HASTY, **remedy.changes}
    assert overfit.changed


def test_a_line_on_xor_underfits_and_the_rung_that_does_not_is_named(underfit: Diagnosis) -> None:
    assert underfit.conditions == ("underfit",)
    assert underfit.loss_of_prior == pytest.approx(underfit.loss, rel=0.02)
    better = next(r for r in underfit.remedies if r.rung == "boosting")
    assert better.proven
    assert not better.adopted
    assert underfit.params == {}
    assert "gradient boosted trees" in underfit.words["underfit"]["en"]


def test_flipped_labels_are_a_ceiling_near_the_bayes_loss(ceiling: Diagnosis) -> None:
    bayes = -(0.2 * np.log(0.2) + 0.8 * np.log(0.8))
    assert ceiling.conditions == ("noise_ceiling",)
    assert ceiling.gain is not None
    assert ceiling.gain.floor == pytest.approx(bayes, rel=0.05)
    assert ceiling.expected is not None
    assert ceiling.expected.loss == pytest.approx(bayes, rel=0.05)
    assert "by its own probabilities" in ceiling.words["noise_ceiling"]["en"]


def test_without_other_rungs_nothing_is_said_of_a_ceiling() -> None:
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(1_000, 2))
    xor = names_of((inputs[:, 0] > 0) ^ (inputs[:, 1] > 0))
    assert "noise_ceiling" not in diagnosed("classify", inputs, xor, "linear", with_climb=False).conditions


class PowerLaw:
    """A task whose losses fall with a known power of the rows, and scatter by unit and by model."""

    name, losses_known = "power", ("squared",)
    fitted: Any = None

    def __init__(self, exponent: float, seen: float = 0.0, clock: list[float] | None = None) -> None:
        self.exponent, self.seen, self.clock = exponent, seen, clock if clock is not None else [0.0]
        self.fits: list[int] = []

    def loss(self, n: int) -> float:
        return 1.0 + 20.0 * float(n**-self.exponent)

    def fit(self, candidate: Candidate, params: Mapping[str, Any], table: pa.Table, *, spec: TaskSpec) -> Any:
        self.fits.append(table.num_rows)
        self.clock[0] += table.num_rows / 1_000
        return Model(frozenset(table["id"].to_pylist()), int(table["id"].to_numpy().sum()) % 2**31, params)

    def losses(self, fitted: Any, table: pa.Table, spec: TaskSpec) -> Losses:
        ids = table["id"].to_numpy()
        known = np.isin(ids, list(fitted.rows))
        rng = np.random.default_rng(fitted.seed)
        n = len(fitted.rows)
        level = self.loss(n) + 0.2 * n**-0.5 * rng.normal() - float(fitted.params.get("better", 0.0))
        noise = 0.5 * np.random.default_rng(7).normal(size=2**14)[ids]
        return Losses(np.where(known, self.seen * level, level) + noise, ids.astype(str))


class Noisy(PowerLaw):
    """Every model errs in its own way on every unit."""

    def losses(self, fitted: Any, table: pa.Table, spec: TaskSpec) -> Losses:
        found = super().losses(fitted, table, spec)
        rng = np.random.default_rng([spec.seed, fitted.seed, len(fitted.params)])
        return Losses(found.values + rng.normal(size=len(found.values)), found.units)


class Model:
    """What it learnt from."""

    classes: tuple[str, ...] = ()

    def __init__(self, rows: frozenset[int], seed: int, params: Mapping[str, Any]) -> None:
        self.rows, self.seed, self.params = rows, seed, params


ANY = Candidate("any", {"en": "anything", "es": "lo que sea"})
SPEC = TaskSpec("m", "power", "y", Schema(()), "squared")


def made(n: int, **columns: Any) -> pa.Table:
    return pa.table({"id": np.arange(n), "y": np.random.default_rng(3).normal(size=n), **columns})


@pytest.mark.parametrize("exponent", [0.4, 0.6, 1.0])
def test_a_curve_that_falls_by_a_power_law_foretells_what_twice_the_rows_gain(exponent: float) -> None:
    covered = 0
    for seed in range(12):
        task: Any = PowerLaw(exponent)
        table = made(2_000)
        found = diagnose(task, replace(SPEC, seed=seed), ANY, {}, table, folded(2_000, seed=seed))
        assert found.gain is not None
        truth = task.loss(1_600) - task.loss(3_200)
        covered += found.gain.lower <= truth <= found.gain.upper
        assert ("more_data" in found.conditions) == (found.gain.lower > 0 and found.gain.share > 0.01)
    assert covered >= 10


def test_rows_that_would_bring_nothing_are_not_said_to_bring_less_than_nothing() -> None:
    task: Any = PowerLaw(0.5)
    found = diagnose(task, SPEC, ANY, {}, made(2_000), folded(2_000, seed=1))
    assert found.gain is not None
    gain = replace(found.gain, share=-0.0154, share_lower=-0.05, share_upper=0.02)
    said = with_words(replace(found, conditions=("well_fitted",), gain=gain)).reason
    assert "twice the rows would bring nothing of it" in said["en"]
    assert "el doble de filas no quitaría nada (intervalo" in said["es"]


def test_windows_in_time_use_the_newest_folds_and_keep_the_newest_rows() -> None:
    oldest = []

    class Kept(PowerLaw):
        def fit(self, candidate: Candidate, params: Mapping[str, Any], table: pa.Table, *, spec: TaskSpec) -> Any:
            oldest.append(min(table["id"].to_pylist()))
            return super().fit(candidate, params, table, spec=spec)

    task: Any = Kept(0.5)
    rows = np.arange(1_000)
    folds = [(rows[:cut], rows[cut : cut + 120]) for cut in (400, 520, 640, 760, 880)]
    found = diagnose(task, replace(SPEC, time="day"), ANY, {}, made(1_000, day=rows), folds)
    assert task.fits == [640, 760, 880, 320, 380, 440, 160, 190, 220, 80, 95, 110]
    assert oldest[3:] == [320, 380, 440, 480, 570, 660, 560, 665, 770]
    assert found.gain is not None


def test_a_flat_curve_does_not_ask_for_rows() -> None:
    task: Any = PowerLaw(9.0)
    said = [diagnose(task, SPEC, ANY, {}, made(2_000), folded(2_000, seed=seed)).conditions for seed in range(12)]
    assert sum("more_data" in conditions for conditions in said) <= 1


def test_few_rows_tell_nothing_and_cost_nothing() -> None:
    task: Any = PowerLaw(0.5)
    found = diagnose(task, SPEC, ANY, {"a": 1}, made(99), folded(99))
    assert found.conditions == ("unknown",)
    assert (task.fits, found.params) == ([], {"a": 1})
    assert found.words["unknown"]["en"].startswith("99 rows are too few")
    assert diagnose(task, SPEC, ANY, {}, made(100), folded(100)).n_folds == 3


@pytest.mark.parametrize("deadline", [0.0, 1.0, 2.0, 4.0, 6.0, 7.0])
def test_the_deadline_is_kept_and_what_is_known_by_then_is_told(deadline: float) -> None:
    clock = [0.0]
    task: Any = PowerLaw(0.5, clock=clock)
    rung = replace(ANY, remedies={"overfit": {"better": 0.5}})
    found = diagnose(task, SPEC, rung, {}, made(2_000), folded(2_000), deadline=deadline, clock=lambda: clock[0])
    assert found.stopped == "time"
    assert clock[0] <= deadline + 1.6  # the first fit of its kind: what it takes is not known before
    assert found.n_folds == sum(n == 1_600 for n in task.fits[: found.n_folds])
    assert found.conditions != ("well_fitted",)
    assert all(found.reason[language] for language in LANGUAGES)


def test_it_costs_about_as_much_as_the_folds_of_the_rung() -> None:
    task: Any = PowerLaw(0.5)
    diagnose(task, SPEC, replace(ANY, remedies={"overfit": {"better": 0.5}}), {}, made(2_000), folded(2_000))
    assert sum(task.fits) <= 2 * 5 * 1_600


def test_ctrl_c_ends_it_with_what_is_known() -> None:
    class Stopped(PowerLaw):
        def fit(self, *given: Any, **named: Any) -> Any:
            if len(self.fits) == 4:
                raise KeyboardInterrupt
            return super().fit(*given, **named)

    task: Any = Stopped(0.5)
    found = diagnose(task, SPEC, ANY, {}, made(2_000), folded(2_000))
    assert (found.stopped, found.n_folds, found.gain) == ("interrupted", 3, None)


def test_a_remedy_is_adopted_only_where_it_is_proven_better_by_more_than_matters() -> None:
    for better, adopted in ((0.5, True), (0.001, False), (-0.5, False)):
        task: Any = PowerLaw(0.5)
        rung = replace(ANY, remedies={"overfit": {"better": better}})
        found = diagnose(task, SPEC, rung, {"a": 1}, made(2_000), folded(2_000))
        assert [remedy.adopted for remedy in found.remedies] == [adopted]
        assert found.params == ({"a": 1, "better": better} if adopted else {"a": 1})
        assert ("overfit" in found.conditions) == adopted


def test_a_remedy_that_is_worse_is_given_up_after_one_fold_and_one_that_may_be_better_gets_all() -> None:
    for better, fits in ((-0.5, 13), (0.5, 15), (0.09, 19)):
        task: Any = Noisy(0.5)
        rung = replace(ANY, remedies={"overfit": {"better": better}})
        diagnose(task, SPEC, rung, {}, made(2_000), folded(2_000))
        assert len(task.fits) == fits, better


def test_a_remedy_without_effect_is_adopted_in_at_most_one_case_of_forty() -> None:
    adopted = 0
    for seed in range(40):
        task: Any = Noisy(0.5)
        rung = replace(ANY, remedies={"overfit": {"nothing": 0.0}, "underfit": {"nothing": 1.0}})
        found = diagnose(task, replace(SPEC, seed=seed), rung, {}, made(200), folded(200, seed=seed), margin=0.0)
        adopted += found.changed
    assert adopted <= 1


def test_settings_beyond_the_remedy_stay() -> None:
    both: Any = {"overfit": {"leaves": 6, "rate": 0.05}, "underfit": {"leaves": 127}}
    tree = replace(ANY, params={"leaves": 31}, remedies=both)
    assert settings_against("overfit", tree, {}) == {"leaves": 6, "rate": 0.05}
    assert settings_against("underfit", tree, {}) == {"leaves": 127}
    assert settings_against("overfit", tree, {"leaves": 4}) == {"rate": 0.05}
    assert settings_against("underfit", tree, {"leaves": 200}) == {}
    assert settings_against("overfit", ANY, {}) == {}


def test_a_rung_that_no_part_of_the_rows_can_teach_is_unknown() -> None:
    class Never(PowerLaw):
        def fit(self, *given: Any, **named: Any) -> Any:
            raise RuntimeError("no")

    task: Any = Never(0.5)
    found = diagnose(task, SPEC, ANY, {}, made(2_000), folded(2_000))
    assert (found.conditions, found.loss) == (("unknown",), None)


def test_a_bug_of_ours_is_not_swallowed() -> None:
    class Broken(PowerLaw):
        def fit(self, *given: Any, **named: Any) -> Any:
            raise AttributeError("no")

    task: Any = Broken(0.5)
    with pytest.raises(AttributeError):
        diagnose(task, SPEC, ANY, {}, made(2_000), folded(2_000))


def test_the_same_seed_gives_the_same_diagnosis() -> None:
    task: Any = PowerLaw(0.5)
    one, two = (diagnose(task, SPEC, ANY, {}, made(1_000), folded(1_000), clock=lambda: 0.0) for _ in range(2))
    assert one == two


def test_every_number_said_is_a_field(overfit: Diagnosis, underfit: Diagnosis, ceiling: Diagnosis) -> None:
    for found in (overfit, underfit, ceiling):
        fields = list(numbers_in(found))
        for language in LANGUAGES:
            text = re.sub(r"\w*_\w*", "", found.reason[language])
            assert set(found.words) == set(found.conditions)
            for said in re.findall(r"[\d.,\u202f]*\d(?:\u00a0?%)?", text):
                value = parsed(said, language)
                near = [abs(abs(field) - value) <= 6e-3 * abs(field) + 1e-4 * (found.loss or 0) for field in fields]
                assert any(near), (said, text)


def parsed(said: str, language: Language) -> float:
    plain = said.removesuffix("%").strip("\u00a0").replace("\u202f", "")
    plain = plain.replace(",", "") if language == "en" else plain.replace(".", "").replace(",", ".")
    return float(plain) / (100 if said.endswith("%") else 1)


def numbers_in(value: Any) -> Any:
    if isinstance(value, bool | str) or value is None:
        return
    if isinstance(value, int | float):
        yield float(value)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from numbers_in(part)
    elif isinstance(value, tuple):
        for part in value:
            yield from numbers_in(part)
    else:
        yield from numbers_in(dict(vars(value)))


def test_it_is_read_back_as_it_was(overfit: Diagnosis, underfit: Diagnosis) -> None:
    for found in (overfit, underfit):
        assert from_json(to_json(found), Diagnosis) == found
    assert isinstance(overfit.gap, Comparison)


@pytest.mark.parametrize("shares", [(0.5, 0.25, 0.125)])
def test_parts_are_nested_and_of_the_size_asked_for(shares: tuple[float, ...]) -> None:
    table, train = made(1_000), np.arange(0, 1_000, 2)
    parts = nested_parts(table, SPEC, train, shares, np.random.default_rng(0), newest=False)
    assert [len(part) for part in parts] == [250, 125, 62]
    for larger, smaller in zip([train, *parts], parts, strict=False):
        assert np.isin(smaller, larger).all()


def test_parts_keep_groups_whole() -> None:
    groups = np.random.default_rng(0).integers(0, 60, 1_000)
    table = made(1_000, g=groups.astype(str))
    parts = nested_parts(
        table, replace(SPEC, group="g"), np.arange(1_000), (0.5, 0.25), np.random.default_rng(0), newest=False
    )
    for part in parts:
        outside = np.setdiff1d(np.arange(1_000), part)
        assert not np.isin(groups[part], groups[outside]).any()
    assert np.isin(parts[1], parts[0]).all()
    assert 250 <= len(parts[1]) <= 290


def test_parts_of_windows_in_time_are_the_newest_rows() -> None:
    day = np.random.default_rng(0).permutation(1_000)
    table = made(1_000, day=day)
    (part,) = nested_parts(
        table, replace(SPEC, time="day"), np.arange(800), (0.25,), np.random.default_rng(0), newest=True
    )
    assert day[part].min() > np.delete(day[:800], part).max()
    assert len(part) == 200


def test_parts_keep_the_shares_of_classes_and_rare_ones() -> None:
    labels = np.repeat(["a", "b", "c"], [900, 97, 3])
    table = pa.table({"y": labels})
    (part,) = nested_parts(table, SPEC, np.arange(1_000), (0.125,), np.random.default_rng(0), newest=False)
    names, counts = np.unique(labels[part], return_counts=True)
    assert names.tolist() == ["a", "b", "c"]
    assert counts[1] == pytest.approx(12, abs=1)

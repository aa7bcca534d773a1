from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cauce.core.artefacts import Candidate, Choice, Schema, TaskSpec
from cauce.core.files import from_json, to_json
from cauce.evidence import WIDEST
from cauce.select import Attempt, Climb, choose
from cauce.select.cache import Cost

Floats = npt.NDArray[np.float64]
TITLES = {"en": "model {}", "es": "modelo {}"}
SKIPS: dict[str, Any] = {
    "budget": None,
    "interrupted": None,
    "missing_extra": {"en": "x needs y 2.5. pip install y", "es": "x needs y 2.5. pip install y"},
    "not_applicable": {"en": "fewer than 30 rows", "es": "menos de 30 filas"},
    "failed": {"en": "ValueError: 7 bad rows.", "es": "ValueError: 7 bad rows."},
}


def candidate(place: int) -> Candidate:
    name = "abcdefgh"[place]
    return Candidate(name, {language: text.format(name) for language, text in TITLES.items()})


def climbed(
    losses: Sequence[Floats], *, k: int = 5, loss: str = "log", skips: Sequence[str] = (), groups: Any = None
) -> Climb:
    n = len(losses[0])
    attempts = [Attempt(candidate(i), values, Cost(1.0, 2.0)) for i, values in enumerate(losses)]
    attempts += [Attempt(candidate(len(losses) + i), why=why, note=SKIPS[why]) for i, why in enumerate(skips)]  # type: ignore[arg-type]
    return Climb(
        spec=TaskSpec("dropout", "classify", "y", Schema(()), loss, seed=3),
        attempts=tuple(attempts),
        units=np.arange(n).astype(np.str_),
        rows=np.arange(n),
        folds=np.arange(n) % k,
        groups=groups,
        test_per_train=1 / (k - 1) if k > 1 else 0.25,
        interrupted="interrupted" in skips,
    )


def rungs(*gaps: float, n: int = 2_000, noise: float = 0.2, seed: int = 0, level: float = 0.0) -> list[Floats]:
    """Return losses of rungs whose mean differs by `gaps` from a shared, skewed loss."""
    rng = np.random.default_rng(seed)
    base = rng.exponential(0.5, n) + level
    return [base + gap + (noise * rng.normal(size=n)) for gap in gaps]


def whys(choice: Choice) -> list[str]:
    return [rung.why for rung in choice.rungs]


def test_equal_rungs_give_the_simplest() -> None:
    losses = rungs(0.0)[0]
    choice = choose(climbed([losses, losses.copy(), losses.copy()]), margin=0.01)
    assert (choice.chosen, choice.best) == ("a", "a")
    assert whys(choice) == ["simplest_not_worse", "more_complex", "more_complex"]


@pytest.mark.slow
def test_rungs_that_are_truly_equal_take_in_a_higher_one_in_at_most_one_case_of_twenty() -> None:
    chosen = [choose(climbed(rungs(0, 0, 0, 0, n=100, seed=seed)), margin=0.0).chosen for seed in range(1_000)]
    assert np.mean([name != "a" for name in chosen]) <= 0.05


@pytest.mark.slow
def test_rungs_that_are_truly_equal_by_group_take_in_a_higher_one_in_at_most_one_case_of_twenty() -> None:
    wrong = 0
    groups = np.repeat(np.arange(20), 10)
    for seed in range(1_000):
        shared = np.random.default_rng(seed).normal(size=(3, 20))[:, groups]
        losses = [own + 0.5 * common for own, common in zip(rungs(0, 0, 0, n=200, seed=seed), shared, strict=True)]
        wrong += choose(climbed(losses, groups=groups), margin=0.0).chosen != "a"
    assert wrong <= 50


def test_alike_rungs_above_cost_a_simple_one_no_certainty() -> None:
    # Six copies give luck one chance, six strangers six: how wide the interval is tells them apart.
    rng = np.random.default_rng(0)
    simple, better = rungs(0.05, 0.0, n=500)
    copies = [better + 1e-4 * rng.normal(size=500) for _ in range(6)]
    strangers = [better.mean() + rng.permutation(better - better.mean()) for _ in range(5)]
    widths = []
    for above in ([better], copies, [better - 1e-3, *strangers]):
        found = choose(climbed([simple, *above]), margin=0.0).rungs[0].against_best
        assert found is not None
        widths.append(found.provable)
    alone, alike, different = widths
    assert alike == pytest.approx(alone, rel=0.02)
    assert 1.2 < different / alone < 1.45  # Bonferroni over six, two-sided as before: 1.6


def test_rungs_below_cost_a_rung_no_certainty() -> None:
    # What lies below a rung cannot be mistaken for something better that is more complex.
    losses = rungs(0.9, 0.7, 0.5, 0.1, 0.0, n=300, seed=3)
    found = choose(climbed(losses), margin=0.0).rungs[3].against_best
    alone = choose(climbed(losses[3:]), margin=0.0).rungs[0].against_best
    assert found == alone


def test_the_units_for_a_gap_of_twice_the_margin_find_it_in_nine_of_ten_samples() -> None:
    told = [
        choose(climbed(rungs(0, 0, n=300, seed=seed)), margin=0.02).units_for_twice_margin or 0 for seed in range(200)
    ]
    needed, taken = int(np.median([each for each in told if each])), 0
    for seed in range(300):
        losses = rungs(0.02, 0.0, n=needed, seed=seed)  # the mean loss is 0.5
        taken += choose(climbed(losses), margin=0.02).chosen == "b"
    assert 0.85 <= taken / 300 <= 0.96


def test_units_are_told_only_where_a_rival_is_left() -> None:
    assert choose(climbed(rungs(0.3, 0.0)), margin=0.01).units_for_twice_margin is None
    assert choose(climbed(rungs(0.3, 0.0, 0.3)), margin=0.01).units_for_twice_margin is None
    assert choose(climbed(rungs(0.3, 0.0, 0.0)), margin=0.01).units_for_twice_margin is not None
    assert choose(climbed(rungs(0.0)), margin=0.01).units_for_twice_margin is None


def test_a_clear_gain_takes_in_the_higher_rung() -> None:
    choice = choose(climbed(rungs(0.3, 0.1, 0.0, 0.0)), margin=0.01)
    assert choice.chosen == "c"
    assert whys(choice) == ["worse_than_best", "worse_than_best", "simplest_not_worse", "more_complex"]


def test_every_rung_is_held_against_the_best_and_not_against_its_neighbour() -> None:
    assert choose(climbed(rungs(0.3, 0.3, 0.3, 0.0)), margin=0.01).chosen == "d"


def test_a_certain_gain_below_the_margin_is_not_taken() -> None:
    losses = rungs(0.004, 0.0, noise=0.001)
    choice = choose(climbed(losses), margin=0.02)
    assert (choice.chosen, choice.best) == ("a", "b")
    found = choice.rungs[0].against_best
    assert found is not None
    assert found.lower > 0
    assert choose(climbed(losses), margin=0.001).chosen == "b"


def test_a_large_gap_that_is_not_proven_keeps_the_simplest() -> None:
    choice = choose(climbed(rungs(0.2, 0.0, n=12, noise=2.0, seed=1)), margin=0.01)
    assert choice.chosen == "a"


def test_a_higher_margin_never_takes_a_higher_rung() -> None:
    for seed in range(30):
        climb = climbed(rungs(0.05, 0.02, 0.01, 0.0, n=400, noise=0.1, seed=seed))
        places = ["abcd".index(choose(climb, margin=margin).chosen) for margin in (0.0, 0.01, 0.05, 0.2)]
        assert places == sorted(places, reverse=True)


def test_the_record_holds_what_was_measured() -> None:
    choice = choose(climbed(rungs(0.3, 0.0), skips=["failed"]), margin=0.02)
    assert (choice.model, choice.loss, choice.margin, choice.seed) == ("dropout", "log", 0.02, 3)
    assert (choice.n_units, choice.n_folds) == (2_000, 5)
    first, last, failed = choice.rungs
    assert first.against_best is not None
    assert first.mean_loss == first.against_best.mean_candidate
    assert last.mean_loss == first.against_best.mean_reference
    assert last.against_best is None
    assert (first.fit_seconds, first.predict_us_per_row) == (1.0, 2.0)
    assert (failed.outcome, failed.why, failed.mean_loss) == ("skipped", "failed", None)
    assert failed.detail == "ValueError: 7 bad rows."


CASES = {
    "clear gain": climbed(rungs(0.3, 0.1, 0.0, 0.05)),
    "equal": climbed(rungs(0.0, 0.0, 0.0, seed=5)),
    "identical": climbed([np.ones(50)] * 3),
    "certain, below the margin": climbed(rungs(0.004, 0.0, noise=0.03), loss="squared"),
    "equivalent": climbed(rungs(0.0002, 0.0, noise=0.0005, n=50_000), loss="zero_one"),
    "too few": climbed(rungs(0.9, 0.0, n=12, noise=1.0, seed=1, level=10.0), loss="absolute"),
    "one group": climbed(rungs(0.2, 0.0, n=50), groups=np.zeros(50)),
    "one unit": climbed([np.array([2.0]), np.array([1.0])], k=1),
    "alone": climbed(rungs(0.0), skips=["budget"]),
    "skipped": climbed(rungs(0.1, 0.0), skips=list(SKIPS)),
    "large": climbed([values * 1e7 for values in rungs(0.3, 0.0)], loss="squared"),
    "tiny": climbed([values * 1e-7 for values in rungs(0.3, 0.0)], loss="squared"),
    "large and too few": climbed([values * 1e4 for values in rungs(0.9, 0, n=9, noise=1, seed=1, level=9)]),
    "negative": climbed(rungs(0.3, 0.0, level=-5.0), loss="own_loss"),
}


def numbers_of(choice: Choice) -> Iterator[float]:
    """Every number that the record holds, as it is or as a percentage."""
    yield from (choice.n_units, choice.n_folds, 100 * choice.margin)
    if choice.units_for_twice_margin is not None:
        yield choice.units_for_twice_margin
    for rung in choice.rungs:
        if rung.mean_loss is not None:
            yield rung.mean_loss
            if choice.loss == "squared":
                yield rung.mean_loss**0.5
        yield from (float(text) for text in re.findall(r"\d+(?:\.\d+)?", rung.detail))
        found = rung.against_best
        if found is not None:
            yield from (found.difference, found.lower, found.upper, found.margin, found.provable)
            yield 100 * found.confidence


def numbers_in(paragraph: str, language: str) -> list[float]:
    if language == "es":
        paragraph = paragraph.replace("\u202f", "").replace("2.5", "2,5")  # a version inside a library's message
        paragraph = re.sub(r"(?<=\d),(?=\d)", ".", paragraph)
    else:
        paragraph = re.sub(r"(?<=\d),(?=\d)", "", paragraph)
    found = re.findall(r"(−?\d+(?:\.\d+)?(?:e-\d+)?)( mill)?", paragraph)
    return [float(text.replace("−", "-")) * (1e6 if million else 1) for text, million in found]


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("case", CASES)
def test_every_number_of_the_reason_is_a_field_of_the_choice(case: str, language: str) -> None:
    choice = choose(CASES[case], margin=0.01)
    known = list(numbers_of(choice))
    said = numbers_in(choice.reason[language], language)
    assert len(said) >= 3
    for number in said:
        # Three significant digits: half a unit of the third is at most 0.5 % of the number.
        assert any(number == pytest.approx(field, rel=0.0051, abs=1e-15) for field in known), number


@pytest.mark.parametrize("case", CASES)
def test_every_rung_is_named_in_both_languages(case: str) -> None:
    choice = choose(CASES[case], margin=0.01)
    for language in ("en", "es"):
        paragraph = choice.reason[language]
        assert all(rung.title[language] in paragraph for rung in choice.rungs)
        assert "{" not in paragraph
        assert "\n" not in paragraph
        assert "nan" not in paragraph.split()
        assert "1.8e308" not in paragraph
        assert len(paragraph) < 3_000


@pytest.mark.parametrize("case", CASES)
def test_every_choice_is_json(case: str) -> None:
    choice = choose(CASES[case], margin=0.01)
    assert from_json(to_json(choice), Choice) == choice


@pytest.mark.parametrize(
    ("case", "en", "es"),
    [
        ("clear gain", "is simpler but worse", "es más sencillo, pero peor"),
        ("clear gain", "(0.5617) is more complex and worse.", "(0,5617) es más complejo y peor."),
        ("equal", "more complex and not shown to be better", "no se ha demostrado que sea mejor"),
        ("certain, below the margin", "real but less than what matters", "menor que lo que importa"),
        ("equivalent", "proven to be less than what matters", "Está probado"),
        ("too few", "too few to tell", "muy pocas para saberlo"),
        ("one group", "cannot be told", "No se puede saber"),
        ("one unit", "cannot be told", "No se puede saber"),
        ("too few", "in nine of ten tries takes about", "en nueve de cada diez intentos hacen falta unas"),
        ("alone", "only candidate", "único candidato"),
        ("skipped", "a library is missing (x needs y 2.5. pip install y)", "falta una biblioteca"),
        ("skipped", "fewer than 30 rows.", "menos de 30 filas."),
        ("skipped", "could not be fitted (ValueError: 7 bad rows).", "no se pudo ajustar"),
        ("skipped", "the time for choosing was used up", "se agotó el tiempo"),
        ("negative", "(own_loss)", "(own_loss)"),
    ],
)
def test_the_reason_says_what_happened(case: str, en: str, es: str) -> None:
    choice = choose(CASES[case], margin=0.01)
    assert en in choice.reason["en"]
    assert es in choice.reason["es"]


def test_the_reason_in_full() -> None:
    reason = choose(CASES["clear gain"], margin=0.01).reason
    assert reason["en"] == (
        "Chosen: “model c”. "
        "Its mean loss (log loss) is 0.507 over 2,000 units, each judged by a model that had not "
        "seen it, in 5 rounds. "
        "A gap smaller than 1% of the lowest loss (0.00507) does not matter. "
        "No candidate has a lower loss. "
        "The candidate “model a” is simpler but worse: its loss is 0.8061, 0.299 above the lowest (90% "
        "interval: 0.276 to 0.322). "
        "The candidate “model b” is simpler but worse: its loss is 0.611, 0.104 above the lowest (90% "
        "interval: 0.086 to 0.122). "
        "The candidate “model d” (0.5617) is more complex and worse."
    )
    assert reason["es"] == (
        "Elegido: «modelo c». "
        "Su pérdida media (logarítmica) es de 0,507 en 2000 unidades, cada una juzgada por un "
        "modelo que no la había visto, en 5 rondas. "
        "Una diferencia menor que el 1\u00a0% de la pérdida más baja (0,00507) no importa. "
        "Ningún candidato tiene una pérdida menor. "
        "El candidato «modelo a» es más sencillo, pero peor: su pérdida de 0,8061 supera en 0,299 a la más baja "
        "(intervalo del 90\u00a0%: de 0,276 a 0,322). "
        "El candidato «modelo b» es más sencillo, pero peor: su pérdida de 0,611 supera en 0,104 a la más baja "
        "(intervalo del 90\u00a0%: de 0,086 a 0,122). "
        "El candidato «modelo d» (0,5617) es más complejo y peor."
    )


def test_one_group_is_not_said_to_be_certain() -> None:
    found = choose(CASES["one group"], margin=0.01).rungs[0].against_best
    assert found is not None
    assert found.provable == WIDEST


def test_a_squared_loss_is_also_told_in_the_targets_unit() -> None:
    reason = choose(climbed([np.full(50, 144.0)], loss="squared"), margin=0.01).reason
    assert "is 144 (its root, in the target's own unit: 12)" in reason["en"]
    assert "es de 144 (su raíz, en la unidad del objetivo: 12)" in reason["es"]
    assert "root" not in choose(climbed([np.full(50, 144.0)]), margin=0.01).reason["en"]

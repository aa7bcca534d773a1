"""The reason read back: its sentences are parsed by their own texts; every number found is a field of the record."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cauce.core.artefacts import Candidate, Choice, Rung, RungWhy, Schema, TaskSpec, Trial
from cauce.core.figures import Language
from cauce.core.files import from_json, to_json
from cauce.select import Attempt, Climb, Limits, choose
from cauce.select.cache import Cost
from cauce.select.reason import TEXTS

Floats = npt.NDArray[np.float64]
LIMITS = Limits(max_latency_ms=5.0, max_size_mb=2.5)
SLOW = Cost(3.21, 40.0, 12.3456, 30_000)
LARGE = Cost(1234.5, 40.0, 1.5, 7_654_321)
LEFT_OUT: Mapping[RungWhy, Any] = {
    "budget": {
        "en": "it would take about 94 s, and 31 s of the budget were left",
        "es": "tardaría unos 94 s y del tiempo previsto quedaban 31 s",
    },
    "interrupted": None,
    "missing_extra": {"en": "x needs y 2.5. pip install y", "es": "x necesita y 2,5. pip install y"},
    "not_applicable": {"en": "fewer than 30 rows", "es": "menos de 30 filas"},
    "not_allowed": None,
    "not_interpretable": None,
    "failed": {"en": "ValueError: 7 bad rows.", "es": "ValueError: 7 bad rows."},
}
FIGURE = r"−?[\d.,\u202f]*\d(?:e-\d+)?(?: mill(?:ion|ones))?(?:\u00a0?%)?"
WORDS = {"title", "loss", "note"}
"""Placeholders that hold text; all others hold one number, or a piece with one number in it."""


def losses(*means: float, n: int = 2_000, noise: float = 0.2, scale: float = 1.0, seed: int = 0) -> list[Floats]:
    rng = np.random.default_rng(seed)
    base = rng.exponential(0.5, n)
    return [scale * (base + gap + noise * rng.normal(size=n)) for gap in means]


def climb(
    values: list[Floats],
    *,
    loss: str = "log",
    barred: bool = False,
    left_out: tuple[RungWhy, ...] = (),
    trials: int = 0,
    groups: Any = None,
) -> Climb:
    """Return a climb whose last fitted rung was tuned, with rungs above it that may not be chosen or were left out."""
    made: list[Attempt] = []

    def add(**fields: Any) -> None:
        name = "abcdefghijklmnop"[len(made)]
        made.append(Attempt(Candidate(name, {"en": f"model {name}", "es": f"modelo {name}"}), **fields))

    for each in values:
        add(losses=each, cost=Cost(1.0, 2.0, 0.5, 1_000))
    tried = tuple(Trial(i, {"depth": i}, 0.5, 5, 0.25, "complete") for i in range(trials))
    made[-1] = replace(made[-1], trials=tried)
    for cost in (SLOW, LARGE) if barred else ():
        beyond, note = LIMITS.after(cost) or (None, None)
        add(losses=values[-1] * 1.1 + 0.1, cost=cost, why=beyond, note=note)
    for why in left_out:
        add(why=why, note=LEFT_OUT[why], expected_s=93.7 if why == "budget" else None)
    n = len(values[0])
    return Climb(
        spec=TaskSpec("dropout", "classify", "y", Schema(()), loss, seed=3),
        attempts=tuple(made),
        units=np.arange(n).astype(np.str_),
        rows=np.arange(n),
        folds=np.arange(n) % 5,
        groups=groups,
        test_per_train=0.25,
        seconds=12.0,
    )


CASES = {
    "every outcome": climb(losses(0.3, 0.0), barred=True, left_out=tuple(LEFT_OUT), trials=1_234),
    "a simpler one kept": climb(losses(0.3, 0.01, 0.0, 0.2, n=300), barred=True, left_out=("budget",), trials=50),
    "a real gap that is small": climb(losses(0.004, 0.0, noise=0.03), loss="squared"),
    "a gap proven small": climb(losses(0.0002, 0.0, noise=0.0005, n=20_000), loss="zero_one"),
    "a gap not proven": climb(losses(0.004, 0.0, noise=0.06)),
    "too few": climb(losses(0.9, 0.0, n=12, noise=1.0, seed=1), loss="absolute", trials=6),
    "one group": climb(losses(0.2, 0.0, n=50), groups=np.zeros(50)),
    "alone": climb(losses(0.0), left_out=("interrupted", "not_allowed")),
    "thousands": climb(losses(0.3, 0.0, 0.3, scale=4e4), loss="squared", trials=9),
    "millions": climb(losses(0.3, 0.0, 0.3, scale=3e7), loss="squared"),
    "tiny": climb(losses(0.3, 0.0, 0.3, scale=1e-7), loss="own_loss"),
}


def sentences(language: Language) -> set[str]:
    return {key for key, text in TEXTS[language].items() if text.endswith(".")}


def pattern(language: Language, key: str) -> re.Pattern[str]:
    """Return a sentence's text as an expression: a group for each placeholder."""
    parts = re.split(r"\{(\w+)\}", TEXTS[language][key])
    groups = {name: ".+?" if name in WORDS else FIGURE for name in parts[1::2]}
    root, counted = re.split(r"\{root\}", TEXTS[language]["root"]), r"\w+"
    groups["title"] = "[^”»]+"
    groups["root"] = f"{re.escape(root[0])}{FIGURE}{re.escape(root[1])}|"
    groups["because"] = r" \(.+?\)|"
    groups["units"] = groups["folds"] = f"{FIGURE} {counted}"
    pieces = (f"(?P<{part}>{groups[part]})" if at % 2 else re.escape(part) for at, part in enumerate(parts))
    return re.compile("".join(pieces) + r"(?= |$)")


def parse(paragraph: str, language: Language, begin: int = 0) -> list[tuple[str, dict[str, str]]] | None:
    """Return each sentence's key and what its placeholders hold; None where the paragraph is not made of them."""
    if begin >= len(paragraph):
        return []
    for key in sorted(sentences(language), key=lambda key: -len(TEXTS[language][key])):  # the most particular first
        found = pattern(language, key).match(paragraph, begin)
        rest = parse(paragraph, language, found.end() + 1) if found else None
        if found and rest is not None:
            return [(key, found.groupdict()), *rest]
    return None


def figures(text: str, language: Language) -> list[float]:
    return [_value(figure, language) for figure in re.findall(FIGURE, text)]


def _value(text: str, language: Language) -> float:
    times = 1e6 if "mill" in text else 0.01 if "%" in text else 1.0
    bare = re.sub(r"[^\d.,e−-]", "", text.partition(" mill")[0]).replace("−", "-")
    bare = bare.replace(",", "") if language == "en" else bare.replace(",", ".")
    return float(bare) * times


def fields(choice: Choice, key: str, title: str | None, language: Language) -> dict[str, float | None]:
    """Return the fields of the record that a sentence's placeholders stand for."""
    by_name = {rung.name: rung for rung in choice.rungs}
    chosen = by_name[choice.chosen]
    rung = next((each for each in choice.rungs if each.title[language] == title), chosen)
    against = chosen.against_best if key in {"gap", "gap_unknown", "too_few"} else rung.against_best
    margins = {each.against_best.margin for each in choice.rungs if each.against_best is not None}
    known: dict[str, float | None] = {
        "mean": rung.mean_loss,
        "root": math.sqrt(rung.mean_loss) if choice.loss == "squared" and rung.mean_loss else None,
        "units": choice.n_units,
        "folds": choice.n_folds,
        "margin": choice.margin,
        "absolute": margins.pop() if len(margins) == 1 else None,
        "needed": choice.units_for_twice_margin,
        "trials": chosen.n_trials,
    }
    assert chosen.n_trials == len(choice.trials.get(choice.chosen, ()))
    if against is not None:
        known |= {name: getattr(against, name) for name in ("difference", "lower", "upper", "confidence", "provable")}
    return known


def noted(rung: Rung) -> Iterator[float]:
    """Give the figures of the record that a rung's note tells."""
    if rung.why == "too_slow":
        assert rung.predict_ms_one_row is not None
        assert LIMITS.max_latency_ms is not None
        yield from (rung.predict_ms_one_row, LIMITS.max_latency_ms)
    if rung.why == "too_large":
        assert rung.size_bytes is not None
        assert LIMITS.max_size_mb is not None
        yield from (rung.size_bytes / 1e6, LIMITS.max_size_mb)
    if rung.why == "budget" and rung.expected_seconds is not None:
        yield rung.expected_seconds


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("case", CASES)
def test_every_number_of_the_reason_is_the_field_that_its_sentence_names(case: str, language: Language) -> None:
    choice = from_json(to_json(choose(CASES[case], margin=0.01, budget_s=60.0)), Choice)
    found = parse(choice.reason[language], language)
    assert found is not None, choice.reason[language]
    n_read = 0
    for key, said in found:
        known = fields(choice, key, said.get("title"), language)
        for name, text in said.items():
            if not text or name in {*WORDS, "because"}:
                continue
            (read,) = figures(text, language)
            field = known[name]
            assert field is not None, (key, name)
            # Half a unit of the last digit: means have four significant ones, all others three, counts every one.
            digits = 1e-9 if isinstance(field, int) else 5.1e-4 if name == "mean" else 5.1e-3
            assert read == pytest.approx(field, rel=digits, abs=0.0), (key, name)
            n_read += 1
    assert n_read >= 3


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("case", CASES)
def test_what_is_said_of_a_rung_is_its_note_and_the_notes_numbers_are_its_figures(
    case: str, language: Language
) -> None:
    choice = choose(CASES[case], margin=0.01)
    found = parse(choice.reason[language], language) or []
    told = {
        said["title"]: (key, said)
        for key, said in found
        if key not in {"chosen", "gap", "gap_unknown"} and "title" in said
    }
    others = [rung for rung in choice.rungs if rung.name not in {choice.chosen, choice.best}]
    assert sorted(told) == sorted(rung.title[language] for rung in others)
    for rung in others:
        key, said = told[rung.title[language]]
        assert key in {rung.why, "complex_and_worse"}
        note = said.get("note") or said.get("because", "").removeprefix(" (").removesuffix(")")
        assert note == rung.note.get(language, "").rstrip(". ")
        for read, field in zip(figures(note, language), noted(rung), strict=False):
            assert read == pytest.approx(field, rel=5.1e-3), rung.why


def test_every_sentence_was_read_in_some_case() -> None:
    read = {key for case in CASES.values() for key, _ in parse(choose(case, margin=0.01).reason["en"], "en") or []}
    assert read == sentences("en") == sentences("es")


def test_a_number_that_is_changed_is_found_out() -> None:
    choice = choose(CASES["every outcome"], margin=0.01)
    found = parse(choice.reason["en"].replace("1,234 tries", "1,235 tries"), "en") or []
    (said,) = (said for key, said in found if key == "tuned")
    assert figures(said["trials"], "en") != [fields(choice, "tuned", None, "en")["trials"]]
    assert parse(choice.reason["en"] + " It is 4 times as good.", "en") is None

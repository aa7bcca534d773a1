"""How soon estimates are given up after a change of concept, and how often wrongly.

Two worlds. `real`: the truths of the set, no row twice within a run, so that a batch's luck is what the test takes it
to be. `redrawn`: inputs of the set, truths drawn afresh for every row that is asked, from chances that are known; so
batches of 1,000 can be had of small sets, with held-out rows as few as theirs, and every run is another release. Its
control is the way that is wrong, and that this benchmark once took: each row of the pool has one truth for good, and
batches of 1,000 are drawn from a few hundred rows again and again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from benchmarks.watch.estimate import earlier, material
from benchmarks.watch.estimate.material import Case, Codes, Floats, Source
from benchmarks.watch.estimate.prepared import Judge, prepared

from cauce.core.artefacts import Candidate
from cauce.core.registry import task as task_named
from cauce.loop.expect import said_of
from cauce.watch.truths import cbpe
from cauce.watch.truths.estimate import Expectation, Said, realised_of
from cauce.watch.truths.judged import JudgedBatch, judge_batch, verdicts

BATCH = 1000
BATCHES = 20
BEFORE = (0, 5, 20)
"""Good batches that came before the change."""
DROP = 0.05
"""Points of ROC-AUC that the concept shift costs."""
MOST_CHANCES = 6000
"""Rows of a set whose chances are learnt for a redrawn world."""
Bools = npt.NDArray[np.bool_]


def real(judge: Judge, runs: int, seed: int) -> dict[str, Any]:
    """Judge batches of the set's own truths: calm, shifted each in its own way, and after a change of concept."""
    case, expectation, said, known = judge
    truth, n = np.asarray(known, np.int64), said.n_rows
    rng = np.random.default_rng([seed, 3])
    size = min(BATCH, n // 6)
    result = _empty(size, min(BATCHES, n // size), min(BATCHES, n // (2 * size)))

    def judged(rows: Codes, labels: Codes) -> JudgedBatch:
        return judge_batch(expectation, said.rows(rows), labels[rows])

    for _ in range(runs):
        order = rng.permutation(n)
        calm = [judged(rows, truth) for rows in _cut(order, size, result["n_calm"])]
        left, moved = np.ones(n, np.bool_), []
        for _ in range(result["n_shifted"]):
            rows = material.shifted(case, size, float(rng.uniform(0.5, 3.0)), rng, left)
            left[rows] = False
            moved.append(judged(rows, truth))
        _note(result, "calm", calm)
        _note(result, "calm_shifted", moved)
        change = flipped(judge, rng) if size == BATCH else None
        if change is not None:
            after, cost = change
            result["costs"].append(cost)
            for before in BEFORE:
                if (before + 2) * size <= n:
                    last = order[before * size : (before + 2) * size]
                    new = [judged(rows, after) for rows in _cut(last, size, 2)]
                    _caught(result, before, [*calm[:before], *new])
    return result


def redrawn(source: Source, rung: str, seed: int, runs: int, data: Path) -> dict[str, Any]:
    """Judge releases in a world whose chances are known, another release every run."""
    rng = np.random.default_rng([seed, 4])
    table = material.read(source, data)
    table = table.take(pa.array(rng.permutation(table.num_rows)[:MOST_CHANCES])).combine_chunks()
    classes, chances = chances_of(source, table, seed)
    result = _empty(BATCH, BATCHES, BATCHES) | {"repeated": [], "repeated_shifted": [], "n_held": 0}
    for run in range(runs):
        codes, place = drawn(chances, rng), table.column_names.index(source.target)
        world = table.set_column(place, source.target, pa.array(np.asarray(classes)[codes]))
        case, rows = material.divided(source, world, rung, 1000 * seed + run)
        judge = prepared(case)
        _case, expectation, said, _known = judge
        order = [classes.index(name) for name in case.fitted.classes]
        own = chances[rows][:, order]
        result["n_held"] = case.held.num_rows
        _release(result, case, expectation, said, own, rng)
    return result


def _release(
    result: dict[str, Any], case: Case, expectation: Expectation, said: Said, own: Floats, rng: np.random.Generator
) -> None:
    """Judge one release: truths drawn afresh, or (`repeated`) once for good."""
    n = said.n_rows
    once = drawn(own, rng)

    def anywhere() -> Codes:
        return rng.integers(0, n, BATCH)

    def leaning() -> Codes:
        return rng.choice(material.shifted(case, n // 3, float(rng.uniform(0.5, 3.0)), rng), BATCH)

    def batches(pick: Callable[[], Codes], chances: Floats | None, many: int) -> list[JudgedBatch]:
        found = []
        for _ in range(many):
            rows = pick()
            labels = once[rows] if chances is None else drawn(chances[rows], rng)
            found.append(judge_batch(expectation, said.rows(rows), labels))
        return found

    calm = batches(anywhere, own, BATCHES)
    _note(result, "calm", calm)
    _note(result, "calm_shifted", batches(leaning, own, BATCHES))
    _note(result, "repeated", batches(anywhere, None, BATCHES))
    _note(result, "repeated_shifted", batches(leaning, None, BATCHES))
    change = changed(case, expectation, said, own, rng)
    if change is not None:
        after, cost = change
        result["costs"].append(cost)
        new = batches(anywhere, after, 2)
        for before in BEFORE:
            _caught(result, before, [*calm[:before], *new])


def chances_of(source: Source, table: pa.Table, seed: int) -> tuple[list[str], Floats]:
    """Return the classes, and each row's chance of each: what boosting says that has not learnt from the row."""
    part = np.random.default_rng([seed, 5]).permutation(table.num_rows) % 4
    spec = material.spec_of(source, table, seed)
    classes: list[str] = sorted(set(table[source.target].to_pylist()))
    found = np.zeros((table.num_rows, len(classes)))
    for k in range(4):
        teach, ask = (table.filter(pa.array(which)).combine_chunks() for which in (part != k, part == k))
        model = task_named(source.task).fit(Candidate("boosting", {}), {}, teach, spec=spec)
        shares = said_of(model, model.predict(ask)).shares
        found[np.ix_(part == k, [classes.index(name) for name in model.classes])] = shares
    return classes, found


def drawn(chances: Floats, rng: np.random.Generator) -> Codes:
    """Draw a class for each row, shape (n_rows,)."""
    limits = chances.cumsum(axis=1)
    limits /= limits[:, -1:]
    return np.asarray((rng.random((len(chances), 1)) > limits).sum(axis=1), np.int64)


def _one_end(case: Case, rng: np.random.Generator) -> tuple[Bools, Bools]:
    """Return the rows at one end of a column, 40 % of all, and all."""
    names = material.columns_used(case)
    place = material.place_in_pool(case, names[int(rng.integers(len(names)))]) * float(rng.choice([-1, 1]))
    return place >= np.quantile(place, 0.6), np.ones(len(place), np.bool_)


def _sought(cost_of: Callable[[float], float]) -> tuple[float, float] | None:
    """Return the share that costs `DROP`, and what it costs, by bisection; None where none does."""
    low, high, cost = 0.0, 1.0, 0.0
    for _ in range(14):
        share = (low + high) / 2
        cost = cost_of(share)
        low, high = (share, high) if cost < DROP else (low, share)
    return (share, cost) if abs(cost - DROP) < 0.005 else None


def flipped(judge: Judge, rng: np.random.Generator) -> tuple[Codes, float] | None:
    """Return the pool's truths after a change of concept that costs `DROP`, and what it cost; None where none does.

    Rows at one end of a column come to have another class with a chance that is sought; of all rows where that is not
    enough.
    """
    case, expectation, said, known = judge
    truth = np.asarray(known, np.int64)
    luck, n_classes = rng.random(len(truth)), said.shares.shape[1]
    other = (truth + rng.integers(1, n_classes, len(truth))) % n_classes
    before = realised_of(expectation, said, truth)["roc_auc"]
    for inside in _one_end(case, rng):

        def labels(share: float, inside: Bools = inside) -> Codes:
            return np.where(inside & (luck < share), other, truth)

        def cost(share: float, made: Callable[[float], Codes] = labels) -> float:
            return before - realised_of(expectation, said, made(share))["roc_auc"]

        found = _sought(cost)
        if found is not None:
            return labels(found[0]), found[1]
    return None


def changed(
    case: Case, expectation: Expectation, said: Said, own: Floats, rng: np.random.Generator
) -> tuple[Floats, float] | None:
    """Return the pool's chances after such a change, and what it costs in expectation; None where none does."""
    turned = (1 - own) / (own.shape[1] - 1)

    def area(chances: Floats) -> float:
        rest = (said.shares, said.codes, expectation.positive, expectation.counted)
        return float(cbpe.figures(chances[None], *rest).values["roc_auc"][0])

    before = area(own)
    for inside in _one_end(case, rng):

        def moved(share: float, inside: Bools = inside) -> Floats:
            return np.where(inside[:, None], (1 - share) * own + share * turned, own)

        def cost(share: float, made: Callable[[float], Floats] = moved) -> float:
            return before - area(made(share))

        found = _sought(cost)
        if found is not None:
            return moved(found[0]), found[1]
    return None


def _empty(size: int, n_calm: int, n_shifted: int) -> dict[str, Any]:
    return {
        "size": size, "n_calm": n_calm, "n_shifted": n_shifted, "calm": [], "calm_shifted": [], "costs": [],
        "caught": {str(before): [] for before in BEFORE}, "earlier": {str(before): [] for before in BEFORE},
    }  # fmt: skip


def _cut(order: Codes, size: int, many: int) -> list[Codes]:
    return [order[k * size : (k + 1) * size] for k in range(many)]


def _note(result: dict[str, Any], name: str, batches: list[JudgedBatch]) -> None:
    result[name].append(any(one.reliable is False for one in verdicts(batches)))
    result.setdefault(f"earlier_{name}", []).append(earlier.given_up(batches)[-1])


def _caught(result: dict[str, Any], before: int, batches: list[JudgedBatch]) -> None:
    """Note the batch, 1 or 2, in which the change was seen; 0 where in none; nothing where it was given up before."""
    both = {"caught": [one.reliable is False for one in verdicts(batches)], "earlier": earlier.given_up(batches)}
    for name, told in both.items():
        if not before or not told[before - 1]:
            result[name][str(before)].append(1 if told[before] else 2 if told[before + 1] else 0)

"""Is the guarantee's promise kept: rows worse by the margin in at most 5 % of runs, equal ones found where it says so?

    python -m benchmarks.reduce.guarantee.run [--runs 1000] [--work FOLDER]

`error`: every one of four shares, or one group in each, is truly worse by exactly the margin; over units. `broken`:
the same runs with one part of the guarantee taken out. `power`: kept rows that are equal to all rows, or truly worse by
half the margin, over units, and at the units that the record states. A case is kept under `--work`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from benchmarks.reduce.guarantee.simulate import SHARES, Model, World, judge, true_loss, true_margin
from benchmarks.select import cases

from cauce.evidence import paired
from cauce.reduce import guarantee, noninferior
from cauce.reduce.guarantee import Judges, Terms
from cauce.reduce.noninferior import not_worse

HERE = Path(__file__).parent
WORLDS = {
    "plain": World(1_000, (Model(0.5),)),
    "heavy tails": World(1_000, (Model(1.5),), Model(0.5), spread=6.0),
    "less sure": World(1_000, (Model(0.0, 0.3),)),
    "clusters of 4": World(1_000, (Model(0.7),), cluster=4),
    "one group of three": World(1_000, (Model(0.6), Model(0.1), Model(0.1))),
}
SKEWED = World(4_000, (Model(0.7),), cluster=20, own_luck=True)
FRESH = World(1_500, (Model(1.0),), spread=3.0, cluster=10, own_luck=True)
SIZES = (400, 1_000, 4_000)
MARGIN = 0.02
POWERED = (500, 1_000, 2_000, 4_000, 8_000)


def at_the_margin(world: World, shares: tuple[float, ...] = SHARES) -> Terms:
    """Return terms whose margin is the truth."""
    return Terms(margin=true_margin(world), shares=shares)


def one_try(*losses: Any, tries: int = 1, **options: Any) -> Any:
    """Compare as if nothing else were tried."""
    return not_worse(*losses, **options)


def by_means(*losses: Any, **options: Any) -> Any:
    """Compare means alone."""
    found = not_worse(*losses, **options)
    return replace(found, upper=found.difference)


def unclustered(*losses: Any, clusters: Any = None, **options: Any) -> Any:
    """Forget who belongs together."""
    return not_worse(*losses, **options)


def known_reference(
    candidate: Any, reference: Any, *, margin: float, confidence: float, tries: int, clusters: Any
) -> Any:
    """Take the reference's mean loss as known."""
    two_sided = 1.0 - 2.0 * (1.0 - confidence)
    return paired(candidate, reference, margin=margin, confidence=two_sided, comparisons=tries, groups=clusters)


def half_worse(full: Model) -> Model:
    """Return a model that is truly worse than `full` by half of `MARGIN`."""
    low, high, aim = full.error, 3.0, true_loss(full) * (1 + MARGIN / 2)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if true_loss(Model(middle)) < aim else (low, middle)
    return Model(low)


def main() -> None:
    """Run all cases and write result.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--work", type=Path, default=HERE / "work")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)

    def over(name: str, world: World, terms: Terms, runs: int = given.runs) -> Any:
        def make() -> dict[str, Any]:
            return cases.share([float(judge(world, seed, terms).accepted) for seed in range(runs)])

        return cases.kept(given.work / f"{name}.json", make)

    def without(part: tuple[Any, str, Callable[..., Any]], name: str, world: World, terms: Terms) -> Any:
        where, what, instead = part
        whole = getattr(where, what)
        setattr(where, what, instead)
        try:
            return over(f"broken-{name}", world, terms)
        finally:
            setattr(where, what, whole)

    error = {
        name: {str(n): over(f"error-{name}-{n}", replace(world, n_units=n), at_the_margin(world)) for n in SIZES}
        for name, world in WORLDS.items()
    }
    error["clusters of 20, skewed"] = {"4000": over("error-skewed", SKEWED, at_the_margin(SKEWED))}
    error["clusters of 10, skewed, confirming"] = {"1500": over("error-fresh", FRESH, at_the_margin(FRESH))}
    one, judged = SHARES[:1], "not_worse"
    plain, clustered, unsure = WORLDS["plain"], WORLDS["clusters of 4"], WORLDS["less sure"]
    grouped = WORLDS["one group of three"]
    parts: dict[str, tuple[tuple[Any, str, Callable[..., Any]], World, tuple[float, ...]]] = {
        "each try as if alone": ((guarantee, judged, one_try), plain, SHARES),
        "means alone, one try": ((guarantee, judged, by_means), plain, one),
        "clusters forgotten": ((guarantee, judged, unclustered), clustered, SHARES),
        "margin of an estimate, one try": ((guarantee, judged, known_reference), unsure, one),
        "skewness left in": ((noninferior, "_stretch", lambda *_: (0.0, 0.0)), clustered, SHARES),
        "skewness left in, skewed": ((noninferior, "_stretch", lambda *_: (0.0, 0.0)), SKEWED, SHARES),
        "skewness left in, confirming": ((noninferior, "_stretch", lambda *_: (0.0, 0.0)), FRESH, SHARES),
        "groups not looked at": ((Judges, "masks", lambda _: {}), grouped, SHARES),
    }
    broken = {
        name: without(part, name, world, at_the_margin(world, shares)) for name, (part, world, shares) in parts.items()
    }
    terms, equal = Terms(margin=MARGIN, shares=SHARES), World(2_000)
    worse, power = replace(equal, kept=(half_worse(equal.full),)), {}
    for name, world, tried in (
        ("equal", equal, terms),
        ("equal, one try", equal, replace(terms, shares=one)),
        ("equal, two families, one try", replace(equal, n_families=2), replace(terms, shares=one)),
        ("worse by half the margin", worse, terms),
    ):
        stated = [
            judge(replace(equal, n_families=world.n_families), seed, tried).units_for_margin for seed in range(30)
        ]
        needed = int(np.median([n for n in stated if n]))
        power[name] = {
            "stated": needed,
            "at stated": over(f"at-{name}", replace(world, n_units=needed), tried),
            "by units": {
                str(n): over(f"power-{name}-{n}", replace(world, n_units=n), tried, given.runs // 2) for n in POWERED
            },
        }
    cases.write(HERE, runs=given.runs, margins={n: true_margin(w) for n, w in WORLDS.items()},
                margin_of_power=MARGIN, error=error, broken=broken, power=power)  # fmt: skip


if __name__ == "__main__":
    main()

"""The memetic search: sets of rows drawn by doubt, improved by swaps, recombined, and raced by real models.

Two levels of fitness. The discrepancy of the cells costs microseconds a swap and is what the meme, a local search by
swaps, brings down. The panel, real models judged on rows that were not kept, costs a fit, and decides between sets: how
strongly doubt counts for these families, then which of a small population and its offspring stays. Recombination is
CHC's: half of the rows in which two parents differ change sides, parents too much alike have no child, only the fittest
survive, and when nothing new comes the best one starts afresh with new company.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from cauce.core.extras import need
from cauce.core.progress import Progress, silent
from cauce.reduce import cells, doubt, quotas, trees
from cauce.reduce.cells import Cells
from cauce.reduce.doubt import Doubt
from cauce.reduce.rows import Floats, Ints, Kept, Learner, Rows

if TYPE_CHECKING:
    import numpy.typing as npt

EXPONENTS = (0.0, 0.5, 1.0, 1.5)
"""How strongly doubt decides who stays, as tried by the panel: 0 is every row alike."""
USUAL = 1.0
"""What is taken without a panel, and where the panel proves nothing better."""
PROOF = 2.0
"""Standard errors by which another exponent has to be better."""
TRIES = 400
"""Swaps tried for each kept row of a fresh set, and `RETOUCH` of a child."""
RETOUCH = 100
PIECE = 200_000
"""Swaps between two looks at the clock."""
SETTLED = 0.001
"""Share of swaps made, below which the meme has nothing more to do."""
JUDGED_BY = 20_000
"""Rows that a panel's fit is judged on at most."""
NEVER = 1e-6
"""Chance below which a row is not taken in by a swap: it weighs next to nothing."""
LEAST_OUT = 0.1
"""Least chance of being left out that a row's loss is divided by."""


@dataclass(frozen=True)
class Effort:
    """How long to search."""

    budget_s: float = 60.0
    generations: int = 4
    """Rounds of recombination."""
    population: int = 6
    exponents: Sequence[float] = EXPONENTS


@dataclass(frozen=True, eq=False)
class Found:
    """What a search came to."""

    kept: Kept
    exponent: float
    discrepancy: float
    discrepancy_drawn: float
    """Of the draw, before any swap."""
    n_fits: int = 0
    """Models that the panel fitted."""
    panel: Mapping[float, float] = field(default_factory=dict)
    """Exponent → mean loss of the panel, in units of the first set's."""
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class _Member:
    chosen: Ints
    fitness: float


class Search:
    """Everything about some rows that does not depend on how many of them are kept."""

    def __init__(
        self,
        rows: Rows,
        rng: np.random.Generator,
        *,
        clean: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Cross-fit the rows and find their cells; with `clean`, leave out rows that are probably mislabelled."""
        need("numba", extra="reduce", what="the search for rows to keep")
        self.clock = clock
        begun = clock()
        self.total = float(rows.weights.sum())
        self.doubt: Doubt = doubt.cross_fit(rows, rng)
        self.numbers = np.arange(len(rows))
        if clean:
            from cauce.reduce.clean import probably_wrong

            self.numbers = np.setdiff1d(self.numbers, probably_wrong(rows, self.doubt.predicted))
            rows = rows.take(self.numbers)
            self.doubt = Doubt(self.doubt.predicted[self.numbers], self.doubt.doubt[self.numbers])
        self.rows = rows
        self.cells: Cells = cells.find(rows, self.doubt, rng)
        self._sort(quotas.labels(rows))
        self.preparation_s = clock() - begun

    def _sort(self, kinds: Ints) -> None:
        """Put the rows in order by their kind, and within it by what was predicted for their own label."""
        self.kinds = kinds
        self.members = np.argsort(kinds, kind="stable")
        self.starts = _starts(kinds, int(kinds.max(initial=-1)) + 1)
        self.order = np.lexsort([self._own(), kinds])

    def _own(self) -> Floats:
        """Return what was predicted for each row's own label: a draw along it takes easy and hard ones alike."""
        if not self.rows.n_classes:
            return self.doubt.predicted[:, 0]
        own: Floats = self.doubt.predicted[np.arange(len(self.rows)), self.kinds]
        return own

    def subset(self, numbers: Ints) -> Search:
        """Return the search among some of the rows, with what is known of them."""
        part = object.__new__(Search)
        part.rows, part.clock, part.preparation_s = self.rows.take(numbers), self.clock, 0.0
        part.numbers, part.total = self.numbers[numbers], float(part.rows.weights.sum())
        part.doubt = Doubt(self.doubt.predicted[numbers], self.doubt.doubt[numbers])
        leaves, brings = self.cells.leaves[numbers], self.cells.brings[numbers]
        sums = cells.sums(leaves, brings, part.rows.weights, len(self.cells.sums))
        part.cells = replace(self.cells, leaves=leaves, brings=brings, sums=sums)
        part._sort(self.kinds[numbers])
        return part

    def chances(self, exponent: float, n_keep: int) -> Floats:
        """Return each row's probability of staying; of every label one row at least is to stay."""
        chances = quotas.inclusion(self.doubt.doubt**exponent * self.rows.weights, n_keep)
        expected = np.bincount(self.kinds, chances)
        rare = (expected < 1.0) & (expected > 0.0)
        if rare.any():
            lifted = np.minimum(1.0, chances * (1.0 / np.maximum(expected, 1e-12))[self.kinds] * (1.0 + 1e-9))
            chances = np.where(rare[self.kinds], lifted, chances)
        return chances

    def keep(self, chosen: Ints, chances: Floats) -> Kept:
        """Return the rows with their weights."""
        return quotas.weigh(self.rows, np.sort(chosen), chances)

    def draw(self, chances: Floats, rng: np.random.Generator) -> Ints:
        """Return rows drawn with their chances, along label and prediction."""
        return quotas.systematic(chances, self.order, rng)

    def improve(
        self, chosen: Ints, chances: Floats, rng: np.random.Generator, *, tries: int, until: float = np.inf
    ) -> Ints:
        """Return the rows after swaps within their label that bring the discrepancy down."""
        from cauce.reduce import swaps

        if not len(chosen) or len(chosen) == len(self.rows):
            return chosen
        weight = self.rows.weights / np.maximum(chances, 1e-12)
        weight *= self.rows.weights.sum() / weight[chosen].sum()
        kept = np.zeros(len(self.rows), dtype=np.bool_)
        kept[chosen] = True
        chosen, gap = chosen.copy(), self.cells.gap(chosen, weight[chosen])
        fixed = (self.cells.leaves, self.cells.brings, self.cells.scale)
        members, starts = self.members, self.starts
        if (chances < NEVER).any():
            members = members[chances[members] >= NEVER]
            starts = _starts(self.kinds[members], len(starts) - 1)
        for done in range(0, tries * len(chosen), PIECE):
            piece = min(PIECE, tries * len(chosen) - done)
            seed = int(rng.integers(2**31))
            made = swaps.improve(*fixed, gap, weight, starts, members, self.kinds, kept, chosen, piece, seed)
            if made < SETTLED * piece or self.clock() > until:
                break
        return np.sort(chosen)

    def run(
        self,
        n_keep: int,
        rng: np.random.Generator,
        *,
        panel: Mapping[str, Learner] | None = None,
        effort: Effort | None = None,
        progress: Progress = silent,
    ) -> Found:
        """Search `n_keep` weighted rows.

        Parameters
        ----------
        panel
            Families that the rows are kept for. Without any, doubt counts as usual and the cells alone decide.
        effort
            With a budget that ends the search after the set under way.
        """
        effort = effort or Effort()
        n_keep = min(n_keep, len(self.rows))
        begun = self.clock()
        until = begun + effort.budget_s
        going = _Race(self, n_keep, panel or {}, rng, until)
        exponent, told = going.exponent(effort, progress)
        chances = self.chances(exponent, n_keep)
        drawn = self.draw(chances, rng)
        first = self.improve(drawn, chances, rng, tries=TRIES, until=until)
        chosen = going.evolve(first, chances, effort, progress) if panel else first
        kept = self.keep(chosen, chances)
        return Found(
            Kept(self.numbers[kept.indices], kept.weights * (self.total / kept.weights.sum())),
            exponent,
            self.cells.discrepancy(*kept),
            self.cells.discrepancy(*self.keep(drawn, chances)),
            going.n_fits,
            told,
            self.clock() - begun,
        )


def _starts(kinds: Ints, n_kinds: int) -> Ints:
    """Return where each kind begins among rows sorted by kind, and where the last one ends, shape (n_kinds + 1,)."""
    starts: Ints = np.concatenate([[0], np.cumsum(np.bincount(kinds, minlength=n_kinds))])
    return starts


class _Race:
    """Sets of rows held against each other by the panel."""

    def __init__(
        self, search: Search, n_keep: int, panel: Mapping[str, Learner], rng: np.random.Generator, until: float
    ) -> None:
        self.search, self.n_keep, self.panel, self.rng, self.until = search, n_keep, panel, rng, until
        self.n_fits = 0
        self.unit: dict[str, float] = {}

    def late(self) -> bool:
        return self.search.clock() > self.until

    def exponent(self, effort: Effort, progress: Progress) -> tuple[float, Mapping[float, float]]:
        """Return how strongly doubt should count: by models fitted on sets that leave a quarter of the rows out."""
        n_rows = len(self.search.rows)
        if not self.panel or len(effort.exponents) < 2 or self.n_keep >= n_rows:
            return min(effort.exponents, key=lambda exponent: abs(exponent - USUAL)), {}
        drawn = self.rng.permutation(n_rows)
        judges = np.sort(drawn[: min(n_rows // 4, JUDGED_BY)])
        part = self.search.subset(np.setdiff1d(np.arange(n_rows), judges))
        judge = self.search.rows.take(judges)
        n_keep = max(1, round(self.n_keep * len(part.rows) / n_rows))
        order = sorted(effort.exponents, key=lambda exponent: abs(exponent - USUAL))
        found: dict[float, list[Floats]] = {exponent: [] for exponent in order}
        for draw in range(2):
            for place, exponent in enumerate(order):
                if self.late() and found[order[0]]:
                    break
                progress("reduce", draw * len(order) + place, 2 * len(order), "how much doubt counts")
                chances = part.chances(exponent, n_keep)
                chosen = part.improve(part.draw(chances, self.rng), chances, self.rng, tries=TRIES, until=self.until)
                found[exponent].append(self._losses(part.rows, part.keep(chosen, chances), judge, draw))
        told = {exponent: np.mean(losses, axis=0) for exponent, losses in found.items() if losses}
        means = {exponent: float(np.average(each, weights=judge.weights)) for exponent, each in told.items()}
        best = min(means, key=lambda exponent: means[exponent])
        gained = (told[best] - told[order[0]]) * judge.weights
        proven = gained.mean() < -PROOF * gained.std() / len(gained) ** 0.5
        return (best if proven else order[0]), means

    def _losses(self, rows: Rows, kept: Kept, judge: Rows, seed: int) -> Floats:
        """Return the loss per row, mean over the panel, each family's in units of its first mean."""
        total = np.zeros(len(judge))
        for name, learner in self.panel.items():
            self.n_fits += 1
            losses = learner(rows, kept, judge, seed)
            total += losses / max(self.unit.setdefault(name, float(losses.mean())), 1e-300)
        return total / len(self.panel)

    def evolve(self, first: Ints, chances: Floats, effort: Effort, progress: Progress) -> Ints:
        """Return the fittest set of a population that begins with `first`."""
        if effort.population < 2 or self.late():
            return first
        sample = trees.some(len(self.search.rows), 2 * JUDGED_BY, self.rng)
        population = [_Member(first, self._on_rest(first, chances, sample))]
        while len(population) < effort.population and not self.late():
            population.append(self._fresh(chances, sample))
        threshold = self.n_keep // 4
        for generation in range(effort.generations):
            progress("reduce", generation, effort.generations, "generations")
            children = list(self._children(population, threshold, chances, sample))
            if self.late():
                population = sorted([*population, *children], key=lambda member: member.fitness)
                break
            better = sorted([*population, *children], key=lambda member: member.fitness)[: effort.population]
            if not children or all(child not in better for child in children):
                threshold -= max(1, self.n_keep // 10)
            population = better
            if threshold < 0:
                fresh = [self._fresh(chances, sample) for _ in range(effort.population // 2) if not self.late()]
                population = sorted([population[0], *fresh], key=lambda member: member.fitness)
                threshold = self.n_keep // 4
        return min(population, key=lambda member: member.fitness).chosen

    def _fresh(self, chances: Floats, sample: Ints) -> _Member:
        drawn = self.search.draw(chances, self.rng)
        chosen = self.search.improve(drawn, chances, self.rng, tries=TRIES, until=self.until)
        return _Member(chosen, self._on_rest(chosen, chances, sample))

    def _children(self, population: Sequence[_Member], threshold: int, chances: Floats, sample: Ints) -> list[_Member]:
        order = self.rng.permutation(len(population))
        children = []
        for one, other in zip(order[::2], order[1::2], strict=False):
            if self.late():
                break
            chosen = self._crossed(population[one].chosen, population[other].chosen, threshold)
            if chosen is not None:
                chosen = self.search.improve(chosen, chances, self.rng, tries=RETOUCH, until=self.until)
                children.append(_Member(chosen, self._on_rest(chosen, chances, sample)))
        return children

    def _crossed(self, one: Ints, other: Ints, threshold: int) -> Ints | None:
        """Return one parent with half of the rows in which both differ exchanged, by label; None where too alike."""
        leaving, coming = np.setdiff1d(one, other), np.setdiff1d(other, one)
        if len(leaving) // 2 <= threshold:
            return None
        kinds = self.search.kinds
        out: list[npt.NDArray[np.int64]] = []
        into: list[npt.NDArray[np.int64]] = []
        for kind in np.unique(kinds[leaving]):
            old, new = leaving[kinds[leaving] == kind], coming[kinds[coming] == kind]
            half = min(len(old), len(new)) // 2
            out.append(self.rng.permutation(old)[:half])
            into.append(self.rng.permutation(new)[:half])
        return np.sort(np.concatenate([np.setdiff1d(one, np.concatenate(out)), *into]))

    def _on_rest(self, chosen: Ints, chances: Floats, sample: Ints) -> float:
        """Return the panel's loss on rows that are not kept, each for those of its kind that are."""
        rows = self.search.rows
        rest = np.setdiff1d(sample, chosen)
        if not len(rest):
            return 0.0
        weights = rows.weights[rest] / np.clip(1.0 - chances[rest], LEAST_OUT, 1.0)
        losses = self._losses(rows, self.search.keep(chosen, chances), rows.take(rest), 0)
        return float(np.average(losses, weights=weights))

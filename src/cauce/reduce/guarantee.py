"""The guarantee: kept rows stand for all rows only where units that nobody learnt from prove that they are not worse.

Before anything is searched, two fits of all rows that differ in nothing but chance say which margin the units could
prove. Then shares are tried from small to large, and the first that passes is taken. A share passes when every model
family, over all units and within each group, is proven not worse by more than the margin. Everything has to pass, so
families and groups cost no confidence (an intersection–union test: Berger, 1982, Technometrics 24, 295–300); every
share is a chance to pass by luck, so the error that is allowed is divided among all that may be tried (Bonferroni).

    proven = prove(rows, Judges(judge_rows), families={"boosting": boosting}, propose=propose, terms=Terms(margin=0.01))
    proven.kept, proven.record
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.choice import Comparison
from cauce.core.progress import Progress, silent
from cauce.core.reduction import Attempt, NoiseBy, Reduction, ReductionVerdict
from cauce.reduce.noninferior import Plan, not_worse
from cauce.reduce.reasons import write_reason
from cauce.reduce.rows import Floats, Ints, Kept, Learner, Rows

SHARES = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Tried where no share is asked for. Every one more widens the intervals of all."""
POWER = 0.8
"""Share of runs in which an equal model is proven not worse at the margin that is called provable."""
LEAST_POWER = 0.5
"""As `POWER`, below which nothing is searched. At the units that are stated for `POWER` their own estimate of it is too
low in half of all runs, so the two differ."""
SAME = 1e-9
"""Differences below this share of the mean loss are rounding: the seed changes nothing."""


@dataclass(frozen=True)
class Terms:
    """What is asked of a reduction."""

    margin: float = 0.01
    """The largest loss it may cost, relative to the mean loss of the model from all rows."""
    confidence: float = 0.95
    """One-sided, of the whole claim over all shares, families and groups."""
    group_margin: float | None = None
    """As `margin`, within each group and relative to the group's own loss; None for the same margin."""
    accept_provable: bool = False
    """Test the smallest provable margin where that is larger than the one asked for, overall and group by group."""
    keep: float | None = None
    """Share of rows asked for; recorded, and where `shares` is empty tried first, then twice and four times as much."""
    shares: Sequence[float] = ()
    """Shares that may be tried, each above 0 and below 1; empty for `ladder`."""
    seed: int = 0

    def ladder(self) -> tuple[float, ...]:
        """Return the shares that may be tried, smallest first."""
        asked = self.shares or (SHARES if self.keep is None else tuple(self.keep * 2**k for k in range(3)))
        return tuple(sorted({share for share in asked if 0 < share < 1}))


@dataclass(frozen=True, eq=False)
class Judges:
    """Units that judge: no row among them may have been searched, cleaned or fitted on."""

    rows: Rows
    """One row per unit; `Rows.weights` weigh their losses, `Rows.groups` are the groups that are protected."""
    clusters: npt.NDArray[Any] | None = None
    """Where units resemble each other (rows of one user), which of them belong together, shape (n_judge,)."""
    group_names: Sequence[str] = ()
    """Name of each group number; the number itself where empty."""

    def masks(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Return the units of each group, by its name."""
        groups = self.rows.groups
        if groups is None:
            return {}
        named = self.group_names
        return {str(named[g] if len(named) else g): groups == g for g in np.unique(groups) if g >= 0}


class Proven(NamedTuple):
    """What a guarantee comes to."""

    kept: Kept
    """All rows with their own weights, unless the record is accepted."""
    record: Reduction


@dataclass(frozen=True, eq=False)
class _Floor:
    """What all rows lose, and what chance alone does to it."""

    reference: Mapping[str, Floats]
    noise: Mapping[str, Comparison]
    noise_by: Mapping[str, NoiseBy]
    apart: Mapping[str, Floats]
    """Family → differences such as a reduction that changes nothing would show."""


@dataclass(eq=False)
class _Run:
    """One guarantee under way: counts steps and seconds."""

    rows: Rows
    judges: Judges
    families: Mapping[str, Learner]
    terms: Terms
    progress: Progress
    clock: Callable[[], float]
    total: int
    done: int = 0
    judge_s: float = 0.0
    search_s: float = 0.0
    scale: Floats = field(init=False)

    def __post_init__(self) -> None:
        weights = self.judges.rows.weights
        self.scale = weights / weights.mean()

    def losses(self, family: str, kept: Kept, seed: int, note: str) -> Floats:
        """Return weighted losses per unit: their plain mean is the weighted mean loss."""
        self.progress("reduce", self.done, self.total, f"{family}: {note}")
        begun = self.clock()
        found = np.asarray(self.families[family](self.rows, kept, self.judges.rows, seed), dtype=np.float64)
        self.judge_s += self.clock() - begun
        self.done += 1
        return found * self.scale

    def propose(self, propose: Callable[[float], Kept], share: float) -> Kept:
        """Return the rows that the search keeps."""
        self.progress("reduce", self.done, self.total, f"{share:.3g}")
        begun = self.clock()
        kept = propose(share)
        self.search_s += self.clock() - begun
        self.done += 1
        return kept


def prove(
    rows: Rows,
    judges: Judges,
    *,
    families: Mapping[str, Learner],
    propose: Callable[[float], Kept],
    terms: Terms | None = None,
    progress: Progress = silent,
    clock: Callable[[], float] = time.monotonic,
) -> Proven:
    """Return the fewest rows of those proposed that are proven not worse than all rows, with the record.

    Parameters
    ----------
    rows
        Rows that may be kept.
    judges
        Held-out units. They must share nothing with `rows`, nor with anything that `propose` has seen.
    families
        Model families, all of which have to pass; at least one.
    propose
        Gives the rows kept for a share; called with `Terms.ladder`'s shares, smallest first, until one passes.
    terms
        The margin, the confidence and the shares.
    progress
        Told each fit and each search.

    Returns
    -------
    Proven
        Verdict ``not_worse`` with the kept rows; or all rows and ``undecided``, where the units cannot prove the
        margin (before the search: an equal model would be proven in fewer than half of all tries; after it: of the
        last share tried nothing is proven, neither that it loses nor that it does not), or ``refused``,
        where the last share tried is proven to lose, and not proven to lose less than the margin.

    Raises
    ------
    ValueError
        No family, no unit, no share to try, or a margin or confidence out of range.

    Notes
    -----
    What is proven is about the model fitted on the kept rows as it stands, against the expected loss of one fitted on
    all rows, which is taken as the mean of two fits with other seeds. The margin is a share of that expected loss, not
    of its estimate: units are compared with ``(1 + margin)`` times their reference loss, so that the scatter of the
    reference is counted in (Fieller). For a margin of 1 % this changes little, for one of 10 % an error of 5 % would
    come to twice that.

    The provable margin is that of a model that differs from the full one as two fits of all rows differ. Kept rows
    differ more, so it is the least that may be hoped for; the comparisons of the attempts say what was reached.
    """
    terms = terms or Terms()
    shares = _checked(judges, families, terms)
    run = _Run(rows, judges, families, terms, progress, clock, 2 * len(families) + len(shares) * (1 + len(families)))
    floor = _noise(run, len(shares))
    record = _planned(run, floor, len(shares))
    everything = Kept(np.arange(len(rows)), rows.weights)
    if record.tested_margin is None:
        return Proven(everything, _finished(record, run, ()))
    attempts: list[Attempt] = []
    for share in shares:
        begun = clock()
        kept = run.propose(propose, share)
        attempt = _judged(run, floor, record, share, kept)
        attempts.append(replace(attempt, seconds=clock() - begun))
        if attempt.passed:
            record = replace(record, verdict="not_worse", n_kept=len(kept.indices))
            return Proven(kept, _finished(record, run, attempts))
    verdict: ReductionVerdict = "refused" if _worse(attempts[-1]) else "undecided"
    return Proven(everything, _finished(replace(record, verdict=verdict), run, attempts))


def _checked(judges: Judges, families: Mapping[str, Learner], terms: Terms) -> tuple[float, ...]:
    if not families:
        raise ValueError("families is empty: at least one model family has to judge")
    if not len(judges.rows):
        raise ValueError("judges has no rows: at least one unit that was not searched has to judge")
    for name, value in (("margin", terms.margin), ("group_margin", terms.group_margin)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} is {value}: it is a share of the loss, above 0")
    if not 0.5 < terms.confidence < 1:
        raise ValueError(f"confidence is {terms.confidence}: it lies between 0.5 and 1")
    shares = terms.ladder()
    if not shares:
        raise ValueError(f"shares are {tuple(terms.shares)}, keep is {terms.keep}: one between 0 and 1 has to be tried")
    return shares


def _noise(run: _Run, tries: int) -> _Floor:
    """Fit all rows twice per family; where the seed changes nothing, once more on rows drawn again."""
    everything = Kept(np.arange(len(run.rows)), run.rows.weights)
    reference: dict[str, Floats] = {}
    noise: dict[str, Comparison] = {}
    by: dict[str, NoiseBy] = {}
    apart: dict[str, Floats] = {}
    for family in run.families:
        first = run.losses(family, everything, run.terms.seed, "all rows")
        second = run.losses(family, everything, run.terms.seed + 1, "all rows, another seed")
        reference[family] = (first + second) / 2
        by[family] = "seeds"
        # A fit against the mean of two others scatters by 1 + 1/2 of one fit's variance, two fits by 1 + 1.
        apart[family] = (second - first) * math.sqrt(0.75)
        if float(np.max(np.abs(second - first))) <= SAME * float(np.abs(first).mean()):
            by[family] = "resampled"
            again = _resampled(run.rows, np.random.default_rng(run.terms.seed))
            run.total += 1
            second = run.losses(family, again, run.terms.seed, "rows drawn again")
            apart[family] = second - first
        options = {"confidence": run.terms.confidence, "tries": tries, "clusters": run.judges.clusters}
        noise[family] = not_worse(second, first, margin=run.terms.margin, **options)  # type: ignore[arg-type]
    return _Floor(reference, noise, by, apart)


def _resampled(rows: Rows, rng: np.random.Generator) -> Kept:
    """Draw as many rows again within each class: what another sample of this size would have done to the model."""
    label = rows.target.astype(np.int64) if rows.n_classes else np.zeros(len(rows), dtype=np.int64)
    order = np.argsort(label, kind="stable")
    counts = np.bincount(label)
    starts = np.cumsum(counts) - counts
    drawn = order[starts[label] + (rng.random(len(rows)) * counts[label]).astype(np.int64)]
    times = np.bincount(drawn, minlength=len(rows))
    indices: Ints = np.flatnonzero(times)
    return rows.kept(indices, rows.weights[indices] * times[indices])


def _planned(run: _Run, floor: _Floor, tries: int) -> Reduction:
    """Say what the units can prove, and what is tested of them."""
    terms, judges = run.terms, run.judges
    # All families have to pass: each has its part of the runs in which one may fail.
    power = 1.0 - (1.0 - POWER) / len(run.families)
    sure = 1.0 - 2.0 * (1.0 - terms.confidence) / tries
    plans = [Plan(floor.apart[name], floor.reference[name], judges.clusters, sure) for name in run.families]
    among = {name: [plan.among(mask) for plan in plans] for name, mask in judges.masks().items()}
    wanted = (terms.group_margin or terms.margin) if among else None
    least = _largest([plan.margin(power) for plan in plans])
    groups = {name: _largest([plan.margin(power) for plan in own]) for name, own in among.items()}
    unproven = tuple(name for name, own in among.items() if wanted and _hopeless(own, wanted))
    record = Reduction(
        margin=terms.margin,
        confidence=terms.confidence,
        keep=terms.keep,
        verdict="undecided",
        n_rows=len(run.rows),
        n_kept=len(run.rows),
        n_judge=len(judges.rows),
        reason={},
        noise=floor.noise,
        noise_by=floor.noise_by,
        provable_margin=least,
        units_for_margin=_most([plan.units(terms.margin, power) for plan in plans]),
        group_margin=wanted,
        provable_groups=groups,
        unproven_groups=unproven,
        n_planned=tries,
    )
    if least is None or ((_hopeless(plans, terms.margin) or unproven) and not terms.accept_provable):
        return record
    if not terms.accept_provable:
        return replace(record, tested_margin=terms.margin, tested_groups=dict.fromkeys(among, wanted or 0.0))
    tested = {name: max(wanted, value) for name, value in groups.items() if wanted and value is not None}
    return replace(record, tested_margin=max(terms.margin, least), tested_groups=tested)


def _hopeless(plans: Sequence[Plan], margin: float) -> bool:
    """Whether an equal model would be proven in fewer tries than `LEAST_POWER`: a search would be in vain."""
    least = _largest([plan.margin(LEAST_POWER) for plan in plans])
    return least is None or least > margin


def _largest(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) else None


def _most(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) else None


def _judged(run: _Run, floor: _Floor, record: Reduction, share: float, kept: Kept) -> Attempt:
    """Fit every family on the kept rows and hold it against all rows."""
    clusters, masks = run.judges.clusters, run.judges.masks()
    options = {"confidence": run.terms.confidence, "tries": record.n_planned}
    families: dict[str, Comparison] = {}
    groups: dict[str, dict[str, Comparison]] = {name: {} for name in record.tested_groups}
    for family in run.families:
        ours = run.losses(family, kept, run.terms.seed + 2, f"{len(kept.indices)} rows")
        theirs = floor.reference[family]
        families[family] = not_worse(ours, theirs, margin=record.tested_margin or 0.0, clusters=clusters, **options)  # type: ignore[arg-type]
        for name, margin in record.tested_groups.items():
            mask = masks[name]
            own = None if clusters is None else clusters[mask]
            groups[name][family] = not_worse(ours[mask], theirs[mask], margin=margin, clusters=own, **options)  # type: ignore[arg-type]
    passed = all(found.not_worse for found in _every(families, groups))
    return Attempt(share, len(kept.indices), families, groups, passed, 0.0)


def _every(families: Mapping[str, Comparison], groups: Mapping[str, Mapping[str, Comparison]]) -> Iterator[Comparison]:
    yield from families.values()
    for found in groups.values():
        yield from found.values()


def _worse(attempt: Attempt) -> bool:
    """Whether all rows win: something that was not proven lies above them for certain."""
    return any(found.lower > 0 and not found.not_worse for found in _every(attempt.families, attempt.groups))


def _finished(record: Reduction, run: _Run, attempts: Sequence[Attempt]) -> Reduction:
    run.progress("reduce", run.total, run.total, "")
    made = replace(record, attempts=tuple(attempts), search_seconds=run.search_s, judge_seconds=run.judge_s)
    return replace(made, reason=write_reason(made))

"""The record of a reduction: what was asked, what could be proven, what was tried, what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cauce.core.choice import Comparison
from cauce.core.findings import Words

ReductionVerdict = Literal["not_worse", "undecided", "refused", "off"]
NoiseBy = Literal["seeds", "resampled"]


@dataclass(frozen=True)
class Attempt:
    """One share of the rows that was tried."""

    share: float
    """Asked for; `n_kept` says what it came to."""
    n_kept: int
    families: Mapping[str, Comparison]
    """Model family → kept rows as candidate against all rows as reference, over all judging units."""
    groups: Mapping[str, Mapping[str, Comparison]]
    """Group → model family → the same among the group's own units; groups that can prove something alone."""
    passed: bool
    """Whether every one of these comparisons is proven not worse."""
    seconds: float
    """Of search and judging together."""


@dataclass(frozen=True)
class FinalFit:
    """What the shipped model was fitted on, once a rung was chosen on kept rows."""

    on: Literal["kept", "all"]
    n_rows: int
    against_all: Comparison
    """The chosen rung from kept rows as candidate, from all rows as reference, on units that neither had seen."""


@dataclass(frozen=True)
class Reduction:
    """Whether fewer rows will do, and why."""

    margin: float
    """Asked: the largest loss that the kept rows may cost, relative to the loss of all rows."""
    confidence: float
    """One-sided, of the whole claim: rows that do cost the margin are accepted in at most 1 − confidence of runs."""
    keep: float | None
    """The share of rows asked for; None where the smallest that passes was wanted."""
    verdict: ReductionVerdict
    """``refused``: the kept rows were worse; ``undecided``: the units at hand cannot tell; ``off``: not tried."""
    n_rows: int
    n_kept: int
    """`n_rows` unless accepted."""
    n_judge: int
    """Units that judged, none of which was searched or fitted on."""
    reason: Words
    """One paragraph with the numbers."""
    noise: Mapping[str, Comparison] = field(default_factory=dict)
    """Model family → two fits of all rows held against each other: what chance alone does."""
    noise_by: Mapping[str, NoiseBy] = field(default_factory=dict)
    """Model family → what the two fits differ in: the seed or, where that changes nothing, rows drawn again."""
    provable_margin: float | None = None
    """Relative: the smallest margin that the units can prove of an equal model in four of five tries, by `noise`; None
    where they can prove none."""
    units_for_margin: int | None = None
    """Units that it takes to prove `margin`, two digits; None where no number that anybody has is enough."""
    tested_margin: float | None = None
    """Relative: `margin`, or the provable one where that was accepted in its place; None where nothing was tested."""
    group_margin: float | None = None
    """As `margin`, within a group; None without groups."""
    provable_groups: Mapping[str, float | None] = field(default_factory=dict)
    """Group → as `provable_margin`, by its own units."""
    tested_groups: Mapping[str, float] = field(default_factory=dict)
    """Group → relative margin that was tested of it."""
    unproven_groups: tuple[str, ...] = ()
    """Groups too small for `group_margin`: an equal model would be proven within it in fewer than half of all tries."""
    attempts: tuple[Attempt, ...] = ()
    """In the order in which they were tried, smallest share first."""
    n_planned: int = 0
    """Shares that might have been tried: the error that is allowed is divided among them."""
    search_seconds: float = 0.0
    judge_seconds: float = 0.0
    final: FinalFit | None = None
    """None where no rung was chosen on kept rows."""

    @property
    def accepted(self) -> bool:
        """Whether the kept rows may stand for all."""
        return self.verdict == "not_worse"

    @property
    def share(self) -> float:
        """Kept rows of all rows."""
        return self.n_kept / self.n_rows if self.n_rows else 1.0

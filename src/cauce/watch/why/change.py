"""Why a loss or a mean prediction changed between two samples: by rows, by relation, by which column and segment.

`why_parts.py` is the arithmetic. Here causes are picked: a column's mix, or a segment's relation, is named where chance
alone would name any of them in at most 5 % of looks (Bonferroni-Holm; half for the mix, half for relations). What
is picked first gets what it shares with others: columns that go together share a cause, and the largest is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Schema, Words
from cauce.core.why import Change, ColumnWeight, Part, Segment
from cauce.watch.why import words as why_words
from cauce.watch.why.parts import (
    Cells,
    Codes,
    Floats,
    Moments,
    Path,
    Side,
    Split,
    apart,
    cells,
    mix_error,
    moments,
    moments_paired,
    of_rows,
    resampled,
    reweighed,
    walk,
)
from cauce.watch.why.segments import Segments, pair, segments_of

if TYPE_CHECKING:
    import pyarrow as pa

RISK = 0.05
"""How often any cause may be named where there is none."""
MOST_MIX = 3
"""Columns whose mix is counted one after the other."""
MOST_PAIRED = 5
"""Columns that are looked at in pairs: those that tell most alone."""
N_DRAWS = 200
NORMAL = 1.959964
FEWEST_ROWS = 50
"""In each sample, below which nothing is said."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows of a stretch of time, or as one release sees them."""

    name: str
    rows: pa.Table
    """The inputs."""
    values: Floats
    """What changed, per row: losses, or predictions; shape (n_rows,)."""
    clusters: npt.NDArray[np.str_] | None = None
    """Rows of the same name are not independent."""


class Pick(NamedTuple):
    """A column that tells how rows fare otherwise than others."""

    segments: Segments
    named: npt.NDArray[np.bool_]
    """Which of its segments."""
    p: float
    """Of the most telling one, counted for all that were looked at."""


def cut(before: pa.Table, after: pa.Table, schema: Schema) -> tuple[list[Segments], dict[str, Words]]:
    """Return the segments of every column in both samples, and why the other columns are not looked at."""
    import pyarrow as pa

    found, skipped = [], {}
    for column in schema:
        if column.name not in before.column_names or column.name not in after.column_names:
            skipped[column.name] = why_words.ABSENT
            continue
        try:
            segments = segments_of(column.name, column.kind, before[column.name], after[column.name])
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
            skipped[column.name] = why_words.UNREADABLE
            continue
        if segments is None:
            skipped[column.name] = why_words.DATE if column.kind == "datetime" else why_words.ONE_KIND
        else:
            found.append(segments)
    return found, skipped


def explain(
    figure: str,
    samples: Sequence[Sample],
    segments: Sequence[Segments],
    *,
    paired: bool = False,
    squared: bool = False,
    rng: np.random.Generator | None = None,
) -> Change:
    """Take the change of a mean apart.

    Parameters
    ----------
    figure
        ``loss``, ``prediction`` or a class.
    samples
        Before and after, with rows as `segments` were cut from.
    paired
        The same rows in the same order stand in both.
    squared
        Whether the figure is a mean of squared errors: the reason then gives its roots too.
    rng
        Draws the resamples behind the intervals; seeded with 0 when absent.

    Returns
    -------
    Change
        Whose parts sum to it exactly.
    """
    before, after = samples
    rng = np.random.default_rng(0) if rng is None else rng
    sides = _sides(before, after)
    weights = _weights(sides, segments, paired=paired)
    steps, left = ([], sides) if paired else _mixes(sides, segments)
    pick = _pick(left, segments, paired=paired)
    last = pick.segments if pick is not None else _whole(before, after)
    order = [*steps, last]
    cell = cells([(one.before, one.after) for one in order], [len(one.labels) for one in order])
    path = walk(cell, *_totals(cell, sides))
    parts_drawn, segments_drawn, mixes_drawn = resampled(cell, sides, n_draws=N_DRAWS, rng=rng, paired=paired)
    drawn = _Drawn(parts_drawn, segments_drawn, mixes_drawn)
    parts = _parts(path, order, pick, drawn)
    means = tuple(float(np.average(side.values, weights=side.weights)) for side in sides)
    interval = _interval(means[1] - means[0], _spread(parts_drawn.sum(axis=1)))
    proven = not interval[0] <= 0 <= interval[1] and min(len(before.values), len(after.values)) >= FEWEST_ROWS
    names = (before.name, after.name)
    return Change(
        figure=figure,
        before=means[0],
        after=means[1],
        interval=interval,
        n_before=len(before.values),
        n_after=len(after.values),
        proven=proven,
        parts=parts,
        columns=weights,
        reason=why_words.reason(
            figure, *means, names=names, proven=proven, parts=parts, releases=paired, squared=squared
        ),
    )


class _Drawn(NamedTuple):
    parts: Floats
    segments: Floats
    mixes: Floats


def _sides(before: Sample, after: Sample) -> tuple[Side, Side]:
    clusters: list[Codes | None] = [None, None]
    for at, sample in enumerate((before, after)):
        if sample.clusters is not None:
            codes = np.unique(sample.clusters, return_inverse=True)[1].ravel()
            clusters[at] = codes if codes.max(initial=-1) + 1 < len(codes) else None
    made = [Side(s.values, np.ones(len(s.values)), c) for s, c in zip((before, after), clusters, strict=True)]
    return made[0], made[1]


def _whole(before: Sample, after: Sample) -> Segments:
    """Return all rows as one segment."""
    zeros = [np.zeros(len(sample.values), np.int64) for sample in (before, after)]
    return Segments((), ({"en": "all rows", "es": "todas las filas"},), zeros[0], zeros[1])


def _totals(cell: Cells, sides: tuple[Side, Side]) -> tuple[Floats, Floats]:
    size = len(cell.codes[0])
    pairs = list(zip(cell.places, sides, strict=True))
    mass = np.array([np.bincount(place, side.weights, size) for place, side in pairs])
    return mass, np.array([np.bincount(place, side.weights * side.values, size) for place, side in pairs])


def _mix_p(sides: tuple[Side, Side], one: Segments) -> tuple[Split, float]:
    """Return a column's decomposition, and how often chance alone would bring as much mix."""
    from scipy import stats

    codes = (one.before, one.after)
    found = of_rows(sides, codes, len(one.labels))
    error = mix_error(sides, codes, found)
    return found, float(2 * stats.norm.sf(abs(found.mix.sum()) / error)) if error > 0 else 1.0


def _mixes(sides: tuple[Side, Side], segments: Sequence[Segments]) -> tuple[list[Segments], tuple[Side, Side]]:
    """Return the columns whose mix is proven, largest first, and both samples as weighted then."""
    chosen: list[Segments] = []
    if min(len(side.values) for side in sides) < FEWEST_ROWS:
        return chosen, sides
    for _ in range(MOST_MIX):
        rest = [one for one in segments if one not in chosen]
        tested = [(one, *_mix_p(sides, one)) for one in rest]
        sure = [(abs(found.mix.sum()), one, found) for one, found, p in tested if p <= RISK / 2 / len(rest)]
        if not sure:
            break
        _, one, found = max(sure, key=lambda each: each[0])
        chosen.append(one)
        sides, shared = reweighed(sides, (one.before, one.after), found)
        if shared <= 0:
            break
    return chosen, sides


def _moments(sides: tuple[Side, Side], one: Segments, *, paired: bool) -> Moments:
    if paired:
        own = sides[1]._replace(values=sides[1].values - sides[0].values)
        return moments_paired(own, one.after, len(one.labels))
    return moments(sides, (one.before, one.after), len(one.labels))


def _pick(sides: tuple[Side, Side], segments: Sequence[Segments], *, paired: bool) -> Pick | None:
    """Return the column, or the pair, whose segments stand out most; None where none does.

    A pair is taken where, its segments set aside, neither of its columns stands out any more: then they are the cause,
    and not a part of it.
    """
    if not segments or min(np.count_nonzero(side.weights) for side in sides) < FEWEST_ROWS:
        return None
    singles = _singles(sides, segments, paired=paired)
    order = sorted(singles, key=lambda pick: pick.p)
    parents = [pick.segments for pick in order[:MOST_PAIRED]]
    both = _pick_pair(sides, parents, paired=paired)
    named = [pick for pick in order if pick.named.any()]
    if both is not None:
        aside = [~both.named[codes] for codes in (both.segments.before, both.segments.after)]
        left = [side._replace(weights=side.weights * kept) for side, kept in zip(sides, aside, strict=True)]
        own = [one for one in parents if one.columns[0] in both.segments.columns]
        rest = _singles((left[0], left[1]), own, paired=paired)
        if not named or not any(pick.named.any() for pick in rest):
            return both
    return named[0] if named else None


def _singles(sides: tuple[Side, Side], segments: Sequence[Segments], *, paired: bool) -> list[Pick]:
    """Test every segment of every column, counted for all of them."""
    found = [_moments(sides, one, paired=paired) for one in segments]
    counted = max(1, sum(int(np.isfinite(each.variance).sum()) for each in found))
    tests = [apart(each) for each in found]
    return [
        Pick(one, _standing_out(each, *p, RISK / 4 / counted), float(p[0].min()) * counted)
        for one, each, p in zip(segments, found, tests, strict=True)
    ]


def _standing_out(found: Moments, p_apart: Floats, p_own: Floats, level: float) -> npt.NDArray[np.bool_]:
    """Tell which segments changed otherwise than the rest, and themselves: not only because the rest did."""
    known = np.isfinite(found.variance)
    share = np.where(known, found.share, 0.0)
    total = float(share @ found.change) / max(float(share.sum()), 1e-300)
    own_way = (found.change - total) * found.change > 0
    return np.asarray((p_apart <= level) & (p_own <= RISK / 2) & own_way)


def _pick_pair(sides: tuple[Side, Side], segments: Sequence[Segments], *, paired: bool) -> Pick | None:
    """Return a pair whose segment stands out from the rest of both its parents: neither column alone tells it."""
    from scipy import stats

    tried = []
    for one, other in combinations(segments, 2):
        both = pair(one, other)
        found = _moments(sides, both, paired=paired)
        shape = (len(one.labels), len(other.labels))
        change, variance = found.change.reshape(shape), found.variance.reshape(shape)
        share = np.where(np.isfinite(variance), found.share.reshape(shape), 0.0)
        known = np.isfinite(variance)
        worst = np.zeros(shape)
        sign = np.zeros(shape)
        for axis in (0, 1):
            rest = share.sum(axis=axis, keepdims=True) - share
            held = np.where(known, variance, 0.0)
            mean = (share * change).sum(axis=axis, keepdims=True) - share * change
            scatter = (share**2 * held).sum(axis=axis, keepdims=True) - share**2 * held
            safe = np.where(rest > 0, rest, 1.0)
            gap, error = change - mean / safe, np.sqrt(np.maximum(held + scatter / safe**2, 1e-300))
            p = np.where(known & (rest > 0), 2 * stats.t.sf(np.abs(gap) / error, found.df.reshape(shape)), 1.0)
            worst, sign = np.maximum(worst, p), sign + np.sign(gap)
        worst = np.where(np.abs(sign) == 2, worst, 1.0)
        own = change * sign > 0
        tried.append((both, worst.ravel(), (own & known).ravel()))
    counted = sum(int(own.size) for _, _, own in tried)
    level = RISK / 4 / max(counted, 1)
    picks = [Pick(both, (p <= level) & own, float(p.min()) * counted) for both, p, own in tried]
    picks = [pick for pick in picks if pick.named.any()]
    return min(picks, key=lambda pick: pick.p) if picks else None


def _weights(sides: tuple[Side, Side], segments: Sequence[Segments], *, paired: bool) -> tuple[ColumnWeight, ...]:
    """Return what every column alone tells, most telling first."""
    found = []
    for one in segments:
        if paired:
            codes = (one.before, one.after)
            parted, p_mix = of_rows(sides, codes, len(one.labels)), 1.0
        else:
            parted, p_mix = _mix_p(sides, one)
        moved = _moments(sides, one, paired=paired)
        p_apart, _ = apart(moved)
        p = min(1.0, float(p_apart.min()) * max(1, int(np.isfinite(moved.variance).sum())))
        found.append(ColumnWeight(one.name, float(parted.mix.sum()), float(parted.relation.sum()), p_mix, p))
    return tuple(sorted(found, key=lambda each: (min(each.p_mix, each.p_relation), -abs(each.mix), each.column)))


def _parts(path: Path, order: Sequence[Segments], pick: Pick | None, drawn: _Drawn) -> tuple[Part, ...]:
    amounts, spreads = path.amounts(), _spread(drawn.parts)
    parts, start = [], 0
    for at, (step, one) in enumerate(zip(path.steps, order, strict=False)):
        width = len(one.labels)
        errors = _spread(drawn.mixes[:, start : start + width])
        start += width
        inside = _segments(one, step.found, step.scale * step.found.mix, errors, np.ones(width, bool))
        parts.append(
            Part("mix", one.name, float(amounts[at]), _interval(float(amounts[at]), spreads[at]), True, inside)
        )
    last, found = order[-1], path.last.found
    amount, spread = float(amounts[-1]), float(spreads[-1])
    interval = _interval(amount, spread)
    if pick is None:
        parts.append(Part("everywhere", None, amount, interval, not interval[0] <= 0 <= interval[1]))
        return tuple(parts)
    if abs(amounts[-2]) > 1e-12 * max(1.0, abs(amount)):
        left = float(amounts[-2])
        mix = path.last.scale * found.mix
        before = next((at for at, part in enumerate(parts) if part.column == last.name), None)
        if before is None:
            mixed = _segments(last, found, mix, np.zeros(len(last.labels)), np.zeros_like(pick.named))
            parts.append(Part("mix", last.name, left, _interval(left, spreads[-2]), False, mixed))
        else:  # its mix was proven, and the columns weighed after it moved it once more: one column, one mix
            step, whole = path.steps[before], parts[before].amount + left
            both = float(_spread(drawn.parts[:, [before, -2]].sum(axis=1)))
            sum_of = _segments(
                last, step.found, step.scale * step.found.mix + mix, np.zeros(len(mix)), np.ones_like(pick.named)
            )
            parts[before] = Part("mix", last.name, whole, _interval(whole, both), True, sum_of)
    moved = path.last.scale * found.relation
    inside = _segments(last, found, moved, _spread(drawn.segments), pick.named)
    named = float(moved[pick.named].sum())
    spread_named = float(_spread(drawn.segments[:, pick.named].sum(axis=1)))
    kept = tuple(segment for segment in inside if segment.proven)
    parts.append(Part("relation", last.name, named, _interval(named, spread_named), True, kept))
    rest, spread_rest = amount - named, float(_spread(drawn.segments[:, ~pick.named].sum(axis=1)))
    others = _interval(rest, spread_rest)
    parts.append(Part("everywhere", None, rest, others, not others[0] <= 0 <= others[1]))
    return tuple(parts)


def _segments(
    one: Segments, found: Split, amounts: Floats, errors: Floats, proven: npt.NDArray[np.bool_]
) -> tuple[Segment, ...]:
    made = []
    for at, label in enumerate(one.labels):
        if not found.shares[:, at].any():
            continue
        amount = float(amounts[at])
        shares = (float(found.shares[0, at]), float(found.shares[1, at]))
        means = tuple(float(found.means[side, at]) if found.shares[side, at] > 0 else None for side in (0, 1))
        interval = _interval(amount, errors[at]) if errors[at] > 0 else None
        made.append(Segment(label, shares, (means[0], means[1]), amount, interval, bool(proven[at])))
    return tuple(sorted(made, key=lambda segment: -abs(segment.amount)))


def _spread(drawn: Floats) -> Floats:
    """Return the standard error of each column from its resamples."""
    if len(drawn) < 2:
        return np.full(drawn.shape[1:], np.inf)
    return np.asarray(drawn.std(axis=0, ddof=1))


def _interval(value: float, error: float | Floats) -> tuple[float, float]:
    reach = NORMAL * float(error)
    return value - reach, value + reach

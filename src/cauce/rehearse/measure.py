"""From replays to figures: detection delay, false alarms, what the loop gained and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median
from typing import Literal

import numpy as np

from cauce.core.artefacts import Comparison
from cauce.core.rehearsing import Against, Course, Look, Outcome, Replayed, Strategy
from cauce.rehearse import words
from cauce.rehearse.clock import DAY

MONTH = 30 * DAY
CONFIDENCE = 0.95


def outcome(replays: Sequence[Replayed], *, margin: float) -> Outcome:
    """Sum up the replays of one scenario, one a seed.

    Parameters
    ----------
    margin
        The model's: the smallest difference of the mean loss that matters, relative.
    """
    scenario = replays[0].job.scenario
    loops = [_course(each, "loop") for each in replays]
    found = [detection(each) for each in replays]
    acted = [action(each) for each in replays]
    rate, days = false_alarms(replays)
    counted = fmean(each.rows_always for each in replays)
    others = [one.strategy for one in replays[0].courses if one.strategy != "loop"]
    made = Outcome(
        scenario=scenario,
        n_seeds=len(replays),
        detected=_share(found) if scenario.injected else None,
        delay_rows=_median([each[0] for each in found if each is not None]),
        delay_s=_median([each[1] for each in found if each is not None]),
        acted=_share(acted) if scenario.injected else None,
        acted_delay_s=_median([each for each in acted if each is not None]),
        false_alarms_month=rate,
        still_days=days,
        retrained_on_fault=_on_fault(replays) if scenario.wanted == "fix data" else None,
        loop_loss=fmean(one.mean_loss for one in loops),
        loop_retrained=fmean(one.n_retrained for one in loops),
        loop_promoted=fmean(one.n_promoted for one in loops),
        loop_rows_fitted=fmean(one.rows_fitted for one in loops),
        loop_cpu_seconds=fmean(one.cpu_seconds for one in loops),
        against=tuple(_against(replays, other, margin) for other in others),
        reason={},
        rows_always=counted,
        cost_share=fmean(one.rows_fitted for one in loops) / counted if counted else None,
    )
    return words.with_reason(made)


def detection(found: Replayed) -> tuple[float, float] | None:
    """Return (rows, seconds) from the change to the first alarm that began after it; None where there was none.

    An alarm that had been on before the change detects nothing until it has been off.
    """
    if found.begin is None or found.began_row is None:
        return None
    on = False
    for look in found.looks:
        if look.at >= found.begin and look.alarms and not on:
            return float(look.n_served - found.began_row), look.at - found.begin
        on = bool(look.alarms)
    return None


def action(found: Replayed) -> float | None:
    """Return the seconds from the change to the answer that was wanted; None where it was not given.

    Of a fault the answer has to come while it lasts.
    """
    if found.begin is None:
        return None
    wanted = "fix data" if found.job.scenario.wanted == "fix data" else "retrain"
    until = _fault_end(found) if wanted == "fix data" else found.end
    looks = (look.at for look in found.looks if look.action == wanted and found.begin <= look.at <= until)
    first = next(looks, None)
    return None if first is None else first - found.begin


def episodes(looks: Sequence[Look]) -> int:
    """Count the alarms that began: an alarm that stays on counts once."""
    on = [bool(look.alarms) for look in looks]
    return sum(now and not before for before, now in zip([False, *on], on, strict=False))


def false_alarms(replays: Sequence[Replayed]) -> tuple[float | None, float]:
    """Return alarms in 30 days while nothing changed, and the days that this rests on.

    Those before an injected change, and all where the rows were put in random order.
    """
    scenario = replays[0].job.scenario
    if scenario.kind in {"history", "delay"}:
        return None, 0.0
    n_alarms, seconds = 0, 0.0
    for each in replays:
        until = each.end if each.begin is None else each.begin
        n_alarms += episodes([look for look in each.looks if look.at < until or each.begin is None])
        seconds += until - each.started
    return (n_alarms / seconds * MONTH if seconds > 0 else None), seconds / DAY


def compare(
    ours: Sequence[Course], theirs: Sequence[Course], *, margin: float, about: Literal["next", "this"] = "next"
) -> Comparison:
    """Compare two strategies over blocks of consecutive rows of all seeds.

    A block counts with its mean loss; blocks are of equal size, so their mean is the mean over rows. The interval is
    one for series whose neighbours resemble each other (`evidence.serial`), about `this` history or the `next` one.
    """
    from cauce.evidence import serial

    pairs = zip(ours, theirs, strict=True)
    candidates, references = zip(*((a.block_losses, b.block_losses) for a, b in pairs), strict=True)
    return serial(candidates, references, margin=margin, confidence=CONFIDENCE, about=about)


def _neighbours(ours: Sequence[Course], theirs: Sequence[Course]) -> float | None:
    """Return the correlation of each block's difference with the next one's, of all seeds; None: it cannot be told."""
    pairs = zip(ours, theirs, strict=True)
    series = [np.asarray(a.block_losses) - np.asarray(b.block_losses) for a, b in pairs]
    before = np.concatenate([each[:-1] for each in series])
    after = np.concatenate([each[1:] for each in series])
    if len(before) < 3 or before.std() == 0 or after.std() == 0:
        return None
    return float(np.corrcoef(before, after)[0, 1])


def _against(replays: Sequence[Replayed], strategy: Strategy, margin: float) -> Against:
    both = [each for each in replays if each.course(strategy) is not None]
    ours, theirs = [_course(each, "loop") for each in both], [_course(each, strategy) for each in both]
    fitted = fmean(one.rows_fitted for one in theirs)
    return Against(
        strategy=strategy,
        comparison=compare(ours, theirs, margin=margin),
        here=compare(ours, theirs, margin=margin, about="this"),
        neighbours=_neighbours(ours, theirs),
        mean_loss=fmean(one.mean_loss for one in theirs),
        n_retrained=fmean(one.n_retrained for one in theirs),
        rows_fitted=fitted,
        cpu_seconds=fmean(one.cpu_seconds for one in theirs),
        cost_ratio=fmean(one.rows_fitted for one in ours) / fitted if fitted else None,
    )


def _course(found: Replayed, strategy: Strategy) -> Course:
    course = found.course(strategy)
    assert course is not None, f"{strategy} took no part"
    return course


def _on_fault(replays: Sequence[Replayed]) -> float:
    """Count the retrainings while a fault lasted, mean over seeds."""
    counts = []
    for each in replays:
        begin, end = each.begin if each.begin is not None else each.end, _fault_end(each)
        counts.append(sum(look.action == "retrain" and begin <= look.at <= end for look in each.looks))
    return fmean(counts)


def _fault_end(found: Replayed) -> float:
    """Return when a fault was mended: by rows, which time follows closely enough for looks."""
    scenario = found.job.scenario
    row = round(scenario.end * found.n_rows)
    return next((look.at for look in found.looks if look.n_served >= row), found.end)


def _share(found: Sequence[object]) -> float:
    return sum(each is not None for each in found) / len(found)


def _median(values: Sequence[float]) -> float | None:
    return float(median(values)) if values else None

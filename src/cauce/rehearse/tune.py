"""Settings for this project: chosen on the first half of its history, reported on the second.

A small grid, one key varied at a time: with one history, more would fit its accidents. The cheapest setting is taken
that is not worse than the best by more than the margin, among those that cry wolf no more often than what is set now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cauce.core.artefacts import Comparison
from cauce.core.rehearsing import Course, Recommendation, Replayed, Settings, SettingTried
from cauce.core.specs import seconds
from cauce.rehearse import words
from cauce.rehearse.measure import compare, false_alarms

MOST_FALSE = 1.0
"""False alarms a month that are always let pass."""


def grid(current: Settings, *, look_every_s: float, few: bool = False) -> tuple[Settings, ...]:
    """Return the settings to try, the current ones first: each key smaller and larger, one at a time.

    Parameters
    ----------
    few
        Only what may cost less, or alarm later: for a rehearsal that is to be short.
    """
    cool = seconds(current.cool_down)
    downs = [_duration(look_every_s * n) for n in (2, 4, 8) if look_every_s * n > cool]
    if few:
        slower = [replace(current, drift=current.drift * 2), replace(current, min_truths=current.min_truths * 3)]
        return tuple(dict.fromkeys([current, *slower, *(replace(current, cool_down=down) for down in downs[-1:])]))
    tried = [
        current,
        *(replace(current, window=max(50, n)) for n in (current.window // 2, current.window * 2)),
        *(replace(current, drift=value) for value in (current.drift / 2, current.drift * 2)),
        *(replace(current, min_truths=max(20, n)) for n in (current.min_truths // 2, current.min_truths * 3)),
        *(replace(current, cool_down=down) for down in downs),
    ]
    return tuple(dict.fromkeys(tried))


def recommend(
    tried: Mapping[Settings, tuple[Replayed, Sequence[Replayed]]], current: Settings, *, margin: float
) -> tuple[Settings, tuple[SettingTried, ...]]:
    """Choose from replays of the first half.

    Parameters
    ----------
    tried
        Settings → its replay of the history, and its replays of the same rows standing still.

    Returns
    -------
    tuple
        The settings chosen, and the evidence on all of them.
    """
    courses = {settings: _loop(replayed) for settings, (replayed, _) in tried.items()}
    best = min(courses, key=lambda settings: courses[settings].mean_loss)
    rates = {settings: false_alarms(still)[0] or 0.0 for settings, (_, still) in tried.items()}
    rows = []
    for settings, course in courses.items():
        against = None
        if settings != best:
            against = compare([course], [courses[best]], margin=margin)
        rows.append(
            SettingTried(settings, course.mean_loss, course.rows_fitted, course.n_retrained, rates[settings], against)
        )
    limit = max(MOST_FALSE, rates[current])
    fit = [row for row in rows if row.false_alarms_month <= limit and _good_enough(row)]
    if not fit:
        return current, tuple(rows)
    least = min(row.rows_fitted for row in fit)
    cheapest = [row for row in fit if row.rows_fitted == least]
    chosen = next((row for row in cheapest if row.settings == current), cheapest[0])
    return chosen.settings, tuple(rows)


def second_half(
    chosen: Settings,
    current: Settings,
    tried: tuple[SettingTried, ...],
    halves: tuple[Replayed, Replayed] | None,
    *,
    margin: float,
) -> Recommendation:
    """Report the chosen settings on rows that did not choose them; what is worse there is not recommended.

    Parameters
    ----------
    halves
        The second half replayed with the chosen and with the current settings; None where they are the same.
    """
    comparison: Comparison | None = None
    costs = 0, 0
    if halves is not None:
        ours, theirs = (_loop(each) for each in halves)
        comparison = compare([ours], [theirs], margin=margin)
        costs = ours.rows_fitted, theirs.rows_fitted
    keep = chosen == current or comparison is None or _failed(comparison)
    made = Recommendation(
        chosen=chosen,
        current=current,
        keep_current=keep,
        tried=tried,
        second_half=comparison,
        rows_fitted_chosen=costs[0],
        rows_fitted_current=costs[1],
        toml=toml(current if keep else chosen),
        reason={},
    )
    return words.with_recommendation(made)


def toml(settings: Settings) -> str:
    """Return the keys to paste into cauce.toml."""
    return (
        f"[watch]\nwindow = {settings.window}\ndrift = {settings.drift:g}\n\n"
        f'[renew]\nmin_truths = {settings.min_truths}\ncool_down = "{settings.cool_down}"\n'
    )


def _good_enough(row: SettingTried) -> bool:
    found = row.against_best
    return found is None or (found.difference <= found.margin and found.verdict != "worse")


def _failed(found: Comparison) -> bool:
    return found.difference > found.margin or found.verdict == "worse"


def _loop(found: Replayed) -> Course:
    course = found.course("loop")
    assert course is not None, "the loop always takes part"
    return course


def _duration(length_s: float) -> str:
    """Write seconds as a key's value: in days, hours, minutes or seconds, whichever is whole."""
    for unit, size in (("d", 86_400.0), ("h", 3600.0), ("m", 60.0)):
        if length_s >= size and abs(length_s / size - round(length_s / size)) < 1e-9:
            return f"{round(length_s / size)}{unit}"
    return f"{length_s:g}s"

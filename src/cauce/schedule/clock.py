"""The daemon's clock: turns begin on a grid, so they do not drift; one that overruns leaves out those it missed."""

from __future__ import annotations

import math


def next_turn(begun: float, now: float, every_s: float) -> float:
    """Return when the next turn begins: the first moment after `now` that lies whole intervals after `begun`.

    Parameters
    ----------
    begun
        When the first turn began, seconds of a monotonic clock.
    now
        When the last one ended.
    every_s
        Interval, seconds, over 0.

    Examples
    --------
    >>> next_turn(100.0, 103.0, 10.0), next_turn(100.0, 125.0, 10.0)
    (110.0, 130.0)
    """
    turns = math.floor((now - begun) / every_s) + 1
    moment = begun + turns * every_s
    return moment if moment > now else begun + (turns + 1) * every_s

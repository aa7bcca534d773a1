"""Settings are recommended from one half of the history and reported on the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cauce.core.rehearsing import Course, Look, Replayed, Scenario, Settings
from cauce.rehearse import grid, recommend, second_half
from cauce.rehearse.tune import toml
from rehearse.fake import job

DAY = 86_400.0
NOW = Settings(1000, 0.2, 300, "1h")


def half(mean: float, rows: int, *, alarms: int = 0, seed: int = 0) -> Replayed:
    blocks = mean + np.random.default_rng(seed).normal(0, 0.001, 24)
    course = Course("loop", mean, tuple(blocks.tolist()), (), 1, 1, rows, 0.0)
    shown = tuple(Look(at * DAY, at, ("x",) if at % 2 and at < 2 * alarms else (), "wait") for at in range(60))
    return Replayed(job(Scenario("still")), 60, 60, None, None, 60 * DAY, 0.0, shown, (course,))


def test_the_cheapest_that_is_not_worse_by_more_than_the_margin_is_taken() -> None:
    cheap, cheaper, best = (replace(NOW, cool_down=each) for each in ("7d", "28d", "2h"))
    tried = {
        NOW: (half(1.0, 5000), [half(1.0, 0)]),
        cheap: (half(1.001, 1000), [half(1.0, 0)]),
        cheaper: (half(1.2, 100), [half(1.0, 0)]),
        best: (half(0.999, 9000), [half(1.0, 0)]),
    }
    chosen, rows = recommend(tried, NOW, margin=0.01)
    assert chosen == cheap
    assert [row.rows_fitted for row in rows] == [5000, 1000, 100, 9000]
    assert sum(row.against_best is None for row in rows) == 1


def test_settings_that_cry_wolf_are_not_taken() -> None:
    loud = replace(NOW, drift=0.05)
    tried = {NOW: (half(1.0, 5000), [half(1.0, 0)]), loud: (half(1.0, 10), [half(1.0, 0, alarms=10)])}
    assert recommend(tried, NOW, margin=0.01)[0] == NOW


def test_what_fails_on_the_second_half_is_not_recommended() -> None:
    chosen = replace(NOW, cool_down="28d")
    held = second_half(chosen, NOW, (), (half(1.001, 10), half(1.0, 99)), margin=0.01)
    failed = second_half(chosen, NOW, (), (half(1.3, 10), half(1.0, 99)), margin=0.01)
    assert not held.keep_current
    assert 'cool_down = "28d"' in held.toml
    assert "10" in held.reason["es"]
    assert failed.keep_current
    assert 'cool_down = "1h"' in failed.toml
    assert second_half(NOW, NOW, (), None, margin=0.01).keep_current


def test_the_grid_moves_one_key_at_a_time() -> None:
    tried = grid(NOW, look_every_s=7 * DAY)
    assert tried[0] == NOW
    for settings in tried[1:]:
        differing = [key for key, value in settings.__dict__.items() if value != NOW.__dict__[key]]
        assert len(differing) == 1
    assert {"14d", "28d", "56d"} <= {settings.cool_down for settings in tried}


def test_the_recommendation_can_be_pasted() -> None:
    import tomllib

    from cauce.core.specs import RenewSpec, WatchSpec

    read = tomllib.loads(toml(NOW))
    assert WatchSpec(**read["watch"]).drift == 0.2
    assert RenewSpec(**read["renew"]).cool_down == "1h"

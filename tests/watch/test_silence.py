"""A frequent value that stops: claimed where its rows are missing, not where they moved, faded, or are not due."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from cauce.profile import Bins, make_bins, summarise
from cauce.watch.drift import flow, silence
from cauce.watch.drift.counts import Counts

Floats = npt.NDArray[np.float64]
START = 1_767_571_200.0  # 2026-01-05, a Monday
DAY = 86_400.0
VALUES = np.array(["north", "south", "web"])
TRAINING = pa.table({"region": ["north"] * 300 + ["south"] * 300 + ["web"] * 400})


def bins() -> tuple[Bins, dict[str, Counts]]:
    profile = summarise(TRAINING.to_batches())
    made = make_bins(profile, profile.schema(["region"]))
    return made, made.count(TRAINING)


def arrivals(rng: np.random.Generator, days: float, rate: Callable[[Floats], Floats], *, most: float) -> Floats:
    """Poisson arrivals, thinned: `rate` and `most` are rows a day."""
    at = np.sort(rng.uniform(0, days, rng.poisson(most * days)))
    return np.asarray(at[rng.random(len(at)) < rate(at) / most])


def human(at: Floats) -> Floats:
    """More by day than by night, and on weekdays than at weekends."""
    return np.asarray((1 + 0.8 * np.sin(2 * np.pi * (at - 0.3))) * np.where(at % 7 < 5, 1.0, 0.5))


def bursty(rng: np.random.Generator, days: float, rate: float, *, mean_days: float) -> Floats:
    """A value that comes in stretches of exponential length, with as long pauses between."""
    edges = np.cumsum(rng.exponential(mean_days, 4 * int(days / mean_days) + 20))
    at = np.sort(rng.uniform(0, days, rng.poisson(2 * rate * days)))
    return np.asarray(at[np.searchsorted(edges, at) % 2 == 0])


def told(parts: dict[str, Floats], *, until: float, every: float = 1.0, begin: float = 0.0) -> list[silence.Silence]:
    """Return what looks see, one each `every` days from `begin` to `until`."""
    made, reference = bins()
    at = np.concatenate(list(parts.values()))
    values = np.repeat(list(parts), [len(each) for each in parts.values()])
    order = np.argsort(at, kind="stable")
    at, values = at[order], values[order]
    known, seen = flow.Flow(), 0
    found: list[silence.Silence] = []
    for now in np.arange(begin + every, until + 1e-9, every):
        reached = int(np.searchsorted(at, now))
        micros = np.rint((START + at[seen:reached] * DAY) * 1e6).astype(np.int64)
        rows = pa.table(
            {
                "id": [f"{row:09d}" for row in range(seen, reached)],
                "at": pa.array(micros).cast(pa.timestamp("us", "UTC")),
                "region": values[seen:reached].tolist(),
            }
        )
        known, seen = flow.counted(known, rows, made, reference), reached
        found += silence.silences(known, flow.frequent(made, reference), risk=0.01)
    return found


def traffic(rng: np.random.Generator, days: float, *, north_until: float = np.inf) -> dict[str, Floats]:
    north = arrivals(rng, days, lambda at: 300 * human(at), most=600)
    return {
        "north": north[north < north_until],
        "south": arrivals(rng, days, lambda at: 300 * human(at), most=600),
        "web": arrivals(rng, days, lambda at: 400 * human(at), most=800),
    }


def claims(found: list[silence.Silence]) -> list[silence.Silence]:
    return [each for each in found if each.verdict == "fault"]


@pytest.mark.parametrize("seed", range(2))
def test_a_feed_that_breaks_is_claimed_within_days_with_its_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = claims(told(traffic(rng, 90, north_until=80.4), until=90))
    assert found
    assert {(each.column, each.labels) for each in found} == {("region", ("north",))}
    first = found[0]
    assert abs((first.since.timestamp() - START) / DAY - 80.4) < 0.3
    whole = len(traffic(np.random.default_rng(seed), 90)["north"]) / 90
    last = found[-1]
    assert last.missing == pytest.approx(whole * 9.5, rel=0.25)
    assert last.error < last.missing / 3
    assert len(found) >= 4  # within five days of ten


@pytest.mark.parametrize("seed", range(2))
def test_traffic_that_moves_to_other_values_is_no_fault(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = traffic(rng, 90)
    moved = parts["north"][parts["north"] >= 80.4]
    parts["north"] = parts["north"][parts["north"] < 80.4]
    parts["web"] = np.sort(np.concatenate([parts["web"], moved]))
    found = told(parts, until=90)
    assert not claims(found)
    assert "moved" in {each.verdict for each in found}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("over", [3, 14, 40])
def test_a_value_that_fades_is_no_fault(seed: int, over: int) -> None:
    rng = np.random.default_rng(seed)
    parts = traffic(rng, 120)
    left = np.clip((80 + over - parts["north"]) / over, 0, 1)
    parts["north"] = parts["north"][rng.random(len(left)) < left]
    assert not claims(told(parts, until=120, begin=60))


@pytest.mark.parametrize("mean_days", [0.1, 1.0, 5.0])
def test_bursty_values_are_seldom_claimed(mean_days: float) -> None:
    """Pauses of exponential length beside other traffic that keeps its rate: only chance speaks for a fault."""
    wrong = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        parts = traffic(rng, 120) | {"north": bursty(rng, 120, 300, mean_days=mean_days)}
        wrong += bool(claims(told(parts, until=120, every=0.5)))
    assert not wrong


@pytest.mark.parametrize("seed", range(2))
def test_values_of_the_day_and_the_week_are_not_claimed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = traffic(rng, 60)
    office = (parts["north"] % 1 > 0.35) & (parts["north"] % 1 < 0.7) & (parts["north"] % 7 < 5)
    parts["north"] = parts["north"][office]
    assert not told(parts, until=60, every=0.25)


def test_a_season_that_is_over_is_no_fault() -> None:
    rng = np.random.default_rng(0)
    at = np.arange(0, 200, 1 / 48)
    season = {"north": at[at < 90], "south": at[at >= 90], "web": arrivals(rng, 200, lambda at: 40 + 0 * at, most=40)}
    assert not claims(told(season, until=200, every=2))


def test_nothing_is_claimed_in_the_first_eight_weeks() -> None:
    assert not told(traffic(np.random.default_rng(0), 56, north_until=48), until=56)


def test_a_value_that_returned_is_not_told_any_more() -> None:
    parts = traffic(np.random.default_rng(2), 100)
    parts["north"] = parts["north"][(parts["north"] < 80) | (parts["north"] >= 86)]
    assert claims(told(parts, until=86))
    assert not told(parts, until=100, begin=86, every=1)


def test_the_state_outlives_the_process_and_stays_small(tmp_path: Path) -> None:
    made, reference = bins()
    at = np.arange(0, 700, 1 / 24)
    micros = np.rint((START + at * DAY) * 1e6).astype(np.int64)
    rows = pa.table(
        {
            "id": [f"{row:09d}" for row in range(len(at))],
            "at": pa.array(micros).cast(pa.timestamp("us", "UTC")),
            "region": VALUES[np.arange(len(at)) % 3].tolist(),
        }
    )
    whole = flow.counted(flow.Flow(), rows.slice(0, 9000), made, reference)
    flow.save(whole, tmp_path / "flow.json")
    kept = flow.load(tmp_path / "flow.json")
    assert kept is not None
    kept = flow.counted(kept, rows.slice(9000), made, reference)
    assert (kept.width, len(kept.total)) == (86_400, flow.N_BUCKETS)
    assert kept.total[:-1].tolist() == [24] * 511
    assert sum(counts for counts in kept.values.values()).tolist() == kept.total.tolist()  # type: ignore[union-attr]


def test_a_column_kept_out_of_the_ledger_is_forgotten() -> None:
    made, reference = bins()
    rows = pa.table({"id": ["1"], "at": pa.array([0]).cast(pa.timestamp("us", "UTC")), "region": ["web"]})
    known = flow.counted(flow.Flow(), rows, made, reference)
    assert known.values
    assert not flow.counted(known, rows.drop_columns(["region"]), made, reference).values

"""A region whose rows stop coming, end to end: a served model's ledger over months, full turns of the watcher."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from cauce import Loop, load_project
from cauce.core.artefacts import Decision
from cauce.loop.renew import renew
from cauce.loop.stages import run_stages
from cauce.loop.watch import ledger_of

TOML = """
[project]
name = "shop"

[data.orders]
source = "orders.csv"

[models.late]
task = "classify"
data = "orders"
target = "late"
trials = 0
must_use = ["linear"]

[watch]
window = 500
min_rows = 100
"""
REGIONS = np.array(["north", "south", "web"])
EVERY = timedelta(days=1)
STOPPED = 64
"""Day on which the north stops."""


def orders(n: int, rng: np.random.Generator) -> pa.Table:
    load = rng.normal(size=n)
    late = rng.random(n) < 1 / (1 + np.exp(-2 * load))
    return pa.table({"region": rng.choice(REGIONS, n), "load": load, "late": np.where(late, "yes", "no")})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    pyarrow.csv.write_csv(orders(2000, np.random.default_rng(0)), folder / "orders.csv")
    (folder / "cauce.toml").write_text(TOML, encoding="utf-8")
    run_stages(Loop(load_project(folder / "cauce.toml", {})))
    return folder


class Shop:
    """A served model on a clock that turns with its requests."""

    def __init__(self, folder: Path) -> None:
        self.begun = self.now = datetime.now(UTC) + timedelta(hours=1)
        self.loop = replace(Loop(load_project(folder / "cauce.toml", {})), now=lambda: self.now)
        self.rng = np.random.default_rng(1)
        self.release, self.package = self.loop.tracker.open("late", 1)

    def serve(self, until: float, *, without: str = "", instead: str = "") -> None:
        """Answer four dozen orders once a day until a day, those of one region left out or from another one."""
        ledger = ledger_of(self.loop, "late")
        while self.now < self.begun + timedelta(days=until):
            self.now += EVERY
            rows = orders(48, self.rng).select(["region", "load"])
            regions = np.asarray(rows["region"].to_pylist())
            if instead:
                rows = rows.set_column(0, "region", pa.array(np.where(regions == without, instead, regions).tolist()))
            elif without:
                rows = rows.filter(pa.array(regions != without))
            ledger.record(rows, self.package.fitted.predict(rows), version=1, at=self.now)
        ledger.close()

    def turn(self) -> Decision:
        """Look and decide, as `cauce watch --once` does."""
        done = renew(self.loop, "late")
        assert done is not None
        return done.decision


@pytest.fixture
def shop(trained: Path, tmp_path: Path) -> Shop:
    shutil.copytree(trained, tmp_path / "shop")
    return Shop(tmp_path / "shop")


def test_a_region_that_stops_asks_for_the_data_until_it_returns(shop: Shop) -> None:
    shop.serve(STOPPED - 10)
    assert shop.turn().action == "wait"
    shop.serve(STOPPED)
    assert shop.turn().action == "wait"
    shop.serve(STOPPED + 8, without="north")
    decision = shop.turn()
    assert (decision.action, decision.rule) == ("fix data", "partition_missing")
    assert decision.watched is not None
    (told,) = [signal for signal in decision.watched.signals if signal.code == "missing_partition"]
    assert (told.column, told.alarming) == ("region", True)
    assert told.since is not None
    assert abs(told.since - shop.begun - timedelta(days=STOPPED)) < timedelta(days=1.5)
    day = f"{told.since:%Y-%m-%d %H:%M} UTC"
    assert f"No row has had `north` in `region` since {day}" in decision.reason["en"]
    assert f"Ninguna fila ha tenido `north` en `region` desde el {day}" in decision.reason["es"]
    shop.serve(STOPPED + 9)
    assert shop.turn().rule != "partition_missing"


def test_after_mend_within_what_comes_is_the_population(shop: Shop) -> None:
    shop.serve(STOPPED)
    shop.serve(STOPPED + 10, without="north")
    assert shop.turn().rule == "partition_missing"
    shop.serve(STOPPED + 27, without="north")
    assert shop.turn().rule == "partition_missing"
    shop.serve(STOPPED + 29, without="north")
    decision = shop.turn()
    assert decision.watched is not None
    assert [one.alarming for one in decision.watched.signals if one.code == "missing_partition"] == [True]
    assert decision.rule != "partition_missing"


def test_orders_that_move_to_the_web_are_no_fault(shop: Shop) -> None:
    shop.serve(STOPPED)
    shop.serve(STOPPED + 10, without="north", instead="web")
    decision = shop.turn()
    assert decision.watched is not None
    (told,) = [signal for signal in decision.watched.signals if signal.code == "missing_partition"]
    assert not told.alarming
    assert "the population changed" in told.detail["en"]
    assert decision.rule != "partition_missing"

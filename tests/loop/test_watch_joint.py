"""How columns go together, end to end: a correlation flips, and no column shows it alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from cauce import Loop, load_project
from cauce.core.artefacts import Watched
from cauce.loop.stages import run_stages
from cauce.loop.watch import ledger_of, watch

TOML = """
[project]
name = "plant"

[data.readings]
source = "readings.csv"

[models.worn]
task = "classify"
data = "readings"
target = "worn"
trials = 0
must_use = ["linear"]

[watch]
window = 1000
min_rows = 200
"""


def readings(n: int, seed: int, *, correlation: float = 0.8) -> pa.Table:
    """Heat and load, each a normal column whatever the correlation, and a third that goes with neither."""
    rng = np.random.default_rng(seed)
    heat, own = rng.normal(size=n), rng.normal(size=n)
    load = correlation * heat + np.sqrt(1 - correlation**2) * own
    worn = rng.random(n) < 1 / (1 + np.exp(-2 * heat))
    columns = {"heat": heat, "load": load, "noise": rng.normal(size=n), "worn": np.where(worn, "yes", "no")}
    return pa.table(columns)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    folder = tmp_path_factory.mktemp("plant")
    pyarrow.csv.write_csv(readings(3000, 0), folder / "readings.csv")
    (folder / "cauce.toml").write_text(TOML, encoding="utf-8")
    run_stages(Loop(load_project(folder / "cauce.toml", {})))
    return Loop(load_project(folder / "cauce.toml", {}))


def serve(loop: Loop, rows: pa.Table, at: datetime) -> Loop:
    """Let the champion answer rows, a second each; return the loop at the moment after."""
    version = loop.tracker.alias("worn", "champion")
    assert version is not None
    release, package = loop.tracker.open("worn", version)
    inputs, ledger = rows.select(list(release.training.spec.schema.names)), ledger_of(loop, "worn")
    for start in range(0, rows.num_rows, 100):
        batch = inputs.slice(start, 100)
        ledger.record(batch, package.fitted.predict(batch), version=version, at=at + timedelta(seconds=start))
    ledger.close()
    return replace(loop, now=lambda: at + timedelta(seconds=rows.num_rows))


def seen(loop: Loop) -> Watched:
    found = watch(loop, "worn")
    assert found is not None
    return found


def test_a_correlation_that_flips_alarms_where_no_column_does(plant: Loop) -> None:
    begun = datetime.now(UTC) + timedelta(hours=1)
    calm = seen(serve(plant, readings(1000, 1), begun))
    assert calm.joint is not None
    assert not any(signal.alarming for signal in calm.signals)
    # Two days on: the classifier is asked once a day, on rows that no earlier answer rests on.
    flipped = seen(serve(plant, readings(1000, 2, correlation=-0.8), begun + timedelta(days=2)))
    assert [(signal.code, signal.column) for signal in flipped.signals if signal.alarming] == [("joint_drift", None)]
    assert flipped.joint is not None
    assert flipped.joint.lower > 0.7
    assert set(list(flipped.joint.columns)[:2]) == {"heat", "load"}
    assert not any(drift.drifted for drift in flipped.drifts)
    (told,) = [signal for signal in flipped.signals if signal.code == "joint_drift"]
    assert "how they go together has changed" in told.detail["en"]
    assert "su relación ha cambiado" in told.detail["es"]


def test_a_long_stretch_is_told_from_kept_counts(plant: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calm rows, then another correlation with a shifted load: the sum of days is what the rows themselves say."""
    from cauce.ledger import counted
    from cauce.loop.watch_since import drift_since
    from cauce.profile import Bins
    from cauce.watch.drift.counts import psi

    begun = datetime.now(UTC) + timedelta(days=20)
    seen(serve(plant, readings(500, 3), begun))
    moved = readings(700, 4).set_column(1, "load", pa.array(np.random.default_rng(5).normal(1.5, 1, 700)))
    later = serve(plant, moved, begun + timedelta(days=2))
    seen(later)  # the watcher's look counts what was folded

    def unread(*_: object) -> pa.Table:
        raise AssertionError("a file that was counted is read again")

    monkeypatch.setattr(counted, "rows_of_file", unread)
    month, week = drift_since(later, "worn", seconds=10 * 86_400), drift_since(later, "worn", seconds=3600)
    assert month is not None
    assert week is not None
    assert (month.n_predictions, week.n_predictions) == (1200, 700)
    assert [each.column for each in month.drifts if each.drifted] == ["load"]
    assert week.drifts[0].psi > month.drifts[0].psi
    version = month.version
    _, package = plant.tracker.open("worn", version)
    bins = Bins.from_bytes(package.bins_bytes)
    both = pa.concat_tables([readings(500, 3), moved])
    again = {name: psi(package.reference_counts[name][:-1], n[:-1]) for name, n in bins.count(both).items()}
    assert {each.column: each.psi for each in month.drifts if each.column != "prediction"} == pytest.approx(
        {name: again[name] for name in ("heat", "load", "noise")}
    )
    assert drift_since(replace(later, now=lambda: begun + timedelta(days=99)), "worn", seconds=86_400) is None
    monkeypatch.undo()
    monkeypatch.setattr("cauce.loop.watch_since.counts_of", lambda *_: {f"{begun:%Y-%m-%d}": {"load": [0, 0, 0]}})
    assert drift_since(later, "worn", seconds=10 * 86_400) is None  # a release that nobody asked has moved nowhere

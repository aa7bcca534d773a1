"""What live requests say of a challenger, from a real ledger: the shadow, the split, the probation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from cauce.core.artefacts import Column, Experiment, Schema, TaskSpec
from cauce.core.names import uuid7s
from cauce.ledger import Ledger, Truth
from cauce.loop.context import Loop
from cauce.loop.live_losses import measured, uncertainty
from cauce.loop.watch import ledger_of
from cauce.project import load

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOML = """\
[project]
name = "school"

[data.students]
source = "students.csv"

[models.passed]
task = "classify"
data = "students"
target = "passed"
challenger = { shadow = true, share = 0.5 }
"""
SCHEMA = Schema((Column("hours", "number", nullable=False), Column("sex", "category", nullable=False)))
SPEC = TaskSpec("passed", "classify", "passed", SCHEMA, "log", sensitive=("sex",))


class Says:
    """A model that says the same of every row."""

    classes = ("no", "yes")

    def __init__(self, share: float) -> None:
        self.share, self.schema = share, SCHEMA

    def predict(self, rows: pa.Table) -> pa.Table:
        return answers(rows.num_rows, self.share)


def answers(n: int, share: float) -> pa.Table:
    shares = np.full(n, share)
    return pa.table({"prediction": ["yes" if share > 0.5 else "no"] * n, "prob_no": 1 - shares, "prob_yes": shares})


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    """A project whose version 1 says 0.6 and whose version 2 says 0.8."""
    (tmp_path / "cauce.toml").write_text(TOML)
    made = Loop(load(tmp_path / "cauce.toml", {}), now=lambda: NOW)
    packages = {
        v: SimpleNamespace(fitted=Says(s), training=SimpleNamespace(spec=SPEC)) for v, s in ((1, 0.6), (2, 0.8))
    }
    made.__dict__["tracker"] = SimpleNamespace(open=lambda _, version: (None, packages[version]))
    return made


def experiment(stage: Any) -> Experiment:
    return Experiment("passed", stage, 1, 2, NOW, NOW, {"en": "", "es": ""})


def answered(
    ledger: Ledger,
    version: int,
    truths: Sequence[str],
    *,
    share: float,
    at: datetime = NOW + timedelta(minutes=5),
    variant: str = "champion",
    units: Sequence[str] = (),
    shadow: tuple[int, float] | None = None,
) -> None:
    """Answer rows, let a challenger score them in the shadow where that is asked for, and let their truths come."""
    outputs = (("prediction", "text"), ("prob_no", "float"), ("prob_yes", "float"))
    head = ledger.head(version, (("hours", "float"), ("sex", "text")), outputs)
    n, moment = len(truths), round(at.timestamp() * 1e6)
    ids = uuid7s(n, moment // 1000)
    rows = [[1.0, "female" if i % 2 else "male"] for i in range(n)]
    given = answers(n, share).to_pydict()
    line = head.line(ids=ids, at=moment, rows=rows, outputs=given, variant=variant, units=units, ms=[2.0] * n)
    ledger.append([line]).result()
    if shadow is not None:
        other = ledger.head(shadow[0], head.inputs, head.outputs)
        said = answers(n, shadow[1]).to_pydict()
        line = other.line(ids=ids, at=moment, rows=rows, outputs=said, variant="shadow", ms=[3.0] * n)
        ledger.append([line]).result()
    known = [Truth(one, truth) for one, truth in zip(ids, truths, strict=True) if truth]
    ledger.truths(known, now=at + timedelta(minutes=1))


def test_the_shadow_compares_what_both_said_of_the_rows_whose_truths_came(loop: Loop) -> None:
    ledger = ledger_of(loop, "passed")
    answered(ledger, 1, ["yes"] * 50, share=0.6, shadow=(2, 0.8), at=NOW - timedelta(minutes=5))  # before the stage
    answered(ledger, 1, ["yes"] * 300 + [""] * 100, share=0.6, shadow=(2, 0.8))
    answered(ledger, 1, ["no"] * 70, share=0.6)  # nobody scored these beside the champion
    answered(ledger, 1, ["no"] * 70, share=0.6, shadow=(3, 0.1))  # another challenger did
    ledger.close()
    found = measured(loop, experiment("shadow"))
    assert (found.n_requests, found.n_scores) == (400, 800)
    assert found.comparison is not None
    assert found.comparison.n_units == 300
    assert found.comparison.mean_candidate == pytest.approx(-np.log(0.8))
    assert found.comparison.mean_reference == pytest.approx(-np.log(0.6))
    assert found.comparison.difference == pytest.approx(np.log(0.6) - np.log(0.8))
    assert found.guards == {"latency_ratio": 1.5, "slower_ms": 1.0}
    assert {name: one.n_units for name, one in found.groups.items()} == {"sex = female": 150, "sex = male": 150}


def test_nothing_came_is_no_evidence(loop: Loop) -> None:
    for stage in ("gate", "shadow", "split", "probation"):
        assert measured(loop, experiment(stage)).comparison is None


def test_the_split_counts_each_unit_once_and_leaves_out_who_met_both(loop: Loop) -> None:
    ledger = ledger_of(loop, "passed")
    ours, theirs = [f"u{i}" for i in range(100)], [f"v{i}" for i in range(100)]
    answered(ledger, 2, ["yes"] * 100, share=0.8, variant="challenger", units=ours)
    answered(ledger, 2, ["no"] * 100, share=0.8, variant="challenger", units=ours, at=NOW + timedelta(minutes=30))
    answered(ledger, 1, ["yes"] * 100, share=0.6, units=theirs)
    answered(ledger, 1, ["yes"] * 10, share=0.6, units=[f"w{i}" for i in range(10)])
    answered(ledger, 2, ["yes"] * 10, share=0.8, variant="challenger", units=[f"w{i}" for i in range(10)])
    ledger.close()
    found = measured(loop, experiment("split"))
    assert found.comparison is not None
    assert found.comparison.n_units == 200
    assert found.comparison.mean_candidate == pytest.approx(-np.log(0.8)), "the first truth of each unit counts"
    assert found.guards["sample_ratio_p"] > 0.5
    assert found.n_requests == 300


def test_the_probation_asks_what_the_champion_before_would_have_said(loop: Loop) -> None:
    ledger = ledger_of(loop, "passed")
    answered(ledger, 1, ["yes"] * 100, share=0.6, at=NOW - timedelta(minutes=5))
    answered(ledger, 2, ["no"] * 120, share=0.8)
    ledger.close()
    found = measured(loop, experiment("probation"))
    assert found.comparison is not None
    assert found.comparison.n_units == 120
    assert found.comparison.mean_reference == pytest.approx(-np.log(0.4))
    assert found.comparison.verdict == "worse"
    assert found.guards["latency_ratio"] == 1.0


def test_a_probation_without_inputs_in_the_ledger_is_held_against_the_past(loop: Loop, monkeypatch: Any) -> None:
    ledger = ledger_of(loop, "passed")
    answered(ledger, 1, ["yes"] * 100, share=0.6, at=NOW - timedelta(minutes=5))
    answered(ledger, 2, ["no"] * 120, share=0.8)
    ledger.close()
    monkeypatch.setattr("cauce.loop.live_losses.withheld", lambda rows: frozenset({"hours"}))
    found = measured(loop, experiment("probation"))
    assert found.comparison is not None
    assert found.comparison.mean_reference == pytest.approx(-np.log(0.6)), "its own losses before the switch"
    assert found.comparison.n_units == 220
    assert found.comparison.verdict == "worse"


def test_uncertainty_is_known_before_the_truth() -> None:
    assert uncertainty(answers(3, 0.8)) == pytest.approx([0.2] * 3)
    numbers = pa.table({"prediction": [1.0], "lower": [0.5], "upper": [2.0]})
    assert uncertainty(numbers) == pytest.approx([1.5])
    assert uncertainty(pa.table({"prediction": ["a"]})) is None

"""A promotion from the retraining to the roll-back, with real releases and a real ledger."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from cauce import Loop
from cauce.ledger import Truth
from cauce.loop import by_hand
from cauce.loop.carry import reconcile
from cauce.loop.promotion import advance, experiment_of
from cauce.loop.renew import renew
from cauce.loop.stages import run_stages
from cauce.loop.watch import ledger_of
from cauce.renew import faults, read, replay
from e2e.school import TOML, students
from e2e.test_loop import RENEW, live, open_loop

SHADOW = TOML + "challenger = { shadow = true }\n" + RENEW


def both_say(loop: Loop, rows: pa.Table, truths: Sequence[str]) -> None:
    """Let the champion answer rows, the challenger score them beside it, and their truths come."""
    held = {alias: loop.tracker.alias("passed", alias) for alias in ("champion", "challenger")}
    ledger = ledger_of(loop, "passed")
    packages = {alias: loop.tracker.open("passed", version or 0)[1] for alias, version in held.items()}
    inputs = rows.select(list(packages["champion"].training.spec.schema.names))
    at = loop.now()
    ids = ledger.record(inputs, packages["champion"].fitted.predict(inputs), version=held["champion"] or 0, at=at)
    said = packages["challenger"].fitted.predict(inputs)
    kinds = [(name, "text" if name == "prediction" else "float") for name in said.column_names]
    head = ledger.head(held["challenger"] or 0, (), kinds)
    moment = round(at.timestamp() * 1e6)
    n = inputs.num_rows
    line = head.line(
        ids=ids.to_pylist(), at=moment, rows=[()] * n, outputs=said.to_pydict(), variant="shadow", ms=[1.0] * n
    )
    ledger.append([line]).result()
    ledger.truths([Truth(*pair) for pair in zip(ids.to_pylist(), truths, strict=True)], now=loop.now())
    ledger.close()


def illegal(loop: Loop) -> list[str]:
    champion, challenger = (loop.tracker.alias("passed", alias) for alias in ("champion", "challenger"))
    return faults(
        read(loop.record("passed"), newest_first=False),
        experiment_of(loop, "passed"),
        champion=champion,
        challenger=challenger,
        versions=loop.tracker.versions("passed"),
    )


def turned(table: pa.Table) -> list[str]:
    return ["no" if value == "yes" else "yes" for value in table["passed"].to_pylist()]


@pytest.mark.slow
def test_from_the_gate_through_the_shadow_to_the_switch_and_back(project: Path) -> None:
    (project / "cauce.toml").write_text(SHADOW, encoding="utf-8")
    loop = open_loop(project)
    run_stages(loop)
    world = students(1500, seed=2, shift=8.0)
    live(loop, world, turned(world))
    renewed = renew(loop, "passed")
    assert renewed is not None
    assert renewed.decision.action == "retrain"
    assert renewed.outcome is not None
    assert (renewed.outcome.action, renewed.outcome.rule) == ("wait", "shadow"), renewed.outcome.reason["en"]
    assert (loop.tracker.alias("passed", "champion"), loop.tracker.alias("passed", "challenger")) == (1, 2)
    assert illegal(loop) == []

    more = students(600, seed=3, shift=8.0)
    both_say(loop, more, turned(more))
    again = renew(loop, "passed")
    assert again is not None
    assert again.step is not None
    assert (again.step.action, again.step.rule) == ("promote", "better"), again.step.reason["en"]
    assert again.step.comparison is not None
    assert again.step.comparison.n_units == 600
    assert (loop.tracker.alias("passed", "champion"), loop.tracker.alias("passed", "challenger")) == (2, None)
    assert again.experiment is not None
    assert again.experiment.stage == "probation"
    assert illegal(loop) == []

    back = students(600, seed=4)  # the world turns back
    live(loop, back, back["passed"].to_pylist())
    decision = advance(loop, "passed")
    assert decision is not None
    assert (decision.action, decision.champion, decision.challenger) == ("roll back", 2, 1)
    assert loop.tracker.alias("passed", "champion") == 1
    assert illegal(loop) == []
    assert all(one.same for one in replay(read(loop.record("passed"))))


@pytest.mark.slow
def test_a_person_approves_and_may_interfere(project: Path) -> None:
    text = SHADOW.replace("shadow = true", "shadow = false").replace("[renew]", '[renew]\napprove = "person"')
    (project / "cauce.toml").write_text(text, encoding="utf-8")
    loop = open_loop(project)
    run_stages(loop)
    assert loop.tracker.alias("passed", "champion") == 1, "the first release waits for nobody"
    world = students(1500, seed=2, shift=8.0)
    live(loop, world, turned(world))
    waiting = renew(loop, "passed")
    assert waiting is not None
    assert (waiting.decision.action, waiting.decision.rule) == ("wait", "unapproved")
    forced = renew(loop, "passed", force="The whole world has turned round.")
    assert forced is not None
    assert forced.outcome is not None
    assert forced.outcome.rule == "asks", forced.outcome.reason["en"]
    assert (loop.tracker.alias("passed", "champion"), loop.tracker.alias("passed", "challenger")) == (1, 2)
    by_hand.promote(loop, "passed", version=None, reason="Ana has looked at its report.")
    assert loop.tracker.alias("passed", "champion") == 2
    found = experiment_of(loop, "passed")
    assert found is not None
    assert found.stage == "probation"
    by_hand.rollback(loop, "passed", version=None, reason="The teachers do not like it.")
    found = experiment_of(loop, "passed")
    assert found is not None
    assert found.stage == "ended"
    reconcile(loop, "passed")
    assert illegal(loop) == []

"""Promotions driven tick by tick from a script, so that the same story can be told with and without crashes.

What decides is Cauce's own code on real files; the evidence is scripted: what a stage shows a number of ticks after it
began. The registry is SQLite's (`sqlite_loop`) or a table in memory that outlives "crashes" (`Aliases`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from cauce.core.artefacts import Comparison, Decision, Experiment, Verdict
from cauce.core.errors import Refused, UserError
from cauce.loop import by_hand
from cauce.loop.carry import Overtaken, carry_out, experiment_of, mark, plan_of, reconcile
from cauce.loop.context import Loop
from cauce.loop.promotion import advance
from cauce.project import load
from cauce.renew import Evidence, enter, faults, first, read

MODEL = "passed"
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
TICKS = 14
TOML = """\
[project]
name = "school"

[data.students]
source = "students.csv"

[models.passed]
task = "classify"
data = "students"
target = "passed"
challenger = {{ shadow = {shadow}, share = {share} }}

[renew]
approve = "{approve}"
experiment_time = "5h"
probation = "4h"
"""


@dataclass(frozen=True)
class Story:
    """What happens at which tick (an hour), and what each stage shows so many ticks after it began."""

    shadow: bool
    share: float
    approve: str
    arrivals: Mapping[int, tuple[int, Verdict]]
    """Tick → (version, what the gate says of it)."""
    shows: Mapping[str, tuple[Verdict | None, ...]]
    by_hand: Mapping[int, tuple[str, int]] = field(default_factory=dict)
    """Tick → (what a person does, with which version)."""

    @classmethod
    def of(cls, rng: np.random.Generator) -> Story:
        """Make one up."""
        seen: list[Verdict | None] = ["better", "worse", "equivalent", "undecided", None]
        gate: list[Verdict] = ["better", "better", "undecided", "equivalent", "worse"]
        acts = ["promote", "rollback", "pause", "resume"]
        return cls(
            shadow=bool(rng.integers(2)),
            share=float(rng.choice([0.0, 0.2])),
            approve=str(rng.choice(["policy", "policy", "person"])),
            arrivals={0: (1, gate[0])}
            | {
                int(t): (v, gate[rng.integers(5)])
                for v, t in zip((2, 3, 4), sorted(rng.choice(range(1, 12), 3, False)), strict=True)
            },
            shows={
                stage: tuple(seen[i] for i in rng.choice(5, 6, p=[0.3, 0.1, 0.1, 0.4, 0.1]))
                for stage in ("shadow", "split", "probation")
            },
            by_hand={
                int(t): (acts[rng.choice(4, p=[0.5, 0.2, 0.15, 0.15])], int(rng.integers(1, 5)))
                for t in rng.choice(range(2, TICKS), int(rng.integers(0, 4)), replace=False)
            },
        )


class Aliases:
    """A registry of four versions that outlives a crash, as SQLite's file does."""

    def __init__(self) -> None:
        self.held: dict[str, int] = {}

    def alias(self, model: str, alias: str) -> int | None:
        return self.held.get(alias)

    def set_alias(self, model: str, alias: str, version: int) -> None:
        self.held[alias] = version

    def drop_alias(self, model: str, alias: str) -> None:
        self.held.pop(alias, None)

    def versions(self, model: str) -> tuple[int, ...]:
        return (1, 2, 3, 4)


def open_loop(folder: Path, story: Story, tick: int, tracker: Any = None) -> Loop:
    """Open the project as a process does that begins at `tick`."""
    text = TOML.format(shadow=str(story.shadow).lower(), share=story.share, approve=story.approve)
    if not (folder / "cauce.toml").exists():
        (folder / "cauce.toml").write_text(text)
    loop = Loop(load(folder / "cauce.toml", {}), now=lambda: BEGIN + timedelta(hours=tick))
    if tracker is not None:
        loop.__dict__["tracker"] = tracker
    return loop


def take(loop: Loop, story: Story, tick: int) -> None:
    """Do what happens at a tick. After a crash the same tick is taken again."""
    reconcile(loop, MODEL)
    said = loop.project.folder / f"said-{tick}"  # a person knows what they have done
    if tick in story.by_hand and not said.exists():
        _by_hand(loop, *story.by_hand[tick])
        said.touch()
    moved = True
    while moved:  # whoever comes back at this tick after a crash finds what is left of it
        moved = _arrive(loop, story, tick)
        evidence = advance(loop, MODEL, measure=lambda loop, experiment: _evidence(story, experiment, loop.now()))
        moved |= evidence is not None


def _arrive(loop: Loop, story: Story, tick: int) -> bool:
    """Bring releases that have come to the gate, one after the other, while no experiment is under way."""
    came = False
    for at, (version, verdict) in story.arrivals.items():
        running = (found := experiment_of(loop, MODEL)) is not None and found.running
        decided = {one.challenger for one in read(loop.record(MODEL)) if one.by == "policy"}
        if at <= tick and version not in decided and not running:
            _gate(loop, version, verdict)
            came = True
    return came


def _gate(loop: Loop, version: int, verdict: Verdict) -> None:
    while True:
        after, champion = mark(loop, MODEL), loop.tracker.alias(MODEL, "champion")
        if champion is None:
            decision = first(MODEL, version, now=loop.now())
        else:
            decision = _judged(champion, version, verdict, loop.now())
            decision = enter(decision, Evidence(decision.comparison), plan_of(loop, MODEL))
        try:
            carry_out(loop, decision, after=after)
        except Overtaken:
            continue
        return


def _judged(champion: int, version: int, verdict: Verdict, now: datetime) -> Decision:
    made = first(MODEL, version, now=now)
    action = "promote" if verdict == "better" else "wait"
    return replace(made, action=action, champion=champion, comparison=comparison(verdict))  # type: ignore[arg-type]


def _by_hand(loop: Loop, act: str, version: int) -> None:
    """Do what a person does; who is refused because it is done already, or makes no sense, leaves it."""
    why = {"reason": "A person decided so in this story."}
    calls: Mapping[str, Callable[[], object]] = {
        "promote": lambda: by_hand.promote(loop, MODEL, version=version, **why),
        "rollback": lambda: by_hand.rollback(loop, MODEL, version=version, **why),
        "pause": lambda: by_hand.pause(loop, MODEL, **why),
        "resume": lambda: by_hand.resume(loop, MODEL, **why),
    }
    try:
        calls[act]()
    except (Refused, UserError):
        return


def _evidence(story: Story, experiment: Experiment, now: datetime) -> Evidence:
    ticks = round((now - experiment.stage_at) / timedelta(hours=1))
    shown = story.shows.get(experiment.stage, ())[: ticks + 1]
    verdict = shown[ticks - 1] if 0 < ticks <= len(shown) else None
    return Evidence(comparison(verdict) if verdict else None, 100 * ticks, 200 * ticks)


def comparison(verdict: Verdict) -> Comparison:
    """Return a comparison with a verdict."""
    low, high = {"better": (-0.2, -0.1), "worse": (0.1, 0.2), "equivalent": (0.0, 0.0), "undecided": (-0.1, 0.1)}[
        verdict
    ]
    return Comparison(500, 500, 0.5, 0.5, (low + high) / 2, low, high, 0.95, 0.005, (high - low) / 2, verdict)


def illegal(loop: Loop) -> list[str]:
    """Return what is not as it must be; see `cauce.renew.legal`."""
    champion, challenger = (loop.tracker.alias(MODEL, alias) for alias in ("champion", "challenger"))
    decisions = read(loop.record(MODEL), newest_first=False)
    versions = loop.tracker.versions(MODEL)
    return faults(decisions, experiment_of(loop, MODEL), champion=champion, challenger=challenger, versions=versions)


def outcome(loop: Loop) -> list[object]:
    """Return all that came of a story but for ids: every binding decision, the aliases, and the last experiment."""
    told: list[object] = [
        (one.at, one.action, one.champion, one.challenger, one.rule, one.experiment and one.experiment.stage)
        for one in read(loop.record(MODEL), newest_first=False)
        if one.action != "wait" or one.experiment is not None or one.rule
    ]
    last = experiment_of(loop, MODEL)
    return [*told, loop.tracker.alias(MODEL, "champion"), loop.tracker.alias(MODEL, "challenger"), last and last.stage]

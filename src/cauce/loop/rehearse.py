"""`cauce rehearse`: a model's own past through the whole loop on a fast clock, with drift and faults injected.

Nothing of the project's state is written but `runs/`: the source is loaded into a lake of its own there. Finished
replays are kept by what went in, so that an interrupted rehearsal goes on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cauce.core.artefacts import Words
from cauce.core.errors import UserError
from cauce.core.files import fingerprint, read_artefact, write_artefact, write_bytes
from cauce.core.protocols import Fitted
from cauce.core.rehearsing import Job, Pace, Recommendation, Rehearsal, Replayed, Scenario, Settings
from cauce.core.specs import seconds
from cauce.core.state import State
from cauce.loop.context import Loop
from cauce.loop.rehearse_history import History, history_of
from cauce.loop.rehearse_rung import rung_of
from cauce.loop.rehearse_stage import Kit, RealStage
from cauce.rehearse import (
    Columns,
    Crew,
    arrivals,
    grid,
    inject,
    nice_interval,
    outcome,
    recommend,
    replay,
    run_jobs,
    scenarios,
    second_half,
    serve_jobs,
)
from cauce.rehearse import words as said
from cauce.rehearse.replay import Past
from cauce.rehearse.scenarios import NEVER, taking_part

if TYPE_CHECKING:
    import pyarrow as pa

FIRST = 0.3
"""Share of the history that the first model is made from."""
FEWEST = 300
SELDOM = 8
"""Looks between two fits of always-retrain in a short rehearsal."""
MOST_LOOKS = 10_000
COMMAND = "from cauce.loop.rehearse import work; work()"


@dataclass(frozen=True)
class Asked:
    """What is asked of a rehearsal."""

    seeds: int | None = None
    """Times that each scenario is replayed, the rows in another order and struck by other chance; 1, when thorough 3,
    when absent. Strategies other than the loop and never-retrain take part in the first."""
    seed: int = 0
    rows: int = 10_000
    """Newest rows of the history that are used."""
    every: str | None = None
    """Time between looks; about fifty in the replay when absent, when thorough a hundred."""
    delay: str | None = None
    """Time from a row to its truth; as between looks when absent."""
    pace: str = "10m"
    """Time between rows, where no column tells it."""
    quick: bool = False
    """One seed, and no recommendation."""
    workers: int | None = None
    """Processes; one a core when absent."""
    thorough: bool = False
    """Every scenario, always-retrain in each of them, every setting of the grid: hours rather than minutes."""
    always_every: int | None = None
    """Looks between two fits of always-retrain, which costs most; 8, when thorough 1, when absent. What it would cost
    at every look is counted."""
    only: tuple[str, ...] = ()
    """Names of the scenarios to play; those that `thorough` asks for when empty."""

    def __post_init__(self) -> None:
        """Refuse lengths of time that are none, before any row is read."""
        for option, length, least in (("every", self.every, 1), ("delay", self.delay, 0), ("pace", self.pace, 1)):
            if length is not None:
                seconds(length, f"--{option}", least=least)


@dataclass(frozen=True)
class Plan:
    """What the processes read beside the rows: all that a replay depends on."""

    kit: Kit
    columns: Columns
    pace: Pace
    seed: int


class _Apart(State):
    """State that lies within the project's `runs/`: what is loaded for a rehearsal changes nothing else."""

    @property
    def root(self) -> Path:
        return self.project / ".cauce" / "runs" / "rehearse" / "state"


class _LoopApart(Loop):
    """The same project with a state of its own."""

    @cached_property
    def state(self) -> State:
        return _Apart(self.project.state.project).open()


def rehearse(loop: Loop, model: str, asked: Asked | None = None) -> Rehearsal:
    """Rehearse one model; see docs/rehearsing.md.

    Raises
    ------
    UserError
        There is no such model, or its history is too short.
    """
    asked = asked or Asked()
    settings = loop.model(model)
    apart = _LoopApart(loop.project, loop.progress, loop.now)
    history = history_of(apart, model, n_rows=asked.rows, step_s=seconds(asked.pace))
    n, warnings = history.table.num_rows, list(history.warnings)
    first = round(FIRST * n)
    if n - first < FEWEST:
        hint = "Rehearse once more rows with a known outcome have come."
        raise UserError("too few rows to rehearse", where=f"model {model!r}", received=n, hint=hint)
    if settings.fairness.mitigate != "off":
        warnings.append(said.unadjusted())
    if n - first < 1000:
        warnings.append(said.FEW)
    rung = rung_of(loop, apart, history, first)
    watch, renew = loop.watch_spec(model), loop.renew_spec(model)
    kit, columns = _tried(Kit(history.spec, rung.candidate, watch, renew, settings.margin), history, first)
    plan = Plan(kit, columns, _pace(history, first, asked), asked.seed)
    current = Settings(watch.window, watch.drift, renew.min_truths, renew.cool_down)
    stamp = fingerprint(version("cauce"), plan, history.fingerprint, first)
    crew = _crew(loop, model, plan, history, stamp, asked)
    try:
        return _rehearsed(loop, crew, plan, history, current, asked, rung.found_by, tuple(warnings), stamp)
    finally:
        (crew.folder / "history.arrow").unlink(missing_ok=True)  # a copy of people's rows


def _rehearsed(
    loop: Loop,
    crew: Crew,
    plan: Plan,
    history: History,
    current: Settings,
    asked: Asked,
    found_by: str,
    warnings: tuple[Words, ...],
    stamp: str,
) -> Rehearsal:
    n = history.table.num_rows
    first = round(FIRST * n)
    seeds = 1 if asked.quick else asked.seeds or (3 if asked.thorough else 1)
    seldom = asked.always_every or (1 if asked.thorough else SELDOM)
    chosen = [
        one for one in scenarios(thorough=asked.thorough, only=asked.only) if _possible(plan, history, one, first)
    ]
    jobs = [
        Job(one, seed, current, first, n, taking_part(one, seed, thorough=asked.thorough), seldom)
        for one in chosen
        for seed in range(1 if one.kind == "history" else seeds)
    ]
    done = run_jobs(crew, jobs, loop.progress)
    by_scenario = {one: [each for each in done if each.job.scenario == one] for one in chosen}
    few = not asked.thorough
    recommended = None if asked.quick else _recommendation(loop, crew, plan, current, first, n, few=few)
    candidate = plan.kit.candidate
    return Rehearsal(
        model=plan.kit.spec.model,
        task=plan.kit.spec.task,
        rung=candidate.name,
        params=dict(candidate.params),
        rung_from="champion" if found_by == "champion" else "ladder",
        loss=plan.kit.spec.loss,
        n_history=n,
        n_first=first,
        seeds=seeds,
        seed=asked.seed,
        pace=plan.pace,
        settings=current,
        outcomes=tuple(outcome(each, margin=plan.kit.margin) for each in by_scenario.values()),
        timeline=by_scenario[chosen[0]][0],
        recommendation=recommended,
        warnings=(*warnings, said.seldom(seldom)) if seldom > 1 else warnings,
        fingerprint=stamp,
    )


def _recommendation(
    loop: Loop, crew: Crew, plan: Plan, current: Settings, first: int, n: int, *, few: bool
) -> Recommendation:
    middle, margin = first + (n - first) // 2, plan.kit.margin
    tried = grid(current, look_every_s=plan.pace.look_every_s, few=few)
    kinds = Scenario("history"), Scenario("still")
    jobs = [Job(kind, 0, settings, first, middle, ("loop",)) for settings in tried for kind in kinds]
    done = run_jobs(crew, jobs, loop.progress, stage="tune-rehearsal")
    halves: Mapping[Settings, tuple[Replayed, list[Replayed]]] = {
        settings: (done[2 * at], [done[2 * at + 1]]) for at, settings in enumerate(tried)
    }
    chosen, rows = recommend(halves, current, margin=margin)
    if chosen == current:
        return second_half(chosen, current, rows, None, margin=margin)
    later = [Job(kinds[0], 0, settings, middle, n, ("loop",)) for settings in (chosen, current)]
    ours, theirs = run_jobs(crew, later, loop.progress, stage="tune-rehearsal")
    return second_half(chosen, current, rows, (ours, theirs), margin=margin)


def _crew(loop: Loop, model: str, plan: Plan, history: History, stamp: str, asked: Asked) -> Crew:
    """Lay out what processes read, and say how many there are."""
    folder = loop.state.runs / "rehearse" / f"{model}-{stamp[:16]}"
    write_artefact(folder / "plan.json", plan)
    write_bytes(folder / "history.arrow", history.to_bytes(), mode=0o600)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = cores if asked.workers is None else asked.workers
    return Crew(folder, COMMAND, workers, lambda job: do(plan, history.table, history.times, job))


def work() -> None:
    """Do replays in a process of its own: the folder is its argument, jobs come by standard input."""
    folder = Path(sys.argv[1])
    plan = read_artefact(folder / "plan.json", Plan)
    assert plan is not None, f"{folder} has no plan"
    table, times = History.from_file(folder / "history.arrow")
    serve_jobs(lambda job: do(plan, table, times, job), folder)


def do(plan: Plan, table: pa.Table, times: np.ndarray, job: Job) -> Replayed:
    """Do one replay: shuffle, inject, serve. Deterministic by the plan's seed and the job.

    Where drift is injected, or nothing is to change, the rows are put in random order first: what the history did by
    itself would hide what was injected. The clock stays as it was.
    """
    scenario = job.scenario
    rng = np.random.default_rng([plan.seed, job.seed, *scenario.name.encode()])
    table, times = table.slice(0, job.last), times[: job.last]
    if scenario.kind not in {"history", "delay"}:
        order = np.random.default_rng([plan.seed, job.seed, job.last]).permutation(table.num_rows)
        table = table.take(order)
    changed = inject(table, scenario, plan.columns, first=job.first, rng=rng)
    assert changed is not None, f"{scenario.name} cannot happen to these columns"
    late = scenario.kind == "delay"
    delay = plan.pace.delay_s * (scenario.strength if late else 1.0)
    known_at = arrivals(times, delay, rng=rng, never=NEVER if late else 0.0)
    past = Past(
        times=times[changed.kept],
        known_at=known_at[changed.kept],
        changed=changed.changed,
        first=job.first,
        every_s=plan.pace.look_every_s,
        fault=scenario.wanted == "fix data",
        injected=scenario.injected,
    )
    return replay(job, past, RealStage(plan.kit, changed.table, job.settings))


def _possible(plan: Plan, history: History, scenario: Scenario, first: int) -> bool:
    rng = np.random.default_rng(0)
    return inject(history.table, scenario, plan.columns, first=first, rng=rng) is not None


def _pace(history: History, first: int, asked: Asked) -> Pace:
    span = float(history.times[-1] - history.times[first])
    every = seconds(asked.every) if asked.every else nice_interval(span, most=100 if asked.thorough else 50)
    if span / every > MOST_LOOKS:
        hint = f"{nice_interval(span, most=50) / 3600:g}h makes fifty of the {span / 86_400:,.0f} days."
        raise UserError(f"more than {MOST_LOOKS:,} looks", where="--every", received=asked.every, hint=hint)
    delay = seconds(asked.delay) if asked.delay else every
    return Pace(every, delay, history.step_s)


def _tried(kit: Kit, history: History, first: int) -> tuple[Kit, Columns]:
    """Fit a first model: does finishing mend anything, and which columns does it use most? Those may be changed."""
    stage = RealStage(kit, history.table, Settings(1000, 0.2, 300, "1h"))
    plain = RealStage(replace(kit, finish=False), history.table, Settings(1000, 0.2, 300, "1h"))
    none = np.empty(0, np.int64)
    fitted: Fitted = stage.fit(np.arange(first), none, version=0, at=0.0).fitted
    mended = kit.spec.task == "classify" and not isinstance(
        fitted, type(plain.fit(np.arange(first), none, version=0, at=0.0).fitted)
    )
    weight = fitted.importance
    names = sorted(kit.spec.schema, key=lambda column: -weight.get(column.name, 0.0))
    columns = Columns(
        numbers=tuple(column.name for column in names if column.kind in {"number", "integer"}),
        categories=tuple(column.name for column in names if column.kind in {"category", "boolean"}),
        target=kit.spec.target,
        classes=tuple(sorted(fitted.classes)),
    )
    return replace(kit, finish=mended), columns

"""Stage 8, renew: decide what a look asks for, and retrain, compare and promote where it asks for that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cauce.core.admin_log import person
from cauce.core.artefacts import Decision, Experiment, Release, Watched
from cauce.core.errors import Blocked
from cauce.core.files import write_artefact
from cauce.core.watching import SignalCode
from cauce.loop.carry import carry_out, experiment_of, note, reconcile
from cauce.loop.context import Loop
from cauce.loop.judge import settle
from cauce.loop.material import LedgerRows, as_units, ledger_rows
from cauce.loop.promotion import advance
from cauce.loop.train import train
from cauce.loop.watch import ledger_of, watch, with_truth, withheld

if TYPE_CHECKING:
    from cauce.renew import Situation

WEEK = timedelta(days=7)
FAULTS: frozenset[SignalCode] = frozenset(
    {"schema", "unit_change", "missing_partition", "missing", "new_category", "out_of_range"}
)
"""Signals of broken data: what `fix data` is about."""


@dataclass(frozen=True)
class Renewed:
    """What a renewal came to."""

    watched: Watched
    decision: Decision
    """What the policy asked for."""
    outcome: Decision | None = None
    """What the comparison of champion and challenger came to, where there was a retraining."""
    challenger: Release | None = None
    step: Decision | None = None
    """What the experiment under way came to before the look, where it left its stage."""
    experiment: Experiment | None = None
    """Where the newest experiment stands now, ended or not."""


def renew(loop: Loop, model: str, *, force: str | None = None) -> Renewed | None:
    """Look, decide, and act on the decision; None while the model has no champion.

    Parameters
    ----------
    force
        A reason to retrain whatever the policy says.
    """
    reconcile(loop, model)
    if loop.tracker.alias(model, "champion") is None:
        return None
    stepped = advance(loop, model)
    renewed = _renew(loop, model, force)
    return replace(renewed, step=stepped, experiment=experiment_of(loop, model)) if renewed is not None else None


def _renew(loop: Loop, model: str, force: str | None) -> Renewed | None:
    from cauce import renew as room

    watched = watch(loop, model)
    if watched is None:
        return None
    decision = _unfinished(loop, model) or _decide(loop, model, watched, force)
    if decision.action != "retrain":
        return Renewed(watched, decision)
    rows = _ledger(loop, model, watched.version)
    hidden = withheld(ledger_of(loop, model).labelled()) if rows is None else frozenset[str]()
    if hidden:
        outcome = room.withheld(model, champion=watched.version, columns=sorted(hidden), now=loop.now())
        return Renewed(watched, decision, carry_out(loop, outcome))
    try:
        trained = train(loop, model, ledger=rows)
    except Blocked as error:
        outcome = room.blocked(model, champion=watched.version, why=str(error), now=loop.now())
        return Renewed(watched, decision, carry_out(loop, outcome))
    outcome = settle(loop, trained.release, watched)
    return Renewed(watched, decision, outcome, trained.release)


def _unfinished(loop: Loop, model: str) -> Decision | None:
    """Return the decision to retrain that a killed process left without an outcome."""
    from cauce import renew as room

    newest = next(iter(room.read(loop.record(model), limit=1)), None)
    return newest if newest is not None and newest.action == "retrain" else None


def _decide(loop: Loop, model: str, watched: Watched, force: str | None) -> Decision:
    """Ask the policy, or the person who forces a retraining, and record the answer where it says something new."""
    from cauce import renew as room

    folder, now = loop.record(model), loop.now()
    if force is not None:
        decision = room.by_hand("retrain", model=model, champion=watched.version, by=person(), reason=force, now=now)
    else:
        spec = loop.renew_spec(model)
        decision = room.decide(_situation(loop, model, watched, now), spec)
    write_artefact(folder / "decision.json", decision)
    if _worth_recording(loop, decision):
        note(loop, decision)
    return decision


def _situation(loop: Loop, model: str, watched: Watched, now: datetime) -> Situation:
    """Gather all that the policy may know."""
    from cauce import renew as room

    folder, settings = loop.record(model), loop.watch_spec(model)
    asked = [one.at for one in room.read(folder) if one.action == "retrain"]  # the newest first
    retrained = asked[0] if asked else None
    week, newest = _trainings(loop, model, now)
    under_way = experiment_of(loop, model)
    numbers = {key: value for key, value in settings.model_dump().items() if isinstance(value, int | float | str)}
    return room.Situation(
        watched=watched,
        last_retrain=retrained,
        paused=room.paused(folder),
        n_labelled=_n_new(loop, model, watched, retrained),
        now=now,
        champion=watched.version,
        min_rows=settings.min_rows,
        thresholds={f"watch.{key}": v if isinstance(v, str) else float(v) for key, v in numbers.items()},
        retrained=tuple(at for at in reversed(asked) if now - WEEK < at),
        training_s=week,
        last_training_s=newest,
        stage=under_way.stage if under_way is not None and under_way.stage != "ended" else None,
    )


def _trainings(loop: Loop, model: str, now: datetime) -> tuple[float, float]:
    """Return the seconds that trainings took in the last seven days, and those of the newest one."""
    spent, newest = 0.0, None
    for version in reversed(loop.tracker.versions(model)):
        training = loop.tracker.release(model, version).training
        newest = training.seconds if newest is None else newest
        if training.created_at <= now - WEEK:
            break
        spent += training.seconds
    return spent, newest or 0.0


def _worth_recording(loop: Loop, decision: Decision) -> bool:
    """Whether a decision says something new.

    A `wait` or a `fix data` by the rule that decided the same of the same champion before does not, unless it is about
    other columns: a fault that lasts for days is one line of the record, not one a look.
    """
    from cauce import renew as room

    if decision.action not in {"wait", "fix data"}:
        return True
    newest = room.newest(loop.record(decision.model), lambda line: line.get("known") is not None or room.moves(line))
    return newest is None or _says(newest) != _says(decision)


def _says(decision: Decision) -> tuple[object, ...]:
    """Return what a decision says, without the figures that are others at every look."""
    faults = frozenset[tuple[str, str | None]]()
    if decision.action == "fix data" and decision.watched is not None:
        seen = (one for one in decision.watched.signals if one.alarming and one.code in FAULTS)
        faults = frozenset((one.code, one.column) for one in seen)
    return decision.action, decision.champion, decision.rule, faults


def _n_new(loop: Loop, model: str, watched: Watched, retrained: datetime | None) -> int:
    """Count the labelled rows since the last training, also where its release did not become champion."""
    if retrained is None:
        return watched.n_labelled
    return min(watched.n_labelled, ledger_of(loop, model).n_labelled(retrained))


def _ledger(loop: Loop, model: str, champion: int) -> LedgerRows | None:
    """Put the ledger's labelled rows into the lake, and set the newest since the champion's training aside.

    Rows of which an input was kept out of the ledger teach nothing and judge nothing.
    """
    import pyarrow.compute as pc

    from cauce import data
    from cauce import renew as room

    release = loop.tracker.release(model, champion)
    spec = release.training.spec
    ledger = ledger_of(loop, model)
    known = with_truth(ledger.labelled(whole=True), spec.target)
    if not known.num_rows:
        return None
    rows = as_units(known)
    keep = ["unit", "at", *(name for name in (*spec.schema.names, spec.target) if name in rows.column_names)]
    data.append_labelled(loop.state.lake, release.training.snapshot.data, model, rows.select(keep))
    stored = data.read_labelled(loop.state.lake, release.training.snapshot.data, model)
    if stored is None:
        return None
    n_new = int(pc.sum(pc.greater(known["at"], release.training.created_at)).as_py() or 0)
    n_judge = room.n_judging(n_new, loop.renew_spec(model))
    return ledger_rows(stored, n_judge, spec.target) if n_judge else None

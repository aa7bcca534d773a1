"""Stage 8, renew: decide what a look asks for, and retrain, compare and promote where it asks for that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cauce.core.admin_log import person
from cauce.core.artefacts import Decision, Release, Watched
from cauce.core.errors import Blocked
from cauce.core.files import write_artefact
from cauce.loop.context import Loop
from cauce.loop.judge import carry_out, reconcile, settle
from cauce.loop.material import LedgerRows, as_units, ledger_rows
from cauce.loop.train import train
from cauce.loop.watch import ledger_of, watch, with_truth, withheld


@dataclass(frozen=True)
class Renewed:
    """What a renewal came to."""

    watched: Watched
    decision: Decision
    """What the policy asked for."""
    outcome: Decision | None = None
    """What the comparison of champion and challenger came to, where there was a retraining."""
    challenger: Release | None = None


def renew(loop: Loop, model: str, *, force: str | None = None) -> Renewed | None:
    """Look, decide, and act on the decision; None while the model has no champion.

    Parameters
    ----------
    force
        A reason to retrain whatever the policy says.
    """
    from cauce import renew as room

    reconcile(loop, model)
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
        retrained = _last_retrain(loop, model)
        settings = loop.project.file.watch
        situation = room.Situation(
            watched=watched,
            last_retrain=retrained,
            paused=room.paused(folder),
            n_labelled=_n_new(loop, model, watched, retrained),
            now=now,
            champion=watched.version,
            min_rows=settings.min_rows,
            thresholds={f"watch.{key}": float(value) for key, value in settings.model_dump().items()},
        )
        decision = room.decide(situation, loop.project.file.renew)
    write_artefact(folder / "decision.json", decision)
    if _worth_recording(loop, decision):
        room.append(folder, decision)
    return decision


def _worth_recording(loop: Loop, decision: Decision) -> bool:
    """Whether a decision says something new: a quiet `wait` after a `wait` of the same champion does not."""
    from cauce import renew as room

    if decision.action != "wait":
        return True
    newest = next(iter(room.read(loop.record(decision.model), limit=1)), None)
    return newest is None or newest.action != "wait" or newest.champion != decision.champion


def _n_new(loop: Loop, model: str, watched: Watched, retrained: datetime | None) -> int:
    """Count the labelled rows since the last training, also where its release did not become champion."""
    if retrained is None:
        return watched.n_labelled
    return min(watched.n_labelled, ledger_of(loop, model).n_labelled(retrained))


def _last_retrain(loop: Loop, model: str) -> datetime | None:
    from cauce import renew as room

    for decision in room.read(loop.record(model)):
        if decision.action == "retrain":
            return decision.at
    return None


def _ledger(loop: Loop, model: str, champion: int) -> LedgerRows | None:
    """Put the ledger's labelled rows into the lake, and set the newest since the champion's training aside.

    Rows of which an input was kept out of the ledger teach nothing and judge nothing.
    """
    import pyarrow.compute as pc

    from cauce import data

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
    n_judge = round(n_new * loop.project.file.renew.set_aside)
    return ledger_rows(stored, n_judge, spec.target) if n_judge else None

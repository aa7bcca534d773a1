"""Stage 7, watch: fold the ledger, take the newest window of one model and say what is to be seen in it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

import numpy as np

from cauce.core.artefacts import Release, Signal, Watched
from cauce.core.files import write_artefact
from cauce.core.protocols import Fitted
from cauce.core.registry import task as task_named
from cauce.loop import history
from cauce.loop.answered import Answered
from cauce.loop.context import Loop
from cauce.loop.watch_joint import joint

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.ledger import Ledger
    from cauce.profile import Bins
    from cauce.track import Package
    from cauce.watch import Evidence


_OPENED: dict[str, tuple[Release, Package]] = {}
"""Folder of a model's record → its champion, as this process last opened it."""
KNOWN_S = 128 * 86_400
"""Seconds of a ledger that the first look counts by time."""
ROWS_AT_ONCE = 500_000
"""Rows that one step of the running evidence holds in memory."""


def ledger_of(loop: Loop, model: str) -> Ledger:
    """Return the ledger of one model, as the file asks for it to be kept."""
    from cauce.ledger import Ledger

    spec = loop.project.file.models.get(model)
    return Ledger(
        loop.state.ledger(model),
        model,
        durability=loop.project.file.serve.durability,
        log=spec.log if spec is not None else {},
        hash_key=loop.state.read_hash_key,
    )


def settle_ledger(loop: Loop, model: str) -> None:
    """Fold the ledger, and let go what is older than it may be: there, and where it was copied for training."""
    from cauce import data

    ledger, now, days = ledger_of(loop, model), loop.now(), loop.project.file.serve.retention_days
    ledger.fold(now)
    if days is None:
        return
    ledger.retain(days, now)
    data.forget_labelled(loop.state.lake, model, before=now - timedelta(days=days))


def watch(loop: Loop, model: str) -> Watched | None:
    """Look at one model's newest window and record what was seen; None while it has no champion."""
    from cauce import profile
    from cauce import watch as room
    from cauce.loop.watch_since import counts_of
    from cauce.loop.watch_truths import truths_of
    from cauce.watch.drift import running
    from cauce.watch.drift.joint import MATTERS

    champion = loop.tracker.alias(model, "champion")
    if champion is None:
        return None
    release, package = _opened(loop, model, champion)
    settle_ledger(loop, model)
    ledger = ledger_of(loop, model)
    settings = loop.watch_spec(model)
    rows = of_release(ledger.window(settings.window), champion)
    bins = profile.Bins.from_bytes(package.bins_bytes)
    counts_of(loop, release, bins)  # what was folded is counted now, so that a month's report reads no rows
    hidden = withheld(rows)
    evidence = _evidence(loop, release, package, bins)
    asked = joint(loop, release, package, rows.drop_columns(sorted(hidden & set(rows.column_names))), bins)
    risk = (1 - settings.confidence) * running.JOINT_SHARE
    window = room.Window(
        model=model,
        version=champion,
        # What the ledger was told not to keep is neither missing nor drifted: nothing is known of it.
        counts={name: counts for name, counts in bins.count(rows).items() if name not in hidden},
        reference=package.reference_counts,
        bins=bins,
        n_predictions=rows.num_rows,
        first=_edge(rows, 0),
        last=_edge(rows, rows.num_rows - 1),
        held_out_losses=_held_out(package),
        realised_losses=realised(release, package, rows),
        n_labelled=ledger.n_labelled(release.training.created_at),
        margin=loop.model(model).margin,
        changes=_changes(loop, release),
        importance=package.fitted.importance,
        outside=room.count_outside(rows, bins),
        target=release.training.spec.target,
        evidence=evidence,
        rows=rows,
        joint=asked.drift if asked is not None else None,
        joint_alarm=asked is not None and asked.p_value <= risk and asked.drift.auc >= MATTERS,
        truths=truths_of(loop, release, package, rows),
        squared=release.training.spec.loss == "squared",
        partitions=_partitions(loop, package, bins, model),
    )
    seen = room.look(window, settings, now=loop.now())
    write_artefact(loop.record(model) / "watched.json", seen)
    history.note(loop.record(model), seen)
    return seen


def _opened(loop: Loop, model: str, version: int) -> tuple[Release, Package]:
    """Open the champion, verified at every look and parsed at the first one of this process."""
    place = str(loop.record(model))
    _OPENED[place] = opened = loop.tracker.open(model, version, _OPENED.get(place))
    return opened


def _evidence(loop: Loop, release: Release, package: Package, bins: Bins) -> dict[str, Evidence]:
    """Count the rows that came since the last look into the running evidence, and keep that."""
    from cauce.watch.drift import running

    model, version = release.training.model, release.version
    settings = loop.watch_spec(model)
    training = running.Training(
        bins=bins,
        reference=package.reference_counts,
        importance=package.fitted.importance,
        window=settings.window,
        risk=1 - settings.confidence,
    )
    path, ledger = loop.record(model) / "alarms.json", ledger_of(loop, model)
    kept = running.load(path, training)
    if kept is None or kept.version != version:
        kept = running.begin(training, version=version, after=release.training.created_at)
    while True:
        came = ledger.since(kept.cursor, most=ROWS_AT_ONCE)
        mine = of_release(came, version)
        mine = mine.drop_columns([name for name in withheld(mine) if name in mine.column_names])
        kept, evidence = running.advance(kept, mine, training, seen=came)
        running.save(kept, path)
        if came.num_rows < ROWS_AT_ONCE:
            return evidence


def _partitions(loop: Loop, package: Package, bins: Bins, model: str) -> tuple[Signal, ...]:
    """Count the rows that came since the last look by time, keep that, and say which frequent values stopped."""
    from cauce.core.names import uuid7
    from cauce.watch.drift import flow, silence

    path, ledger, now = loop.record(model) / "flow.json", ledger_of(loop, model), loop.now()
    begin = uuid7(max(0, int((now.timestamp() - KNOWN_S) * 1000)))[:13]
    known = flow.load(path) or flow.Flow(begin)
    while True:
        came = ledger.since(known.cursor, most=ROWS_AT_ONCE)
        kept = came.drop_columns([name for name in withheld(came) if name in came.column_names])
        known = flow.counted(known, kept, bins, package.reference_counts)
        if came.num_rows < ROWS_AT_ONCE:
            break
    flow.save(known, path)
    watched = flow.frequent(bins, package.reference_counts)
    return silence.signals(known, watched, risk=1 - loop.watch_spec(model).confidence)


def of_release(rows: pa.Table, version: int) -> pa.Table:
    """Return the rows that a release predicted."""
    import pyarrow.compute as pc

    return rows.filter(pc.equal(rows["version"], version)) if rows.num_rows else rows


def _edge(rows: pa.Table, index: int) -> datetime | None:
    moment: datetime | None = rows["at"][index].as_py() if rows.num_rows else None
    return moment


def _held_out(package: Package) -> np.ndarray:
    import pyarrow.compute as pc

    judged = package.units.filter(pc.equal(package.units["role"], "held_out"))
    return np.asarray(judged["loss"].to_numpy(), dtype=np.float64)


def realised(release: Release, package: Package, rows: pa.Table) -> np.ndarray:
    """Return the losses of the rows whose truths came, shape (n_truths,), in their order."""
    spec = release.training.spec
    known = with_truth(rows, spec.target)
    if not known.num_rows:
        return np.empty(0)
    fitted = cast("Fitted", Answered(package.fitted)) if withheld(rows) else package.fitted
    return task_named(spec.task).losses(fitted, known, spec).values


def withheld(rows: pa.Table) -> frozenset[str]:
    """Return the inputs that `[models.NAME.log]` kept out of some of the ledger's rows."""
    from cauce.ledger import public

    return public.withheld(rows)


def with_truth(rows: pa.Table, target: str) -> pa.Table:
    """Return the rows whose truth came, the truth under the target's name."""
    import pyarrow.compute as pc

    if not rows.num_rows:
        return rows
    known = rows.filter(pc.is_valid(rows["truth"]))
    return known.rename_columns([target if name == "truth" else name for name in known.column_names])


def _changes(loop: Loop, release: Release) -> tuple[str, ...]:
    """Return how the source's columns, as last loaded, differ from those the champion was trained on."""
    from cauce import data

    trained = release.training.snapshot
    newest = data.latest(loop.state.lake, trained.data)
    return data.changed(trained.types, newest.types) if newest is not None else ()

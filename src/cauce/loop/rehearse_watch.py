"""The watch of a rehearsal: what `loop.watch` asks of the ledger and keeps between looks, from rows in memory.

One object belongs to one replay: running evidence, the newest answer about all columns together and what the champion
said go on from look to look, and begin anew with each champion, as in the model's record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from cauce.core.artefacts import JointDrift, Signal, TaskSpec, Watched
from cauce.core.protocols import Fitted
from cauce.core.registry import task as task_named
from cauce.core.specs import WatchSpec
from cauce.loop.answered import Answered
from cauce.loop.watch_joint import EVERY
from cauce.loop.watch_truths import WINDOWS, closed_until
from cauce.rehearse.stage import Floats, Model, Rows, Seen
from cauce.watch.drift.flow import Flow, counted, frequent
from cauce.watch.drift.silence import signals
from cauce.watch.truths.labels import ENOUGH, Arrivals, TruthsView, waiting

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.profile import Bins
    from cauce.watch import Evidence
    from cauce.watch.drift.alarms import Alarms


class Reference(NamedTuple):
    """What a look compares with."""

    bins: Bins
    counts: Mapping[str, np.ndarray]
    sample: Rows | None
    """Rows of the population that the model was accepted on, for all columns together; None of a model that learnt
    from what the loop served: those rows come selectively, with their truths."""


@dataclass(eq=False)
class _Kept:
    """What goes on from look to look while one model serves."""

    model: Model
    said: list[pa.Table] = field(default_factory=list)
    """What it answered, a table a look."""
    alarms: Alarms | None = None
    joint: JointDrift | None = None
    p_value: float = 1.0
    asked_at: float = -np.inf


class Watching:
    """Looks at the rows of one replay.

    Parameters
    ----------
    spec, watch, margin
        The model's.
    table
        Rows with their truths, in order of time.
    inputs
        The same rows, inputs alone.
    """

    def __init__(self, spec: TaskSpec, watch: WatchSpec, margin: float, table: pa.Table, inputs: pa.Table) -> None:
        self._spec, self._watch, self._margin = spec, watch, margin
        self._table, self._inputs = table, inputs
        self._kept: _Kept | None = None
        self._flow = Flow()

    def look(self, seen: Seen) -> Watched:
        """Look as `loop.watch` does; in order of time."""
        import pyarrow as pa

        from cauce import watch as room
        from cauce.watch.drift import running
        from cauce.watch.drift.joint import MATTERS

        kept = self._kept
        if kept is None or kept.model is not seen.model:
            kept = self._kept = _Kept(seen.model)
        evidence = self._count(kept, seen)
        size, n = self._watch.window, len(seen.answered)
        window = np.arange(max(0, n - size), n)
        said = pa.concat_tables(kept.said)
        rows = self._rows(seen, said, window)
        self._ask_together(kept, seen, rows, window)
        reference: Reference = seen.model.reference
        risk = (1 - self._watch.confidence) * running.JOINT_SHARE
        truths = self._truths(seen, said, window)
        labelled = window[seen.labelled[window]]
        return room.look(
            room.Window(
                model=self._spec.model,
                version=seen.model.version,
                counts=reference.bins.count(rows),
                reference=reference.counts,
                bins=reference.bins,
                n_predictions=len(window),
                first=moment(seen.at[window[0]]) if len(window) else None,
                last=moment(seen.at[-1]) if len(window) else None,
                held_out_losses=seen.model.held_out,
                realised_losses=self._losses(seen, said, labelled),
                n_labelled=seen.n_labelled,
                margin=self._margin,
                importance=seen.model.fitted.importance,
                outside=room.count_outside(rows, reference.bins),
                target=self._spec.target,
                evidence=evidence,
                rows=rows,
                joint=kept.joint,
                joint_alarm=kept.joint is not None and kept.p_value <= risk and kept.joint.auc >= MATTERS,
                truths=truths,
                partitions=self._partitions(seen),
                sources=False,
                squared=self._spec.loss == "squared",
            ),
            self._watch,
            now=moment(seen.now),
        )

    def _count(self, kept: _Kept, seen: Seen) -> dict[str, Evidence]:
        """Let the model answer what came since the last look, and count that into the running evidence."""
        from cauce.watch.drift import running

        reference: Reference = seen.model.reference
        training = running.Training(
            bins=reference.bins,
            reference=reference.counts,
            importance=seen.model.fitted.importance,
            window=self._watch.window,
            risk=1 - self._watch.confidence,
        )
        n = len(seen.answered)
        came = np.arange(n - seen.n_came, n)
        kept.said.append(seen.model.fitted.predict(self._inputs.take(seen.answered[came])))
        if kept.alarms is None:
            kept.alarms = running.begin(training, version=seen.model.version, after=moment(seen.model.at))
        rows = self._rows(seen, kept.said[-1], came, said_from=n - seen.n_came)
        kept.alarms, evidence = running.advance(kept.alarms, rows, training)
        self._flow = counted(self._flow, rows, reference.bins, reference.counts)
        return evidence

    def _partitions(self, seen: Seen) -> tuple[Signal, ...]:
        """Return which frequent values stopped: the flow of rows goes on from champion to champion."""
        reference: Reference = seen.model.reference
        watched = frequent(reference.bins, reference.counts)
        return signals(self._flow, watched, risk=1 - self._watch.confidence)

    def _rows(self, seen: Seen, said: pa.Table, places: Rows, *, said_from: int = 0) -> pa.Table:
        """Return rows as the ledger would hold them; `places` are those among all that the model answered."""
        import pyarrow as pa

        rows = self._inputs.take(seen.answered[places])
        micros = pa.array(np.rint(seen.at[places] * 1e6).astype(np.int64))
        answers = said.take(places - said_from)
        for name in answers.column_names:
            rows = rows.append_column(name, answers[name])
        rows = rows.append_column("at", micros.cast(pa.timestamp("us", "UTC")))
        return rows.append_column("id", pa.array(seen.answered[places]).cast(pa.string()))

    def _ask_together(self, kept: _Kept, seen: Seen, rows: pa.Table, window: Rows) -> None:
        """Ask about all columns together, at most once a day of rows, on rows that no earlier answer had seen."""
        from cauce.watch.drift import joint as room

        reference: Reference = seen.model.reference
        if reference.sample is None or len(window) < room.FEWEST_ROWS:
            return
        newest = float(seen.at[-1])
        if newest - kept.asked_at < EVERY / timedelta(seconds=1):
            return
        fresh = np.flatnonzero(seen.at[window] > kept.asked_at)
        rng = np.random.default_rng(self._spec.seed + int(newest))
        told = room.tell_apart(self._inputs.take(reference.sample), rows.take(fresh), reference.bins, rng)
        if told is not None:
            kept.joint, kept.p_value, kept.asked_at = told.drift, told.p_value, newest

    def _truths(self, seen: Seen, said: pa.Table, window: Rows) -> TruthsView:
        """Return what is known of truths, as `loop.watch_truths` does; nothing is expected of rows without any."""
        import pyarrow as pa

        size = self._watch.window
        newest = slice(-WINDOWS * size, None)
        at, received = seen.at[newest], seen.received[newest]
        times = Arrivals(seen.now - at, received - at)
        found = waiting(times)
        columns = {
            "at": pa.array(np.rint(at * 1e6).astype(np.int64)).cast(pa.timestamp("us", "UTC")),
            "received": pa.array(received, from_pandas=True),
        }
        until = closed_until(pa.table(columns), found, now=moment(seen.now), size=size)
        closed = _closed(seen, window, found.final, until=until, size=size)
        has = seen.labelled[closed]
        known = closed[has]
        reference: Reference = seen.model.reference
        some = 0 < len(known) < len(closed)
        return TruthsView(
            expectation=None,
            said=None,
            arrivals=times,
            losses=self._losses(seen, said, known),
            n_closed=len(closed),
            n_window_truths=int(seen.labelled[window].sum()),
            n_window=len(window),
            bins=reference.bins.places(self._rows(seen, said, closed)) if some else {},
            has_truth=has,
        )

    def _losses(self, seen: Seen, said: pa.Table, places: Rows) -> Floats:
        """Return the losses of what was answered."""
        if not len(places):
            return np.empty(0)
        rows = self._table.take(seen.answered[places])
        answers = said.take(places)
        for name in answers.column_names:
            rows = rows.append_column(name, answers[name])
        fitted = cast("Fitted", Answered(seen.model.fitted))
        return task_named(self._spec.task).losses(fitted, rows, self._spec).values


def _closed(seen: Seen, window: Rows, final: float, *, until: datetime | None, size: int) -> Rows:
    """Return the newest rows whose truths have had time to come: the window, where enough of its own came."""
    if until is None or not len(window) or seen.labelled[window].sum() >= ENOUGH * final * len(window):
        return window
    before = int(np.searchsorted(seen.at, until.timestamp() + 1e-3, side="right"))
    own = window[window < before]
    if len(own) >= ENOUGH * size:
        return own
    older = np.arange(max(0, before - size), before)
    return older if len(older) > len(own) else own


def moment(at: float) -> datetime:
    """Return a time of the history's clock as the rooms take it."""
    return datetime.fromtimestamp(float(at), UTC)

"""Stage 7, watch: what a look may know of truths that came late, and what to expect where none has come.

Two clocks. Estimates are of the newest window, truths or not. Realised performance is of *closed* predictions: the
window itself once it is complete, else older predictions, whose truths have had the time to come. So labels that take a
week do not leave the watch blind for ever, nor do the fast ones among them speak for all.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Release
from cauce.core.errors import UserError
from cauce.core.files import from_json, read_kept, write_artefact
from cauce.loop.context import Loop
from cauce.loop.expect import places, said_of, second_input, second_says
from cauce.loop.watch import ledger_of, of_release, realised, with_truth, withheld
from cauce.watch.truths.estimate import Expectation, Said
from cauce.watch.truths.judged import BATCH, JudgedBatch, Judgement, judge_batch
from cauce.watch.truths.labels import ENOUGH, Arrivals, TruthsView, Waiting, waiting

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.ledger import Ledger
    from cauce.track import Package

logger = logging.getLogger("cauce.watch")
WINDOWS = 20
"""Windows' worth of predictions by which lag and coverage are told."""
FILE = "judged.json"


def truths_of(loop: Loop, release: Release, package: Package, rows: pa.Table) -> TruthsView:
    """Return all that a look may know of truths, and judge the batches of truths that have closed since the last one.

    Parameters
    ----------
    rows
        The window: the newest predictions of the release.
    """
    now, size = loop.now(), loop.watch_spec(release.training.model).window
    ledger = ledger_of(loop, release.training.model)
    arrivals = of_release(ledger.arrivals(WINDOWS * size), release.version)
    times = _times(arrivals, now)
    found = waiting(times)
    expectation = _expectation(release, package)
    until = closed_until(arrivals, found, now=now, size=size)
    closed = _closed(ledger, rows, found, until=until, version=release.version, size=size)
    known = with_truth(closed, release.training.spec.target)
    judgement = None
    if expectation is not None:
        judgement = _judge(loop, release, package, expectation, arrivals=arrivals, found=found)
    return TruthsView(
        expectation=expectation,
        said=_said(release, package, expectation, rows) if expectation is not None and rows.num_rows else None,
        arrivals=times,
        losses=realised(release, package, closed),
        n_closed=closed.num_rows,
        n_window_truths=_n_truths(rows),
        n_window=rows.num_rows,
        bins=_bins(package, closed),
        has_truth=_has_truth(closed),
        groups=_groups(expectation, known),
        judgement=judgement,
        moments_s=_seconds(known["at"]) if known.num_rows else np.zeros(0),
    )


def _expectation(release: Release, package: Package) -> Expectation | None:
    """Return what training let expect; None of a release that has none, or one that only another Cauce can read."""
    if package.expected_bytes is None:
        return None
    try:
        return from_json(package.expected_bytes, Expectation)
    except UserError:
        _tell_once(release.training.model, release.version)
        return None


@cache
def _tell_once(model: str, version: int) -> None:
    told = "model %s: what version %d expects was written by another Cauce; it is not estimated until trained again"
    logger.warning(told, model, version)


def _times(arrivals: pa.Table, now: datetime) -> Arrivals:
    at, received = _seconds(arrivals["at"]), _seconds(arrivals["received"])
    return Arrivals(now.timestamp() - at, received - at)


def _seconds(moments: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """Return seconds since 1970, NaN where missing."""
    import pyarrow as pa

    ticks = moments.cast(pa.int64()).cast(pa.float64(), safe=False)
    return np.asarray(ticks.to_numpy(), np.float64) / 1e6


def closed_until(arrivals: pa.Table, found: Waiting, *, now: datetime, size: int) -> datetime | None:
    """Return the moment up to which predictions are closed; None before the first truth.

    They are old enough for nine of ten truths, or the `size` predictions up to there have got as many as come in the
    end: truths that are sent once a night have no lag of their own.
    """
    if found.slow_s is None:
        return None
    came = np.concatenate([[0], np.cumsum(arrivals["received"].is_valid().to_numpy())])
    ends = np.arange(1, arrivals.num_rows + 1)
    starts = np.maximum(ends - size, 0)
    enough = np.flatnonzero((came[ends] - came[starts]) >= ENOUGH * found.final * np.minimum(size, arrivals.num_rows))
    by_age = now - timedelta(seconds=found.slow_s)
    if not len(enough):
        return by_age
    at: datetime = arrivals["at"][int(enough[-1])].as_py()
    return max(at, by_age)


def _closed(
    ledger: Ledger, rows: pa.Table, found: Waiting, *, until: datetime | None, version: int, size: int
) -> pa.Table:
    """Return the newest predictions whose truths have had time to come: the window, where enough of its own came."""
    import pyarrow.compute as pc

    if until is None or not rows.num_rows:
        return rows
    if _n_truths(rows) >= ENOUGH * found.final * rows.num_rows:
        return rows
    own = rows.filter(pc.less_equal(rows["at"], until))
    if own.num_rows >= ENOUGH * size:
        return own
    older = of_release(ledger.window(size, before=until + timedelta(milliseconds=1)), version)
    return older if older.num_rows > own.num_rows else own


def _n_truths(rows: pa.Table) -> int:
    return rows.num_rows - rows["truth"].null_count if rows.num_rows else 0


def _has_truth(rows: pa.Table) -> npt.NDArray[np.bool_]:
    return np.asarray(rows["truth"].is_valid().to_numpy(), np.bool_) if rows.num_rows else np.zeros(0, np.bool_)


def _bins(package: Package, closed: pa.Table) -> dict[str, npt.NDArray[np.int64]]:
    """Return each closed row's bin, column by column; none where all of them, or none, have their truth."""
    from cauce import profile

    if not 0 < _n_truths(closed) < closed.num_rows:
        return {}
    bins = profile.Bins.from_bytes(package.bins_bytes)
    hidden = withheld(closed)
    return {name: found for name, found in bins.places(closed).items() if name not in hidden}


def _groups(expectation: Expectation | None, known: pa.Table) -> dict[str, npt.NDArray[np.int64]]:
    """Return the segment of each row whose truth came, by each column that makes segments and that the ledger holds."""
    if expectation is None or not known.num_rows:
        return {}
    hidden = withheld(known)
    return {
        one.column: one.codes(known)
        for one in expectation.groupings
        if one.column in known.column_names and one.column not in hidden
    }


def _said(release: Release, package: Package, expectation: Expectation, rows: pa.Table) -> Said | None:
    """Return what champion and second models say of rows; None of rows of which the ledger holds too little."""
    import pyarrow as pa

    fitted, names = package.fitted, release.training.spec.schema.names
    outputs = [f"prob_{label}" for label in fitted.classes] or ["prediction"]
    if any(name not in rows.column_names or not pa.types.is_floating(rows[name].type) for name in outputs):
        return None
    if any(rows[name].null_count for name in outputs):
        return None
    said = said_of(fitted, rows)
    whole = all(name in rows.column_names for name in names) and not withheld(rows) & set(names)
    if not package.second or not whole:
        return _without_second(said, expectation, rows.num_rows)
    table = second_input(rows, names, said, classify=bool(fitted.classes))
    second = {
        name: second_says(models, table, fitted.classes if name == "classes" else ())
        for name, models in package.second.items()
        if name == "classes" or name == expectation.loss_figure
    }
    return Said(said.shares, said.codes, _constants(expectation, rows.num_rows) | second)


def _without_second(said: Said, expectation: Expectation, n_rows: int) -> Said:
    """Return what was said where second models are missing or lack inputs: only constant losses can be expected."""
    return Said(said.shares, said.codes, _constants(expectation, n_rows))


def _constants(expectation: Expectation, n_rows: int) -> dict[str, npt.NDArray[np.float64]]:
    return {name: np.zeros((1, n_rows)) for name, one in expectation.scales.items() if one.constant is not None}


def _judge(
    loop: Loop, release: Release, package: Package, expectation: Expectation, *, arrivals: pa.Table, found: Waiting
) -> Judgement:
    """Judge every batch that has closed, and keep what it came to in ``record/<model>/judged.json``.

    A batch is the next `BATCH` predictions, in the order in which they were made, whose truths came. It closes when
    enough of the truths of its time have come, or when it is old enough for them. Truths that come later still are not
    judged. Batches are kept as sums: a restart goes on with the next one, and erased rows stay erased.
    """
    path = loop.record(release.training.model) / FILE
    kept = read_kept(path, Judgement)
    if kept is None or kept.version != release.version:
        kept = Judgement(release.version)
    ids = np.asarray(arrivals["id"].to_pylist(), dtype=np.str_)
    came = np.asarray(arrivals["received"].is_valid().to_numpy(), np.bool_)
    if int((came & (ids > kept.last_id)).sum()) < BATCH or found.slow_s is None:
        return kept
    after = kept.last_at or release.training.created_at
    ledger = ledger_of(loop, release.training.model)
    rows = of_release(ledger.labelled(after - timedelta(milliseconds=1)), release.version)
    judgement = kept
    for batch in _batches(rows, kept.last_id):
        last_id, last_at = batch["id"][-1].as_py(), batch["at"][-1].as_py()
        span = (ids > judgement.last_id) & (ids <= last_id)
        complete = span.any() and came[span].mean() >= ENOUGH * found.final
        slow = timedelta(seconds=max(found.slow_s, judgement.slowest_s))
        if not complete and loop.now() - last_at < slow:
            break
        judged = _judged(release, package, expectation, batch)
        batches = (*judgement.batches, judged) if judged is not None else judgement.batches
        judgement = Judgement(release.version, batches, last_id, last_at, slow.total_seconds())
    if judgement is not kept:
        write_artefact(path, judgement)
    return judgement


def _batches(rows: pa.Table, last_id: str) -> Iterator[pa.Table]:
    import pyarrow.compute as pc

    if not rows.num_rows:
        return
    rows = rows.filter(pc.greater(rows["id"], last_id))
    for start in range(0, rows.num_rows - BATCH + 1, BATCH):
        yield rows.slice(start, BATCH)


def _judged(release: Release, package: Package, expectation: Expectation, batch: pa.Table) -> JudgedBatch | None:
    """Hold one batch against what was expected of it; None where the ledger holds too little to say."""
    import pyarrow as pa

    said = _said(release, package, expectation, batch)
    if said is None:
        return None
    truth: npt.NDArray[np.float64] | npt.NDArray[np.int64]
    if expectation.task == "classify":
        truth = places(batch["truth"], package.fitted.classes)
    else:
        truth = np.asarray(batch["truth"].cast(pa.float64()).to_numpy(), np.float64)
    first, last = batch["at"][0].as_py(), batch["at"][-1].as_py()
    return judge_batch(expectation, said, truth, first=first, last=last)

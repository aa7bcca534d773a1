"""Why a model's loss and predictions differ between two stretches of time, or two releases on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Schema, Words
from cauce.core.contributions import Contributions, contributions_of, sampled, towards
from cauce.core.errors import UserError
from cauce.core.protocols import Fitted
from cauce.core.registry import task as task_named
from cauce.core.why import Change, RowChange, Why
from cauce.loop.answered import Answered
from cauce.loop.context import Loop
from cauce.loop.judge import unseen_units
from cauce.loop.periods import Period, hour, period
from cauce.loop.watch import ledger_of, with_truth, withheld
from cauce.loop.why_one import background, inputs_of, typed
from cauce.loop.why_one import why_prediction as why_prediction
from cauce.loop.why_one import why_row as why_row

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.core.artefacts import Release
    from cauce.track import Package
    from cauce.watch.why.segments import Segments

Floats = npt.NDArray[np.float64]
MOST_ROWS = 200_000
"""Rows of a sample that are looked at; more are drawn by chance."""
MOST_FIGURES = 3
"""Classes whose mean probability is explained: those that moved most."""
SHOWN = 10
"""Rows that moved most."""
NEWEST = 10_000
"""Ledger rows on which two releases are compared where no labelled ones are left."""


@dataclass(frozen=True, eq=False)
class _Seen:
    """Rows of one sample, and what was said of them."""

    name: str
    inputs: pa.Table
    losses: Floats
    """NaN where no truth came."""
    figures: dict[str, Floats]
    """``prediction``, or class → probability; NaN where the release does not know the class."""
    units: npt.NDArray[np.str_]
    clusters: npt.NDArray[np.str_] | None
    said: Sequence[Any]
    schema: Schema
    hidden: frozenset[str]
    of: int
    """Rows that there are, of which these were drawn."""
    versions: frozenset[int] = frozenset()
    """Releases that answered; empty where both were asked about the same rows."""


def why_between(
    loop: Loop,
    model: str,
    *,
    windows: tuple[str, str] | None = None,
    releases: tuple[int, int] | None = None,
) -> Why:
    """Return why the loss and the predictions changed.

    Parameters
    ----------
    windows
        Two stretches of time of the ledger, the earlier first, as `period` reads them.
    releases
        Two versions, the earlier first, on the rows that neither has learnt from.

    Raises
    ------
    UserError
        Not one of both was given, or one sample has no rows at all.
    """
    loop.model(model)
    if (windows is None) == (releases is None):
        raise UserError("give two stretches of time, or two releases", where="cauce why", hint="Add --from and --to.")
    if windows is not None:
        if period(windows[0]) == period(windows[1]):
            hint = "Two that differ are compared; hours too, as 2026-09-14T08."
            raise UserError("twice the same stretch of time", where="--from, --to", received=windows[0], hint=hint)
        seen = _of_window(loop, model, period(windows[0])), _of_window(loop, model, period(windows[1]))
        kind: Literal["windows", "releases"] = "windows"
    else:
        assert releases is not None
        if releases[0] == releases[1]:
            hint = "Name two, the earlier first: --releases 3 5."
            raise UserError("twice the same version", where="--releases", received=releases[0], hint=hint)
        opened = [loop.tracker.open(model, version) for version in releases]
        seen = _of_releases(loop, (opened[0][1], opened[1][1]), releases)
        kind = "releases"
    spec = loop.model(model)
    squared = (spec.loss or task_named(spec.task).losses_known[0]) == "squared"
    why = _explained(model, kind, *seen, squared=squared)
    return _with_columns(loop, why, opened, seen) if releases is not None else why


def _of_window(loop: Loop, model: str, when: Period) -> _Seen:
    """Return a stretch of the ledger: losses of what was answered then, by the releases that answered."""
    from cauce.ledger import ranges

    rows = ranges.between(ledger_of(loop, model).folder, when.start, when.end)
    if not rows.num_rows:
        traffic = ledger_of(loop, model).traffic(loop.now())
        first, last = traffic.first, traffic.last
        hint = (
            "There are none yet."
            if first is None or last is None
            else f"There are some from {hour(first)} to {hour(last)}."
        )
        raise UserError(
            "no predictions in this stretch of time", where=f"ledger of {model}", received=when.name, hint=hint
        )
    n_rows, rows = rows.num_rows, _take(rows, _drawn(rows.num_rows))
    versions = np.asarray(rows["version"].to_pylist(), dtype=np.int64)
    losses, figures = np.full(rows.num_rows, np.nan), dict[str, Floats]()
    schema = Schema(())
    for version in np.unique(versions):
        release, package = loop.tracker.open(model, int(version))
        where = np.flatnonzero(versions == version)
        schema = package.fitted.schema
        losses[where] = _answered_losses(release, package, _take(rows, where))
        names = {label: f"prob_{label}" for label in package.fitted.classes} or {"prediction": "prediction"}
        for figure, name in names.items():
            values = figures.setdefault(figure, np.full(rows.num_rows, np.nan))
            values[where] = _take(rows, where)[name].to_numpy().astype(np.float64)
    hidden = withheld(rows)
    about = "ledger.unit" if "ledger.unit" in rows.column_names else "unit"
    units = np.asarray(rows["id"].to_pylist(), dtype=np.str_)
    named = rows[about].to_pylist()
    clusters = np.array([name or own for name, own in zip(named, units.tolist(), strict=True)], dtype=np.str_)
    said = rows["prediction"].to_pylist()
    given = inputs_of(rows, schema, hidden)
    known = clusters if any(named) else None
    answered = frozenset(np.unique(versions).tolist())
    return _Seen(when.name, given, losses, figures, units, known, said, schema, hidden, n_rows, answered)


def _other_releases(before: _Seen, after: _Seen) -> Words:
    """Say that not the same releases answered in both."""
    named = [f"{seen.name}: {', '.join(map(str, sorted(seen.versions)))}" for seen in (before, after)]
    both = "; ".join(named)
    return {
        "en": f"Not the same versions answered ({both}): that rows fare otherwise may come from the other version, "
        "not from the world. --releases compares two on the same rows.",
        "es": f"No respondieron las mismas versiones ({both}): que las filas se comporten de otro modo puede venir de "
        "la otra versión y no del mundo. --releases compara dos con las mismas filas.",
    }


def _take(rows: pa.Table, where: npt.NDArray[np.int64]) -> pa.Table:
    import pyarrow as pa

    return rows.take(pa.array(where))


def _drawn(n: int) -> npt.NDArray[np.int64]:
    """Return the numbers of all rows, or of some by chance where they are too many."""
    return np.sort(np.random.default_rng(0).permutation(n)[:MOST_ROWS])


def _answered_losses(release: Release, package: Package, rows: pa.Table) -> Floats:
    """Return the loss of every row as it was answered, NaN where no truth came."""
    import pyarrow.compute as pc

    spec = release.training.spec
    found, known = np.full(rows.num_rows, np.nan), pc.is_valid(rows["truth"]).to_numpy(zero_copy_only=False)
    if known.any():
        fitted = cast("Fitted", Answered(package.fitted))
        found[known] = task_named(spec.task).losses(fitted, with_truth(rows, spec.target), spec).values
    return found


def _of_releases(loop: Loop, packages: tuple[Package, Package], versions: tuple[int, int]) -> tuple[_Seen, _Seen]:
    """Return the rows that neither release has learnt from, as each sees them; else the newest of the ledger."""
    older, newer = packages
    spec = newer.training.spec
    rows, units = _unseen(loop, older, newer)
    labelled = rows.num_rows > 0
    if not labelled:
        window = ledger_of(loop, spec.model).window(NEWEST)
        hidden = withheld(window)
        if not window.num_rows or hidden:
            where, hint = f"model {spec.model}", "Wait for predictions, or load new rows and train."
            raise UserError("no rows that both releases can be asked about", where=where, hint=hint)
        rows, units = window, np.asarray(window["id"].to_pylist(), dtype=np.str_)
    n_rows, kept = rows.num_rows, _drawn(rows.num_rows)
    rows, units = _take(rows, kept), units[kept]
    seen = []
    for package, version in zip(packages, versions, strict=True):
        fitted, about = package.fitted, package.training.spec
        given = rows if labelled else inputs_of(rows, fitted.schema)
        said = fitted.predict(given)
        names = {label: f"prob_{label}" for label in fitted.classes} or {"prediction": "prediction"}
        figures = {figure: said[name].to_numpy().astype(np.float64) for figure, name in names.items()}
        losses, groups = np.full(rows.num_rows, np.nan), None
        if labelled:
            judged = task_named(about.task).losses(fitted, rows, about)
            losses, groups = judged.values, judged.groups
        seen.append(
            _Seen(str(version), typed(given, fitted.schema), losses, figures, units, groups,
                  said["prediction"].to_pylist(), fitted.schema, frozenset(), n_rows)
        )  # fmt: skip
    return seen[0], seen[1]


def _unseen(loop: Loop, older: Package, newer: Package) -> tuple[pa.Table, npt.NDArray[np.str_]]:
    """Return the labelled rows that neither was fitted on, and their names."""
    rows, units = unseen_units(loop, newer, older)
    missing = [name for name in older.fitted.schema.names if name not in rows.column_names]
    if missing:
        where, hint = f"release of {newer.training.spec.model}", "Compare two releases that take the same columns."
        raise UserError(f"its column {missing[0]!r} is no longer there", where=where, hint=hint)
    return rows, units


def _explained(model: str, kind: Literal["windows", "releases"], before: _Seen, after: _Seen, *, squared: bool) -> Why:
    from cauce.watch.why import change as room
    from cauce.watch.why import words as why_words

    paired = kind == "releases"
    hidden = before.hidden | after.hidden
    columns = Schema(tuple(column for column in after.schema if column.name not in hidden))
    segments, skipped = room.cut(before.inputs, after.inputs, columns)
    skipped |= dict.fromkeys(sorted(hidden & set(after.schema.names)), why_words.ABSENT)
    known = np.isfinite(before.losses), np.isfinite(after.losses)
    counts = int(known[0].sum()), int(known[1].sum())
    untold = [
        why_words.sampled(len(seen.said), seen.of, seen.name) for seen in (before, after) if len(seen.said) < seen.of
    ]
    loss = None
    if min(counts) < room.FEWEST_ROWS:
        untold.append(why_words.too_few(counts, room.FEWEST_ROWS, (before.name, after.name)))
    else:
        samples = [
            room.Sample(seen.name, seen.inputs, seen.losses[own], None if seen.clusters is None else seen.clusters[own])
            for seen, own in zip((before, after), known, strict=True)
        ]
        within = [_within(one, *known) for one in segments]
        loss = room.explain("loss", samples, within, paired=paired, squared=squared)
    if not paired and before.versions | after.versions != before.versions & after.versions:
        untold.append(_other_releases(before, after))
    predictions = _predictions(before, after, segments, paired=paired)
    rows, share = _rows(before, after, paired=paired)
    names = (before.name, after.name)
    return Why(model, kind, names, loss, predictions, rows, share, tuple(untold), skipped)


def _within(one: Segments, before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_]) -> Segments:
    return replace(one, before=one.before[before], after=one.after[after])


def _predictions(before: _Seen, after: _Seen, segments: Sequence[Segments], *, paired: bool) -> tuple[Change, ...]:
    """Explain the mean prediction, or the mean probability of the classes that moved most."""
    from cauce.watch.why import change as room

    moved = {}
    for figure in after.figures:
        if figure in before.figures:
            old, new = before.figures[figure], after.figures[figure]
            if np.isfinite(old).any() and np.isfinite(new).any():
                moved[figure] = abs(float(np.nanmean(new)) - float(np.nanmean(old)))
    most = 1 if len(moved) == 2 else MOST_FIGURES
    chosen = sorted(moved, key=lambda figure: (-moved[figure], list(moved).index(figure)))[:most]
    if len(moved) == 2:
        chosen = list(moved)[1:]  # the other one mirrors it
    found = []
    for figure in chosen:
        pairs = [(seen, np.isfinite(seen.figures[figure])) for seen in (before, after)]
        samples = [
            room.Sample(s.name, s.inputs, s.figures[figure][own], None if s.clusters is None else s.clusters[own])
            for s, own in pairs
        ]
        within = [_within(one, pairs[0][1], pairs[1][1]) for one in segments]
        found.append(room.explain(figure, samples, within, paired=paired))
    return tuple(found)


def _rows(before: _Seen, after: _Seen, *, paired: bool) -> tuple[tuple[RowChange, ...], float | None]:
    """Return the rows that moved most, and which share of the whole they are."""
    labelled = np.isfinite(after.losses)
    if paired:
        size = np.abs(after.losses - before.losses) if labelled.all() else _moved(before, after)
    elif not labelled.any():
        return (), None
    else:
        size = np.where(labelled, after.losses, -np.inf)
    order = np.argsort(-size, kind="stable")[:SHOWN]
    order = order[np.isfinite(size[order])]
    whole = float(size[np.isfinite(size)].sum())
    rows = []
    for at in order.tolist():
        new = float(after.losses[at]) if labelled[at] else None
        old = float(before.losses[at]) if paired and labelled[at] else None
        rows.append(RowChange(str(after.units[at]), (old, new), (before.said[at] if paired else None, after.said[at])))
    return tuple(rows), float(size[order].sum()) / whole if whole > 0 else None


def _moved(before: _Seen, after: _Seen) -> Floats:
    """Return how far each row's prediction moved: the number, or the probabilities together."""
    shared = [figure for figure in after.figures if figure in before.figures]
    moved: Floats = np.sum([np.abs(after.figures[figure] - before.figures[figure]) for figure in shared], axis=0)
    return moved


def _with_columns(loop: Loop, why: Why, opened: list[tuple[Release, Package]], seen: tuple[_Seen, _Seen]) -> Why:
    """Say of the rows that moved most by which columns: what each adds now, less what it added before."""
    places = {unit: at for at, unit in enumerate(seen[1].units.tolist())}
    where = np.array([places[row.unit] for row in why.rows], np.int64)
    if not len(where) or opened[0][1].fitted.classes != opened[1][1].fitted.classes:
        return why
    reference = [background(loop, release, package) for release, package in opened]
    fitted = [package.fitted for _, package in opened]
    classes = fitted[1].classes
    said = np.array([classes.index(seen[1].said[at]) if classes else 0 for at in where], np.int64)
    rows = [_take(one.inputs, where) for one in seen]
    try:
        found = [contributions_of(model, row, ref) for model, row, ref in zip(fitted, rows, reference, strict=True)]
        if (found[0].method, found[0].scale) != (found[1].method, found[1].scale):
            # two ways to measure are not subtracted: both are asked the same way, against the newer one's rows
            found = [sampled(model, row, reference[1]) for model, row in zip(fitted, rows, strict=True)]
    except (ValueError, KeyError):
        return why
    old, new = (towards(one, said) for one in found)
    return replace(why, rows=tuple(replace(row, by=_by(old, new, at)) for at, row in enumerate(why.rows)))


def _by(old: Contributions, new: Contributions, at: int, most: int = 5) -> tuple[tuple[str, float], ...]:
    amounts = dict.fromkeys((*new.columns, *old.columns), 0.0)
    for sign, one in ((1.0, new), (-1.0, old)):
        for name, value in zip(one.columns, one.values[at, 0].tolist(), strict=True):
            amounts[name] += sign * value
    order = sorted(amounts.items(), key=lambda pair: -abs(pair[1]))
    return tuple(pair for pair in order[:most] if abs(pair[1]) > 1e-12)

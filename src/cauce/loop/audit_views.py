"""What checks that need more than columns are handed: predictions out of fold, the split, a reference's profile.

Each is made when a check first asks for it, once an audit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Candidate, Snapshot, TaskSpec
from cauce.core.errors import Blocked, UserError
from cauce.core.protocols import Task
from cauce.core.registry import task as task_named
from cauce.loop.context import Loop
from cauce.loop.material import resolve
from cauce.loop.rows import own_columns

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.audit.check import OutOfFold, Sides
    from cauce.profile import Profile

Batches = Callable[[Sequence[str] | None], Iterator["pa.RecordBatch"]]
Rows = npt.NDArray[np.int64]

FITTED_ROWS = 20_000
"""Rows that predictions out of fold are made for, at most; fewer with many classes, see `MOST_CELLS`."""
FEWEST_FITTED = 50
MOST_CLASSES = 100
MOST_CELLS = 100_000
"""Rows × classes that are fitted, at most: a round of boosting grows a tree for each class."""
MANY_ROWS = 5_000
"""From so many rows on, three folds are fitted instead of five, where the file names no number."""
BRISK = {"boosting": {"learning_rate": 0.3, "rounds": 40, "num_leaves": 15}}
"""Settings of a rung under which it is nearly as good in a fraction of the time."""
SPLIT_ROWS = 3_000_000
"""Rows that are split in memory, at most."""


def out_of_fold(
    loop: Loop, model: str, profile: Profile, batches: Batches, task: Task | None = None
) -> Callable[[], OutOfFold | None]:
    """Give the callable that fits the ladder's last rung that applies, on the folds of the model's split.

    At most 20,000 rows with a target are taken, evenly at random by the split's seed. By time, a row is predicted by
    rows strictly earlier, and the oldest are not predicted at all; by group, by rows of other groups. Nothing is
    fitted (None) with fewer than 50 rows, with one class, or with more than 100. `task` fits in place of the
    model's own.
    """

    @cache
    def fitted() -> OutOfFold | None:
        spec = _fittable(loop, model, profile)
        return None if spec is None else _predicted(loop, task or task_named(spec.task), spec, profile, batches)

    return fitted


def sides(loop: Loop, model: str, profile: Profile, batches: Batches) -> Callable[[], Sides | None]:
    """Give the callable that splits the snapshot as the training will; None where that cannot be done.

    Beyond 3,000,000 rows nothing is split: a row without a key is named by all its columns, which then lie in memory.
    """

    @cache
    def split() -> Sides | None:
        if not 3 <= profile.n_rows <= SPLIT_ROWS:
            return None
        try:
            return _split(loop, model, batches)
        except UserError:  # too few rows, groups or moments: the training says so itself
            return None

    return split


def reference_of(loop: Loop, snapshot: Snapshot) -> Snapshot | None:
    """Return the snapshot of the data set that `[data.NAME.population] reference` names, loaded where it is new."""
    from cauce.loop.load import load

    name = loop.data(snapshot.data).population.reference
    return load(loop, name) if name is not None else None


def _fittable(loop: Loop, model: str, profile: Profile) -> TaskSpec | None:
    """Return the task's spec, or None where the target cannot be learned."""
    settings = loop.model(model)
    target = profile.column(settings.target)
    classify = settings.task == "classify"
    numeric = target.kind in {"integer", "number", "boolean"}
    if target.n_present < FEWEST_FITTED or target.n_distinct < 2 or not (classify or settings.task == "regress"):
        return None
    if (classify and target.n_distinct > MOST_CLASSES) or (not classify and not numeric):
        return None
    try:
        return resolve(loop, model, profile)
    except Blocked:  # no column to predict from: the training says so itself
        return None


def _predicted(loop: Loop, task: Task, spec: TaskSpec, profile: Profile, batches: Batches) -> OutOfFold | None:
    from cauce import data, select
    from cauce.audit.check import OutOfFold

    n_classes = profile.n_distinct(spec.target) if spec.task == "classify" else 1
    n_rows = min(FITTED_ROWS, max(MOST_CELLS // n_classes, FEWEST_FITTED))
    labelled = _labelled(spec.target, batches)
    rng = np.random.default_rng(spec.seed)
    rows = np.sort(rng.choice(labelled, n_rows, replace=False)) if len(labelled) > n_rows else labelled
    candidate = strongest(task.candidates(spec, profile))
    if len(rows) < FEWEST_FITTED or candidate is None:
        return None
    apart = (spec.target, spec.key, spec.time, spec.group, *spec.sensitive)
    table = _taken(rows, tuple(dict.fromkeys([*spec.schema.names, *(name for name in apart if name)])), batches)
    settings = loop.model(spec.model).split
    if settings.folds is None and len(rows) >= MANY_ROWS:
        settings = settings.model_copy(update={"folds": 3})
    try:
        folds = data.fold_all(
            table, settings, task=spec.task, target=spec.target, key=None, time=spec.time, group=spec.group
        ).folds
    except UserError:  # times that are no times: a check of its own says so
        return None
    found = select.predict_out_of_fold(task, spec, candidate, table, folds, progress=loop.progress)
    if found is None:
        return None
    return OutOfFold(
        rows[found.rows], found.truth, found.predictions, found.probabilities, found.classes, candidate.name
    )


def strongest(ladder: Sequence[Candidate]) -> Candidate | None:
    """Return boosting with brisk settings, else the simplest rung that learns; None where no rung applies."""
    from importlib.util import find_spec

    usable = [rung for rung in ladder[1:] if rung.skip is None]
    brisk = [rung for rung in usable if rung.name == "boosting" and find_spec("lightgbm") is not None]
    usable = usable[:1] + brisk
    return replace(usable[-1], params={**usable[-1].params, **BRISK.get(usable[-1].name, {})}) if usable else None


def _labelled(target: str, batches: Batches) -> Rows:
    """Return the numbers of the rows whose target is known and, as a number, finite."""
    found, start = [], 0
    for batch in batches([target]):
        found.append(np.flatnonzero(_known(batch.column(target))) + start)
        start += batch.num_rows
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _known(array: pa.Array) -> npt.NDArray[np.bool_]:
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pc.is_finite(array).fill_null(False) if pa.types.is_floating(array.type) else pc.is_valid(array)
    return np.asarray(known.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _taken(rows: Rows, columns: Sequence[str], batches: Batches) -> pa.Table:
    """Read the named columns of the rows, in their order."""
    import pyarrow as pa

    parts, start = [], 0
    for batch in batches(columns):
        low, high = np.searchsorted(rows, [start, start + batch.num_rows])
        parts.append(batch.take(pa.array(rows[low:high] - start)))
        start += batch.num_rows
    return pa.Table.from_batches(parts).combine_chunks()


def _split(loop: Loop, model: str, batches: Batches) -> Sides:
    import pyarrow as pa

    from cauce import data
    from cauce.audit.check import Sides

    spec, settings = loop.model(model), loop.data(loop.model(model).data)
    roles = (spec.target, settings.key, settings.time, settings.group)
    named = None if settings.key is None else list(dict.fromkeys(name for name in roles if name))
    known, parts, n_rows = [], [], 0
    for batch in batches(named):
        # The training keeps NaN; its own task refuses it. Here such rows have no side.
        marks = _known(batch.column(spec.target))
        known.append(np.flatnonzero(marks) + n_rows)
        parts.append(batch.filter(pa.array(marks)))
        n_rows += batch.num_rows
    table, rows = pa.Table.from_batches(parts), np.concatenate(known)
    made = data.split(
        table,
        spec.split,
        task=spec.task,
        target=spec.target,
        key=settings.key,
        time=settings.time,
        group=settings.group,
        named_by=own_columns(loop, spec.data, table.column_names),
    )
    held_out, fold = np.zeros(n_rows, np.bool_), np.full(n_rows, -1, np.int64)
    held_out[rows[made.held_out]] = True
    for number, (_, test) in enumerate(made.folds):
        fold[rows[test]] = number
    return Sides(made.kind, held_out, fold)

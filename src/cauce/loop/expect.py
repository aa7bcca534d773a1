"""What a training leaves behind to estimate performance by: learnt on the rows held out, which the champion never saw.

Second models say each row's class (CBPE) or loss (DLE) from the inputs and from what the champion said. They are
models of Cauce themselves, saved as such in the package: no pickle, every byte under the manifest. Learning them here
and not at the first look keeps a look cheap and needs no row of the snapshot later, which may be gone or forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Candidate, Column, Losses, Schema, TaskSpec
from cauce.core.files import to_json
from cauce.core.protocols import Fitted
from cauce.core.registry import task as task_named
from cauce.watch.truths import cbpe, dle, estimate

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.profile.groups import Grouping

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

FEWEST = 50
"""Rows held out from which anything is expected."""
FEWEST_SECOND = 300
"""Rows held out from which a second model may learn."""
MOST_SECOND = 10_000
"""Rows held out that second models learn from, at most: a training is not to wait for them."""
PARTS = 5
RUNG = "boosting"
SAID = "cauce.said."
TARGET = "cauce.target"


@dataclass(frozen=True, eq=False)
class Expected:
    """What goes into the package."""

    content: bytes | None
    """`expected.json`."""
    second: Mapping[str, Sequence[Fitted]] = field(default_factory=dict)
    """``classes``, or a figure → the models that expect it."""


def expect(spec: TaskSpec, fitted: Fitted, rows: pa.Table, predictions: pa.Table, losses: Losses) -> Expected:
    """Learn from the rows held out what rows to come let expect; nothing of fewer than `FEWEST`.

    Parameters
    ----------
    rows
        Held out, with their targets.
    predictions
        What the model says of them.
    """
    if rows.num_rows < FEWEST or spec.task not in {"classify", "regress"}:
        return Expected(None)
    said = said_of(fitted, predictions)
    groupings = _groupings(spec, rows)
    segments = _segments(groupings, rows, losses.values)
    if spec.task == "regress":
        return _numbers(spec, rows, said, groupings, segments)
    return _classes(spec, fitted, rows, said, groupings, segments)


def said_of(fitted: Fitted, predictions: pa.Table) -> estimate.Said:
    """Return what a model said of rows, from its predictions."""
    if not fitted.classes:
        return estimate.Said(_floats(predictions["prediction"])[:, None], np.zeros(0, np.int64))
    shares = np.column_stack([_floats(predictions[f"prob_{label}"]) for label in fitted.classes])
    return estimate.Said(shares, places(predictions["prediction"], fitted.classes))


def places(labels: pa.ChunkedArray, classes: Sequence[str]) -> Codes:
    """Return each label's place among the classes, −1 where it is none of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.fill_null(pc.index_in(labels.cast(pa.string()), value_set=pa.array(classes, pa.string())), -1)
    return np.asarray(found.to_numpy(), np.int64)


def second_input(rows: pa.Table, names: Sequence[str], said: estimate.Said, *, classify: bool) -> pa.Table:
    """Return what second models take: the inputs, and what the champion said, probabilities as log odds."""
    import pyarrow as pa

    table = rows.select(list(names))
    values = cbpe.log_odds(said.shares) if classify else said.shares
    for k, column in enumerate(values.T):
        table = table.append_column(f"{SAID}{k}", pa.array(np.ascontiguousarray(column)))
    return table.combine_chunks()


def second_says(models: Sequence[Fitted], table: pa.Table, classes: Sequence[str]) -> Floats:
    """Return what each second model says, shape (n_models, n_rows), or (n_models, n_rows, n_classes)."""
    return np.stack([_says(model.predict(table), classes) for model in models])


def _says(predicted: pa.Table, classes: Sequence[str]) -> Floats:
    if not classes:
        return _floats(predicted["prediction"])
    shares = np.zeros((predicted.num_rows, len(classes)))
    for k, label in enumerate(classes):
        if f"prob_{label}" in predicted.column_names:
            shares[:, k] = _floats(predicted[f"prob_{label}"])
    return shares


def _classes(
    spec: TaskSpec,
    fitted: Fitted,
    rows: pa.Table,
    said: estimate.Said,
    groupings: tuple[Grouping, ...],
    segments: Mapping[str, estimate.Moments],
) -> Expected:
    from cauce.evidence import paired

    truth = places(rows[spec.target], fitted.classes)
    known = np.bincount(truth[truth >= 0], minlength=len(fitted.classes))
    positive = int(known[::-1].argmin()) if len(known) == 2 else None
    positive = None if positive is None else 1 - positive  # on a tie the last class, as the task's own figures have it
    counted = cbpe.counted_classes(truth, len(fitted.classes))
    calibrations = cbpe.fit_calibrations(said.shares, truth)
    second: tuple[cbpe.Calibration, ...] = ()
    models: Sequence[Fitted] = ()
    if rows.num_rows >= FEWEST_SECOND and len(fitted.schema) and (known > 1).sum() > 1:
        some = _some(rows.num_rows)
        table = second_input(rows, spec.schema.names, said, classify=True).take(some)
        labels = [fitted.classes[k] if k >= 0 else None for k in truth[some]]
        models, seen, out_of_fold = _fit(spec, "classify", table, labels, fitted.classes)
        others = cbpe.fit_calibrations(out_of_fold, truth[some][seen])
        ours, theirs = (
            _log_losses(cbpe.class_shares(maps, shares, 0)[0], truth[some][seen])
            for maps, shares in ((others, out_of_fold), (calibrations, said.shares[some][seen]))
        )
        if paired(ours, theirs, margin=0.0, confidence=0.99).verdict == "better":
            second = others
    figures = cbpe.realise(truth, said.shares, said.codes, positive, counted)
    made = estimate.Expectation(
        task="classify",
        loss_figure=estimate.LOSS_FIGURES.get(spec.loss, "log_loss"),
        reference=figures,
        n_held_out=rows.num_rows,
        calibrations=calibrations,
        second=second,
        positive=positive,
        counted=counted,
        groupings=groupings,
        segments=segments,
    )
    return Expected(to_json(made), {"classes": models} if second else {})


def _numbers(
    spec: TaskSpec,
    rows: pa.Table,
    said: estimate.Said,
    groupings: tuple[Grouping, ...],
    segments: Mapping[str, estimate.Moments],
) -> Expected:
    error = np.abs(said.shares[:, 0] - _floats(rows[spec.target]))
    learnt = rows.num_rows >= FEWEST_SECOND
    some = _some(rows.num_rows)
    table = second_input(rows, spec.schema.names, said, classify=False).take(some)
    scales, second = {}, {}
    for name, losses in (("mse", error**2), ("mae", error)):
        out_of_fold, seen = np.full(len(error), losses.mean()), np.arange(len(error))
        models: Sequence[Fitted] = ()
        if learnt:
            models, seen, out_of_fold = _fit(spec, "regress", table, losses[some].tolist(), ())
            seen = some[seen]
        scales[name] = dle.fit_scale(losses[seen], out_of_fold)
        if scales[name].constant is None:
            second[name] = models
    made = estimate.Expectation(
        task="regress",
        loss_figure=estimate.LOSS_FIGURES.get(spec.loss, "mse"),
        reference={"mse": float(np.mean(error**2)), "mae": float(error.mean())},
        n_held_out=rows.num_rows,
        scales=scales,
        groupings=groupings,
        segments=segments,
    )
    return Expected(to_json(made), second)


def _fit(
    spec: TaskSpec, name: str, table: pa.Table, target: Sequence[object], classes: Sequence[str]
) -> tuple[Sequence[Fitted], Codes, Floats]:
    """Fit a model without each of five parts; return them, and what they say of the rows that they had not seen."""
    import pyarrow as pa

    task = task_named(name)
    extra = [Column(column, "number", nullable=False) for column in table.column_names if column.startswith(SAID)]
    about = TaskSpec(
        model=spec.model,
        task=name,
        target=TARGET,
        schema=Schema((*spec.schema.columns, *extra)),
        loss=task.losses_known[0],
        seed=spec.seed,
    )
    whole = table.append_column(TARGET, pa.array(target))
    whole = whole.filter(pa.compute.is_valid(whole[TARGET])) if classes else whole
    part = np.random.default_rng([spec.seed, whole.num_rows]).permutation(whole.num_rows) % PARTS
    models, rows, said = [], [], []
    kept = np.flatnonzero([value is not None for value in target])
    for k in range(PARTS):
        inside = np.flatnonzero(part == k)
        teach = whole.take(np.flatnonzero(part != k)).combine_chunks()
        models.append(task.fit(Candidate(RUNG, {}), {}, teach, spec=about))
        rows.append(kept[inside])
        said.append(_says(models[-1].predict(whole.take(inside).combine_chunks()), classes))
    return models, np.concatenate(rows), np.concatenate(said)


def _some(n_rows: int) -> Codes:
    """Return the rows that second models learn from, the same ones every time."""
    if n_rows <= MOST_SECOND:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(0).permutation(n_rows)[:MOST_SECOND])


def _log_losses(shares: Floats, truth: Codes) -> Floats:
    own = np.where(truth >= 0, shares[np.arange(len(truth)), np.maximum(truth, 0)], 1.0)
    losses: Floats = -np.log(np.maximum(own, cbpe.LOWEST))
    return losses


def _groupings(spec: TaskSpec, rows: pa.Table) -> tuple[Grouping, ...]:
    """Return how rows are put into segments: by each category, by each yes or no, and by each sensitive column."""
    from cauce import profile
    from cauce.profile.groups import grouping

    named = [column.name for column in spec.schema if column.kind in {"category", "boolean"}]
    named += [name for name in spec.sensitive if name not in named]
    named = [name for name in named if name in rows.column_names]
    if not named:
        return ()
    seen = profile.summarise(rows.select(named).to_batches())
    return tuple(grouping(seen, name) for name in named if seen.column(name).n_missing < rows.num_rows)


def _segments(groupings: tuple[Grouping, ...], rows: pa.Table, losses: Floats) -> Mapping[str, estimate.Moments]:
    found = {}
    for one in groupings:
        codes = one.codes(rows)
        for k, name in enumerate(one.names):
            if (inside := codes == k).any():
                found[f"{one.column} = {name}"] = estimate.moments(losses[inside])
    return found


def _floats(values: pa.ChunkedArray) -> Floats:
    import pyarrow as pa

    return np.asarray(values.cast(pa.float64()).to_numpy(), np.float64)

"""Stages 3 to 5, choose, fit, register: one model's release from its data set, each step resumable.

Everything kept under `runs/train/` is named by the fingerprint of what went in: after `kill -9` the same command
takes up finished folds, and finds a finished release again instead of making a second one.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cauce.core.artefacts import (
    Audit,
    Candidate,
    Choice,
    Diagnosis,
    Finish,
    Losses,
    Metrics,
    Mitigation,
    Reduction,
    Release,
    Snapshot,
    TaskSpec,
    Training,
)
from cauce.core.files import fingerprint, to_json
from cauce.core.protocols import Fitted, Task
from cauce.core.registry import task as task_named
from cauce.core.specs import ChallengerSpec, ModelSpec, seconds
from cauce.loop.audit import audit, gate, profile_of, with_findings
from cauce.loop.context import Loop
from cauce.loop.fairness import held_out_findings, mitigated_task, plain_task, plan_of, record
from cauce.loop.load import load
from cauce.loop.material import LedgerRows, Material, gather, resolve
from cauce.loop.reduce import Lighter, final_rows, lighten
from cauce.loop.rows import behind, computed_for, functions_of, requested
from cauce.rows import Computation

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.fairness import Plan

KEPT_BACK = 1.5
"""Folds' worth of time that a budget keeps back for the final fit, on more rows than a fold's."""
LIBRARIES = ("cauce", "numpy", "scikit-learn", "lightgbm", "pyarrow")


@dataclass(frozen=True)
class Trained:
    """What a training came to."""

    release: Release
    audit: Audit
    reused: bool
    """Whether the same inputs had been trained before."""


@dataclass(frozen=True, eq=False)
class _Job:
    """What goes into one training."""

    task: Task
    """Fits without a mitigation, and chooses the rung."""
    plan: Plan | None
    """The mitigation of what is shipped."""
    features: TaskSpec
    """With the columns that the model learns from."""
    spec: TaskSpec
    """With those that a request must bring: the same where nothing is computed."""
    made: Computation | None
    """What computes the ones from the others."""
    snapshot: Snapshot
    ladder: tuple[Candidate, ...]
    rows: Material
    lighter: Lighter
    """What choosing and tuning work on: `rows`, or fewer of those that teach."""
    fingerprint: str
    folder: Path
    """Scratch, thrown away once the release is registered."""


@dataclass(frozen=True, eq=False)
class _Judged:
    """The shipped model and how it did on the units set aside."""

    fitted: Fitted
    importance: Mapping[str, float]
    """Of the columns that it learnt from, computed ones too."""
    losses: Losses
    metrics: Metrics
    predictions: pa.Table
    mitigation: Mitigation | None
    finish: Finish | None
    """What out-of-fold predictions taught it; nothing where a mitigation set it."""
    reduction: Reduction | None
    n_train: int
    """Rows that it learnt from."""


@dataclass(frozen=True, eq=False)
class _Chosen:
    """The choice, and the chosen rung with its parameters."""

    choice: Choice
    candidate: Candidate
    rows: np.ndarray | None
    """Row numbers of the rows that teach which some fold tested."""
    predicted: pa.Table | None
    """What was said of them by models that had not seen them, with the settings before a remedy; None where that was
    too much to keep."""
    diagnosis: Diagnosis | None
    """None where the climb was interrupted."""


def what_makes(settings: ModelSpec) -> ModelSpec:
    """Return a model's keys without those that say what becomes of a release: changing them trains nothing anew."""
    return settings.model_copy(update={"challenger": ChallengerSpec(), "watch": None, "renew": None})


def train(loop: Loop, model: str, *, ledger: LedgerRows | None = None) -> Trained:
    """Train one model and register its release; no alias is moved.

    Parameters
    ----------
    ledger
        Labelled rows of the ledger to learn from and to judge by; None for a training from the source alone.

    Raises
    ------
    Blocked
        The audit stops it.
    """
    begun = time.monotonic()
    settings = loop.model(model)
    snapshot = load(loop, settings.data)
    profile = profile_of(loop, snapshot)
    found = audit(loop, snapshot, model)
    gate(found, loop.project.file.project.language)
    features = resolve(loop, model, profile)
    functions = functions_of(loop, settings.data).needed_for(features.schema.names)
    taught = ledger.fingerprint if ledger else ""
    inputs = fingerprint(
        version("cauce"), what_makes(settings), features, snapshot.fingerprint, functions.digest, taught
    )
    known = loop.tracker.find(model, inputs)
    if known is not None:
        return Trained(loop.tracker.release(model, known), found, reused=True)
    plan = plan_of(loop, model, profile)
    task = plain_task(task_named(settings.task), plan)
    made = computed_for(features, functions, snapshot)
    rows = gather(loop, snapshot, features, ledger, made)
    found = with_findings(loop, found, task.validate(rows.teach, features), taught=taught)
    gate(found, loop.project.file.project.language)
    folder = loop.state.runs / "train" / inputs
    job = _Job(
        task=task,
        plan=plan,
        features=features,
        spec=requested(features, functions, profile),
        made=made,
        snapshot=snapshot,
        ladder=task.candidates(features, profile),
        rows=rows,
        lighter=lighten(loop, rows, features, profile, folder, mitigated=plan is not None),
        fingerprint=inputs,
        folder=folder,
    )
    chosen = _choose(loop, job)
    choice = chosen.choice
    judged = _fit(loop, job, chosen)
    judging = held_out_findings(loop, judged.fitted, choice.chosen, rows.judge, job.spec, profile)
    found = with_findings(loop, found, judging, taught=taught)
    gate(found, loop.project.file.project.language)
    training = _training(loop, job, chosen, judged, seconds=time.monotonic() - begun)
    release = _register(loop, job, judged, training, found)
    if not choice.interrupted:  # else the finished folds wait for the same command
        shutil.rmtree(job.folder, ignore_errors=True)
    return Trained(release, found, reused=False)


def _choose(loop: Loop, job: _Job) -> _Chosen:
    """Fit every rung on the folds, take one, and keep what it said of rows that it had not seen."""
    from cauce import select

    settings = loop.model(job.spec.model)
    lighter = job.lighter
    budget_s = seconds(settings.budget) if settings.budget else None
    effort = select.Effort(budget_s, KEPT_BACK + lighter.kept_back, settings.trials, settings.search)
    limits = select.Limits(
        settings.must_use, settings.never_use, settings.interpretable, settings.max_latency_ms, settings.max_size_mb
    )
    n_train = max(len(train) for train, _ in lighter.folds)
    with select.runner_for(
        job.task, lighter.spec, n_train if lighter.kept else lighter.table.num_rows, effort
    ) as runner:
        climb = select.climb(
            job.task,
            lighter.spec,
            job.ladder,
            lighter.table,
            lighter.folds,
            effort=effort,
            limits=limits,
            whole=job.rows.folds,
            cache=job.folder / "folds" / lighter.digest,
            runner=runner,
            progress=loop.progress,
        )
    choice = select.choose(climb, margin=settings.margin, budget_s=budget_s)
    candidate = next(one.candidate for one in climb.attempts if one.candidate.name == choice.chosen)
    diagnosis = None
    if not choice.interrupted and not lighter.kept:  # kept rows would be taken for all there are
        diagnosis = select.diagnose(
            job.task,
            job.features,
            candidate,
            candidate.params,
            job.rows.teach,
            climb.parts,
            climb=climb,
            margin=settings.margin,
            deadline=climb.deadline,
            progress=loop.progress,
        )
        candidate = replace(candidate, params=diagnosis.params)
    return _Chosen(choice, candidate, climb.rows, climb.predicted(choice.chosen), diagnosis)


def _fit(loop: Loop, job: _Job, chosen: _Chosen) -> _Judged:
    candidate = chosen.candidate
    loop.progress("fit", 0, 2, candidate.name)
    teach, features, reduction = job.rows.teach, job.lighter.spec, job.lighter.record
    seen = chosen.rows, chosen.predicted
    if not chosen.choice.interrupted:
        teach, features, reduction = final_rows(loop, job.task, job.lighter, candidate, job.rows)
    if job.lighter.kept and teach is job.rows.teach:
        seen = _seen(loop, job, candidate)
    learnt = plain = job.task.fit(candidate, candidate.params, teach, spec=features)
    mitigation, finish = None, None
    rows, predicted = seen
    if job.plan is None and rows is not None and predicted is not None:
        loop.progress("fit", 0, 2, "finish")
        learnt, finish = learnt.finish(job.rows.teach.take(rows), predicted, job.features)
    if job.plan is not None:
        loop.progress("fit", 0, 2, f"{candidate.name}, {job.plan.method}")
        task = mitigated_task(task_named(job.spec.task), job.plan)
        learnt = task.fit(candidate, candidate.params, teach, spec=features)
        mitigation = record(job.task, job.plan, plain, learnt, job.rows.judge, job.features)
    fitted = behind(learnt, job.made, job.spec)
    loop.progress("fit", 1, 2, "judge")
    losses = job.task.losses(fitted, job.rows.judge, job.spec)
    metrics = job.task.metrics(fitted, job.rows.judge, job.spec)
    predictions = fitted.predict(job.rows.judge)
    loop.progress("fit", 2, 2, "done")
    return _Judged(
        fitted, learnt.importance, losses, metrics, predictions, mitigation, finish, reduction, teach.num_rows
    )


def _seen(loop: Loop, job: _Job, candidate: Candidate) -> tuple[np.ndarray | None, pa.Table | None]:
    """Return what the chosen rung says of rows out of fold when it learns from all: kept rows would finish another."""
    from cauce import select

    only = replace(candidate, space={})
    where = job.folder / "folds" / "whole"
    climb = select.climb(
        job.task, job.features, (only,), job.rows.teach, job.rows.folds, cache=where, progress=loop.progress
    )
    return climb.rows, climb.predicted(candidate.name)


def _training(loop: Loop, job: _Job, chosen: _Chosen, judged: _Judged, *, seconds: float) -> Training:
    choice = chosen.choice
    return Training(
        model=job.spec.model,
        task=job.spec.task,
        rung=choice.chosen,
        spec=job.spec,
        snapshot=job.snapshot,
        choice=choice,
        metrics=judged.metrics,
        held_out_loss=float(np.mean(judged.losses.values)),
        n_train=judged.n_train,
        n_held_out=job.rows.judge.num_rows,
        n_ledger=job.rows.n_ledger,
        split=job.rows.kind,
        fingerprint=_identity(job, choice),
        created_at=loop.now(),
        seconds=seconds,
        libraries={name: version(name) for name in LIBRARIES} | (job.made.functions.libraries if job.made else {}),
        importance=judged.importance,
        mitigation=judged.mitigation,
        finish=judged.finish,
        diagnosis=chosen.diagnosis,
        reduction=judged.reduction,
    )


def _identity(job: _Job, choice: Choice) -> str:
    """Return what a release is found again by: an interrupted climb's is its own, so that the next run completes it."""
    if not choice.interrupted:
        return job.fingerprint
    return fingerprint(job.fingerprint, [rung.name for rung in choice.rungs if rung.mean_loss is not None])


def _register(loop: Loop, job: _Job, judged: _Judged, training: Training, found: Audit) -> Release:
    from cauce import report, track
    from cauce.loop.expect import expect

    loop.progress("register", 0, 1)
    reference, bins, counts = _reference(job, judged)
    expected = expect(job.spec, judged.fitted, job.rows.judge, judged.predictions, judged.losses)
    folder = job.folder / "package"
    shutil.rmtree(folder, ignore_errors=True)
    digest = track.write_package(
        folder,
        fitted=judged.fitted,
        training=training,
        profile=reference,
        bins=bins,
        reference_counts=counts,
        units=_units(job.rows, judged.losses),
        expected=expected.content,
        second=expected.second,
    )
    documents = {"audit.json": to_json(found), "choice.json": to_json(training.choice)}
    for language, text in training.choice.reason.items():
        documents[f"reason.{language}.txt"] = text.encode()
    plots = report.plots(judged.metrics, judged.importance, loop.project.file.project.language)
    documents.update({f"plots/{name}": svg for name, svg in {**plots, **job.lighter.plots}.items()})
    run = track.Run(
        training=training,
        package=folder,
        digest=digest,
        params={"rung": training.rung, "loss": training.spec.loss, "split": training.split, "seed": training.spec.seed},
        metrics={**judged.metrics.values, "held_out_loss": training.held_out_loss},
        documents=documents,
        tags={},
    )
    release = loop.tracker.register(run)
    loop.progress("register", 1, 1)
    return release


def _reference(job: _Job, judged: _Judged) -> tuple[bytes, bytes, dict[str, np.ndarray]]:
    """Return the profile of the rows that taught, bins fixed by it, and the counts that the watch compares with.

    Inputs are counted on the population that the release was accepted on; predictions on the units set aside, since
    on its own training rows a model is surer than it will be.
    """
    from cauce import profile

    names = list(job.spec.schema.names)
    seen = profile.summarise(job.rows.teach.select(names).to_batches(max_chunksize=65_536))
    bins = profile.make_bins(seen, job.spec.schema)
    outputs = judged.predictions.select(["prediction"])
    said = profile.summarise(outputs.to_batches())
    bins_out = profile.make_bins(said, said.schema(["prediction"]))
    both = profile.Bins({**bins.columns, **bins_out.columns})
    return seen.to_bytes(), both.to_bytes(), {**bins.count(job.rows.accepted_on), **bins_out.count(outputs)}


def _units(rows: Material, losses: Losses) -> pa.Table:
    import pyarrow as pa

    n_teach, n_judge = len(rows.teach_units), len(rows.judge_units)
    return pa.table(
        {
            "unit": pa.array([*rows.teach_units.tolist(), *rows.judge_units.tolist()], pa.string()),
            "role": pa.array(["train"] * n_teach + ["held_out"] * n_judge, pa.string()),
            "loss": pa.array([None] * n_teach + losses.values.tolist(), pa.float64()),
        }
    )

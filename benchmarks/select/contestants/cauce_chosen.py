"""Cauce: one model, chosen on five folds by the rule, fitted again on all rows."""

from __future__ import annotations

from typing import Any

import lightgbm  # noqa: F401 - libraries that Cauce imports when they are used: the clock counts fitting alone
import numpy as np
import optuna  # noqa: F401
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.optimize  # noqa: F401
import sklearn.isotonic
import sklearn.linear_model  # noqa: F401
from benchmarks.select.contestants.contest import Entry, Fitted, megabytes, run

from cauce import data, select
from cauce.core.artefacts import Choice, TaskSpec
from cauce.core.registry import task as task_named
from cauce.core.specs import SplitSpec
from cauce.profile import summarise

FOLDS = 5
MARGIN = 0.01
KEPT_BACK = 1.5


def tables(asked: Entry) -> tuple[pa.Table, pa.Table]:
    """Return training and test rows as they lie in the files."""
    return pq.read_table(asked.train), pq.read_table(asked.test)


def fit(asked: Entry, train: pa.Table) -> Fitted:
    """Profile, climb, choose, fit: all of it within the clock."""
    task = task_named(asked.task)
    profile = summarise(train.to_batches())
    features = tuple(name for name in train.column_names if name != asked.target)
    spec = TaskSpec(
        "m", asked.task, asked.target, profile.schema(features), "log" if asked.classify else "squared", seed=asked.seed
    )
    split = SplitSpec(seed=asked.seed, folds=FOLDS)
    folds = data.fold_all(train, split, task=asked.task, target=asked.target, key=None, time=None, group=None).folds
    ladder = task.candidates(spec, profile)
    effort = select.Effort(asked.seconds, KEPT_BACK)
    with select.runner_for(task, spec, train.num_rows, effort) as runner:
        climb = select.climb(task, spec, ladder, train, folds, effort=effort, runner=runner)
    choice = select.choose(climb, margin=MARGIN, budget_s=asked.seconds)
    rung = next(one.candidate for one in climb.attempts if one.candidate.name == choice.chosen)
    found = select.diagnose(
        task, spec, rung, rung.params, train, climb.parts, climb=climb, margin=MARGIN, deadline=climb.deadline
    )
    fitted = task.fit(rung, found.params, train, spec=spec)
    predicted = climb.predicted(choice.chosen)
    if predicted is not None and climb.rows is not None:
        fitted = fitted.finish(train.take(climb.rows), predicted, spec).fitted
    kept = asked.out / "model"
    kept.mkdir()
    fitted.save(kept)

    def predict(rows: pa.Table) -> Any:
        found = fitted.predict(rows)
        if not asked.classify:
            return found["prediction"].to_numpy()
        return np.column_stack([found[f"prob_{label}"].to_numpy() for label in fitted.classes])

    return Fitted(
        predict=predict,
        classes=list(fitted.classes),
        chosen=choice.chosen,
        size_mb=megabytes(kept),
        libraries=("cauce", "scikit-learn", "lightgbm"),
        notes=_notes(climb, choice),
    )


def _notes(climb: select.Climb, choice: Choice) -> dict[str, Any]:
    """Return every rung's loss out of fold, and whether the chosen one is within one standard error of the best."""
    losses = {one.candidate.name: one.losses for one in climb.complete if one.losses is not None}
    best = losses[choice.best]
    limit = best.mean() + best.std(ddof=1) / np.sqrt(len(best))
    return {
        "rungs": {rung.name: rung.mean_loss if rung.mean_loss is not None else rung.why for rung in choice.rungs},
        "best": choice.best,
        "trials": {name: len(trials) for name, trials in choice.trials.items()},
        "seconds_choosing": choice.seconds,
        "within_one_se": bool(losses[choice.chosen].mean() <= limit),
    }


if __name__ == "__main__":
    run(fit, tables)

"""Every trial of tuning is a run below its training's, as an ordinary MLflow client reads it."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cauce.core.artefacts import Trial
from cauce.core.state import State
from cauce.track import Run, Tracker
from cauce.track.client import import_mlflow, open_client
from cauce.track.database import Database

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

TRIALS = {
    "boosting": (
        Trial(0, {"learning_rate": 0.1, "leaves": 31, "sampled": True}, 0.5, 5, 2.5, "complete"),
        Trial(1, {"learning_rate": 0.3, "leaves": 255, "sampled": False}, 0.75, 2, 1.25, "pruned"),
        Trial(2, {"learning_rate": 0.01, "leaves": 7, "sampled": True}, None, 0, 0.0, "failed"),
    ),
    "mlp": (Trial(0, {"kind": "wide"}, 0.625, 4, 8.0, "budget"),),
}


@pytest.fixture
def make_tuned(make_run: Callable[..., Run], make_package: Callable[..., str]) -> Callable[..., Run]:
    def make(fingerprint: str = "f1", trials: Any = TRIALS) -> Run:
        run = make_run(fingerprint)
        training = replace(run.training, choice=replace(run.training.choice, trials=trials))
        folder = run.package.with_name(f"{run.package.name}-tuned")
        shutil.rmtree(folder, ignore_errors=True)
        return replace(run, training=training, package=folder, digest=make_package(folder, training))

    return make


def children(state: State, parent: str) -> list[MlflowRun]:
    """Return them as MLflow's own pages find them, in the order of their trials."""
    client = open_client(state)
    experiment = client.get_experiment_by_name("dropout")
    assert experiment is not None
    asked = f"tags.`mlflow.parentRunId` = '{parent}'"
    return list(client.search_runs([experiment.experiment_id], asked, order_by=["attributes.start_time"]))


def test_a_client_reads_every_trial_below_its_training(ready: State, make_tuned: Callable[..., Run]) -> None:
    release = Tracker(ready).register(make_tuned())
    found = children(ready, release.run_id)
    names = ["boosting-trial-0", "boosting-trial-1", "boosting-trial-2", "mlp-trial-0"]
    assert [run.info.run_name for run in found] == names
    assert [run.info.status for run in found] == ["FINISHED", "KILLED", "FAILED", "KILLED"]
    assert [run.data.tags["cauce.outcome"] for run in found] == ["complete", "pruned", "failed", "budget"]
    assert [run.data.tags["cauce.rung"] for run in found] == ["boosting"] * 3 + ["mlp"]
    assert found[0].data.params == {"learning_rate": "0.1", "leaves": "31", "sampled": "True"}
    assert [run.data.metrics.get("mean_loss") for run in found] == [0.5, 0.75, None, 0.625]
    assert [run.data.metrics["n_folds"] for run in found] == [5, 2, 0, 4]
    assert [run.data.metrics["trial"] for run in found] == [0, 1, 2, 0]
    for run, trial in zip(found, (trial for trials in TRIALS.values() for trial in trials), strict=True):
        assert run.info.end_time is not None
        assert run.info.end_time - run.info.start_time == 1000 * trial.seconds == 1000 * run.data.metrics["seconds"]
    client = open_client(ready)
    (first,) = client.get_metric_history(found[0].info.run_id, "mean_loss")
    assert (first.value, first.step) == (0.5, 0)


def test_children_are_runs_like_others_to_a_client(ready: State, make_tuned: Callable[..., Run]) -> None:
    release = Tracker(ready).register(make_tuned())
    client = open_client(ready)
    first = children(ready, release.run_id)[0].info
    parent = client.get_run(release.run_id).info
    assert (first.experiment_id, first.user_id) == (parent.experiment_id, parent.user_id)
    assert first.artifact_uri == parent.artifact_uri.replace(release.run_id, first.run_id)
    assert client.list_artifacts(first.run_id) == []
    client.set_tag(first.run_id, "note", "a good one")
    client.log_metric(first.run_id, "mean_loss", 0.25, step=1)
    assert client.get_run(first.run_id).data.metrics["mean_loss"] == 0.25
    client.delete_run(first.run_id)
    assert len(children(ready, release.run_id)) == 3


def test_trials_are_no_releases(ready: State, make_tuned: Callable[..., Run], tmp_path: Path) -> None:
    tracker = Tracker(ready)
    first = tracker.register(make_tuned())
    assert tracker.register(make_tuned()) == first
    assert len(children(ready, first.run_id)) == 4
    second = tracker.register(make_tuned("f2"))
    assert tracker.versions("dropout") == (1, 2)
    assert (tracker.find("dropout", "f1"), tracker.find("dropout", "f2")) == (1, 2)
    assert [len(children(ready, release.run_id)) for release in (first, second)] == [4, 4]
    assert {path.name for path in (ready.models / "dropout").iterdir()} == {first.run_id, second.run_id}
    copy = State(tmp_path / "restored").open()
    tracker.copy_database(copy.mlflow)
    shutil.copytree(ready.models, copy.models)
    assert Tracker(copy).relocate()
    assert Tracker(copy).open("dropout", 1)[0] == first
    moved = children(copy, first.run_id)
    assert len(moved) == 4
    assert all(str(run.info.artifact_uri).startswith(copy.models.as_uri()) for run in moved)


# Python 3.12 warns of forks where threads run. The child does nothing but register and die.
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_around_the_trials_leaves_each_once(ready: State, make_tuned: Callable[..., Run], moment: str) -> None:
    import_mlflow()
    run = make_tuned()
    pid = os.fork()
    if pid == 0:
        real = Database.add_children

        def killed(self: Database, *given: Any) -> None:
            if moment == "after":
                real(self, *given)
            os.kill(os.getpid(), signal.SIGKILL)

        Database.add_children = killed  # type: ignore[method-assign,assignment]
        try:
            Tracker(ready).register(run)
        finally:
            os._exit(77)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    release = Tracker(ready).register(run)
    client = open_client(ready)
    experiment = client.get_experiment_by_name("dropout")
    assert experiment is not None
    active = {found.info.run_id for found in client.search_runs([experiment.experiment_id])}
    assert active == {release.run_id, *(found.info.run_id for found in children(ready, release.run_id))}
    assert len(active) == 5

"""`register` is killed between any two of its steps; the next one goes through and leaves one version."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from cauce.core.state import State
from cauce.track import Run, Tracker, tracker
from cauce.track.client import import_mlflow, open_client

# Python 3.12 warns of forks where threads run. The child does nothing but register and die.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")

STEPS = [
    "client.create_experiment",
    "client.create_run",
    "client.log_batch",
    "client.set_terminated",
    "client.create_registered_model",
    "client.create_model_version",
    "client.delete_run",
    "tracker.verify_package",
    "tracker.write_mlmodel",
    "tracker.place_folder",
]


def register_until(state: State, run: Run, step: str, moment: str) -> None:
    """Register in a child that is killed by signal 9 before or after `step`."""
    child = os.fork()
    if child == 0:
        try:
            _die_at(step, moment)
            Tracker(state).register(run)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(77)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"{step} was not reached: {status}"
    assert os.WTERMSIG(status) == signal.SIGKILL


def _die_at(step: str, moment: str) -> None:
    import mlflow

    owner: Any = mlflow.MlflowClient if step.startswith("client.") else tracker
    name = step.partition(".")[2]
    real: Callable[..., Any] = getattr(owner, name)

    def killed(*args: Any, **kwargs: Any) -> None:
        if moment == "after":
            real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, killed)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_leaves_one_version(
    ready: State, make_run: Callable[..., Run], step: str, moment: str
) -> None:
    import_mlflow()
    if step == "client.delete_run":  # is reached only when an earlier one was interrupted
        register_until(ready, make_run(), "client.log_batch", "after")
    register_until(ready, make_run(), step, moment)
    found = Tracker(ready)
    release = found.register(make_run())
    assert found.versions("dropout") == (1,)
    assert found.open("dropout", 1)[0] == release
    client = open_client(ready)
    experiment = client.get_experiment_by_name("dropout")
    assert experiment is not None
    assert [run.info.run_id for run in client.search_runs([experiment.experiment_id])] == [release.run_id]
    assert [path.name for path in (ready.models / "dropout").iterdir()] == [release.run_id]


def test_a_kill_while_the_database_is_made_leaves_none(state: State, make_run: Callable[..., Run]) -> None:
    import_mlflow()
    child = os.fork()
    if child == 0:
        try:
            from cauce.track import client

            def killed(*_: object) -> None:
                os.kill(os.getpid(), signal.SIGKILL)

            client._migrate = killed  # type: ignore[assignment]
            Tracker(state).register(make_run())
        finally:
            os._exit(77)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert not state.mlflow.exists()
    assert Tracker(state).register(make_run()).version == 1
    assert not list(state.root.glob(".mlflow.*"))


def test_two_processes_at_once_make_one_version(ready: State, make_run: Callable[..., Run]) -> None:
    import_mlflow()
    run, children = make_run(), []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            try:
                os._exit(Tracker(ready).register(run).version)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(77)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [1, 1, 1]
    assert Tracker(ready).versions("dropout") == (1,)

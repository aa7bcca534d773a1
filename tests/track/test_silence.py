"""The room prints nothing, calls nobody, and leaves MLflow's global state alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cauce.core.state import State

InNewProcess = Callable[..., "subprocess.CompletedProcess[str]"]

SILENT = """
    import logging, os, platform, socket, subprocess, sys, threading
    from pathlib import Path

    def refuse(*arguments, **_):
        os.write(2, f"called out: {arguments}".encode())
        os._exit(3)

    socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
    platform.platform()  # asks uname once
    subprocess.Popen.__init__ = lambda _, command, *__, **___: refuse(command)  # git
    logging.getLogger().addHandler(handler := logging.StreamHandler())
    logging.getLogger().setLevel(logging.INFO)
    sqlalchemy_handlers = list(logging.getLogger("sqlalchemy.engine").handlers)
    BEFORE
    from cauce.core.state import State
    from cauce.track import Run, Tracker
    root = Path(sys.argv[1])
    of = module.training()
    digest = module.package(root / "package", of)
    tracker = Tracker(State(root / "project").open())
    release = tracker.register(Run(of, root / "package", digest, metrics={"accuracy": 1.0}, documents={"a.json": b"1"}))
    tracker.set_alias("dropout", "champion", release.version)
    assert tracker.open("dropout", 1)[0] == release

    from mlflow.telemetry import get_telemetry_client
    assert get_telemetry_client() is None
    from mlflow.tracking._tracking_service import utils
    assert utils._tracking_uri is None
    assert "MLFLOW_TRACKING_URI" not in os.environ and "MLFLOW_REGISTRY_URI" not in os.environ
    assert logging.getLogger("sqlalchemy.engine").handlers == sqlalchemy_handlers
    assert [thread.name for thread in threading.enumerate()] == ["MainThread"], threading.enumerate()
    assert not (Path.cwd() / "mlruns").exists()
"""


def check(in_new_process: InNewProcess, tmp_path: Path, before: str) -> None:
    code = SILENT.replace("BEFORE", before or "pass")
    done = in_new_process(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", "")


def test_a_registration_says_nothing_and_calls_nobody(in_new_process: InNewProcess, tmp_path: Path) -> None:
    check(in_new_process, tmp_path, "")


@pytest.mark.slow
def test_telemetry_stays_off_where_the_environment_asks_for_it(in_new_process: InNewProcess, tmp_path: Path) -> None:
    check(in_new_process, tmp_path, "os.environ['MLFLOW_DISABLE_TELEMETRY'] = 'false'")


def test_reading_and_pointing_need_no_mlflow(state: State) -> None:
    code = """if True:
        import sys
        from pathlib import Path
        import cauce.track
        from cauce.core.state import State
        tracker = cauce.track.Tracker(State(Path(sys.argv[1])))
        assert tracker.alias("dropout", "champion") is None
        tracker.drop_alias("dropout", "champion")
        heavy = {"mlflow", "pandas", "pyarrow", "sqlalchemy", "alembic", "sklearn", "fastapi"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
    """
    command = [sys.executable, "-c", code, str(state.project)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr

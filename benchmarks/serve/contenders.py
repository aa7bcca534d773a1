"""Who is measured: how each is installed, started and asked, how its answer is read, and what it does not do.

Every peer runs as its documentation says for production, without access log, with uvloop and httptools where it can
use them, one thread for numerics. Where its own protocol has arrays of numbers, it gets those, which is less work than
named fields: BentoML, MLServer, MLflow. Where the decoder is the user's own (LitServe, Ray Serve, FastAPI), the body is
Cauce's own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.serve import processes, project
from benchmarks.serve.measure import Target
from benchmarks.serve.processes import Running
from benchmarks.serve.project import COLUMNS, Rows, Trained, named

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers"
START_S = 120.0
STANDARD = ("uvicorn[standard]==0.54.0", "scikit-learn==1.9.1", "lightgbm==4.7.0", "numpy==2.4.6")
ENVIRONMENTS = {
    "fastapi": ("fastapi==0.165.0", "pydantic==2.14.4", "orjson==3.13.0", "pandas==3.1.1", *STANDARD),
    "litserve": ("litserve==0.2.19", "fastapi==0.165.0", *STANDARD),
    "bentoml": ("bentoml==1.4.40", *STANDARD),
    "ray": ("ray[serve]==2.60.0", *STANDARD),
    "mlflow": ("mlflow==3.17.2", "pandas==3.1.1", *STANDARD),
    "mlserver": ("mlserver==1.7.1", "mlserver-lightgbm==1.7.1", "mlserver-sklearn==1.7.1", "uvloop==0.21.0", *STANDARD),
}
"""Name → what is installed."""


@dataclass(frozen=True)
class Case:
    """What is to be started."""

    trained: Trained
    taken: Path
    """Folder with what was taken out of Cauce's package, and with the peers' own models."""
    envs: Path
    workers: int
    port: int
    home: Path
    """Where whatever it writes may lie."""


@dataclass(frozen=True)
class Contender:
    """One way to serve the model."""

    name: str
    label: str
    env: str | None
    """Environment of its own; None: the one that runs this."""
    command: Callable[[Case], list[str]]
    path: str = "/predict"
    form: Callable[[Rows], Any] = named
    key: str = "named"
    """Names the form of its bodies."""
    read: Callable[[Any], list[float]] = lambda answer: list(answer["probabilities"])
    extra: Mapping[str, str] = field(default_factory=dict)
    lacks: str = "authentication, ledger"
    settings: str = ""
    kinds: tuple[str, ...] = project.KINDS
    """Models that it is measured with."""
    reference: bool = False
    """Serves no model: stands beside the others and wins nothing."""

    def start(self, case: Case, *, core: int | None) -> Running:
        """Start it; `ready` says when it answers."""
        own = {
            "MODELS": str(case.taken),
            "MODEL": case.trained.kind,
            "WORKERS": str(case.workers),
            "PORT": str(case.port),
        }
        own |= {"RAY_FOLDER": str(case.home / "ray"), "PYTHONPATH": str(project.ROOT)}
        env = processes.environment(case.home, {**own, **self.extra})
        folder = case.home
        if self.env is None:
            env |= {"PYTHONPATH": str(project.ROOT / "src"), "CAUCE_SERVE__WORKERS": str(case.workers), "CI": "1"}
            folder = case.trained.folder
            shutil.rmtree(folder / ".cauce" / "ledger", ignore_errors=True)
        else:
            env["PATH"] = f"{case.envs / self.env / 'bin'}{os.pathsep}{env['PATH']}"
        return processes.start(self.command(case), port=case.port, folder=folder, env=env, core=core)

    def target(self, case: Case, size: int) -> Target:
        """Return where and with what it is asked; for Cauce with its token."""
        bodies = case.taken / f"bodies-{self.key}-{size}.txt"
        project.write_bodies(bodies, case.trained.rows, size, self.form)
        token = (case.trained.folder / ".cauce" / "secrets" / "token").read_text().strip() if self.env is None else ""
        return Target(case.port, self.path, bodies, token)

    def ready(self, running: Running, case: Case) -> float:
        """Wait for the first right answer and return the seconds since the start."""
        patient = running.begun + START_S
        last: Exception | None = None
        while time.monotonic() < patient:
            if running.process.poll() is not None:
                raise RuntimeError(
                    f"{self.name} ended with {running.process.returncode}: {running.log.read_text()[-1500:]}"
                )
            try:
                self.check(case, 1, most=1)
            except (OSError, AssertionError, LookupError) as error:
                last = error
                time.sleep(0.02)
            else:
                return time.monotonic() - running.begun
        raise RuntimeError(
            f"{self.name} gave no right answer within {START_S:.0f} s: {last}; {running.log.read_text()[-1500:]}"
        )

    def check(self, case: Case, size: int, *, most: int = 32) -> float:
        """Ask bodies one after the other; return the largest difference from Cauce's package, at most 1e-6."""
        import http.client

        target = self.target(case, size)
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {target.token}"} if target.token else {}
        )
        connection = http.client.HTTPConnection("127.0.0.1", case.port, timeout=10.0)
        worst = 0.0
        try:
            with target.bodies.open("rb") as bodies:
                for i, body in zip(range(most), bodies, strict=False):
                    connection.request("POST", self.path, body.rstrip(b"\n"), headers)
                    answer = connection.getresponse()
                    content = answer.read()
                    if answer.status != 200:
                        raise LookupError(f"{self.name}: {answer.status} {content[:300]!r}")
                    if self.reference:
                        continue
                    found = self.read(json.loads(content))
                    wanted = case.trained.expected[i * size : (i + 1) * size].tolist()
                    assert len(found) == len(wanted), f"{self.name}: {len(found)} answers to {len(wanted)} rows"
                    worst = max(worst, *(abs(a - b) for a, b in zip(found, wanted, strict=True)))
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()
        assert worst <= 1e-6, f"{self.name}: {worst} from what the model gives"
        return worst


def python(envs: Path, name: str) -> Path:
    """Return the interpreter of a peer's own environment, made where it is not there."""
    folder = envs / name
    if not (folder / "made").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", *ENVIRONMENTS[name]], check=True)
        (folder / "made").touch()
    return folder / "bin" / "python"


def versions(envs: Path, name: str) -> dict[str, str]:
    """Return what is installed of what was asked for."""
    wanted = [need.split("[")[0].split("==")[0] for need in ENVIRONMENTS[name]]
    code = "import json, sys; from importlib.metadata import version as v"
    code += "; print(json.dumps({n: v(n) for n in sys.argv[1:]}))"
    told = subprocess.run([python(envs, name), "-c", code, *wanted], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(told.stdout)
    return found


def prepare(envs: Path, taken: Path, names: list[str]) -> None:
    """Make the environments, and the models in the form of those peers that want one."""
    for contender in (CONTENDERS[name] for name in names):
        if contender.env is not None:
            python(envs, contender.env)
    for name in ("mlflow", "mlserver"):
        if any(CONTENDERS[each].env == name for each in names) and not (taken / name).exists():
            env = processes.environment(taken / "home", {"MODELS": str(taken), "PYTHONPATH": str(project.ROOT)})
            subprocess.run(
                [python(envs, name), PEERS / "made.py", name, taken / name],
                env=env,
                check=True,
                capture_output=True,
                cwd=taken,
            )


def _uvicorn(module: str) -> Callable[[Case], list[str]]:
    def command(case: Case) -> list[str]:
        return [
            str(python(case.envs, "fastapi")), "-m", "uvicorn", f"benchmarks.serve.peers.{module}:app",
            "--port", str(case.port), "--workers", str(case.workers),
            "--no-access-log", "--log-level", "warning", "--loop", "uvloop", "--http", "httptools",
        ]  # fmt: skip

    return command


def _cauce(case: Case) -> list[str]:
    return [*project.CAUCE, "serve", "--port", str(case.port), "--quiet"]


def _unwritten(case: Case) -> list[str]:
    return [sys.executable, str(HERE / "unwritten.py"), "serve", "--port", str(case.port), "--quiet"]


def _script(env: str, file: str) -> Callable[[Case], list[str]]:
    return lambda case: [str(python(case.envs, env)), str(PEERS / file)]


def _bentoml(case: Case) -> list[str]:
    serve = [
        str(case.envs / "bentoml" / "bin" / "bentoml"),
        "serve",
        "benchmarks.serve.peers.bentoml_app:Model",
        "--host",
        "127.0.0.1",
    ]
    return [*serve, "--port", str(case.port), "--working-dir", str(project.ROOT)]


def _mlflow(case: Case) -> list[str]:
    serve = [str(case.envs / "mlflow" / "bin" / "mlflow"), "models", "serve", "--env-manager", "local"]
    where = ["--host", "127.0.0.1", "--port", str(case.port), "--workers", str(case.workers)]
    return [*serve, "--model-uri", str(case.taken / "mlflow" / case.trained.kind), *where]


def _mlserver(case: Case) -> list[str]:
    folder = case.home / f"mlserver-{case.port}"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(case.taken / "mlserver" / case.trained.kind, folder)
    parallel = 0 if case.workers == 1 else case.workers
    settings = {
        "debug": False, "host": "127.0.0.1", "http_port": case.port, "grpc_port": processes.free_port(),
        "metrics_port": processes.free_port(), "parallel_workers": parallel, "metrics_dir": str(folder / "metrics"),
    }  # fmt: skip
    (folder / "settings.json").write_text(json.dumps(settings))
    return [str(case.envs / "mlserver" / "bin" / "mlserver"), "start", str(folder)]


def _v2(rows: Rows) -> dict[str, Any]:
    tensor = {"name": "rows", "shape": list(rows.shape), "datatype": "FP64", "data": rows.ravel().tolist()}
    return {"inputs": [tensor], "outputs": []}


def _v2_chances(rows: Rows) -> dict[str, Any]:
    return _v2(rows) | {"outputs": [{"name": "predict_proba"}]}


def _read_v2(answer: Any) -> list[float]:
    output = answer["outputs"][0]
    data = list(output["data"])
    return data[1::2] if output["name"] == "predict_proba" else data


def _read_mlflow(answer: Any) -> list[float]:
    return [row[-1] if isinstance(row, list) else row for row in answer["predictions"]]


def _read_cauce(answer: Any) -> list[float]:
    return [one["probabilities"]["yes"] for one in answer["predictions"]]


def _split(rows: Rows) -> dict[str, Any]:
    return {"dataframe_split": {"columns": COLUMNS, "data": rows.tolist()}}


OURS: dict[str, Any] = {
    "env": None, "command": _cauce, "path": "/v1/models/model/predict", "read": _read_cauce,
    "lacks": "nothing of these",
}  # fmt: skip
RAY = {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", "RAY_SERVE_ENABLE_HA_PROXY": "1"}
ALL = (
    Contender("cauce", "Cauce", settings="token, ledger acknowledged, metrics; as it comes", **OURS),
    Contender(
        "cauce_relaxed", "Cauce, ledger relaxed", extra={"CAUCE_SERVE__DURABILITY": "relaxed"},
        settings='durability = "relaxed"', **OURS,
    ),
    Contender(
        "cauce_unwritten", "Cauce, ledger not written",
        settings="lines are made and dropped; no such switch in the product",
        **{**OURS, "command": _unwritten, "lacks": "ledger"},
    ),
    Contender(
        "fastapi_naive", "FastAPI + scikit-learn", "fastapi", _uvicorn("fastapi_naive"), extra={"ROUTE": "async"},
        settings="pydantic model of 30 fields, DataFrame, pipeline.predict_proba, in the event loop",
    ),
    Contender(
        "fastapi_thread", "FastAPI + scikit-learn, threads", "fastapi", _uvicorn("fastapi_naive"), kinds=("boosting",),
        settings="the same as a plain `def`, in FastAPI's threads",
    ),
    Contender(
        "fastapi_lean", "FastAPI, lean", "fastapi", _uvicorn("fastapi_lean"),
        lacks="authentication, ledger, validation, document of its fields",
        settings="orjson, one numpy array, booster or dot product; no pydantic, no DataFrame",
    ),
    Contender(
        "fastapi_bare", "FastAPI, no model", "fastapi", _uvicorn("fastapi_bare"), reference=True, kinds=("boosting",),
        lacks="authentication, ledger, a model", settings="pydantic model of 30 fields, a constant as the answer",
    ),
    Contender(
        "mlflow", "mlflow models serve", "mlflow", _mlflow, "/invocations", _split, "split", _read_mlflow,
        extra={"UVICORN_ACCESS_LOG": "false", "UVICORN_LOG_LEVEL": "warning"},
        lacks="authentication, ledger, checked field names",
        settings="--env-manager local, dataframe_split",
    ),
    Contender(
        "bentoml", "BentoML", "bentoml", _bentoml, "/predict", lambda rows: {"rows": rows.tolist()}, "arrays",
        list, lacks="authentication, ledger, named fields", settings="arrays in and out, batching off",
    ),
    Contender(
        "bentoml_batched", "BentoML, batching", "bentoml", _bentoml, "/predict",
        lambda rows: {"rows": rows.tolist()}, "arrays", list, extra={"BATCHED": "1"},
        kinds=("boosting",), lacks="authentication, ledger, named fields",
        settings="arrays in and out, batchable=True",
    ),
    Contender(
        "litserve", "LitServe", "litserve", _script("litserve", "litserve_app.py"), extra={"FAST_QUEUE": "1"},
        lacks="authentication, ledger, validation", settings="fast_queue, an HTTP process per worker process",
    ),
    Contender(
        "mlserver", "MLServer", "mlserver", _mlserver, "/v2/models/model/infer", _v2, "v2", _read_v2,
        lacks="authentication, ledger, named fields", settings="debug off, parallel_workers 0 (2 with two workers)",
    ),
    Contender(
        "ray", "Ray Serve", "ray", _script("ray", "ray_app.py"), extra=RAY,
        lacks="authentication, ledger, validation",
        settings="RAY_SERVE_THROUGHPUT_OPTIMIZED=1 and RAY_SERVE_ENABLE_HA_PROXY=1, no dashboard",
    ),
)  # fmt: skip
CONTENDERS = {one.name: one for one in ALL}


def of(name: str, kind: str) -> Contender:
    """Return a contender as it is asked for a kind of model: MLServer's scikit-learn runtime is told the output."""
    from dataclasses import replace

    found = CONTENDERS[name]
    return replace(found, form=_v2_chances, key="v2-chances") if (name, kind) == ("mlserver", "linear") else found

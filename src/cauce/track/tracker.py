"""The tracker: one MLflow run a training, a run below it for each trial, one version a fingerprint, two aliases.

    .cauce/mlflow.db                               runs, versions, aliases
    .cauce/models/<model>/<run>/artifacts/         documents, as MLflow lists them
    .cauce/models/<model>/<run>/artifacts/model/   MLmodel, requirements, and the package in package/

Packages are found by this layout and not by the absolute addresses that MLflow stores, so a project may be moved.
"""

from __future__ import annotations

import fcntl
import math
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cauce.core.artefacts import Release, Training
from cauce.core.errors import Tampered, UserError
from cauce.core.files import disk_errors
from cauce.core.names import check_name
from cauce.core.state import State
from cauce.track.client import mlflow_errors, open_client
from cauce.track.database import Database
from cauce.track.mlmodel import DATA_PATH, write_mlmodel
from cauce.track.package import Package, open_package, place_folder, read_training, verify_package
from cauce.track.run import Run
from cauce.track.trials import child_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient

FINGERPRINT, DIGEST, RUNG = "cauce.fingerprint", "cauce.digest", "cauce.rung"
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_UNTAKEN = re.compile(r"[^A-Za-z0-9_./ -]")  # MLflow refuses them in names of params and metrics
_LONGEST = {"param": 6000, "tag": 8000, "description": 5000}  # characters that MLflow stores


@dataclass(frozen=True)
class Tracker:
    """Runs, versions and aliases of one project.

    Holds no connection and no client: one instance serves all threads and survives forks. Reads and alias changes do
    not import MLflow. Writers of the same project wait for each other.
    """

    state: State

    def register(self, run: Run) -> Release:
        """Register a training; the same fingerprint again gives the same release.

        The new version is the last thing written. After a kill at any moment, the same call throws the half-made run
        away and goes through. Aliases stay as they are.

        Raises
        ------
        Tampered
            The package is not the one that `run.digest` was given for.
        UserError
            The model's name is not a name; the disk is full.
        """
        training = run.training
        model = check_name(training.model)
        with self._writing():
            done = self.find(model, training.fingerprint)
            if done is not None:
                return self.release(model, done)
            client = open_client(self.state)
            if self._database.located_at() is None:
                self._database.locate(self.state.models.as_uri())
            self.relocate()
            with mlflow_errors(self.state.mlflow):
                self._clear(client, model, training.fingerprint)
                run_id = self._begin(client, run)
                self._log(client, run_id, run)
                folder = self._place(run_id, run)
                self._database.add_children(run_id, child_runs(training, run_id, {FINGERPRINT: training.fingerprint}))
                client.set_terminated(run_id, "FINISHED", end_time=_milliseconds(training))
                version = self._add_version(client, run_id, run, folder)
        return Release(model, version, run_id, run.digest, training)

    def find(self, model: str, fingerprint: str) -> int | None:
        """Return the version that a training with this fingerprint became, or None."""
        return self._database.version_tagged(check_name(model), FINGERPRINT, fingerprint)

    def alias(self, model: str, alias: str) -> int | None:
        """Return the version that holds `alias`, or None: made to be polled."""
        return self._database.alias(check_name(model), check_name(alias))

    def set_alias(self, model: str, alias: str, version: int) -> None:
        """Point `alias` at `version`: one statement, so that a reader sees the old version or the new one.

        Raises
        ------
        UserError
            There is no such version.
        """
        check_name(model)
        check_name(alias)
        if re.fullmatch(r"latest|v\d+", alias):
            raise UserError("MLflow keeps this alias for itself", where=model, received=alias, hint="Choose another.")
        if not self._database.set_alias(model, alias, version):
            raise self._no_version(model, version)

    def drop_alias(self, model: str, alias: str) -> None:
        """Remove `alias`; nothing happens where it is not set."""
        self._database.drop_alias(check_name(model), check_name(alias))

    def versions(self, model: str) -> tuple[int, ...]:
        """Return the registered versions, ascending."""
        return self._database.versions(check_name(model))

    def release(self, model: str, version: int) -> Release:
        """Return a release; of its package the manifest and `training.json` are verified and read.

        Raises
        ------
        UserError
            There is no such version.
        Tampered
            The package is missing or was changed.
        """
        run_id, digest = self._registered(model, version)
        training = read_training(self._package(model, run_id), digest)
        return Release(model, version, run_id, digest, training)

    def open(self, model: str, version: int, known: tuple[Release, Package] | None = None) -> tuple[Release, Package]:
        """Return a release and its package, every byte verified before anything is parsed.

        Parameters
        ----------
        known
            What an earlier call returned. Where it is this release, its bytes are verified again as ever, and what was
            parsed of them then is returned: a watcher that looks every few seconds saves half of its work.

        Raises
        ------
        UserError
            There is no such version.
        Tampered
            The package is missing or was changed.
        """
        run_id, digest = self._registered(model, version)
        if known is not None and (known[0].model, known[0].version, known[0].digest) == (model, version, digest):
            verify_package(self._package(model, run_id), digest)
            return known
        package = open_package(self._package(model, run_id), digest)
        return Release(model, version, run_id, digest, package.training), package

    def relocate(self) -> bool:
        """Bring MLflow's absolute addresses to where the project lies now; True where they had to change.

        Cauce itself does not need them. An ordinary MLflow client does, after the folder was moved, copied or restored.
        """
        here = self.state.models.as_uri()
        before = self._database.located_at()
        if before is None or before == here:
            return False
        self._database.locate(here, old=before)
        return True

    def copy_database(self, target: Path) -> None:
        """Write a consistent copy of MLflow's file, also while a training registers: for backups."""
        if self.state.mlflow.exists():
            with disk_errors(target):
                self._database.copy_to(target)

    @property
    def _database(self) -> Database:
        return Database(self.state.mlflow)

    def _package(self, model: str, run_id: str) -> Path:
        return self.state.models / model / run_id / "artifacts" / "model" / DATA_PATH

    def _registered(self, model: str, version: int) -> tuple[str, str]:
        """Return run id and digest of a version."""
        run_id = self._database.run_id(check_name(model), version)
        digest = self._database.tag(model, version, DIGEST)
        if version not in self.versions(model):
            raise self._no_version(model, version)
        if run_id is None or digest is None:
            hint = "Use a version that Cauce registered."
            raise UserError("not a release of Cauce: no digest", where=model, received=version, hint=hint)
        if not _RUN_ID.fullmatch(run_id):
            raise Tampered("not a run id", where=f"{model}, version {version}", received=run_id)
        return run_id, digest

    def _no_version(self, model: str, version: int) -> UserError:
        known = ", ".join(map(str, self.versions(model))) or "none"
        return UserError("no such version", where=model, received=version, hint=f"Registered versions: {known}.")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Wait for other writers of this project; the kernel frees the lock when its holder dies."""
        with disk_errors(self.state.root):
            self.state.root.mkdir(parents=True, exist_ok=True)
            file = (self.state.root / "track.lock").open("a")
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _clear(self, client: MlflowClient, model: str, fingerprint: str) -> None:
        """Throw away what an interrupted `register` left: its drafts, its folder, then its run."""
        home = self.state.models / model
        for draft in home.glob(".*"):
            shutil.rmtree(draft)
        for run_id in self._database.loose_runs(model, FINGERPRINT, fingerprint):
            shutil.rmtree(home / run_id, ignore_errors=True)
            client.delete_run(run_id)

    def _begin(self, client: MlflowClient, run: Run) -> str:
        """Create the MLflow run; its fingerprint is written with it, so that no half-made run is lost sight of."""
        training = run.training
        experiment = client.get_experiment_by_name(training.model)
        if experiment is None:
            number = client.create_experiment(training.model, (self.state.models / training.model).as_uri())
        else:
            number = experiment.experiment_id
            if experiment.lifecycle_stage == "deleted":
                client.restore_experiment(number)
        made = client.create_run(
            number,
            start_time=_milliseconds(training) - round(1000 * training.seconds),
            tags=_tags(run),
            run_name=f"{training.rung}-{training.fingerprint[:8]}",
        )
        return str(made.info.run_id)

    def _log(self, client: MlflowClient, run_id: str, run: Run) -> None:
        from mlflow.entities import Metric, Param

        at = _milliseconds(run.training)
        params = [Param(_key(name), str(value)[: _LONGEST["param"]]) for name, value in run.params.items()]
        finite = {name: float(value) for name, value in run.metrics.items() if math.isfinite(value)}
        metrics = [Metric(_key(name), value, at, 0) for name, value in finite.items()]
        for start in range(0, max(len(params), len(metrics)), 100):  # MLflow takes 100 params at once
            client.log_batch(run_id, metrics=metrics[start : start + 100], params=params[start : start + 100])

    def _place(self, run_id: str, run: Run) -> Path:
        """Lay documents, package and MLmodel where MLflow looks for them; return the model's folder."""
        home = self.state.models / run.training.model / run_id
        draft = home.with_name(f".{run_id}")
        with disk_errors(home):
            model = draft / "artifacts" / "model"
            model.mkdir(parents=True)
            shutil.copytree(run.package, model / DATA_PATH, symlinks=True)
            verify_package(model / DATA_PATH, run.digest)
            fitted_classes = run.training.metrics.classes
            write_mlmodel(model, run.training, run.digest, run_id=run_id, classes=fitted_classes)
            for name, content in run.documents.items():
                path = draft / "artifacts" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            place_folder(draft, home)
        return home / "artifacts" / "model"

    def _add_version(self, client: MlflowClient, run_id: str, run: Run, folder: Path) -> int:
        from mlflow.exceptions import MlflowException

        training = run.training
        try:
            client.get_registered_model(training.model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            client.create_registered_model(training.model, description=f"{training.task}: {training.spec.target}")
        version = client.create_model_version(
            training.model,
            folder.as_uri(),
            run_id,
            tags={DIGEST: run.digest, FINGERPRINT: training.fingerprint, RUNG: training.rung},
            description=training.choice.reason.get("en", "")[: _LONGEST["description"]],
        )
        return int(version.version)


def _tags(run: Run) -> dict[str, str]:
    training = run.training
    own = {
        FINGERPRINT: training.fingerprint,
        DIGEST: run.digest,
        RUNG: training.rung,
        "cauce.task": training.task,
        "cauce.data": training.snapshot.data,
        "cauce.snapshot.version": str(training.snapshot.version),
        "cauce.snapshot.fingerprint": training.snapshot.fingerprint,
    }
    return {**{name: value[: _LONGEST["tag"]] for name, value in run.tags.items()}, **own}


def _milliseconds(training: Training) -> int:
    return round(1000 * training.created_at.timestamp())


def _key(name: str) -> str:
    return _UNTAKEN.sub("_", name)[:250]

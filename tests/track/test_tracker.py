"""Runs, versions and aliases, held against MLflow's own client."""

from __future__ import annotations

import json
import pickletools
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cauce.core.artefacts import Training
from cauce.core.errors import Tampered, UserError
from cauce.core.state import State
from cauce.track import Run, Tracker
from cauce.track.client import ensure_database, open_client, sqlite_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

RunMaker = Callable[..., Run]


@pytest.fixture
def tracker(ready: State) -> Tracker:
    return Tracker(ready)


def client_of(tracker: Tracker) -> MlflowClient:
    return open_client(tracker.state)


def active_runs(tracker: Tracker, model: str = "dropout") -> list[str]:
    client = client_of(tracker)
    experiment = client.get_experiment_by_name(model)
    assert experiment is not None
    return [run.info.run_id for run in client.search_runs([experiment.experiment_id])]


def test_nothing_is_registered_where_nothing_was_trained(state: State) -> None:
    tracker = Tracker(state)
    assert tracker.alias("dropout", "champion") is None
    assert tracker.versions("dropout") == ()
    assert tracker.find("dropout", "f1") is None
    assert not tracker.relocate()
    assert not tracker.state.mlflow.exists()


def test_a_training_becomes_a_release_without_an_alias(tracker: Tracker, make_run: RunMaker) -> None:
    run = make_run()
    release = tracker.register(run)
    assert (release.model, release.version, release.digest) == ("dropout", 1, run.digest)
    assert release == tracker.release("dropout", 1)
    opened, package = tracker.open("dropout", 1)
    assert opened == release
    assert package.training == run.training
    assert tracker.find("dropout", "f1") == 1
    assert tracker.alias("dropout", "champion") is None


def test_an_ordinary_client_sees_the_run_and_its_documents(tracker: Tracker, make_run: RunMaker) -> None:
    release = tracker.register(make_run())
    client = client_of(tracker)
    run = client.get_run(release.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"rung": "prior", "seed": "0"}
    assert run.data.metrics == {"accuracy": 0.8}  # the figure that is no number is left out
    assert run.data.tags["cauce.fingerprint"] == "f1"
    assert run.data.tags["cauce.snapshot.version"] == "3"
    assert run.data.tags["note"] == "first"
    assert {entry.path for entry in client.list_artifacts(release.run_id)} == {"audit.json", "model", "plots"}
    version = client.get_model_version("dropout", "1")
    expected = {"cauce.digest": release.digest, "cauce.fingerprint": "f1", "cauce.rung": "prior"}
    assert version.tags == expected
    assert version.run_id == release.run_id


def test_the_same_training_twice_is_one_version(tracker: Tracker, make_run: RunMaker) -> None:
    first = tracker.register(make_run())
    assert tracker.register(make_run()) == first
    assert tracker.versions("dropout") == (1,)
    assert tracker.register(make_run("f2")).version == 2
    assert tracker.register(make_run("f1", model="grades")).version == 1
    assert tracker.versions("dropout") == (1, 2)


def test_registering_leaves_aliases_alone(tracker: Tracker, make_run: RunMaker) -> None:
    tracker.register(make_run())
    tracker.set_alias("dropout", "champion", 1)
    tracker.register(make_run("f2"))
    assert tracker.alias("dropout", "champion") == 1


def test_aliases_agree_with_mlflow_in_both_directions(tracker: Tracker, make_run: RunMaker) -> None:
    tracker.register(make_run())
    tracker.register(make_run("f2"))
    client = client_of(tracker)
    tracker.set_alias("dropout", "champion", 1)
    tracker.set_alias("dropout", "challenger", 2)
    assert int(client.get_model_version_by_alias("dropout", "champion").version) == 1
    assert client.get_registered_model("dropout").aliases == {"champion": 1, "challenger": 2}
    tracker.set_alias("dropout", "champion", 2)
    assert int(client.get_model_version_by_alias("dropout", "champion").version) == 2
    client.set_registered_model_alias("dropout", "champion", "1")
    assert tracker.alias("dropout", "champion") == 1
    tracker.drop_alias("dropout", "challenger")
    tracker.drop_alias("dropout", "challenger")
    assert client.get_registered_model("dropout").aliases == {"champion": 1}
    client.delete_model_version("dropout", "2")
    assert tracker.versions("dropout") == (1,)
    assert tracker.find("dropout", "f2") is None


def test_an_alias_needs_a_version(tracker: Tracker, make_run: RunMaker) -> None:
    tracker.register(make_run())
    for version in (0, 2, -1):
        with pytest.raises(UserError, match=r"no such version.*Registered versions: 1\."):
            tracker.set_alias("dropout", "champion", version)
    with pytest.raises(UserError, match="no such version"):
        tracker.set_alias("unknown", "champion", 1)
    for reserved in ("latest", "v1"):
        with pytest.raises(UserError, match="keeps this alias"):
            tracker.set_alias("dropout", reserved, 1)
    with pytest.raises(UserError, match="no such version"):
        tracker.open("dropout", 7)


@pytest.mark.parametrize("name", ["", "../up", "a/b", "a#b", "a%2e", "%2e%2e", "A", "a b", "a\n", "é", "a" * 64])
def test_a_name_that_is_none_is_refused_everywhere(state: State, make_run: RunMaker, name: str) -> None:
    tracker = Tracker(state)
    for call in (
        lambda: tracker.find(name, "f"),
        lambda: tracker.alias(name, "champion"),
        lambda: tracker.alias("dropout", name),
        lambda: tracker.set_alias(name, "champion", 1),
        lambda: tracker.set_alias("dropout", name, 1),
        lambda: tracker.drop_alias(name, "champion"),
        lambda: tracker.versions(name),
        lambda: tracker.open(name, 1),
        lambda: tracker.release(name, 1),
        lambda: tracker.register(make_run(model=name)),
    ):
        with pytest.raises(UserError, match="not a name"):
            call()
    assert not tracker.state.mlflow.exists()


@pytest.mark.parametrize("path", ["../x", "/x", "model/x", "a/../b", "", ".", "a//b", "a\\b", "a\0"])
def test_a_document_stays_in_its_folder(make_training: Callable[[], Training], path: str) -> None:
    with pytest.raises(ValueError, match="not a document path"):
        Run(make_training(), Path("p"), "d", documents={path: b""})


def test_a_changed_package_is_not_registered(tracker: Tracker, make_run: RunMaker) -> None:
    run = make_run()
    (run.package / "bins.json").write_bytes(b"{}")
    with pytest.raises(Tampered):
        tracker.register(run)
    assert tracker.versions("dropout") == ()
    assert tracker.register(make_run()).version == 1
    assert len(active_runs(tracker)) == 1


def test_a_changed_release_is_not_opened(tracker: Tracker, make_run: RunMaker) -> None:
    tracker.register(make_run())
    (path,) = tracker.state.models.rglob("weights.txt")
    path.write_text("1e9\n")
    with pytest.raises(Tampered, match=r"weights\.txt"):
        tracker.open("dropout", 1)


def test_what_is_opened_again_is_verified_again_and_parsed_once(tracker: Tracker, make_run: RunMaker) -> None:
    tracker.register(make_run())
    known = tracker.open("dropout", 1)
    assert tracker.open("dropout", 1, known) is known
    assert tracker.open("dropout", 1) is not known
    tracker.register(make_run("f2"))
    assert tracker.open("dropout", 2, known)[0].version == 2
    (path, *_) = (one for one in tracker.state.models.rglob("weights.txt") if known[0].run_id in str(one))
    path.write_text("1e9\n")
    with pytest.raises(Tampered, match=r"weights\.txt"):
        tracker.open("dropout", 1, known)


def test_a_consistent_forgery_is_caught_by_the_registry(
    tracker: Tracker, make_run: RunMaker, make_package: Callable[..., str]
) -> None:
    run = make_run()
    tracker.register(run)
    (manifest,) = tracker.state.models.rglob("manifest.json")
    make_package(manifest.parent, run.training, cut=99.0)
    with pytest.raises(Tampered, match="manifest"):
        tracker.open("dropout", 1)
    with pytest.raises(Tampered, match="manifest"):
        tracker.release("dropout", 1)


def test_no_file_of_a_release_is_a_pickle(tracker: Tracker, make_run: RunMaker) -> None:
    tracker.register(make_run())
    found = [path for path in tracker.state.models.rglob("*") if path.is_file()]
    assert len(found) > 10
    for path in found:
        assert path.suffix not in {".pkl", ".pickle", ".joblib"}
        content = path.read_bytes()
        assert b"pickle" not in content
        with pytest.raises((ValueError, IndexError, UnicodeDecodeError)):
            list(pickletools.genops(content))


def test_readers_see_an_alias_at_every_moment_of_a_switch(tracker: Tracker, make_run: RunMaker) -> None:
    for fingerprint in ("f1", "f2"):
        tracker.register(make_run(fingerprint))
    tracker.set_alias("dropout", "champion", 1)
    stop, seen = threading.Event(), set()

    def read() -> None:
        while not stop.is_set():
            seen.add(tracker.alias("dropout", "champion"))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(40):
        tracker.set_alias("dropout", "champion", 1 + turn % 2)
    stop.set()
    reader.join()
    assert seen <= {1, 2}


def test_no_connection_outlives_a_call(tracker: Tracker, make_run: RunMaker) -> None:
    tracker.register(make_run())
    tracker.set_alias("dropout", "champion", 1)
    assert tracker.alias("dropout", "champion") == 1
    links = [str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    assert not [link for link in links if link.startswith(str(tracker.state.root))]


def test_a_moved_project_opens_at_once_and_mlflow_follows(tracker: Tracker, make_run: RunMaker, tmp_path: Path) -> None:
    release = tracker.register(make_run())
    shutil.move(tracker.state.project, tmp_path / "mi proyecto #2 ñ")
    moved = Tracker(State(tmp_path / "mi proyecto #2 ñ"))
    assert moved.open("dropout", 1)[0] == release
    assert moved.relocate()
    assert not moved.relocate()
    client = client_of(moved)
    assert str(client.get_model_version("dropout", "1").source).startswith(moved.state.models.as_uri())
    assert {entry.path for entry in client.list_artifacts(release.run_id)} == {"audit.json", "model", "plots"}
    assert moved.register(make_run("f2")).version == 2


def test_registering_in_a_moved_project_mends_addresses_first(
    tracker: Tracker, make_run: RunMaker, tmp_path: Path
) -> None:
    tracker.register(make_run())
    shutil.copytree(tracker.state.project, tmp_path / "copy")
    copy = Tracker(State(tmp_path / "copy"))
    second = copy.register(make_run("f2"))
    client = client_of(copy)
    for version in ("1", "2"):
        assert str(client.get_model_version("dropout", version).source).startswith(copy.state.models.as_uri())
    assert str(client.get_run(second.run_id).info.artifact_uri).startswith(copy.state.models.as_uri())
    assert tracker.versions("dropout") == (1,)


def test_runs_that_others_logged_keep_their_place(tracker: Tracker, make_run: RunMaker, tmp_path: Path) -> None:
    client = client_of(tracker)
    default = client.get_experiment("0").artifact_location  # not of this project: its file was made elsewhere
    number = client.create_experiment("elsewhere", (tmp_path / "elsewhere").as_uri())
    tracker.register(make_run())
    shutil.move(tracker.state.project, tmp_path / "moved")
    moved = Tracker(State(tmp_path / "moved"))
    assert moved.relocate()
    assert client_of(moved).get_experiment(number).artifact_location == (tmp_path / "elsewhere").as_uri()
    assert client_of(moved).get_experiment("0").artifact_location == default


def test_a_copy_of_the_database_is_complete(tracker: Tracker, make_run: RunMaker, tmp_path: Path) -> None:
    tracker.register(make_run())
    tracker.set_alias("dropout", "champion", 1)
    restored = State(tmp_path / "restored").open()
    tracker.copy_database(restored.mlflow)
    shutil.copytree(tracker.state.models, restored.models)
    assert Tracker(restored).alias("dropout", "champion") == 1
    assert Tracker(restored).open("dropout", 1)[1].training.fingerprint == "f1"


def test_a_file_that_is_no_database_is_named(tracker: Tracker, make_run: RunMaker) -> None:
    tracker.state.mlflow.write_text("this is not SQLite, by far")
    with pytest.raises(UserError, match=r"mlflow\.db"):
        tracker.alias("dropout", "champion")
    with pytest.raises(UserError, match=r"mlflow\.db"):
        tracker.register(make_run())


def test_a_newer_schema_is_refused_and_left_alone(tracker: Tracker, make_run: RunMaker) -> None:
    with closing(sqlite3.connect(tracker.state.mlflow)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'of tomorrow'")
    before = tracker.state.mlflow.read_bytes()
    with pytest.raises(UserError, match="MLflow cannot read its own file"):
        tracker.register(make_run())
    assert tracker.state.mlflow.read_bytes() == before
    assert not list(tracker.state.root.glob(".mlflow.*"))


@pytest.mark.parametrize("fault", ["database or disk is full", "database is locked"])
def test_a_fault_of_the_disk_is_told_and_the_next_call_goes_through(
    tracker: Tracker, make_run: RunMaker, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    def failing(*_: object, **__: object) -> None:
        raise MlflowException(f"(sqlite3.OperationalError) {fault}")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", failing)
        with pytest.raises(UserError, match=f"{fault}; nothing is lost"):
            tracker.register(make_run())
    assert tracker.register(make_run()).version == 1


def test_a_version_that_another_program_registered_is_told_apart(tracker: Tracker, make_run: RunMaker) -> None:
    tracker.register(make_run())
    client_of(tracker).create_model_version("dropout", "file:///somewhere")
    assert tracker.versions("dropout") == (1, 2)
    with pytest.raises(UserError, match="not a release of Cauce"):
        tracker.open("dropout", 2)


def test_a_path_that_mlflow_misreads_is_refused(make_run: RunMaker, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="path with % or"):
        Tracker(State(tmp_path / "100%").open()).register(make_run())


@pytest.mark.slow
def test_an_older_schema_is_migrated_and_keeps_its_rows(state: State) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config, create_sqlalchemy_engine
    from mlflow.store.tracking.dbmodels.initial_models import Base

    ensure_database(State(state.project / "throwaway"))  # imports MLflow as the room does
    config = _get_alembic_config(sqlite_uri(state.mlflow))  # type: ignore[no-untyped-call]
    newest = ScriptDirectory.from_config(config).get_revision("head")
    older = str(newest.down_revision)
    engine = create_sqlalchemy_engine(sqlite_uri(state.mlflow))  # type: ignore[no-untyped-call]
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, older)
        connection.exec_driver_sql("INSERT INTO registered_models (name) VALUES ('kept')")
    ensure_database(state)
    assert open_client(state).get_registered_model("kept").name == "kept"
    assert [p.name for p in state.root.iterdir() if p.name.startswith(".mlflow")] == []


def test_mlmodel_is_readable_json_signature(tracker: Tracker, make_run: RunMaker) -> None:
    from mlflow.models import Model

    tracker.register(make_run())
    (path,) = tracker.state.models.rglob("MLmodel")
    model = Model.load(str(path))
    required = {spec["name"]: spec["required"] for spec in json.loads(model.signature.to_dict()["inputs"])}
    assert required == {
        "student": False,
        "age": True,
        "visits": False,
        "city": False,
        "active": True,
        "since": False,
    }
    assert model.signature.outputs.input_names() == ["student", "prediction", "prob_no", "prob_yes"]
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "MLmodel",
        "package",
        "python_env.yaml",
        "requirements.txt",
    ]

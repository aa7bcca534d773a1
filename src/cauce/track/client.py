"""MLflow's client on one SQLite file: silent, without telemetry, without global tracking state.

`mlflow` is imported here alone. What it takes from the environment at import is set first, unless the user has set it.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import tempfile
import warnings
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, cast

from cauce.core.errors import UserError
from cauce.core.files import disk_errors, sync_folder
from cauce.core.state import State

if TYPE_CHECKING:
    from mlflow import MlflowClient

_BEFORE_IMPORT = {
    "MLFLOW_CONFIGURE_LOGGING": "false",  # else it replaces the handlers of SQLAlchemy's and Alembic's loggers
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",  # no connection outlives a call, so none crosses a fork
}


def import_mlflow() -> None:
    """Import MLflow with telemetry off: whatever the environment says, no client for it exists afterwards."""
    for name, value in _BEFORE_IMPORT.items():
        os.environ.setdefault(name, value)
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    from mlflow.telemetry import get_telemetry_client, set_telemetry_client

    if get_telemetry_client() is not None:  # MLflow was imported before, by someone else
        set_telemetry_client()  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        # MLflow 3.17 warns of itself: a relation with lazy="noload", which SQLAlchemy 2.1 deprecates, and a type hint
        # in a class for agents. Can go when its modules import under `-W error`.
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=".*Any type hint is inferred as AnyType", category=UserWarning)
        import mlflow.pyfunc
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401


def open_client(state: State) -> MlflowClient:
    """Return a client of the project's own file, made and migrated where needed."""
    if set(str(state.mlflow)) & set("%?"):  # SQLAlchemy reads options and escapes there, MLflow does not
        raise UserError("MLflow keeps no file under a path with % or ?", where=str(state.mlflow), hint="Rename it.")
    import_mlflow()
    from mlflow import MlflowClient

    ensure_database(state)
    uri = sqlite_uri(state.mlflow)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def sqlite_uri(path: Path) -> str:
    """Return the tracking URI of an MLflow file."""
    return f"sqlite:///{path}"


def ensure_database(state: State) -> None:
    """Make MLflow's file, or bring it to the installed MLflow's schema.

    MLflow's migrations are not one transaction. They run on a file beside, which is then moved into place: a kill
    leaves the old file, or none. The caller holds off other writers.
    """
    import_mlflow()
    current = _revision(state.mlflow)
    if current is not None and current == _newest_revision():
        return
    with disk_errors(state.mlflow):
        state.root.mkdir(parents=True, exist_ok=True)
        for left in state.root.glob(".mlflow.*"):  # by a call that was killed
            left.unlink()
        handle, name = tempfile.mkstemp(dir=state.root, prefix=".mlflow.", suffix=".db")
        os.close(handle)
        draft = Path(name)
        try:
            if state.mlflow.exists():
                with closing(sqlite3.connect(state.mlflow)) as old, closing(sqlite3.connect(draft)) as copy:
                    old.backup(copy)
            _migrate(draft, state.models.as_uri())
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            draft.chmod(0o644)
            draft.replace(state.mlflow)
            sync_folder(state.root)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


def _migrate(path: Path, artefacts: str) -> None:
    from mlflow.store.db.utils import _upgrade_db, create_sqlalchemy_engine
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    if _revision(path) is not None:
        _upgrade_db(create_sqlalchemy_engine(sqlite_uri(path)))  # type: ignore[no-untyped-call]
    # Makes the tables where there are none, and the first experiment, which marks where artefacts lie.
    SqlAlchemyStore(sqlite_uri(path), artefacts)  # type: ignore[no-untyped-call]


def _revision(path: Path) -> str | None:
    if not path.exists():
        return None
    with closing(sqlite3.connect(path)) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:  # no such table: an empty file
            return None
    return cast("str", row[0]) if row else None


def _newest_revision() -> str:
    from mlflow.store.db.utils import _get_latest_schema_revision

    return cast("str", _get_latest_schema_revision())  # type: ignore[no-untyped-call]

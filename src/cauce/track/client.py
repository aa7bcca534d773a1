"""MLflow's client on one SQLite file: silent, without telemetry, without global tracking state.

`mlflow` is imported here alone. What it takes from the environment at import is set first, unless the user has set it.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from cauce.core.errors import UserError
from cauce.core.files import disk_errors, sync_folder
from cauce.core.state import State
from cauce.track.database import Database

if TYPE_CHECKING:
    from mlflow import MlflowClient

_BEFORE_IMPORT = {
    "MLFLOW_CONFIGURE_LOGGING": "false",  # else it replaces the handlers of SQLAlchemy's and Alembic's loggers
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",  # no connection outlives a call, so none crosses a fork
}
_LEVELS = {
    "mlflow": logging.WARNING,
    "mlflow.store": logging.CRITICAL,  # what it logs as an error it raises as well
    "alembic": logging.WARNING,
}
_MENDABLE = {
    "database or disk is full": "Free some space (`cauce doctor` lists what can be cleaned); run the command again.",
    "disk I/O error": "Check the disk, and whether it is full; run the command again.",
    "database is locked": "Another program holds MLflow's file: close it, and run the command again.",
    "readonly database": "Check the owner and mode of the file and of its folder.",
}


def import_mlflow() -> None:
    """Import MLflow with telemetry off: whatever the environment says, no client for it exists afterwards."""
    for name, value in _BEFORE_IMPORT.items():
        os.environ.setdefault(name, value)
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    for name, level in _LEVELS.items():
        logging.getLogger(name).setLevel(level)
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

    Raises
    ------
    UserError
        A newer MLflow wrote the file, it is no SQLite file, or the disk is full.
    """
    import_mlflow()
    current = Database(state.mlflow).revision()
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
            if current is not None:
                Database(state.mlflow).copy_to(draft)
            with mlflow_errors(state.mlflow):
                _migrate(draft, state.models.as_uri())
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            draft.chmod(0o644)
            draft.replace(state.mlflow)
            sync_folder(state.root)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


@contextmanager
def mlflow_errors(path: Path) -> Iterator[None]:
    """Translate what the user can mend: a full disk, a file that is in use, a newer schema."""
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import OperationalError

    try:
        yield
    except CommandError as error:
        hint = "Install the MLflow that wrote it, or a newer one."
        raise UserError(f"MLflow cannot read its own file: {error}", where=str(path), hint=hint) from error
    except (MlflowException, OperationalError) as error:
        known = [text for text in _MENDABLE if text in str(error)]
        if not known:
            raise
        raise UserError(f"{known[0]}; nothing is lost", where=str(path), hint=_MENDABLE[known[0]]) from error


def _migrate(path: Path, artefacts: str) -> None:
    """Make or migrate a draft, which its maker syncs at the end: MLflow's hundreds of commits are not synced each."""
    from mlflow.store.db.utils import _upgrade_db
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import event

    engine = SqlAlchemyStore._get_or_create_engine(sqlite_uri(path))  # noqa: SLF001 - the one that its constructor takes
    event.listen(engine, "connect", _without_sync)
    if Database(path).revision() is not None:
        _upgrade_db(engine)  # type: ignore[no-untyped-call]
    # Makes the tables where there are none, and MLflow's default experiment, whose runs then lie in the project too.
    SqlAlchemyStore(sqlite_uri(path), artefacts)  # type: ignore[no-untyped-call]


def _without_sync(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")


def _newest_revision() -> str:
    from mlflow.store.db.utils import _get_latest_schema_revision

    return cast("str", _get_latest_schema_revision())  # type: ignore[no-untyped-call]

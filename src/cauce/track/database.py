"""MLflow's SQLite file, read and pointed at directly with the standard library.

Looking up an alias is polled every second, by a service that has no other need of MLflow: a statement on a fresh
connection takes well under a millisecond and imports nothing, MLflow's client takes over a second to import. An alias
moves in one statement, which MLflow's own merge (a SELECT, then an INSERT or UPDATE) is not. Trials are written here
too: a hundred runs are one transaction, through the client hundreds. Only columns that MLflow has had since aliases
exist are named; tests hold the statements against MLflow's client. MLflow writes all else.
A deleted version stays in the table with the stage `Deleted_Internal`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cauce.core.errors import UserError
from cauce.track.trials import ChildRun

_WAIT_S = 20.0
_LOCATED = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)


@dataclass(frozen=True)
class Database:
    """Statements on one MLflow file. Holds no connection: safe across threads and forks."""

    path: Path

    def alias(self, model: str, alias: str) -> int | None:
        """Return the version that `alias` names, or None."""
        rows = self._read("SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?", model, alias)
        return rows[0][0] if rows else None

    def versions(self, model: str) -> tuple[int, ...]:
        """Return the registered versions, ascending."""
        sql = (
            "SELECT version FROM model_versions WHERE name = ? AND current_stage <> 'Deleted_Internal' ORDER BY version"
        )
        rows = self._read(sql, model)
        return tuple(row[0] for row in rows)

    def run_id(self, model: str, version: int) -> str | None:
        """Return the run behind a version, or None where there is no such version."""
        sql = "SELECT run_id FROM model_versions WHERE name = ? AND version = ? AND current_stage <> 'Deleted_Internal'"
        rows = self._read(sql, model, version)
        return rows[0][0] if rows else None

    def tag(self, model: str, version: int, key: str) -> str | None:
        """Return a version's tag, or None."""
        sql = "SELECT value FROM model_version_tags WHERE name = ? AND version = ? AND key = ?"
        rows = self._read(sql, model, version, key)
        return rows[0][0] if rows else None

    def version_tagged(self, model: str, key: str, value: str) -> int | None:
        """Return the version of `model` whose tag `key` is `value`, or None."""
        sql = (
            "SELECT version FROM model_version_tags JOIN model_versions USING (name, version) "
            "WHERE name = ? AND key = ? AND value = ? AND current_stage <> 'Deleted_Internal' ORDER BY version LIMIT 1"
        )
        rows = self._read(sql, model, key, value)
        return rows[0][0] if rows else None

    def version_of_run(self, model: str, run_id: str) -> int | None:
        """Return the version of `model` that came of `run_id`, or None."""
        sql = "SELECT version FROM model_versions WHERE name = ? AND run_id = ? AND current_stage <> 'Deleted_Internal'"
        rows = self._read(sql, model, run_id)
        return rows[0][0] if rows else None

    def loose_runs(self, experiment: str, key: str, value: str) -> tuple[str, ...]:
        """Return active runs with a tag that no version came of: begun and never finished."""
        sql = (
            "SELECT run_uuid FROM runs JOIN tags USING (run_uuid) JOIN experiments USING (experiment_id) "
            "WHERE experiments.name = ? AND runs.lifecycle_stage = 'active' AND tags.key = ? AND tags.value = ? "
            "AND run_uuid NOT IN (SELECT run_id FROM model_versions WHERE run_id IS NOT NULL) ORDER BY run_uuid"
        )
        return tuple(row[0] for row in self._read(sql, experiment, key, value))

    def add_children(self, parent: str, children: Sequence[ChildRun]) -> None:
        """Write runs below `parent`, like it in all that is not their own. One transaction."""
        run = (
            "INSERT INTO runs (run_uuid, name, status, start_time, end_time, artifact_uri, experiment_id, user_id, "
            "source_type, source_name, entry_point_name, source_version, lifecycle_stage) "
            "SELECT ?, ?, ?, ?, ?, replace(artifact_uri, run_uuid, ?), experiment_id, user_id, "
            "source_type, source_name, entry_point_name, source_version, lifecycle_stage FROM runs WHERE run_uuid = ?"
        )
        rows = [(one.run_id, one.name, one.status, one.start, one.end, one.run_id, parent) for one in children]
        tags = [(key, value, one.run_id) for one in children for key, value in one.tags.items()]
        params = [(key, value, one.run_id) for one in children for key, value in one.params.items()]
        metrics = [(key, value, one.end, one.run_id) for one in children for key, value in one.metrics.items()]
        with self._open() as connection, connection:
            connection.executemany(run, rows)
            connection.executemany("INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)", tags)
            connection.executemany("INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)", params)
            for table in ("metrics", "latest_metrics"):
                sql = f"INSERT INTO {table} (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, 0, 0)"  # noqa: S608
                connection.executemany(sql, metrics)

    def set_alias(self, model: str, alias: str, version: int) -> bool:
        """Point `alias` at `version` in one statement; False where there is no such version."""
        sql = (
            "INSERT OR REPLACE INTO registered_model_aliases (alias, name, version) "
            "SELECT ?, name, version FROM model_versions "
            "WHERE name = ? AND version = ? AND current_stage <> 'Deleted_Internal'"
        )
        return self._write(sql, alias, model, version) > 0

    def drop_alias(self, model: str, alias: str) -> bool:
        """Remove `alias`; False where it was not set."""
        return self._write("DELETE FROM registered_model_aliases WHERE name = ? AND alias = ?", model, alias) > 0

    def revision(self) -> str | None:
        """Return the revision of MLflow's schema, or None where there is no schema yet."""
        if not self._read("SELECT name FROM sqlite_master WHERE name = 'alembic_version'"):
            return None
        rows = self._read("SELECT version_num FROM alembic_version")
        return rows[0][0] if rows else None

    def located_at(self) -> str | None:
        """Return the address under which packages were last said to lie, or None before the first registration."""
        rows = self._read("SELECT value FROM experiment_tags WHERE key = 'cauce.models'")
        return rows[0][0] if rows else None

    def locate(self, new: str, *, old: str | None = None) -> None:
        """Note that packages lie at `new`; replace `old` at the head of every artefact location. One transaction."""
        with self._open() as connection, connection:
            mark = "INSERT OR REPLACE INTO experiment_tags (key, value, experiment_id) VALUES ('cauce.models', ?, 0)"
            connection.execute(mark, (new,))
            for table, column in _LOCATED if old is not None else ():
                sql = f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?"  # noqa: S608
                connection.execute(sql, (new, len(str(old)) + 1, len(str(old)) + 1, f"{old}/"))

    def copy_to(self, target: Path) -> None:
        """Write a consistent copy to `target`, also while others write: what a backup takes."""
        with self._open() as connection, closing(sqlite3.connect(target)) as copy:
            connection.backup(copy)

    def _read(self, sql: str, *values: object) -> Sequence[tuple[Any, ...]]:
        if not self.path.exists():
            return ()
        with self._open() as connection:
            return connection.execute(sql, values).fetchall()

    def _write(self, sql: str, *values: object) -> int:
        if not self.path.exists():
            return 0
        with self._open() as connection, connection:
            return connection.execute(sql, values).rowcount

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        # Not mode=ro: after a kill the first reader must be able to roll a writer's journal back.
        try:
            with closing(sqlite3.connect(f"file:{quote(str(self.path))}?mode=rw", uri=True, timeout=_WAIT_S)) as opened:
                yield opened
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                hint = "Free some space (`cauce doctor` lists what can be cleaned) and run the same command again."
                what = "the disk is full; what was there before is untouched"
                raise UserError(what, where=str(self.path), hint=hint) from error
            hint = "Is it MLflow's file, and may it be written? `cauce doctor` looks at it."
            raise UserError(f"MLflow's SQLite file cannot be used: {error}", where=str(self.path), hint=hint) from error

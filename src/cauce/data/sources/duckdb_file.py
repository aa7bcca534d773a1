"""A DuckDB database: attached read-only, before DuckDB's doors close; its views reach nothing outside of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cauce.data.columns import check_names, quoted
from cauce.data.faults import find_file
from cauce.data.sources.backend import connected, described, text, viewed
from cauce.data.sources.local import stat_mark
from cauce.data.sources.source import Asked, Raw
from cauce.data.sources.tables import no_such_table, table_needed

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

_ATTACHED = "__cauce_database"


class DuckDBFile:
    """A table or view of a DuckDB file."""

    keys = frozenset({"table"})

    def mark(self, asked: Asked) -> str:
        """Say size and time of change of the file, and of the log that a writer keeps beside it."""
        path = asked.folder / asked.spec.source
        beside = path.with_name(path.name + ".wal")
        return stat_mark(path, beside) if beside.exists() else stat_mark(path)

    @contextmanager
    def opened(self, asked: Asked) -> Iterator[Raw]:
        """Attach the file; see `Source`."""
        path = find_file(asked.folder, asked.spec.source, where=asked.at("source"))
        attach = f"ATTACH {text(str(path))} AS {quoted(_ATTACHED)} (READ_ONLY, TYPE duckdb)"
        with (
            _database_errors(asked, path),
            connected(asked.spill, folders=asked.reads, attach=attach, threads=asked.threads) as backend,
        ):
            relation = _relation(backend, asked)
            names = list(described(backend, relation))
            check_names(names, where=asked.at("table"))
            yield Raw(backend, viewed(backend, relation, names=names, in_text=False), "duckdb")


def _relation(backend: Backend, asked: Asked) -> str:
    found = backend.con.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = $name AND NOT internal UNION ALL "
        "SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = $name AND NOT internal ORDER BY ALL",
        {"name": _ATTACHED},
    ).fetchall()
    named = {(name if schema == "main" else f"{schema}.{name}"): (schema, name) for schema, name in found}
    if asked.spec.table is None:
        raise table_needed(asked, list(named))
    wanted = asked.spec.table if asked.spec.table in named else asked.spec.table.removeprefix("main.")
    if wanted not in named:
        raise no_such_table(asked, list(named))
    return ".".join(quoted(part) for part in (_ATTACHED, *named[wanted]))


@contextmanager
def _database_errors(asked: Asked, path: Path) -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.PermissionException as error:
        hint = "Name a table, or a view that reads nothing but the database's own tables."
        what = "the view reads something outside of its database, which is not allowed"
        raise asked.fault(what, key="table", hint=hint) from error
    except (duckdb.IOException, duckdb.SerializationException, duckdb.InternalException) as error:
        first = str(error).splitlines()[0].split("Error: ", 1)[-1].replace(str(path), path.name)
        hint = (
            "Close the program that writes into it, and check that it is a DuckDB database of this or an older version."
        )
        raise asked.fault(f"the DuckDB database cannot be read: {first[:200]}", hint=hint) from error
    except duckdb.Error as error:
        first = str(error).splitlines()[0].split("Error: ", 1)[-1].replace(str(path), path.name)
        raise asked.fault(
            f"DuckDB cannot read the table: {first[:200]}", key="table", hint="Check it in DuckDB."
        ) from error

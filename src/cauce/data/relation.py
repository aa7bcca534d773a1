"""A version of a table as a relation of DuckDB: partition columns beside those that the files hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cauce.data.columns import quoted
from cauce.data.versions import Stored

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def add_view(connection: DuckDBPyConnection, view: str, stored: Stored) -> None:
    """Make `view` on the connection: all columns of the version, the row number included, in no order.

    Partition values come from the log as a small table, by file: the paths' spelling of them is not trusted.
    """
    import pyarrow as pa

    if not stored.files:
        connection.register(view, stored.schema.empty_table())
        return
    keys = list(stored.files[0].values)
    paths = [str(file.path) for file in stored.files]
    columns = {
        key: pa.array([file.values[key] for file in stored.files], stored.schema.field(key).type) for key in keys
    }
    values = f"{view}__values"
    connection.register(f"{values}_given", pa.table({"__cauce_file": pa.array(paths, pa.string()), **columns}))
    connection.execute(f"CREATE TEMP TABLE {quoted(values)} AS FROM {quoted(values + '_given')}")
    chosen = ", ".join(f"{'v' if name in keys else 'f'}.{quoted(name)}" for name in stored.schema.names)
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    connection.execute(
        f"CREATE TEMP VIEW {quoted(view)} AS SELECT {chosen} "  # noqa: S608 - names and paths are quoted
        f"FROM read_parquet([{listed}], hive_partitioning=false, filename='__cauce_file') f "
        f'JOIN {quoted(values)} v USING ("__cauce_file")'
    )

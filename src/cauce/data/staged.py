"""What only the whole of a source shows: a key that is not unique, a partition column with too many values."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cauce.core.errors import UserError
from cauce.core.specs import DataSpec
from cauce.data.columns import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PARTITIONS = 1000
"""Most values of a partition column: each becomes a folder with a file of its own."""
_PARTITION_TYPES = {"VARCHAR", "BIGINT", "BOOLEAN", "DATE"}


def check_staged(staged: Path, name: str, spec: DataSpec, *, where: Callable[..., str], spill: Path) -> None:
    """Check key, partition and cluster columns over all rows of the staged file.

    Raises
    ------
    UserError
        The key has nulls or repeats; a partition column has too many values, texts that a folder cannot tell from
        missing, or moments or fractions; a column is meant for both partitions and clusters.
    """
    if not (spec.key or spec.partition_by or spec.cluster_by):
        return
    from cauce.data.duck import connect

    def at(key: str) -> str:
        return where("data", name, key)

    both = sorted(set(spec.partition_by) & set(spec.cluster_by))
    if both:
        raise UserError(
            "a column cannot be in partition_by and in cluster_by",
            where=at("cluster_by"),
            received=both[0],
            hint="Take it out of cluster_by: a partition is a cluster already.",
        )
    with closing(connect(spill)) as connection:
        connection.execute("CREATE VIEW staged AS FROM read_parquet(" + _text(staged) + ", hive_partitioning=false)")
        if spec.key:
            _check_key(connection, spec.key, at("key"))
        for column in spec.partition_by:
            _check_partition(connection, column, at("partition_by"))


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _one(connection: DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return tuple(row)


def _check_key(connection: DuckDBPyConnection, key: str, where: str) -> None:
    column = quoted(key)
    n, present, distinct = _one(connection, f"SELECT count(*), count({column}), count(DISTINCT {column}) FROM staged")  # noqa: S608
    if present < n:
        raise UserError(
            f"the key column has no value in {n - present:,} of {n:,} rows",
            where=where,
            received=key,
            hint="Name another key, drop those rows with `where`, or leave the key out.",
        )
    if distinct < n:
        twice = connection.execute(
            f"SELECT {column}::VARCHAR, count(*) FROM staged GROUP BY {column} HAVING count(*) > 1 "  # noqa: S608
            f"ORDER BY 2 DESC, 1 LIMIT 3"
        ).fetchall()
        shown = ", ".join(f"{value!r} ({times} times)" for value, times in twice)
        raise UserError(
            f"the key is not unique: {n - distinct:,} of {n:,} rows repeat another row's key, such as {shown}",
            where=where,
            received=key,
            hint="Name another key, or leave the key out.",
        )


def _check_partition(connection: DuckDBPyConnection, name: str, where: str) -> None:
    column = quoted(name)
    kind = str(_one(connection, f"SELECT typeof({column}) FROM staged LIMIT 1")[0])  # noqa: S608
    if kind not in _PARTITION_TYPES:
        raise UserError(
            f"a column of type {kind} cannot partition a table",
            where=where,
            received=name,
            hint="Use a text, whole number, boolean or date with few values; cluster_by takes any.",
        )
    (distinct,) = _one(connection, f"SELECT count(DISTINCT {column}) FROM staged")  # noqa: S608
    if distinct > PARTITIONS:
        raise UserError(
            f"the column has {distinct:,} values; at most {PARTITIONS:,} partitions are made",
            where=where,
            received=name,
            hint="Put it in cluster_by instead.",
        )
    if kind == "VARCHAR":
        (empty,) = _one(connection, f"SELECT count(*) FROM staged WHERE {column} IN ('', '__HIVE_DEFAULT_PARTITION__')")  # noqa: S608
        if empty:
            raise UserError(
                f"{empty:,} rows have an empty text, which a partition cannot tell from a missing value",
                where=where,
                received=name,
                hint="Make them missing in the source, or use cluster_by.",
            )

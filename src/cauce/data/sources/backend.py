"""The DuckDB that sources are read with: it reaches the source's file, one folder to spill into, and nothing else."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cauce.data.columns import HUGE, quoted
from cauce.data.decimals import decimal_commas, number
from cauce.data.duck import settings

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend


@contextmanager
def connected(
    spill: Path,
    *,
    files: Iterable[Path] = (),
    folders: Iterable[Path] = (),
    attach: str | None = None,
    threads: int | None = None,
) -> Iterator[Backend]:
    """Open an in-memory DuckDB through Ibis that is locked in before any query of a user's runs.

    Parameters
    ----------
    spill
        The folder it may write into.
    files, folders
        What it may read beside that.
    attach
        SQL that attaches a database, run before the doors close.
    threads
        How many it may use; all where None.
    """
    import ibis

    with warnings.catch_warnings():
        # Ibis 12 asks DuckDB 2.0 for a view's types through fetch_arrow_table.
        warnings.filterwarnings("ignore", r"fetch_arrow_table\(\) is deprecated", DeprecationWarning)
        backend = ibis.duckdb.connect(**settings(spill))
        try:
            if threads is not None:
                backend.raw_sql(f"SET threads = {threads}")
            if attach is not None:
                backend.raw_sql(attach)
            # From here on DuckDB reads these files and writes into this one folder, whatever a query says.
            backend.raw_sql(f"SET allowed_paths = {_texts(files)}")
            backend.raw_sql(f"SET allowed_directories = {_texts([spill, *folders])}")
            backend.raw_sql("SET enable_external_access = false")
            backend.raw_sql("SET lock_configuration = true")
            yield backend
        finally:
            backend.disconnect()


def text(value: str) -> str:
    """Return `value` as a SQL text.

    Examples
    --------
    >>> text("it's")
    "'it''s'"
    """
    return "'" + value.replace("'", "''") + "'"


def _texts(paths: Iterable[Path]) -> str:
    return "[" + ", ".join(text(str(path)) for path in paths) + "]"


def described(backend: Backend, relation: str) -> dict[str, str]:
    """Return a view's columns and their DuckDB types, in order; `relation` is quoted SQL."""
    return {str(row[0]): str(row[1]) for row in backend.raw_sql(f"DESCRIBE {relation}").fetchall()}


def viewed(
    backend: Backend, relation: str, name: str = "__cauce_source", *, names: Sequence[str], in_text: bool
) -> Any:
    """Return the rows of a relation as an Ibis table with the source's own column names and settled numbers.

    DuckDB's names (it renames blanks) become `names`. Where types were found in text, columns written `1.272,24` become
    numbers. Whole numbers larger than int64 become so only where some value is: JSON's 0 and -1 meet in HUGEINT.
    """
    kinds = described(backend, relation)
    commas = decimal_commas(backend, relation, [n for n, kind in kinds.items() if in_text and kind == "VARCHAR"])
    fitting = _fitting(backend, relation, [n for n, kind in kinds.items() if kind in HUGE])
    columns = ", ".join(
        f"{number(old) if old in commas else _whole(old, old in fitting, kind)} AS {quoted(new)}"
        for (old, kind), new in zip(kinds.items(), names, strict=True)
    )
    backend.raw_sql(f"CREATE VIEW {quoted(name)} AS SELECT {columns} FROM {relation}")  # noqa: S608
    return backend.table(name)


def _whole(name: str, fits: bool, kind: str) -> str:
    if kind not in HUGE:
        return quoted(name)
    return f"CAST({quoted(name)} AS {'BIGINT' if fits else 'DECIMAL(38, 0)'})"


def _fitting(backend: Backend, relation: str, huge: Sequence[str]) -> set[str]:
    """Return the columns whose every value fits into int64."""
    if not huge:
        return set()
    ends = ", ".join(
        f"min({quoted(name)}) >= -9223372036854775808, max({quoted(name)}) <= 9223372036854775807" for name in huge
    )
    row = backend.con.sql(f"SELECT {ends} FROM {relation}").fetchall()[0]  # noqa: S608 - names are quoted
    return {name for i, name in enumerate(huge) if False not in row[2 * i : 2 * i + 2]}

"""DuckDB connections that stay within memory, spill where they are told, and fetch nothing from a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY_SHARE = 0.6
"""Share of the memory that DuckDB may take before it spills to disk."""


def settings(spill: Path, *, memory: int | None = None) -> dict[str, str | bool]:
    """Return DuckDB's settings for one connection that spills into `spill`, with `memory` bytes or its share."""
    return {
        "memory_limit": f"{memory or int(memory_bytes() * MEMORY_SHARE)}B",
        "temp_directory": str(spill),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }


def connect(spill: Path, *, memory: int | None = None) -> DuckDBPyConnection:
    """Open an in-memory DuckDB for what is our own: the lake's Parquet files, questions without a user's SQL."""
    import duckdb

    connection = duckdb.connect(config=dict(settings(spill, memory=memory)))
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def memory_bytes() -> int:
    """Return the memory that this process may use: the machine's, or its control group's if that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(total, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):
        return total

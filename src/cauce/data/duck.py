"""DuckDB connections that stay within memory, spill where they are told, and fetch nothing from a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY_SHARE = 0.6
"""Share of the memory that DuckDB may take before it spills to disk."""


def settings(spill: Path) -> dict[str, str | bool]:
    """Return DuckDB's settings for one connection that spills into `spill`."""
    return {
        "memory_limit": f"{int(memory_bytes() * MEMORY_SHARE)}B",
        "temp_directory": str(spill),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }


def connect(spill: Path) -> DuckDBPyConnection:
    """Open an in-memory DuckDB for the lake's own Parquet files."""
    import duckdb

    connection = duckdb.connect(config=dict(settings(spill)))
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def memory_bytes() -> int:
    """Return the memory that this process may use: the machine's, or its control group's if that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(total, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):
        return total

"""Many small files, as appends leave them, put together: a version of its own with the same content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from cauce.data.lake import cluster, compact
from cauce.data.log import Record, encode
from cauce.data.versions import open_version

SMALL = 16 << 20
"""Bytes below which a file is small."""
FEWEST = 16
"""Small files within one partition from which on they are put together."""
TARGET = 128 << 20
"""Bytes of a file that compaction makes, about."""


def is_crowded(table: Path, version: int) -> bool:
    """Say whether some partition of a version has `FEWEST` small files or more."""
    small = Counter(
        tuple(sorted((key, repr(value)) for key, value in file.values.items()))
        for file in open_version(table, version).files
        if file.n_bytes < SMALL
    )
    return max(small.values(), default=0) >= FEWEST


def settle(table: Path, record: Record, *, cluster_by: Sequence[str], now: datetime) -> Record:
    """Put a data set's small files together where they are many; return the newest version's record.

    A clustered table is Z-ordered instead, which leaves large files too. Old versions stay readable.
    """
    if not is_crowded(table, record.snapshot.version):
        return record
    done = replace(record, to_cluster=(), operation="compact", at=now, late=0, missed=0)
    if cluster_by:
        version = cluster(table, cluster_by, record=encode(done))
    else:
        version = compact(table, record=encode(done), target=TARGET)
    return replace(done, snapshot=replace(done.snapshot, version=version))


def settle_rows(table: Path, version: int) -> int:
    """Do the same for a table that is no data set, such as labelled rows; return the newest version."""
    return compact(table, record={}, target=TARGET) if is_crowded(table, version) else version

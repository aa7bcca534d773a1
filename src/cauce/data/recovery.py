"""What a killed writer or a power cut left in a table, put right before the next write.

A version counts once its writer has gone on: files and commit were synced, and its number stands in `_acknowledged`.
Delta itself syncs nothing, so a power cut before that may leave a commit that is torn, or one whose files are. Such a
version was never acknowledged; it is taken out of the log, and the load that follows writes it anew. A newest version
that is whole is kept, and acknowledged. Acknowledged versions are never taken out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from cauce.core.files import sync_folder
from cauce.data.lake import acknowledge
from cauce.data.log import ACKNOWLEDGED, acknowledged, actions, commits, last_version
from cauce.data.replay import replay


def recover(table: Path, *, thorough: bool = False) -> int:
    """Take out a version that a power cut tore, and delete files that no version names; return how many files.

    Only for the one writer of the table: its caller holds the project's lock. Strays are looked for among the files
    that are younger than the newest acknowledged version, which asks nothing of a long log where there are none;
    with `thorough`, among all.
    """
    _drop_torn(table)
    n_files = _remove_orphans(table, thorough=thorough)
    if last_version(table) > acknowledged(table):
        acknowledge(table)
    return n_files


def _drop_torn(table: Path) -> None:
    safe = acknowledged(table)
    torn = [version for version, path in commits(table) if version > safe and not _whole(table, path)]
    newest = last_version(table)
    if torn:
        for version in range(newest, torn[0] - 1, -1):  # newest first: a kill between two leaves a log without gaps
            for path in (table / "_delta_log").glob(f"{version:020}.*"):
                path.unlink()
    if torn or newest > safe:
        _drop_torn_checkpoints(table, safe)
    if torn:
        sync_folder(table / "_delta_log")


def _whole(table: Path, commit: Path) -> bool:
    """Say whether a commit can be read and all files that it adds are there, whole."""
    try:
        added = [action["add"] for action in actions(commit) if "add" in action]
    except (ValueError, KeyError):
        return False
    return commit.stat().st_size > 0 and all(_there(table, add) for add in added)


def _there(table: Path, add: dict[str, Any]) -> bool:
    path = table / unquote(add["path"])
    return path.is_file() and path.stat().st_size == add["size"] and _ends_well(path)


def _ends_well(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4))
        return file.read() == b"PAR1"


def _drop_torn_checkpoints(table: Path, safe: int) -> None:
    """Delete summaries of the log that were being written: the log itself says all that they do."""
    folder = table / "_delta_log"
    for path in folder.glob("*.checkpoint.parquet"):
        if int(path.name[:20]) > safe and not _ends_well(path):
            path.unlink()
    pointer = folder / "_last_checkpoint"
    try:
        named = int(json.loads(pointer.read_bytes())["version"])
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError):
        named = -1
    if not (folder / f"{named:020}.checkpoint.parquet").exists():
        pointer.unlink()


def _remove_orphans(table: Path, *, thorough: bool) -> int:
    log, mark = table / "_delta_log", table / ACKNOWLEDGED
    since = mark.stat().st_mtime_ns if mark.exists() and not thorough else 0
    strays = list(log.glob("*.tmp"))
    parts = [path for path in table.rglob("part-*") if path.is_file() and path.stat().st_mtime_ns >= since]
    if parts:
        known = replay(table).paths
        strays += [path for path in parts if path.relative_to(table).as_posix() not in known]
    for path in strays:
        path.unlink(missing_ok=True)
    return len(strays)

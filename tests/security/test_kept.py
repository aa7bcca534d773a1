"""What is kept to spare work may be cut off, empty or of another Cauce: it is made anew, and stops nothing."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cauce import data
from cauce.core.errors import UserError
from cauce.core.specs import DataSpec

TOML = """
[project]
name = "school"
[data.rows]
source = "rows.csv"
key = "id"
"""


def cauce(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cauce", *arguments, "--json"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize("damage", [b"", b'{"half', b'{"rows": "<script>"}'])
def test_what_is_kept_and_cannot_be_read_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "cauce.toml").write_text(TOML)
    for first in (0, 1000):
        lines = [f"{i or first},{i % 7}\n" for i in range(300)]
        (tmp_path / "rows.csv").write_text("id,a\n" + "".join(lines))
        assert cauce(tmp_path, "audit", "rows").returncode == 0
    before = cauce(tmp_path, "data", "diff", "rows").stdout
    kept = [path for path in (tmp_path / ".cauce" / "runs").rglob("*.*") if path.suffix in {".json", ".arrow"}]
    assert {path.parent.name for path in kept} == {"load", "profile", "diff"}
    for path in [*kept, tmp_path / ".cauce" / "record" / "rows" / "audit.json"]:
        path.write_bytes(damage)
    for command in (("audit", "rows"), ("data", "log", "rows"), ("data", "diff", "rows")):
        done = cauce(tmp_path, *command)
        assert done.returncode == 0, done.stderr
    assert done.stdout == before


@pytest.mark.parametrize(
    ("name", "damage"), [("_forgotten.json", b"{"), ("_delta_log/00000000000000000000.json", b'{"a')]
)
def test_a_damaged_lake_is_told_with_its_file(tmp_path: Path, name: str, damage: bytes) -> None:
    (tmp_path / "rows.csv").write_text("id,a\n1,2\n3,4\n")
    spec, now = DataSpec(source="rows.csv"), datetime(2026, 1, 2, tzinfo=UTC)
    data.load("rows", spec, tmp_path, tmp_path / "lake", now=now, where=lambda *_: "cauce.toml:1")
    (tmp_path / "lake" / "rows" / name).write_bytes(damage)
    with pytest.raises(UserError) as told:
        data.entries(tmp_path / "lake", "rows")
    assert told.value.where.endswith(name)

"""What is kept to spare work may be cut off, empty or of another Cauce: it is made anew, and stops nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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

"""`cauce rehearse` as a user calls it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

TOML = """[project]
name = "shop"
language = "es"

[data.rows]
source = "rows.csv"
time = "at"

[models.returns]
task = "classify"
data = "rows"
target = "y"
must_use = ["linear"]
never_use = ["additive", "forest", "boosting", "tuned", "mlp"]

[watch]
window = 150
min_rows = 50

[renew]
min_truths = 60
cool_down = "1d"
"""


def test_a_rehearsal_from_the_command_line(
    tmp_path: Path, cauce: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    rng = np.random.default_rng(0)
    n = 800
    x = rng.normal(size=n)
    at = pa.array(np.arange(n) * 86_400_000_000 + 1_600_000_000_000_000, pa.timestamp("us"))
    rows = pa.table({"at": at, "x": x, "y": np.where(x + rng.normal(size=n) > 0, "yes", "no")})
    pyarrow.csv.write_csv(rows, tmp_path / "rows.csv")
    (tmp_path / "cauce.toml").write_text(TOML, encoding="utf-8")
    done = cauce("rehearse", "returns", "--quick", "--workers", "1", "-o", "r.html", timeout=500)
    assert done.returncode == 0, done.stderr
    assert "nada cambia" in done.stdout
    assert "falsas alarmas" in done.stdout
    assert "Ensayo · returns" in (tmp_path / "r.html").read_text(encoding="utf-8")
    again = cauce("rehearse", "returns", "--quick", "--workers", "1", "--json", timeout=500)  # all is read
    found = json.loads(again.stdout)
    assert found["model"] == "returns"
    assert {one["strategy"] for one in found["outcomes"][0]["against"]} == {"never", "always", "scheduled", "oracle"}
    wrong = cauce("rehearse", "returns", "-o", "r.pdf")
    assert wrong.returncode == 2
    assert "--output" in wrong.stderr

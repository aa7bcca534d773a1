"""Row functions and a threshold for each group together: one release, asked over HTTP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cauce import Loop, load_project
from cauce.loop.stages import run_stages
from e2e.running import running

TOML = """
[project]
name = "fair"
[data.people]
source = "people.parquet"
rows = ["features.py"]
[models.hired]
task = "classify"
data = "people"
target = "hired"
trials = 0
never_use = ["additive", "forest", "mlp"]
features = ["per_year", "proxy"]
sensitive = ["sex"]
[models.hired.fairness]
favoured = "yes"
max_gap = 0.12
mitigate = "thresholds"
at_prediction = true
"""
FEATURES = """
import pyarrow.compute as pc

from cauce import row


@row("skill", "years")
def per_year(skill, years):
    return pc.divide(skill, years)
"""


@pytest.mark.slow
def test_computed_columns_and_thresholds_answer_together_over_http(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 3000
    sex, years = rng.integers(0, 2, n), rng.uniform(1, 5, n)
    per_year, proxy = rng.normal(size=n), sex + rng.normal(0, 0.5, n)
    hired = per_year + 1.6 * sex + rng.normal(0, 0.8, n) > 0.9
    table = pa.table(
        {
            "skill": per_year * years,
            "years": years,
            "proxy": proxy,
            "sex": pa.array(np.array(["f", "m"])[sex], mask=rng.random(n) < 0.03),
            "hired": np.where(hired, "yes", "no"),
        }
    )
    pq.write_table(table, tmp_path / "people.parquet")
    (tmp_path / "cauce.toml").write_text(TOML)
    (tmp_path / "features.py").write_text(FEATURES)
    loop = Loop(load_project(tmp_path / "cauce.toml", {}))
    (outcome,) = run_stages(loop)
    assert outcome.error is None, outcome.error
    _, package = loop.tracker.open("hired", 1)
    assert set(package.training.spec.schema.names) == {"skill", "years", "proxy", "sex"}
    assert package.training.mitigation is not None
    rows = [{"skill": 0.6, "years": 2.0, "proxy": 0.5, "sex": value} for value in ("f", "m", None)]
    with running(tmp_path, "serve", "--port", "0") as service, service.client() as http:
        sent = http.post("/v1/models/hired/predict", json={"rows": rows})
        assert sent.status_code == 200, sent.text
        chances = [one["probabilities"]["yes"] for one in sent.json()["predictions"]]
        said = [one["prediction"] for one in sent.json()["predictions"]]
        refused = http.post("/v1/models/hired/predict", json={"rows": [{"skill": 0.6, "years": 2.0, "proxy": 0.5}]})
    assert chances[0] > chances[2] > chances[1]  # a request without a group gets the common threshold
    assert [one == "yes" for one in said] == [chance > 0.5 for chance in chances]
    assert refused.status_code == 422
    asked = pa.table({name: [row[name] for row in rows] for name in rows[0]})
    assert package.fitted.predict(asked)["prob_yes"].to_pylist() == pytest.approx(chances)

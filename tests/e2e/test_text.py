"""A project whose table holds titles alone: trained, predicted by file, over HTTP and by MLflow, watched."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from cauce import Loop, load_project
from cauce.loop.watch import watch
from e2e.running import running
from e2e.school import Cauce

TOML = """\
[project]
name = "catalogue"

[data.courses]
source = "courses.csv"
key = "id"

[models.subject]
task = "classify"
data = "courses"
target = "subject"
trials = 0
never_use = ["additive", "forest", "mlp"]
"""
WORDS = {
    "cocina": ["recetas", "cocina", "fácil", "arroz", "pescado", "postres", "panadería", "española", "casera"],
    "music": ["piano", "lessons", "guitar", "violin", "theory", "harmony", "singing", "orchestra", "beginners"],
}


PYFUNC = (
    "import json, mlflow, pandas as pd; mlflow.set_tracking_uri('sqlite:///.cauce/mlflow.db'); "
    "model = mlflow.pyfunc.load_model('models:/subject@champion'); "
    "print(json.dumps(model.predict(pd.read_csv('new.csv'))['prob_music'].tolist()))"
)


def courses(n_rows: int = 400, seed: int = 0) -> pa.Table:
    """Courses with titles in two languages, a few of them without one."""
    rng = np.random.default_rng(seed)
    subject = rng.choice(list(WORDS), n_rows)
    title = [" ".join(rng.choice(WORDS[name], 5)).capitalize() for name in subject]
    code = [f"{number:032x}" for number in rng.permutation(n_rows)]
    title = pa.array(title, mask=rng.random(n_rows) < 0.03)
    return pa.table({"id": np.arange(n_rows), "title": title, "code": code, "subject": subject})


@pytest.mark.slow
def test_titles_go_all_the_way(tmp_path: Path, cauce: Cauce) -> None:
    pyarrow.csv.write_csv(courses(), tmp_path / "courses.csv")
    (tmp_path / "cauce.toml").write_text(TOML, encoding="utf-8")
    done = cauce("train", "subject", timeout=300)
    assert done.returncode == 0, done.stderr + done.stdout
    loop = Loop(load_project(tmp_path / "cauce.toml", {}))
    release, package = loop.tracker.open("subject", 1)
    assert [(column.name, column.kind) for column in release.training.spec.schema] == [("title", "text")]
    assert release.training.metrics.values["accuracy"] > 0.9
    new = courses(120, seed=1)
    pyarrow.csv.write_csv(new.select(["id", "title"]), tmp_path / "new.csv")
    done = cauce("predict", "subject", "new.csv", "-o", "out.parquet")
    assert done.returncode == 0, done.stderr
    expected = package.fitted.predict(new)["prob_music"].to_pylist()
    by_file = pyarrow.parquet.read_table(tmp_path / "out.parquet")["prob_music"].to_pylist()
    assert by_file == pytest.approx(expected, abs=1e-9)
    done = subprocess.run([sys.executable, "-c", PYFUNC], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == pytest.approx(expected, abs=1e-9)
    rows = new.select(["title"]).to_pylist()
    assert None in [row["title"] for row in rows]
    with running(tmp_path, "serve", "--port", "0") as service, service.client() as http:
        sent = http.post("/v1/models/subject/predict", json={"rows": rows})
        assert sent.status_code == 200, sent.text
        told = [one["probabilities"]["music"] for one in sent.json()["predictions"]]
        alone = http.post("/v1/models/subject/predict", json={"rows": rows[:1]}).json()["predictions"][0]
        refused = http.post("/v1/models/subject/predict", json={"rows": [{"title": 7}]})
        page = http.get("/openapi.json").json()["components"]["schemas"]["subject.Row"]
    assert told == pytest.approx(expected, abs=1e-9)
    assert alone["probabilities"]["music"] == told[0]
    assert refused.status_code == 422
    assert page["properties"]["title"]["type"] == ["string", "null"]
    seen = watch(loop, "subject")
    assert seen is not None
    counts = package.reference_counts["title"]
    assert len(counts) > 3  # lengths in tenths, other, missing
    assert counts[-1] > 0  # titles that were missing

"""A project with row functions: trained, served, renewed and rolled back, each release with its own code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
import pytest

from cauce import Loop, load_project
from cauce.core.errors import Tampered, UserError
from cauce.ledger import Truth
from cauce.loop import by_hand
from cauce.loop.audit import profile_of
from cauce.loop.check import check
from cauce.loop.material import gather, resolve
from cauce.loop.renew import _ledger, renew
from cauce.loop.rows import computed_for, functions_of
from cauce.loop.stages import run_stages
from cauce.loop.watch import ledger_of, watch
from e2e.running import running
from e2e.school import Cauce

TOML = """\
[project]
name = "homes"

[data.homes]
source = "homes.csv"
key = "id"
rows = ["features.py:area_or_one", "features.py"]

[models.dear]
task = "classify"
data = "homes"
target = "dear"
trials = 0
never_use = ["additive", "forest", "mlp"]
features = ["per_m2", "rooms", "built in", "año"]

[watch]
min_rows = 100

[renew]
min_truths = 200
cool_down = "0s"
"""
FEATURES = '''\
"""Features of homes."""

import pyarrow as pa
import pyarrow.compute as pc

from cauce import row

LIMIT = 1.0


def area_or_one(area):
    return pc.max_element_wise(area, LIMIT)


@row("price (€)", "area_or_one")
def per_m2(price: pa.Array, area: pa.Array) -> pa.Array:
    return pc.divide(pc.cast(price, pa.float64()), area)


@row("sold on", name="año")
def year_of_sale(moment):
    return pc.year(moment)


@row("sold on", name="built in")
def built(moment):
    return pa.array([None if one is None else "new" if one.year >= 2015 else "old" for one in moment.to_pylist()],
                    pa.string())
'''
INPUTS = ("price (€)", "area", "rooms", "sold on")


def homes(n_rows: int = 1200, seed: int = 0, dearer: float = 1.0) -> pa.Table:
    """Homes whose price per square metre says whether they are dear; some areas and dates are missing."""
    rng = np.random.default_rng(seed)
    price = (rng.gamma(4.0, 60_000.0, n_rows) * dearer).round()
    area = rng.gamma(9.0, 10.0, n_rows).round(1) + 10.0
    dear = np.where(price / dearer / area + rng.normal(0.0, 200.0, n_rows) > 2300.0, "yes", "no")
    days = rng.integers(14_000, 19_000, n_rows).astype("datetime64[D]")
    return pa.table(
        {
            "id": np.arange(n_rows),
            "price (€)": price.astype(np.int64),
            "area": pa.array(area, mask=rng.random(n_rows) < 0.05),
            "rooms": rng.integers(1, 6, n_rows),
            "sold on": pa.array(days, pa.date32(), mask=rng.random(n_rows) < 0.05),
            "dear": dear,
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project that is ready to run."""
    pyarrow.csv.write_csv(homes(), tmp_path / "homes.csv")
    (tmp_path / "features.py").write_text(FEATURES.replace("def year_of_sale", "def year_of_sale"), encoding="utf-8")
    (tmp_path / "cauce.toml").write_text(TOML, encoding="utf-8")
    return tmp_path


def open_loop(folder: Path) -> Loop:
    return Loop(load_project(folder / "cauce.toml", {}))


def trained(folder: Path) -> Loop:
    loop = open_loop(folder)
    (outcome,) = run_stages(loop)
    assert outcome.error is None, outcome.error
    return loop


@pytest.mark.slow
def test_a_request_brings_raw_columns_and_every_way_gives_the_same_answer(folder: Path, cauce: Cauce) -> None:
    loop = trained(folder)
    release, package = loop.tracker.open("dear", 1)
    assert set(release.training.spec.schema.names) == set(INPUTS)
    assert set(release.training.importance) == {"per_m2", "rooms", "built in", "año"}
    assert set(package.fitted.importance) == set(INPUTS)
    assert release.training.metrics.values["accuracy"] > 0.8
    assert set(package.reference_counts) == {*INPUTS, "prediction"}
    new = homes(60, seed=9)
    pyarrow.csv.write_csv(new.select(["id", *INPUTS]), folder / "new.csv")
    done = cauce("predict", "dear", "new.csv", "-o", "out.parquet")
    assert done.returncode == 0, done.stderr
    by_file = pyarrow.parquet.read_table(folder / "out.parquet")["prob_yes"].to_pylist()
    rows = [
        {**row, "sold on": None if row["sold on"] is None else row["sold on"].isoformat()}
        for row in new.select(list(INPUTS)).to_pylist()
    ]
    with running(folder, "serve", "--port", "0") as service, service.client() as http:
        sent = http.post("/v1/models/dear/predict", json={"rows": rows})
        assert sent.status_code == 200, sent.text
        together = [one["probabilities"]["yes"] for one in sent.json()["predictions"]]
        alone = [
            http.post("/v1/models/dear/predict", json={"rows": [row]}).json()["predictions"][0]["probabilities"]["yes"]
            for row in rows
        ]
        refused = http.post("/v1/models/dear/predict", json={"rows": [{**rows[0], "per_m2": 3.0}]})
        assert refused.status_code == 422
    code = (
        "import mlflow, pandas as pd, json; mlflow.set_tracking_uri('sqlite:///.cauce/mlflow.db'); "
        "model = mlflow.pyfunc.load_model('models:/dear@champion'); "
        "print(json.dumps(model.predict(pd.read_csv('new.csv'))['prob_yes'].tolist()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    by_mlflow = json.loads(done.stdout)
    assert together == pytest.approx(by_file, abs=1e-12)
    assert alone == pytest.approx(by_file, abs=1e-12)
    assert by_mlflow == pytest.approx(by_file, abs=1e-12)


def _package(loop: Loop) -> Path:
    (path,) = loop.state.models.rglob("package")
    return path


@pytest.mark.slow
def test_each_release_answers_with_its_own_function(folder: Path) -> None:
    loop = trained(folder)
    first = loop.tracker.open("dear", 1)[1]
    snapshot = loop.tracker.release("dear", 1).training.snapshot
    before = (folder / "features.py").read_text(encoding="utf-8")
    (folder / "features.py").write_text(before.replace("LIMIT = 1.0", "LIMIT = 60.0"), encoding="utf-8")
    loop = trained(folder)
    assert loop.tracker.versions("dear") == (1, 2)
    assert loop.tracker.release("dear", 2).training.snapshot.fingerprint != snapshot.fingerprint
    row = pa.table({"price (€)": [150_000], "area": [30.0], "rooms": [2], "sold on": ["2016-03-01"]})
    answers = {version: _per_m2(loop, version, row) for version in (1, 2)}
    assert answers == {1: 5000.0, 2: 2500.0}
    by_hand.promote(loop, "dear", version=2, reason="Small homes are taken as larger ones.")
    with running(folder, "serve", "--port", "0") as service, service.client() as http:
        body = {"rows": [row.to_pylist()[0]]}
        by_two = http.post("/v1/models/dear/predict", json=body).json()
        by_hand.rollback(loop, "dear", version=1, reason="It was not better after all.")
        (folder / "features.py").write_text("raise SystemExit('the release has its own')\n", encoding="utf-8")
        by_one = by_two
        while by_one["version"] != 1:
            by_one = http.post("/v1/models/dear/predict", json=body).json()
    second = loop.tracker.open("dear", 2)[1]
    for answer, package in ((by_one, first), (by_two, second)):
        expected = package.fitted.predict(row)["prob_yes"][0].as_py()
        assert answer["predictions"][0]["probabilities"]["yes"] == pytest.approx(expected, abs=1e-12)


def _per_m2(loop: Loop, version: int, row: pa.Table) -> float:
    fitted = loop.tracker.open("dear", version)[1].fitted
    value: float = fitted.computing.apply(row)["per_m2"][0].as_py()  # type: ignore[attr-defined]
    return value


@pytest.mark.slow
def test_editing_a_function_trains_again_and_nothing_else_does(folder: Path) -> None:
    trained(folder)
    assert trained(folder).tracker.versions("dear") == (1,)
    with (folder / "features.py").open("a", encoding="utf-8") as file:
        file.write("\n# a remark\n")
    assert trained(folder).tracker.versions("dear") == (1, 2)


@pytest.mark.slow
def test_a_changed_byte_of_the_packed_code_is_refused_before_it_runs(folder: Path) -> None:
    loop = trained(folder)
    (path,) = _package(loop).rglob("features.py")
    content = path.read_text(encoding="utf-8")
    marker = folder / "it-ran"
    path.write_text(f"open({str(marker)!r}, 'w')\n" + content, encoding="utf-8")
    with pytest.raises(Tampered):
        loop.tracker.open("dear", 1)
    path.write_text(content.replace("LIMIT = 1.0", "LIMIT = 2.0"), encoding="utf-8")
    with pytest.raises(Tampered, match="differs"):
        loop.tracker.open("dear", 1)
    assert not marker.exists()
    path.write_text(content, encoding="utf-8")
    loop.tracker.open("dear", 1)


@pytest.mark.slow
def test_the_ledger_holds_what_requests_brought_and_renewal_computes_anew(folder: Path) -> None:
    loop = trained(folder)
    _live(loop, homes(300, seed=1))
    seen = watch(loop, "dear")
    assert seen is not None
    assert seen.realised_loss is not None
    assert {signal.column for signal in seen.signals} <= {*INPUTS, "prediction", None}
    window = ledger_of(loop, "dear").window(10)
    assert set(INPUTS) <= set(window.column_names)
    assert "per_m2" not in window.column_names
    # Prices double, and with them what is dear.
    _live(loop, homes(1500, seed=2, dearer=2.0))
    renewed = renew(loop, "dear", force="Prices doubled; learn from the new rows.")
    assert renewed is not None
    assert renewed.outcome is not None
    assert renewed.outcome.action == "promote", renewed.outcome.reason["en"]
    assert renewed.challenger is not None
    assert renewed.challenger.training.n_ledger > 500
    # What the challenger learnt from: the ledger's rows with columns that no request brought.
    snapshot = renewed.challenger.training.snapshot
    features = resolve(loop, "dear", profile_of(loop, snapshot))
    made = computed_for(features, functions_of(loop, "homes"), snapshot)
    gathered = gather(loop, snapshot, features, _ledger(loop, "dear", 1), made)
    for rows in (gathered.teach.slice(gathered.teach.num_rows - gathered.n_ledger), gathered.judge):
        assert rows.num_rows > 100
        known = rows.filter(pc.is_valid(rows["area"]))
        expected = np.array(known["price (€)"]) / np.array(known["area"])
        assert np.array(known["per_m2"]) == pytest.approx(expected)
        assert set(rows["built in"].to_pylist()) == {"old", "new", None}


def _live(loop: Loop, rows: pa.Table) -> None:
    """Predict rows with the champion, into the ledger, and let their truths come."""
    package = loop.tracker.open("dear", 1)[1]
    inputs = rows.select(list(package.training.spec.schema.names))
    ledger = ledger_of(loop, "dear")
    ids = ledger.record(inputs, package.fitted.predict(inputs), version=1, at=loop.now())
    pairs = zip(ids.to_pylist(), rows["dear"].to_pylist(), strict=True)
    ledger.truths([Truth(*pair) for pair in pairs], now=loop.now())
    ledger.close()


@pytest.mark.slow
def test_a_row_that_a_function_cannot_take_is_a_422_with_its_place(folder: Path) -> None:
    with (folder / "features.py").open("a", encoding="utf-8") as file:
        file.write(
            "\n\ndef per_room(area, rooms):\n"
            "    pairs = zip(area.to_pylist(), rooms.to_pylist())\n"
            "    return pa.array([None if a is None else a / r for a, r in pairs], pa.float64())\n"
        )
    text = (folder / "cauce.toml").read_text(encoding="utf-8")
    (folder / "cauce.toml").write_text(text.replace('"per_m2",', '"per_m2", "per_room",'), encoding="utf-8")
    trained(folder)
    row = {"price (€)": 100_000, "area": 50.0, "rooms": 2, "sold on": None}
    with running(folder, "serve", "--port", "0") as service, service.client() as http:
        refused = http.post("/v1/models/dear/predict", json={"rows": [row, {**row, "rooms": 0}]})
        assert refused.status_code == 422
        (error,) = refused.json()["errors"]
        assert (error["row"], error["field"], error["reason"]) == (1, None, "function")
        assert "'per_room' can take: ZeroDivisionError: float division by zero" in error["expected"]
        assert http.post("/v1/models/dear/predict", json={"rows": [row]}).status_code == 200


def test_check_names_every_fault_of_row_functions_with_its_line(folder: Path) -> None:
    assert check(open_loop(folder)) == ()
    (folder / "features.py").write_text(
        "def rooms(area):\n    return area\n\n\ndef one(arae):\n    return arae\n\n\n"
        "def per_m2(other):\n    return other\n\n\ndef other(per_m2):\n    return per_m2\n",
        encoding="utf-8",
    )
    text = TOML.replace('"features.py:area_or_one", ', "")
    (folder / "cauce.toml").write_text(text.replace(', "built in", "año"', ""), encoding="utf-8")
    found = [str(problem) for problem in check(open_loop(folder))]
    assert [one.partition(": ")[0] for one in found] == [
        "features.py:1, rooms",
        "features.py:5, one",
        "features.py:9, per_m2",
    ]
    assert "the data has this column already" in found[0]
    assert "Did you mean 'area'?" in found[1]
    assert "a circle: per_m2 needs other needs per_m2" in found[2]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("fetures.py", "no such file"),
        ("features.py:perm2", "Did you mean 'per_m2'?"),
        ("../features.py", "not a file of the project"),
        ("features.py:", "not a function's name"),
    ],
)
def test_check_names_an_entry_that_leads_nowhere_with_its_line(folder: Path, entry: str, said: str) -> None:
    (folder / "cauce.toml").write_text(TOML.replace("features.py:area_or_one", entry), encoding="utf-8")
    (problem,) = check(open_loop(folder))
    assert str(problem).startswith("cauce.toml:7, [data.homes] rows[0]")
    assert said in str(problem)


def test_a_feature_that_is_computed_from_the_target_is_refused(folder: Path) -> None:
    with (folder / "features.py").open("a", encoding="utf-8") as file:
        file.write('\n\ndef told(dear):\n    return pc.equal(dear, "yes")\n\n\ndef twice(told):\n    return told\n')
    text = (folder / "cauce.toml").read_text(encoding="utf-8")
    assert check(open_loop(folder)) == ()
    (folder / "cauce.toml").write_text(text.replace('"per_m2",', '"per_m2", "twice",'), encoding="utf-8")
    (problem,) = check(open_loop(folder))
    assert "computed from the target. Received 'twice'" in str(problem)
    with pytest.raises(UserError, match="computed from the target"):
        raise run_stages(open_loop(folder))[0].error or AssertionError("it trained")


@pytest.mark.slow
def test_rows_without_a_key_keep_their_names_when_a_function_changes(folder: Path) -> None:
    (folder / "cauce.toml").write_text(
        (folder / "cauce.toml").read_text(encoding="utf-8").replace('key = "id"\n', ""), encoding="utf-8"
    )
    loop = trained(folder)
    first = loop.tracker.open("dear", 1)[1].units
    text = (folder / "features.py").read_text(encoding="utf-8")
    (folder / "features.py").write_text(text.replace("LIMIT = 1.0", "LIMIT = 60.0"), encoding="utf-8")
    second = trained(folder).tracker.open("dear", 2)[1].units
    assert first.select(["unit", "role"]).equals(second.select(["unit", "role"]))

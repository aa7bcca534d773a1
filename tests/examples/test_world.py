"""The traffic generator of `academy` against a small server: seeded, drifts as documented, tells every truth."""

from __future__ import annotations

import importlib.util
import itertools
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import cauce
from cauce.core.specs import File

ACADEMY = Path(cauce.__file__).parent / "examples" / "academy"


@pytest.fixture(scope="module")
def world() -> ModuleType:
    spec = importlib.util.spec_from_file_location("academy_world", ACADEMY / "world.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["academy_world"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def served() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """A server that answers 20,000 dollars to everything, busy at its first request."""
    asked: dict[str, Any] = {}
    told: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        busy = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.headers["Authorization"] != "Bearer s3cret":
                self._say(401, {})
            elif Handler.busy:
                Handler.busy = False
                self._say(429, {})
            elif self.path == "/v1/models/earnings/predict":
                new = {f"p{len(asked) + i}": row for i, row in enumerate(body["rows"])}
                asked.update(new)
                answers = [{"id": name, "prediction": 20_000.0} for name in new]
                self._say(200, {"version": 1 if len(asked) <= 100 else 2, "predictions": answers})
            else:
                told.update({truth["id"]: truth["value"] for truth in body["truths"]})
                self._say(200, {"truths": []})

        def _say(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked, told
    server.shutdown()
    thread.join()
    server.server_close()


def taken(world: ModuleType, drift: str, n: int = 400, *, start: int = 0, seed: int = 0) -> list[dict[str, Any]]:
    rows = world.later_rows(ACADEMY / "data" / "later.parquet")
    return list(itertools.islice(world.stream(rows, drift, start=start, seed=seed), n))


def test_every_prediction_gets_its_truth(
    world: ModuleType,
    served: tuple[str, dict[str, Any], dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, asked, told = served
    (tmp_path / "token").write_text("s3cret\n")
    given = ["--url", url, "--token-file", str(tmp_path / "token"), "--rows", "130", "--delay", "0.2", "--rate", "5000"]
    assert world.main(given) == 0
    expected = taken(world, "none", 130)
    assert list(asked.values()) == [{name: row[name] for name in world.INPUTS["earnings"]} for row in expected]
    assert [told[f"p{i}"] for i in range(130)] == [row["earnings"] for row in expected]
    said = capsys.readouterr().out
    assert "Version 2 has taken over from version 1." in said
    assert "Done: 130 predictions asked for, 130 truths told" in said


def test_a_refusal_is_shown(
    world: ModuleType, served: tuple[str, dict[str, Any], dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("wrong\n")
    with pytest.raises(SystemExit, match="The service refused /v1/models/earnings/predict: 401"):
        world.main(["--url", served[0], "--token-file", str(tmp_path / "token"), "--rows", "1"])


def test_a_missing_token_says_where_to_run(
    world: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert world.main(["--token-file", str(tmp_path / "none")]) == 2
    assert "after `cauce up`" in capsys.readouterr().out


def test_other_schemes_than_http_are_refused(world: ModuleType) -> None:
    with pytest.raises(SystemExit):
        world.arguments(["--url", "file:///etc"])


def test_the_same_seed_plays_the_same_rows(world: ModuleType) -> None:
    assert taken(world, "mix") == taken(world, "mix")
    assert taken(world, "mix") != taken(world, "mix", seed=1)


def test_the_earnings_drift_changes_inputs_and_outcomes_from_its_start(world: ModuleType) -> None:
    before, now = taken(world, "none"), taken(world, "earnings", start=100)
    assert now[:100] == before[:100]
    for was, row in zip(before[100:], now[100:], strict=True):
        assert row["earnings"] == round(was["earnings"] * 1.3)
        assert row["years_since"] == 5
        assert row["above_25k"] == ("yes" if row["earnings"] >= 25_000 else "no")


def test_the_mix_drift_changes_who_is_asked_about(world: ModuleType) -> None:
    rows = taken(world, "mix", 2000)
    assert sum(row["degree"] == "certificate" for row in rows) / 2000 == pytest.approx(0.93, abs=0.03)


def test_the_project_file_asks_for_what_the_world_sends(world: ModuleType) -> None:
    import tomllib

    file = File.model_validate(tomllib.loads((ACADEMY / "cauce.toml").read_text()))
    assert set(file.models) == set(world.INPUTS)
    header = (ACADEMY / "data" / "colleges.csv").read_text().partition("\n")[0].split(",")
    data = file.data["colleges"]
    for name, model in file.models.items():
        assert world.TARGETS[name] == model.target
        held_back = {data.key, data.time, data.group, model.target, *model.ignore}
        assert world.INPUTS[name] == (model.features or tuple(c for c in header if c not in held_back))


def test_the_data_are_small_and_their_source_is_stated() -> None:
    files = list((ACADEMY / "data").iterdir())
    assert {file.name for file in files} == {"SOURCE.md", "colleges.csv", "later.parquet"}
    assert sum(file.stat().st_size for file in files) < 1_500_000

"""A real server on loopback: kill -9, SIGTERM, swaps under load, a full disk, a full queue."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from cauce.core.errors import UserError
from cauce.core.specs import ServeSpec
from cauce.ledger import Ledger, journal
from cauce.serve import create_app, run
from cauce.serve.idempotency import Answers
from cauce.serve.metrics import Metrics
from cauce.serve.plan import Plan
from cauce.serve.releases import Releases
from cauce.serve.service import Served
from cauce.serve.shared import Shared
from serve.running import in_thread, process


def made(served: Served, variant: str) -> Any:
    """A release made ready, without an application around it."""
    return SimpleNamespace(served=served, plan=Plan(served.schema, "refuse"), variant=variant)


def ids_of(answer: httpx.Response) -> list[str]:
    return [one["id"] for one in answer.json()["predictions"]]


def test_kill_9_loses_no_acknowledged_prediction_or_truth(tmp_path: Path, school: Any) -> None:
    acknowledged: list[str] = []
    told: list[str] = []

    def client(url: str) -> None:
        with httpx.Client(base_url=url, headers=school.AUTH) as http:
            try:
                while True:
                    ids = ids_of(http.post("/v1/models/dropout/predict", json={"rows": [school.ROW] * 3}))
                    acknowledged.extend(ids)
                    http.post("/v1/models/dropout/truth", json={"truths": [{"id": ids[0], "value": "yes"}]})
                    told.append(ids[0])
            except httpx.TransportError:
                return

    for life in range(2):
        with process(tmp_path) as (server, url), ThreadPoolExecutor(4) as threads:
            for _ in range(4):
                threads.submit(client, url)
            while len(told) < 40 * (life + 1):
                threading.Event().wait(0.01)
            os.kill(server.pid, signal.SIGKILL)
    ledger = Ledger(tmp_path / "dropout", "dropout")
    found = set(ledger.window(1_000_000)["id"].to_pylist())
    assert len(acknowledged) > 200
    assert set(acknowledged) <= found
    ledger.fold(datetime.now(UTC))
    assert set(ledger.window(1_000_000)["id"].to_pylist()) == found
    assert set(told) <= set(ledger.labelled()["id"].to_pylist())
    with process(tmp_path) as (_, url):
        again = httpx.post(
            f"{url}/v1/models/dropout/truth", json={"truths": [{"id": told[0], "value": "yes"}]}, headers=school.AUTH
        )
        assert again.json()["results"][0]["status"] == "duplicate"


def test_sigterm_answers_what_was_begun_and_ends_well(tmp_path: Path, school: Any) -> None:
    with process(tmp_path, pause_s=0.6) as (server, url), ThreadPoolExecutor(1) as threads:
        answer = threads.submit(
            httpx.post, f"{url}/v1/models/dropout/predict", json={"rows": [school.ROW]}, headers=school.AUTH
        )
        while "in_flight 1.0" not in httpx.get(f"{url}/metrics", headers=school.AUTH).text:
            threading.Event().wait(0.01)
        server.send_signal(signal.SIGTERM)
        assert answer.result().status_code == 200
        assert server.wait(timeout=20) == 0
    assert Ledger(tmp_path / "dropout", "dropout").window(5)["id"].to_pylist() == ids_of(answer.result())


def test_a_request_is_answered_by_one_release_also_during_swaps(world: Any, school: Any) -> None:
    world.pause_s = 0.002
    stop = threading.Event()
    seen: set[int] = set()
    wrong: list[Any] = []

    def hammer(url: str) -> None:
        with httpx.Client(base_url=url, headers=school.AUTH) as http:
            while not stop.is_set():
                answer = http.post("/v1/models/dropout/predict", json={"rows": [school.ROW] * 5})
                body = answer.json()
                # The fake's probability says which version computed it.
                computed = {round(1 / one["probabilities"]["yes"]) - 1 for one in body.get("predictions", [])}
                if answer.status_code != 200 or computed != {body["version"]}:
                    wrong.append(body)
                seen.add(body.get("version", -1))

    with in_thread(create_app(world.service(poll_s=0.01))) as url, ThreadPoolExecutor(6) as threads:
        for _ in range(6):
            threads.submit(hammer, url)
        for version in range(2, 12):
            world.champions["dropout"] = version
            while version not in seen and not wrong:
                threading.Event().wait(0.005)
        stop.set()
    assert not wrong
    assert seen >= set(range(2, 12))
    rows = world.ledgers["dropout"].window(100_000)
    assert {round(1 / p) - 1 for p in rows["prob_yes"].to_pylist()} == set(rows["version"].to_pylist())


def test_a_swap_changes_what_is_asked_for_and_the_document(world: Any, school: Any) -> None:
    from cauce.core.artefacts import Column, Schema

    world.schemas["dropout", 2] = Schema((*school.SCHEMA.columns, Column("grade", "integer", nullable=False)))
    with (
        in_thread(create_app(world.service(poll_s=0.01))) as url,
        httpx.Client(base_url=url, headers=school.AUTH) as http,
    ):
        assert http.post("/v1/models/dropout/predict", json={"rows": [school.ROW]}).status_code == 200
        world.champions["dropout"] = 2
        while http.get("/v1/models").json()["data"][0]["version"] != 2:
            threading.Event().wait(0.01)
        refused = http.post("/v1/models/dropout/predict", json={"rows": [school.ROW]}).json()
        assert [(one["field"], one["reason"]) for one in refused["errors"]] == [("grade", "missing")]
        assert (
            http.post("/v1/models/dropout/predict", json={"rows": [school.ROW | {"grade": 1}]}).json()["version"] == 2
        )
        assert "grade" in http.get("/openapi.json").json()["components"]["schemas"]["dropout.Row"]["required"]
    assert world.ledgers["dropout"].window(2)["grade"].to_pylist() == [None, 1]


def test_a_release_that_cannot_be_loaded_leaves_the_old_one(world: Any) -> None:
    now = [0.0]
    metrics = Metrics()
    releases = Releases(world.service(), metrics, made, clock=lambda: now[0])
    releases.refresh()
    assert releases.ready
    world.broken.add(2)
    world.champions["dropout"] = 2
    releases.refresh()
    releases.refresh()
    held = releases.get("dropout")
    assert held is not None
    assert held.champion.served.version == 1
    assert releases.ready
    assert 'cauce_load_failures_total{model="dropout"} 1.0' in metrics.text().decode()
    assert world.loads.count(("dropout", 2)) == 1
    now[0] = 3.0
    world.broken.clear()
    releases.refresh()
    held = releases.get("dropout")
    assert held is not None
    assert held.champion.served.version == 2
    world.champions["dropout"] = None
    releases.refresh()
    assert releases.get("dropout") is None


def test_a_project_whose_champion_cannot_be_loaded_is_not_ready(world: Any) -> None:
    world.broken.add(1)
    releases = Releases(world.service(), Metrics(), made)
    releases.refresh()
    assert not releases.ready


@pytest.mark.parametrize("where", ["_write_all", "_sync"])
def test_a_full_disk_acknowledges_nothing_and_the_service_goes_on(
    client: Any, world: Any, school: Any, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def ask(path: str = "predict", body: Any = None) -> httpx.Response:
        answer: httpx.Response = client.post(f"/v1/models/dropout/{path}", json=body or {"rows": [school.ROW]})
        return answer

    first = ids_of(ask())
    real = journal._write_all

    def full(handle: int, *content: bytes) -> None:
        for part in content:
            real(handle, part[:30])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(journal, where, full)
        answer = ask()
        truth = ask("truth", {"truths": [{"id": first[0], "value": "yes"}]})
    for refused in (answer, truth):
        assert refused.status_code == 507
        assert refused.headers["content-type"] == "application/problem+json"
        assert "disk" in refused.json()["detail"]
    last = ids_of(ask())
    told = ask("truth", {"truths": [{"id": first[0], "value": "yes"}]})
    assert told.json()["results"][0]["status"] == "accepted"
    ledger = world.ledgers["dropout"]
    assert ledger.window(10)["id"].to_pylist() == first + last
    ledger.close()
    assert ledger.fold(datetime.now(UTC)).corrupt == ()
    assert ledger.window(10)["id"].to_pylist() == first + last


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_is_really_full(tmp_path: Path, school: Any) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], capture_output=True).returncode:
        pytest.skip("this machine mounts no tmpfs")
    try:
        world = school.World(small)
        with school.Client(create_app(world.service()), school.AUTH) as client:
            body = {"rows": [school.ROW] * 300}
            made: list[str] = []
            while (answer := client.post("/v1/models/dropout/predict", json=body)).status_code == 200:
                made += ids_of(answer)
            assert answer.status_code == 507
            ledger = world.ledgers["dropout"]
            assert sorted(ledger.window(100_000)["id"].to_pylist()) == sorted(made)
            ledger.close()
            with pytest.raises(UserError, match="the disk is full"):
                ledger.fold(datetime.now(UTC))
            assert sorted(ledger.window(100_000)["id"].to_pylist()) == sorted(made)
            subprocess.run(["mount", "-o", "remount,size=30m", str(small)], check=True)
            assert ledger.fold(datetime.now(UTC)).n_predictions == len(made)
            assert sorted(ledger.window(100_000)["id"].to_pylist()) == sorted(made)
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_more_than_the_queue_holds_is_refused_with_retry_after(world: Any, school: Any) -> None:
    world.pause_s = 0.3
    with school.Client(create_app(world.service(ServeSpec(max_in_flight=2))), school.AUTH) as client:
        request = ("POST", "/v1/models/dropout/predict", {"json": {"rows": [school.ROW]}})
        answers = client.gather(*[request] * 5)
        assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429, 429]
        assert {answer.headers["retry-after"] for answer in answers if answer.status_code == 429} == {"1"}
        assert client.request(*request[:2], **request[2]).status_code == 200


def test_the_same_key_at_the_same_time_is_computed_once(world: Any, school: Any) -> None:
    world.pause_s = 0.1
    with school.Client(create_app(world.service()), school.AUTH) as client:
        options = {"json": {"rows": [school.ROW]}, "headers": {"Idempotency-Key": "k"}}
        answers = client.gather(*[("POST", "/v1/models/dropout/predict", options)] * 3)
        assert len({answer.text for answer in answers}) == 1
    assert world.ledgers["dropout"].window(9).num_rows == 1


def test_a_client_that_goes_away_takes_the_answer_from_nobody() -> None:
    async def ask() -> tuple[bytes, int]:
        made = []

        async def make() -> bytes:
            made.append(1)
            await asyncio.sleep(0.01)
            return b"answer"

        answers = Answers(Shared(None))
        first, second = (asyncio.ensure_future(answers.once("/", "k", b"", make)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        return await second, len(made)

    assert asyncio.run(ask()) == (b"answer", 1)


def test_a_port_in_use_is_named_with_the_way_out(world: Any, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError) as caught:
            run(lambda: create_app(world.service()), "127.0.0.1", port, token_file=tmp_path / "token")
    assert str(port) in caught.value.what
    assert "--port" in caught.value.hint


def test_an_address_of_nobody_is_refused(world: Any, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    token.chmod(0o600)
    with pytest.raises(UserError, match="listen"):
        run(lambda: create_app(world.service()), "203.0.113.1", 0, token_file=token)


def test_importing_the_room_loads_nothing_heavy() -> None:
    heavy = ["fastapi", "starlette", "uvicorn", "pyarrow", "deltalake", "prometheus_client"]
    code = f"import sys, cauce.serve; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

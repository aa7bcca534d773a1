"""Several workers on one port: they share what they must, are started again, and are never left over."""

from __future__ import annotations

import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from cauce.core.errors import UserError
from cauce.ledger import Ledger
from cauce.serve import run
from serve.running import children, is_running, process, until

PATH = "/v1/models/dropout/predict"


@pytest.fixture
def ask(school: Any) -> Any:
    def asked(url: str, **headers: str) -> httpx.Response:
        """One request on a connection of its own, so that any worker may get it."""
        with httpx.Client(base_url=url, headers=school.AUTH, timeout=20) as client:
            return client.post(PATH, json={"rows": [school.ROW]}, headers=headers)

    return asked


def figure(url: str, name: str, auth: dict[str, str]) -> float:
    text = httpx.get(f"{url}/metrics", headers=auth).text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, flags=re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_workers_answer_as_one_service(tmp_path: Path, school: Any, ask: Any) -> None:
    with process(tmp_path, workers=2) as (server, url):
        assert len(children(server.pid)) == 2
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: ask(url), range(64)))
        assert {answer.status_code for answer in answers} == {200}
        name = 'cauce_predictions_total{model="dropout",variant="champion",version="1"}'
        assert {figure(url, name, school.AUTH) for _ in range(6)} == {64.0}
        assert figure(url, "cauce_workers", school.AUTH) == 2.0
        kept = [ask(url, **{"Idempotency-Key": "k"}).text for _ in range(8)]
        assert len(set(kept)) == 1
        journals = {path.stem for path in (tmp_path / "dropout" / "journal").iterdir()}
        assert len(journals) == 2  # both wrote
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
    ledger = Ledger(tmp_path / "dropout", "dropout")
    ledger.fold(datetime.now(UTC))
    assert ledger.window(1000).num_rows == 65


def test_a_killed_worker_is_replaced_and_nothing_acknowledged_is_lost(tmp_path: Path, school: Any, ask: Any) -> None:
    with process(tmp_path, workers=2) as (server, url):
        first = children(server.pid)
        ids = [ask(url).json()["predictions"][0]["id"] for _ in range(8)]
        os.kill(first[0], signal.SIGKILL)
        until(lambda: len(set(children(server.pid)) - set(first)) == 1)
        until(lambda: figure(url, "cauce_worker_restarts_total", school.AUTH) == 1.0)
        ids += [ask(url).json()["predictions"][0]["id"] for _ in range(8)]
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
    assert set(ids) <= set(Ledger(tmp_path / "dropout", "dropout").window(1000)["id"].to_pylist())


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    with process(tmp_path, workers=2) as (server, _):
        left = children(server.pid)
        server.kill()
        server.wait(20)
        until(lambda: not any(is_running(pid) for pid in left))


def test_sigterm_lets_every_worker_answer_what_was_begun(tmp_path: Path, school: Any, ask: Any) -> None:
    with process(tmp_path, 0.5, workers=2) as (server, url), ThreadPoolExecutor(4) as threads:
        pending = [threads.submit(ask, url) for _ in range(4)]
        until(lambda: figure(url, "cauce_requests_in_flight", school.AUTH) == 4.0)
        server.send_signal(signal.SIGTERM)
        assert [one.result().status_code for one in pending] == [200] * 4
        assert server.wait(20) == 0


def test_a_key_whose_worker_died_is_free_again(tmp_path: Path, school: Any, ask: Any) -> None:
    with process(tmp_path, 1.0, workers=2) as (server, url), ThreadPoolExecutor(1) as threads:
        before = children(server.pid)
        lost = threads.submit(ask, url, **{"Idempotency-Key": "k"})
        until(lambda: figure(url, "cauce_requests_in_flight", school.AUTH) == 1.0)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            lost.result()
        until(lambda: not set(before) & set(children(server.pid)) and len(children(server.pid)) == 2)
        assert ask(url, **{"Idempotency-Key": "k"}).status_code == 200


def test_answers_under_a_key_outlive_the_service(tmp_path: Path, ask: Any) -> None:
    made = []
    for _ in range(2):
        with process(tmp_path) as (server, url):
            made.append(ask(url, **{"Idempotency-Key": "k"}).text)
            server.kill()
    assert made[0] == made[1]
    assert Ledger(tmp_path / "dropout", "dropout").window(10).num_rows == 1


def test_workers_that_cannot_start_end_the_service_with_a_reason(tmp_path: Path) -> None:
    def broken() -> Any:
        raise RuntimeError("no application")

    pid = os.fork()
    if pid == 0:  # the parent of workers must have no threads, and pytest's processes may have some
        try:
            run(broken, "127.0.0.1", 0, token_file=tmp_path / "token", workers=2)
        except UserError as error:
            os._exit(7 if "end as soon as they start" in str(error) else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7

"""`cauce up` for real: it serves, watches, swaps, is stopped in every way, and leaves nothing running."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow.csv
import pytest

from cauce import Loop, load_project
from cauce.loop.stages import run_stages
from e2e.running import PATIENCE_S, Running, alive, descendants, holders, running, wait_for
from e2e.school import TOML, Cauce, students

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are counted in Linux's /proc"),
]
ROW = {"hours": 5.0, "course": "algebra", "grade": 6.0}
PREDICT = "/v1/models/passed/predict"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two versions, the first one champion: trained once, copied by every test."""
    folder = tmp_path_factory.mktemp("trained")
    pyarrow.csv.write_csv(students(), folder / "students.csv")
    (folder / "cauce.toml").write_text(TOML, encoding="utf-8")
    run_stages(Loop(load_project(folder / "cauce.toml", {})))
    pyarrow.csv.write_csv(students(1250), folder / "students.csv")
    loop = Loop(load_project(folder / "cauce.toml", {}))
    run_stages(loop)
    assert loop.tracker.versions("passed") == (1, 2)
    loop.tracker.set_alias("passed", "champion", 1)
    return folder


@pytest.fixture
def school(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def up(school: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    """`cauce up`, with one worker or as many as the test asks for."""
    workers = str(getattr(request, "param", 1))
    with running(school, "up", "--port", "0", "--every", "1s", env={"CAUCE_SERVE__WORKERS": workers}) as service:
        assert service.url
        yield service


def watcher(service: Running) -> int | None:
    return next((pid for pid, command in service.children().items() if "cauce watch" in command), None)


@pytest.mark.parametrize("up", [1, 2], indirect=True)
def test_it_serves_takes_truths_counts_and_ends_on_ctrl_c_with_everything_it_started(up: Running) -> None:
    with up.client() as http:
        assert http.get("/readyz").json() == {"status": "ready"}
        answer = http.post(PREDICT, json={"rows": [ROW, ROW]}).json()
        assert (answer["model"], answer["version"]) == ("passed", 1)
        first = answer["predictions"][0]
        assert first["prediction"] in {"yes", "no"}
        assert sum(first["probabilities"].values()) == pytest.approx(1.0)
        truth = {"truths": [{"id": first["id"], "value": "yes"}, {"id": "nobody", "value": "no"}]}
        told = http.post("/v1/models/passed/truth", json=truth).json()["results"]
        assert [one["status"] for one in told] == ["accepted", "unknown"]
        assert 'cauce_predictions_total{model="passed",variant="champion",version="1"} 2.0' in http.get("/metrics").text
    link, beside = up.link, wait_for(lambda: watcher(up))
    with httpx.Client(follow_redirects=True) as browser:
        page = browser.get(link)
        assert page.status_code == 200
        assert "school" in page.text
        assert httpx.get(link).status_code == 401, "a link opens once"
    assert isinstance(beside, int)
    assert up.end(signal.SIGINT) == 130
    assert "Traceback" not in up.said
    assert not alive(beside)
    assert holders(up.folder) == []


@pytest.mark.parametrize("up", [1, 2], indirect=True)
def test_sigterm_drains_and_ends_well(up: Running) -> None:
    """A request that is under way when the signal comes is answered."""
    host, port = up.url.removeprefix("http://").split(":")
    body = b'{"rows":[{"hours":5.0,"course":"algebra","grade":6.0}]}'
    token = (up.folder / ".cauce" / "secrets" / "token").read_text().strip()
    head = (
        f"POST {PREDICT} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as client:
        client.settimeout(PATIENCE_S)
        client.sendall(head.encode() + body[:10])
        with up.client() as http:  # answered after the half request above was taken
            http.get("/readyz")
        up.process.send_signal(signal.SIGTERM)
        wait_for(lambda: refused(host, int(port)))
        client.sendall(body[10:])
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
    assert up.end() == 0
    assert "Traceback" not in up.said
    assert holders(up.folder) == []


def refused(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_second_one_in_the_same_folder_is_refused_and_harms_nothing(up: Running, cauce: Cauce) -> None:
    second = cauce("up", "--port", "0")
    assert second.returncode == 5
    assert f"process {up.process.pid}" in second.stderr
    assert "`cauce up`" in second.stderr
    assert "Traceback" not in second.stderr
    assert cauce("serve", "--port", "0").returncode == 5
    with up.client() as http:
        assert http.post(PREDICT, json={"rows": [ROW]}).status_code == 200
    assert up.process.poll() is None


def test_a_port_in_use_is_named_before_anything_is_trained(project: Path, cauce: Cauce) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = cauce("up", "--port", str(port))
    assert done.returncode == 2
    assert f"port {port} is in use" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / ".cauce" / "mlflow.db").exists()


def test_a_killed_watcher_is_started_again(up: Running) -> None:
    first = wait_for(lambda: watcher(up))
    assert isinstance(first, int)
    os.kill(first, signal.SIGKILL)
    second = wait_for(lambda: next((pid for pid in [watcher(up)] if pid not in {None, first}), None))
    assert isinstance(second, int)
    with up.client() as http:
        assert http.get("/readyz").status_code == 200


@pytest.mark.parametrize("up", [1, 2], indirect=True)
def test_the_watcher_ends_when_the_service_is_killed(up: Running) -> None:
    beside = wait_for(lambda: watcher(up))
    assert isinstance(beside, int)
    assert up.end(signal.SIGKILL) == -9
    wait_for(lambda: not alive(beside))
    with running(up.folder, "up", "--port", "0") as again:
        assert again.url


def test_training_beside_it_works(up: Running, cauce: Cauce) -> None:
    done = cauce("train", "passed", "--json")
    assert done.returncode == 0 or (done.returncode == 5 and "process" in done.stderr), done.stderr
    with up.client() as http:
        assert http.post(PREDICT, json={"rows": [ROW]}).status_code == 200


@pytest.mark.parametrize("up", [1, 2], indirect=True)
def test_promotion_and_rollback_reach_the_running_service_without_a_failed_request(up: Running, cauce: Cauce) -> None:
    seen: list[tuple[int, int | None]] = []
    stop = threading.Event()

    def hammer() -> None:
        with up.client() as http:
            while not stop.is_set():
                answer = http.post(PREDICT, json={"rows": [ROW]})
                seen.append((answer.status_code, answer.json().get("version")))

    threads = [threading.Thread(target=hammer) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        assert wait_for(lambda: seen)
        done = cauce("promote", "passed", "--version", "2", "--reason", "It knows the new class.")
        assert done.returncode == 0, done.stderr
        wait_for(lambda: seen[-1][1] == 2, seen[-5:], patience_s=10.0)
        done = cauce("rollback", "passed", "--reason", "The teachers do not like it.")
        assert done.returncode == 0, done.stderr
        wait_for(lambda: seen[-1][1] == 1, seen[-5:], patience_s=10.0)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert {status for status, _ in seen} == {200}
    assert {version for _, version in seen} == {1, 2}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_stages_ends_them_too(project: Path, number: signal.Signals) -> None:
    pyarrow.csv.write_csv(students(40_000), project / "students.csv")
    with running(project, "up", "--port", "0") as service:
        service.until("Loading data students: done")
        stages = list(descendants(service.process.pid))
        assert stages
        assert service.end(number) == 130
        assert not any(alive(pid) for pid in stages)
        assert "Traceback" not in service.said
    assert holders(project) == []

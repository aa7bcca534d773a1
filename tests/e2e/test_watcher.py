"""The watcher for real: one at a time, freed by a kill, a full turn for `--once`, alerts that reach a chat."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.csv
import pytest

from alert.servers import Chat, chat
from cauce import Loop, load_project
from cauce.loop.stages import run_stages
from e2e.running import alive, running, wait_for
from e2e.school import TOML, Cauce, students

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in Linux's /proc"),
]
ALERT = """
[alert]
quiet = "0s"

[alert.webhooks.team]
url_env = "CHAT_URL"
format = "json"

[alert.commands.log]
run = ["/bin/sh", "-c", "cat >> told.jsonl; echo >> told.jsonl"]
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a champion: trained once, copied by every test."""
    folder = tmp_path_factory.mktemp("trained")
    pyarrow.csv.write_csv(students(), folder / "students.csv")
    (folder / "cauce.toml").write_text(TOML + ALERT, encoding="utf-8")
    run_stages(Loop(load_project(folder / "cauce.toml", {})))
    return folder


@pytest.fixture
def school(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def team(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    with chat() as server:
        monkeypatch.setenv("CHAT_URL", server.url)
        yield server


def lines(server: Chat) -> list[tuple[str, str]]:
    """What the chat was told: state and kind of each line."""
    return [(line["state"], line["kind"]) for body in list(server.bodies) for line in json.loads(body)["lines"]]


def looked_at(folder: Path) -> float:
    """When the newest look was recorded; 0 before the first."""
    path = folder / ".cauce" / "record" / "passed" / "watched.json"
    return path.stat().st_mtime if path.exists() else 0.0


def holder(folder: Path) -> int | None:
    """The pid that holds the watcher's lock."""
    from cauce.core.locks import holder as held

    who = held(folder / ".cauce" / "watch.lock")
    return None if who is None else int(str(who["pid"]))


def test_a_second_watcher_is_refused_and_a_kill_frees_the_lock(school: Path, team: Chat, cauce: Cauce) -> None:
    with running(school, "watch", "--every", "1h") as first:
        wait_for(lambda: holder(school) == first.process.pid and looked_at(school), first)
        second = cauce("watch", "--every", "1h")
        assert second.returncode == 5
        assert f"process {first.process.pid}" in second.stderr
        assert "`cauce watch`" in second.stderr
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
        assert holder(school) is None
        with running(school, "watch", "--every", "1h") as third:
            wait_for(lambda: holder(school) == third.process.pid, third)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_sleeping_watcher_ends_at_once(school: Path, team: Chat, number: signal.Signals) -> None:
    with running(school, "watch", "--every", "1h") as watcher:
        before = looked_at(school)
        wait_for(lambda: looked_at(school) > before, watcher)
        time.sleep(0.2)  # it goes from the look to sleep
        begun = time.monotonic()
        code = watcher.end(number)
        assert time.monotonic() - begun < 5.0
    assert code == (0 if number == signal.SIGTERM else 130)
    assert "Traceback" not in watcher.said


def test_systemd_is_told_that_it_is_ready_and_that_it_stops(school: Path, team: Chat) -> None:
    path = school / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(60.0)
        with running(school, "watch", "--every", "1h", env={"NOTIFY_SOCKET": str(path)}) as watcher:
            assert listener.recv(100) == b"READY=1"
            assert listener.recv(100) == b"STATUS=Looking at passed"
            assert listener.recv(100) == b"STATUS=Waiting for the next look"
            assert watcher.end(signal.SIGTERM) == 0
            assert listener.recv(100) == b"STOPPING=1"


def test_up_and_a_watcher_share_one_lock(school: Path, team: Chat, cauce: Cauce) -> None:
    """`up` serves meanwhile, and its watcher takes over when the other one ends, however it ends."""
    with running(school, "watch", "--every", "1h") as alone:
        wait_for(lambda: holder(school) == alone.process.pid, alone)
        with running(school, "up", "--port", "0", "--every", "1s") as up:
            assert up.url
            up.until("this watcher waits for it to end")
            assert up.said.count("waits for it to end") == 1
            assert holder(school) == alone.process.pid
            os.kill(alone.process.pid, signal.SIGKILL)
            beside = wait_for(lambda: next((pid for pid in up.children() if holder(school) == pid), None), up)
            assert isinstance(beside, int)
            refused = cauce("watch", "--every", "1h")
            assert refused.returncode == 5
            assert f"process {beside}" in refused.stderr
            assert up.end(signal.SIGINT) == 130
            wait_for(lambda: not alive(beside))


def test_once_takes_a_full_turn(school: Path, team: Chat, cauce: Cauce) -> None:
    """The source changed: it trains, decides, and what is news is told before it ends."""
    first = json.loads(cauce("watch", "--once", "--json").stdout)
    assert first["passed"]["watched"]["version"] == 1
    assert first["passed"]["decision"]["action"] == "wait"
    assert lines(team) == []
    (school / "students.csv").unlink()
    done = cauce("watch", "--once", "--json")
    assert done.returncode == 2
    assert "students.csv" in done.stderr
    assert lines(team) == [("new", "training")]
    pyarrow.csv.write_csv(students(1250), school / "students.csv")
    done = cauce("watch", "--once", "--json")
    assert done.returncode == 0, done.stderr
    turn = json.loads(done.stdout)["passed"]
    assert turn["outcome"]["challenger"] == 2
    assert lines(team)[1:][-1] == ("over", "training")
    told = [json.loads(line) for line in (school / "told.jsonl").read_text().splitlines()]
    assert [one["id"] for one in told] == [json.loads(body)["id"] for body in team.bodies]


def test_a_look_alone_decides_nothing(school: Path, team: Chat, cauce: Cauce) -> None:
    (school / "students.csv").unlink()
    done = cauce("watch", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["passed"]["version"] == 1
    assert lines(team) == []
    assert not (school / ".cauce" / "record" / "passed" / "error.json").exists()


def test_once_beside_a_watcher_only_looks(school: Path, team: Chat, cauce: Cauce) -> None:
    with running(school, "watch", "--every", "1h") as watcher:
        before = looked_at(school)
        wait_for(lambda: looked_at(school) > before, watcher)
        (school / "students.csv").unlink()
        done = cauce("watch", "--once", "--json")
        assert done.returncode == 0, done.stderr
        assert f"process {watcher.process.pid}" in done.stderr
        assert json.loads(done.stdout)["passed"]["version"] == 1
    assert lines(team) == []


def test_the_daemon_tells_a_failure_once_keeps_it_for_a_chat_that_is_down_and_says_when_it_is_over(
    school: Path, team: Chat, cauce: Cauce
) -> None:
    team.status = 404
    rows = (school / "students.csv").read_bytes()
    with running(school, "watch", "--every", "1s") as watcher:
        before = looked_at(school)
        wait_for(lambda: looked_at(school) > before, watcher)
        (school / "students.csv").unlink()
        watcher.until("webhooks.team does not take messages: answers 404")
        wait_for(lambda: (school / "told.jsonl").exists(), watcher)
        state = json.loads(cauce("alert", "list", "--json").stdout)
        assert [one["cause"]["kind"] for one in state["open"]] == ["training"]
        assert state["channels"]["webhooks.team"]["waiting"] == 1
        assert state["channels"]["webhooks.team"]["failing"]["why"] == "answers 404 (ok)"
        assert state["channels"]["commands.log"] == {"waiting": 0, "failing": None}
        (school / "students.csv").write_bytes(rows)
        wait_for(lambda: (school / "told.jsonl").read_text().count('"state"') == 2, watcher)
        team.status = 200
        team.bodies.clear()
        wait_for(lambda: len(team.bodies) == 2, watcher)
        assert lines(team) == [("new", "training"), ("over", "training")]
        watcher.until("webhooks.team takes messages again")
        assert watcher.said.count("does not take messages") == 1
        assert "s3cret" not in watcher.said
        assert watcher.end(signal.SIGTERM) == 0


def test_a_chat_that_never_answers_holds_up_neither_looks_nor_the_end(school: Path, team: Chat) -> None:
    team.answer = lambda _: time.sleep(30.0)
    (school / "students.csv").unlink()
    with running(school, "watch", "--every", "1s") as watcher:
        wait_for(lambda: team.bodies, watcher)
        before = looked_at(school)
        wait_for(lambda: looked_at(school) > before, watcher, patience_s=15.0)
        begun = time.monotonic()
        assert watcher.end(signal.SIGTERM) == 0
        assert time.monotonic() - begun < 8.0
    assert "Traceback" not in watcher.said


@pytest.mark.parametrize("kind", ["systemd", "cron", "kubernetes"])
def test_a_schedule_is_printed_and_nothing_else_happens(school: Path, cauce: Cauce, kind: str) -> None:
    before = looked_at(school)
    done = cauce("watch", "--every", "1h", "--print", kind)
    assert done.returncode == 0, done.stderr
    words = {"systemd": "ExecStart=", "cron": " watch --once --quiet", "kubernetes": "concurrencyPolicy: Forbid"}
    assert words[kind] in done.stdout
    assert looked_at(school) == before
    refused = cauce("watch", "--print", kind)
    assert refused.returncode == 2
    assert "--every 1h" in refused.stderr


def test_the_printed_cron_line_runs(school: Path, team: Chat, cauce: Cauce) -> None:
    import subprocess

    line = cauce("watch", "--every", "1h", "--print", "cron").stdout
    command = line.rstrip("\n").split(" ", 5)[5].replace("\\%", "%")
    before = looked_at(school)
    done = subprocess.run(["/bin/sh", "-c", command], cwd="/", capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert looked_at(school) > before


def test_alert_test_says_which_channel_took_it(school: Path, team: Chat, cauce: Cauce) -> None:
    done = cauce("alert", "test")
    assert done.returncode == 0, done.stderr
    assert "webhooks.team took it" in done.stdout
    assert "commands.log took it" in done.stdout
    team.status = 500
    done = cauce("alert", "test")
    assert done.returncode == 4
    assert "webhooks.team did not take it: answers 500" in done.stdout
    assert "s3cret" not in done.stdout + done.stderr

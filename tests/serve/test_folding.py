"""The service folds its journals by a process beside it, whose end, however it comes, touches nothing else."""

from __future__ import annotations

import asyncio
import logging
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from cauce.ledger import Ledger, journal, settling
from cauce.serve import create_app, folding
from cauce.serve.folding import Folding
from serve.running import in_thread, until


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "FOLD_EVERY_S", 0.05)
    monkeypatch.setattr(folding, "FOLD_FROM_BYTES", 1)


class Fakes:
    """Processes in place of those that fold."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.made: list[subprocess.Popen[bytes]] = []

    def start(self, folder: Path, days: int | None) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-c", self.code], stderr=subprocess.PIPE)
        self.made.append(process)
        return process


def running(ledger: Ledger, fakes: Fakes, *, n: int, days: int | None = None) -> None:
    """Run until `n` processes were started, and then end."""

    async def run() -> None:
        task = asyncio.create_task(Folding({"dropout": ledger}, days).run())
        async with asyncio.timeout(20):
            while len(fakes.made) < n:
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    (tmp_path / "dropout" / "journal").mkdir(parents=True)
    (tmp_path / "dropout" / "journal" / "a.jsonl").write_text("line\n")
    return Ledger(tmp_path / "dropout", "dropout")


def test_a_service_folds_while_it_answers(world: Any, school: Any) -> None:
    with in_thread(create_app(world.service())) as url, httpx.Client(base_url=url, headers=school.AUTH) as client:

        def ask() -> str:
            answer = client.post("/v1/models/dropout/predict", json={"rows": [school.ROW]})
            return str(answer.json()["predictions"][0]["id"])

        ids = [ask()]
        ledger = world.ledgers["dropout"]
        journal.rotate(ledger.folder / "journal")
        until(lambda: (ledger.folder / "predictions" / "_acknowledged").exists())
        truth = {"truths": [{"id": ids[0], "value": "yes"}]}
        assert client.post("/v1/models/dropout/truth", json=truth).json()["results"][0]["status"] == "accepted"
        ids.append(ask())
    assert ledger.window(10)["id"].to_pylist() == ids


def test_its_end_ends_the_process(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = Fakes("import time; time.sleep(600)")
    monkeypatch.setattr(settling, "start", fakes.start)
    running(ledger, fakes, n=1)
    assert fakes.made[0].wait(20) == -signal.SIGKILL


def test_a_process_that_fails_is_logged_and_the_next_one_comes(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fakes = Fakes("import sys; sys.stderr.write('damaged' * 10_000); sys.exit('the disk is full')")
    monkeypatch.setattr(settling, "start", fakes.start)
    running(ledger, fakes, n=3)
    name, level, text = caplog.record_tuples[0]
    assert (name, level) == ("cauce.serve", logging.ERROR)
    assert text.startswith("model dropout: its ledger could not be folded: exit code 1, ")
    assert text.endswith("the disk is full")
    assert len(text) < 2 * folding.MOST_SAID


def test_a_process_that_hangs_is_ended_and_the_next_one_comes(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fakes = Fakes("import time; time.sleep(600)")
    monkeypatch.setattr(settling, "start", fakes.start)
    monkeypatch.setattr(folding, "LONGEST_S", 0.1)
    running(ledger, fakes, n=2)
    assert fakes.made[0].wait(20) == -signal.SIGKILL
    assert caplog.record_tuples[0][1:] == (logging.ERROR, "model dropout: its ledger could not be folded")


def test_that_another_process_folds_is_no_error(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fakes = Fakes("import sys; sys.exit(5)")
    monkeypatch.setattr(settling, "start", fakes.start)
    running(ledger, fakes, n=3, days=30)
    assert caplog.record_tuples == []


def test_what_is_too_old_is_let_go_once_a_day(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "FOLD_FROM_BYTES", 1_000)
    fakes = Fakes("")
    monkeypatch.setattr(settling, "start", fakes.start)

    async def run() -> None:
        one = Folding({"dropout": ledger}, 30)
        for _ in range(3):
            await one._look("dropout", ledger)

    asyncio.run(run())
    assert len(fakes.made) in {1, 2}  # two where a day ended meanwhile

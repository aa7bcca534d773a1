"""From turns to messages on the wire: what is in the record and the look is told once, over restarts and kills."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alert.servers import Chat, chat
from alert.test_causes import decision, seen, words
from cauce import Loop, load_project
from cauce.core.artefacts import Decision, Signal, Watched
from cauce.core.errors import UserError
from cauce.core.files import write_artefact
from cauce.core.names import uuid7
from cauce.loop.alert import book_of, deliver, link_to, seconds_to_delivery, tell, try_out, watch_failed
from cauce.loop.serve import serving
from cauce.loop.stages import Failure
from cauce.renew.record import append

TOML = """\
[project]
name = "school"
language = "es"

[data.students]
source = "students.csv"

[models.passed]
task = "classify"
data = "students"
target = "passed"

[alert.webhooks.team]
url_env = "CHAT_URL"
format = "json"
"""
DRIFT = Signal("drift", "age", 0.4, 0.2, True, words("age moved"))


class World:
    """A project without models trained, its clock in the test's hand, and a chat that takes what is sent."""

    def __init__(self, folder: Path, server: Chat) -> None:
        self.folder, self.server = folder, server
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        (folder / "cauce.toml").write_text(TOML, encoding="utf-8")

    @property
    def loop(self) -> Loop:
        """A fresh process's view of the project."""
        return Loop(load_project(self.folder / "cauce.toml", {}), now=lambda: self.now)

    def turn(self, watched: Watched | None, *decided: Decision, recorded: bool = True, after: timedelta) -> list[str]:
        """Take a turn some time later; return the lines that were sent, as state and Spanish reason."""
        self.now += after
        for one in decided if recorded else ():
            append(self.loop.record("passed"), one)
        tell(self.loop, "passed", watched, decided[0] if decided else None, *decided[1:2])
        return self.sent()

    def sent(self) -> list[str]:
        before = len(self.server.bodies)
        deliver(self.loop)
        told = [json.loads(body) for body in self.server.bodies[before:]]
        return [f"{line['state']}: {line['reason']}" for message in told for line in message["lines"]]

    def decide(self, action: str, **keys: object) -> Decision:
        made = decision(action, watched=action in {"retrain", "fix data", "wait"})  # type: ignore[arg-type]
        return replace(made, id=uuid7(int(self.now.timestamp() * 1000)), at=self.now, **keys)  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with chat() as server:
        monkeypatch.setenv("CHAT_URL", server.url)
        yield World(tmp_path, server)


HOUR = timedelta(hours=1)


def test_a_signal_is_told_once_reminded_of_daily_and_over(world: World) -> None:
    assert world.turn(seen(DRIFT), after=HOUR) == ["new: age moved (es)"]
    told = [world.turn(seen(DRIFT), after=HOUR) for _ in range(23)]
    assert told == [[]] * 23
    assert world.turn(seen(DRIFT), after=HOUR) == ["again: age moved (es)"]
    assert world.turn(seen(), after=HOUR) == ["over: age moved (es)"]
    assert world.turn(seen(), after=HOUR) == []
    message = json.loads(world.server.bodies[0])
    assert message["title"] == "[school] passed: Una columna se ha desviado"
    assert message["link"] == "http://127.0.0.1:8321/console#model-passed"


def test_decisions_come_from_the_record_also_those_by_hand_and_of_a_killed_turn(world: World) -> None:
    assert world.turn(seen(), world.decide("wait"), after=HOUR) == []
    append(world.loop.record("passed"), world.decide("promote", challenger=2, by="ana"))
    append(world.loop.record("passed"), world.decide("retrain"))
    assert world.turn(seen(), after=HOUR) == ["new: Because 1. (es)", "new: Because 1. (es)"]
    assert world.turn(seen(), after=HOUR) == []


def test_what_was_decided_before_anybody_was_told_is_no_news_but_the_first_turns_own_is(world: World) -> None:
    append(world.loop.record("passed"), world.decide("promote", challenger=1))
    promoted = world.decide("promote", challenger=2, reason=words("Version 2."))
    assert world.turn(seen(), world.decide("wait"), promoted, after=HOUR) == ["new: Version 2. (es)"]


def test_a_failed_training_is_told_until_it_does_not_fail(world: World) -> None:
    failure = world.loop.record("passed") / "error.json"
    write_artefact(failure, Failure("students.csv: no such file.", world.now))
    assert world.turn(None, after=HOUR) == ["new: students.csv: no such file."]
    assert world.turn(None, after=HOUR) == []
    failure.unlink()
    assert world.turn(None, after=HOUR) == ["over: students.csv: no such file."]


def test_a_failed_turn_is_told_and_calls_nothing_over(world: World) -> None:
    world.turn(seen(DRIFT), after=HOUR)
    world.now += 2 * HOUR
    watch_failed(world.loop, "passed", UserError("the disk is full"))
    assert world.sent() == ["new: the disk is full."]
    world.now += 2 * HOUR
    watch_failed(world.loop, "passed", UserError("the disk is full"))
    assert world.sent() == []
    assert world.turn(seen(DRIFT), after=HOUR) == ["over: the disk is full."]


def test_what_a_chat_did_not_take_is_kept_over_a_restart_and_sent_later(world: World) -> None:
    world.server.status = 404
    assert world.turn(seen(DRIFT), after=HOUR) == ["new: age moved (es)"], "it arrived, and was not taken"
    assert seconds_to_delivery(world.loop) == 30.0
    assert len(book_of(world.loop).outbox) == 1
    world.server.status = 200
    assert world.sent() == [], "not before its time"
    world.now += timedelta(seconds=31)
    assert world.sent() == ["new: age moved (es)"]
    assert book_of(world.loop).outbox == ()


def test_no_secret_reaches_the_record_or_the_log(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    world.server.status = 500
    world.server.body = world.server.url.encode()
    world.turn(seen(DRIFT), after=HOUR)
    world.now += HOUR
    said = deliver(world.loop) + tuple(filter(None, try_out(world.loop).values()))
    assert any("500" in line for line in said)
    stored = b"".join(path.read_bytes() for path in (world.folder / ".cauce").rglob("*") if path.is_file())
    out, err = capfd.readouterr()
    assert "s3cret" not in f"{said} {stored!r} {out} {err}"


def test_a_book_that_cannot_be_read_does_not_stop_the_watcher(world: World) -> None:
    world.turn(seen(DRIFT), after=HOUR)
    (world.folder / ".cauce" / "record" / "alerts.json").write_text("{torn")
    assert world.turn(seen(DRIFT), after=HOUR) == ["new: age moved (es)"]


def test_a_test_goes_to_every_channel_and_says_which_took_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert try_out(world.loop) == {"webhooks.team": None}
    assert json.loads(world.server.bodies[-1])["title"] == "[school] Una prueba"
    monkeypatch.delenv("CHAT_URL")
    assert try_out(world.loop) == {"webhooks.team": "the environment variable CHAT_URL is not set"}


@pytest.mark.parametrize(
    ("keys", "link"),
    [
        ('[alert]\nlink = "https://c.example/cauce/"\n', "https://c.example/cauce/console#model-passed"),
        ('[serve]\nhost = "::1"\nport = 9000\n', "http://[::1]:9000/console#model-passed"),
        ('[serve]\nhost = "0.0.0.0"\n', None),
        ("[serve]\nport = 0\n", None),
    ],
)
def test_a_link_leads_to_the_model_where_somebody_says_how_the_console_is_reached(
    world: World, keys: str, link: str | None
) -> None:
    (world.folder / "cauce.toml").write_text(TOML + "\n" + keys, encoding="utf-8")
    assert link_to(world.loop, "passed") == link


@pytest.mark.parametrize(
    ("listening", "link"),
    [
        ("http://127.0.0.1:41873\n", "http://127.0.0.1:41873/console#model-passed"),
        ("http://0.0.0.0:9000\n", None),
        ("https://[::]:9000\n", None),
    ],
)
def test_a_link_leads_to_where_the_service_listens_whatever_the_file_says(
    world: World, listening: str, link: str | None
) -> None:
    with serving(world.loop):
        world.loop.state.address.write_text(listening, encoding="ascii")
        assert link_to(world.loop, "passed") == link
    assert link_to(world.loop, "passed") == "http://127.0.0.1:8321/console#model-passed"

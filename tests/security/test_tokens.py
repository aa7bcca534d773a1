"""Tokens: kept as hashes, followed on the disk, ended in time; sessions and codes end with them."""

from __future__ import annotations

import hashlib
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from cauce.core import admin_log
from cauce.core.errors import Refused, UserError
from cauce.serve import Codes, Tokens, create_app
from cauce.serve.codes import Memory
from cauce.serve.exposure import check_exposure
from cauce.serve.token_file import Kept, TokenFile, read
from cauce.serve.tokens import SCOPES, Token
from security.asking import ask_all, bearer, service

NOW = datetime(2026, 5, 1, tzinfo=UTC)
TOML = '[project]\nname = "school"\n'


class Clock:
    """Seconds since the epoch, moved by a test."""

    def __init__(self) -> None:
        self.now = NOW.timestamp()

    def __call__(self) -> float:
        self.now += 1.0  # so that each look-up may look at the disk
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "secrets" / "tokens.json")


def test_a_token_opens_with_its_scopes_and_its_own_limit(file: TokenFile) -> None:
    made = file.add("shop", scopes=["truth", "predict"], now=NOW, requests_per_second=50.0)
    tokens = Tokens("owner's", file.path)
    assert tokens.find(made.token) == Token("shop", frozenset({"predict", "truth"}), 50.0, slot=1)
    owner = tokens.find("owner's")
    assert owner is not None
    assert owner.scopes == set(SCOPES)
    for wrong in ("", "shop", made.entry.sha256, made.token[:-1], made.token + "=", "ñ"):
        assert tokens.find(wrong) is None


def test_no_token_lies_on_the_disk_or_in_memory_in_plain(file: TokenFile) -> None:
    made = [file.add(name, scopes=["predict"], now=NOW).token for name in ("a", "b")]
    made.append(file.rotate("a", now=NOW, grace_s=60).token)
    for path in file.path.parent.iterdir():
        assert not any(token in path.read_text() for token in made)
        assert path.stat().st_mode & 0o077 == 0 or path.suffix == ".lock"
    assert file.path.parent.stat().st_mode & 0o077 == 0
    assert hashlib.sha256(made[1].encode()).hexdigest() in file.path.read_text()
    held = repr(vars(Tokens("the-owner-s-own", file.path)))
    assert not any(token in held for token in [*made, "the-owner-s-own"])
    assert len({len(token) for token in made}) == 1
    assert len(made[0]) == 43, "32 random bytes"


def test_a_running_service_follows_within_a_second(file: TokenFile) -> None:
    now = [NOW.timestamp()]
    tokens = Tokens("", file.path, clock=lambda: now[0])
    made = file.add("shop", scopes=["predict"], now=NOW)
    now[0] += 0.9
    assert tokens.find(made.token) is None, "the disk is looked at once a second"
    now[0] += 0.2
    assert tokens.find(made.token) is not None
    file.remove("shop")
    now[0] += 1.0
    assert tokens.find(made.token) is None
    now[0] -= 3600.0  # the clock is put right
    again = file.add("shop", scopes=["predict"], now=NOW)
    assert tokens.find(again.token) is not None


def test_an_exchanged_token_works_for_its_grace_alone(file: TokenFile) -> None:
    clock = Clock()
    tokens = Tokens("", file.path, clock=clock)
    old = file.add("shop", scopes=["predict"], now=NOW).token
    new = file.rotate("shop", now=NOW, grace_s=3600.0).token
    assert tokens.find(old) == tokens.find(new)
    assert tokens.find(new) is not None
    clock.now = NOW.timestamp() + 3601.0
    assert tokens.find(old) is None
    assert tokens.find(new) is not None
    newest = file.rotate("shop", now=NOW).token
    assert (tokens.find(new), tokens.find(old)) == (None, None)
    assert tokens.find(newest) is not None


def test_a_token_ends_when_it_was_told_to_and_an_exchange_begins_its_life_anew(file: TokenFile) -> None:
    clock = Clock()
    tokens = Tokens("", file.path, clock=clock)
    old = file.add("shop", scopes=["predict"], now=NOW, expires_s=100.0).token
    assert tokens.find(old) is not None
    clock.now = NOW.timestamp() + 100.0
    assert tokens.find(old) is None
    later = NOW + timedelta(seconds=500)
    new = file.rotate("shop", now=later, grace_s=3600.0)
    assert new.entry.expires == later + timedelta(seconds=100)
    assert tokens.find(new.token) is not None
    assert tokens.find(old) is None, "what has ended is not brought back by a grace"


@pytest.mark.parametrize("damage", [b"", b"{", b'{"tokens": [{}]}', b"\x00\xff", b"[]"])
def test_a_damaged_file_stops_a_start_and_changes_nothing_for_a_running_service(
    file: TokenFile, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    token = file.add("shop", scopes=["predict"], now=NOW).token
    tokens = Tokens("", file.path, clock=Clock())
    file.path.write_bytes(damage)
    with caplog.at_level(logging.ERROR):
        assert tokens.find(token) is not None
        assert tokens.find(token) is not None
    assert len(caplog.records) == 1, "said once, not at every look"
    with pytest.raises(UserError, match="not a file of tokens"):
        Tokens("", file.path)


@pytest.mark.parametrize(
    "change",
    [{"sha256": "x" * 64}, {"sha256": "ab"}, {"slot": 0}, {"slot": 5000}, {"name": "../x"}, {"scopes": ["root"]}],
)
def test_an_entry_that_cauce_did_not_write_is_refused(file: TokenFile, change: dict[str, Any]) -> None:
    file.add("shop", scopes=["predict"], now=NOW)
    kept = json.loads(file.path.read_text())
    kept["tokens"][0] |= change
    file.path.write_text(json.dumps(kept))
    with pytest.raises(UserError, match="not a file of tokens"):
        read(file.path)


def test_a_file_that_others_may_use_is_refused(file: TokenFile) -> None:
    file.add("shop", scopes=["predict"], now=NOW)
    file.path.chmod(0o660)
    with pytest.raises(UserError) as told:
        Tokens("", file.path)
    assert "chmod 600" in told.value.hint
    with pytest.raises(UserError, match="others can read"):
        check_exposure("0.0.0.0", file.path.with_name("token"))


def test_named_tokens_suffice_to_be_reached_by_others(file: TokenFile) -> None:
    owner = file.path.with_name("token")
    with pytest.raises(UserError, match="there is no token"):
        check_exposure("0.0.0.0", owner)
    file.add("shop", scopes=["predict"], now=NOW)
    check_exposure("0.0.0.0", owner)


def test_many_who_add_at_once_all_get_a_token_and_a_place_of_their_own(file: TokenFile) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda i: file.add(f"t{i}", scopes=["predict"], now=NOW), range(24)))
    kept = read(file.path).tokens
    assert {one.name for one in kept} == {f"t{i}" for i in range(24)}
    assert {one.slot for one in kept} == set(range(1, 25))
    assert all(Tokens("", file.path).find(one.token) for one in made)
    file.remove("t3")
    assert file.add("again", scopes=["truth"], now=NOW).entry.slot in range(1, 25)


def test_a_name_is_taken_once_and_the_owners_is_no_name(file: TokenFile) -> None:
    file.add("shop", scopes=["predict"], now=NOW)
    for name in ("shop", "owner", "../x", "a b", "", "$(id)"):
        with pytest.raises(UserError):
            file.add(name, scopes=["predict"], now=NOW)
    for act in (file.remove, lambda name: file.rotate(name, now=NOW)):
        with pytest.raises(UserError, match="no such token"):
            act("sopha")


def test_what_cannot_be_written_down_is_not_done(file: TokenFile) -> None:
    file.add("shop", scopes=["predict"], now=NOW)
    before = file.path.read_bytes()

    def note(*_: str) -> None:
        raise UserError("the disk is full")

    unnoted = TokenFile(file.path, note)
    for act in (
        lambda: unnoted.add("new", scopes=["admin"], now=NOW),
        lambda: unnoted.rotate("shop", now=NOW),
        lambda: unnoted.remove("shop"),
        unnoted.retire_owner,
        unnoted.rotate_owner,
    ):
        with pytest.raises(UserError, match="full"):
            act()
    assert file.path.read_bytes() == before
    assert not file.path.with_name("token").exists()


def test_the_owners_token_can_be_taken_away_and_made_again(file: TokenFile) -> None:
    with pytest.raises(Refused, match="no other token"):
        file.retire_owner()
    first = file.rotate_owner()
    tokens = Tokens(first, file.path, clock=Clock())
    assert tokens.find(first) is not None
    file.add("shop", scopes=["admin"], now=NOW)
    file.retire_owner()
    assert tokens.find(first) is None
    assert read(file.path).owner_retired
    second = file.rotate_owner()
    assert tokens.find(second) is not None
    assert tokens.find(first) is None
    assert read(file.path) == Kept(tokens=read(file.path).tokens)


def session_of(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 303, answer.text
    return {"Cookie": answer.headers["set-cookie"].split(";")[0]}


def test_a_session_ends_with_the_token_that_began_it(file: TokenFile) -> None:
    admin = file.add("ana", scopes=["admin"], now=NOW).token
    other = file.add("eva", scopes=["admin"], now=NOW).token
    app = create_app(handed := service(tokens=Tokens("", file.path, clock=Clock())))
    code = handed.codes.make()
    entered = ask_all(
        app,
        [
            ("POST", "/console/session", {"data": {"token": admin}}),
            ("POST", "/console/session", {"data": {"token": other}}),
            ("GET", "/console", {"params": {"code": code}}),
        ],
    )
    sessions = [session_of(one) for one in entered]

    def statuses() -> list[int]:
        return [one.status_code for one in ask_all(app, [("GET", "/console", {"headers": s}) for s in sessions])]

    assert statuses() == [200, 200, 200]
    file.rotate("ana", now=NOW)
    assert statuses() == [401, 200, 200]
    file.remove("eva")
    assert statuses() == [401, 401, 200]
    # Another token's mark in place of its own makes it no session at all.
    secret, _, _ = sessions[0]["Cookie"].rpartition(".")
    sessions[0] = {"Cookie": f"{secret}.code"}
    assert statuses() == [401, 401, 200]


def test_a_token_without_admin_begins_no_session(file: TokenFile) -> None:
    token = file.add("shop", scopes=["predict", "truth", "metrics"], now=NOW).token
    acts: list[admin_log.Act] = []
    app = create_app(service(tokens=Tokens("", file.path), note=acts.append))
    answers = ask_all(app, [("POST", "/console/session", {"data": {"token": token}})])
    assert [one.status_code for one in answers] == [401]
    assert [(act.what, act.who) for act in acts] == [("sign-in refused", "unknown")]
    assert "shop, without the scope admin" in acts[0].detail
    assert token not in repr(acts)


def test_codes_and_sessions_hold_in_every_process_that_shares_their_store() -> None:
    store = Memory()
    one, two = (service(codes=Codes(store=store), sessions=Codes("session", store=store)) for _ in range(2))
    apps = [create_app(one), create_app(two)]
    code = one.codes.make()
    session = session_of(ask_all(apps[1], [("GET", "/console", {"params": {"code": code}})])[0])
    assert ask_all(apps[0], [("GET", "/console", {"headers": session})])[0].status_code == 200
    assert ask_all(apps[0], [("GET", "/console", {"params": {"code": code}})])[0].status_code == 401, "once for all"
    # In one store, a session is no code.
    secret = session["Cookie"].partition("=")[2]
    assert not one.codes.redeem(secret)
    assert one.sessions.alive(secret)


def test_of_many_who_redeem_a_code_at_once_one_gets_in() -> None:
    codes = Codes()
    code = codes.make()
    start = threading.Barrier(8)

    def redeem(_: int) -> bool:
        start.wait()
        return codes.redeem(code)

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(redeem, range(8))) == 1


def test_the_cookie_of_another_project_is_none_of_ours(tmp_path: Path) -> None:
    files = [TokenFile(tmp_path / name / "secrets" / "tokens.json") for name in ("a", "b")]
    marks = {Tokens("the same", one.path).mark for one in files}
    assert len(marks) == 2
    assert not any("the same" in mark for mark in marks)


def cauce(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cauce", "token", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_the_command_makes_lists_exchanges_and_removes_and_shows_a_token_once(tmp_path: Path) -> None:
    (tmp_path / "cauce.toml").write_text(TOML)
    made = cauce(tmp_path, "add", "shop", "--scope", "predict", "--scope", "truth", "--expires", "90d", "--json")
    shown = json.loads(made.stdout)
    assert (shown["name"], shown["scopes"]) == ("shop", ["predict", "truth"])
    path = tmp_path / ".cauce" / "secrets" / "tokens.json"
    assert Tokens("", path).find(shown["token"]) is not None
    told = cauce(tmp_path, "rotate", "shop", "--grace", "1h").stdout
    new = told.split()[-1]
    assert Tokens("", path).find(new) is not None
    listed = cauce(tmp_path, "list")
    assert json.loads(cauce(tmp_path, "list", "--json").stdout)[0]["old_works_until"] is not None
    assert "shop" in listed.stdout
    assert json.loads(cauce(tmp_path, "remove", "shop", "--json").stdout) == {"removed": "shop"}
    assert read(path).tokens == ()
    acts = json.loads(cauce(tmp_path, "log", "--json").stdout)
    assert [act["what"] for act in acts] == ["token remove", "token rotate", "token add"]
    assert all(act["who"].startswith("command line, ") and "uid" in act["who"] for act in acts)
    everything = listed.stdout + "".join(p.read_text() for p in (tmp_path / ".cauce").rglob("*") if p.is_file())
    assert shown["token"] not in everything
    assert new not in everything


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "shop"),
        ("add", "shop", "--scope", "everything"),
        ("add", "$(touch x)", "--scope", "predict"),
        ("add", "../x", "--scope", "predict"),
        ("add", "shop", "--scope", "predict", "--expires", "soon"),
        ("add", "shop", "--scope", "predict", "--expires", "0s"),
        ("add", "shop", "--scope", "predict", "--per-second", "0"),
        ("add", "shop", "--scope", "predict", "--per-second", "nan"),
        ("rotate", "nobody"),
        ("rotate", "owner", "--grace", "1h"),
        ("remove", "nobody"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "cauce.toml").write_text(TOML)
    done = cauce(tmp_path, *arguments)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / ".cauce" / "secrets" / "tokens.json").exists()
    assert not (tmp_path / ".cauce" / "record").exists()


@contextmanager
def noted(folder: Path) -> Iterator[list[admin_log.Act]]:
    acts: list[admin_log.Act] = []
    yield acts
    acts.extend(admin_log.read(folder))


def test_sign_ins_and_those_refused_stand_in_the_log(tmp_path: Path) -> None:
    handed = service(note=lambda act: admin_log.append(tmp_path, act))
    app = create_app(handed)
    code = handed.codes.make()
    with noted(tmp_path) as acts:
        ask_all(
            app,
            [
                ("GET", "/console", {"params": {"code": code}}),
                ("GET", "/console", {"params": {"code": code}}),
                ("POST", "/console/session", {"data": {"token": "guess"}}),
                ("POST", "/console/session", {"data": {"token": "the-token-of-these-tests"}}),
                ("GET", "/console", {"headers": bearer("guess")}),
            ],
        )
    assert [(act.what, act.who) for act in reversed(acts)] == [
        ("sign in", "one-time code"),
        ("sign-in refused", "unknown"),
        ("sign-in refused", "unknown"),
        ("sign in", "token owner"),
    ]
    assert all("127.0.0.1" in act.detail for act in acts)
    text = (tmp_path / admin_log.FILE).read_text()
    assert not any(secret in text for secret in (code, "guess", "the-token-of-these-tests"))


def test_a_log_that_cannot_be_written_keeps_nobody_out(caplog: pytest.LogCaptureFixture) -> None:
    def full(_: admin_log.Act) -> None:
        raise UserError("the disk is full")

    handed = service(note=full)
    with caplog.at_level(logging.ERROR):
        answers = ask_all(create_app(handed), [("GET", "/console", {"params": {"code": handed.codes.make()}})])
    assert answers[0].status_code == 303
    assert "could not be written" in caplog.text

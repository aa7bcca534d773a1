"""Clients that are slow, that stay, that send too much or go away, on real sockets."""

from __future__ import annotations

import gc
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from cauce.core.specs import ServeSpec
from cauce.serve import connection, create_app
from serve.running import in_thread, until

PATH = "/v1/models/dropout/predict"


@pytest.fixture
def url(world: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A service that loses its patience within moments."""
    monkeypatch.setattr(connection, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(connection, "ARRIVE_S", 0.3)
    with in_thread(create_app(world.service())) as found:
        yield found


def connect(url: str, **options: int) -> socket.socket:
    parts = urlsplit(url)
    made = socket.socket()
    for name, value in options.items():
        made.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    made.settimeout(10)
    made.connect((parts.hostname, parts.port))
    return made


def request(url: str, body: bytes, token: str, *more: str, length: int | None = None) -> bytes:
    lines = [
        f"POST {PATH} HTTP/1.1",
        f"Host: {urlsplit(url).netloc}",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body) if length is None else length}",
        *more,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def read_all(client: socket.socket) -> bytes:
    """Read until the service closes the connection."""
    found = b""
    try:
        while part := client.recv(65_536):
            found += part
    except ConnectionResetError:
        pass
    return found


@pytest.mark.parametrize("sent", [b"", b"POST /v1/models/dropout/predict HTTP/1.1\r\nHost: 127", b"GET /healthz"])
def test_a_request_that_never_arrives_is_given_up(url: str, sent: bytes) -> None:
    with connect(url) as client:
        client.sendall(sent)
        assert read_all(client).startswith(b"HTTP/1.1 408 ")


def test_headers_that_trickle_are_given_up_though_they_never_stop(url: str) -> None:
    with connect(url) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\n")
        client.settimeout(0.02)
        found = b""
        for number in range(500):
            try:
                client.sendall(b"X-%d: a\r\n" % number)
                found += client.recv(65_536)
            except TimeoutError:
                continue
            except OSError:
                break
            if found:
                break
        assert found.startswith(b"HTTP/1.1 408 ")


def test_a_body_that_never_arrives_is_given_up_and_its_place_is_free(url: str, world: Any, school: Any) -> None:
    with connect(url) as client:
        client.sendall(request(url, b'{"rows"', school.TOKEN, length=500))
        assert b"408" in read_all(client)
    assert httpx.post(f"{url}{PATH}", json={"rows": [school.ROW]}, headers=school.AUTH).status_code == 200
    text = httpx.get(f"{url}/metrics", headers=school.AUTH).text
    assert "cauce_requests_in_flight 0.0" in text


def test_a_connection_that_waits_for_its_next_request_is_kept(url: str, school: Any) -> None:
    body = orjson.dumps({"rows": [school.ROW]})
    with connect(url) as client:
        for _ in range(2):
            client.sendall(request(url, body, school.TOKEN))
            assert client.recv(65_536).startswith(b"HTTP/1.1 200 OK")
            client.settimeout(0.6)  # twice as long as a request may take to arrive
            with pytest.raises(TimeoutError):
                client.recv(1)
            client.settimeout(10)


def test_headers_without_end_are_refused(url: str) -> None:
    with connect(url) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\n")
        try:
            for _ in range(100):
                client.sendall(b"X: " + b"a" * 1000 + b"\r\n")
        except OSError:
            pass
        found = read_all(client)
    assert not found or found.startswith(b"HTTP/1.1 431 ")


def test_a_large_body_is_no_large_header(url: str, school: Any) -> None:
    body = orjson.dumps({"rows": [school.ROW] * 2_000})
    assert len(body) > 4 * connection.HEADER_BYTES
    answer = httpx.post(f"{url}{PATH}", content=body, headers=school.AUTH | {"Content-Type": "application/json"})
    assert answer.status_code == 200
    assert len(answer.json()["predictions"]) == 2_000


def test_a_client_that_does_not_read_is_cut_off(world: Any, school: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(connection, "UNREAD_S", 0.3)
    body = orjson.dumps({"rows": [school.ROW] * 10_000})
    with in_thread(create_app(world.service())) as url, connect(url, SO_RCVBUF=4096) as client:
        for _ in range(4):  # some megabytes of answers, more than both sides' buffers hold
            client.sendall(request(url, body, school.TOKEN))
        found = b""
        client.settimeout(5)
        closed = until(lambda: _is_cut_off(url, school), within_s=20)
        assert closed
        try:
            found = read_all(client)
        except OSError:
            found = b""
        assert found.count(b"HTTP/1.1 200") < 4


def _is_cut_off(url: str, school: Any) -> bool:
    text = httpx.get(f"{url}/metrics", headers=school.AUTH).text
    return "cauce_requests_in_flight 0.0" in text


def test_connections_beyond_the_most_are_closed_and_the_others_answered(
    url: str, school: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MOST_CONNECTIONS", 3)
    body = orjson.dumps({"rows": [school.ROW]})
    first = [connect(url) for _ in range(3)]
    for client in first:
        client.sendall(request(url, body, school.TOKEN))
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")
    with connect(url) as late:
        assert read_all(late) == b""
    for client in first:
        client.sendall(request(url, body, school.TOKEN))
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")
        client.close()


def test_requests_sent_one_behind_the_other_are_answered_in_order(url: str, school: Any) -> None:
    ages = [20, 50, 30, 60]
    sent = [orjson.dumps({"rows": [school.ROW | {"age": age}]}) for age in ages]
    with connect(url) as client:
        client.sendall(b"".join(request(url, body, school.TOKEN) for body in sent[:-1]))
        client.sendall(request(url, sent[-1], school.TOKEN, "Connection: close"))
        found = read_all(client)
    answers = [orjson.loads(part.rpartition(b"\r\n\r\n")[2]) for part in found.split(b"HTTP/1.1 200 OK")[1:]]
    assert [one["predictions"][0]["prediction"] for one in answers] == ["no", "yes", "no", "yes"]


def test_a_client_that_goes_away_takes_its_rows_out_of_the_queue(world: Any, school: Any) -> None:
    world.pause_s = 0.3
    body = orjson.dumps({"rows": [school.ROW]})
    with in_thread(create_app(world.service(ServeSpec(batching=False)))) as url:
        clients = [connect(url) for _ in range(12)]
        for client in clients:
            client.sendall(request(url, body, school.TOKEN))
        until(lambda: "cauce_requests_in_flight 12.0" in httpx.get(f"{url}/metrics", headers=school.AUTH).text)
        for client in clients:
            client.close()
        until(lambda: "cauce_requests_in_flight 0.0" in httpx.get(f"{url}/metrics", headers=school.AUTH).text)
    assert world.ledgers["dropout"].window(100).num_rows < 12


def test_the_whole_answer_and_the_common_way_say_the_same(url: str, school: Any) -> None:
    """Kept alive, an answer is written at once; closed after, it goes the framework's way."""
    body = {"rows": [school.ROW]}
    whole = httpx.post(f"{url}{PATH}", json=body, headers=school.AUTH)
    common = httpx.post(f"{url}{PATH}", json=body, headers=school.AUTH | {"Connection": "close"})
    assert whole.json().keys() == common.json().keys()
    for answer in (whole, common):
        answer.headers.pop("date")
        assert len(answer.headers.pop("x-request-id")) == 36
    common.headers.pop("connection")
    assert dict(whole.headers) == dict(common.headers)


def test_a_deadline_of_the_client_is_kept(world: Any, school: Any) -> None:
    world.pause_s = 0.4
    with in_thread(create_app(world.service(ServeSpec(batching=False)))) as url, ExitStack() as stack:
        clients = [stack.enter_context(connect(url)) for _ in range(8)]
        body = orjson.dumps({"rows": [school.ROW]})
        for client in clients:
            client.sendall(request(url, body, school.TOKEN, "Connection: close"))
        until(lambda: "cauce_requests_in_flight 8.0" in httpx.get(f"{url}/metrics", headers=school.AUTH).text)
        begun = time.monotonic()
        hurried = httpx.post(
            f"{url}{PATH}", json={"rows": [school.ROW]}, headers=school.AUTH | {"Cauce-Deadline-Ms": "50"}, timeout=20
        )
        assert hurried.status_code == 503
        assert time.monotonic() - begun < 0.35  # told at its deadline, not when a call of 0.4 s ended
        assert hurried.headers["retry-after"] == "1"
        assert "deadline" in hurried.json()["detail"]
        assert all(b"200 OK" in read_all(client) for client in clients)
        for value in ("0", "-1", "1.5", "soon", "1" * 10):
            headers = school.AUTH | {"Cauce-Deadline-Ms": value}
            assert httpx.post(f"{url}{PATH}", json={"rows": []}, headers=headers).status_code == 400


def test_a_request_leaves_no_ring_behind_that_the_garbage_collector_must_find(url: str, school: Any) -> None:
    """A ring a request made collections every second, and each held all requests up for 30 ms."""
    body = orjson.dumps({"rows": [school.ROW]})
    with connect(url) as client:

        def ask(times: int) -> None:
            for _ in range(times):
                client.sendall(request(url, body, school.TOKEN))
                assert client.recv(65_536).startswith(b"HTTP/1.1 200")

        ask(5)
        gc.collect()
        gc.disable()
        try:
            ask(100)
            assert gc.collect() < 100
        finally:
            gc.enable()

"""Webhooks against a real server: what arrives, what is refused, and that no error holds the address."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from alert.servers import certificate, chat
from cauce.alert import Undelivered
from cauce.alert.webhook import post


def refused(url: str, *, timeout_s: float = 5.0) -> Undelivered:
    """Why a post was not taken; without anything of the address."""
    with pytest.raises(Undelivered) as caught:
        post(url, {"text": "x"}, timeout_s=timeout_s)
    error: BaseException | None = caught.value
    while error is not None:  # what a traceback would print
        assert "s3cret" not in str(error)
        error = error.__cause__ if error.__suppress_context__ else (error.__cause__ or error.__context__)
    return caught.value


def test_a_payload_arrives_as_json() -> None:
    with chat() as server:
        post(server.url, {"text": "año"}, timeout_s=5.0)
    assert json.loads(server.bodies[0]) == {"text": "año"}
    assert server.paths == ["/services/T0/B0/s3cretpath?sig=s3cretquery"]


def test_a_202_of_a_teams_workflow_is_taken() -> None:
    with chat() as server:
        server.status, server.body = 202, b""
        post(server.url, {}, timeout_s=5.0)


@pytest.mark.parametrize(("status", "lasting"), [(400, True), (404, True), (408, False), (429, False), (503, False)])
def test_what_makes_sense_to_try_again_is_told_from_what_does_not(status: int, lasting: bool) -> None:
    with chat() as server:
        server.status, server.body = status, b"no_service"
        server.headers = {"Retry-After": "7"}
        error = refused(server.url)
    assert (error.lasting, error.retry_after_s) == (lasting, 7.0)
    assert error.why == f"answers {status} (no_service)"


def test_an_answer_that_repeats_the_address_is_not_told() -> None:
    with chat() as server:
        server.status, server.body = 404, b"no workflow at /services/T0/B0/s3cretpath"
        assert refused(server.url).why == "answers 404"


def test_a_redirect_is_not_followed() -> None:
    with chat() as other, chat() as server:
        server.status, server.headers = 302, {"Location": other.url}
        assert "redirects" in refused(server.url).why
    assert other.paths == []


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(1 << 20):
            handler.wfile.write(b"x" * (1 << 16))

    with chat() as server:
        server.answer = flood
        begun = time.monotonic()
        post(server.url, {}, timeout_s=10.0)
    assert time.monotonic() - begun < 5.0


def test_an_answer_that_drips_is_cut_in_time() -> None:
    """A byte now and then keeps every socket timeout happy."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        for _ in range(200):
            handler.wfile.write(b"H")
            handler.wfile.flush()
            time.sleep(0.05)

    with chat() as server:
        server.answer = drip
        begun = time.monotonic()
        assert "no answer in 0.5 s" in refused(server.url, timeout_s=0.5).why
    assert time.monotonic() - begun < 5.0


def test_a_body_that_drips_is_cut_in_time() -> None:
    """After its head: a connection that the server is to close is then no longer known by its socket."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(503)
        handler.send_header("Connection", "close")
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)

    with chat() as server:
        server.answer = drip
        begun = time.monotonic()
        assert refused(server.url, timeout_s=0.5).why
        taken = time.monotonic() - begun
    assert taken < 3.0


def test_nobody_there_is_told_as_that() -> None:
    with chat() as server:
        url = server.url
    assert "not reached" in refused(url).why


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.slack.example/services/s3cret",
        "https://ana:s3cret@hooks.slack.example/x",
        "file:///etc/s3cret",
        "s3cret",
        "https://hooks.slack.example/s3cret\r\nX: y",
        "https://[s3cret",
        "https://h:s3cret/",
    ],
)
def test_an_address_that_is_none_or_not_encrypted_is_refused_before_anything_is_sent(url: str) -> None:
    assert refused(url).lasting


def test_a_certificate_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, context = certificate(tmp_path)
    with chat(context) as server:
        assert "certificate is not trusted" in refused(server.url).why
        assert server.bodies == []
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        post(server.url, {"text": "x"}, timeout_s=5.0)
    assert len(server.bodies) == 1

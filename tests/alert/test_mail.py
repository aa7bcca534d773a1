"""E-mail against a real server: STARTTLS before the password, the letter that arrives, and how it refuses."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from alert.servers import certificate
from cauce.alert import Message, Undelivered
from cauce.alert.mail import send
from cauce.core.alert_specs import MailSpec


class Postbox:
    """Remembers what it is given, and refuses whom it is told to."""

    def __init__(self) -> None:
        self.letters: list[Envelope] = []
        self.signed_in: list[bool] = []
        self.refuses: set[str] = set()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, to: str, options: list[str]
    ) -> str:
        if to in self.refuses:
            return "550 nobody here"
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.letters.append(envelope)
        self.signed_in.append(bool(session.authenticated))
        return "250 OK"

    def let_in(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        known = isinstance(data, LoginPassword) and (data.login, data.password) == (b"cauce", b"s3cret")
        return AuthResult(success=known, handled=known or False)


@contextmanager
def post_office(context: ssl.SSLContext | None = None) -> Iterator[tuple[Postbox, int]]:
    box = Postbox()
    options: dict[str, Any] = {}
    if context is not None:
        options = {"tls_context": context, "require_starttls": True, "authenticator": box.let_in, "auth_required": True}
    with socket.create_server(("127.0.0.1", 0)) as taken:  # aiosmtpd must be told a port
        port = taken.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port, ready_timeout=20.0, **options)
    controller.start()
    try:
        yield box, port
    finally:
        controller.stop()


def spec(port: int, **keys: Any) -> MailSpec:
    people = ("ana@academy.example", "luis@academy.example")
    return MailSpec(**{"host": "127.0.0.1", "port": port, "to": people, "sender": "cauce@academy.example", **keys})


def test_a_letter_arrives_after_starttls_and_signing_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: Message
) -> None:
    file, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with post_office(context) as (box, port):
        send(spec(port, user="cauce"), "s3cret", message, timeout_s=10.0)
    (envelope,) = box.letters
    assert box.signed_in == [True]
    assert envelope.rcpt_tos == ["ana@academy.example", "luis@academy.example"]
    assert isinstance(envelope.content, bytes)
    read = message_from_bytes(envelope.content, policy=default)
    assert read["Subject"] == "[school] passed: Title drift/age and 2 more"
    assert read["Auto-Submitted"] == "auto-generated"
    body = read.get_content()
    assert "The values of `age` have moved." in body
    assert "https://cauce.example/console#model-passed" in body


def test_a_wrong_password_is_told_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: Message) -> None:
    file, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with post_office(context) as (box, port), pytest.raises(Undelivered) as caught:
        send(spec(port, user="cauce"), "wr0ng", message, timeout_s=10.0)
    assert caught.value.why == "the account is not let in (535)"
    assert box.letters == []


def test_a_server_whose_certificate_is_not_trusted_gets_no_password(tmp_path: Path, message: Message) -> None:
    _, context = certificate(tmp_path)
    with post_office(context) as (box, port), pytest.raises(Undelivered, match="certificate is not trusted"):
        send(spec(port, user="cauce"), "s3cret", message, timeout_s=10.0)
    assert box.letters == []


def test_a_server_without_starttls_gets_nothing(message: Message) -> None:
    with post_office() as (box, port), pytest.raises(Undelivered, match="STARTTLS"):
        send(spec(port), None, message, timeout_s=10.0)
    assert box.letters == []


def test_one_refused_recipient_is_told_and_the_others_get_it_once(message: Message) -> None:
    with post_office() as (box, port):
        box.refuses = {"luis@academy.example"}
        with pytest.raises(Undelivered, match="1 of 2") as caught:
            send(spec(port, security="none"), None, message, timeout_s=10.0)
    assert [envelope.rcpt_tos for envelope in box.letters] == [["ana@academy.example"]]
    assert caught.value.in_part


def test_nobody_taken_is_no_delivery(message: Message) -> None:
    with post_office() as (box, port):
        box.refuses = {"luis@academy.example", "ana@academy.example"}
        with pytest.raises(Undelivered, match="nobody is taken"):
            send(spec(port, security="none"), None, message, timeout_s=10.0)
    assert box.letters == []


def test_nobody_there_is_told_as_that(message: Message) -> None:
    with post_office() as (_, port):
        pass
    with pytest.raises(Undelivered, match="not reached"):
        send(spec(port), None, message, timeout_s=2.0)

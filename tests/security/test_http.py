"""What has gone wrong in other systems' HTTP faces: every route is shut without the token, in every way in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cauce.core.errors import UserError
from cauce.serve import Codes, Tokens, create_app, run
from cauce.serve.hosts import Hosts
from security.asking import TOKEN, all_routes, ask, bearer, filled, service

OPEN = {"/healthz", "/readyz"}


def test_the_route_table_is_the_one_that_is_walked() -> None:
    assert {path for _, path in all_routes()} == {
        "/v1/models/{name}/predict",
        "/v1/models/{name}/truth",
        "/v1/models",
        "/metrics",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/console",
        "/console/session",
        "/console/audits/{name}",
        "/console/static/{file}",
    }


@pytest.mark.parametrize(("method", "path"), [pair for pair in all_routes() if pair[1] not in OPEN])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("wrong"),
        bearer(""),
        {"Authorization": "Bearer ñ".encode("latin-1")},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
    ],
)
def test_no_route_answers_without_the_token(method: str, path: str, headers: dict[str, Any]) -> None:
    answer = ask(create_app(service()), method, filled(path), headers=headers)
    assert answer.status_code == 401
    assert "the page" not in answer.text


@pytest.mark.parametrize(
    "path",
    ["/nowhere", "/docs", "/v1//models", "//metrics", "/metrics/", "/Metrics", "/healthz/", "/healthz/..%2fmetrics"],
)
def test_paths_that_are_no_routes_tell_nothing_without_the_token(path: str) -> None:
    assert ask(create_app(service()), "GET", path).status_code == 401


@pytest.mark.parametrize("path", sorted(OPEN))
def test_health_says_its_state_and_nothing_more(path: str) -> None:
    assert set(ask(create_app(service()), "GET", path).json()) == {"status"}


def test_an_empty_token_opens_nothing() -> None:
    assert ask(create_app(service(tokens=Tokens(""))), "GET", "/v1/models", headers=bearer("")).status_code == 401


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "",
        "127.0.0.1/x",
        "10.0.0.1",
        "[::2]:80",
        "127.0.0.1:port",
    ],
)
@pytest.mark.parametrize("path", ["/healthz", "/v1/models", "/console"])
def test_another_host_is_refused_on_every_route(host: str, path: str) -> None:
    answer = ask(create_app(service()), "GET", path, headers=bearer() | {"Host": host})
    assert answer.status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8321", "localhost:1", "[::1]:8321", "LOCALHOST"])
def test_its_own_names_are_taken(host: str) -> None:
    assert ask(create_app(service()), "GET", "/v1/models", headers=bearer() | {"Host": host}).status_code == 200


def test_bound_to_all_addresses_numbers_are_taken_and_names_are_not() -> None:
    hosts = Hosts("0.0.0.0")
    assert hosts.allows("192.168.1.7:8321")
    assert not hosts.allows("evil.example")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", "http://127.0.0.1:1", "https://127.0.0.1:8321.evil.example", "file://"],
)
def test_another_origin_is_refused_on_every_method(method: str, origin: str) -> None:
    answer = ask(create_app(service()), method, "/v1/models", headers=bearer() | {"Origin": origin})
    assert answer.status_code == 403


def test_the_same_origin_is_taken() -> None:
    headers = bearer() | {"Origin": "http://127.0.0.1:8321"}
    assert ask(create_app(service()), "GET", "/v1/models", headers=headers).status_code == 200


def test_a_code_makes_one_session_that_opens_the_console_alone() -> None:
    handed = service()
    app = create_app(handed)
    code = handed.codes.make()
    entered = ask(app, "GET", "/console", params={"code": code})
    assert (entered.status_code, entered.headers["location"]) == (303, "/console")
    cookie = entered.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/console"} <= {part.strip() for part in cookie.split(";")}
    session = {"Cookie": cookie.split(";")[0]}
    assert ask(app, "GET", "/console", headers=session).text == "the page"
    assert ask(app, "GET", "/console/static/console.css", headers=session).status_code == 200
    assert ask(app, "GET", "/console/static/..%2f..%2ftoken", headers=session).status_code == 404
    for method, path in (
        ("GET", "/v1/models"),
        ("GET", "/metrics"),
        ("POST", "/v1/models/dropout/predict"),
        ("POST", "/console"),
    ):
        assert ask(app, method, path, headers=session).status_code == 401
    assert ask(app, "GET", "/console", params={"code": code}).status_code == 401
    assert ask(app, "GET", "/console", headers={"Cookie": session["Cookie"] + "x"}).status_code == 401


def test_the_sign_in_form_takes_the_token_and_nothing_else() -> None:
    app = create_app(service())
    assert ask(app, "POST", "/console/session", data={"token": TOKEN}).status_code == 303
    for wrong in ({"token": "wrong"}, {}, {"token": ""}):
        answer = ask(app, "POST", "/console/session", data=wrong)
        assert (answer.status_code, answer.text) == (401, "the sign-in page")
    assert ask(app, "POST", "/console/session", content=b"x" * 5000).status_code == 413
    crossing = {"Origin": "http://evil.example"}
    assert ask(app, "POST", "/console/session", data={"token": TOKEN}, headers=crossing).status_code == 403


def test_codes_end() -> None:
    now = [0.0]
    codes = Codes(clock=lambda: now[0])
    code, old = codes.make(), codes.make()
    assert codes.redeem(code)
    now[0] = 601.0
    assert not codes.redeem(old)


@pytest.mark.parametrize("path", ["/console", "/healthz", "/v1/models", "/nowhere"])
def test_every_answer_carries_the_browser_s_guards(path: str) -> None:
    headers = ask(create_app(service()), "GET", path).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "'unsafe-inline'" not in headers["content-security-policy"].split("style-src")[0]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


def test_others_are_not_let_in_without_a_token_file_of_ones_own(tmp_path: Path) -> None:
    app = create_app(service())
    token = tmp_path / "token"
    with pytest.raises(UserError, match="there is no token"):
        run(lambda: app, "0.0.0.0", 0, token_file=token)
    token.write_text("secret\n")
    token.chmod(0o644)
    with pytest.raises(UserError) as caught:
        run(lambda: app, "0.0.0.0", 0, token_file=token)
    assert "chmod 600" in caught.value.hint


def test_the_service_reads_no_telemetry_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    assert ask(create_app(service()), "GET", "/healthz").status_code == 200


def test_no_page_names_another_server() -> None:
    answer = ask(create_app(service()), "GET", "/openapi.json", headers=bearer())
    assert not re.search(r"https?://", answer.text)

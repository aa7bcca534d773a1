"""Each token opens its own routes and no other, whatever a path is spelt like: the real route table is walked."""

from __future__ import annotations

from functools import cache
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.routing import compile_path

from cauce.serve import create_app
from cauce.serve.rights import RULES, Rights
from cauce.serve.tokens import SCOPES, TokenScope
from security.asking import Handed, all_routes, ask, ask_all, bearer, filled, holder, service, walk

NEEDS: dict[str, TokenScope | None] = {
    "/v1/models/{name}/predict": "predict",
    "/v1/models/{name}/truth": "truth",
    "/v1/models": None,
    "/openapi.json": None,
    "/metrics": "metrics",
    "/console": "admin",
    "/console/session": "admin",
    "/console/audits/{name}": "admin",
    "/console/static/{file}": "admin",
}
OPEN = {"/healthz", "/readyz"}


def with_scopes(*scopes: TokenScope) -> Any:
    return create_app(service(tokens=Handed(secret=holder(*scopes))))


def test_every_route_of_the_application_has_its_rule_and_no_rule_is_left_over() -> None:
    assert {path for _, path in all_routes()} == {*NEEDS, *OPEN} == {rule.route for rule in RULES}
    assert {rule.route: rule.scope for rule in RULES if not rule.open} == NEEDS
    assert {rule.route for rule in RULES if rule.open} == OPEN


@pytest.mark.parametrize(("method", "path"), [pair for pair in all_routes() if pair[1] not in OPEN])
def test_every_route_is_shut_without_a_token_and_for_every_wrong_scope(method: str, path: str) -> None:
    needed = NEEDS[path]
    assert ask(with_scopes("predict"), method, filled(path)).status_code == 401
    for scope in SCOPES:
        answer = ask(with_scopes(scope), method, filled(path), headers=bearer("secret"))
        if needed in (None, scope):
            assert answer.status_code not in {401, 403} or path == "/console/session", (path, scope)
        else:
            assert answer.status_code == 403, (path, scope)
            assert answer.headers["content-type"] == "application/problem+json"
            assert repr(needed) in answer.json()["detail"]
    others = [scope for scope in SCOPES if scope != needed]
    if needed is not None:
        assert ask(with_scopes(*others), method, filled(path), headers=bearer("secret")).status_code == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", sorted(NEEDS))
def test_no_method_goes_round_the_scope(method: str, path: str) -> None:
    if NEEDS[path] is not None:
        wrong: TokenScope = "truth" if NEEDS[path] != "truth" else "predict"
        assert ask(with_scopes(wrong), method, filled(path), headers=bearer("secret")).status_code == 403
    shown = method in {"GET", "HEAD"} if path == "/console" else method == "POST" and path == "/console/session"
    answer = ask(with_scopes(), method, filled(path))
    assert answer.status_code in ({401, 405} if shown else {401})


@pytest.mark.parametrize(
    "path", ["/nowhere", "/v1/models/dropout", "/v1/models/a/b/predict", "/metrics/", "/docs", "//"]
)
def test_a_path_that_is_no_route_is_told_to_those_who_have_a_token(path: str) -> None:
    app = with_scopes(*SCOPES)
    assert ask_all(app, [("GET", path, {"headers": bearer("secret")})])[0].status_code == 404
    assert ask_all(app, [("GET", path, {})])[0].status_code == 401


def test_a_method_that_is_none_of_a_route_is_told_to_those_who_may_use_it() -> None:
    assert ask(with_scopes("predict"), "GET", "/v1/models/dropout/predict", headers=bearer("secret")).status_code == 405


@pytest.mark.parametrize(
    "spelt", ["predict%0a", "predic%74", "predict%20", "predict;x", "predict%00", "Predict", "predict%2f"]
)
def test_no_spelling_of_a_path_goes_round_the_scope(spelt: str) -> None:
    answer = ask(with_scopes("metrics"), "POST", f"/v1/models/dropout/{spelt}", headers=bearer("secret"))
    assert answer.status_code in {403, 404}


SEGMENT = st.sampled_from(
    ["v1", "models", "dropout", "predict", "truth", "metrics", "console", "session", "static", ""]
)
PATHS = st.lists(SEGMENT | st.text(max_size=4), max_size=6).map(lambda parts: "/" + "/".join(parts))


@settings(deadline=None)
@given(path=PATHS, end=st.sampled_from(["", "\n", "/", " ", "\r", "\x00", "#", "?"]))
def test_the_rule_of_a_path_is_that_of_the_route_which_answers_it(path: str, end: str) -> None:
    """What the application would answer is what the Gatekeeper asked for; a path beyond its rules reaches nothing."""
    reached = [one for _, one in all_routes_once() if compile_path(one)[0].match(path + end)]
    rule = Rights().rule(path + end)
    assert (rule.route if rule is not None else None) == (reached[0] if reached else None)


@cache
def all_routes_once() -> list[tuple[str, str]]:
    return all_routes()


def test_a_route_without_a_rule_answers_nobody() -> None:
    app = with_scopes(*SCOPES)
    app.router.add_api_route("/v1/forgotten", lambda: "open", methods=["GET"])
    assert "/v1/forgotten" in {route.path for route in walk(app.routes)}
    assert ask(app, "GET", "/v1/forgotten", headers=bearer("secret")).status_code == 404


@pytest.mark.parametrize(
    "pairs",
    [
        [("Host", "127.0.0.1"), ("Host", "evil.example")],
        [("Host", "evil.example"), ("Host", "127.0.0.1")],
        [("Host", "127.0.0.1"), ("Authorization", "Bearer secret"), ("Authorization", "Bearer wrong")],
        [("Host", "127.0.0.1"), ("Authorization", "Bearer secret"), ("Authorization", "Bearer secret")],
        [("Host", "127.0.0.1"), ("Origin", "http://127.0.0.1"), ("Origin", "http://evil.example")],
    ],
)
def test_a_header_that_two_readers_may_read_differently_is_refused(pairs: list[tuple[str, str]]) -> None:
    app = with_scopes(*SCOPES)
    headers = [
        *pairs,
        *([] if any(name == "Authorization" for name, _ in pairs) else [("Authorization", "Bearer secret")]),
    ]
    assert ask(app, "GET", "/v1/models", headers=headers).status_code in {400, 421}


@pytest.mark.parametrize("path", [filled(path) for path in (*NEEDS, *sorted(OPEN))])
def test_no_other_site_may_read_an_answer(path: str) -> None:
    app = with_scopes(*SCOPES)
    preflight = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    preflight["Access-Control-Request-Headers"] = "authorization"
    for method, headers in (
        ("OPTIONS", preflight),
        ("OPTIONS", preflight | {"Origin": "http://127.0.0.1:8321"}),
        ("GET", bearer("secret") | {"Origin": "http://evil.example"}),
        ("GET", bearer("secret") | {"Origin": "http://127.0.0.1:8321"}),
    ):
        answer = ask(app, method, path, headers=headers)
        assert allow_headers(answer) == [], (method, path)
        if headers["Origin"] == "http://evil.example":
            assert answer.status_code == 403


def allow_headers(answer: httpx.Response) -> list[str]:
    return [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("credentials", ["admin:password1234", "admin:admin", "admin:", "owner:owner", ":"])
def test_no_default_credential_exists(credentials: str) -> None:
    user, _, password = credentials.partition(":")
    app = create_app(service())
    tries: list[dict[str, Any]] = [
        {"auth": (user, password)},
        {"headers": bearer(password or " ")},
        {"headers": bearer(user or " ")},
    ]
    for options in tries:
        assert ask(app, "GET", "/v1/models", **options).status_code == 401
    for field in ({"token": password}, {"token": user, "password": password}):
        assert ask(app, "POST", "/console/session", data=field).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/console/audits/..%2f..%2fsecrets%2ftoken",
        "/console/static/..%2f..%2f..%2fsecrets%2ftoken",
        "/console/static/%2fetc%2fpasswd",
        "/v1/models/..%2f..%2fsecrets/predict",
        "/v1/models/%2e%2e/predict",
        "/v1/models/dropout%23/predict",
        "/v1/models/file:%2f%2f%2fetc%2fpasswd/predict",
    ],
)
def test_no_path_reads_a_file(path: str) -> None:
    asked: list[str] = []

    def audit_page(name: str) -> str | None:
        asked.append(name)
        return None

    app = create_app(service(tokens=Handed(secret=holder(*SCOPES)), audit_page=audit_page))
    for method in ("GET", "POST"):
        answer = ask(app, method, path, headers=bearer("secret"), **({"json": {}} if method == "POST" else {}))
        assert answer.status_code in {404, 405}
        assert "root:" not in answer.text
    assert not any("/" in name for name in asked)

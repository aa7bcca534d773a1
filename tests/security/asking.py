"""A service without models, and one request to it: what the tests of its doors share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from cauce.core.specs import ServeSpec
from cauce.serve import Service, Token, Tokens, create_app
from cauce.serve.tokens import TokenScope

TOKEN = "the-token-of-these-tests"
BASE = "http://127.0.0.1:8321"


class Handed(Tokens):
    """Tokens that a test hands in, without a file."""

    def __init__(self, **named: Token) -> None:
        super().__init__("")
        self._by_text = named

    def find(self, presented: str | bytes) -> Token | None:
        text = presented.decode("latin-1") if isinstance(presented, bytes) else presented
        return self._by_text.get(text)


def holder(*scopes: TokenScope, per_second: float | None = None, slot: int = 1) -> Token:
    return Token("ana", frozenset(scopes), per_second, slot)


def service(**changes: Any) -> Service:
    def none(*_: object) -> None:
        return None

    def never(*_: object) -> Any:
        raise AssertionError

    options: dict[str, Any] = {"tokens": Tokens(TOKEN), "spec": ServeSpec()} | changes
    files = {"console.css": (b"body {}", "text/css")}
    return Service(
        project="school",
        models=("dropout",),
        load=never,
        alias=none,
        ledger=never,
        page=lambda: "the page",
        sign_in=lambda: "the sign-in page",
        static=files.get,
        **options,
    )


def ask(app: Any, method: str, path: str, **options: Any) -> httpx.Response:
    return ask_all(app, [(method, path, options)])[0]


def ask_all(app: Any, requests: Sequence[tuple[str, str, dict[str, Any]]], *, base: str = BASE) -> list[httpx.Response]:
    """Send several, one after another, to one application."""

    async def send() -> list[httpx.Response]:
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=base) as client:
                return [await client.request(method, path, **options) for method, path, options in requests]

    return asyncio.run(send())


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def all_routes() -> list[tuple[str, str]]:
    """Method and template of every route that the real application has."""
    return [(method, route.path) for route in walk(create_app(service()).routes) for method in route.methods]


def walk(routes: Any) -> Iterator[Any]:
    for route in routes:
        if getattr(route, "methods", None):
            yield route
        else:
            inner = getattr(route, "original_router", None) or route
            yield from walk(inner.routes)


def filled(template: str) -> str:
    """A path of a route."""
    return template.format(name="dropout", file="console.css")

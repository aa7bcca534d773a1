"""The people's routes: the console page, its files, and the two ways into a session."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response

from cauce.serve.auth import address_of
from cauce.serve.limits import retry_after
from cauce.serve.problem import Problem
from cauce.serve.service import Service
from cauce.serve.sessions import Sessions, form_token

FORM_BYTES = 4_096
FORM_S = 10.0
"""Longest that the sign-in form may take to arrive, seconds."""


def console_routes(service: Service, sessions: Sessions) -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    @router.get("/console")
    async def console(request: Request, code: str | None = None) -> Response:
        """Show the page; exchange a one-time code for a session; or ask for the token."""
        if code is not None:
            cookie = await asyncio.to_thread(sessions.by_code, code, address_of(request.scope))
            return _entered(cookie) if cookie else await _refused(request)
        if "cauce.token" in request.scope:
            return _html(await asyncio.to_thread(service.page))
        return await _sign_in()

    @router.get("/console/audits/{name}")
    async def audit(name: str) -> Response:
        """Show one audit: what is wrong with a data set, in which rows, and what to do."""
        page = await asyncio.to_thread(service.audit_page, name)
        if page is None:
            raise Problem(404, "No audit has this name.")
        return _html(page)

    @router.post("/console/session")
    async def session(request: Request) -> Response:
        """Begin a session by the token of a form."""
        token = form_token(await _form(request))
        cookie = await asyncio.to_thread(sessions.by_token, token, address_of(request.scope))
        return _entered(cookie) if cookie else await _refused(request)

    @router.get("/console/static/{file}")
    async def static(file: str) -> Response:
        """Give one of the page's files, by its exact name."""
        found = service.static(file)
        if found is None:
            raise Problem(404, "No such file.")
        return Response(found[0], media_type=found[1])

    async def _sign_in() -> Response:
        return _html(await asyncio.to_thread(service.sign_in), 401)

    async def _refused(request: Request) -> Response:
        """Show the form again; after many tries from one address, say when the next will be looked at."""
        wait = service.limits.wrong(address_of(request.scope))
        if wait > 0.0:
            detail = f"Too many sign-ins failed from this address. Try again in {wait:.2g} seconds."
            raise Problem(429, detail, headers={"retry-after": retry_after(wait)})
        return await _sign_in()

    return router


async def _form(request: Request) -> bytes:
    content = b""
    try:
        async with asyncio.timeout(FORM_S):
            async for chunk in request.stream():
                content += chunk
                if len(content) > FORM_BYTES:
                    raise Problem(413, "The form is too large.")
    except TimeoutError as error:
        raise Problem(408, f"The form did not arrive within {FORM_S:g} seconds.") from error
    return content


def _entered(cookie: str) -> Response:
    return Response(status_code=303, headers={"location": "/console", "set-cookie": cookie})


def _html(content: str, status: int = 200) -> Response:
    headers = {"www-authenticate": "Bearer"} if status == 401 else None
    return Response(content, status, headers, "text/html; charset=utf-8")

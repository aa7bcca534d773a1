"""problem+json (RFC 9457): every error body of the service, also those for which nobody wrote a handler."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cauce.core.names import uuid7
from cauce.serve import logs

MEDIA_TYPE = "application/problem+json"
logger = logging.getLogger("cauce.serve")


class Problem(Exception):
    """An answer that says what was wrong and what to do.

    Parameters
    ----------
    status
        HTTP status.
    detail
        What was wrong, and what to do, for people.
    errors
        The faults one by one.
    headers
        Of the answer.
    request_id
        Under which the log has more.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(detail)
        self.request_id = request_id
        self.status, self.detail, self.errors, self.headers = status, detail, errors, headers

    def response(self) -> Response:
        """Return it as an HTTP answer."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": _title(self.status),
            "status": self.status,
            "detail": self.detail,
        }
        if self.request_id:
            body["request_id"] = self.request_id
        if self.errors:
            body["errors"] = self.errors
        return Response(orjson.dumps(body), self.status, self.headers, MEDIA_TYPE)


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


async def on_problem(_: Request, error: Exception) -> Response:
    """Answer a `Problem`."""
    assert isinstance(error, Problem)
    return error.response()


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer the framework's own refusals: unknown route, wrong method."""
    assert isinstance(error, HTTPException)
    details = {404: f"No such route: {request.url.path}.", 405: f"{request.method} is not a method of this route."}
    return Problem(
        error.status_code, details.get(error.status_code, str(error.detail)), headers=error.headers
    ).response()


class Guarded:
    """Innermost last resort: an unforeseen error is answered with a request id alone, the traceback goes to the log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception:  # whatever it is, the client must get an answer that tells nothing of our insides
            if scope["type"] != "http" or started:
                raise
            request_id = logs.request_id() or uuid7()
            logger.exception("request %s failed", request_id)
            detail = f"The service failed. The log has the details under request id {request_id}."
            await Problem(500, detail, request_id=request_id).response()(scope, receive, send)

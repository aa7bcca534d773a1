"""`POST /v1/models/{name}/predict` as an ASGI application of its own: most requests take it, so it is the shortest.

It stands in the route table like any other; `Shortcut` leads there without asking the framework.
"""

from __future__ import annotations

import time
from collections.abc import MutableMapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from cauce.rows import RowFailed
from cauce.serve import body, payload
from cauce.serve.answer import About, Answering, Gone, Predicted
from cauce.serve.auth import SECURITY_HEADERS
from cauce.serve.batching import Expired, Failed
from cauce.serve.idempotency import holder
from cauce.serve.plan import Values
from cauce.serve.problem import Problem
from cauce.serve.service import Served
from cauce.serve.work import Work

BEFORE, AFTER = "/v1/models/", "/predict"
ROUTE = "/v1/models/{name}/predict"
LARGE = 65_536
"""From more bytes on, a body is read in a thread."""
JSON = (b"content-type", b"application/json")
HEAD = b"".join(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"%b: %b\r\n" % JSON,
        *(f"{name}: {value}\r\n".encode().replace(b"%", b"%%") for name, value in SECURITY_HEADERS.items()),
        b"x-request-id: %b\r\n",
    ]
)
"""What every answer begins with, where the connection takes it whole."""


class Read(NamedTuple):
    """A body, read."""

    rows: Sequence[Values]
    faults: list[payload.Fault]
    raw: list[Any]
    """The rows as they came."""
    unit: str | None
    """Whom they are about."""


class Shortcut:
    """ASGI middleware that takes predict requests out of the framework's way."""

    def __init__(self, app: ASGIApp, predict: Predict) -> None:
        self.app, self._predict = app, predict

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] == "http" and scope["method"] == "POST":
            path = scope["path"]
            if path.startswith(BEFORE) and path.endswith(AFTER) and path.count("/") == 4:
                await self._predict(scope, receive, send)
                return
        await self.app(scope, receive, send)


class Predict:
    """Predicts the rows of a request; all of them or none."""

    def __init__(self, work: Work) -> None:
        self._work, self._metrics = work, work.service.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"]
        scope["cauce.route"] = ROUTE
        # Taken out of the scope, which it holds itself: a ring would have to be found by the garbage collector.
        direct = scope.pop("cauce.answer", None)
        try:
            made = await self._answer(path, path[len(BEFORE) : -len(AFTER)], scope, receive)
        except Gone:
            return
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        if direct is not None and direct(HEAD % scope["cauce.request_id"].encode(), made):
            scope["cauce.status"] = 200
            self._metrics.count_request(ROUTE, 200)
            return
        headers = [JSON, (b"content-length", b"%d" % len(made))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": made})

    async def _answer(self, path: str, name: str, scope: Scope, receive: Receive) -> bytes:
        work = self._work
        work.known(name)
        work.enter()
        try:
            asked = body.headers(scope["cauce.headers"], limit=work.max_bytes)
            content = await body.read(receive, limit=work.max_bytes)
            until = time.perf_counter() + min(work.deadline_s, asked.deadline_s or work.deadline_s)
            if asked.key is None:
                made = await self._predict(name, content, until, scope)
            else:
                # Others may wait for the same answer, so it is made to its end also where this client goes away.
                make = partial(self._predict, name, content, until, {"cauce.trace": scope.get("cauce.trace")})
                made = await work.answers.once(f"{path} {holder(scope)}", asked.key, content, make)
            return made
        finally:
            work.leave()

    async def _predict(self, name: str, content: bytes, until: float, scope: MutableMapping[str, Any]) -> bytes:
        begun = time.perf_counter()
        work = self._work
        route = work.route(name)
        champion: Answering = route.champion
        if len(content) < LARGE:
            rows, faults, raw, unit = self._read(champion, content)
        else:
            rows, faults, raw, unit = await work.thread(self._read, champion, content)
        if faults:
            raise self._refuse(champion.served, faults)
        chosen = route.choose(unit)
        if chosen is not champion and route.columns is not None:
            rows = route.columns.of(rows)
        shadowed = route if route.shadow is not None and chosen is champion else None
        try:
            made = await chosen.ask(rows, until=until, about=About(unit, shadowed), scope=scope)
        except Expired as error:
            self._metrics.shed.labels("deadline").inc()
            detail = "The request's turn did not come before its deadline: nothing of it was kept. Send it again."
            raise Problem(503, detail, headers={"retry-after": "1"}) from error
        except Failed as failed:
            raise self._failed(chosen.served, failed, raw) from failed
        except OSError as error:
            raise work.not_written(name, error) from error
        answer = await self._body(chosen, made)
        seconds = time.perf_counter() - begun
        self._metrics.observe_predictions(name, chosen.served.version, chosen.live.variant, len(rows), seconds)
        return answer

    def _read(self, champion: Answering, content: bytes) -> Read:
        """Read a body by the champion's columns."""
        found = body.parse(content)
        raw = payload.items(found, "rows", most=self._work.service.spec.max_rows, beside=("unit",))
        unit = payload.unit(found) if len(found) > 1 else None
        return Read(*champion.plan.read(raw), raw, unit)

    async def _body(self, chosen: Answering, made: Predicted) -> bytes:
        if len(made.ids) <= 256:
            return chosen.live.body(*made)
        return await self._work.thread(chosen.live.body, *made)

    def _refuse(self, served: Served, faults: list[payload.Fault]) -> Problem:
        for fault in faults:
            self._metrics.refused.labels(served.model, fault.reason).inc()
        return payload.refuse(faults, "rows")

    def _failed(self, served: Served, failed: Failed, raw: list[Any]) -> Exception:
        """Return what is said of rows that the release's own functions cannot take; any other error is ours."""
        error = failed.error
        if not isinstance(error, RowFailed):
            assert isinstance(error, Exception)
            return error
        if error.row is None:
            return Problem(422, f"The row function {error.function!r} cannot take these rows: {error.what}.")
        expected = f"values that the row function {error.function!r} can take: {error.what}"
        row = failed.first_row + error.row
        return self._refuse(served, [payload.Fault(row, None, raw[row], expected, "function")])

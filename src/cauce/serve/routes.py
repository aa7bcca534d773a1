"""The programs' routes: predict, truth, models, metrics, health, and the OpenAPI document."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial

import orjson
from fastapi import APIRouter, Request, Response
from starlette.routing import Route

from cauce.serve import body, metrics, openapi, payload, truths
from cauce.serve.idempotency import holder
from cauce.serve.predict import ROUTE, Predict
from cauce.serve.work import Work


def api_routes(work: Work, predict: Predict) -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    router.routes.append(Route(ROUTE, predict, methods=["POST"], name="predict"))

    @router.post("/v1/models/{name}/truth")
    async def truth(name: str, request: Request) -> Response:
        """Take what turned out to be true, by prediction id."""
        work.known(name)
        work.enter()
        try:
            asked = body.headers(request.scope["cauce.headers"], limit=work.max_bytes)
            content = await body.read(request.receive, limit=work.max_bytes)
            make = partial(_truth, work, name, content)
            made = await work.answers.once(f"{request.url.path} {holder(request.scope)}", asked.key, content, make)
        finally:
            work.leave()
        return _json(made)

    @router.get("/v1/models")
    async def models() -> Response:
        """List the models that answer."""
        found = work.releases.served
        data = [{"id": s.model, "object": "model", "version": s.version, "task": s.task} for s in found]
        return _json(orjson.dumps({"object": "list", "data": data}))

    @router.get("/metrics")
    async def figures() -> Response:
        """Give the figures for Prometheus."""
        return Response(await asyncio.to_thread(work.metrics.text), media_type=metrics.MEDIA_TYPE)

    @router.get("/healthz")
    async def healthz() -> Response:
        """Say that the process answers."""
        return _json(b'{"status":"ok"}')

    @router.get("/readyz")
    async def readyz() -> Response:
        """Say whether models answer."""
        return _json(b'{"status":"ready"}') if work.releases.ready else _json(b'{"status":"not ready"}', 503)

    @router.get("/openapi.json")
    async def document() -> Response:
        """Give the document of what answers now."""
        return _json(openapi.document(work.service, work.releases.served))

    return router


def _json(content: bytes, status: int = 200) -> Response:
    return Response(content, status, media_type="application/json")


async def _truth(work: Work, name: str, content: bytes) -> bytes:
    served = work.route(name).champion.served
    spec = work.service.spec
    classes = served.fitted.classes if spec.unseen_categories == "refuse" else ()
    found, faults = await work.thread(partial(truths.read, content, served.task, most=spec.max_rows, classes=classes))
    if faults:
        for fault in faults:
            work.metrics.refused.labels(served.model, fault.reason).inc()
        raise payload.refuse(faults, "truths")
    ledger = work.ledger(name)
    with work.writing(name):
        statuses = await work.thread(partial(ledger.truths, found, now=datetime.now(UTC)))
    for status in statuses:
        work.metrics.truths.labels(name, status).inc()
    results = [{"id": one.id, "status": status} for one, status in zip(found, statuses, strict=True)]
    return orjson.dumps({"results": results})

"""The programs' routes: predict, truth, models, metrics, health, and the OpenAPI document."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from functools import partial

import orjson
from fastapi import APIRouter, Request, Response

from cauce.serve import answer, body, metrics, openapi, payload, truths
from cauce.serve.problem import Problem
from cauce.serve.service import Served
from cauce.serve.work import Work


def api_routes(work: Work) -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    @router.post("/v1/models/{name}/predict")
    async def predict(name: str, request: Request) -> Response:
        """Predict rows; all of them or none."""
        work.known(name)
        with work.place():
            content = await body.read(request, limit=work.max_bytes)
            key = request.headers.get("idempotency-key")
            made = await work.answers.once(request.url.path, key, content, partial(_predict, work, name, content))
        return _json(made)

    @router.post("/v1/models/{name}/truth")
    async def truth(name: str, request: Request) -> Response:
        """Take what turned out to be true, by prediction id."""
        work.known(name)
        with work.place():
            content = await body.read(request, limit=work.max_bytes)
            key = request.headers.get("idempotency-key")
            made = await work.answers.once(request.url.path, key, content, partial(_truth, work, name, content))
        return _json(made)

    @router.get("/v1/models")
    async def models() -> Response:
        """List the models that answer."""
        found = [served for name in work.service.models if (served := work.releases.get(name)) is not None]
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
        served = [work.releases.get(name) for name in work.service.models]
        return _json(openapi.document(work.service, [one for one in served if one is not None]))

    return router


def _json(content: bytes, status: int = 200) -> Response:
    return Response(content, status, media_type="application/json")


async def _predict(work: Work, name: str, content: bytes) -> bytes:
    begun = time.perf_counter()
    served = work.served(name)
    made = await work.thread(partial(answer.answer, served, content, work.service.spec, now=datetime.now(UTC)))
    _refuse(work, served, made.faults, "rows")
    with work.writing(name):
        await asyncio.wrap_future(work.ledger(name).append(made.lines))
    seconds = time.perf_counter() - begun
    work.metrics.observe_predictions(name, served.version, "champion", made.n_rows, seconds)
    return made.body


async def _truth(work: Work, name: str, content: bytes) -> bytes:
    served = work.served(name)
    spec = work.service.spec
    classes = served.fitted.classes if spec.unseen_categories == "refuse" else ()
    found, faults = await work.thread(partial(truths.read, content, served.task, most=spec.max_rows, classes=classes))
    _refuse(work, served, faults, "truths")
    ledger = work.ledger(name)
    with work.writing(name):
        statuses = await work.thread(partial(ledger.truths, found, now=datetime.now(UTC)))
    for status in statuses:
        work.metrics.truths.labels(name, status).inc()
    results = [{"id": one.id, "status": status} for one, status in zip(found, statuses, strict=True)]
    return orjson.dumps({"results": results})


def _refuse(work: Work, served: Served, faults: list[payload.Fault], what: str) -> None:
    if not faults:
        return
    for fault in faults:
        work.metrics.refused.labels(served.model, fault.reason).inc()
    problem: Problem = payload.refuse(faults, what)
    raise problem

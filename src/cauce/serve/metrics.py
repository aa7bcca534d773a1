"""Prometheus metrics, in a registry of their own: two applications in one process do not mix."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The figures of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own = self.registry
        self.predictions = Counter("cauce_predictions", "Rows predicted.", ["model", "version"], registry=own)
        self.requests = Counter("cauce_requests", "Requests answered.", ["route", "status"], registry=own)
        self.seconds = Histogram(
            "cauce_predict_seconds",
            "Seconds from a predict request's body to its answer.",
            ["model"],
            buckets=BUCKETS,
            registry=own,
        )
        self.truths = Counter("cauce_truths", "Truths received.", ["model", "status"], registry=own)
        self.refused = Counter(
            "cauce_refused_rows", "Faults for which rows were refused.", ["model", "reason"], registry=own
        )
        self.version = Gauge(
            "cauce_release_version", "Version that answers; 0 where none does.", ["model"], registry=own
        )
        self.load_failures = Counter(
            "cauce_load_failures", "Champions that could not be loaded.", ["model"], registry=own
        )
        self.write_failures = Counter(
            "cauce_ledger_write_failures", "Answers that the disk refused.", ["model"], registry=own
        )
        self.shadow_dropped = Counter(
            "cauce_shadow_dropped_rows", "Rows not scored in the shadow.", ["model"], registry=own
        )
        self.shadow_failures = Counter("cauce_shadow_failed_rows", "Rows that failed there.", ["model"], registry=own)
        self.in_flight = Gauge("cauce_requests_in_flight", "Requests being worked on.", registry=own)

    def text(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        return generate_latest(self.registry)


class Counted:
    """ASGI middleware that counts answers by route and status; the route is the template, never the path as sent."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = scope.get("cauce.route") or getattr(scope.get("route"), "path", "none")
                self._metrics.requests.labels(route, str(message["status"])).inc()
            await send(message)

        await self.app(scope, receive, counting)


def now() -> float:
    """Return monotonic seconds."""
    return time.perf_counter()

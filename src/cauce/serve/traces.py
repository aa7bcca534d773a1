"""OpenTelemetry traces of requests, sent to the collector of `[serve] traces`; nothing of this is loaded without it.

Spans are told after the fact, from moments that the fast path measures anyway (`time.perf_counter()`), and sent by a
thread of their own in batches. Where the collector is slow or away, spans are dropped: no request waits or fails.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cauce.core.errors import UserError
from cauce.core.extras import need
from cauce.serve.logs import known_method

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.trace import Span
    from starlette.types import Scope

logger = logging.getLogger("cauce.serve")
EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
CONTEXT_HEADERS = {b"traceparent": "traceparent", b"tracestate": "tracestate"}
SEND_S = 3.0
"""Longest that one batch may take to be sent."""
STOP_S = 2.0
"""Longest that the end of the service tries to send what is left."""
SAY_EVERY_S = 60.0
Value = str | int | float | bool


def open_traces(url: str | None, *, project: str, version: str = "") -> Traces | None:
    """Return the traces of a service, not yet started, or None where none are asked for.

    Parameters
    ----------
    url
        `[serve] traces`.
    project, version
        Names of the service in the collector: `service.name`, `service.version`.

    Raises
    ------
    UserError
        It is no URL of a collector.
    MissingExtra
        The exporter is not installed.
    """
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        hint = 'Give the collector\'s address, as traces = "http://127.0.0.1:4318/v1/traces".'
        raise UserError("not the URL of a collector", where="cauce.toml, [serve] traces", received=url, hint=hint)
    return Traces(url, project=project, version=version)


class Traces:
    """Begins a trace for each request. Make it before the workers are forked, start it in each of them."""

    def __init__(self, url: str, *, project: str, version: str) -> None:
        self._exporters = need(EXPORTER, extra="otel", what="[serve] traces")
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._url, self._read = url, TraceContextTextMapPropagator().extract
        self._resource = Resource.create({"service.name": project, "service.version": version})
        self._started: _Started | None = None

    def start(self) -> None:
        """Begin to send, from a thread of this process."""
        self._started = _Started(self._exporters.OTLPSpanExporter, self._url, self._resource)

    def stop(self) -> None:
        """Send what is left for at most some seconds, and end the thread."""
        started, self._started = self._started, None
        if started is not None:
            started.stop()

    def begin(self, scope: Scope, request_id: str) -> Trace | None:
        """Return the trace of a request, below that of the W3C `traceparent` sent; None where it is not sampled."""
        started = self._started
        if started is None:
            return None
        headers = scope["headers"]
        sent = {CONTEXT_HEADERS[name]: value.decode("latin-1") for name, value in headers if name in CONTEXT_HEADERS}
        method = known_method(scope["method"])
        attributes = {
            "http.request.method": method,
            "url.path": scope["path"][:200],
            "url.scheme": scope.get("scheme", "http"),
            "cauce.request_id": request_id,
        }
        trace = Trace(started.tracer, self._read(sent) if sent else None, method, attributes)
        return trace if trace.sampled else None


class Trace:
    """One request's spans: the request, and the steps below it."""

    __slots__ = ("_about", "_begun", "_context", "_method", "_root", "_tracer", "sampled")

    def __init__(self, tracer: Any, parent: Context | None, method: str, attributes: Mapping[str, Value]) -> None:
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind, set_span_in_context

        self._tracer, self._method = tracer, method
        # Never the context of the task: what else is traced in this process is none of ours.
        context = parent if parent is not None else Context()
        self._begun = time.time_ns() - int(time.perf_counter() * 1e9)
        self._root: Span = tracer.start_span(method, context=context, kind=SpanKind.SERVER, attributes=attributes)
        self.sampled = self._root.is_recording()
        self._context = set_span_in_context(self._root, Context())
        self._about: dict[str, Value] = {}

    def about(self, model: str, version: int, variant: str, n_rows: int) -> None:
        """Say what is asked; the request and the steps told after this carry it."""
        self._about = {
            "cauce.model": model,
            "cauce.version": version,
            "cauce.variant": variant,
            "cauce.rows": n_rows,
        }
        self._root.set_attributes(self._about)

    def step(self, name: str, begun: float, ended: float) -> None:
        """Tell a step that is over; moments are those of `time.perf_counter()`."""
        span = self._tracer.start_span(
            name, context=self._context, start_time=self._nanoseconds(begun), attributes=self._about
        )
        span.end(self._nanoseconds(ended))

    def end(self, route: str, status: int) -> None:
        """End the request's span; status 0: the connection ended without an answer."""
        from opentelemetry.trace import Status, StatusCode

        if route != "none":
            self._root.update_name(f"{self._method} {route}")
            self._root.set_attribute("http.route", route)
        if status:
            self._root.set_attribute("http.response.status_code", status)
        if status >= 500 or not status:
            self._root.set_attribute("error.type", str(status) if status else "no_answer")
            self._root.set_status(Status(StatusCode.ERROR))
        self._root.end()

    def _nanoseconds(self, moment: float) -> int:
        return self._begun + int(moment * 1e9)


class _Started:
    """The sending side in one process."""

    def __init__(self, exporter: Any, url: str, resource: Any) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._log = logging.getLogger(EXPORTER)
        self._level = self._log.level
        self._log.setLevel(logging.CRITICAL + 1)  # a line for each batch and try; `_Sending` says it once a minute
        self._inner = exporter(endpoint=url, timeout=SEND_S)
        own = Resource({"process.pid": os.getpid(), "service.instance.id": f"{os.uname().nodename}:{os.getpid()}"})
        self._processor = BatchSpanProcessor(_sending(self._inner, url), schedule_delay_millis=1000)
        # Sampling is OpenTelemetry's own affair: OTEL_TRACES_SAMPLER, by default what the parent says, else all.
        provider = TracerProvider(resource=resource.merge(own), shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        self.tracer = provider.get_tracer("cauce.serve")

    def stop(self) -> None:
        enough = threading.Timer(STOP_S, self._inner.shutdown)  # ends its waiting between two tries
        enough.start()
        self._processor.shutdown()  # type: ignore[no-untyped-call]
        enough.cancel()
        enough.join()
        self._log.setLevel(self._level)


def _sending(inner: SpanExporter, url: str) -> SpanExporter:
    """Return an exporter that says once a minute, in one line, that spans could not be sent."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Sending(SpanExporter):
        lost, said = 0, -SAY_EVERY_S

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = inner.export(spans)
            if result is not SpanExportResult.SUCCESS:
                self.lost += len(spans)
                if time.monotonic() - self.said >= SAY_EVERY_S:
                    where = urlsplit(url).hostname
                    logger.warning("%d spans could not be sent to the collector at %s", self.lost, where)
                    self.lost, self.said = 0, time.monotonic()
            return result

        def shutdown(self) -> None:
            inner.shutdown()

    return Sending()

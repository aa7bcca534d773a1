"""Traces as a real collector would read them: protobuf over HTTP on loopback, decoded by OpenTelemetry's own types."""

from __future__ import annotations

import gzip
import logging
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.types import Message, Receive, Scope, Send

from cauce.core.errors import MissingExtra, UserError
from cauce.serve import create_app
from cauce.serve.metrics import Metrics
from cauce.serve.observed import Observed
from cauce.serve.traces import EXPORTER, Traces, open_traces

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="pip install 'cauce[otel]'")
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector(ThreadingHTTPServer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[ExportTraceServiceRequest] = []
        self.got = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/traces"

    def spans(self) -> dict[str, Any]:
        """All spans by name."""
        return {
            span.name: span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }

    def resource(self) -> dict[str, Any]:
        return attributes(self.requests[0].resource_spans[0].resource)


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
        self.server.got.set()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the one above
        """Say nothing."""


def attributes(of: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in of.attributes}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextmanager
def started(url: str) -> Iterator[Traces]:
    traces = open_traces(url, project="school", version="1.2")
    assert traces is not None
    traces.start()
    try:
        yield traces
    finally:
        traces.stop()


class Predicting:
    """What the fast path does: measures moments, and tells them when it is done."""

    status = 200

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["cauce.route"] = "/v1/models/{name}/predict"
        begun = time.perf_counter()
        taken, predicted, synced = begun + 0.001, begun + 0.003, begun + 0.006
        trace = scope.get("cauce.trace")
        if trace is not None:
            trace.about("dropout", 3, "champion", 64)
            trace.step("wait", begun, taken)
            trace.step("predict", taken, predicted)
            trace.step("ledger sync", predicted, synced)
        if self.status:
            await send({"type": "http.response.start", "status": self.status, "headers": []})
            await send({"type": "http.response.body", "body": b""})


def ask(traces: Traces | None, app: Any = None, **headers: str) -> None:
    """Send one request through the middleware, with a secret wherever one might stand."""
    import asyncio

    async def send(_: Message) -> None:
        return None

    async def receive() -> Message:
        return {"type": "http.request"}

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/models/dropout/predict",
        "query_string": b"key=s3cr3t",
        "scheme": "http",
        "headers": [
            (b"authorization", b"Bearer s3cr3t"),
            (b"x-request-id", b"mine"),
            *((name.encode(), value.encode()) for name, value in headers.items()),
        ],
    }
    asyncio.run(Observed(app or Predicting(), Metrics(), traces)(scope, receive, send))


def test_a_request_is_a_server_span_with_its_steps_below(collector: Collector) -> None:
    with started(collector.url) as traces:
        ask(traces)
    spans = collector.spans()
    root = spans.pop("POST /v1/models/{name}/predict")
    assert set(spans) == {"wait", "predict", "ledger sync"}
    assert root.kind == 2  # SPAN_KIND_SERVER
    assert not root.parent_span_id
    about = {"cauce.model": "dropout", "cauce.version": 3, "cauce.variant": "champion", "cauce.rows": 64}
    assert attributes(root) == {
        "http.request.method": "POST",
        "http.route": "/v1/models/{name}/predict",
        "http.response.status_code": 200,
        "url.path": "/v1/models/dropout/predict",
        "url.scheme": "http",
        "cauce.request_id": "mine",
        **about,
    }
    for span in spans.values():
        assert span.trace_id == root.trace_id
        assert span.parent_span_id == root.span_id
        assert attributes(span) == about
    assert spans["wait"].end_time_unix_nano == spans["predict"].start_time_unix_nano
    took = spans["ledger sync"].end_time_unix_nano - spans["wait"].start_time_unix_nano
    assert took == pytest.approx(6e6, rel=0.01)
    assert abs(spans["wait"].start_time_unix_nano - root.start_time_unix_nano) < 1e9


def test_no_secret_is_sent(collector: Collector) -> None:
    with started(collector.url) as traces:
        ask(traces)
    assert b"s3cr3t" not in b"".join(request.SerializeToString() for request in collector.requests)


def test_the_service_names_itself(collector: Collector) -> None:
    with started(collector.url) as traces:
        ask(traces)
    found = collector.resource()
    assert (found["service.name"], found["service.version"]) == ("school", "1.2")
    assert found["process.pid"] > 0


def test_the_trace_of_the_caller_goes_on(collector: Collector) -> None:
    with started(collector.url) as traces:
        ask(traces, traceparent=PARENT, tracestate="vendor=x")
    root = collector.spans()["POST /v1/models/{name}/predict"]
    assert root.trace_id.hex() == PARENT.split("-")[1]
    assert root.parent_span_id.hex() == PARENT.split("-")[2]
    assert root.trace_state == "vendor=x"


@pytest.mark.parametrize("sent", ["", "00-zz-b7ad6b7169203331-01", "x" * 500, "ñ", PARENT.replace("00-", "ff-")])
def test_a_traceparent_that_is_none_begins_a_new_trace(collector: Collector, sent: str) -> None:
    with started(collector.url) as traces:
        ask(traces, traceparent=sent)
    assert not collector.spans()["POST /v1/models/{name}/predict"].parent_span_id


def test_what_the_caller_does_not_sample_is_not_sent(collector: Collector) -> None:
    with started(collector.url) as traces:
        ask(traces, traceparent=f"{PARENT[:-2]}00")
    assert not collector.requests


@pytest.mark.parametrize(("status", "kind"), [(503, "503"), (0, "no_answer")])
def test_a_failure_is_marked(collector: Collector, status: int, kind: str) -> None:
    app = Predicting()
    app.status = status
    with started(collector.url) as traces:
        ask(traces, app)
    root = collector.spans()["POST /v1/models/{name}/predict"]
    assert root.status.code == 2  # STATUS_CODE_ERROR
    assert attributes(root)["error.type"] == kind


def test_a_refusal_is_no_failure_of_the_service(collector: Collector) -> None:
    app = Predicting()
    app.status = 422
    with started(collector.url) as traces:
        ask(traces, app)
    assert collector.spans()["POST /v1/models/{name}/predict"].status.code == 0


def test_spans_leave_while_the_service_runs(collector: Collector) -> None:
    with started(collector.url) as traces:
        ask(traces)
        assert collector.got.wait(20)


def test_a_collector_that_is_away_fails_nothing_and_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://user:s3cr3t@127.0.0.1:{nobody.getsockname()[1]}/v1/traces"
        with caplog.at_level(logging.INFO), started(url) as traces:
            for _ in range(3):
                ask(traces)
            begun = time.monotonic()
    assert time.monotonic() - begun < 10
    assert [one.getMessage() for one in caplog.records] == ["12 spans could not be sent to the collector at 127.0.0.1"]


def test_a_collector_that_never_answers_does_not_hold_up_the_end(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        with started(f"http://127.0.0.1:{deaf.getsockname()[1]}/v1/traces") as traces:
            begun = time.monotonic()
            for _ in range(5000):  # more than the queue holds
                ask_begun = traces.begin({"type": "http", "method": "GET", "path": "/", "headers": []}, "id")
                assert ask_begun is not None
                ask_begun.end("none", 200)
            assert time.monotonic() - begun < 5
        assert time.monotonic() - begun < 15


def test_nothing_is_begun_before_the_start_and_after_the_stop(collector: Collector) -> None:
    traces = open_traces(collector.url, project="school")
    assert traces is not None
    ask(traces)
    traces.start()
    traces.stop()
    ask(traces)
    assert not collector.requests


def test_without_a_collector_nothing_is_loaded_or_asked() -> None:
    assert open_traces(None, project="school") is None
    ask(None)


@pytest.mark.parametrize("url", ["127.0.0.1:4318", "ftp://host/", "http://", "/v1/traces"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="not the URL of a collector"):
        open_traces(url, project="school")


def test_without_the_exporter_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, EXPORTER, None)
    with pytest.raises(MissingExtra) as refused:
        open_traces("http://127.0.0.1:4318/v1/traces", project="school")
    assert "pip install 'cauce[otel]'" in str(refused.value)


def test_a_service_of_fakes_answers_within_its_trace(collector: Collector, world: Any, school: Any) -> None:
    with started(collector.url) as traces:
        app = Observed(create_app(world.service()), Metrics(), traces)
        with school.Client(app.app, school.AUTH) as client:
            client.app = app
            assert client.get("/v1/models").status_code == 200
    (span,) = collector.spans().values()
    assert span.name == "GET /v1/models"

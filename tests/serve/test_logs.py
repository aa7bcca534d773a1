"""The service's log: request ids, what a line says, and what it must never say."""

from __future__ import annotations

import contextvars
import io
import json
import logging
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.serve import create_app, logs

SECRET = "s3cr3t-value-of-a-person"
PREDICT = "/v1/models/dropout/predict"


@contextmanager
def recorded(kind: Any = "json") -> Iterator[io.StringIO]:
    stream = io.StringIO()
    with logs.written(kind, stream):
        yield stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def service(world: Any, school: Any) -> Iterator[Any]:
    with school.Client(create_app(world.service()), school.AUTH) as client:
        yield client


@pytest.fixture
def broken(service: Any, school: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A service whose model quotes the request's values in what it raises."""

    def predict(self: Any, table: pa.Table) -> pa.Table:
        raise ValueError(f"could not convert {table['city'][0].as_py()!r}\n2026-01-01 INFO forged\r\x1b[2J\x85")

    monkeypatch.setattr(school.FakeFitted, "predict", predict)
    return service


def test_every_answer_has_a_request_id_of_its_own(service: Any) -> None:
    found = [service.get(path).headers["x-request-id"] for path in ("/healthz", "/healthz", "/nowhere")]
    assert len(set(found)) == 3
    assert all(uuid.UUID(one).version == 7 and uuid.UUID(one).variant == uuid.RFC_4122 for one in found)


def test_a_client_may_give_the_request_id(service: Any) -> None:
    answer = service.get("/healthz", headers={"X-Request-Id": "order-17_a.B"})
    assert answer.headers.get_list("x-request-id") == ["order-17_a.B"]


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, "a\tb", "añb".encode(), 'a"b', "a/b", "a%0Ab"])
def test_a_request_id_outside_the_grammar_is_replaced(service: Any, sent: str | bytes) -> None:
    given = service.get("/healthz", headers=[("X-Request-Id", sent)]).headers["x-request-id"]
    assert uuid.UUID(given).version == 7


def test_new_request_ids_are_distinct_and_in_the_order_of_time() -> None:
    made = [contextvars.copy_context().run(logs.begin, []) for _ in range(1000)]
    assert len(set(made)) == 1000
    assert [one[:13] for one in made] == sorted(one[:13] for one in made)


def test_a_failure_says_in_answer_header_and_log_under_which_id(broken: Any, school: Any) -> None:
    with recorded() as stream:
        answer = broken.post(PREDICT, json={"rows": [school.ROW]}, headers={"X-Request-Id": "mine"})
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] == "mine"
    assert answer.json()["request_id"] == "mine"
    assert "mine" in answer.json()["detail"]
    failure = next(line for line in lines(stream) if line["level"] == "error")
    assert failure["request_id"] == "mine"
    assert "in predict" in failure["traceback"]
    assert "ValueError: could not convert" in failure["traceback"]


def test_a_line_has_the_documented_fields(service: Any) -> None:
    with recorded() as stream:
        service.post(PREDICT, json={"rows": [{}]})
    (line,) = lines(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["ts"])
    assert line["level"] == "info"
    assert line["logger"] == "cauce.serve"
    assert line["status"] == 422
    assert line["method"] == "POST"
    assert line["route"] == "/v1/models/{name}/predict"
    assert line["ms"] > 0
    assert line["pid"] > 0
    assert uuid.UUID(line["request_id"]).version == 7
    assert "client" not in line


def test_success_costs_no_line(service: Any, school: Any) -> None:
    with recorded() as stream:
        assert service.post(PREDICT, json={"rows": [school.ROW]}).status_code == 200
    assert stream.getvalue() == ""


def test_a_wrong_token_is_logged_with_its_address(service: Any) -> None:
    with recorded() as stream:
        service.get("/v1/models", headers={"Authorization": "Bearer nope"})
    (line,) = lines(stream)
    assert line["status"] == 401
    assert line["client"] == "127.0.0.1"


@pytest.mark.parametrize("kind", ["json", "text"])
def test_no_body_token_cookie_or_query_string_reaches_the_log(
    broken: Any, school: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    row = {**school.ROW, "city": SECRET}
    headers = {"Cookie": f"cauce_x={SECRET}", "X-Other": SECRET, "User-Agent": SECRET}
    with recorded(kind) as stream:
        broken.post(f"{PREDICT}?key={SECRET}", json={"rows": [row]}, headers=headers)
        broken.post(PREDICT, json={"rows": [{**row, "age": SECRET}]}, headers=headers)
        broken.post(PREDICT, content=f"not json {SECRET}".encode(), headers=headers)
        broken.post(PREDICT, json={"rows": [row]}, headers={"Authorization": f"Bearer {SECRET}"})
        broken.get(f"/console?code={SECRET}", headers=headers)
        broken.get(f"/{SECRET}?q={SECRET}")
        broken.post(f"/v1/models/{SECRET}/predict", json={"rows": [row]}, headers=headers)
        broken.request(SECRET, "/v1/models", headers=headers)
    written = stream.getvalue()
    assert SECRET not in written
    assert SECRET not in broken.get("/metrics").text
    assert school.TOKEN not in written
    assert written.count("500") >= 1
    assert written.count("\n") >= 8


@pytest.mark.parametrize("kind", ["json", "text"])
def test_a_value_cannot_forge_a_line(broken: Any, school: Any, kind: str) -> None:
    with recorded(kind) as stream:
        broken.post(PREDICT, json={"rows": [school.ROW]})
        logging.getLogger("cauce.serve").warning("odd\n2026-01-01 INFO forged\r\x1b[2J\u2028\u202e\x85")
    for line in stream.getvalue().splitlines():
        assert not line.startswith("2026-01-01 INFO")
        if kind == "json":
            json.loads(line)
        else:
            assert line.startswith("    | ") or re.match(r"\d{4}-\d\d-\d\dT", line)
    assert not set(stream.getvalue()) & set("\r\x1b\u2028\u202e\x85")


@settings(deadline=None)
@given(st.text(), st.text())
def test_any_text_is_one_line(message: str, value: str) -> None:
    record = logging.LogRecord("cauce", logging.INFO, "", 0, "%s", (message,), None)
    record.__dict__["model"] = value
    for formatter in (logs.Json(), logs.Text()):
        assert len((formatter.format(record) + ".").splitlines()) == 1
    assert set(json.loads(logs.Json().format(record))) == {"ts", "level", "logger", "message", "model", "pid"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET /console?code=abc HTTP/1.1", "GET /console?*** HTTP/1.1"),
        ("sent Authorization: Bearer abc.def", "sent Authorization: ***"),
        ("bearer abc.def-", "bearer ***"),
        ("Cookie: cauce_1=abc; other=d", "Cookie: ***"),
        ("set-cookie=abc", "set-cookie=***"),
        ("Is it well? Yes: a=b", "Is it well? Yes: a=b"),
        ("the cookie expired", "the cookie expired"),
    ],
)
def test_secrets_that_show_by_their_form_are_masked(text: str, shown: str) -> None:
    assert logs.clean(text) == shown


def test_what_an_exception_quotes_is_masked_only_while_a_request_is_answered() -> None:
    with recorded("text") as stream:
        try:
            dict[str, int]()["/data/model.txt"]
        except KeyError:
            logging.getLogger("cauce.serve").exception("cannot load")
    assert "/data/model.txt" in stream.getvalue()


def test_causes_and_groups_are_told_with_their_frames() -> None:
    def inner() -> None:
        raise OSError("no disk")

    with recorded() as stream:
        try:
            try:
                inner()
            except OSError as error:
                raise ExceptionGroup("two", [ValueError("first"), ValueError("second")]) from error
        except ExceptionGroup:
            logging.getLogger("cauce.serve").exception("failed")
    (line,) = lines(stream)
    for part in ("in inner", "OSError: no disk", "Then:", "ExceptionGroup: two", "first", "second"):
        assert part in line["traceback"]


def test_a_flood_of_refusals_is_counted_instead_of_written() -> None:
    moment = 100.0
    access = logs.Access(per_second=3, clock=lambda: moment)
    with recorded() as stream:
        for _ in range(10):
            access.refused(method="GET", route="none", status=429, seconds=0.001)
        moment += 1.0
        access.refused(method="GET", route="none", status=503, seconds=0.001)
    written = lines(stream)
    assert [line["status"] for line in written] == [429, 429, 429, 503]
    assert written[-1]["left_out"] == 7
    assert written[-1]["level"] == "warning"
    assert "left_out" not in written[0]


def test_libraries_are_heard_from_warnings_on_and_the_log_is_given_back() -> None:
    before = list(logging.getLogger().handlers)
    with recorded() as stream:
        logging.getLogger("uvicorn.error").info("quiet")
        logging.getLogger("uvicorn.error").warning("loud")
        logging.getLogger("cauce.serve").info("ours")
    assert [line["message"] for line in lines(stream)] == ["loud", "ours"]
    assert logging.getLogger().handlers == before

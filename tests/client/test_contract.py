"""The client and the service's own document agree: routes, every request that is sent, every answer and its fields."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from cauce.client import Answer, AsyncClient, CauceHTTPError, Fault, Model, Prediction, Retries, Truth, TruthStatus
from cauce.client.calls import ROUTES
from cauce.serve import create_app
from serve.conftest import ROW, TOKEN, World
from serve.table import routes

Document = dict[str, Any]


class Recorded(httpx.ASGITransport):
    """Hands requests to an application in this process, and keeps them with their answers."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.seen: list[tuple[httpx.Request, httpx.Response, bytes]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        content = await answer.aread()
        self.seen.append((request, answer, content))
        return httpx.Response(answer.status_code, headers=answer.headers, content=content)


def talk(folder: Path, ask: Callable[[AsyncClient], Any]) -> Recorded:
    """Let a client talk with the application of the fakes, and return all that was said."""

    async def run() -> Recorded:
        app = create_app(World(folder).service())
        transport = Recorded(app)
        async with (
            app.router.lifespan_context(app),
            AsyncClient("http://127.0.0.1:8321", TOKEN, transport=transport, retries=Retries(tries=1)) as client,
        ):
            await ask(client)
        return transport

    return asyncio.run(run())


async def everything(client: AsyncClient) -> None:
    """Call each method, with and without what it may be given, and so that each kind of error comes."""
    one = await client.predict_one("dropout", ROW, idempotency_key="contract")
    await client.predict("earnings", [ROW | {"income": None, "since": datetime(2026, 1, 1, tzinfo=UTC)}] * 2)
    assert [answer async for answer in client.predict_many("dropout", [ROW] * 3, chunk=2)]
    await client.truth("dropout", [Truth(one.id, "yes", datetime(2026, 6, 30, tzinfo=UTC)), Truth("other", "no")])
    await client.truth("earnings", [Truth(one.id, 3.5)])
    await client.models()
    await client.metrics()
    await client.openapi()
    assert await client.ready()
    assert await client.healthy()
    for wrong in (ROW | {"age": "30"}, {}, ROW | {"plan": "platinum", "x": 1}):
        with pytest.raises(CauceHTTPError):
            await client.predict("dropout", [wrong])


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return talk(tmp_path_factory.mktemp("ledger"), everything)


@pytest.fixture(scope="module")
def document(said: Recorded) -> Document:
    (found,) = (content for request, _, content in said.seen if request.url.path == "/openapi.json")
    read: Document = json.loads(found)
    return read


def valid(value: object, schema: Mapping[str, Any], document: Document) -> list[str]:
    """What is wrong with a value by a schema of the document."""
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "components": document["components"]}
    validator = Draft202012Validator(whole, format_checker=FormatChecker())
    return [error.message for error in validator.iter_errors(value)]


def operation(document: Document, request: httpx.Request) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][request.url.path][request.method.lower()]
    return found


def test_the_client_has_the_routes_of_one_generated_from_the_document(document: Document) -> None:
    models = "|".join(name for name in ("dropout", "earnings"))
    generated = {
        (method.upper(), re.sub(rf"^/v1/models/({models})/", "/v1/models/{name}/", path))
        for path, item in document["paths"].items()
        for method in item
    }
    own = {tuple(route) for name, route in ROUTES.items() if name != "openapi"}  # the document does not tell of itself
    assert own == generated


def test_the_client_has_the_routes_of_the_application(tmp_path: Path) -> None:
    served = set(routes(create_app(World(tmp_path).service())))
    assert {tuple(route) for route in ROUTES.values()} == {one for one in served if not one[1].startswith("/console")}


def test_every_route_was_called(said: Recorded) -> None:
    called = {
        (request.method, re.sub(r"^/v1/models/\w+/", "/v1/models/{name}/", request.url.path))
        for request, _, _ in said.seen
    }
    assert called == {tuple(route) for route in ROUTES.values()}


def test_every_request_is_one_of_the_document(said: Recorded, document: Document) -> None:
    checked = 0
    for request, answer, _ in said.seen:
        if request.method != "POST":
            continue
        schema = operation(document, request)["requestBody"]["content"]["application/json"]["schema"]
        found = valid(json.loads(request.content), schema, document)
        # What the document forbids is what the service refuses, and the other way round.
        assert bool(found) == (answer.status_code == 422), (request.content, found)
        for parameter in operation(document, request)["parameters"]:
            assert parameter["in"] == "header"
            sent = request.headers.get(parameter["name"])
            assert sent is not None or not parameter["required"]
            if sent is not None:
                value = int(sent) if parameter["schema"]["type"] == "integer" else sent
                assert not valid(value, parameter["schema"], document)
        checked += 1
    assert checked >= 9


def test_every_answer_is_one_of_the_document(said: Recorded, document: Document) -> None:
    statuses = set()
    for request, answer, content in said.seen:
        if request.url.path == "/openapi.json":
            continue
        told = operation(document, request)["responses"][str(answer.status_code)]
        kind = answer.headers["content-type"].partition(";")[0]
        if "content" in told:
            assert not valid(json.loads(content), told["content"][kind]["schema"], document), content
        statuses.add(answer.status_code)
    assert statuses == {200, 422}


def test_the_types_have_the_fields_of_the_document(document: Document) -> None:
    def properties(model: str, route: str, *, of: str) -> set[str]:
        post = document["paths"][f"/v1/models/{model}/{route}"]["post"]
        body = post["requestBody"] if of == "request" else post["responses"]["200"]
        found = body["content"]["application/json"]["schema"]["properties"]
        inner = next(value["items"] for value in found.values() if "items" in value and "$ref" not in value["items"])
        return set(inner["properties"])

    def names(kind: type) -> set[str]:
        return {field.name for field in fields(kind)}

    classes, numbers = (properties(model, "predict", of="response") for model in ("dropout", "earnings"))
    assert classes | numbers == names(Prediction)
    assert properties("dropout", "truth", of="request") == names(Truth)
    assert properties("dropout", "truth", of="response") == names(TruthStatus)
    answer = document["paths"]["/v1/models/dropout/predict"]["post"]["responses"]["200"]["content"]
    assert set(answer["application/json"]["schema"]["properties"]) == names(Answer)
    faults = document["components"]["schemas"]["Problem"]["properties"]["errors"]["items"]["properties"]
    assert set(faults) == names(Fault)


def test_the_list_of_models_has_the_fields_of_the_type(said: Recorded) -> None:
    (content,) = (content for request, _, content in said.seen if request.url.path == "/v1/models")
    listed = json.loads(content)["data"]
    assert all({field.name for field in fields(Model)} <= set(one) for one in listed)


def test_a_row_made_from_the_document_is_taken(document: Document, tmp_path: Path) -> None:
    examples: dict[str, Any] = {"integer": 3, "number": 2.5, "boolean": False, "string": "a"}

    def value(schema: Mapping[str, Any]) -> Any:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if "enum" in schema:
            return schema["enum"][0]
        return "2026-01-31T09:30:00Z" if schema.get("format") == "date-time" else examples[kinds[0]]

    async def ask(client: AsyncClient) -> None:
        for model in ("dropout", "earnings"):
            row = document["components"]["schemas"][f"{model}.Row"]
            await client.predict(model, [{name: value(schema) for name, schema in row["properties"].items()}])

    assert [answer.status_code for _, answer, _ in talk(tmp_path, ask).seen] == [200, 200]


def test_unit_and_deadline_stand_in_the_document(document: Document) -> None:
    post = document["paths"]["/v1/models/dropout/predict"]["post"]
    assert "unit" in post["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert "Cauce-Deadline-Ms" in {parameter["name"] for parameter in post["parameters"]}

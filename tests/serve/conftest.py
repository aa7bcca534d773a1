"""A fake release, and a service made of fakes: no other room is needed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import httpx
import numpy as np
import pyarrow as pa
import pytest

from cauce.core.artefacts import Column, Finish, Schema, TaskSpec
from cauce.core.protocols import Finished
from cauce.core.specs import ServeSpec
from cauce.ledger import Ledger
from cauce.serve import Served, Service, Tokens, create_app

TOKEN = "a-token-of-tests"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
SCHEMA = Schema(
    (
        Column("age", "integer", nullable=False),
        Column("income", "number"),
        Column("member", "boolean"),
        Column("plan", "category", categories=("free", "gold", "paid")),
        Column("city", "category"),
        Column("since", "datetime"),
    )
)
ROW: dict[str, Any] = {
    "age": 30,
    "income": 1000.5,
    "member": True,
    "plan": "free",
    "city": "Cádiz",
    "since": "2026-01-31T09:30:00Z",
}


@dataclass(frozen=True)
class FakeFitted:
    """Predicts ``yes`` from an age on; its version stands in the probabilities."""

    schema: Schema = SCHEMA
    classes: tuple[str, ...] = ("no", "yes")
    importance: Mapping[str, float] = field(default_factory=dict)
    version: int = 1
    pause_s: float = 0.0

    def predict(self, table: pa.Table) -> pa.Table:
        if self.pause_s:
            time.sleep(self.pause_s)
        if not self.classes:
            value = table["age"].to_numpy().astype(np.float64) * self.version
            return pa.table({"prediction": value, "lower": value - 1, "upper": value + 1})
        share = np.full(table.num_rows, 1.0 / (1 + self.version))
        label = np.where(table["age"].to_numpy() > 40, "yes", "no")
        return pa.table({"prediction": pa.array(label.tolist()), "prob_no": 1 - share, "prob_yes": share})

    def finish(self, rows: pa.Table, predicted: pa.Table, spec: TaskSpec) -> Finished:
        return Finished(self, Finish())

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path) -> Self:
        raise NotImplementedError


@dataclass(eq=False)
class World:
    """What stands behind a service, to be changed by a test."""

    folder: Path
    champions: dict[str, int | None] = field(default_factory=lambda: {"dropout": 1, "earnings": 1, "new": None})
    challengers: dict[str, int | None] = field(default_factory=dict)
    schemas: dict[tuple[str, int], Schema] = field(default_factory=dict)
    pause_s: float = 0.0
    durability: Any = "acknowledged"
    broken: set[int] = field(default_factory=set)
    loads: list[tuple[str, int]] = field(default_factory=list)
    ledgers: dict[str, Ledger] = field(default_factory=dict)

    def load(self, model: str, version: int) -> Served:
        self.loads.append((model, version))
        if version in self.broken:
            raise RuntimeError(f"package {version} cannot be opened")
        task = "regress" if model == "earnings" else "classify"
        schema = self.schemas.get((model, version), SCHEMA)
        classes = () if task == "regress" else ("no", "yes")
        fitted = FakeFitted(schema, classes, version=version, pause_s=self.pause_s)
        return Served(model, version, task, "y", schema, fitted)

    def ledger(self, model: str) -> Ledger:
        if model not in self.ledgers:
            self.ledgers[model] = Ledger(self.folder / model, model)
        return self.ledgers[model]

    def service(self, spec: ServeSpec | None = None, *, poll_s: float = 0.05, **more: Any) -> Service:
        files = {"console.css": (b"body {}", "text/css")}
        parts: dict[str, Any] = {
            "project": "school",
            "models": tuple(self.champions),
            "load": self.load,
            "alias": lambda model, name: (self.champions if name == "champion" else self.challengers).get(model),
            "ledger": self.ledger,
            "tokens": Tokens(TOKEN),
            "spec": spec or ServeSpec(),
            "page": lambda: "<!doctype html><title>page</title>",
            "sign_in": lambda: "<!doctype html><title>sign in</title>",
            "static": files.get,
            "poll_s": poll_s,
        }
        return Service(**parts | more)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "ledger")


@pytest.fixture
def school() -> Any:
    """The fakes' constants, for tests that cannot import this file by name."""
    return SimpleNamespace(
        TOKEN=TOKEN, AUTH=AUTH, SCHEMA=SCHEMA, ROW=ROW, FakeFitted=FakeFitted, World=World, Client=Client
    )


class Client:
    """Asks an application in this process, its lifespan included; starlette's own client wants another httpx."""

    def __init__(self, app: Any, headers: Mapping[str, str]) -> None:
        self.app, self._headers = app, headers
        self._runner = asyncio.Runner()
        self._lifespan = app.router.lifespan_context(app)

    def __enter__(self) -> Self:
        self._runner.run(self._lifespan.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._lifespan.__aexit__(None, None, None))
        self._runner.close()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._runner.run(self.send(method, path, **options))

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1:8321", headers=self._headers
        ) as client:
            return await client.request(method, path, **options)

    def gather(self, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
        """Send several at once."""

        async def all_of_them() -> list[httpx.Response]:
            return await asyncio.gather(*(self.send(method, path, **options) for method, path, options in requests))

        return self._runner.run(all_of_them())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        return self.request("PUT", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    """A client of the whole application, in this process, with the token."""
    before = set(threading.enumerate())
    with Client(create_app(world.service()), AUTH) as found:
        yield found
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("journal")]

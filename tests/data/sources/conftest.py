"""The servers that sources talk to, started once, and every kind of source as a way to put rows there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from data.sources import bigquery_stand_in, postgres_server, writers

KINDS = ("csv", "parquet", "jsonl", "excel", "duckdb", "sqlite", "delta", "postgres", "gs csv", "gs jsonl",
         "gs parquet", "bigquery")  # fmt: skip
Put = Callable[[pa.Table, Path], dict[str, Any]]


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_server.Server]:
    programs = postgres_server.programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    with postgres_server.serving(programs) as server:
        yield server


@pytest.fixture(scope="session")
def cloud() -> Iterator[str]:
    """Address of a Cloud Storage emulator with one empty bucket."""
    from gcp_storage_emulator.server import create_server

    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket="cubo")
    server.start()
    while server._api._httpd is None:
        pass
    yield f"http://127.0.0.1:{server._api._httpd.server_address[1]}"
    server.stop()


@pytest.fixture(scope="session")
def bigquery() -> Iterator[tuple[bigquery_stand_in.Service, str]]:
    with bigquery_stand_in.serving() as found:
        yield found


@pytest.fixture
def cloud_env(cloud: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", cloud)
    return cloud


@pytest.fixture
def bigquery_env(bigquery: tuple[bigquery_stand_in.Service, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    service, address = bigquery
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", address)
    return service


@pytest.fixture
def postgres_env(postgres: postgres_server.Server, monkeypatch: pytest.MonkeyPatch) -> postgres_server.Server:
    monkeypatch.setenv("CAUCE_PASSWORD_ROWS", postgres_server.PASSWORD)
    return postgres


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def put(kind: str, request: pytest.FixtureRequest) -> Put:
    """How rows are written as the kind under test; gives the keys of cauce.toml that read them."""
    if kind == "postgres":
        return writers.put_postgres(request.getfixturevalue("postgres_env"))
    if kind == "bigquery":
        return writers.put_bigquery(request.getfixturevalue("bigquery_env"))
    if kind.startswith("gs "):
        ending = kind.removeprefix("gs ")
        content = {"csv": writers.as_csv, "jsonl": writers.as_jsonl, "parquet": writers.as_parquet}[ending]
        return writers.put_object(request.getfixturevalue("cloud_env"), ending, content)
    return getattr(writers, f"put_{kind}")  # type: ignore[no-any-return]

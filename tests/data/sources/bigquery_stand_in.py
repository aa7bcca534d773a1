"""A stand-in for BigQuery's REST service on loopback: the official client talks to it, DuckDB answers.

Faithful in what Cauce uses: tables.get, tables.list, jobs.insert, jobs.get, jobs.query, getQueryResults in pages;
answers and errors have the service's form. SQL is read as BigQuery's by sqlglot and run on DuckDB: what only BigQuery
itself would refuse is not refused here.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import duckdb
import pyarrow as pa
import sqlglot

PROJECT, DATASET = "school", "sales"
_KINDS = {
    "BIGINT": "INTEGER",
    "DOUBLE": "FLOAT",
    "VARCHAR": "STRING",
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
    "TIMESTAMP": "DATETIME",
    "HUGEINT": "INTEGER",
}


class Service:
    """Tables, and the SQL that was sent."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute(
            f"SET TimeZone = 'UTC'; ATTACH ':memory:' AS {PROJECT}; CREATE SCHEMA {PROJECT}.{DATASET}"
        )
        self.connection.execute("CREATE MACRO ieee_divide(a, b) AS a / b")
        self.modified: dict[str, int] = {}
        self.queries: list[str] = []
        self.results: dict[str, tuple[list[dict[str, str]], list[dict[str, Any]]]] = {}
        self.lock = threading.Lock()

    def put(self, name: str, table: pa.Table) -> None:
        with self.lock:
            self.connection.register("incoming", table)
            self.connection.execute(f'CREATE OR REPLACE TABLE {PROJECT}.{DATASET}."{name}" AS FROM incoming')
            self.connection.unregister("incoming")
            self.modified[name] = self.modified.get(name, 1_700_000_000_000) + 1000

    def get_table(self, name: str) -> dict[str, Any] | None:
        with self.lock:
            if name not in self.modified:
                return None
            shown = self.connection.sql(f'FROM {PROJECT}.{DATASET}."{name}"')
            n_rows = len(shown)
            fields = _fields(shown)
        return {
            "kind": "bigquery#table",
            "id": f"{PROJECT}:{DATASET}.{name}",
            "tableReference": {"projectId": PROJECT, "datasetId": DATASET, "tableId": name},
            "type": "TABLE",
            "schema": {"fields": fields},
            "numRows": str(n_rows),
            "numBytes": str(n_rows * 8),
            "lastModifiedTime": str(self.modified[name]),
        }

    def job(self, job: str) -> dict[str, Any]:
        place = {"projectId": PROJECT, "datasetId": "_anonymous", "tableId": job}
        return {
            "kind": "bigquery#job",
            "id": f"{PROJECT}:EU.{job}",
            "jobReference": {"projectId": PROJECT, "jobId": job, "location": "EU"},
            "configuration": {"jobType": "QUERY", "query": {"query": self.queries[-1], "destinationTable": place}},
            "status": {"state": "DONE"},
            "statistics": {"query": {"statementType": "SELECT"}},
        }

    def run(self, query: str, job: str | None = None) -> str:
        with self.lock:
            self.queries.append(query)
            shown = self.connection.sql(sqlglot.transpile(query, read="bigquery", write="duckdb")[0])
            found = shown.to_arrow_table().to_pylist()  # DuckDB's own rows need pytz for moments
            fields, rows = _fields(shown), [{"f": [{"v": _told(v)} for v in row.values()]} for row in found]
            job = job or f"job{len(self.results)}"
            self.results[job] = fields, rows
        return job

    def page(self, job: str, start: int, size: int) -> dict[str, Any]:
        fields, rows = self.results[job]
        some = rows[start : start + size]
        answer: dict[str, Any] = {
            "kind": "bigquery#queryResponse",
            "jobReference": {"projectId": PROJECT, "jobId": job, "location": "EU"},
            "jobComplete": True,
            "schema": {"fields": fields},
            "totalRows": str(len(rows)),
            "rows": some,
        }
        return answer | ({"pageToken": str(start + size)} if start + size < len(rows) else {})


def _fields(shown: duckdb.DuckDBPyRelation) -> list[dict[str, str]]:
    pairs = zip(shown.columns, map(str, shown.types), strict=True)
    return [
        {"name": n, "type": "NUMERIC" if t.startswith("DECIMAL") else _KINDS[t], "mode": "NULLABLE"} for n, t in pairs
    ]


def _told(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return str(round(value.timestamp() * 1e6)) if value.tzinfo else value.isoformat()
    if isinstance(value, date | Decimal):
        return str(value)
    return (
        base64.b64encode(value).decode()
        if isinstance(value, bytes)
        else repr(value)
        if isinstance(value, float)
        else str(value)
    )


class _Handler(BaseHTTPRequestHandler):
    service: Service
    page_size = 2  # so that every result has several pages

    def do_GET(self) -> None:
        path, options = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if found := re.search(r"/datasets/([^/]+)/tables/([^/]+)$", path):
            table = self.service.get_table(unquote(found[2])) if found[1] == DATASET else None
            self._answer(200, table) if table else self._error(404, "notFound", f"Not found: Table {found[2]}")
        elif found := re.search(r"/datasets/([^/]+)/tables$", path):
            names = [
                {"tableReference": {"projectId": PROJECT, "datasetId": DATASET, "tableId": n}}
                for n in self.service.modified
            ]
            self._answer(200, {"kind": "bigquery#tableList", "tables": names, "totalItems": len(names)})
        elif found := re.search(r"/jobs/([^/]+)$", path):
            self._answer(200, self.service.job(found[1]))
        elif found := re.search(r"/queries/([^/]+)$", path):
            start = int(options.get("pageToken", ["0"])[0])
            self._answer(200, self.service.page(found[1], start, self.page_size))
        else:
            self._error(404, "notFound", path)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        inserted = self.path.split("?")[0].endswith("/jobs")
        query = body["configuration"]["query"]["query"] if inserted else body["query"]
        try:
            job = self.service.run(query, body.get("jobReference", {}).get("jobId"))
        except (duckdb.Error, sqlglot.errors.SqlglotError) as error:
            self._error(400, "invalidQuery", str(error).splitlines()[0])
            return
        self._answer(200, self.service.job(job) if inserted else self.service.page(job, 0, self.page_size))

    def _error(self, code: int, reason: str, message: str) -> None:
        self._answer(
            code, {"error": {"code": code, "message": message, "errors": [{"reason": reason, "message": message}]}}
        )

    def _answer(self, code: int, content: Any) -> None:
        raw = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@contextmanager
def serving() -> Iterator[tuple[Service, str]]:
    service = Service()
    handler = type("Handler", (_Handler,), {"service": service})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        service.connection.close()

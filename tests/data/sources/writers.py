"""One small table, written as every kind of source: what comes back must be the same."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

from data.sources.bigquery_stand_in import DATASET, PROJECT, Service
from data.sources.postgres_server import Server

Keys = dict[str, Any]
SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("price", pa.float64()),
        ("city", pa.string()),
        ("day", pa.date32()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("open", pa.bool_()),
        ('say "hi"; DROP TABLE x', pa.int64()),
    ]
)
QUOTED = SCHEMA.names[-1]
UTC = dt.UTC
ROWS: list[tuple[Any, ...]] = [
    (1, 1.5, "A Coruña", dt.date(2024, 1, 2), dt.datetime(2024, 1, 2, 3, 4, 5, 123000, UTC), True, 10),
    (2, None, "it's «Ávila»", None, dt.datetime(2024, 6, 30, tzinfo=UTC), False, None),
    (3, -0.25, None, dt.date(1999, 12, 31), None, None, -30),
    (4, 1e10, 'say "no"; --', dt.date(2024, 2, 29), dt.datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), True, 2**40),
    (5, 0.1, "漢字 😀, a;b|c", dt.date(2030, 1, 1), dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), False, 0),
]


def table(rows: list[tuple[Any, ...]] = ROWS) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], SCHEMA)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def as_csv(rows: pa.Table) -> bytes:
    def told(value: Any) -> Any:
        return (
            value.isoformat()
            if isinstance(value, dt.date)
            else str(value).lower()
            if isinstance(value, bool)
            else value
        )

    text = io.StringIO()
    lines = [[told(value) for value in row.values()] for row in rows.to_pylist()]
    csv.writer(text).writerows([rows.column_names, *lines])
    return text.getvalue().encode()


def as_jsonl(rows: pa.Table) -> bytes:
    return "".join(json.dumps(row, default=lambda v: v.isoformat()) + "\n" for row in rows.to_pylist()).encode()


def put_csv(rows: pa.Table, folder: Path) -> Keys:
    (folder / "rows.csv").write_bytes(as_csv(rows))
    return {"source": "rows.csv"}


def put_parquet(rows: pa.Table, folder: Path) -> Keys:
    pq.write_table(rows, folder / "rows.parquet")
    return {"source": "rows.parquet"}


def put_jsonl(rows: pa.Table, folder: Path) -> Keys:
    (folder / "rows.jsonl").write_bytes(as_jsonl(rows))
    return {"source": "rows.jsonl"}


def put_excel(rows: pa.Table, folder: Path) -> Keys:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.title = "Notes"
    sheet = book.create_sheet("Ventas 2024")
    sheet.append(rows.column_names)
    for row in rows.to_pylist():
        sheet.append([v.replace(tzinfo=None) if isinstance(v, dt.datetime) else v for v in row.values()])
    book.save(folder / "rows.xlsx")
    return {"source": "rows.xlsx", "table": "Ventas 2024"}


def put_duckdb(rows: pa.Table, folder: Path) -> Keys:
    (folder / "rows.duckdb").unlink(missing_ok=True)
    with duckdb.connect(str(folder / "rows.duckdb")) as connection:
        connection.register("incoming", rows)
        connection.execute('CREATE SCHEMA sales; CREATE TABLE sales."2024" AS FROM incoming')
    return {"source": "rows.duckdb", "table": "sales.2024"}


def put_sqlite(rows: pa.Table, folder: Path) -> Keys:
    kinds = {"int64": "INTEGER", "double": "REAL", "string": "TEXT", "date32[day]": "DATE", "bool": "BOOLEAN"}
    (folder / "rows.db").unlink(missing_ok=True)
    with sqlite3.connect(folder / "rows.db") as connection:
        columns = ", ".join(f"{quoted(field.name)} {kinds.get(str(field.type), 'TIMESTAMP')}" for field in rows.schema)
        connection.execute(f'CREATE TABLE "sales 2024" ({columns})')
        values = [[v.isoformat(" ") if isinstance(v, dt.datetime) else str(v) if isinstance(v, dt.date) else v
                   for v in row.values()] for row in rows.to_pylist()]  # fmt: skip
        connection.executemany(f'INSERT INTO "sales 2024" VALUES ({", ".join("?" * rows.num_columns)})', values)
    connection.close()
    return {"source": "rows.db", "table": "sales 2024"}


def put_delta(rows: pa.Table, folder: Path) -> Keys:
    write_deltalake(folder / "table", rows, mode="overwrite", schema_mode="overwrite")
    return {"source": "table"}


def put_postgres(server: Server) -> Callable[[pa.Table, Path], Keys]:
    kinds = {"int64": "bigint", "double": "float8", "string": "text", "date32[day]": "date", "bool": "boolean"}

    def put(rows: pa.Table, folder: Path) -> Keys:
        name = '"Ventas"."año 2024"'
        columns = ", ".join(
            f"{quoted(field.name)} {kinds.get(str(field.type), 'timestamptz')}" for field in rows.schema
        )
        server.run(
            'CREATE SCHEMA IF NOT EXISTS "Ventas"', f"DROP TABLE IF EXISTS {name}", f"CREATE TABLE {name} ({columns})"
        )
        holes = ", ".join(f"${i + 1}" for i in range(rows.num_columns))
        with server.connected() as connection, connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {name} VALUES ({holes})", rows)
        return {"source": server.address, "table": "Ventas.año 2024"}

    return put


def put_object(address: str, ending: str, content: Callable[[pa.Table], bytes]) -> Callable[[pa.Table, Path], Keys]:
    def put(rows: pa.Table, folder: Path) -> Keys:
        put_bytes(address, f"ventas/rows.{ending}", content(rows))
        return {"source": f"gs://cubo/ventas/rows.{ending}"}

    return put


def put_bytes(address: str, name: str, content: bytes) -> None:
    """Upload an object as the JSON API takes it."""
    import httpx

    done = httpx.post(f"{address}/upload/storage/v1/b/cubo/o", params={"uploadType": "media", "name": name},
                      content=content, headers={"Content-Type": "application/octet-stream"})  # fmt: skip
    done.raise_for_status()


def as_parquet(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink)
    return bytes(sink.getvalue())


def put_bigquery(service: Service) -> Callable[[pa.Table, Path], Keys]:
    def put(rows: pa.Table, folder: Path) -> Keys:
        service.put("ventas-2024", rows)
        return {"source": f"bigquery://{PROJECT}/{DATASET}", "table": "ventas-2024"}

    return put

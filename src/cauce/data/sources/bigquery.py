"""BigQuery: a table as an Ibis table, so that conditions and preparations run where the rows are; results are streamed.

Credentials by Google's usual discovery; BIGQUERY_EMULATOR_HOST names a stand-in, which needs none. Nothing is written
to BigQuery, and no browser is opened to sign in.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cauce.core.extras import need
from cauce.core.files import fingerprint
from cauce.data.columns import check_names
from cauce.data.sources.landing import land, landed, plain
from cauce.data.sources.source import Asked, Raw
from cauce.data.sources.tables import no_such_table, table_needed

if TYPE_CHECKING:
    import pyarrow as pa

_SCOPES = ("https://www.googleapis.com/auth/bigquery", "https://www.googleapis.com/auth/drive.readonly")
_PAGE = 50_000
_WHAT = "a BigQuery source"


class BigQuery:
    """A table or view of a BigQuery dataset."""

    keys = frozenset({"table"})

    def mark(self, asked: Asked) -> str:
        """Say when a table was changed; nothing for views, and for tables that rows are streamed into."""
        with _service_errors(asked):
            table = _backend(asked).client.get_table(_reference(asked))
            if table.table_type != "TABLE" or table.streaming_buffer is not None:
                return ""
            return fingerprint(table.full_table_id, str(table.modified), table.num_rows, table.num_bytes)

    @contextmanager
    def opened(self, asked: Asked) -> Iterator[Raw]:
        """Open the table, fetching nothing yet; see `Source`."""
        with _service_errors(asked):
            backend = _backend(asked)
            try:
                table = _table(backend, asked)
                check_names(list(table.columns), where=asked.at("source"))
                yield Raw(backend, table, "bigquery")
            finally:
                backend.disconnect()


def filtered(rows: Raw, condition: str) -> Any:
    """Return the rows that fulfil a condition, which was checked and written for BigQuery, as an Ibis table."""
    import ibis.expr.operations as ops

    query = f"SELECT * FROM ({compiled(rows.backend, rows.table)}) WHERE {condition}"  # noqa: S608 - checked
    return ops.SQLQueryResult(query, rows.table.schema(), rows.backend).to_expr()


def compiled(backend: Any, table: Any) -> str:
    """Return an expression's SQL. Not by the backend's `compile`, which runs a job to open a session first."""
    from sqlglot import exp

    tree = backend.compiler.to_sqlglot(table)
    for place in tree.find_all(exp.Table):
        for part in ("this", "db", "catalog"):
            if isinstance(name := place.args.get(part), exp.Identifier):
                name.set("quoted", True)
    return str(tree.sql(dialect="bigquery"))


@contextmanager
def fetched(rows: Raw, table: Any, asked: Asked) -> Iterator[Raw]:
    """Run an expression in BigQuery and stream its rows into the spill folder, in the order of the key or of all."""
    names = list(table.columns)
    key = asked.spec.key if asked.spec.key in names and asked.most is None else None
    query = compiled(rows.backend, table if key is None else table.order_by(key))
    if asked.most is not None:
        query += f" LIMIT {asked.most}"
    with _service_errors(asked):
        found = rows.backend.client.query_and_wait(query, page_size=_PAGE)
        fields = list(found.schema)
        reader = _plain(iter(found.to_arrow_iterable(_storage(rows.backend, asked))), len(fields))
        file = land(asked, reader.schema, reader)
    casts = {name: "JSON" for name, field in zip(plain(len(names)), fields, strict=True) if field.field_type == "JSON"}
    casts |= {name: "DOUBLE" for name, field in zip(plain(len(names)), fields, strict=True)
              if field.field_type in {"BIGNUMERIC", "BIGDECIMAL"} and field.mode != "REPEATED"}  # fmt: skip
    with landed(asked, file, names=names, casts=casts, sort=key is None) as rows_here:
        yield rows_here


def _plain(batches: Iterator[pa.RecordBatch], n_columns: int) -> pa.RecordBatchReader:
    """Give batches with the file's names, in types that Parquet and DuckDB know; texts where there is no row at all."""
    import pyarrow as pa

    first = next(batches, None)
    found = [pa.string()] * n_columns if first is None else [_storable(kind) for kind in first.schema.types]
    schema = pa.schema(list(zip(plain(n_columns), found, strict=True)))

    def converted() -> Iterator[pa.RecordBatch]:
        for batch in () if first is None else chain([first], batches):
            columns = [column.cast(kind) for column, kind in zip(batch.columns, found, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, converted())


def _storable(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return pa.string() if pa.types.is_decimal256(kind) else kind


def _reference(asked: Asked) -> str:
    project, dataset = _place(asked)
    return f"{project}.{dataset}.{asked.spec.table}"


def _place(asked: Asked) -> tuple[str, str]:
    parts = urlsplit(asked.spec.source)
    project, dataset = parts.netloc, parts.path.strip("/")
    if not project or not dataset or "/" in dataset:
        raise asked.fault("the address names no dataset", hint="Write bigquery://project/dataset, and `table`.")
    return project, dataset


def _backend(asked: Asked) -> Any:
    need("google.cloud.bigquery", extra="bigquery", what=_WHAT)
    import ibis
    from google.cloud import bigquery

    project, dataset = _place(asked)
    emulator = asked.environment.get("BIGQUERY_EMULATOR_HOST")
    credentials = _credentials(emulator)
    options = {"api_endpoint": emulator if "://" in emulator else f"http://{emulator}"} if emulator else None
    client = bigquery.Client(project=project, credentials=credentials, client_options=options)
    # Both clients are given: left to itself, Ibis would open a browser to sign in and keep what it got on disk.
    storage = need("google.cloud.bigquery_storage_v1", extra="bigquery", what=_WHAT).BigQueryReadClient(
        credentials=credentials
    )
    return ibis.bigquery.connect(client=client, storage_client=storage, dataset_id=dataset, partition_column=None)


def _credentials(emulator: str | None) -> Any:
    auth = need("google.auth", extra="bigquery", what=_WHAT)
    anonymous = need("google.auth.credentials", extra="bigquery", what=_WHAT)
    return anonymous.AnonymousCredentials() if emulator else auth.default(scopes=list(_SCOPES))[0]


def _storage(backend: Any, asked: Asked) -> Any:
    """Return the client of the faster read API; None for a stand-in, which serves rows as pages."""
    return None if asked.environment.get("BIGQUERY_EMULATOR_HOST") else backend.storage_client


def _table(backend: Any, asked: Asked) -> Any:
    import google.api_core.exceptions
    import ibis.common.exceptions

    project, dataset = _place(asked)
    if asked.spec.table is None:
        raise table_needed(asked, _known(backend, project, dataset))
    try:
        return backend.table(asked.spec.table, database=(project, dataset))
    except (google.api_core.exceptions.NotFound, ibis.common.exceptions.TableNotFound) as error:
        raise no_such_table(asked, _known(backend, project, dataset)) from error


def _known(backend: Any, project: str, dataset: str) -> list[str]:
    return sorted(str(table.table_id) for table in backend.client.list_tables(f"{project}.{dataset}"))


@contextmanager
def _service_errors(asked: Asked) -> Iterator[None]:
    need("google.cloud.bigquery", extra="bigquery", what=_WHAT)
    import google.api_core.exceptions
    import google.auth.exceptions

    try:
        yield
    except google.auth.exceptions.GoogleAuthError as error:
        hint = (
            "Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a service account's "
            "file that may read the dataset and run jobs."
        )
        raise asked.fault(f"Google does not let us in: {_first(error)}", hint=hint) from None
    except google.api_core.exceptions.GoogleAPIError as error:
        hint = "Check project, dataset and table, and that the account may read them and run jobs."
        raise asked.fault(f"BigQuery says: {_first(error)}", hint=hint) from None


def _first(error: BaseException) -> str:
    message = str(getattr(error, "message", "") or error)
    return " ".join(message.split())[:300].rstrip(".") or type(error).__name__

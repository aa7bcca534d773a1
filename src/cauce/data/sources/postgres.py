"""PostgreSQL: a table or view, read in one read-only transaction and streamed in batches into the spill folder.

The password comes from CAUCE_PASSWORD_<DATA SET> or from where libpq looks (PGPASSWORD, ~/.pgpass, a service file),
never from the address. Through ADBC, whose driver copies rows in binary form straight into Arrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from cauce.core.addresses import query_of, without_secret
from cauce.core.errors import UserError
from cauce.core.extras import need
from cauce.data.columns import quoted
from cauce.data.condition import checked_tree
from cauce.data.sources.landing import land, landed, plain
from cauce.data.sources.pushing import since, wider
from cauce.data.sources.source import Asked, Raw
from cauce.data.sources.tables import no_such_table, table_needed

if TYPE_CHECKING:
    import pyarrow as pa

_PATIENCE = 15
"""Seconds that the server may take to answer at all."""
_SESSION = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
    # The same rows come in the same order, so that an unchanged table has an unchanged fingerprint.
    "SET LOCAL synchronize_seqscans = off",
    "SET LOCAL max_parallel_workers_per_gather = 0",
)
_TABLES = """
SELECT n.nspname::text, c.relname::text, c.oid::bigint, n.nspname = ANY (pg_catalog.current_schemas(false)) AS visible
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg\\_t%' ORDER BY 1, 2
"""
_COLUMNS = """
WITH RECURSIVE kinds AS (
  SELECT a.attnum, a.attname::text AS name, a.atttypid AS type, a.atttypmod AS modifier
  FROM pg_catalog.pg_attribute a WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT k.attnum, k.name, t.typbasetype, CASE WHEN t.typtypmod >= 0 THEN t.typtypmod ELSE k.modifier END
  FROM kinds k JOIN pg_catalog.pg_type t ON t.oid = k.type AND t.typtype = 'd'
)
SELECT k.name, t.typname::text, t.typcategory::text, k.modifier::bigint
FROM kinds k JOIN pg_catalog.pg_type t ON t.oid = k.type WHERE t.typtype <> 'd' ORDER BY k.attnum
"""
_AS_IT_IS = {"bool", "int2", "int4", "int8", "float4", "float8", "text", "varchar", "bpchar", "name", "bytea"}
_COMPARED = {"bool", "int2", "int4", "int8", "float8", "text", "varchar"}
_MOMENTS = {"date", "timestamp", "timestamptz"}


class _Column(NamedTuple):
    name: str
    query: str
    cast: str | None
    """DuckDB type that the text is brought to."""
    kind: str = ""
    """Type in the server; `decimal` where a decimal of 18 digits holds it; empty where it is compared here alone."""


class Postgres:
    """A table, view or foreign table of a PostgreSQL database."""

    keys = frozenset({"table"})

    def mark(self, asked: Asked) -> str:
        """Say nothing: a database does not tell whether a table changed."""
        return ""

    @contextmanager
    def opened(self, asked: Asked) -> Iterator[Raw]:
        """Read the table into the spill folder; see `Source`."""
        address = _address(asked)
        with (
            _server_errors(asked),
            closing(_connect(asked, address)) as connection,
            closing(connection.cursor()) as cursor,
        ):
            for setting in _SESSION:
                cursor.execute(setting)
            oid, relation = _table(cursor, asked)
            columns = _columns(cursor, oid)
            if not columns:
                raise asked.fault("the table has no columns", key="table", hint="Name another one.")
            reader = _read(cursor, relation, columns, asked)
            file = land(asked, reader.schema, reader)
        named = zip(plain(len(columns)), columns, strict=True)
        casts = {name: column.cast for name, column in named if column.cast is not None}
        with landed(asked, file, names=[column.name for column in columns], casts=casts) as rows:
            yield rows


def password(name: str, environment: Mapping[str, str]) -> str | None:
    """Return the password of a data set from the environment.

    Examples
    --------
    >>> password("web-shop", {"CAUCE_PASSWORD_WEB_SHOP": "s3cret"})
    's3cret'
    """
    return environment.get(variable(name)) or None


def variable(name: str) -> str:
    """Return the name of the variable that holds a data set's password."""
    return f"CAUCE_PASSWORD_{name.upper().replace('-', '_')}"


def _address(asked: Asked) -> str:
    source = asked.spec.source
    if without_secret(source) != source:
        raise secret_in_address(source, where=asked.at("source"), name=asked.name)
    given = query_of(source)
    more = {} if "connect_timeout" in given else {"connect_timeout": str(_PATIENCE)}
    more |= {} if "application_name" in given else {"application_name": "cauce"}
    secret = password(asked.name, asked.environment)
    more |= {"password": secret} if secret else {}
    options = "&".join(f"{key}={quote(value, safe='')}" for key, value in more.items())
    return f"{source}{'&' if '?' in source else '?'}{options}" if options else source


def secret_in_address(source: str, *, where: str, name: str) -> UserError:
    """Say that a password stands in an address, without showing it."""
    hint = f"Take it out, change it, since others may have read it, and set the environment variable {variable(name)}."
    return UserError("a password may not stand in cauce.toml", where=where, received=without_secret(source), hint=hint)


def _connect(asked: Asked, address: str) -> Any:
    return need("adbc_driver_postgresql.dbapi", extra="postgres", what="a PostgreSQL source").connect(address)


@contextmanager
def _server_errors(asked: Asked) -> Iterator[None]:
    need("adbc_driver_postgresql", extra="postgres", what="a PostgreSQL source")
    import adbc_driver_manager
    import pyarrow as pa

    try:
        yield
    except (adbc_driver_manager.Error, pa.ArrowException) as error:
        message = _shown(str(error), asked)
        hint, key = f"Check the address, that the server runs, and {variable(asked.name)} or PGPASSWORD.", "source"
        if "permission denied" in message:
            hint, key = "Ask for the right to SELECT from it.", "table"
        raise asked.fault(f"PostgreSQL says: {message}", key=key, hint=hint) from None  # the cause may hold the address


def _shown(message: str, asked: Asked) -> str:
    """Return a server's message without what ADBC puts around it, and without the password, whoever put it there."""
    for secret in {password(asked.name, asked.environment), asked.environment.get("PGPASSWORD")} - {None, ""}:
        message = message.replace(str(secret), "***").replace(quote(str(secret), safe=""), "***")
    message = message.split("[libpq]", 1)[-1].split("Query was:", 1)[0]
    return " ".join(message.split())[:300].rstrip(".")


def _table(cursor: Any, asked: Asked) -> tuple[int, str]:
    """Return oid and quoted name of the table that is asked for."""
    cursor.execute(_TABLES)
    found = cursor.fetchall()
    named = {f"{schema}.{name}": (schema, name, oid) for schema, name, oid, _ in found}
    named |= {name: (schema, name, oid) for schema, name, oid, visible in reversed(found) if visible}
    known = [name if visible else f"{schema}.{name}" for schema, name, _, visible in found]
    if asked.spec.table is None:
        raise table_needed(asked, known)
    if asked.spec.table not in named:
        raise no_such_table(asked, known)
    schema, name, oid = named[asked.spec.table]
    return int(oid), f"{quoted(schema)}.{quoted(name)}"


def _columns(cursor: Any, oid: int) -> list[_Column]:
    cursor.execute(_COLUMNS.format(oid=oid))
    return [_column(*row) for row in cursor.fetchall()]


def _column(name: str, kind: str, category: str, modifier: int) -> _Column:
    column = quoted(name)
    if kind in _AS_IT_IS:
        return _Column(name, column, None, kind if kind in _COMPARED else "")
    if kind in _MOMENTS:  # Arrow has no infinity for them: an end that never comes is missing
        return _Column(name, f"CASE WHEN isfinite({column}) THEN {column} END", None, kind)
    if kind == "numeric":
        cast = _decimal(modifier)
        small = cast != "DOUBLE" and (modifier - 4) >> 16 & 0xFFFF <= 18
        return _Column(name, f"NULLIF({column}, 'NaN')::text", cast, "decimal" if small else "")
    if kind == "money":
        return _Column(name, f"{column}::numeric::text", "DOUBLE")
    if kind in {"json", "jsonb"}:
        return _Column(name, f"{column}::text", "JSON")
    if category in {"A", "C"}:
        return _Column(name, f"to_json({column})::text", None)
    return _Column(name, f"{column}::text", None)


def _decimal(modifier: int) -> str:
    """Return the DuckDB type of a numeric: what no decimal of 38 digits holds, or what states none, is a double."""
    precision, scale = (modifier - 4) >> 16 & 0xFFFF, (modifier - 4) & 0x7FF
    return f"DECIMAL({precision}, {scale})" if modifier >= 4 and scale <= precision <= 38 else "DOUBLE"


def _read(cursor: Any, relation: str, columns: list[_Column], asked: Asked) -> pa.RecordBatchReader:
    import pyarrow as pa

    names, key = plain(len(columns)), asked.spec.key
    chosen = ", ".join(f"{column.query} AS {quoted(name)}" for name, column in zip(names, columns, strict=True))
    query = f"SELECT {chosen} FROM {relation}{_wanted(columns, asked)}"  # noqa: S608 - names are quoted
    if asked.most is not None:  # whichever rows come first: to sort a whole table for a look is too dear
        query += f" LIMIT {asked.most}"
    elif key is not None and key in {column.name for column in columns}:
        query += f" ORDER BY {quoted(key)}"
    cursor.execute(query)
    reader = cursor.fetch_record_batch()
    schema = pa.schema([pa.field(field.name, field.type) for field in reader.schema])
    batches = (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in reader)
    return pa.RecordBatchReader.from_batches(schema, batches)


def _wanted(columns: list[_Column], asked: Asked) -> str:
    """Return what the server can decide of the condition and the watermark; both are applied to what arrives too."""
    kinds = {column.name: column.kind for column in columns}
    conditions: list[str | None] = []
    if asked.spec.where is not None:
        conditions.append(wider(checked_tree(asked.spec.where, list(kinds), where=asked.at("where")), kinds))
    if asked.since is not None:
        column, bound = asked.since
        conditions.append(since(column, bound, kinds.get(column, "")))
    known = [condition for condition in conditions if condition is not None]
    return f" WHERE {' AND '.join(known)}" if known else ""

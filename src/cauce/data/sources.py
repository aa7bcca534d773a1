"""Sources: a file opened through Ibis on an in-memory DuckDB that can reach this file and nothing else.

One function per format; a new format is a function and a line in `FORMATS`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cauce.core.errors import UserError, did_you_mean
from cauce.core.specs import DataSpec
from cauce.data.columns import HUGE, At, check_names, check_spec_columns, normal_form, quoted
from cauce.data.condition import check_condition
from cauce.data.decimals import decimal_commas, number
from cauce.data.duck import settings
from cauce.data.faults import (
    check_text,
    condition_errors,
    duckdb_errors,
    find_file,
    json_keys,
    read_header,
    refused_condition,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from ibis.backends.duckdb import Backend

MISSING = ["", "NA", "N/A", "NaN", "nan", "NULL", "null"]
"""What stands for a missing value in a CSV file, quoted or not."""


class Reader(Protocol):
    """Opens one format as a view of the backend."""

    def __call__(self, backend: Backend, path: Path, delimiter: str | None) -> Any:
        """Return an Ibis table over `path`; duckdb.Error where the file is bad."""


@dataclass(frozen=True)
class Opened:
    """A source with its condition and normal forms applied: ready to be streamed."""

    backend: Backend
    query: str
    names: tuple[str, ...]

    def batches(self, size: int, *, limit: int | None = None) -> pa.RecordBatchReader:
        """Stream the rows in the order of the source, `size` at a time."""
        query = self.query if limit is None else f"{self.query} LIMIT {limit}"
        # Not Ibis 12's to_pyarrow_batches: it calls fetch_record_batch, which DuckDB 2.0 has no more. Not raw_sql: it
        # holds the whole result in memory.
        return self.backend.con.sql(query).to_arrow_reader(size)


@contextmanager
def opened(name: str, spec: DataSpec, folder: Path, *, where: Callable[..., str], spill: Path) -> Iterator[Opened]:
    """Open the source of a data set; DuckDB's complaints within the block become UserErrors.

    Parameters
    ----------
    name
        The data set's.
    folder
        The project's; `source` is relative to it.
    where
        Keys of cauce.toml → place.
    spill
        Existing folder in which DuckDB may put what does not fit into memory.

    Raises
    ------
    UserError
        The file, its columns, or the condition on them is wrong.
    """

    def at(key: str) -> str:
        return where("data", name, key)

    path = find_file(folder, spec.source, where=at("source"))
    kind = format_of(path, spec, at)
    delimiter = spec.delimiter
    if kind != "parquet":
        check_text(path, where=at("source"))
    names: list[str] | None = None
    if kind == "csv":
        names, delimiter = read_header(path, delimiter, where=at("delimiter" if delimiter else "source"))
    elif kind == "jsonl":
        json_keys(path, where=at("source"))
    with duckdb_errors(path, kind, delimiter, where=at("source")):
        names = names or _parquet_names(path) if kind == "parquet" else names
        if names:
            check_names(names, where=at("source"))
        path = _without_pattern(path, spill)
        backend = _connect(path, spill)
        try:
            with warnings.catch_warnings():
                # Ibis 12 asks DuckDB 2.0 for a view's types through fetch_arrow_table.
                warnings.filterwarnings("ignore", r"fetch_arrow_table\(\) is deprecated", DeprecationWarning)
                view = FORMATS[kind](backend, path, delimiter)
            source = _prepared(backend, view.get_name(), spec, at, names, in_text=kind == "csv")
            with condition_errors(spec.where, where=at("where")):
                yield source
        finally:
            backend.disconnect()


def format_of(path: Path, spec: DataSpec, at: At) -> str:
    """Return csv, parquet or jsonl, by the key `format` or the file's ending."""
    if spec.format != "auto":
        return spec.format
    endings = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    ending = endings[-1] if endings else ""
    if ending not in ENDINGS:
        hint = f"{did_you_mean(ending, ENDINGS)} Or set `format`."
        raise UserError("the file's ending says no known format", where=at("source"), received=path.name, hint=hint)
    return ENDINGS[ending]


def _without_pattern(path: Path, spill: Path) -> Path:
    """Return the path, or a link to it where DuckDB would take its name for a pattern."""
    if not set(str(path)) & set("*?[{"):
        return path
    link = spill / f"source{''.join(path.suffixes[-2:])}"
    if set(link.name) & set("*?[{"):
        link = spill / "source"
    link.symlink_to(path)
    return link


def _connect(path: Path, spill: Path) -> Backend:
    import ibis

    backend = ibis.duckdb.connect(**settings(spill))
    # From here on DuckDB reads this one file and writes into this one folder, whatever a query says.
    backend.raw_sql(f"SET allowed_paths = [{_text(str(path))}]")
    backend.raw_sql(f"SET allowed_directories = [{_text(str(spill))}]")
    backend.raw_sql("SET enable_external_access = false")
    backend.raw_sql("SET lock_configuration = true")
    return backend


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _read_csv(backend: Backend, path: Path, delimiter: str | None) -> Any:
    # The dialect is said, not guessed. The types are found once, in all rows, so that no later row breaks them; a view
    # that finds them itself would read the file anew at every query.
    dialect = {"delim": delimiter, "quote": '"', "escape": '"', "comment": "", "skip": 0, "header": True}
    given = ", ".join(f"{key} = {_literal(value)}" for key, value in dialect.items())
    options = f"{given}, nullstr = {MISSING}, strict_mode = true, sample_size = -1"
    found = backend.con.sql(f"FROM sniff_csv({_text(str(path))}, {options})").fetchall()
    columns, date_format, timestamp_format = found[0][7:10]
    formats = {"dateformat": date_format, "timestampformat": timestamp_format}
    settings = {**dialect, **{key: value for key, value in formats.items() if value}}
    kinds = {f"column{i}": column["type"] for i, column in enumerate(columns)}
    for name in _words_for_booleans(backend, path, kinds, dialect):
        kinds[name] = "VARCHAR"
    return backend.read_csv(str(path), columns=kinds, nullstr=MISSING, strict_mode=True, **settings)


def _words_for_booleans(backend: Backend, path: Path, kinds: dict[str, str], dialect: dict[str, Any]) -> list[str]:
    """Return the columns that DuckDB takes for booleans although they say yes and no, t and f: a label stays as it is.

    One more pass over the file, and only where such a column was found.
    """
    found = [name for name, kind in kinds.items() if kind == "BOOLEAN"]
    if not found:
        return []
    texts = {name: "VARCHAR" if name in found else kind for name, kind in kinds.items()}
    view = backend.read_csv(str(path), columns=texts, nullstr=MISSING, strict_mode=True, **dialect).get_name()
    plain = ", ".join(f"bool_and(lower(trim({quoted(name)})) IN ('true', 'false'))" for name in found)
    answers = backend.con.sql(f"SELECT {plain} FROM {quoted(view)}").fetchall()[0]  # noqa: S608 - names are quoted
    return [name for name, is_plain in zip(found, answers, strict=True) if is_plain is False]


def _literal(value: object) -> str:
    return _text(value) if isinstance(value, str) else str(value).lower()


def _read_parquet(backend: Backend, path: Path, delimiter: str | None) -> Any:
    return backend.read_parquet(str(path), hive_partitioning=False)


def _read_jsonl(backend: Backend, path: Path, delimiter: str | None) -> Any:
    return backend.read_json(
        str(path),
        format="newline_delimited",
        records="true",
        sample_size=-1,
        map_inference_threshold=-1,
        hive_partitioning=False,
    )


FORMATS: dict[str, Reader] = {"csv": _read_csv, "parquet": _read_parquet, "jsonl": _read_jsonl}
ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}


def _parquet_names(path: Path) -> list[str] | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError):
        return None  # DuckDB says what is wrong with it


def _prepared(
    backend: Backend, view: str, spec: DataSpec, at: At, header: list[str] | None, *, in_text: bool
) -> Opened:
    described = backend.raw_sql(f"DESCRIBE {quoted(view)}").fetchall()
    found = [str(row[0]) for row in described]
    names = header or found
    if len(names) != len(found):
        raise UserError(
            f"the header has {len(names)} columns, the rows have {len(found)}",
            where=at("source"),
            received=spec.source,
            hint="Give every column a name in the first line.",
        )
    check_names(names, where=at("source"))
    check_spec_columns(_named(spec), names, at)
    kinds = _narrowed(backend, view, {str(row[0]): str(row[1]) for row in described})
    texts = [name for name, kind in kinds.items() if in_text and kind == "VARCHAR"]
    commas = decimal_commas(backend, view, texts)
    kinds |= dict.fromkeys(commas, "DOUBLE")
    # DuckDB's own names (it renames blanks) are mapped back to those of the header before anything else sees them.
    inner = ", ".join(
        f"{number(old) if old in commas else quoted(old)} AS {quoted(new)}"
        for old, new in zip(found, names, strict=True)
    )
    forms = [
        f"{normal_form(new, kinds[str(row[0])], where=at('source'))} AS {quoted(new)}"
        for new, row in zip(names, described, strict=True)
    ]
    query = f"SELECT {', '.join(forms)} FROM (SELECT {inner} FROM {quoted(view)})"  # noqa: S608 - names are quoted
    if spec.where is not None:
        condition = check_condition(spec.where, names, where=at("where"))
        query += f" WHERE {condition}"
        _try_condition(backend, query, spec.where, at)
    return Opened(backend, query, tuple(names))


def _narrowed(backend: Backend, view: str, kinds: dict[str, str]) -> dict[str, str]:
    """Call a column of huge type an INTEGER where all its values fit into int64: JSON's 0 and -1 meet in HUGEINT."""
    huge = [name for name, kind in kinds.items() if kind in HUGE]
    if not huge:
        return kinds
    ends = ", ".join(
        f"min({quoted(name)}) >= -9223372036854775808, max({quoted(name)}) <= 9223372036854775807" for name in huge
    )
    row = backend.con.sql(f"SELECT {ends} FROM {quoted(view)}").fetchall()[0]  # noqa: S608 - names are quoted
    fits = {name for i, name in enumerate(huge) if False not in row[2 * i : 2 * i + 2]}
    return {name: "INTEGER" if name in fits else kind for name, kind in kinds.items()}


def _named(spec: DataSpec) -> list[tuple[str, str]]:
    one = [(key, column) for key in ("key", "time", "group") if (column := getattr(spec, key)) is not None]
    many = [(key, column) for key in ("partition_by", "cluster_by") for column in getattr(spec, key)]
    return one + many


def _try_condition(backend: Backend, query: str, condition: str, at: At) -> None:
    import duckdb

    try:
        backend.raw_sql(f"EXPLAIN {query}")
    except duckdb.Error as error:
        raise refused_condition(error, condition, where=at("where")) from error

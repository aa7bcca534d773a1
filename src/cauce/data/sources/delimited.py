"""CSV and its kin: the dialect is said, not guessed; the types are found once, in all rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cauce.data.columns import check_names, quoted
from cauce.data.duck import connect
from cauce.data.faults import check_text, duckdb_errors, read_header
from cauce.data.sources.backend import connected, described, text, viewed
from cauce.data.sources.encoding import as_utf8
from cauce.data.sources.source import Asked, Raw

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

MISSING = ["", "NA", "N/A", "NaN", "nan", "NULL", "null"]
"""What stands for a missing value in a CSV file, quoted or not."""
SNIFF_BYTES, SNIFF_BYTES_A_COLUMN = 256_000_000, 100_000
"""Memory for finding the types; a file of any length passes through it, and its columns need some each."""


@contextmanager
def csv_rows(asked: Asked, path: Path) -> Iterator[Raw]:
    """Open a CSV file."""
    at_source, delimiter = asked.at("source"), asked.spec.delimiter
    path = as_utf8(asked, path)
    check_text(path, where=at_source)
    names, delimiter = read_header(path, delimiter, where=asked.at("delimiter") if delimiter else at_source)
    with duckdb_errors(path, "csv", delimiter, where=at_source):
        check_names(names, where=at_source)
        with connected(asked.spill, files=[path], folders=asked.reads, threads=asked.threads) as backend:
            relation = quoted(_read(backend, path, delimiter, asked.spill, len(names)).get_name())
            found = described(backend, relation)
            if len(names) != len(found):
                raise asked.fault(
                    f"the header has {len(names)} columns, the rows have {len(found)}",
                    hint="Give every column a name in the first line.",
                )
            yield Raw(backend, viewed(backend, relation, names=names, in_text=True), "duckdb")


def _read(backend: Backend, path: Path, delimiter: str, spill: Path, n_columns: int) -> Any:
    # A view that finds the types itself would read the file anew at every query.
    dialect = {"delim": delimiter, "quote": '"', "escape": '"', "comment": "", "skip": 0, "header": True}
    given = ", ".join(f"{key} = {_literal(value)}" for key, value in dialect.items())
    options = f"{given}, nullstr = {MISSING}, strict_mode = true, sample_size = -1"
    # On a connection of its own: it holds what it has read, all of the file where memory allows.
    memory = SNIFF_BYTES + SNIFF_BYTES_A_COLUMN * n_columns
    with closing(connect(spill, memory=memory)) as sniffing:
        found = sniffing.sql(f"FROM sniff_csv({text(str(path))}, {options})").fetchall()
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
    return text(value) if isinstance(value, str) else str(value).lower()

"""`prepare` of cauce.toml: SQL files and functions on Ibis tables, between a source's rows and a snapshot's.

A step sees the rows of the step before under the name `source`. Steps are views: DuckDB, or BigQuery, runs them all as
one query while the rows are read. SQL is written for DuckDB; for BigQuery sqlglot translates it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cauce.core.errors import UserError, did_you_mean
from cauce.core.scripts import RAISED, Script, line_in, read_script, run_script
from cauce.core.specs import DataSpec
from cauce.data.columns import quoted
from cauce.data.statements import check_statement, has_order, translated, without_end

if TYPE_CHECKING:
    from cauce.data.sources import Raw

_LINE = re.compile(r"LINE (\d+):")


@dataclass(frozen=True)
class Step:
    """One step, read and checked, not yet run."""

    script: Script
    function: str | None
    """Name of the function in a Python file; None for SQL."""
    where: str
    """Place in cauce.toml."""


def read_steps(name: str, spec: DataSpec, folder: Path, *, where: Callable[..., str]) -> tuple[Step, ...]:
    """Read the steps of a data set.

    Raises
    ------
    UserError
        A file is not there or lies outside the project, is no SELECT, or asks for more than its rows.
    """
    return tuple(_read(step, folder, where("data", name, "prepare", i)) for i, step in enumerate(spec.prepare))


def _read(step: str, folder: Path, where: str) -> Step:
    path, colon, function = step.partition(":")
    if path.endswith(".sql") and not colon:
        script = read_script(path, folder, where=where, suffix=".sql")
        check_statement(script.text, script.path)
        return Step(script, None, where)
    if path.endswith(".py") and function.isidentifier():
        return Step(read_script(path, folder, where=where), function, where)
    hint = 'Name a SQL file, as "prepare/enrolments.sql", or a function, as "prepare.py:enrolments".'
    raise UserError("not a step", where=where, received=step, hint=hint)


def prepared(rows: Raw, steps: Sequence[Step], *, order: Sequence[str] = ()) -> Any:
    """Return what the steps make of a source's rows, as an Ibis table on the same backend; nothing is run yet.

    Parameters
    ----------
    rows
        The source's rows.
    steps
        In order; without any, the rows stay as they are and in their order.
    order
        Columns to sort by where the last step says no order: those of them that are there, then all others, so that
        the same rows always come in the same order.

    Raises
    ------
    UserError
        A step is refused by the engine (with the line), or its function fails or gives no table.
    """
    table = rows.table
    for number, step in enumerate(steps):
        if step.function is not None:
            table = _called(table, step)
        elif rows.engine == "bigquery":
            query = translated(step.script.text, rows.backend.compile(table), "bigquery", path=step.script.path)
            table = rows.backend.sql(query)
        else:
            table = _viewed(rows.backend, table, step, number)
    said = not steps or (steps[-1].function is None and has_order(steps[-1].script.text))
    # One thread reads prepared rows, so that an order with ties is the same each time too.
    return table if said else _ordered(table, order)


def _ordered(table: Any, order: Sequence[str]) -> Any:
    import ibis.expr.operations as ops

    names = list(table.columns)
    first = [name for name in order if name in names]
    keys = [table[name] for name in (*first, *(name for name in names if name not in first))]
    if isinstance(table.op(), ops.Sort):  # the user's order, and what it leaves open
        keys = [*table.op().keys, *keys]
    return table.order_by(*keys)


def _viewed(backend: Any, table: Any, step: Step, number: int) -> Any:
    """Make a view of a SQL step; its text starts on a line of its own, so that DuckDB's line numbers can be told."""
    import duckdb

    before = f"__cauce_before_{number}"
    backend.create_view(before, table)
    view = f"__cauce_step_{number}"
    head = f"CREATE VIEW {quoted(view)} AS WITH source AS (FROM {quoted(before)}) SELECT * FROM ("  # noqa: S608
    try:
        backend.raw_sql(f"{head}\n{without_end(step.script.text)}\n)")
    except duckdb.Error as error:
        found = _LINE.search(str(error))
        line = int(found[1]) - 1 if found else 1
        message = str(error).splitlines()[0].split("Error: ", 1)[-1].rstrip(".")
        names = ", ".join(list(table.columns)[:12])
        raise UserError(
            f"DuckDB refuses the SQL: {message}",
            where=f"{step.script.path}:{line}",
            received=_line(step.script.text, line),
            hint=f"The table `source` has the columns {names}.",
        ) from error
    return backend.table(view)


def _line(text: str, number: int) -> str:
    lines = text.splitlines()
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""


def _called(table: Any, step: Step) -> Any:
    import ibis.expr.types as ir

    module = run_script(step.script)
    function = getattr(module, step.function or "", None)
    path = step.script.path
    if not callable(function):
        known = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        hint = did_you_mean(step.function or "", known) or "Define it in that file."
        raise UserError(f"no such function in {path}", where=step.where, received=step.function, hint=hint)
    try:
        result = function(table)
    except RAISED as error:  # it is the user's code: whatever it raises is told with its line
        at = f"{path}:{line_in(error, path)}"
        what = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'failed'}"
        names = ", ".join(list(table.columns)[:12])
        raise UserError(what, where=at, received=step.function, hint=f"The table has the columns {names}.") from error
    if not isinstance(result, ir.Table):
        hint = "Return the Ibis table that the snapshot shall hold."
        kind = type(result).__name__
        raise UserError("the function returns no Ibis table", where=path, received=kind, hint=hint)
    return result


@contextmanager
def step_errors(spec: DataSpec, *, where: str) -> Iterator[None]:
    """Lay what fails while prepared rows are read at the preparation: the source's own types hold for all its rows."""
    import duckdb

    try:
        yield
    except (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException) as error:
        if not spec.prepare:
            raise
        message = str(error).splitlines()[0].split("Error: ", 1)[-1].rstrip(".")
        hint = "Write TRY_CAST where values may not fit, or CAST sums to DOUBLE."
        raise UserError(
            f"a row cannot be prepared: {message}", where=where, received=spec.prepare, hint=hint
        ) from error

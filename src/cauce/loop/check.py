"""`cauce check`: the file and the data's columns, validated without running anything; every problem at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING

from cauce.core.artefacts import Snapshot, TaskSpec
from cauce.core.errors import Problems, UserError, did_you_mean
from cauce.core.registry import task as task_named
from cauce.core.specs import DataSpec
from cauce.loop.audit import own_checks
from cauce.loop.context import Loop
from cauce.loop.material import inputs, labelled, wrong_columns
from cauce.loop.rows import functions_of
from cauce.project.references import joined_first
from cauce.rows import faults, look, with_empty

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.data import Inspection

RESERVED = ("prediction", "prediction_id", "lower", "upper", "id", "unit", "at", "version", "truth", "truth_at", "day")

FIRST_ROWS = 1000
"""Rows of a source that are looked at: a source with fewer has been seen whole."""

UNNAMED: dict[str, object] = {
    **dict.fromkeys(("key", "time", "group", "where", "watermark", "deleted")),
    **dict.fromkeys(("partition_by", "cluster_by"), ()),
    "join": {},
}
"""A data set's keys that name columns, left out."""


def check(loop: Loop) -> tuple[UserError, ...]:
    """Return everything that is wrong with the project, without loading or training; empty when all is well."""
    problems: list[UserError] = []
    if not loop.project.file.data:
        hint = "Add [data.NAME] with its source, and [models.NAME] with task, data and target."
        problems.append(UserError("no data set: nothing to audit or to train", where=loop.project.path.name, hint=hint))
    problems.extend(_own_checks(loop))
    inspected: dict[str, Inspection] = {}
    for name in joined_first(loop.project.file.data):
        try:
            inspected[name] = _inspect(loop, name, loop.data(name), inspected)
        except UserError as error:
            problems.extend(error.problems if isinstance(error, Problems) else [error])
            with suppress(UserError):  # told above; columns named wrongly must not hide what the models name wrongly
                inspected[name] = _inspect(loop, name, loop.data(name).model_copy(update=UNNAMED), inspected)
    for name, seen in inspected.items():
        inspected[name], wrong = _computed(loop, name, seen)
        problems.extend(wrong)
        problems.extend(_population(loop, name, inspected[name].head))
    for name, spec in loop.project.file.models.items():
        if spec.data in inspected:
            problems.extend(_model(loop, name, inspected[spec.data]))
    return tuple(problems)


def _own_checks(loop: Loop) -> list[UserError]:
    """Load the project's own checks, without running any."""
    try:
        own_checks(loop)
    except UserError as error:
        return [error]
    return []


def _inspect(loop: Loop, name: str, spec: DataSpec, seen: Mapping[str, Inspection]) -> Inspection:
    """Look at a data set's first rows; a join is looked at where the data set joined could be."""
    from cauce import data

    others = {
        other: data.Other(_as_snapshot(other, seen[other]), loop.data(other).time)
        for other in spec.join
        if other in seen
    }
    told = others if len(others) == len(spec.join) else None
    return data.inspect(name, spec, loop.project.folder, where=loop.project.where, others=told, n=FIRST_ROWS)


def _as_snapshot(name: str, seen: Inspection) -> Snapshot:
    types = {field.name: str(field.type) for field in seen.schema}
    return Snapshot(name, -1, "", seen.head.num_rows, types, datetime.min.replace(tzinfo=UTC))


def _computed(loop: Loop, name: str, seen: Inspection) -> tuple[Inspection, list[UserError]]:
    """Return what a load would show with the columns of the row functions, tried on the first rows, and their faults.

    Columns that cannot be computed are there and empty, so that what models say of them is not told as a fault too.
    """
    try:
        functions = functions_of(loop, name)
    except UserError as error:
        return seen, [error]
    wrong = faults(functions, seen.schema.names)
    head = with_empty(seen.head, functions)
    if not wrong and functions:
        try:
            head = look(functions, seen.head.combine_chunks().to_batches()[0]).apply(seen.head)
        except UserError as error:
            wrong = [error]
    return replace(seen, schema=head.schema, head=head), wrong


def _model(loop: Loop, name: str, seen: Inspection) -> list[UserError]:
    columns = seen.schema.names
    try:
        problems = wrong_columns(loop, name, columns)
        problems.extend(_reserved(loop, name, columns))
    except UserError:  # the data set's row functions cannot be read: told above
        return []
    if not problems:
        problems.extend(_task(loop, name, seen.head))
        problems.extend(_favoured(loop, name, seen.head))
    return problems


def _reserved(loop: Loop, name: str, columns: list[str]) -> list[UserError]:
    """Return a problem for each input column whose name the ledger and the answers use themselves."""
    where = loop.project.where("models", name)
    hint = "Rename it in the source, or list it under `ignore`."
    needed = functions_of(loop, loop.model(name).data).raw(inputs(loop, name, columns))
    return [
        UserError("an input column has a name that predictions use", where=where, received=column, hint=hint)
        for column in needed
        if column in RESERVED or column.startswith("prob_")
    ]


def _population(loop: Loop, name: str, head: pa.Table) -> Iterator[UserError]:
    """Give a problem for each declared share of a column that is not there, or of a value that is written otherwise.

    A value that no row has is no fault of the file: that the rows leave it out is for the audit to say.
    """
    for column, shares in loop.data(name).population.shares.items():
        at = ("data", name, "population", "shares", column)
        if column not in head.column_names:
            hint = did_you_mean(column, head.column_names)
            yield UserError(f"not a column of {name!r}", where=loop.project.where(*at), received=column, hint=hint)
            continue
        seen = _values(head, column)
        for value in shares:
            others = [other for other in seen if other not in shares]
            meant = None if value in seen else _meant(value, others)
            if meant is not None:
                hint = f"Did you mean {meant!r}?"
                what = f"not a value of column {column!r}"
                yield UserError(what, where=loop.project.where(*at, value), received=value, hint=hint)


def _favoured(loop: Loop, name: str, head: pa.Table) -> Iterator[UserError]:
    """Give a problem where the favoured class is none: all rows were seen, or one class is written almost so."""
    spec = loop.model(name)
    favoured, rows = spec.fairness.favoured, labelled(head, spec.target)
    if favoured is None or spec.task != "classify" or not rows.num_rows:
        return
    classes = _values(rows, spec.target)
    meant = _meant(favoured, classes)
    if favoured not in classes and (meant is not None or head.num_rows < FIRST_ROWS):
        where = loop.project.where("models", name, "fairness", "favoured")
        hint = did_you_mean(favoured, classes) if meant is None else f"Did you mean {meant!r}?"
        yield UserError(f"not a class of {spec.target!r}", where=where, received=favoured, hint=hint)


def _values(table: pa.Table, column: str) -> tuple[str, ...]:
    """Return a column's values as text, as groups and classes are named."""
    from cauce.profile.arrays import to_strings

    return tuple(to_strings(table[column].combine_chunks()).drop_null().unique().to_pylist())


def _meant(value: str, known: Sequence[str]) -> str | None:
    """Return the value that is the same but for case and space, or, among words, but for a letter or so; else None.

    Codes and ranges are near to each other without being misspelt: 18-24 and 25-34.
    """
    plain = {"".join(other.split()).casefold(): other for other in known}
    given = "".join(value.split()).casefold()
    words = [other for other in plain if not any(map(str.isdigit, other))]
    near = get_close_matches(given, words, n=1, cutoff=0.85) if not any(map(str.isdigit, given)) else []
    return plain.get(given, plain[near[0]] if near else None)


def _task(loop: Loop, name: str, head: pa.Table) -> list[UserError]:
    """Ask the task what it thinks of the target in the first rows; only what would block counts."""
    from cauce import profile

    spec = loop.model(name)
    rows = labelled(head, spec.target)
    if not rows.num_rows:
        return []
    seen = profile.summarise(rows.to_batches())
    task = task_named(spec.task)
    schema = seen.schema(inputs(loop, name, rows.column_names))
    resolved = TaskSpec(name, spec.task, spec.target, schema, spec.loss or task.losses_known[0])
    where = loop.project.where("models", name, "target")
    language = loop.project.file.project.language
    return [
        UserError(finding.message[language].rstrip("."), where=where, hint=finding.remedy[language])
        for finding in task.validate(rows, resolved)
        if finding.severity == "block" and finding.code in CERTAIN
    ]


CERTAIN = ("target_not_numeric",)
"""Findings that the first rows prove; others, such as a target with one class, need all of them."""

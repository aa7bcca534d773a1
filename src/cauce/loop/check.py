"""`cauce check`: the file and the data's columns, validated without running anything; every problem at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cauce.core.artefacts import TaskSpec
from cauce.core.errors import Problems, UserError, did_you_mean
from cauce.core.registry import task as task_named
from cauce.loop.context import Loop

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.data import Inspection

RESERVED = ("prediction", "prediction_id", "lower", "upper", "id", "unit", "at", "version", "truth", "truth_at", "day")


def check(loop: Loop) -> tuple[UserError, ...]:
    """Return everything that is wrong with the project, without loading or training; empty when all is well."""
    problems: list[UserError] = []
    inspected: dict[str, Inspection] = {}
    for name in loop.project.file.data:
        try:
            inspected[name] = _inspect(loop, name)
        except Problems as several:
            problems.extend(several.problems)
        except UserError as one:
            problems.append(one)
    for name, spec in loop.project.file.models.items():
        if spec.data in inspected:
            problems.extend(_model(loop, name, inspected[spec.data]))
    return tuple(problems)


def _inspect(loop: Loop, name: str) -> Inspection:
    from cauce import data

    return data.inspect(name, loop.data(name), loop.project.folder, where=loop.project.where)


def _model(loop: Loop, name: str, seen: Inspection) -> list[UserError]:
    spec = loop.model(name)
    columns = seen.schema.names
    problems = []
    named = [
        ("target", spec.target),
        *(("features", c) for c in spec.features or ()),
        *(("ignore", c) for c in spec.ignore),
    ]
    for key, column in named:
        if column not in columns:
            where = loop.project.where("models", name, key)
            problems.append(
                UserError(
                    f"not a column of {spec.data!r}", where=where, received=column, hint=did_you_mean(column, columns)
                )
            )
    problems.extend(_reserved(loop, name, columns))
    if not problems:
        problems.extend(_task(loop, name, seen.head))
    return problems


def _reserved(loop: Loop, name: str, columns: list[str]) -> list[UserError]:
    """Return a problem for each input column whose name the ledger and the answers use themselves."""
    spec = loop.model(name)
    apart = {spec.target, *spec.ignore, loop.data(spec.data).key, loop.data(spec.data).time, loop.data(spec.data).group}
    inputs = spec.features or tuple(column for column in columns if column not in apart)
    where = loop.project.where("models", name)
    hint = "Rename it in the source, or list it under `ignore`."
    return [
        UserError("an input column has a name that predictions use", where=where, received=column, hint=hint)
        for column in inputs
        if column in RESERVED or column.startswith("prob_")
    ]


def _task(loop: Loop, name: str, head: pa.Table) -> list[UserError]:
    """Ask the task what it thinks of the target in the first rows; only what would block counts."""
    from cauce import profile
    from cauce.loop.material import labelled

    spec = loop.model(name)
    rows = labelled(head, spec.target)
    if not rows.num_rows:
        return []
    seen = profile.summarise(rows.to_batches())
    inputs = spec.features or tuple(column for column in rows.column_names if column != spec.target)
    task = task_named(spec.task)
    resolved = TaskSpec(name, spec.task, spec.target, seen.schema(inputs), spec.loss or task.losses_known[0])
    where = loop.project.where("models", name, "target")
    language = loop.project.file.project.language
    return [
        UserError(finding.message[language].rstrip("."), where=where, hint=finding.remedy[language])
        for finding in task.validate(rows, resolved)
        if finding.severity == "block" and finding.code in CERTAIN
    ]


CERTAIN = ("target_not_numeric",)
"""Findings that the first rows prove; others, such as a target with one class, need all of them."""

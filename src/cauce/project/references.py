"""What one key says of another: a model's data set, its loss, its split, its columns, a check's code."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from cauce.core.addresses import without_secret
from cauce.core.errors import UserError, did_you_mean
from cauce.core.registry import TASKS
from cauce.core.specs import DataSpec, File, ModelSpec
from cauce.project import alerts
from cauce.project.origins import KeyPath, Origins

LOSSES: dict[str, tuple[str, ...]] = {"classify": ("log", "zero_one"), "regress": ("squared", "absolute")}
"""Task → the losses it knows, the default first. Here as well as in the task's room, whose import is heavy."""


@dataclass(frozen=True)
class _Asked:
    """One model under examination: its keys, and where each of them stands."""

    name: str
    spec: ModelSpec
    data: DataSpec | None
    origins: Origins

    def fault(self, key: str, what: str, *, received: object = None, hint: str = "", at: KeyPath = ()) -> UserError:
        where = self.origins.where("models", self.name, *key.split("."), *at)
        return UserError(what, where=where, received=received, hint=hint)


def faults(
    file: File,
    origins: Origins,
    *,
    data_names: Collection[str],
    unreliable: Collection[str] = (),
    checks: Collection[str] | None = None,
) -> Iterator[UserError]:
    """Give every reference that leads nowhere or contradicts another key.

    Parameters
    ----------
    file
        The sound part of the file.
    origins
        Where its keys stand.
    data_names
        Names of all data sets in the file, the faulty ones too.
    unreliable
        Names of data sets with faults of their own: nothing is concluded from their keys.
    checks
        Codes of the audit's checks; None leaves them unexamined.
    """
    for name, data in file.data.items():
        yield from _repeated(origins, ("data", name, "partition_by"), data.partition_by)
        yield from _repeated(origins, ("data", name, "cluster_by"), data.cluster_by)
        yield from _repeated(origins, ("data", name, "rows"), data.rows)
        yield from _same_column(origins, name, data)
        yield from _joins(file, origins, name, data, data_names)
        yield from _increments(origins, name, data)
        yield from _secret(origins, name, data)
        yield from _population(origins, name, data, data_names)
    for name, spec in file.models.items():
        if spec.data not in data_names:
            hint = did_you_mean(spec.data, data_names) or f"Add [data.{spec.data}] with its source."
            yield UserError(
                "no such data set", where=origins.where("models", name, "data"), received=spec.data, hint=hint
            )
        data_or_none = None if spec.data in unreliable else file.data.get(spec.data)
        yield from _model(_Asked(name, spec, data_or_none, origins))
    yield from alerts.faults(file, origins)
    for code in file.audit.checks if checks is not None else ():
        if code not in (checks or ()):
            where = origins.where("audit", "checks", code)
            yield UserError("not a check", where=where, received=code, hint=did_you_mean(code, checks or ()))


def _model(asked: _Asked) -> Iterator[UserError]:
    spec, origins = asked.spec, asked.origins
    yield from _task(asked)
    yield from _split(asked)
    for key in ("features", "ignore", "sensitive"):
        yield from _repeated(origins, ("models", asked.name, key), getattr(spec, key) or ())
    yield from _columns(asked)
    yield from _choosing(asked)
    yield from _fairness(asked)


def _task(asked: _Asked) -> Iterator[UserError]:
    task, loss = asked.spec.task, asked.spec.loss
    if task not in TASKS:
        yield asked.fault("task", "not a task", received=task, hint=did_you_mean(task, TASKS))
    elif loss is not None and loss not in LOSSES.get(task, (loss,)):
        hint = f"For {task}, write one of {', '.join(LOSSES[task])}."
        yield asked.fault("loss", f"not a loss of {task}", received=loss, hint=hint)


def _split(asked: _Asked) -> Iterator[UserError]:
    kind, data = asked.spec.split.kind, asked.data
    if kind == "stratified" and asked.spec.task in TASKS and asked.spec.task != "classify":
        hint = "Write one of auto, random, group, time."
        yield asked.fault("split.kind", "only classify has classes to stratify by", received=kind, hint=hint)
    if data is not None and kind in {"time", "group"} and getattr(data, kind) is None:
        what = f"[data.{asked.spec.data}] names no {kind} column"
        hint = f'Add {kind} = "column" to [data.{asked.spec.data}], or choose another split.'
        yield asked.fault("split.kind", what, received=kind, hint=hint)


def _columns(asked: _Asked) -> Iterator[UserError]:
    """Columns with two jobs: the target must not be an input, nor what names or orders the rows."""
    spec, data = asked.spec, asked.data
    for key in ("features", "ignore"):
        columns = getattr(spec, key) or ()
        if spec.target in columns:
            at = (columns.index(spec.target),)
            yield asked.fault(key, "the target stands here too", received=spec.target, hint="Take it out.", at=at)
    both = [name for name in spec.features or () if name in spec.ignore]
    for name in both:
        yield asked.fault(
            "ignore", "stands in features too", received=name, hint="Keep one.", at=(spec.ignore.index(name),)
        )
    for job in ("key", "time", "group"):
        if data is not None and getattr(data, job) == spec.target:
            hint = (
                "A column that names, orders or groups the rows cannot be predicted from them: choose another target."
            )
            yield asked.fault("target", f"also the {job} of [data.{spec.data}]", received=spec.target, hint=hint)


def _choosing(asked: _Asked) -> Iterator[UserError]:
    """What limits the choice: rungs named on both sides, and keys that only one task knows."""
    spec = asked.spec
    for index, name in enumerate(spec.must_use):
        if name in spec.never_use:
            yield asked.fault("must_use", "stands in never_use too", received=name, hint="Keep one.", at=(index,))
    if spec.task in TASKS and spec.task != "classify":
        for key in ("metric", "costs"):
            if getattr(spec, key):
                hint = "Remove it; it says how to decide between classes."
                yield asked.fault(key, "only classify has classes", received=getattr(spec, key), hint=hint)
    if spec.metric is not None and spec.costs:
        yield asked.fault("metric", "costs say already what decisions aim at", received=spec.metric, hint="Keep one.")
    for key, columns in (("weight", (spec.weight,)), ("monotone", tuple(spec.monotone))):
        if spec.target in columns:
            yield asked.fault(key, "the target stands here too", received=spec.target, hint="Name another column.")
    if spec.weight is not None and spec.weight in (spec.features or ()):
        hint = "A weight says how many rows a row stands for: take it out of features, or drop the weight."
        yield asked.fault("weight", "stands in features too", received=spec.weight, hint=hint)


def _fairness(asked: _Asked) -> Iterator[UserError]:
    """What the gaps between groups need: groups, classes to mitigate, and leave for a threshold of each group."""
    spec, fairness = asked.spec, asked.spec.fairness
    if spec.target in spec.sensitive:
        at = (spec.sensitive.index(spec.target),)
        yield asked.fault("sensitive", "the target stands here too", received=spec.target, hint="Take it out.", at=at)
    if not spec.sensitive and (fairness.mitigate != "off" or fairness.max_gap is not None):
        key = "mitigate" if fairness.mitigate != "off" else "max_gap"
        hint = 'Add sensitive = ["column"] to the model: gaps are those between its groups.'
        what = "the model names no sensitive column"
        yield asked.fault(f"fairness.{key}", what, received=getattr(fairness, key), hint=hint)
    if fairness.mitigate != "off" and spec.task in TASKS and spec.task != "classify":
        hint = "Remove it; gaps of numbers are measured, not mitigated."
        yield asked.fault("fairness.mitigate", "only classify can be mitigated", received=fairness.mitigate, hint=hint)
    if fairness.favoured is not None and spec.task in TASKS and spec.task != "classify":
        hint = "Remove it; gaps of numbers are those between means."
        yield asked.fault("fairness.favoured", "only classify has classes", received=fairness.favoured, hint=hint)
    if fairness.mitigate == "thresholds" and not fairness.at_prediction:
        what = "a threshold for each group needs the sensitive columns at prediction"
        hint = "Set at_prediction = true where that is allowed, or choose reductions, reweigh or balance."
        yield asked.fault("fairness.mitigate", what, received="thresholds", hint=hint)


def _repeated(origins: Origins, path: KeyPath, names: tuple[str, ...]) -> Iterator[UserError]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield UserError("named twice", where=origins.where(*path, index), received=name, hint="Keep one.")


def _same_column(origins: Origins, name: str, data: DataSpec) -> Iterator[UserError]:
    """A key is unique and a group is not: one column cannot be both."""
    if data.key is not None and data.key == data.group:
        hint = "The key names one row, the group many: name another column."
        yield UserError("also the key", where=origins.where("data", name, "group"), received=data.group, hint=hint)


def _population(origins: Origins, name: str, data: DataSpec, known: Collection[str]) -> Iterator[UserError]:
    """What the population names: another data set, and shares that are parts of 1."""
    at, other = ("data", name, "population"), data.population.reference
    if other is not None and (other == name or other not in known):
        hint = did_you_mean(other, [one for one in known if one != name]) or "Name another data set of this file."
        what = "a data set is no reference for itself" if other == name else "no such data set"
        yield UserError(what, where=origins.where(*at, "reference"), received=other, hint=hint)
    for column, shares in data.population.shares.items():
        total = sum(shares.values())
        if total > 1.001:
            hint = "Shares are parts of 1; what is left belongs to all other values."
            where = origins.where(*at, "shares", column)
            yield UserError("the shares sum to more than 1", where=where, received=round(total, 4), hint=hint)


def _secret(origins: Origins, name: str, data: DataSpec) -> Iterator[UserError]:
    """A password in an address is refused before anything is made of it, and not shown."""
    shown = without_secret(data.source)
    if shown != data.source:
        variable = f"CAUCE_PASSWORD_{name.upper().replace('-', '_')}"
        hint = f"Take it out, change it, since others may have read it, and set the environment variable {variable}."
        where = origins.where("data", name, "source")
        yield UserError("a password may not stand in cauce.toml", where=where, received=shown, hint=hint)


def joined_first(sets: Mapping[str, DataSpec]) -> tuple[str, ...]:
    """Return the names of data sets, each after those that it joins; of a circle each once."""
    done: list[str] = []

    def visit(name: str, open_: tuple[str, ...]) -> None:
        if name in done or name in open_ or name not in sets:
            return
        for other in sets[name].join:
            visit(other, (*open_, name))
        done.append(name)

    for name in sets:
        visit(name, ())
    return tuple(done)


def _joins(file: File, origins: Origins, name: str, data: DataSpec, known: Collection[str]) -> Iterator[UserError]:
    """A join names another data set, needs both times, and leads back to none."""
    for other, join in data.join.items():
        where = origins.where("data", name, "join", other)
        if other not in known:
            hint = did_you_mean(other, known) if known else f"Add [data.{other}] with its source."
            yield UserError("no such data set to join", where=where, received=other, hint=hint)
            continue
        if data.time is None:
            hint = f'Add time = "column" to [data.{name}]: values are joined as they were known at that time.'
            yield UserError(f"[data.{name}] names no time column", where=where, received=other, hint=hint)
        if join.known_at is None and other in file.data and file.data[other].time is None:
            hint = f'Add known_at = "column", or time = "column" to [data.{other}]; without it a join would look ahead.'
            yield UserError("nothing says since when a value was known", where=where, received=other, hint=hint)
        circle = _way_back(file, other, name, ())
        if circle:
            hint = "Take one of these joins out."
            yield UserError(
                "the joins go round in a circle", where=where, received=" → ".join((name, *circle)), hint=hint
            )


def _way_back(file: File, at: str, to: str, passed: tuple[str, ...]) -> tuple[str, ...]:
    """Return the data sets on a way of joins that ends at `to`; empty where there is none."""
    if at == to:
        return (*passed, at)
    if at in passed or at not in file.data:
        return ()
    ways = (_way_back(file, other, to, (*passed, at)) for other in file.data[at].join)
    return next((way for way in ways if way), ())


def _increments(origins: Origins, name: str, data: DataSpec) -> Iterator[UserError]:
    """What a watermark needs, and what means nothing without one."""
    if data.watermark is None and "late" in data.model_fields_set:
        hint = 'Add watermark = "column", or take `late` out.'
        where = origins.where("data", name, "late")
        yield UserError("nothing can be late without a watermark", where=where, received=data.late, hint=hint)
    if data.watermark is not None and data.deleted is not None and data.key is None:
        hint = 'Add key = "column": it says which row is deleted.'
        where = origins.where("data", name, "deleted")
        yield UserError("deleted rows need a key", where=where, received=data.deleted, hint=hint)

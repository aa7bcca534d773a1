"""What one training is made from: rows that teach, folds that compare the rungs, rows that judge.

Rows come from the source's snapshot, and from the ledger once truths have arrived. Units that judge are never
trained on: at a first training the split sets them aside; at a renewal they are the newest labelled rows of the
ledger, which no release can have seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Column, Schema, Snapshot, TaskSpec
from cauce.core.errors import Blocked, UserError, did_you_mean
from cauce.core.files import fingerprint
from cauce.core.registry import task as task_named
from cauce.core.specs import SplitSpec
from cauce.loop.context import Loop
from cauce.loop.rows import from_target, functions_of, own_columns
from cauce.rows import Computation, check_unchanged

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.profile import Profile

FEWEST_ACCEPTED = 100
"""Rows below which those that judge are too few to stand for a population."""

ALL_DIFFERENT = 0.99
"""Share of texts that are different from which those of one length are codes: hashes, UUIDs."""

Fold = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class LedgerRows:
    """Labelled rows of the ledger, oldest first, as the training wants them."""

    teach: pa.Table
    judge: pa.Table
    fingerprint: str


@dataclass(frozen=True, eq=False)
class Material:
    """Rows and row numbers of one training."""

    teach: pa.Table
    """Rows the release is fitted on."""
    folds: tuple[Fold, ...]
    """(train, test) row numbers of `teach`."""
    judge: pa.Table
    """Rows set aside for the final judgement."""
    teach_units: npt.NDArray[np.str_]
    judge_units: npt.NDArray[np.str_]
    n_ledger: int
    """Rows of `teach` that came from the ledger."""
    kind: str
    """Kind of split."""

    @property
    def accepted_on(self) -> pa.Table:
        """The population on which the release was accepted, which the watch compares with.

        The rows that judge, where they are newer than those that teach: a shift between the two is known already and
        was weighed. All rows otherwise, since both sides are then of one population.
        """
        import pyarrow as pa

        newer = self.kind == "time" or self.n_ledger > 0
        if newer and self.judge.num_rows >= FEWEST_ACCEPTED:
            return self.judge
        return pa.concat_tables([self.teach, self.judge])


def wrong_columns(loop: Loop, model: str, columns: Collection[str]) -> list[UserError]:
    """Return a problem for each column that the model names and its data set does not have, with the line."""
    spec = loop.model(model)
    named = [
        ("target", spec.target),
        *(("features", name) for name in spec.features or ()),
        *(("ignore", name) for name in spec.ignore),
        *(("sensitive", name) for name in spec.sensitive),
        *(("monotone", name) for name in spec.monotone),
        *([("weight", spec.weight)] if spec.weight else []),
        *(("log", name) for name in spec.log if name != "unit"),
    ]
    problems = [
        UserError(
            f"not a column of {spec.data!r}",
            where=loop.project.where("models", model, key),
            received=column,
            hint=did_you_mean(column, columns),
        )
        for key, column in named
        if column not in columns
    ]
    told = from_target(functions_of(loop, spec.data), spec.target)
    hint = "A request does not know the target: compute it from other columns, or leave it out."
    where = loop.project.where("models", model, "features")
    giving = [name for name in spec.features or () if name in told]
    return problems + [UserError("computed from the target", where=where, received=name, hint=hint) for name in giving]


def inputs(loop: Loop, model: str, columns: Iterable[str]) -> tuple[str, ...]:
    """Return the columns to predict from: those the file names, else all that a request can know.

    Those are all but target, key, time, group and ignored ones, but those that tell a source's news (`watermark`,
    `deleted`: when a row was last written knows its outcome), and but row functions' that take the target.
    """
    spec = loop.model(model)
    data = loop.data(spec.data)
    apart = {spec.target, *spec.ignore, data.key, data.time, data.group, data.watermark, data.deleted, spec.weight}
    apart |= from_target(functions_of(loop, spec.data), spec.target)
    named = spec.features or tuple(name for name in columns if name not in apart)
    # A threshold for each group is looked up by the request's sensitive columns, which the model within does not see.
    asked = spec.sensitive if spec.fairness.mitigate == "thresholds" else ()
    return named + tuple(name for name in asked if name not in named)


def resolve(loop: Loop, model: str, profile: Profile) -> TaskSpec:
    """Return what the task needs to know: the file's keys, with columns and kinds from the profile."""
    spec = loop.model(model)
    data = loop.data(spec.data)
    wanted = inputs(loop, model, profile.columns)
    schema = profile.schema(wanted)
    if spec.features is None:
        schema = Schema(tuple(column for column in schema if _usable(column, profile)))
    if not len(schema):
        names = ", ".join(wanted) or "none"
        raise Blocked(f"model {model!r} has no column to predict from (looked at: {names})")
    return TaskSpec(
        model=model,
        task=spec.task,
        target=spec.target,
        schema=schema,
        loss=spec.loss or task_named(spec.task).losses_known[0],
        key=data.key,
        time=data.time,
        group=data.group,
        seed=spec.split.seed,
        sensitive=spec.sensitive,
        weight=spec.weight,
        monotone=dict(spec.monotone),
        metric=spec.metric,
        costs=dict(spec.costs),
    )


def gather(
    loop: Loop, snapshot: Snapshot, spec: TaskSpec, ledger: LedgerRows | None, made: Computation | None = None
) -> Material:
    """Read the rows and set aside those that judge.

    Parameters
    ----------
    spec
        With the columns that the model learns from.
    made
        What computes some of them; the columns that it takes are gathered too, and ledger rows are computed anew.

    Raises
    ------
    Blocked
        No row has a target.
    """
    from cauce import data

    table = source_rows(loop, snapshot, spec)
    if not table.num_rows:
        raise Blocked(f"model {spec.model!r}: no row has a value in {spec.target!r}")
    settings = loop.model(spec.model).split
    columns = _columns(spec, made)
    if made is not None:
        check_unchanged(made, table)
    if ledger is not None:
        units = unit_names_of(loop, snapshot.data, table, spec)
        return _renewal(table.select(columns), units, ledger, spec, settings, made)
    split = data.split(
        table,
        settings,
        task=spec.task,
        target=spec.target,
        key=spec.key,
        time=spec.time,
        group=spec.group,
        named_by=own_columns(loop, snapshot.data, table.column_names),
    )
    return Material(
        teach=table.take(split.develop).select(columns),
        folds=tuple((_within(split.develop, train), _within(split.develop, test)) for train, test in split.folds),
        judge=table.take(split.held_out).select(columns),
        teach_units=split.units[split.develop],
        judge_units=split.units[split.held_out],
        n_ledger=0,
        kind=split.kind,
    )


def _renewal(
    source: pa.Table,
    units: npt.NDArray[np.str_],
    ledger: LedgerRows,
    spec: TaskSpec,
    settings: SplitSpec,
    made: Computation | None,
) -> Material:
    """Return all source rows and the older ledger rows as teachers, the newest ledger rows as judges."""
    import pyarrow as pa

    from cauce import data

    none = source.slice(0, 0)
    teach, judge = (stack(none, rows, spec) for rows in (ledger.teach, ledger.judge))
    if made is not None:
        teach, judge = (made.apply(rows).select(source.column_names).cast(source.schema) for rows in (teach, judge))
    teach = pa.concat_tables([source, teach]).combine_chunks()
    folded = data.fold_all(
        teach, settings, task=spec.task, target=spec.target, key=None, time=spec.time, group=spec.group
    )
    return Material(
        teach=teach,
        folds=folded.folds,
        judge=judge,
        teach_units=np.concatenate([units, unit_names(ledger.teach)]),
        judge_units=unit_names(ledger.judge),
        n_ledger=ledger.teach.num_rows,
        kind=folded.kind,
    )


def source_rows(loop: Loop, snapshot: Snapshot, spec: TaskSpec) -> pa.Table:
    """Return the snapshot's rows whose target is known, with every column: without a key, they all name the row."""
    from cauce import data

    table = data.read(loop.state.lake, snapshot.data, version=snapshot.version)
    return labelled(table, spec.target)


def unit_names_of(loop: Loop, data_name: str, table: pa.Table, spec: TaskSpec) -> npt.NDArray[np.str_]:
    """Return the names of source rows, shape (n_rows,): their keys, or else the content that they brought."""
    from cauce import data

    named = table if spec.key else table.select(own_columns(loop, data_name, table.column_names))
    return data.unit_ids(named, spec.key)


def as_units(rows: pa.Table) -> pa.Table:
    """Return ledger rows under the names that a training uses: a prediction is a unit."""
    from cauce.ledger.public import without_beside

    rows = without_beside(rows)
    return rows.rename_columns(["unit" if name == "id" else name for name in rows.column_names])


def unit_names(rows: pa.Table) -> npt.NDArray[np.str_]:
    """Return the column ``unit``, shape (n_rows,)."""
    return np.asarray(rows["unit"].to_pylist(), dtype=np.str_)


def labelled(table: pa.Table, target: str) -> pa.Table:
    """Return the rows whose target is known."""
    import pyarrow.compute as pc

    return table.filter(pc.is_valid(table[target]))


def stack(table: pa.Table, rows: pa.Table, spec: TaskSpec) -> pa.Table:
    """Append ledger rows to source rows, with the source's columns and types.

    What the ledger does not hold is filled in: the time is that of the prediction where the source has dates, and any
    other column is null.
    """
    import pyarrow as pa

    columns = []
    for field in table.schema:
        if field.name in rows.column_names:
            columns.append(rows[field.name].cast(field.type))
        elif field.name == spec.time and pa.types.is_temporal(field.type):
            columns.append(rows["at"].cast(field.type, safe=False))
        else:
            columns.append(pa.nulls(rows.num_rows, field.type))
    return pa.concat_tables([table, pa.table(columns, schema=table.schema)]).combine_chunks()


def ledger_rows(rows: pa.Table, n_judge: int, target: str) -> LedgerRows:
    """Split labelled ledger rows, oldest first: the newest `n_judge` judge, the others teach."""
    cut = rows.num_rows - n_judge
    content = [repr(rows[name].to_pylist()).encode() for name in ("unit", "at", target)]
    return LedgerRows(rows.slice(0, cut), rows.slice(cut), fingerprint(n_judge, *content))


def _usable(column: Column, profile: Profile) -> bool:
    """Tell whether a column may teach something: it has values, and is no list of codes, a text of its own each row."""
    about = profile.column(column.name)
    code = column.kind == "text" and about.minimum == about.maximum and about.share_distinct > ALL_DIFFERENT
    return not code and about.n_missing < profile.n_rows


def _columns(spec: TaskSpec, made: Computation | None) -> Sequence[str]:
    wanted = [
        *spec.schema.names,
        *(made.inputs if made is not None else ()),
        spec.target,
        *(name for name in (spec.key, spec.time, spec.group, spec.weight) if name),
        *spec.sensitive,
    ]
    return list(dict.fromkeys(wanted))


def _within(whole: npt.NDArray[np.int64], part: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Translate row numbers of the table into row numbers of `whole`, which is sorted or not."""
    order = np.argsort(whole, kind="stable")
    return order[np.searchsorted(whole[order], part)].astype(np.int64)

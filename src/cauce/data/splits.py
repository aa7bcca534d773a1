"""Which rows judge and which rows teach: the held-out units, and the folds among the rest.

Random and by group, a unit's side is a function of its id (or its group) and the seed alone, so it stays there when
rows are added. By class, each class gives its exact share in the order of the same hash: only units near the boundary
may change sides. Random and by class, copies of a row go where its content goes, all of them to one side: a model is
not asked what it was told. By time, the newest share is held out, cut between two moments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.errors import UserError
from cauce.core.specs import SplitSpec
from cauce.data import folds as fold_maker
from cauce.data.moments import moments
from cauce.data.units import hash_rows, shares, texts_of, unit_ids
from cauce.profile.hashing import Hashes, hash_texts, mix

if TYPE_CHECKING:
    import pyarrow as pa

Rows = npt.NDArray[np.int64]
MOST_COPIES = 0.01
"""Share of the rows up to which equal ones are copies; what is more frequent is how things are."""
_HINT_FEW = "Load more rows, or choose another kind of split."


@dataclass(frozen=True, eq=False)
class Split:
    """A table's rows, each on exactly one side."""

    kind: str
    """random, stratified, group or time: what `auto` came to."""
    develop: Rows
    """Row numbers that teach, ascending."""
    held_out: Rows
    """Row numbers that judge, ascending."""
    folds: tuple[tuple[Rows, Rows], ...]
    """(train, test) row numbers, ascending, all within `develop`."""
    units: npt.NDArray[np.str_]
    """Id of every row of the table, shape (n_rows,)."""


def split(
    table: pa.Table,
    spec: SplitSpec,
    *,
    task: str,
    target: str,
    key: str | None,
    time: str | None,
    group: str | None,
    named_by: Sequence[str] | None = None,
) -> Split:
    """Split a table whose target has no nulls.

    Parameters
    ----------
    table
        All rows, at least 3.
    spec
        Kind, share held out, folds (5, or 3 from 50,000 rows to develop on, when absent), seed.
    task
        `auto` is stratified for classify and random for others, where neither time nor group is named.
    target, key, time, group
        Columns of `table`. Without a key, a row's content is its id.
    named_by
        Columns whose content that is; all when absent.

    Returns
    -------
    Split
        By time, each fold trains on rows strictly earlier than those it tests on; where all rows to develop on have
        the same moment the folds are random. By group, no group is on both sides of anything.

    Raises
    ------
    UserError
        Too few rows, groups or moments; missing times or groups; times that are no times.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"year": [2001, 2001, 2002, 2003, 2003], "y": [1, 2, 3, 4, 5]})
    >>> parts = split(table, SplitSpec(held_out=0.4), task="regress", target="y", key=None, time="year", group=None)
    >>> parts.kind, parts.develop.tolist(), parts.held_out.tolist()
    ('time', [0, 1, 2], [3, 4])
    """
    if table[target].null_count:
        raise ValueError(f"{table[target].null_count} rows without target: the caller drops them")
    if table.num_rows < 3:
        raise UserError("too few rows to split", where="split", received=table.num_rows, hint=_HINT_FEW)
    kind = _kind(spec, task, time, group)
    units = unit_ids(table if key is not None or named_by is None else table.select(list(named_by)), key)
    if kind == "group":
        return _by_group(table, _needed(group, kind), units, spec)
    if kind == "time":
        when = moments(table, _needed(time, kind))
        return _by_time(when, units, lambda: _order(table, key, units, spec), spec)
    order = _order(table, key, units, spec)
    if kind == "stratified":
        return _by_class(texts_of(table[target]), units, order, spec)
    held = _held(shares(order) < spec.held_out, order)
    develop, held_out = np.flatnonzero(~held), np.flatnonzero(held)
    folds = fold_maker.random(develop, _fresh(order), _n_folds(spec, len(develop)))
    return Split(kind, develop, held_out, folds, units)


def fold_all(
    table: pa.Table,
    spec: SplitSpec,
    *,
    task: str,
    target: str,
    key: str | None,
    time: str | None,
    group: str | None,
) -> Split:
    """Fold a table whose rows all teach: the units that judge lie elsewhere.

    Parameters and errors are those of `split`; `held_out` of the answer is empty, rows without a group count as groups
    of their own, and rows without a time as the newest: rows of the ledger bring neither.
    """
    kind = _kind(spec, task, time, group)
    units = unit_ids(table, key)
    develop = np.arange(table.num_rows)
    n_folds = _n_folds(spec, len(develop))
    if kind == "time":
        when = moments(table, _needed(time, kind), missing_last=True)
        folds = fold_maker.expanding(develop, when, n_folds)
        folds = folds or fold_maker.random(develop, _fresh(_order(table, key, units, spec)), n_folds)
    elif kind == "group":
        import pyarrow.compute as pc

        named = pc.coalesce(texts_of(table[_needed(group, kind)]), _as_texts(units))
        codes, groups = _group_codes(named)
        folds = fold_maker.grouped(develop, codes, hash_texts(groups, seed=spec.seed), n_folds)
    elif kind == "stratified":
        codes = texts_of(table[target]).dictionary_encode().indices.to_numpy()
        folds = fold_maker.stratified(develop, codes, _fresh(_order(table, key, units, spec)), n_folds)
    else:
        folds = fold_maker.random(develop, _fresh(_order(table, key, units, spec)), n_folds)
    return Split(kind, develop, np.empty(0, np.int64), folds, units)


def _group_codes(names: pa.Array) -> tuple[Rows, pa.Array]:
    """Return the group number of every row, and the groups' names."""
    encoded = names.dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary


def _kind(spec: SplitSpec, task: str, time: str | None, group: str | None) -> str:
    if spec.kind != "auto":
        if spec.kind == "stratified" and task != "classify":
            raise UserError(
                f"a {task} target has no classes to stratify by",
                where="split kind",
                received=spec.kind,
                hint='Use kind = "random".',
            )
        return spec.kind
    if time is not None:
        return "time"
    if group is not None:
        return "group"
    return "stratified" if task == "classify" else "random"


def _needed(column: str | None, kind: str) -> str:
    if column is None:
        raise UserError(
            f"a split by {kind} needs a {kind} column",
            where="split kind",
            received=kind,
            hint=f"Set `{kind}` in the data set's table of cauce.toml.",
        )
    return column


def _as_texts(values: npt.NDArray[np.str_]) -> pa.Array:
    import pyarrow as pa

    return pa.array(values, pa.large_string())


def _n_folds(spec: SplitSpec, n_develop: int) -> int:
    return spec.folds or (5 if n_develop < 50_000 else 3)


def _order(table: pa.Table, key: str | None, units: npt.NDArray[np.str_], spec: SplitSpec) -> Hashes:
    """Return the hash of every row's id, or of its content where the table has copies of it."""
    import pyarrow as pa

    order = hash_texts(_as_texts(units), seed=spec.seed)
    told = table.select(
        [column.name for column in table.schema if column.name != key and not pa.types.is_nested(column.type)]
    )
    content = hash_rows(told, seed=spec.seed)
    _, place, counts = np.unique(content, return_inverse=True, return_counts=True)
    copied = (counts > 1) & (counts <= max(2, MOST_COPIES * len(order)))
    if not copied.any() or _must_repeat(told):
        return order
    return np.where(copied[place], content, order)


def _must_repeat(table: pa.Table) -> bool:
    """Whether the columns' values form fewer combinations than there are rows: repeats are then no copies."""
    return bool(math.prod(len(column.unique()) for column in table.columns) < table.num_rows)


def _fresh(order: Hashes) -> Hashes:
    """Return other hashes of the same units, so that folds do not follow the order of the sides."""
    return mix(order ^ np.uint64(0xF01D5))


def _held(held: npt.NDArray[np.bool_], order: Hashes) -> npt.NDArray[np.bool_]:
    """Return `held` with at least one on its side and two on the other, so that few units can be split too."""
    if not held.any():
        held[np.argmin(order)] = True
    wanted = 2 - int((~held).sum())
    if wanted > 0:
        back = np.flatnonzero(held)
        held[back[np.argsort(order[back])[-wanted:]]] = False
    return held


def _by_class(classes: pa.Array, units: npt.NDArray[np.str_], order: Hashes, spec: SplitSpec) -> Split:
    codes = classes.dictionary_encode().indices.to_numpy()
    ranks, sizes = fold_maker.ranks(codes, order)
    quota = np.round(sizes * spec.held_out).astype(np.int64)
    quota = np.clip(quota, np.where(sizes > 1, 1, 0), np.maximum(sizes - 1, 0))
    held = _held(ranks < quota[codes], order)
    develop, held_out = np.flatnonzero(~held), np.flatnonzero(held)
    folds = fold_maker.stratified(develop, codes, _fresh(order), _n_folds(spec, len(develop)))
    return Split("stratified", develop, held_out, folds, units)


def _by_group(table: pa.Table, group: str, units: npt.NDArray[np.str_], spec: SplitSpec) -> Split:
    column = table[group]
    if column.null_count:
        raise UserError(
            f"{column.null_count:,} rows have no group",
            where=f"group column {group!r}",
            hint="Drop those rows with `where`, or choose another kind of split.",
        )
    codes, groups = _group_codes(texts_of(column))
    n_groups = len(groups)
    if n_groups < 3:
        raise UserError(
            "a split by group needs at least 3 groups",
            where=f"group column {group!r}",
            received=n_groups,
            hint=_HINT_FEW,
        )
    order = hash_texts(groups, seed=spec.seed)
    held = _held(shares(order) < spec.held_out, order)[codes]
    develop, held_out = np.flatnonzero(~held), np.flatnonzero(held)
    folds = fold_maker.grouped(develop, codes, order, _n_folds(spec, len(develop)))
    return Split("group", develop, held_out, folds, units)


def _by_time(when: Rows, units: npt.NDArray[np.str_], order: Callable[[], Hashes], spec: SplitSpec) -> Split:
    distinct, counts = np.unique(when, return_counts=True)
    if len(distinct) < 2:
        raise UserError(
            "all rows have the same time, so none is newer than another",
            where="split by time",
            hint='Choose kind = "random", or name a time column that varies.',
        )
    earlier = np.cumsum(counts)[:-1]  # rows before each cut between two moments
    distance = np.abs(earlier - (1.0 - spec.held_out) * len(when))
    cut = int(np.argmin(np.where(earlier >= 2, distance, np.inf)))  # folds need two rows to develop on
    held = when > distinct[cut]
    develop, held_out = np.flatnonzero(~held), np.flatnonzero(held)
    folds = fold_maker.expanding(develop, when, _n_folds(spec, len(develop)))
    if not folds and len(develop) > 1:
        folds = fold_maker.random(develop, _fresh(order()), _n_folds(spec, len(develop)))
    if not folds:
        raise UserError(
            "too few rows before the newest ones", where="split by time", received=len(develop), hint=_HINT_FEW
        )
    return Split("time", develop, held_out, folds, units)

"""How well each column predicts the target alone, on rows it was not fitted on. Heavy: imported inside functions.

A column is turned into groups — the leaves of a one-column tree, its categories, its beginnings and endings — and a
group predicts its training rows' class shares or mean. Groups see any shape: a copy, a step, a code.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cauce.audit.bounds import most_of_classes, most_of_variance

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Score = Callable[[Codes], float]

MOST_ROWS = 10_000
JUDGING = 0.2
"""Share of the rows that judges; two such parts take turns."""
LEAST_SIDE = 8
"""Fewest rows on either side from which anything is concluded."""
PROMISING = 0.5
"""A share explained on the first part under which the second is not asked."""
_WEIGHT = 0.1
"""Rows of the whole's shares that every group starts from: small, so that a pure group of 20 rows counts as pure."""
_LEAST_P = 0.002
"""Probability that no row's class falls below: one row beyond a boundary costs no more than this."""
_LEAVES = 128
_SLACK = 0.02
"""How far under what is asked a column's bound must lie for its tree not to be fitted."""
_SAME_ORDER = 0.9999
"""Rank correlation from which one column counts as a monotone copy of the other."""


@dataclass(frozen=True)
class Judged:
    """Share of the target that each column explains alone, between 0 and 1."""

    n_rows: int
    shares: dict[str, float]


def judge_columns(
    sample: pa.Table,
    columns: Sequence[str],
    target: str,
    task: str,
    *,
    group: str | None = None,
    least: float = 0.0,
) -> Judged:
    """Judge every column on at most 10,000 rows that have a target.

    Rows of one `group` never both teach and judge: a school's name tells its pupils' results, and leaks nothing.
    A column of numbers that provably explains less than `least` may be given as 0: that spares most of the trees in a
    wide table.
    """
    from cauce.profile.arrays import to_floats, to_strings

    known = sample.filter(pc.invert(pc.is_null(sample.column(target), nan_is_null=True)))
    rng = np.random.default_rng(0)
    rows = np.sort(rng.permutation(known.num_rows)[:MOST_ROWS])
    table = known.take(pa.array(rows)).combine_chunks()
    n_rows = table.num_rows
    if n_rows < 4:
        return Judged(n_rows, {})
    part = _parts(np.arange(n_rows) if group is None else _codes(_one(table, group)), rng)
    array = _one(table, target)
    if task == "classify":
        truth: Codes | Floats = np.unique(to_strings(array).to_numpy(zero_copy_only=False), return_inverse=True)[1]
        if truth.max() >= n_rows / 2:  # no classes; scikit-learn would warn
            return Judged(0, {})
    elif pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return Judged(0, {})
    else:
        truth = to_floats(array)
        good = np.isfinite(truth)
        table, truth, part = table.filter(pa.array(good)), truth[good], part[good]

    def judge(name: str) -> float:
        return _judge(_one(table, name), truth, part, task, least)

    with ThreadPoolExecutor(os.cpu_count()) as threads:  # a tree is fitted without Python's lock
        return Judged(n_rows, dict(zip(columns, threads.map(judge, columns), strict=True)))


def _parts(units: Codes, rng: np.random.Generator) -> Codes:
    """Return 0 or 1 for the rows of the units that judge in turn, 2 for those that always teach."""
    distinct, inverse = np.unique(units, return_inverse=True)
    places = rng.permutation(len(distinct)) / (JUDGING * len(distinct))
    return np.minimum(places, 2).astype(np.int64)[inverse]


def _one(table: pa.Table, name: str) -> pa.Array:
    array = table.column(name)
    return pa.concat_arrays(array.chunks) if array.num_chunks != 1 else array.chunk(0)


def _judge(array: pa.Array, truth: Codes | Floats, part: Codes, task: str, least: float) -> float:
    """Return the best share that any grouping of the column explains."""
    from cauce.profile.arrays import family_of, to_floats, to_seconds

    if len(truth) < 4 or truth.min() == truth.max():
        return 0.0
    family = family_of(array.type)
    if family == "other":
        return 0.0
    if family == "string":
        shares = [_cross(lambda teach, g=groups: g, truth, part, task) for groups in _text_groups(array)]  # type: ignore[misc]
        return max(shares)
    numbers = to_seconds(array) if family == "datetime" else to_floats(array)
    if task == "regress" and _is_copy(numbers, truth):
        return 1.0
    if least > 0 and _at_most(numbers, truth, part, task) < least - _SLACK:
        return 0.0
    column = _for_tree(numbers)
    return _cross(lambda teach: _leaves(column, truth, teach, task), truth, part, task)


def _at_most(numbers: Floats, truth: Codes | Floats, part: Codes, task: str) -> float:
    """Return what a tree's share, the mean of both parts, lies under; 1 where nothing is known."""
    found = []
    for judge in (part == 0, part == 1):
        if min(judge.sum(), (~judge).sum()) < LEAST_SIDE:
            return 1.0
        order = np.argsort(numbers[judge], kind="stable")
        if task == "classify":
            classes = truth.astype(np.int64)
            base = float(-np.log(_prior(classes, ~judge)[classes[judge]]).mean())
            found.append(most_of_classes(order, classes[judge], base, n_leaves=_LEAVES))
        else:
            found.append(most_of_variance(order, (truth - truth[~judge].mean())[judge], n_leaves=_LEAVES))
    return float(np.mean(found))


def _prior(classes: Codes, teach: npt.NDArray[np.bool_]) -> Floats:
    """Return each class's share among the rows that teach."""
    n_classes = int(classes.max()) + 1
    counts = np.bincount(classes[teach], minlength=n_classes) + 1.0 / n_classes
    prior: Floats = counts / counts.sum()
    return prior


def _cross(group: Callable[[npt.NDArray[np.bool_]], Codes], truth: Codes | Floats, part: Codes, task: str) -> float:
    """Return the share explained on rows that did not teach, of both parts where the first looks promising."""
    explain = explained_classes if task == "classify" else _explained_variance
    shares = []
    for judge in (part == 0, part == 1):
        if min(judge.sum(), (~judge).sum()) < LEAST_SIDE:  # one or two groups hold nearly all rows
            continue
        groups = group(~judge)
        shares.append(explain(groups, truth, judge))
        if shares[0] < PROMISING:
            break
    return max(float(np.mean(shares)), 0.0) if shares else 0.0


def explained_classes(groups: Codes, truth: Codes | Floats, judge: npt.NDArray[np.bool_]) -> float:
    """Return 1 − log loss / log loss of the prior, on the judging rows; the others teach."""
    teach = ~judge
    classes = truth.astype(np.int64)
    n_groups, n_classes = int(groups.max()) + 1, int(classes.max()) + 1
    prior = _prior(classes, teach)
    cells, inverse = np.unique(groups * n_classes + classes, return_inverse=True)
    in_cell = np.bincount(inverse[teach], minlength=len(cells))[inverse]
    in_group = np.bincount(groups[teach], minlength=n_groups)[groups]
    p = (in_cell + _WEIGHT * prior[classes]) / (in_group + _WEIGHT)
    base = -np.log(prior[classes[judge]]).mean()
    return float(1.0 + np.log(np.maximum(p[judge], _LEAST_P)).mean() / base) if base > 0 else 0.0


def _explained_variance(groups: Codes, truth: Codes | Floats, judge: npt.NDArray[np.bool_]) -> float:
    """Return R² on the judging rows; the others teach."""
    teach = ~judge
    values = truth - truth[teach].mean()
    scale = np.abs(values).max()
    values = values / scale if scale > 0 else values
    n_groups = int(groups.max()) + 1
    sums = np.bincount(groups[teach], weights=values[teach], minlength=n_groups)
    means = sums / (np.bincount(groups[teach], minlength=n_groups) + _WEIGHT)
    total = float(np.square(values[judge]).sum())
    return 1.0 - float(np.square(values[judge] - means[groups[judge]]).sum()) / total if total > 0 else 0.0


def _leaves(column: Floats, truth: Codes | Floats, teach: npt.NDArray[np.bool_], task: str) -> Codes:
    """Return each row's leaf in a tree fitted on the teaching rows."""
    from sklearn import config_context
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    few = {"max_leaf_nodes": _LEAVES, "min_samples_leaf": 3, "random_state": 0}
    tree = DecisionTreeClassifier(**few) if task == "classify" else DecisionTreeRegressor(**few)
    values = column.astype(np.float32)[:, None]
    # Checking the input takes longer than the fit of a short column; `_for_tree` has left nothing to find.
    with config_context(skip_parameter_validation=True):
        tree.fit(values[teach], truth[teach], check_input=False)
    return np.asarray(tree.tree_.apply(values), dtype=np.int64)


def _for_tree(numbers: Floats) -> Floats:
    """Return the numbers as a tree can take them, missing ones below all.

    A tree computes in float32: where that would make different numbers one, dense ranks stand in. Ranks lose the
    gaps between classes, in the middle of which a tree cuts, so numbers are kept where they can be.
    """
    present = numbers[~np.isnan(numbers)]
    distinct = np.unique(present)
    with np.errstate(over="ignore"):
        single = np.unique(distinct.astype(np.float32))
    if len(distinct) and len(single) == len(distinct) and np.isfinite(single).all():
        low = distinct[0] - max(float(distinct[-1] - distinct[0]), 1.0)
        return np.where(np.isnan(numbers), low, numbers)
    return np.where(np.isnan(numbers), -1.0, np.searchsorted(distinct, numbers)).astype(np.float64)


def _is_copy(numbers: Floats, truth: Codes | Floats) -> bool:
    """Say whether the column orders the rows as the target does, rising or falling."""
    good = np.isfinite(numbers)
    if good.sum() < 0.9 * len(numbers) or good.sum() < 4:
        return False
    one, other = _centred(numbers[good]), _centred(np.asarray(truth[good], dtype=np.float64))
    size = np.sqrt((one @ one) * (other @ other))
    return bool(size > 0 and abs(one @ other) / size >= _SAME_ORDER)


def _centred(values: Floats) -> Floats:
    """Return the values' ranks, ties at their middle, around 0."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    ranks: Floats = middle[inverse]
    ranks -= ranks.mean()
    return ranks


def _text_groups(array: pa.Array) -> Iterator[Codes]:
    """Give the column's values as groups; where most are distinct, their beginnings, endings and lengths as well."""
    from cauce.profile.arrays import to_strings

    strings = to_strings(array)
    whole = _codes(strings)
    yield whole
    if int(whole.max()) + 1 <= 0.2 * len(strings):
        return
    yield _codes(pc.utf8_length(strings))
    for width in (1, 2, 3):
        yield _codes(pc.utf8_slice_codeunits(strings, 0, width))
        yield _codes(pc.utf8_slice_codeunits(strings, -width, None))


def _codes(array: pa.Array) -> Codes:
    """Number the distinct values from 1; missing is 0."""
    indices = pc.fill_null(pc.cast(array.dictionary_encode().indices, pa.int64()), -1)
    return np.asarray(indices.to_numpy(zero_copy_only=False), dtype=np.int64) + 1

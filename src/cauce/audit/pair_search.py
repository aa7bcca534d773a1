"""The search for two columns that give the target away: screened in closed form, verified on rows not fitted on.

Numbers: the R² of the target on two columns follows from their correlations alone, so all pairs are screened at once;
again with logarithms, which sees products and ratios. Columns with few values: each pair's combinations are counted.
Not seen: other formulas (a distance, a remainder), and three columns together. Heavy: imported inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cauce.audit.single import judge_columns
from cauce.profile.arrays import family_of, to_floats, to_strings

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

SCREENED = 5_000
MOST_NUMBERS = 500
MOST_CODED = 60
MOST_VALUES = 60
VERIFIED = 4
"""Pairs of each kind that are verified: each takes two small trees."""
CLEARLY = 0.03
SEPARATED = 0.35
"""Share of a class's indicator that a weighted sum must explain to be looked at: a cut explains up to 0.64."""
_NEARLY_ONE = 1.0 - 1e-9
Found = tuple[tuple[str, str], str, float, float]


def search(
    sample: pa.Table, features: Sequence[str], target: str, task: str, *, least: float, group: str | None = None
) -> tuple[list[Found], int]:
    """Return the pairs that explain at least `least` of the target, best first, and the number of rows looked at.

    Each is (columns, how, share, share of the better one alone). A pair counts only where neither column explains
    `least` alone and the pair explains 0.03 more than the better one.
    """
    known = sample.filter(pc.invert(pc.is_null(sample.column(target), nan_is_null=True)))
    rows = np.sort(np.random.default_rng(1).permutation(known.num_rows)[:SCREENED])
    table = known.take(pa.array(rows)).combine_chunks()
    truths = _truths(_one(table, target), task)
    if truths is None or table.num_rows < 4:
        return [], 0
    derived, names = _derived(table, features, truths, task, least)
    if not derived:
        return [], table.num_rows
    both = sorted({name for (pair, _) in names for name in pair})
    judged = table.select(list(dict.fromkeys([*both, target, *([group] if group else [])])))
    for place, values in enumerate(derived):
        judged = judged.append_column(f"\0{place}", values)
    wanted = [*both, *(f"\0{place}" for place in range(len(derived)))]
    shares = judge_columns(judged, wanted, target, task, group=group).shares
    found: dict[tuple[str, str], Found] = {}
    for place, (pair, how) in enumerate(names):
        share, alone = shares.get(f"\0{place}", 0.0), max(shares.get(name, 0.0) for name in pair)
        better = share > found.get(pair, (pair, "", 0.0, 0.0))[2]
        if share >= least and alone < least and share >= alone + CLEARLY and better:
            found[pair] = (pair, how, share, alone)
    return sorted(found.values(), key=lambda one: -one[2]), table.num_rows


def _one(table: pa.Table, name: str) -> pa.Array:
    array = table.column(name)
    return pa.concat_arrays(array.chunks) if array.num_chunks != 1 else array.chunk(0)


def _truths(array: pa.Array, task: str) -> Floats | None:
    """Return what is to be explained, shape (n_rows, n): the number, or each class's indicator; None for neither."""
    if task == "classify":
        codes = _codes(array)
        n_classes = int(codes.max()) + 1 if len(codes) else 0
        return np.eye(n_classes)[codes] if 2 <= n_classes <= 50 else None
    if family_of(array.type) not in {"integer", "number", "boolean"}:
        return None
    values = to_floats(array)
    return np.where(np.isfinite(values), values, np.nanmedian(values))[:, None] if len(values) else None


def _derived(
    table: pa.Table, features: Sequence[str], truths: Floats, task: str, least: float
) -> tuple[list[pa.Array], list[tuple[tuple[str, str], str]]]:
    """Return the promising combinations as columns, and which two columns and which formula each is."""
    derived: list[pa.Array] = []
    names: list[tuple[tuple[str, str], str]] = []
    numeric = [n for n in features if family_of(table.schema.field(n).type) in {"integer", "number"}][:MOST_NUMBERS]
    plain = np.column_stack([_filled(to_floats(_one(table, n))) for n in numeric]) if numeric else np.empty((0, 0))
    classify = task == "classify"
    at_least = SEPARATED if classify else least
    if len(numeric) >= 2:
        for one, other, values in _linear(plain, truths, at_least):
            derived.append(pa.array(_turned(plain[:, one], plain[:, other], truths) if classify else values))
            names.append(((numeric[one], numeric[other]), "a + b"))
    usable = [i for i in range(len(numeric)) if (plain[:, i] > 0).all() or (plain[:, i] < 0).all()]
    if len(usable) >= 2 and (classify or (np.abs(truths) > 0).mean() > 0.95):
        logs = np.log(np.abs(plain[:, usable]))
        for one, other, values in _linear(
            logs, truths if classify else np.log(np.abs(truths) + 1e-12), at_least - 0.05
        ):
            turned = _turned(logs[:, one], logs[:, other], truths) if classify else np.exp(np.clip(values, -700, 700))
            derived.append(pa.array(turned))
            names.append(((numeric[usable[one]], numeric[usable[other]]), "a × b"))
    coded = [n for n in features if family_of(table.schema.field(n).type) in {"string", "integer", "boolean"}]
    for pair, values in _combined(table, coded, truths, task, least):
        derived.append(values)
        names.append((pair, "(a, b)"))
    return derived, names


def _filled(values: Floats) -> Floats:
    """Put the median in place of what is missing or infinite."""
    good = np.isfinite(values)
    return values if good.all() else np.where(good, values, np.median(values[good]) if good.any() else 0.0)


def _linear(columns: Floats, truths: Floats, least: float) -> list[tuple[int, int, Floats]]:
    """Return the pairs whose best weighted sum explains `least` of a truth's variance, with that sum."""
    x, scale = _standardised(columns)
    y, _ = _standardised(truths)
    among, with_truth = x.T @ x / len(x), x.T @ y / len(x)
    np.fill_diagonal(among, 1.0)
    found: dict[tuple[int, int], tuple[float, Floats]] = {}
    for k in range(y.shape[1]):
        r = with_truth[:, k]
        free = 1.0 - np.square(np.minimum(np.abs(among), _NEARLY_ONE))
        explained = (r[:, None] ** 2 + r[None, :] ** 2 - 2 * np.outer(r, r) * among) / free
        useful = (np.triu(np.ones_like(explained), 1) > 0) & (free > 1e-6) & np.outer(scale > 0, scale > 0)
        explained = np.where(useful, explained, 0.0)
        for flat in np.argsort(-explained, axis=None, kind="stable")[:VERIFIED]:
            one, other = divmod(int(flat), len(r))
            if explained[one, other] < least:
                break
            if explained[one, other] <= found.get((one, other), (0.0, r))[0]:
                continue
            both = among[one, other]
            first, second = (r[one] - both * r[other]) / free[one, other], (r[other] - both * r[one]) / free[one, other]
            values = first * x[:, one] + second * x[:, other]
            values = np.round(values, 9) * truths[:, k].std() + truths[:, k].mean()  # what is equal must stay equal
            found[one, other] = (float(explained[one, other]), values)
    best = sorted(found.items(), key=lambda item: -item[1][0])[:VERIFIED]
    return [(one, other, values) for (one, other), (_, values) in best]


def _turned(one: Floats, other: Floats, truths: Floats) -> Floats:
    """Return the weighted sum of two columns along which the classes change least often, in three finer looks.

    Least squares on an indicator finds that direction only where both columns are near normal.
    """
    x, _ = _standardised(np.column_stack([one, other]))
    classes = truths.argmax(axis=1)
    best, width = 0.0, np.pi / 2
    for _ in range(3):
        angles = best + np.linspace(-width, width, 33)
        sums = [np.cos(angle) * x[:, 0] + np.sin(angle) * x[:, 1] for angle in angles]
        changes = [int((np.diff(classes[np.argsort(values, kind="stable")]) != 0).sum()) for values in sums]
        best, width = float(angles[int(np.argmin(changes))]), width / 16
    values: Floats = np.cos(best) * x[:, 0] + np.sin(best) * x[:, 1]
    return np.round(values, 9)


def _standardised(columns: Floats) -> tuple[Floats, Floats]:
    scale = columns.std(axis=0)
    usable = np.isfinite(scale) & (scale > 0)
    centred = columns - columns.mean(axis=0)
    return np.where(usable, centred / np.where(usable, scale, 1.0), 0.0), np.where(usable, scale, 0.0)


def _combined(
    table: pa.Table, names: Sequence[str], truths: Floats, task: str, least: float
) -> list[tuple[tuple[str, str], pa.Array]]:
    """Return pairs of columns with few values whose combinations, counted on the same rows, explain `least`."""
    columns = [(name, _codes(_one(table, name))) for name in names]
    columns = [(name, codes) for name, codes in columns if 1 < int(codes.max()) + 1 <= MOST_VALUES][:MOST_CODED]
    scored = []
    for i, (one, first) in enumerate(columns):
        for other, second in columns[i + 1 :]:
            cells = first * (int(second.max()) + 1) + second
            n_cells = int(cells.max()) + 1
            if len(np.unique(cells)) > len(cells) / 5:
                continue
            share = _resubstituted(cells, n_cells, truths, task)
            if share >= least - 0.05:
                scored.append((share, (one, other), cells))
    scored.sort(key=lambda item: -item[0])
    return [(pair, pa.array([f"c{c}" for c in cells.tolist()])) for _, pair, cells in scored[:VERIFIED]]


def _resubstituted(cells: Codes, n_cells: int, truths: Floats, task: str) -> float:
    """Return the share of the target's variance, or of guessing's errors, that cells explain on their own rows."""
    sizes = np.bincount(cells, minlength=n_cells)
    if task == "classify":
        counts = np.column_stack([np.bincount(cells, truths[:, k], n_cells) for k in range(truths.shape[1])])
        guessing = len(cells) - truths.sum(axis=0).max()
        return float(1.0 - (len(cells) - counts.max(axis=1).sum()) / guessing) if guessing > 0 else 0.0
    sums = np.bincount(cells, truths[:, 0] - truths[:, 0].mean(), n_cells)
    total = float(np.square(truths[:, 0] - truths[:, 0].mean()).sum())
    return float((np.square(sums) / np.maximum(sizes, 1)).sum() / total) if total > 0 else 0.0


def _codes(array: pa.Array) -> Codes:
    """Number the distinct values from 1; missing is 0. A float column's count as text."""
    coded = to_strings(array).dictionary_encode()
    indices = pc.fill_null(pc.cast(coded.indices, pa.int64()), -1)
    codes = np.asarray(indices.to_numpy(zero_copy_only=False), dtype=np.int64)
    return codes + 1 if (codes < 0).any() else codes

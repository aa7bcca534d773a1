"""Drift of all columns together: whether a classifier can tell a window's rows from training's.

It sees what no column shows alone: two columns that went together and no longer do. Margins are cheaper and more
sensitive for what moves a column, so this is asked seldom (`loop/watch.py`: at most once a day, on rows of their own).

After Lopez-Paz and Oquab, "Revisiting classifier two-sample tests" (2017): fit on one half of both samples, let the
other half be told apart. Given the classifier, the other half's scores are exchangeable if nothing changed, so the
Mann-Whitney test on them is exact, whatever the classifier. Both halves take turns; twice the smaller p-value is valid
by Bonferroni's inequality. A day's alarm has its share of the risk, so the chance of a false one within d days is at
most d times that: the rows are new ones, and nothing is gained by looking more often.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import JointDrift
from cauce.watch.drift.counts import Floats

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.profile import Bins

MOST_ROWS = 2_000
"""Rows of either side."""
FEWEST_ROWS = 200
MATTERS = 0.55
"""ROC-AUC from which it is worth an alarm, once chance is ruled out."""
SETTINGS: Mapping[str, object] = {
    "objective": "binary",
    "num_leaves": 15,
    "learning_rate": 0.1,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.8,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
}
ROUNDS = 60


class Told(NamedTuple):
    """What a classifier saw."""

    drift: JointDrift
    p_value: float
    """Of "both come from one population"; exact."""


def tell_apart(reference: pa.Table, rows: pa.Table, bins: Bins, rng: np.random.Generator) -> Told | None:
    """Return how well training's rows and a window's can be told apart; None where either is too few.

    Parameters
    ----------
    reference, rows
        Samples of both; at most 2,000 rows of each are used. Columns that one lacks, texts and datetimes are left
        out: time moves on, and every text is new.
    bins
        Of training.
    rng
        Draws the rows and the halves.
    """
    import lightgbm

    names = [
        name
        for name, each in bins.columns.items()
        if each.kind not in {"text", "datetime"} and name in reference.column_names and name in rows.column_names
    ]
    if min(reference.num_rows, rows.num_rows) < FEWEST_ROWS or not names:
        return None
    parts = [_matrix(_drawn(table, rng), names, bins) for table in (reference, rows)]
    is_new = np.concatenate([np.full(len(part), side) for side, part in enumerate(parts)])
    values, half = np.concatenate(parts), _halves([len(part) for part in parts], rng)
    categories = [place for place, name in enumerate(names) if bins.columns[name].kind in {"category", "boolean"}]
    found, gains = [], np.zeros(len(names))
    for side in (0, 1):
        fit, judge = half == side, half != side
        data = lightgbm.Dataset(values[fit], is_new[fit], categorical_feature=categories, params={"verbosity": -1})
        booster = lightgbm.train({**SETTINGS, "seed": int(rng.integers(2**31))}, data, num_boost_round=ROUNDS)
        gains += booster.feature_importance("gain")
        score = np.asarray(booster.predict(values[judge]), dtype=np.float64)
        found.append(_auc(score, is_new[judge] == 1))
    auc = float(np.mean([each.auc for each in found]))
    deviation = float(np.sqrt(sum(each.variance for each in found))) / 2
    shares = gains / gains.sum() if gains.sum() > 0 else gains
    order = np.argsort(-shares, kind="stable")
    drift = JointDrift(
        auc=auc,
        lower=max(0.0, auc - 1.96 * deviation),
        upper=min(1.0, auc + 1.96 * deviation),
        columns={names[i]: float(shares[i]) for i in order if shares[i] > 0},
        n_rows=len(parts[1]),
    )
    return Told(drift, min(1.0, 2 * min(each.p_value for each in found)))


def _drawn(table: pa.Table, rng: np.random.Generator) -> pa.Table:
    if table.num_rows <= MOST_ROWS:
        return table
    return table.take(np.sort(rng.choice(table.num_rows, MOST_ROWS, replace=False)))


def _halves(sizes: list[int], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    return np.concatenate([rng.permutation(np.arange(size) % 2) for size in sizes])


def _matrix(table: pa.Table, names: list[str], bins: Bins) -> Floats:
    """Return numbers as they are and categories as the place of their value, missing as NaN."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = []
    for name in names:
        each, values = bins.columns[name], table[name]
        if each.kind in {"category", "boolean"}:
            texts = pc.utf8_lower(values.cast(pa.string())) if each.kind == "boolean" else values.cast(pa.string())
            place = pc.index_in(texts, value_set=pa.array(each.values, pa.string()))
            place = pc.if_else(pc.is_null(values), None, pc.fill_null(place, len(each.values)))
            columns.append(place.cast(pa.float64()).to_numpy())
        else:
            columns.append(values.cast(pa.float64(), safe=False).to_numpy())
    return np.column_stack(columns)


class _Auc(NamedTuple):
    auc: float
    variance: float
    p_value: float


def _auc(score: Floats, new: npt.NDArray[np.bool_]) -> _Auc:
    """Return the ROC-AUC, its variance (DeLong, DeLong and Clarke-Pearson 1988) and the one-sided p-value."""
    from scipy.stats import mannwhitneyu, rankdata

    now, before = score[new], score[~new]
    n, m = len(now), len(before)
    ranks = rankdata(np.concatenate([now, before]))
    of_now, of_before = (ranks[:n] - rankdata(now)) / m, 1 - (ranks[n:] - rankdata(before)) / n
    auc = float(of_now.mean())
    variance = float(of_now.var(ddof=1) / n + of_before.var(ddof=1) / m)
    return _Auc(auc, variance, float(mannwhitneyu(now, before, alternative="greater").pvalue))

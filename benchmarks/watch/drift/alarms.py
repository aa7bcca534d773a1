"""Ten years of 200 stationary columns watched: how often anything cries wolf, and what a naive watch does."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

DAYS = 3652
RISK, DRIFT = 0.01, 0.2
"""`[watch] confidence` 0.99 and `drift` 0.2: the defaults."""


def simulate(
    seed: int, *, n_reference: int, n_day: int = 1_000, n_columns: int = 200, looks: int = 1, days: int = DAYS
) -> dict[str, Any]:
    """Return false alarms of ten years, over all columns.

    Half of the columns are numbers in tenths by training's own order statistics, half uneven categories. Every column
    keeps a training sample for the ten years, drawn once. A look comes `looks` times a day.
    """
    from cauce.watch.drift.alarms import Bets
    from cauce.watch.drift.counts import psi
    from cauce.watch.drift.events import of_column
    from cauce.watch.drift.running import DRIFT_SHARE

    begun, rng = time.perf_counter(), np.random.default_rng(seed)
    uneven = 0.5 ** np.arange(1, 13)
    uneven /= uneven.sum()
    risk = RISK * DRIFT_SHARE / n_columns
    limit, figures = -np.log(risk), {"evidence alone": 0, "alarms (evidence and effect)": 0}
    naive_days = np.zeros((2, days), dtype=bool)
    for ordered in (True, False):
        half = n_columns // 2
        if ordered:  # shares between order statistics of training: a flat Dirichlet over its spacings
            shares = np.column_stack([rng.dirichlet(np.full(10, n_reference / 10), half), np.zeros(half)])
            references = np.tile(np.append(np.full(10, n_reference // 10), 0), (half, 1))
        else:
            shares = np.tile(np.append(uneven, 0.0), (half, 1))
            references = rng.multinomial(n_reference, shares[0], size=half)
        bets = [Bets(of_column(reference, ordered=ordered, risk=risk)) for reference in references]
        hit, miss = np.stack([each.hit for each in bets]), np.stack([each.miss for each in bets])
        members = bets[0].members.T
        assert all(np.array_equal(each.members.T, members) for each in bets)
        stakes, was = np.zeros_like(hit), np.zeros(half, dtype=bool)
        for day in range(days):
            parts = rng.multinomial(n_day // looks, np.repeat(shares, looks, axis=0)).reshape(half, looks, -1)
            counts, crossed = np.cumsum(parts, axis=1), np.zeros(half, dtype=bool)
            for look in range(looks):
                seen = counts[:, look]
                hits = (seen @ members)[..., None]
                growth = stakes + hits * hit + (seen.sum(axis=1)[:, None, None] - hits) * miss
                top = growth.max(axis=(1, 2))
                logs = top + np.log(np.mean(np.exp(growth - top[:, None, None]), axis=(1, 2)))
                enough = logs >= limit
                crossed |= enough
                for column in np.flatnonzero(enough):
                    drifted = psi(references[column], seen[column]) >= DRIFT
                    figures["alarms (evidence and effect)"] += bool(drifted)
            figures["evidence alone"] += int((crossed & ~was).sum())
            was = crossed
            stakes = np.maximum(np.logaddexp(growth, 0.0), -700.0)
            p_values = _chi_square(references, counts)
            naive_days[0, day] |= bool((p_values < 0.01).any())
            naive_days[1, day] |= bool((p_values < 0.01 / n_columns).any())
    months = days / 30.4375
    return {
        "seed": seed, "n_reference": n_reference, "rows a day": n_day, "looks a day": looks, "days": days,
        "columns": n_columns, **figures,
        "alarms a month": figures["alarms (evidence and effect)"] / months,
        "evidence alone a month": figures["evidence alone"] / months,
        "control: share of days on which any column is called drifted at any look": {
            "chi-square p < 0.01": float(naive_days[0].mean()),
            "chi-square, Bonferroni over columns, 0.99": float(naive_days[1].mean()),
        },
        "seconds": round(time.perf_counter() - begun, 1),
    }  # fmt: skip


def _chi_square(references: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return p-values, shape (columns, looks), of each day's rows so far against training."""
    from scipy.stats import chi2

    n, m = references.sum(axis=1)[:, None, None], counts.sum(axis=2, keepdims=True)
    both = references[:, None, :] + counts
    pooled = both / (n + m)
    with np.errstate(invalid="ignore", divide="ignore"):
        terms = (counts - m * pooled) ** 2 / (m * pooled) + (references[:, None, :] - n * pooled) ** 2 / (n * pooled)
    return np.asarray(chi2.sf(np.nansum(terms, axis=2), (both > 0).sum(axis=2) - 1))

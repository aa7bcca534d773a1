"""Ten years of 200 stationary columns watched: how often anything cries wolf, and what a naive watch does."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

DAYS = 3652
MONTHS = DAYS / 30.4375
RISK, DRIFT = 0.01, 0.2
"""`[watch] confidence` 0.99 and `drift` 0.2: the defaults."""


def simulate(
    seed: int, *, n_reference: int, n_day: int = 1_000, n_columns: int = 200, looks: int = 1, days: int = DAYS
) -> dict[str, Any]:
    """Return false alarms of ten years, over all columns.

    Half of the columns are numbers in tenths by training's own order statistics, half uneven categories. Every column
    keeps a training sample for the ten years, drawn once. A look comes `looks` times a day.
    """
    from scipy.stats import chi2

    from cauce.watch.alarms import Bets, Stakes
    from cauce.watch.counts import psi, two_sample
    from cauce.watch.events import of_column
    from cauce.watch.running import DRIFT_SHARE

    begun, rng = time.perf_counter(), np.random.default_rng(seed)
    uneven = 0.5 ** np.arange(1, 13)
    uneven /= uneven.sum()
    risk = RISK * DRIFT_SHARE / n_columns
    figures = {"evidence alone": 0, "alarms (evidence and effect)": 0, "days with an alarm": 0}
    naive = {"p < 0.01 at a look, each column": 0, "Holm over columns at every look, 0.99": 0}
    any_day, any_naive = np.zeros(days, dtype=bool), np.zeros((2, days), dtype=bool)
    for column in range(n_columns):
        ordered = column % 2 == 0
        if ordered:  # shares between order statistics of training: a flat Dirichlet over n + 1 spacings
            p = np.append(rng.dirichlet(np.full(10, n_reference / 10)), 0.0)
            reference = np.append(np.full(10, n_reference // 10), 0)
        else:
            p = np.append(uneven, 0.0)
            reference = rng.multinomial(n_reference, p)
        bets = Bets(of_column(reference, ordered=ordered, risk=risk))
        stakes, limit = Stakes.begin(bets), -np.log(risk)
        parts = rng.multinomial(n_day // looks, p, size=(days, looks))
        counts = np.cumsum(parts, axis=1)
        was = False
        for day in range(days):
            growth = stakes.logs + bets.growth(counts[day])
            logs = np.log(np.mean(np.exp(growth - growth.max(axis=(1, 2), keepdims=True)), axis=(1, 2)))
            enough = (logs + growth.max(axis=(1, 2)) >= limit).any()
            figures["evidence alone"] += bool(enough and not was)
            was = bool(enough)
            if enough and psi(reference, counts[day, -1]) >= DRIFT:
                figures["alarms (evidence and effect)"] += 1
                any_day[day] = True
            stakes = stakes.seen(counts[day, -1]).staked(bets, 1.0)
        used = reference > 0
        n, seen = reference.sum(), counts[:, :, used].astype(np.float64)
        m = seen.sum(axis=2)
        expected = (seen + reference[used]) / (n + m)[..., None]
        chi = ((seen - m[..., None] * expected) ** 2 / (m[..., None] * expected)).sum(axis=2)
        chi += ((reference[used] - n * expected) ** 2 / (n * expected)).sum(axis=2)
        p_values = chi2.sf(chi, used.sum() - 1)
        any_naive[0] |= (p_values < 0.01).any(axis=1)
        any_naive[1] |= (p_values < 0.01 / n_columns).any(axis=1)
        assert two_sample(reference, counts[0, -1]).p_value >= 0
    figures["days with an alarm"] = int(any_day.sum())
    naive = dict(zip(naive, (int(row.sum()) for row in any_naive), strict=True))
    return {
        "seed": seed, "n_reference": n_reference, "rows a day": n_day, "looks a day": looks, "days": days,
        "columns": n_columns, **figures,
        "alarms a month": figures["alarms (evidence and effect)"] / (days / 30.4375),
        "evidence alone a month": figures["evidence alone"] / (days / 30.4375),
        "control: days with an alarm, of all": naive, "seconds": round(time.perf_counter() - begun, 1),
    }  # fmt: skip

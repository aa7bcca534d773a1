"""Drift of a long stretch, `cauce watch MODEL --since 30d`: from counts that the ledger keeps, not from its rows.

Every look counts the files that were folded since the last one (`counts_of`), so a month is a sum of days. What is
told here concludes nothing: alarms rest on the running evidence, which may be looked at at any time; these tests may
not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from cauce.core.artefacts import ColumnDrift, Release
from cauce.loop.context import Loop

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.profile import Bins
    from cauce.track import Package


@dataclass(frozen=True)
class DriftSince:
    """All predictions of a release since a day, held against training."""

    model: str
    version: int
    first_day: str
    """UTC, the first with predictions of this release."""
    last_day: str
    n_predictions: int
    drifts: tuple[ColumnDrift, ...]
    """The strongest first; `prediction` is what the model answered."""


def counts_of(loop: Loop, release: Release, bins: Bins) -> dict[str, dict[str, list[int]]]:
    """Return day (UTC) → column → counts in the bins of training; files counted before are not read again."""
    from cauce.loop.watch import ledger_of

    def count(rows: pa.Table) -> Mapping[str, list[int]]:
        # A column that the ledger was told not to keep is not a missing value.
        return {name: each.tolist() for name, each in bins.count(rows).items() if name in rows.column_names}

    ledger = ledger_of(loop, release.training.model)
    return ledger.counts(count, name=f"version-{release.version}", version=release.version)


def drift_since(loop: Loop, model: str, *, seconds: float) -> DriftSince | None:
    """Compare the champion's predictions of the last `seconds`, in whole days (UTC), with training.

    None without a champion, or where it made no prediction since.
    """
    from cauce import profile
    from cauce.loop.watch import settle_ledger

    champion = loop.tracker.alias(model, "champion")
    if champion is None:
        return None
    release, package = loop.tracker.open(model, champion)
    settle_ledger(loop, model)
    bins = profile.Bins.from_bytes(package.bins_bytes)
    first = f"{loop.now() - timedelta(seconds=seconds):%Y-%m-%d}"
    counted = counts_of(loop, release, bins)
    days = {day: found for day, found in counted.items() if day >= first and any(map(sum, found.values()))}
    return _report(loop, release, package, bins, days) if days else None


def _report(
    loop: Loop, release: Release, package: Package, bins: Bins, days: Mapping[str, Mapping[str, list[int]]]
) -> DriftSince:
    from cauce.watch.drift.report import measure

    settings = loop.watch_spec(release.training.model)
    names = {name for counts in days.values() for name in counts}
    now = {name: np.sum([counts[name] for counts in days.values() if name in counts], axis=0) for name in names}
    found = measure(
        package.reference_counts,
        now,
        {name: bins.labels(name) for name in bins.columns},
        threshold=settings.drift,
        confidence=settings.confidence,
        bins=bins.columns,
    )
    return DriftSince(
        model=release.training.model,
        version=release.version,
        first_day=min(days),
        last_day=max(days),
        n_predictions=max(int(counts.sum()) for counts in now.values()),
        drifts=tuple(sorted(found, key=lambda each: (not each.drifted, -each.psi))),
    )

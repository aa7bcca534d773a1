"""What must hold beside the mean loss: no sensitive group fares worse, and a row does not take much longer."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Comparison, Losses
from cauce.core.protocols import Fitted

if TYPE_CHECKING:
    import pyarrow as pa

LEAST = 50
"""Units of a group from which it is judged."""
MOST_GROUPS = 20
"""Values of a sensitive column that are judged, the most frequent first."""
CALLS = 15
"""Rows that are predicted one by one to time a release."""


def groups_in(rows: pa.Table, sensitive: Sequence[str]) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """Give each sensitive group with enough rows, as ``sex = female``, and where its rows are, shape (n_rows,)."""
    import pyarrow.compute as pc

    for column in sensitive:
        if column not in rows.column_names:
            continue
        values = np.asarray([None if one is None else str(one) for one in rows[column].to_pylist()], dtype=object)
        counted = pc.value_counts(pc.drop_null(rows[column])).to_pylist()
        counted.sort(key=lambda one: (-one["counts"], str(one["values"])))
        for one in counted[:MOST_GROUPS]:
            if one["counts"] >= LEAST:
                yield f"{column} = {one['values']}", values == str(one["values"])


def by_group(
    ours: Losses,
    theirs: Losses,
    rows: pa.Table,
    sensitive: Sequence[str],
    *,
    margin: float,
    confidence: float,
) -> dict[str, Comparison]:
    """Compare challenger and champion within each sensitive group of a fixed set of rows, all groups at once."""
    from cauce.evidence import paired

    found = list(groups_in(rows, sensitive))
    return {
        name: paired(
            ours.values[where],
            theirs.values[where],
            margin=margin,
            confidence=confidence,
            groups=None if ours.groups is None else ours.groups[where],
            comparisons=len(found),
        )
        for name, where in found
    }


def one_row_times(ours: Fitted, theirs: Fitted, rows: pa.Table) -> Mapping[str, float]:
    """Time both releases on single rows, in turns: the ratio of medians, and the milliseconds more."""
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(min(CALLS, rows.num_rows)):
        one = rows.slice(number, 1)
        for fitted, times in zip((ours, theirs), taken, strict=True):
            begun = time.perf_counter()
            fitted.predict(one)
            times.append(1000 * (time.perf_counter() - begun))
    if len(taken[0]) < CALLS:
        return {}
    return latency(taken[0], taken[1])


def latency(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Return ``latency_ratio`` and ``slower_ms``, of medians; nothing where one has no times."""
    if not len(ours) or not len(theirs):
        return {}
    new, old = float(np.median(ours)), float(np.median(theirs))
    return {"latency_ratio": new / max(old, 1e-6), "slower_ms": new - old}

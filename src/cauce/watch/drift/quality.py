"""Data quality in a window: missing values, unknown categories, numbers out of range, columns gone.

These lead to `fix data`, not to a retraining: a model fitted on a broken feed learns the fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cauce.core.artefacts import Signal, SignalCode, Words, changed_column
from cauce.watch import words
from cauce.watch.drift.counts import Counts, holm, share_test
from cauce.watch.window import Evidence

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.profile import Bins, ColumnBins

NUMBERS = frozenset({"number", "integer"})
CATEGORIES = frozenset({"category", "boolean"})

JUMPS: Mapping[SignalCode, float] = {"missing": 0.05, "new_category": 0.1, "out_of_range": 0.1}
"""Smallest change of a share that is a fault and no drift, in points of 1. Fixed, not a key: with 0.05 one row in
twenty lost its value; a population that moves by a standard deviation leaves the range by less than 0.1."""

SENTENCES: Mapping[SignalCode, Callable[[str, float, float], Words]] = {
    "missing": words.missing,
    "new_category": words.new_category,
    "out_of_range": words.out_of_range,
}


@dataclass(frozen=True)
class Share:
    """Rows of one kind in the reference and in the window."""

    code: SignalCode
    column: str
    before: tuple[int, int]
    """(rows of the kind, rows that could be) in the reference."""
    now: tuple[int, int]

    @property
    def change(self) -> float:
        """Share now minus share before; 0 where a side has no rows."""
        if not self.before[1] or not self.now[1]:
            return 0.0
        return self.now[0] / self.now[1] - self.before[0] / self.before[1]


def count_outside(table: pa.Table, bins: Bins) -> dict[str, int]:
    """Count the values of each number column that lie outside the range that training saw.

    Parameters
    ----------
    table
        The rows of a window.
    bins
        Those of training: they know each column's smallest and largest number.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from cauce.profile import make_bins, summarise
    >>> training = pa.table({"height": [1.5, 1.7, 1.9]})
    >>> profile = summarise(training.to_batches())
    >>> count_outside(pa.table({"height": [170.0, 1.6, None]}), make_bins(profile, profile.schema(["height"])))
    {'height': 1}
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    found = {}
    for name, column in bins.columns.items():
        if column.kind not in NUMBERS or column.low is None or column.high is None or name not in table.column_names:
            continue
        values = table.column(name)
        if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
            continue
        outside = pc.or_(pc.less(values, column.low), pc.greater(values, column.high))
        found[name] = int(pc.sum(outside).as_py() or 0)
    return found


def shares(
    bins: Mapping[str, ColumnBins],
    reference: Mapping[str, Counts],
    current: Mapping[str, Counts],
    outside: Mapping[str, int],
) -> tuple[Share, ...]:
    """Return the shares to test: missing of every column, out of range of numbers, unknown values of categories.

    A number that cannot be read counts as out of range. Texts and datetimes have neither: time moves on.
    """
    found = []
    for name, column in bins.items():
        if name not in current:
            continue
        before, now = reference[name], current[name]
        found.append(Share("missing", name, (int(before[-1]), int(before.sum())), (int(now[-1]), int(now.sum()))))
        present = int(before[:-1].sum()), int(now[:-1].sum())
        unknown = int(before[-2]), int(now[-2])
        if column.kind in CATEGORIES:
            found.append(Share("new_category", name, (unknown[0], present[0]), (unknown[1], present[1])))
        elif column.kind in NUMBERS:
            unread = (0, 0) if column.values else unknown
            beyond = min(present[1], unread[1] + outside.get(name, 0))
            found.append(Share("out_of_range", name, (unread[0], present[0]), (beyond, present[1])))
    return tuple(found)


def quality_signals(
    found: Sequence[Share], *, confidence: float, evidence: Mapping[str, Evidence] | None = None
) -> list[Signal]:
    """Return a signal for each share that changed beyond chance; alarming where the change is a jump.

    `missing` alarms in both directions (a column that was mostly empty and suddenly is full means something else
    now), the others only upwards.

    Parameters
    ----------
    confidence
        That no share is called changed by chance in this one look, all together; of no account where there is
        `evidence`.
    evidence
        Stream → running evidence, which rules chance out for every look.
    """
    corrected = holm(np.array([share_test(share.before, share.now) for share in found]))
    signals = []
    for share, p in zip(found, corrected, strict=True):
        known = evidence.get(f"{share.code}:{share.column}") if evidence is not None else None
        by_chance = not known.enough if known is not None else p > 1 - confidence
        if by_chance or not share.now[1] or (share.change <= 0 and share.code != "missing"):
            continue
        before, now = share.before[0] / max(1, share.before[1]), share.now[0] / share.now[1]
        limit = JUMPS[share.code]
        detail = SENTENCES[share.code](share.column, before, now)
        signals.append(Signal(share.code, share.column, abs(share.change), limit, abs(share.change) >= limit, detail))
    return signals


def schema_signals(changes: Sequence[str], used: frozenset[str] | None) -> list[Signal]:
    """Return a signal for each change of the columns; alarming where a column that the model uses is gone or retyped.

    Parameters
    ----------
    changes
        As in `core.artefacts.Snapshot`.
    used
        Input columns and target; None when every column counts as used.
    """
    signals = []
    for change in changes:
        name = changed_column(change)
        broken = not change.startswith("added: ") and (used is None or name in used)
        signals.append(Signal("schema", name, 1.0, 1.0, broken, words.schema(change)))
    return signals

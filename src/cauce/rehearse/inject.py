"""Changes to the world, made in a table: drift of five kinds in three shapes, and three faults.

Only rows from the change on are touched, and the first rows' own spread says how large a change is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.rehearsing import Scenario

if TYPE_CHECKING:
    import pyarrow as pa

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

RAMP = 0.25
"""Share of the replay that a gradual change takes."""
PERIOD = 0.1
"""Share of the replay that a recurring change stays, and stays away."""
TOGETHER = 500
"""Rows whose values are dealt anew among them where a correlation breaks: margins stay as they were, in time too."""
MOST_PARTITIONS = 20
"""Distinct values up to which a column's values are partitions."""
N_MOVED = 3
"""Columns that a drift moves: the ones that the model uses most."""


@dataclass(frozen=True)
class Columns:
    """The columns that a change may touch, those that the model uses most first."""

    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    target: str
    classes: tuple[str, ...]
    """Of the target, sorted, as text; empty where it is a number."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """All of them but the target."""
        return (*self.numbers, *self.categories)


@dataclass(frozen=True, eq=False)
class Injected:
    """A table after the change."""

    table: pa.Table
    kept: npt.NDArray[np.int64]
    """Rows of the table before that are still there, in order: a lost partition's are not."""
    changed: Mask
    """Which of them came while the change lasted, shape (n_kept,)."""


def inject(
    table: pa.Table, scenario: Scenario, columns: Columns, *, first: int, rng: np.random.Generator
) -> Injected | None:
    """Return the table as the scenario would have made it; None where it has no column that this could happen to.

    Parameters
    ----------
    table
        Rows in order of time; whole numbers as int64, others as float64.
    first
        Row at which the replay begins: the rows before it are never touched.
    """
    n = table.num_rows
    whole = np.arange(n)
    if not scenario.injected:
        return Injected(table, whole, np.zeros(n, dtype=np.bool_))
    strength = intensity(scenario, n, first)
    lasting = strength > 0
    struck = lasting & (rng.random(n) < strength)
    before = slice(0, int(np.argmax(lasting)))
    if scenario.kind == "partition":
        lost = _partition(table, columns, before)
        if lost is None:
            return None
        kept = np.flatnonzero(~(lost & struck))
        return Injected(table.take(kept), kept, lasting[kept])
    if scenario.kind == "withdrawn":
        lost = _partition(table, columns, before)
        moved = None if lost is None else _elsewhere(table, columns, lost, struck, rng)
        return None if moved is None else Injected(moved, whole, lasting)
    changed = _CHANGES[scenario.kind](table, scenario.strength, columns, struck, before, rng)
    return None if changed is None else Injected(changed, whole, lasting)


def intensity(scenario: Scenario, n: int, first: int) -> Floats:
    """Return the chance that each row is struck, shape (n,): 0 before the change, 1 while it is at its full."""
    long = n - first
    place = np.arange(n) - first - round(scenario.begin * long)
    lasting = (place >= 0) & (np.arange(n) - first < round(scenario.end * long))
    if scenario.shape == "gradual":
        return np.where(lasting, np.clip((place + 1) / max(1, round(RAMP * long)), 0, 1), 0.0)
    if scenario.shape == "recurring":
        lasting &= (place // max(1, round(PERIOD * long))) % 2 == 0
    return lasting.astype(np.float64)


def _numbers(table: pa.Table, name: str) -> Floats:
    return np.asarray(table[name].cast("float64").to_numpy(zero_copy_only=False), dtype=np.float64)


def _with_numbers(table: pa.Table, name: str, values: Floats) -> pa.Table:
    """Put values into a column of the same type; what was missing stays missing."""
    import pyarrow as pa

    kind, empty = table.schema.field(name).type, np.isnan(values)
    rounded = np.rint(values) if pa.types.is_integer(kind) else values
    limited = np.where(empty, 0.0, np.clip(rounded, -9e15, 9e15) if pa.types.is_integer(kind) else rounded)
    made = pa.array(limited, mask=empty).cast(kind)
    return table.set_column(table.column_names.index(name), pa.field(name, kind), made)


def _texts(table: pa.Table, name: str) -> npt.NDArray[np.object_]:
    return np.asarray(table[name].cast("string").to_numpy(zero_copy_only=False), dtype=np.object_)


def _with_texts(table: pa.Table, name: str, values: npt.NDArray[np.object_]) -> pa.Table:
    import pyarrow as pa

    kind = table.schema.field(name).type
    made = pa.array(values.tolist(), pa.string()).cast(kind)
    return table.set_column(table.column_names.index(name), pa.field(name, kind), made)


def _mean(
    table: pa.Table, strength: float, columns: Columns, struck: Mask, before: slice, rng: np.random.Generator
) -> pa.Table | None:
    """Add standard deviations to the columns that the model uses most."""
    for name in columns.numbers[:N_MOVED]:
        values = _numbers(table, name)
        table = _with_numbers(table, name, np.where(struck, values + strength * np.nanstd(values[before]), values))
    return table if columns.numbers else None


def _variance(
    table: pa.Table, strength: float, columns: Columns, struck: Mask, before: slice, rng: np.random.Generator
) -> pa.Table | None:
    """Stretch the columns about their mean."""
    for name in columns.numbers[:N_MOVED]:
        values = _numbers(table, name)
        middle = np.nanmean(values[before])
        table = _with_numbers(table, name, np.where(struck, middle + (values - middle) * (1 + strength), values))
    return table if columns.numbers else None


def _category(
    table: pa.Table, strength: float, columns: Columns, struck: Mask, before: slice, rng: np.random.Generator
) -> pa.Table | None:
    """Let a share of the rows have the category that was rarest: a known one, so that nothing is broken."""
    for name in columns.categories[:N_MOVED]:
        values = _texts(table, name)
        seen, counts = np.unique(values[before][values[before] != None].astype(str), return_counts=True)  # noqa: E711
        if len(seen) < 2:
            continue
        often = counts >= min(20, counts.max())  # a value that training hardly saw would be a new category
        rarest = seen[often][np.argmin(counts[often])]
        table = _with_texts(table, name, np.where(struck & (rng.random(len(values)) < strength), rarest, values))
    return table if columns.categories else None


def _correlation(
    table: pa.Table, strength: float, columns: Columns, struck: Mask, before: slice, rng: np.random.Generator
) -> pa.Table | None:
    """Deal one column's values anew among neighbouring rows: its margin stays, what it went together with goes."""
    if not columns.inputs:
        return None
    name = columns.inputs[0]
    order = np.arange(table.num_rows)
    rows = np.flatnonzero(struck)
    for at in range(0, len(rows), TOGETHER):
        some = rows[at : at + TOGETHER]
        order[some] = rng.permutation(some)
    return table.set_column(table.column_names.index(name), table.schema.field(name), table[name].take(order))


def _label(
    table: pa.Table, strength: float, columns: Columns, struck: Mask, before: slice, rng: np.random.Generator
) -> pa.Table | None:
    """Change what the inputs mean, in the half of the rows where the most used column is large or most frequent.

    Classes: a share of the labels becomes the next class. Numbers: standard deviations are added to the target.
    """
    if columns.numbers:
        values = _numbers(table, columns.numbers[0])
        region = values > np.nanmedian(values[before])
    elif columns.categories:
        texts = _texts(table, columns.categories[0])
        seen, counts = np.unique(texts[before].astype(str), return_counts=True)
        region = texts.astype(str) == seen[np.argmax(counts)]
    else:
        return None
    hit = struck & region
    if not columns.classes:
        truth = _numbers(table, columns.target)
        return _with_numbers(table, columns.target, np.where(hit, truth + strength * np.nanstd(truth[before]), truth))
    hit &= rng.random(len(hit)) < strength
    following = dict(zip(columns.classes, (*columns.classes[1:], columns.classes[0]), strict=True))
    labels = _texts(table, columns.target)
    labels[hit] = [following.get(str(label), label) for label in labels[hit]]
    return _with_texts(table, columns.target, labels)


def _unit(
    table: pa.Table, strength: float, columns: Columns, struck: Mask, before: slice, rng: np.random.Generator
) -> pa.Table | None:
    """Multiply the column that the model uses most: somebody upstream writes cents for euros."""
    if not columns.numbers:
        return None
    name = columns.numbers[0]
    values = _numbers(table, name)
    return _with_numbers(table, name, np.where(struck, values * strength, values))


def _outage(
    table: pa.Table, strength: float, columns: Columns, struck: Mask, before: slice, rng: np.random.Generator
) -> pa.Table | None:
    """Empty every second column: the system that they came from is down, and requests go on without them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for name in columns.inputs[::2]:
        field = table.schema.field(name)
        emptied = pc.if_else(pa.array(struck), pa.scalar(None, field.type), table[name])
        table = table.set_column(table.column_names.index(name), pa.field(name, field.type), emptied)
    return table if columns.inputs else None


def _partition(table: pa.Table, columns: Columns, before: slice) -> Mask | None:
    """Return the rows of the partition that will be lost: one category or whole number, or a number's upper third."""
    for name in (*columns.categories, *columns.numbers):
        values = _texts(table, name).astype(str)
        seen, counts = np.unique(values[before], return_counts=True)
        if len(seen) > MOST_PARTITIONS:
            continue
        shares = counts / counts.sum()
        fit = np.flatnonzero((shares > 0.1) & (shares < 0.7))
        if len(fit):
            return np.asarray(values == seen[fit[np.argmax(shares[fit])]])
    if columns.numbers:
        numbers = _numbers(table, columns.numbers[0])
        return np.asarray(numbers > np.nanquantile(numbers[before], 2 / 3))
    return None


def _elsewhere(table: pa.Table, columns: Columns, lost: Mask, struck: Mask, rng: np.random.Generator) -> pa.Table:
    """Let other rows, inputs and outcome alike, come in place of the lost ones: the traffic moved to other values."""
    order = np.arange(table.num_rows)
    gone = np.flatnonzero(lost & struck)
    order[gone] = rng.choice(np.flatnonzero(~lost), len(gone))
    names = {*columns.inputs, columns.target}
    for place, name in enumerate(table.column_names):
        if name in names:
            table = table.set_column(place, table.schema.field(place), table[name].take(order))
    return table


_CHANGES = {
    "mean": _mean,
    "variance": _variance,
    "category": _category,
    "correlation": _correlation,
    "label": _label,
    "unit": _unit,
    "outage": _outage,
}

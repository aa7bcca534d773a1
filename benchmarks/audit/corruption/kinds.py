"""What can go wrong with data, planted on purpose: each kind a function from a clean case to a corrupted one.

A kind names the checks that may see it. It is *exact* where the fault is certain at every strength — one repeated
key is one too many — and statistical where a weak fault can hide in the noise of the set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from benchmarks.audit.corruption.sets import Case

Rows = npt.NDArray[np.int64]
Plant = Callable[[Case, int, np.random.Generator], Case | None]
STRENGTHS = 5


@dataclass(frozen=True)
class Kind:
    """One way to corrupt a table."""

    name: str
    codes: frozenset[str]
    """Checks of which at least one must speak; "refused" where an error that stops the load will do."""
    exact: bool
    plant: Plant
    """None where the set has nothing that could be corrupted so."""


KINDS: dict[str, Kind] = {}


def kind(*codes: str, exact: bool = False) -> Callable[[Plant], Plant]:
    """Register a function as a kind under its own name."""

    def register(plant: Plant) -> Plant:
        name = plant.__name__
        KINDS[name] = Kind(name, frozenset(codes), exact, plant)
        return plant

    return register


def at(strength: int, *values: float) -> float:
    """Return the value of a strength, 0 weakest."""
    return values[strength]


def some(case: Case, share: float, rng: np.random.Generator, *, least: int = 1) -> Rows:
    """Draw rows without replacement."""
    n = min(max(round(share * case.table.num_rows), least), case.table.num_rows)
    return np.sort(rng.choice(case.table.num_rows, n, replace=False))


def newest(case: Case, share: float) -> npt.NDArray[np.bool_]:
    """Mark the newest rows by the date column, whole dates only."""
    assert case.date is not None
    times = case.table[case.date].to_numpy(zero_copy_only=False)
    cut = np.sort(times)[-max(round(share * len(times)), 1)]
    return np.asarray(times >= cut)


def put(case: Case, column: str, values: object, **changes: Any) -> Case:
    """Return the case with a column replaced or added, named as the corrupted one."""
    array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, from_pandas=False)
    names = case.table.column_names
    if column in names:
        table = case.table.set_column(names.index(column), column, array)
    else:
        table = case.table.append_column(column, array)
    return replace(case, table=table, columns=changes.pop("columns", (column,)), **changes)


def values_of(case: Case, column: str) -> list[Any]:
    """Return a column as Python objects."""
    return list(case.table[column].to_pylist())


def with_values(case: Case, column: str, rows: Sequence[int] | Rows, make: Callable[[Any], Any]) -> Case:
    """Return the case with some rows of a column rewritten; a number becomes a text where `make` gives one."""
    values = values_of(case, column)
    for row in rows:
        values[row] = make(values[row])
    if any(isinstance(value, str) for value in values):
        values = [None if value is None else value if isinstance(value, str) else str(value) for value in values]
    return put(case, column, values)


def numbers_of(case: Case, column: str) -> npt.NDArray[np.float64]:
    """Return a column as floats, missing as NaN."""
    return np.array(case.table[column].cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def classes_of(case: Case) -> npt.NDArray[np.str_]:
    """Return the target as text."""
    return np.asarray(case.table[case.target].cast(pa.string()).to_pylist(), dtype=np.str_)


def pick(rng: np.random.Generator, names: Sequence[str]) -> str | None:
    """Draw one of the names, or None where there is none."""
    return str(names[int(rng.integers(len(names)))]) if names else None


def features(case: Case) -> list[str]:
    """Names of the columns that the model predicts from."""
    apart = {case.target, case.data.get("key"), case.data.get("time"), case.data.get("group")}
    return [name for name in case.table.column_names if name not in apart]


def take(case: Case, rows: object, **changes: Any) -> Case:
    """Return the case with other rows."""
    return replace(case, table=case.table.take(pa.array(rows)).combine_chunks(), **changes)


def is_missing(case: Case, column: str) -> npt.NDArray[np.bool_]:
    """Mark missing values."""
    return np.asarray(pc.is_null(case.table[column]).to_numpy(zero_copy_only=False), dtype=np.bool_)

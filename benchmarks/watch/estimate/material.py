"""Real sets, a champion fitted on part of each, and ways in which the rows that come later differ from it.

Three parts of every set, drawn at random: rows that the champion learns from (half, at most 7,500), rows held out as a
training holds them out (a sixth, at most 2,500, which the estimates are calibrated on), and a pool, all the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from cauce.core.artefacts import Candidate, TaskSpec
from cauce.core.protocols import Fitted
from cauce.core.registry import task as task_named
from cauce.profile import summarise

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
MOST_ROWS = 15_000
"""Of a set that has more, half of as many teach and a sixth is held out: as few as a team may well have."""


@dataclass(frozen=True)
class Source:
    """A public set."""

    name: str
    task: str
    file: str
    target: str
    drop: tuple[str, ...] = ()


CLASSIFY = (
    Source("adult", "classify", "adult/adult.parquet", "income", ("split",)),
    Source("elec2", "classify", "elec2/elec2.parquet", "class", ("date", "day_of_observation")),
    Source("magic", "classify", "keel_dev/magic.parquet", "target"),
    Source("ring", "classify", "keel_dev/ring.parquet", "target"),
    Source("banana", "classify", "keel_dev/banana.parquet", "target"),
    Source("spambase", "classify", "keel_dev/spambase.parquet", "target"),
    Source("student_dropout", "classify", "student_dropout/student_dropout.parquet", "Status"),
    Source("satimage", "classify", "keel_dev/satimage.parquet", "target"),
    Source("contraceptive", "classify", "keel_dev/contraceptive.parquet", "target"),
    Source("german_credit", "classify", "german_credit/german_credit.parquet", "class-label"),
)
REGRESS = (
    Source("california_housing", "regress", "california_housing/california_housing.parquet", "median_house_value"),
    Source("bike_hour", "regress", "bike_sharing/hour.parquet", "cnt", ("instant", "dteday", "casual", "registered")),
)


@dataclass(frozen=True, eq=False)
class Case:
    """A champion, and rows that it has not seen."""

    source: Source
    spec: TaskSpec
    fitted: Fitted
    learnt: pa.Table
    held: pa.Table
    pool: pa.Table


def read(source: Source, data: Path) -> pa.Table:
    """Return the whole set, the target as text where it is a class, rows without a target left out."""
    table = pq.read_table(data / source.file)
    table = table.drop_columns([name for name in source.drop if name in table.column_names])
    table = table.replace_schema_metadata(None)
    if source.task == "classify":
        place = table.column_names.index(source.target)
        table = table.set_column(place, source.target, table[source.target].cast(pa.string()))
    return table.drop_null() if table[source.target].null_count else table


def case(source: Source, rung: str, seed: int, data: Path) -> Case:
    """Divide a set and fit the champion."""
    return divided(source, read(source, data), rung, seed)[0]


def divided(source: Source, table: pa.Table, rung: str, seed: int) -> tuple[Case, Codes]:
    """Divide rows, fit the champion; return the case, and the place in `table` of each row of its pool."""
    rng = np.random.default_rng([seed, *source.name.encode()])
    order = rng.permutation(table.num_rows)
    n = min(len(order), MOST_ROWS)
    parts = np.split(order, [n // 2, n // 2 + n // 6])
    learnt, held, pool = (table.take(pa.array(rows)).combine_chunks() for rows in parts)
    spec = spec_of(source, learnt, seed)
    model = task_named(source.task).fit(Candidate(rung, {}), {}, learnt, spec=spec)
    return Case(source, spec, model, learnt, held, pool), parts[2]


def spec_of(source: Source, rows: pa.Table, seed: int) -> TaskSpec:
    """Return the task as these rows let state it."""
    inputs = [name for name in rows.column_names if name != source.target]
    loss = task_named(source.task).losses_known[0]
    return TaskSpec("m", source.task, source.target, summarise(rows.to_batches()).schema(inputs), loss, seed=seed)


def position(table: pa.Table, name: str) -> Floats:
    """Return each row's place along a column, −1 to 1: its rank; of text, that of its value's number of rows."""
    values = table[name].combine_chunks()
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        texts = np.asarray([str(value) for value in values.to_pylist()])
        _, place, counts = np.unique(texts, return_inverse=True, return_counts=True)
        numbers = counts[place].astype(np.float64)
    else:
        numbers = np.nan_to_num(values.cast(pa.float64()).to_numpy(zero_copy_only=False), nan=-1e300)
    levels, place = np.unique(numbers, return_inverse=True)
    if len(levels) < 2:
        return np.zeros(len(numbers))
    sizes = np.bincount(place)
    middle = np.cumsum(sizes) - sizes / 2
    return np.asarray(2 * middle[place] / len(numbers) - 1)


@lru_cache(maxsize=16)
def place_in_pool(case_: Case, name: str) -> Floats:
    """Return each row's place along a column, in the pool."""
    return position(case_.pool, name)


def columns_used(case_: Case) -> list[str]:
    """Return the six columns that the model uses most."""
    ranked = sorted(case_.fitted.importance.items(), key=lambda item: -item[1])[:6]
    return [name for name, _ in ranked] or list(case_.spec.schema.names)


def shifted(
    case_: Case, n: int, strength: float, rng: np.random.Generator, left: npt.NDArray[np.bool_] | None = None
) -> Codes:
    """Draw rows of the pool, none twice, that lean to one end of two of the columns the model uses most.

    Which rows are drawn depends on inputs alone, so that the chance of each class given the inputs is what it was:
    covariate shift, and nothing else. A weight is exp(strength × place), two places added.

    Parameters
    ----------
    left
        Rows that may be drawn, where not all of them.
    """
    names = columns_used(case_)
    chosen = rng.choice(len(names), min(2, len(names)), replace=False)
    lean = sum(rng.choice([-1.0, 1.0]) * place_in_pool(case_, names[k]) for k in chosen)
    keys = strength * np.asarray(lean) + rng.gumbel(size=case_.pool.num_rows)
    if left is not None:
        keys[~left] = -np.inf
    return np.argsort(-keys)[:n]

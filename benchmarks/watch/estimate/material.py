"""Real sets, a champion fitted on part of each, and ways in which the rows that come later differ from it.

Three parts of every set, drawn at random: rows that the champion learns from (half), rows held out as a training holds
them out (a sixth, which the estimates are calibrated on), and a pool (a third) from which windows are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
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
"""Of a set that has more, as many are drawn: the held-out rows are then as few as a team may well have."""


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


def case(source: Source, rung: str, seed: int, data: Path, loss: str | None = None) -> Case:
    """Divide a set and fit the champion."""
    rng = np.random.default_rng([seed, *source.name.encode()])
    table = read(source, data)
    order = rng.permutation(table.num_rows)[:MOST_ROWS]
    cuts = [len(order) // 2, len(order) // 2 + len(order) // 6]
    learnt, held, pool = (table.take(pa.array(rows)).combine_chunks() for rows in np.split(order, cuts))
    inputs = [name for name in table.column_names if name != source.target]
    schema = summarise(learnt.to_batches()).schema(inputs)
    loss = loss or task_named(source.task).losses_known[0]
    spec = TaskSpec("m", source.task, source.target, schema, loss, seed=seed)
    fitted = task_named(source.task).fit(Candidate(rung, {}), {}, learnt, spec=spec)
    return Case(source, spec, fitted, learnt, held, pool)


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


def shifted(case_: Case, n: int, strength: float, rng: np.random.Generator) -> Codes:
    """Draw a window of the pool, no row twice, whose rows lean to one end of two of the columns the model uses most.

    Which rows are drawn depends on inputs alone, so that the chance of each class given the inputs is what it was:
    covariate shift, and nothing else. A weight is exp(strength × place), two places added.
    """
    ranked = sorted(case_.fitted.importance.items(), key=lambda item: -item[1])[:6]
    names = [name for name, _ in ranked] or list(case_.spec.schema.names)
    chosen = rng.choice(len(names), min(2, len(names)), replace=False)
    lean = sum(rng.choice([-1.0, 1.0]) * position(case_.pool, names[k]) for k in chosen)
    keys = strength * np.asarray(lean) + rng.gumbel(size=case_.pool.num_rows)
    return np.argsort(-keys)[: min(n, case_.pool.num_rows // 3)]

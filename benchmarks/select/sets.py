"""The public sets of the comparison, each divided once and written as Parquet, so that every contestant reads the same.

A set says its file, target and what is left out because it gives the answer away or is no input. Three quarters of the
rows are for training, the rest for the test: drawn with seed 0, by class where there are classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

TEST_SHARE = 0.25
SPLIT_SEED = 0


@dataclass(frozen=True)
class Set:
    """A public table and what is to be predicted in it."""

    name: str
    task: str
    """`classify` or `regress`."""
    source: str
    """File below the data folder, or `sklearn:<name>` for a set that scikit-learn ships."""
    target: str
    drop: tuple[str, ...] = ()
    """Columns that tell the target, or that no request would bring."""
    missing: str | None = None
    """Text that stands for a missing value."""


def _keel(name: str) -> Set:
    return Set(name, "classify", f"keel_dev/{name}.parquet", "target")


SETS = (
    _keel("pima"),
    Set("diabetes", "regress", "sklearn:diabetes", "target"),
    Set("german_credit", "classify", "german_credit/german_credit.parquet", "class-label"),
    _keel("contraceptive"),
    # This edition has no final grade: `class` is it, cut at 10, so the second period's is predicted without either.
    Set(
        "student_performance", "regress", "student_performance/student_performance.parquet", "G2", drop=("G1", "class")
    ),
    _keel("tic-tac-toe"),
    _keel("vehicle"),
    Set("student_dropout", "classify", "student_dropout/student_dropout.parquet", "Status"),
    Set("california_housing", "regress", "california_housing/california_housing.parquet", "median_house_value"),
    _keel("spambase"),
    _keel("magic"),
    Set(
        "adult", "classify", "adult/adult.parquet", "income", drop=("split",), missing="?"
    ),  # the official division is not used
    Set(
        "bike_hour",
        "regress",
        "bike_sharing/hour.parquet",
        "cnt",
        drop=("instant", "dteday", "casual", "registered"),  # casual + registered = cnt
    ),
    _keel("wdbc"),
    _keel("mammographic"),
    _keel("titanic"),
    Set("bike_day", "regress", "bike_sharing/day.parquet", "cnt", drop=("instant", "dteday", "casual", "registered")),
    _keel("australian"),
    _keel("banana"),
    _keel("ring"),
    _keel("segment"),
    Set("digits", "classify", "sklearn:digits", "target"),
    Set("insteval", "regress", "insteval/insteval.parquet", "rating"),
    _keel("satimage"),
    _keel("penbased"),
)

CODES = {"insteval": ("student_id", "lecturer_id", "department")}
"""Columns whose numbers are names: every contestant gets them as text."""


def read(chosen: Set, data: Path) -> pd.DataFrame:
    """Return the whole set: inputs and target, names as text, numbers as numbers."""
    if chosen.source.startswith("sklearn:"):
        from sklearn import datasets

        loaded: Any = getattr(datasets, f"load_{chosen.source.removeprefix('sklearn:')}")(as_frame=True)
        frame = loaded.frame
    else:
        frame = pq.read_table(data / chosen.source).to_pandas()
    frame = frame.drop(columns=list(chosen.drop))
    if chosen.missing is not None:
        frame = frame.replace(chosen.missing, None)
    texts = [*CODES.get(chosen.name, ()), *([chosen.target] if chosen.task == "classify" else [])]
    return frame.astype(dict.fromkeys(texts, str))


def write(chosen: Set, data: Path, folder: Path) -> tuple[Path, Path]:
    """Write the training and the test rows below `folder`, once; return both files."""
    from sklearn.model_selection import train_test_split

    paths = folder / f"{chosen.name}.train.parquet", folder / f"{chosen.name}.test.parquet"
    if all(path.exists() for path in paths):
        return paths
    frame = read(chosen, data)
    by_class = frame[chosen.target] if chosen.task == "classify" else None
    parts = train_test_split(
        np.arange(len(frame)), test_size=TEST_SHARE, random_state=SPLIT_SEED, shuffle=True, stratify=by_class
    )
    folder.mkdir(parents=True, exist_ok=True)
    for rows, path in zip(parts, paths, strict=True):
        table = pa.Table.from_pandas(frame.iloc[np.sort(rows)], preserve_index=False)
        pq.write_table(table.replace_schema_metadata(None), path)
    return paths

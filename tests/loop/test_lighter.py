"""What choosing works on when rows are kept: whose rows they are, what they weigh, and what is found again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from cauce.core.artefacts import Column, Reduction, Schema, TaskSpec
from cauce.loop.reduce import WEIGHT, Lighter, Weighted, _Proof, _remembered, _with_kept

RECORD = Reduction(0.01, 0.95, None, "not_worse", 10, 3, 5, {"en": "", "es": ""})
FOLDS = tuple((np.setdiff1d(np.arange(10), test), test) for test in (np.arange(5), np.arange(5, 10)))
SPEC = TaskSpec("m", "regress", "y", Schema((Column("x", "number"),)), "squared")
KEPT = [
    Weighted(np.array([5, 7]), np.array([2.0, 3.0])),
    Weighted(np.array([0, 4]), np.array([1.0, 4.0])),
]


def lighter(**columns: list[float]) -> Lighter:
    table = pa.table({"x": np.arange(10.0), "y": np.arange(10.0), **columns})
    return Lighter(RECORD, table, FOLDS, SPEC)


def test_every_fold_learns_from_its_own_kept_rows_and_is_tested_on_whole_ones() -> None:
    found = _with_kept(lighter(), KEPT)
    assert found.spec.weight == WEIGHT
    for (train, test), (_, whole), one in zip(found.folds, FOLDS, KEPT, strict=True):
        assert found.table["x"].take(train).to_pylist() == one.numbers.tolist()
        assert found.table[WEIGHT].take(train).to_pylist() == one.weights.tolist()
        assert test.tolist() == whole.tolist()
        assert found.table[WEIGHT].take(test).to_pylist() == [1.0] * 5


def test_a_weight_column_of_the_project_keeps_its_values_for_tests() -> None:
    given = lighter(w=[float(i + 1) for i in range(10)])
    spec = replace(SPEC, weight="w")
    found = _with_kept(Lighter(RECORD, given.table, FOLDS, spec), KEPT)
    assert found.table["w"].to_pylist() == [float(i + 1) for i in range(10)] + [2.0, 3.0, 1.0, 4.0]


def test_finished_folds_of_other_kept_rows_are_not_taken_for_these() -> None:
    others = [Weighted(np.array([6, 8]), np.array([2.0, 3.0])), KEPT[1]]
    assert _with_kept(lighter(), KEPT).digest != _with_kept(lighter(), others).digest


def test_a_killed_training_finds_its_reduction_again_and_a_torn_record_makes_it_anew(tmp_path: Path) -> None:
    made = []

    def make() -> _Proof:
        made.append(1)
        return _Proof(RECORD, KEPT, 0.5)

    for _ in range(2):
        found = _remembered(tmp_path, make)
        assert found.record == RECORD
        assert found.exponent == 0.5
        assert [one.numbers.tolist() for one in found.kept] == [[5, 7], [0, 4]]
    assert len(made) == 1
    (tmp_path / "reduction.json").write_text("{")
    _remembered(tmp_path, make)
    assert len(made) == 2

"""What the loop hands the audit: predictions of rows by models that never saw them, the training's own split."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cauce import data
from cauce.audit.check import OutOfFold, Sides
from cauce.core.artefacts import Snapshot
from cauce.loop import audit_views
from cauce.loop.audit import SAMPLE_ROWS, _sample, audit, profile_of
from cauce.loop.context import Loop
from cauce.loop.load import load
from cauce.project import load as read_project

N = 600
Make = Callable[..., Loop]


def rows_of(n: int = N) -> pa.Table:
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    return pa.table(
        {
            "id": np.arange(n),
            "x": x,
            "kind": rng.choice(["a", "b", "c"], n),
            "day": pa.array(np.datetime64("2024-01-01") + rng.integers(0, 90, n)),
            "school": rng.integers(0, 30, n),
            "y": np.where(x + rng.normal(0, 0.3, n) > 0, "yes", "no"),
            "amount": x * 10 + rng.normal(size=n),
        }
    )


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Give a project: the table, keys of its data set and of its model, and further tables as TOML."""

    def made(table: pa.Table, keys: str = "", model: str = "", more: str = "", target: str = "y") -> Loop:
        pq.write_table(table, tmp_path / "rows.parquet")
        task = "regress" if target == "amount" else "classify"
        other = "y" if target == "amount" else "amount"
        (tmp_path / "cauce.toml").write_text(
            f'[project]\nname = "t"\n[data.rows]\nsource = "rows.parquet"\n{keys}\n'
            f'[models.m]\ntask = "{task}"\ndata = "rows"\ntarget = "{target}"\nignore = ["{other}"]\n{model}\n{more}\n'
        )
        return Loop(read_project(tmp_path / "cauce.toml", {}))

    return made


def batches_of(loop: Loop, snapshot: Snapshot) -> audit_views.Batches:
    def batches(columns: object) -> Iterator[pa.RecordBatch]:
        names = None if columns is None else list(columns)  # type: ignore[call-overload]
        return data.batches(loop.state.lake, snapshot.data, version=snapshot.version, columns=names)

    return batches


def seen_by(loop: Loop) -> OutOfFold | None:
    snapshot = load(loop, "rows")
    return audit_views.out_of_fold(loop, "m", profile_of(loop, snapshot), batches_of(loop, snapshot))()


def sides_of(loop: Loop) -> Sides | None:
    snapshot = load(loop, "rows")
    return audit_views.sides(loop, "m", profile_of(loop, snapshot), batches_of(loop, snapshot))()


def test_every_row_is_predicted_by_a_model_that_never_saw_it(make: Make) -> None:
    rng = np.random.default_rng(0)
    noise = pa.table({"x": rng.normal(size=N), "amount": rng.normal(size=N), "y": rng.choice(["a", "b"], N)})
    seen = seen_by(make(noise))
    assert seen is not None
    assert seen.rows.tolist() == list(range(N))
    assert (seen.truth == seen.predictions).mean() < 0.6  # a model that had seen the row would know its label
    assert seen.probabilities is not None
    assert seen.probabilities.sum(axis=1) == pytest.approx(np.ones(N))


def test_truth_rows_and_classes_belong_together(make: Make) -> None:
    table = rows_of()
    labels = table["y"].to_pylist()
    labels[3], labels[7] = None, None
    seen = seen_by(make(table.set_column(5, "y", pa.array(labels))))
    assert seen is not None
    assert (seen.rung, seen.classes) == ("boosting", ("no", "yes"))
    assert not {3, 7} & set(seen.rows.tolist())
    assert [seen.classes[int(place)] for place in seen.truth] == [labels[row] for row in seen.rows]
    assert (seen.truth == seen.predictions).mean() > 0.8


def test_numbers_are_predicted_too(make: Make) -> None:
    table = rows_of()
    seen = seen_by(make(table, target="amount"))
    assert seen is not None
    assert (seen.probabilities, seen.classes) == (None, ())
    assert seen.truth.tolist() == table["amount"].to_pylist()
    assert np.corrcoef(seen.truth, seen.predictions)[0, 1] > 0.95


def test_by_time_the_oldest_rows_are_not_predicted(make: Make) -> None:
    table = rows_of()
    seen = seen_by(make(table, 'time = "day"'))
    assert seen is not None
    days = np.array(table["day"].to_pylist())
    predicted = np.zeros(N, np.bool_)
    predicted[seen.rows] = True
    assert days[predicted].min() > days[~predicted].max()
    assert 0.3 < predicted.mean() < 0.7


def test_by_group_nobody_teaches_about_himself(make: Make) -> None:
    rng = np.random.default_rng(0)
    school = np.repeat(np.arange(60), 10)
    own = rng.choice(["a", "b"], 60)[school]  # known of a school that was seen, and not at all of another
    table = pa.table(
        {"school_name": [f"s{i}" for i in school], "x": school, "g": school, "y": own, "amount": rng.normal(size=600)}
    )
    grouped, free = seen_by(make(table, 'group = "g"')), seen_by(make(table))
    assert grouped is not None
    assert free is not None
    assert (grouped.truth == grouped.predictions).mean() < 0.7 < (free.truth == free.predictions).mean()


def test_many_rows_are_sampled_by_seed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_views, "FITTED_ROWS", 200)
    loop = make(rows_of())
    one, again = seen_by(loop), seen_by(loop)
    assert one is not None
    assert again is not None
    assert len(one.rows) == 200
    assert one.rows.tolist() == again.rows.tolist()
    assert one.predictions.tolist() == again.predictions.tolist()
    assert one.rows.max() > 500  # from the whole snapshot, not its beginning


def test_it_is_fitted_once_an_audit_and_progress_says_so(make: Make) -> None:
    told: list[str] = []
    loop = make(rows_of())
    loop = Loop(loop.project, progress=lambda stage, done, total, note="": told.append(stage))
    audit(loop, load(loop, "rows"), "m")
    assert told.count("fit-audit") == 6  # five folds and the end


@pytest.mark.parametrize(
    ("y", "why"),
    [
        (pa.nulls(N, pa.string()), "no target"),
        (pa.array(["yes"] * N), "one class"),
        (pa.array(["a", "b"] * 20 + [None] * (N - 40)), "too few rows"),
        (pa.array([f"c{i}" for i in range(N)]), "too many classes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_is_fitted_where_the_target_blocks(make: Make, y: pa.Array, why: str) -> None:
    assert seen_by(make(rows_of().set_column(5, "y", y))) is None


@pytest.mark.parametrize("keys", ["", 'key = "id"', 'time = "day"', 'group = "school"'])
def test_the_sides_are_those_of_the_training(make: Make, keys: str) -> None:
    table = rows_of()
    loop = make(table, keys)
    found = sides_of(loop)
    assert found is not None
    spec, settings = loop.data("rows"), loop.model("m").split
    split = data.split(table, settings, task="classify", target="y", key=spec.key, time=spec.time, group=spec.group)
    assert found.kind == split.kind
    assert np.flatnonzero(found.held_out).tolist() == split.held_out.tolist()
    for number, (_, test) in enumerate(split.folds):
        assert np.flatnonzero(found.fold == number).tolist() == test.tolist()


def test_what_cannot_be_split_has_no_sides(make: Make) -> None:
    table = rows_of()
    one = table.set_column(4, "school", pa.array([1] * N))
    assert sides_of(make(one, 'group = "school"')) is None
    assert sides_of(make(rows_of(2))) is None


def test_the_reference_is_another_data_set_and_its_change_is_noticed(make: Make, tmp_path: Path) -> None:
    pq.write_table(pa.table({"kind": ["a", "b"] * 50}), tmp_path / "census.parquet")
    more = '[data.census]\nsource = "census.parquet"\n[data.rows.population]\nreference = "census"'
    loop = make(rows_of(), more=more)
    snapshot = load(loop, "rows")
    reference = audit_views.reference_of(loop, snapshot)
    assert reference is not None
    assert profile_of(loop, reference).n_rows == 100
    first = audit(loop, snapshot, "m")
    assert audit(loop, snapshot, "m") == first
    pq.write_table(pa.table({"kind": ["a", "c"] * 80}), tmp_path / "census.parquet")
    assert audit(loop, snapshot, "m").fingerprint != first.fingerprint


def test_the_sample_is_spread_over_the_whole_snapshot(tmp_path: Path) -> None:
    n = SAMPLE_ROWS * 4 // 3
    pq.write_table(pa.table({"x": np.arange(n)}), tmp_path / "rows.parquet")
    (tmp_path / "cauce.toml").write_text('[project]\nname = "p"\n\n[data.rows]\nsource = "rows.parquet"\n')
    loop = Loop(read_project(tmp_path / "cauce.toml", {}))
    taken = _sample(loop, load(loop, "rows"))["x"].to_numpy()
    assert abs(len(taken) - SAMPLE_ROWS) <= 2
    assert taken[-1] >= n - 3, "the end of the last batch is in the sample"
    assert abs(np.median(taken) - n / 2) < n / 100

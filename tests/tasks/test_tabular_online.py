"""The quick way for few rows: the numbers of `predict`, for any values and rung, in threads and forked processes."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import threading
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.core.artefacts import Candidate, Column, Schema, TaskSpec
from cauce.core.plain import to_rows, to_table
from cauce.core.protocols import Fitted, online_of
from cauce.tasks.tabular import Classify, Regress, one_row, single_rows, text
from cauce.tasks.tabular.boosting import Boosting
from cauce.tasks.tabular.encode import fit_encoder
from cauce.tasks.tabular.fitted import Classifier
from cauce.tasks.tabular.linear import Linear
from cauce.tasks.tabular.online import RowEncoder
from cauce.testing import online_agrees

RUNGS = ("prior", "linear", "additive", "forest", "boosting", "mlp")
SCHEMA = Schema(
    (
        Column("id", "category"),
        Column("count", "integer"),
        Column("when", "datetime"),
        Column("size", "number"),
        Column("note", "text"),
        Column("plan", "category"),
        Column("member", "boolean"),
        Column("price", "number"),
    )
)
PLAIN = SCHEMA.select(tuple(name for name in SCHEMA.names if name != "note"))
"""Without the text, there is a shorter way still for one row."""
WORDS = ("caro", "barato", "roto", "perfecto", "llegó", "tarde", "ñandú", "ok")
finite = st.floats(allow_nan=False, allow_infinity=False)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "id": st.sampled_from([*(f"i{k}" for k in range(400)), "", "new"]),
    "count": st.integers(-(2**63), 2**63 - 1),
    "when": st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(  # noqa: DTZ001
        lambda t: (
            int((t.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000 + t.microsecond
        )
    ),
    "size": finite | st.floats(-3, 3),
    "note": st.text(max_size=20) | st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join),
    "plan": st.sampled_from(["a", "b", "c", "d", "e", "A"]),
    "member": st.booleans(),
    "price": st.floats(-3, 3),
}


def rows_of(schema: Schema, *, most: int) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """Rows of anything that a service lets through, and nulls."""
    return st.lists(st.tuples(*(st.none() | VALUES[name] for name in schema.names)), min_size=1, max_size=most)


CANDIDATE = Candidate("linear", {"en": "", "es": ""})
unhurried = settings(deadline=None, max_examples=40)  # the first example fits the model


def rows_to_learn(n: int = 500) -> pa.Table:
    """Every kind of column, with nulls; `id` has so many levels that trees see target means."""
    rng = np.random.default_rng(0)
    size, price, plan = rng.normal(size=n), rng.normal(size=n), rng.integers(0, 5, n)
    words = [" ".join(rng.choice(WORDS, 3)) for _ in range(n)]
    score = size + 0.5 * plan + np.array(["caro" in one for one in words]) + rng.normal(0, 0.5, n)
    missing = rng.random((8, n)) < 0.05
    return pa.table(
        {
            "id": pa.array([f"i{k}" for k in rng.integers(0, 250, n)], mask=missing[0]),
            "count": pa.array(rng.integers(0, 9, n), mask=missing[1]),
            "when": pa.array(rng.integers(0, 2_000_000_000, n) * 1_000_000, pa.timestamp("us", "UTC"), mask=missing[2]),
            "size": pa.array(size, mask=missing[3]),
            "note": pa.array(words, mask=missing[4]),
            "plan": pa.array([f"{'abcde'[k]}" for k in plan], mask=missing[5]),
            "member": pa.array(rng.random(n) < 0.4, mask=missing[6]),
            "price": pa.array(price),
            "three": np.where(score > 2, "high", np.where(score > 0.5, "middle", "low")),
            "two": np.where(score > 1, "yes", "no"),
            "number": 50 + 10 * score,
        }
    )


@cache
def fitted(rung: str, target: str, *, schema: Schema = PLAIN, rising: bool = False) -> Fitted:
    task: Any = Regress() if target == "number" else Classify()
    signs: dict[str, Any] = {"size": "increasing"} if rising else {}
    spec = TaskSpec("m", task.name, target, schema, task.losses_known[0], monotone=signs)
    params: dict[str, Any] = {} if rung in {"prior", "linear", "mlp"} else {"rounds": 30}
    found: Fitted = task.fit(Candidate(rung, {"en": "", "es": ""}), params, rows_to_learn(), spec=spec)
    return found


@pytest.mark.parametrize("rung", ["linear", "boosting"])
def test_any_rows_are_encoded_as_a_table_of_them(rung: str) -> None:
    encoder = fitted(rung, "two", schema=SCHEMA).encoder  # type: ignore[attr-defined]

    @unhurried
    @given(rows_of(SCHEMA, most=30))
    def are_the_same(rows: list[tuple[Any, ...]]) -> None:
        found, expected = RowEncoder(encoder)(rows), encoder.transform(to_table(rows, SCHEMA))
        np.testing.assert_array_equal(found.numbers, expected.numbers)
        np.testing.assert_array_equal(found.codes, expected.codes)
        for ours, theirs in zip(found.texts, expected.texts, strict=True):
            np.testing.assert_array_equal(ours.toarray(), theirs.toarray())

    are_the_same()


def test_years_that_the_calendar_has_not_and_infinite_numbers_are_encoded_too() -> None:
    schema = PLAIN.select(("when", "size"))
    encoder = fit_encoder(rows_to_learn(), schema)
    rows = [[2**62, np.inf], [-(2**62), -np.inf], [0, np.nan], [-1, 1e300]]
    np.testing.assert_array_equal(RowEncoder(encoder)(rows).numbers, encoder.transform(to_table(rows, schema)).numbers)


@pytest.mark.parametrize("schema", [PLAIN, SCHEMA], ids=["plain", "texts"])
@pytest.mark.parametrize("target", ["two", "three", "number"])
@pytest.mark.parametrize("rung", RUNGS)
def test_every_rung_says_online_what_it_predicts(rung: str, target: str, schema: Schema) -> None:
    @unhurried
    @given(rows_of(schema, most=6))
    def says_the_same(rows: list[tuple[Any, ...]]) -> None:
        online_says(fitted(rung, target, schema=schema), rows)

    says_the_same()


@pytest.mark.parametrize("target", ["two", "number"])
def test_a_signed_line_says_online_what_it_predicts(target: str) -> None:
    online_says(fitted("linear", target, rising=True), to_rows(rows_to_learn(), PLAIN)[:40])


@pytest.mark.parametrize("scale", [1e-30, 1e30, 1e95, 1e101])
def test_a_line_of_numbers_of_any_size_says_online_what_it_predicts(scale: float) -> None:
    table = rows_to_learn()
    place = table.column_names.index("size")
    table = table.set_column(place, "size", pc.multiply(table["size"], scale))
    schema = Schema((Column("size", "number"),))
    model = Regress().fit(CANDIDATE, {}, table, spec=TaskSpec("m", "regress", "number", schema, "squared"))
    online_says(model, [[value * scale] for value in (-3.0, 0.0, 2.5, 50.0)] + [[1e300], [-1e300], [None]])


def test_one_row_has_a_way_of_its_own() -> None:
    line, trees = fitted("linear", "two"), fitted("forest", "three")
    assert isinstance(line, Classifier)
    assert isinstance(trees, Classifier)
    assert isinstance(line.model, Linear)
    assert isinstance(trees.model, Boosting)
    assert one_row.by_line(line.encoder, line.model) is not None
    assert one_row.by_trees(trees.encoder, single_rows.Trees(trees.model)) is not None


def online_says(model: Fitted, rows: Any) -> None:
    """Compare all rows together, and each alone."""
    online = online_of(model)
    assert online is not None
    for sent in (rows, *([row] for row in rows)):
        said, expected = online(sent), model.predict(to_table(sent, model.schema)).to_pydict()
        assert list(said) == list(expected)
        for name, values in expected.items():
            assert {type(value) for value in said[name]} <= {float, str}
            if isinstance(values[0], str):
                assert said[name] == values
            else:
                np.testing.assert_allclose(said[name], values, rtol=1e-12, atol=1e-12)


def test_unicode_blanks_part_words_as_arrow_parts_them() -> None:
    blanks = [chr(code) for code in range(0x110000) if chr(code).isspace()]
    texts = [f"uno{blank}dos{blank}{blank}" for blank in [*blanks, "\u200b", "-"]]
    grams = text.fit_tfidf(pa.array(["uno dos", "uno dos", "unodos unodos", "unodos"]))
    ours, theirs = grams.transform_few(texts), grams.transform(pa.array(texts))
    np.testing.assert_array_equal(ours.toarray(), theirs.toarray())


@pytest.mark.parametrize("n_rows", [1, 2, single_rows.FEW, single_rows.FEW + 1])
@pytest.mark.parametrize("target", ["two", "three", "number"])
def test_single_row_calls_give_the_bits_of_the_booster(target: str, n_rows: int) -> None:
    model = fitted("boosting", target)
    rows = to_rows(rows_to_learn(), PLAIN)[:n_rows]
    online = online_of(model)
    assert online is not None
    assert online(rows) == model.predict(to_table(rows, PLAIN)).to_pydict()


def test_this_lightgbm_has_the_call_for_single_rows() -> None:
    model = fitted("boosting", "two").model  # type: ignore[attr-defined]
    assert isinstance(model, Boosting)
    assert single_rows._lanes(model) is not None


def test_a_lightgbm_without_that_call_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fitted("boosting", "three")
    monkeypatch.setattr(single_rows, "NAMES", (*single_rows.NAMES[:2], "LGBM_NoSuchCall"))
    assert single_rows._native() is None
    rows = to_rows(rows_to_learn(), PLAIN)[:3]
    online = online_of(model)
    assert online is not None
    assert online(rows) == model.predict(to_table(rows, PLAIN)).to_pydict()


def test_a_handle_that_is_not_where_it_was_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    import lightgbm.basic

    monkeypatch.delattr(lightgbm.basic, "_LIB")
    assert single_rows._native() is None


def test_threads_do_not_disturb_each_other() -> None:
    for rung in ("linear", "boosting", "mlp"):
        online_agrees(fitted(rung, "three"), rows_to_learn(80), rung)


def test_an_answer_stays_when_another_is_asked_for() -> None:
    model = fitted("boosting", "three")
    assert isinstance(model, Classifier)
    assert isinstance(model.model, Boosting)
    trees, encode = single_rows.Trees(model.model), RowEncoder(model.encoder)
    rows = to_rows(rows_to_learn(), PLAIN)
    first = trees.predict(encode(rows[:2]))
    before = first.copy()
    trees.predict(encode(rows[2:4]))
    np.testing.assert_array_equal(first, before)


def test_a_lane_goes_with_its_thread() -> None:
    model = fitted("boosting", "two").model  # type: ignore[attr-defined]
    native, ended = single_rows._native(), []
    assert native is not None

    def end(handle: int) -> None:
        ended.append(handle)
        native.end(handle)

    lanes = single_rows._Lanes(native._replace(end=end), model.booster, raw=False)
    thread = threading.Thread(target=lambda: lanes.lane)
    thread.start()
    thread.join()
    gc.collect()
    assert len(ended) == 1
    assert lanes.lane is not None


@pytest.mark.parametrize("rung", ["linear", "boosting"])
def test_nothing_of_it_can_be_pickled(rung: str) -> None:
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(online_of(fitted(rung, "two")))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("rung", ["boosting", "linear", "mlp"])
def test_a_process_forked_after_loading_says_the_same(rung: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    fitted(rung, "two").save(tmp_path / "model")
    pq.write_table(rows_to_learn(200), tmp_path / "rows.parquet")
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", FORKING, tmp_path], env=free, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "the same\n" * 2), done.stderr


FORKING = """
import os, signal, sys
from pathlib import Path
from threading import Thread
import pyarrow as pa
import pyarrow.parquet as pq
from cauce.core.plain import to_rows
from cauce.core.registry import load_fitted
home = Path(sys.argv[1])
model = load_fitted("classify", home / "model")
rows = to_rows(pq.read_table(home / "rows.parquet", use_threads=False), model.schema)
online = model.online()
parts = rows[:1], rows[:16], rows
expected = [online(part) for part in parts]
# so many that several threads take them
many = pa.concat_tables([pq.read_table(home / "rows.parquet", use_threads=False)] * 30)
said = model.predict(many)
for _ in range(2):
    if (child := os.fork()) == 0:
        signal.alarm(20)
        found = [online(part) for part in parts]
        thread = Thread(target=lambda: found.append(online(rows[:1])))
        thread.start()
        thread.join()
        found.append(model.predict(many))
        os._exit(0 if found == [*expected, expected[0], said] else 1)
    assert os.waitpid(child, 0)[1] == 0, "a child differs or hangs"
    print("the same", flush=True)
"""

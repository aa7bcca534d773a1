"""The conformance suite of tasks: whoever adds a task runs it, and Cauce runs it over its own table of tasks.

Every check takes a task and an empty folder, uses nothing but the task's own example, and raises AssertionError with a
sentence. ``check_task(task, folder)`` runs all of them; `TASK_CHECKS` holds them by name for a test's parameters.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from cauce.core.artefacts import Candidate, Finish, TaskSpec, Words
from cauce.core.errors import UserError
from cauce.core.files import from_json, to_json
from cauce.core.names import NAME
from cauce.core.plain import EXTREMES, to_rows, to_table
from cauce.core.protocols import Fitted, Task, online_of
from cauce.core.registry import load_fitted

HARMLESS = {".json", ".arrow", ".txt"}
"""Endings that a package of a fitted object may hold."""
EXECUTABLE = {b"\x80": "a pickle", b"PK": "a zip", b"\x93NUMPY": "a numpy file", b"\x7fELF": "a program"}


@dataclass(frozen=True)
class TableProfile:
    """What `Task.candidates` may ask, counted from a table in memory."""

    table: pa.Table

    @property
    def n_rows(self) -> int:
        """Rows of the table."""
        return int(self.table.num_rows)

    def n_missing(self, column: str) -> int:
        """Nulls of `column`."""
        return int(self.table.column(column).null_count)

    def n_distinct(self, column: str) -> int:
        """Distinct values of `column`, exact."""
        return len(self.table.column(column).unique())


def check_task(task: Task, folder: Path) -> None:
    """Run every check, each in a folder of its own below `folder`."""
    for name, check in TASK_CHECKS.items():
        (folder / name).mkdir(parents=True)
        check(task, folder / name)


def check_example_is_seeded_and_sound(task: Task, folder: Path) -> None:
    """The example is the same at every call, belongs to the task and has no finding that blocks."""
    (table, spec), (again, _) = task.example(), task.example()
    assert table.equals(again), "example() gives another table at its second call"
    assert spec.task == task.name, f"the example's task is {spec.task!r}, not {task.name!r}"
    assert spec.loss in task.losses_known, f"the example's loss {spec.loss!r} is not in losses_known"
    missing = {spec.target, *spec.schema.names} - set(table.column_names)
    assert not missing, f"the example's table lacks {sorted(missing)}"
    assert spec.target not in spec.schema.names, "the target is among the inputs"
    blocking = [finding.code for finding in task.validate(table, spec) if finding.severity == "block"]
    assert not blocking, f"validate() blocks the task's own example: {blocking}"


def check_ladder_starts_with_an_unskipped_rung(task: Task, folder: Path) -> None:
    """The first rung always applies, also to three rows; names fit files and are unique; titles in two languages."""
    table, spec = task.example()
    for part in (table, table.slice(0, 3)):
        ladder = task.candidates(spec, TableProfile(part))
        assert ladder, "the ladder has no rung"
        assert ladder[0].skip is None, f"the first rung {ladder[0].name!r} is skipped"
        assert not ladder[0].requires, f"the first rung {ladder[0].name!r} requires an extra"
        names = [candidate.name for candidate in ladder]
        assert len(set(names)) == len(names), f"rungs share a name: {names}"
        for candidate in ladder:
            assert NAME.fullmatch(candidate.name), f"{candidate.name!r} is not fit for a file name"
            _two_languages(candidate.title, f"title of {candidate.name}")
            _two_languages(candidate.skip or candidate.title, f"skip of {candidate.name}")


def check_every_known_loss_fits(task: Task, folder: Path) -> None:
    """Every rung fits for every loss the task names, and gives finite losses."""
    table, spec = task.example()
    for loss in task.losses_known:
        about = replace(spec, loss=loss)
        for candidate in rungs(task, about, table):
            fitted = task.fit(candidate, {}, table, spec=about)
            values = task.losses(fitted, table, about).values
            assert np.isfinite(values).all(), f"{candidate.name}: {loss} loss is not finite"


def check_fit_is_deterministic(task: Task, folder: Path) -> None:
    """Two fits with one seed write the same bytes."""
    for candidate, fitted, table, spec in _fits(task):
        again = task.fit(candidate, {}, table, spec=spec)
        first = _saved(fitted, folder / f"{candidate.name}-1")
        second = _saved(again, folder / f"{candidate.name}-2")
        differing = [name for name in first if first[name] != second.get(name)]
        assert first.keys() == second.keys(), f"{candidate.name}: the second fit writes other files"
        assert not differing, f"{candidate.name}: the second fit differs in {differing}"


def check_roundtrip_is_exact(task: Task, folder: Path) -> None:
    """What `load` reads predicts the very same numbers, and knows the same schema, classes and importance."""
    for candidate, fitted, table, _ in _fits(task):
        _saved(fitted, folder / candidate.name)
        loaded = task.fitted.load(folder / candidate.name)
        assert isinstance(loaded, Fitted), f"{candidate.name}: what load() gives is not a Fitted"
        assert loaded.predict(table).equals(fitted.predict(table)), f"{candidate.name}: predicts otherwise after load"
        assert loaded.schema == fitted.schema, f"{candidate.name}: the schema differs after load"
        assert loaded.classes == fitted.classes, f"{candidate.name}: the classes differ after load"
        assert dict(loaded.importance) == dict(fitted.importance), f"{candidate.name}: the importance differs"


def check_saving_twice_is_stable(task: Task, folder: Path) -> None:
    """A loaded object writes the bytes it was read from, so that a package's digest survives a copy."""
    for candidate, fitted, _, _ in _fits(task):
        first = _saved(fitted, folder / f"{candidate.name}-1")
        second = _saved(task.fitted.load(folder / f"{candidate.name}-1"), folder / f"{candidate.name}-2")
        assert first == second, f"{candidate.name}: load then save writes other bytes"


def check_finishing_keeps_what_a_model_is(task: Task, folder: Path) -> None:
    """A finished model has the same inputs, classes and columns, predicts sanely, is saved exactly; so is the record.

    What it is called on stays as it was, and finishing twice comes to the same.
    """
    table, spec = task.example()
    parts = [(np.flatnonzero(np.arange(len(table)) % 3 != k), np.arange(len(table))[k::3]) for k in range(3)]
    rows = table.take(np.concatenate([test for _, test in parts]))
    for candidate, fitted, _, _ in _fits(task):
        models = [task.fit(candidate, {}, table.take(teach), spec=spec) for teach, _ in parts]
        said = [model.predict(table.take(test)) for model, (_, test) in zip(models, parts, strict=True)]
        numbers = [field.name for field in said[0].schema if pa.types.is_floating(field.type)]
        predicted = pa.concat_tables([one.select(numbers) for one in said])
        before = fitted.predict(table)
        finished, record = fitted.finish(rows, predicted, spec)
        assert fitted.predict(table).equals(before), f"{candidate.name}: finishing changes what it was called on"
        assert finished.schema == fitted.schema, f"{candidate.name}: finishing changes the schema"
        assert finished.classes == fitted.classes, f"{candidate.name}: finishing changes the classes"
        after = finished.predict(table)
        assert after.schema == before.schema, f"{candidate.name}: finishing changes the columns of a prediction"
        for odd, sent in hostile_rows(table, spec).items():
            _whole(finished.predict(sent), f"{candidate.name}, finished, {odd}")
        online_agrees(finished, table.slice(0, 70), f"{candidate.name}, finished")
        for words in record.words:
            _two_languages(words, f"finish of {candidate.name}")
        assert from_json(to_json(record), Finish) == record, f"{candidate.name}: the record does not survive JSON"
        _saved(finished, folder / candidate.name)
        loaded = load_fitted(task.name, folder / candidate.name)
        assert loaded.predict(table).equals(after), f"{candidate.name}: finished, it predicts otherwise after load"
        again, same = finished.finish(rows, predicted, spec)
        assert same == record, f"{candidate.name}: finishing twice teaches otherwise"
        assert again.predict(table).equals(after), f"{candidate.name}: finished twice, it predicts otherwise"


def check_package_holds_no_pickle(task: Task, folder: Path) -> None:
    """Only JSON, Arrow and text are written, whatever their names say."""
    for candidate, fitted, _, _ in _fits(task):
        for name, content in _saved(fitted, folder / candidate.name).items():
            assert Path(name).suffix in HARMLESS, f"{candidate.name}: writes {name}"
            for start, what in EXECUTABLE.items():
                assert not content.startswith(start), f"{candidate.name}: {name} is {what}"


def check_damaged_package_gives_a_user_error(task: Task, folder: Path) -> None:
    """A file that is missing, empty or cut in half gives a UserError: no other error, no crash."""
    for candidate, fitted, _, _ in _fits(task):
        home = folder / candidate.name
        for name, content in _saved(fitted, home).items():
            for damaged in (None, b"", content[: len(content) // 2]):
                if damaged is None:
                    (home / name).unlink()
                else:
                    (home / name).write_bytes(damaged)
                try:
                    task.fitted.load(home)
                except UserError:
                    continue
                finally:
                    (home / name).write_bytes(content)
                raise AssertionError(f"{candidate.name}: loads with {name} damaged")


def check_losses_are_finite_and_per_unit(task: Task, folder: Path) -> None:
    """One finite loss of at least zero per unit, unit ids unique, the same whatever the order of the rows."""
    for candidate, fitted, table, spec in _fits(task):
        losses = task.losses(fitted, table, spec)
        n_units = len(losses.units)
        assert losses.values.shape == (n_units,), f"{candidate.name}: {losses.values.shape} losses, {n_units} units"
        assert losses.values.dtype == np.float64, f"{candidate.name}: losses are {losses.values.dtype}"
        assert np.isfinite(losses.values).all(), f"{candidate.name}: a loss is not finite"
        assert (losses.values >= 0).all(), f"{candidate.name}: a loss is below zero"
        assert len(set(losses.units.tolist())) == n_units, f"{candidate.name}: unit ids repeat"
        assert losses.groups is None or len(losses.groups) == n_units, f"{candidate.name}: groups do not match units"
        assert (losses.groups is None) == (spec.group is None), f"{candidate.name}: groups against the spec"
        if spec.key is not None:
            turned = task.losses(fitted, table.take(np.arange(len(table))[::-1]), spec)
            before, after = (dict(zip(x.units.tolist(), x.values.tolist(), strict=True)) for x in (losses, turned))
            same = before.keys() == after.keys() and all(np.isclose(before[u], after[u]) for u in before)
            assert same, f"{candidate.name}: losses depend on the order of rows"


def check_metrics_have_a_headline_with_a_reason(task: Task, folder: Path) -> None:
    """Metrics are finite, count the same units as the losses, and say why one leads, in two languages."""
    for candidate, fitted, table, spec in _fits(task):
        metrics = task.metrics(fitted, table, spec)
        bad = [name for name, value in metrics.values.items() if not np.isfinite(value)]
        assert not bad, f"{candidate.name}: metrics are not finite: {bad}"
        assert metrics.headline in metrics.values, f"{candidate.name}: no metric {metrics.headline!r}"
        _two_languages(metrics.reason, f"reason of {candidate.name}'s headline")
        n_units = len(task.losses(fitted, table, spec).units)
        assert metrics.n_units == n_units, f"{candidate.name}: metrics of {metrics.n_units} units, not {n_units}"
        if metrics.confusion:
            assert np.shape(metrics.confusion) == (len(metrics.classes),) * 2, f"{candidate.name}: confusion's shape"
            assert int(np.sum(metrics.confusion)) == n_units, f"{candidate.name}: the confusion matrix misses rows"


def check_predicts_raw_rows_with_nulls_and_unseen_categories(task: Task, folder: Path) -> None:
    """Rows of nulls, unseen words, infinite numbers, and no rows at all are predicted, finite and whole."""
    for candidate, fitted, table, spec in _fits(task):
        for words, rows in hostile_rows(table, spec).items():
            predicted = fitted.predict(rows)
            assert len(predicted) == len(rows), f"{candidate.name}, {words}: {len(predicted)} of {len(rows)} rows"
            _whole(predicted, f"{candidate.name}, {words}")


def check_predicts_what_serving_sends(task: Task, folder: Path) -> None:
    """Integers for floats, ISO strings for times and dictionaries for words change no prediction."""
    for candidate, fitted, table, _ in _fits(task):
        sent = table
        for i, field in enumerate(table.schema):
            if pa.types.is_timestamp(field.type):
                iso = [None if v is None else v.isoformat() for v in table.column(i).to_pylist()]
                sent = sent.set_column(i, field.name, pa.array(iso, pa.string()))
            elif pa.types.is_string(field.type):
                sent = sent.set_column(i, field.name, table.column(i).dictionary_encode())
            elif pa.types.is_integer(field.type):
                sent = sent.set_column(i, field.name, table.column(i).cast(pa.float64()))
        assert fitted.predict(sent).equals(fitted.predict(table)), f"{candidate.name}: types of serving change it"


def check_a_row_does_not_depend_on_its_neighbours(task: Task, folder: Path) -> None:
    """A row alone, and with its columns in another order, is predicted as within the table."""
    for candidate, fitted, table, _ in _fits(task):
        together = fitted.predict(table)
        turned = table.select(table.column_names[::-1])
        for at in (0, len(table) - 1):
            alone = fitted.predict(turned.slice(at, 1))
            for name in together.column_names:
                one, many = alone.column(name)[0].as_py(), together.column(name)[at].as_py()
                same = one == many if isinstance(many, str) else np.isclose(one, many, rtol=1e-9, atol=1e-12)
                assert same, f"{candidate.name}: row {at} alone gives {name} {one}, together {many}"


def check_weights_of_zero_drop_rows(task: Task, folder: Path) -> None:
    """Rows of weight zero are as if they were not there."""
    table, spec = task.example()
    keep = np.arange(len(table)) % 4 != 0
    for candidate in rungs(task, spec, table):
        weighted = task.fit(candidate, {}, table, keep.astype(np.float64), spec=spec)
        fewer = task.fit(candidate, {}, table.filter(pa.array(keep)), np.ones(int(keep.sum())), spec=spec)
        assert weighted.predict(table).equals(fewer.predict(table)), f"{candidate.name}: rows of weight zero count"


def check_importance_is_shares_of_the_inputs(task: Task, folder: Path) -> None:
    """Importance names input columns, is never below zero and sums to 1, or is empty."""
    for candidate, fitted, _, spec in _fits(task):
        importance = fitted.importance
        assert set(importance) <= set(spec.schema.names), f"{candidate.name}: importance of unknown columns"
        assert all(share >= 0 for share in importance.values()), f"{candidate.name}: importance below zero"
        total = sum(importance.values())
        assert not importance or np.isclose(total, 1.0), f"{candidate.name}: importance sums to {total}"


def check_predicts_from_many_threads(task: Task, folder: Path) -> None:
    """One fitted object serves several threads at once, and every one gets the same answer."""
    for candidate, fitted, table, _ in _fits(task):
        expected = fitted.predict(table)
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda _: fitted.predict(table), range(12)))  # noqa: B023 - used up at once
        assert all(answer.equals(expected) for answer in answers), f"{candidate.name}: threads disturb each other"


def check_online_gives_what_predict_gives(task: Task, folder: Path) -> None:
    """The quick way for few rows, where a model has one, has the columns and values of `predict`."""
    for candidate, fitted, table, _ in _fits(task):
        online_agrees(fitted, table.slice(0, 70), candidate.name)


TASK_CHECKS: Mapping[str, Callable[[Task, Path], None]] = {
    check.__name__.removeprefix("check_"): check
    for check in (
        check_example_is_seeded_and_sound,
        check_ladder_starts_with_an_unskipped_rung,
        check_every_known_loss_fits,
        check_fit_is_deterministic,
        check_roundtrip_is_exact,
        check_saving_twice_is_stable,
        check_finishing_keeps_what_a_model_is,
        check_package_holds_no_pickle,
        check_damaged_package_gives_a_user_error,
        check_losses_are_finite_and_per_unit,
        check_metrics_have_a_headline_with_a_reason,
        check_predicts_raw_rows_with_nulls_and_unseen_categories,
        check_predicts_what_serving_sends,
        check_a_row_does_not_depend_on_its_neighbours,
        check_weights_of_zero_drop_rows,
        check_importance_is_shares_of_the_inputs,
        check_predicts_from_many_threads,
        check_online_gives_what_predict_gives,
    )
}


def rungs(task: Task, spec: TaskSpec, table: pa.Table) -> tuple[Candidate, ...]:
    """Return the rungs that can be fitted here: not skipped, their libraries installed."""
    return tuple(
        candidate
        for candidate in task.candidates(spec, TableProfile(table))
        if candidate.skip is None and all(importlib.util.find_spec(name) for name in candidate.requires)
    )


def hostile_rows(table: pa.Table, spec: TaskSpec) -> dict[str, pa.Table]:
    """Return rows as they may arrive, by what is odd about them: input columns only."""
    inputs = table.select(list(spec.schema.names)).slice(0, 5)
    found = {"no rows": inputs.slice(0, 0), "as trained": inputs}
    found["nulls"] = pa.table({field.name: pa.nulls(len(inputs), field.type) for field in inputs.schema})
    found["nulls without a type"] = pa.table({field.name: pa.nulls(len(inputs)) for field in inputs.schema})
    words = {name: pa.array(['never "seen"\n🎓'] * len(inputs)) for name in inputs.column_names}
    found["unseen words everywhere"] = pa.table(words)
    for label, value in (("infinite", np.inf), ("huge", 1e300), ("not a number", np.nan)):
        filled = inputs
        for i, field in enumerate(inputs.schema):
            if pa.types.is_integer(field.type) or pa.types.is_floating(field.type):
                filled = filled.set_column(i, field.name, pa.array([value] * len(inputs), pa.float64()))
        found[label] = filled
    return found


def online_agrees(fitted: Fitted, table: pa.Table, where: str) -> None:
    """Compare the quick way with `predict` on no row, one, many, empty and odd ones, from several threads at once."""
    online, schema, rows = online_of(fitted), fitted.schema, to_rows(table, fitted.schema)
    odd = [[EXTREMES[column.kind][k] for column in schema] for k in range(2)]

    def compare(sent: list[list[Any]]) -> None:
        expected = fitted.predict(to_table(sent, schema)).to_pydict()
        said = online(sent) if online is not None else expected
        assert list(said) == list(expected), f"{where}: columns {list(said)}"
        for name, values in expected.items():
            words = values and isinstance(values[0], str)
            same = said[name] == values if words else np.allclose(said[name], values, rtol=1e-12, atol=1e-12)
            assert same, f"{where}: {name} of {len(sent)} rows is {said[name]}, not {values}"

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(compare, ([], rows[:1], rows, [[None] * len(schema)], odd, [*odd, *rows[:9]]) * 3))


def _fits(task: Task) -> Iterator[tuple[Candidate, Fitted, pa.Table, TaskSpec]]:
    table, spec = task.example()
    for candidate in rungs(task, spec, table):
        yield candidate, task.fit(candidate, {}, table, spec=spec), table, spec


def _saved(fitted: Fitted, folder: Path) -> dict[str, bytes]:
    folder.mkdir(parents=True)
    fitted.save(folder)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def _whole(predicted: pa.Table, where: str) -> None:
    assert "prediction" in predicted.column_names, f"{where}: no column `prediction`"
    for name in predicted.column_names:
        column = predicted.column(name)
        assert not column.null_count, f"{where}: {name} holds nulls"
        assert not pa.types.is_floating(column.type) or np.isfinite(column.to_numpy()).all(), f"{where}: {name}"
    shares: list[Any] = [predicted[name].to_numpy() for name in predicted.column_names if name.startswith("prob_")]
    assert not shares or np.allclose(np.sum(shares, axis=0), 1.0), f"{where}: probabilities do not sum to 1"
    if {"lower", "upper"} <= set(predicted.column_names):
        lower, middle, upper = (predicted.column(name).to_numpy() for name in ("lower", "prediction", "upper"))
        assert np.all((lower <= middle) & (middle <= upper)), f"{where}: the prediction is outside its interval"


def _two_languages(words: Words, where: str) -> None:
    missing = [language for language in ("en", "es") if not words.get(language)]
    assert not missing, f"{where}: nothing in {missing}"

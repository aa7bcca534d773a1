"""A model behind its functions: saved as text, opened without the project, each with its own code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa
import pytest

from cauce.core.artefacts import Column, Finish, Schema, TaskSpec
from cauce.core.errors import UserError
from cauce.core.protocols import Finished, Online
from cauce.rows import Computation, Computed, RowFailed
from cauce.rows.fitted import load
from rows.texts import AGAIN, RATIO, functions

RAW = Schema((Column("price", "integer"), Column("area", "number"), Column("rooms", "integer")))


@dataclass(frozen=True)
class Doubler:
    """Predicts `twice`."""

    @property
    def schema(self) -> Schema:
        return Schema((Column("twice", "number"), Column("rooms", "integer")))

    @property
    def classes(self) -> tuple[str, ...]:
        return ()

    @property
    def importance(self) -> Mapping[str, float]:
        return {"twice": 0.8, "rooms": 0.2}

    def predict(self, table: pa.Table) -> pa.Table:
        return pa.table({"prediction": table["twice"]})

    def finish(self, rows: pa.Table, predicted: pa.Table, spec: TaskSpec) -> Finished:
        return Finished(self, Finish())

    def save(self, folder: Path) -> None:
        (folder / "inner.txt").write_text("doubler")

    @classmethod
    def load(cls, folder: Path) -> Self:
        assert (folder / "inner.txt").read_text() == "doubler"
        return cls()


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    def save(text: str = RATIO + AGAIN) -> Path:
        needed = functions(text).needed_for(["twice", "rooms"])
        made = Computation(needed, {"price": "int64", "area": "float64"}, {"ratio": "float64", "twice": "float64"})
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        Computed(Doubler(), made, RAW).save(folder)
        return folder

    return save


ROWS = pa.table({"price": [10, None], "area": [4.0, 1.0], "rooms": [1, 2]})


def test_it_is_the_same_after_save_and_load(saved: Callable[..., Path]) -> None:
    folder = saved()
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [
        "features.py",
        "inner.txt",
        "rows.json",
    ]
    opened = load(folder, Doubler.load)
    assert opened.schema == RAW
    assert opened.predict(ROWS)["prediction"].to_pylist() == [5.0, None]
    assert opened.importance == pytest.approx({"price": 0.4, "area": 0.4, "rooms": 0.2})


def test_two_releases_have_their_own_code(saved: Callable[..., Path]) -> None:
    one = load(saved(), Doubler.load)
    other = load(saved(RATIO + AGAIN.replace("2.0", "20.0")), Doubler.load)
    assert one.predict(ROWS)["prediction"].to_pylist() == [5.0, None]
    assert other.predict(ROWS)["prediction"].to_pylist() == [50.0, None]


def test_line_ends_and_letters_of_the_code_stay(saved: Callable[..., Path]) -> None:
    folder = saved((RATIO + AGAIN + "# año\n").replace("\n", "\r\n"))
    assert b"# a\xc3\xb1o\r\n" in (folder / "code" / "features.py").read_bytes()
    load(folder, Doubler.load)


def test_code_that_makes_other_columns_here_is_refused(saved: Callable[..., Path]) -> None:
    folder = saved()
    listing = json.loads((folder / "rows.json").read_bytes())
    listing["entries"] = listing["entries"][:1]
    (folder / "rows.json").write_text(json.dumps(listing))
    with pytest.raises(UserError, match="other columns than at training"):
        load(folder, Doubler.load)


def test_a_listing_that_names_files_elsewhere_runs_nothing(saved: Callable[..., Path], tmp_path: Path) -> None:
    folder = saved()
    (tmp_path / "evil.py").write_text("raise SystemExit('it ran')\n")
    for name in ("../../evil.py", str(tmp_path / "evil.py")):
        listing = json.loads((folder / "rows.json").read_bytes())
        listing["files"] = [name]
        (folder / "rows.json").write_text(json.dumps(listing))
        with pytest.raises(UserError, match="not a file of the project"):
            load(folder, Doubler.load)


class QuickDoubler(Doubler):
    """The same, with a quick way of its own."""

    def online(self) -> Online:
        """Take `twice`, the first value of a row."""
        return lambda rows: {"prediction": [row[0] for row in rows]}


def test_the_quick_way_computes_what_it_hands_on(saved: Callable[..., Path]) -> None:
    opened = load(saved(), lambda _: QuickDoubler())
    online = opened.online()
    assert online is not None
    assert online([[10, 4.0, 1], [None, 1.0, 2]]) == {"prediction": [5.0, None]}
    assert online([]) == {"prediction": []}


def test_a_row_that_fails_is_named_in_the_quick_way_too(saved: Callable[..., Path]) -> None:
    online = load(
        saved(RATIO.replace("return", "assert None not in area.to_pylist(); return") + AGAIN), lambda _: QuickDoubler()
    ).online()
    assert online is not None
    with pytest.raises(RowFailed) as caught:
        online([[1, 1.0, 1], [2, None, 1]])
    assert caught.value.row == 1


def test_without_a_quick_way_within_there_is_none(saved: Callable[..., Path]) -> None:
    assert load(saved(), Doubler.load).online() is None


def test_a_computed_column_in_another_form_leaves_the_reading_to_the_task(saved: Callable[..., Path]) -> None:
    class Categories(QuickDoubler):
        @property
        def schema(self) -> Schema:
            return Schema((Column("twice", "category"), Column("rooms", "integer")))

    assert load(saved(), lambda _: Categories()).online() is None


def test_what_a_computed_column_adds_stands_under_its_own_name_beside_what_it_is_computed_from(
    saved: Callable[..., Path],
) -> None:
    opened = load(saved(), Doubler.load)
    rows = pa.table({"price": [10, 30], "area": [4.0, 1.0], "rooms": [1, 2]})
    found = opened.contributions(rows, pa.table({"price": [4, 8], "area": [4.0, 4.0], "rooms": [3, 4]}))
    assert found.columns == ("twice", "rooms")
    assert found.computed == {"twice": ("price", "area")}
    assert found.base[:, 0].tolist() == [3.0, 3.0]
    assert found.values[:, 0].tolist() == [[2.0, 0.0], [57.0, 0.0]]

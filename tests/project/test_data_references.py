"""What a data set's joins and increments say of other keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from cauce.core.errors import Problems
from cauce.core.specs import DataSpec
from cauce.project import load
from cauce.project.references import joined_first

HEAD = '[project]\nname = "p"\n'


def faults_of(folder: Path, text: str) -> str:
    path = folder / "cauce.toml"
    path.write_text(HEAD + text, encoding="utf-8")
    with pytest.raises(Problems) as caught:
        load(path, {})
    return str(caught.value)


A = '[data.a]\nsource = "a.csv"\n'
B = '[data.b]\nsource = "b.csv"\n'
TIME = 'time = "t"\n'
JOIN_B = '[data.a.join.b]\nby = "k"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (A + TIME + JOIN_B.replace("join.b", "join.bb") + B + TIME, "Did you mean 'b'"),
        (A + JOIN_B + B + TIME, "[data.a] names no time column"),
        (A + TIME + JOIN_B + B, "nothing says since when"),
        (A + TIME + JOIN_B.replace("join.b", "join.a"), "the joins go round in a circle"),
        (A + 'late = "2d"', "nothing can be late without a watermark"),
        (A + 'watermark = "t"\ndeleted = "d"', "deleted rows need a key"),
    ],
)
def test_keys_that_contradict_each_other_are_told(tmp_path: Path, text: str, message: str) -> None:
    assert message in faults_of(tmp_path, text)


def test_a_circle_of_joins_names_its_way(tmp_path: Path) -> None:
    names = ("a", "b", "c")
    text = "".join(
        f'[data.{name}]\nsource = "x.csv"\ntime = "t"\n[data.{name}.join.{other}]\nby = "k"\n'
        for name, other in zip(names, ("b", "c", "a"), strict=True)
    )
    assert "'a → b → c → a'" in faults_of(tmp_path, text)


def test_what_is_joined_comes_first() -> None:
    def spec(*others: str) -> DataSpec:
        return DataSpec(source="x.csv", join={other: {"by": "k"} for other in others})

    assert joined_first({"a": spec("c"), "b": spec(), "c": spec("b")}) == ("b", "c", "a")
    assert sorted(joined_first({"a": spec("b"), "b": spec("a")})) == ["a", "b"]

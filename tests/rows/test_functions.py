"""Row functions are found, ordered, held against the columns, and told apart from what is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cauce.core.errors import UserError
from cauce.rows import RowFunctions, faults, read_functions
from rows.texts import AGAIN, HEAD, RATIO, WORDS, YEAR, functions


def read(folder: Path, *entries: str) -> RowFunctions:
    return read_functions(entries, folder, where=lambda number: f"cauce.toml:7, [data.homes] rows[{number}]")


def test_names_and_parameters_say_what_is_computed_from_what() -> None:
    found = functions(RATIO + YEAR + AGAIN)
    assert [(one.name, one.columns) for one in found.functions] == [
        ("ratio", ("price", "area")),
        ("año", ("sold on",)),
        ("twice", ("ratio",)),
    ]
    assert found.functions[0].where == "features.py:5, ratio"


def test_private_imported_and_other_things_are_no_row_functions() -> None:
    text = (
        "from math import floor\nfrom os.path import join\nLIMIT = 3\nclass A: ...\ndef _inner(x): return x\n" + RATIO
    )
    assert functions(text).names == ("ratio",)


def test_a_function_that_is_named_twice_is_computed_once_and_where_it_is_named_first() -> None:
    assert functions(RATIO + YEAR + AGAIN, "features.py:year", "features.py").names == ("año", "ratio", "twice")


def test_what_rows_must_bring_is_followed_back_to_the_source() -> None:
    found = functions(RATIO + YEAR + AGAIN)
    assert found.inputs == ("price", "area", "sold on")
    assert found.raw(["rooms", "twice"]) == ("rooms", "price", "area")
    assert found.raw(["price", "ratio"]) == ("price", "area")
    needed = found.needed_for(["twice"])
    assert needed.names == ("ratio", "twice")
    assert needed.entries == ("features.py:ratio", "features.py:twice")
    assert not found.needed_for(["rooms"])
    assert found.needed_for(["rooms"]).digest == ""


def test_the_digest_is_that_of_the_text_and_the_choice() -> None:
    found = functions(RATIO + AGAIN)
    assert found.digest == functions(RATIO + AGAIN).digest
    assert found.digest != functions(RATIO + AGAIN + "# a remark\n").digest
    assert found.digest != found.needed_for(["ratio"]).digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def f(*prices): return prices", "a list or keywords"),
        ("def f(price, *, by): return price", "a list or keywords"),
        ("def f(price, by=2): return price", "a default"),
        ("def f(): return 1", "takes no column"),
        ("def f(price):\n    yield price", "ordinary"),
        ("async def f(price): return price", "ordinary"),
        ('@row("price")\ndef f(price, area): return price', "names 1 columns"),
        ('@row("")\ndef f(price): return price', "not a column's name"),
        ("x = 1", "without a public function"),
        ("def f(price) return price", "not Python"),
    ],
)
def test_what_cannot_be_computed_row_by_row_is_refused(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        functions(text)
    assert refused.value.where
    assert refused.value.hint


def test_faults_are_told_with_function_and_line() -> None:
    text = "def price(area): return area\n" + "def a(b): return b\ndef b(a): return a\n" + "def c(d): return d\n"
    text += "def d(area): return area\ndef e(e): return e\n" + "def Area(price): return price\n"
    found = [str(one) for one in faults(functions(text), ["price", "area"])]
    assert [one.partition(": ")[0] for one in found] == [
        "features.py:5, price",
        "features.py:6, a",
        "features.py:8, c",
        "features.py:10, e",
        "features.py:11, Area",
    ]
    for one, said in zip(
        found, ["already", "a circle: a needs b needs a", "only after it", "its own", "make this"], strict=True
    ):
        assert said in one or "already" in one


def test_a_circle_is_told_with_all_its_members() -> None:
    text = "def a(c): return c\ndef b(a): return a\ndef c(b): return b\n"
    (problem,) = faults(functions(text), ["price"])
    assert "features.py:5, a: a circle: a needs c needs b needs a" in str(problem)


def test_two_files_that_make_one_column_are_refused(tmp_path: Path) -> None:
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text(HEAD + RATIO)
    (problem,) = faults(read(tmp_path, "one.py", "two.py"), ["price", "area"])
    assert "two functions make this column" in str(problem)


def test_reserved_names_are_refused() -> None:
    text = '@row("price", name="__cauce_row")\ndef f(price): return price\n'
    assert "kept for Cauce" in str(faults(functions(text), ["price"])[0])


@pytest.mark.parametrize(
    "line", ["import shared", "from shared import x", "from . import x", "def f(a):\n    import shared"]
)
def test_an_import_of_another_file_of_the_project_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "shared.py").write_text("x = 1\n")
    (tmp_path / "features.py").write_text(f"{line}\n{RATIO}")
    with pytest.raises(UserError, match="imports a file of the project") as refused:
        read(tmp_path, "features.py")
    assert refused.value.where.startswith("features.py:")


def test_libraries_are_those_that_the_files_import() -> None:
    assert set(functions(RATIO).libraries) == {"pyarrow"}


def test_a_new_compilation_has_forgotten_everything() -> None:
    text = "SEEN = []\ndef f(price):\n    SEEN.append(1)\n    return pa.array([len(SEEN)] * len(price))\n"
    found = functions(text)
    found.functions[0].call([1])
    assert found.fresh().functions[0].call([1]).to_pylist() == [1]
    assert not [name for name in sys.modules if name.startswith("cauce_script")]


def test_words_are_of_use_elsewhere() -> None:
    assert functions(WORDS).inputs == ("note",)
